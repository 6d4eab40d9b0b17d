"""JSON Schemas of the answers, for the OpenAPI document.

Written as ``name:type`` words: ``?`` after the type allows null, ``*`` after the name allows absence, ``[]`` is a list,
``@Name`` another schema.
"""

from __future__ import annotations

from typing import Any

from backscroll.ingest.connectors.webhooks import events as own_events

Schema = dict[str, Any]

_TYPES: dict[str, Schema] = {
    "string": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "int": {"type": "integer"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "object": {"type": "object"},
    "any": {},
}


def fields(words: str, prefix: str) -> Schema:
    """A JSON schema from ``name:type`` words; ``*`` after a name makes it optional, ``?`` after a type allows null."""
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for word in words.split():
        name, _, kind = word.partition(":")
        properties[name.rstrip("*")] = _type(kind, prefix)
        if not name.endswith("*"):
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def _type(kind: str, prefix: str) -> Schema:
    if kind.endswith("?"):
        plain = _type(kind[:-1], prefix)
        return {**plain, "type": [plain["type"], "null"]} if "type" in plain else {"anyOf": [plain, {"type": "null"}]}
    if kind.endswith("[]"):
        return {"type": "array", "items": _type(kind[:-2], prefix)}
    if kind.startswith("@"):
        return {"$ref": f"#/components/schemas/{prefix}.{kind[1:]}"}
    return dict(_TYPES[kind])


_ENVELOPE = "from:int to:int count:int"
_MESSAGE = """
    message_id:string org_id:string ack:string author:string? body:string? broadcast:bool? device_type:string?
    duration:string? forwarding_score:number? from:string? from_me:bool has_media:bool? has_quoted_msg:bool?
    has_reaction:bool? id:object invite_v4:any is_ephemeral:bool? is_forwarded:bool? is_gif:bool? is_starred:bool?
    is_status:bool? links:any location:any media_key:string? mentioned_ids:string[] order_id:string? raw_data:any
    to:string? token:string? message_type:string vcards:any chat_id:string timestamp:time org_phone:string
    broadcast_id:string? is_deleted:bool? media:@Media? performed_by:string? prev_body:string?
    quoted_message_id:string? sender_phone:string? sent_message_id:string? delivery_info:@DeliveryInfo?
    updated_at:time? message_ticket_id:string? unique_id:string flag_metadata:any flag_response_time:number?
    fts:string? flag_status:bool? poll_info:any poll_results:any interactive:any
"""
_PERISKOPE = {
    "Messages": f"{_ENVELOPE} messages:@Message[]",
    "Message": f"{_MESSAGE} reactions*:@Reaction[]",
    "Media": "path*:string? size*:int? filename*:string? mimetype*:string? thumbnail*:string? dimensions*:object?",
    "DeliveryInfo": "read*:object pending*:string[] delivered*:object read_count*:int delivered_count*:int",
    "Reaction": "reaction_id:string message_id:string chat_id*:string? sender_id:string reaction:any timestamp*:any",
    "Status": "message_id:string unique_id:string chat_id*:string ack*:int status*:string?",
    "Chats": f"{_ENVELOPE} chats:@Chat[]",
    "Chat": "org_id:string chat_id:string org_phone:string chat_name*:string? chat_type*:string? latest_message*:any",
    "Notifications": f"{_ENVELOPE} notifications:@Notification[] messages:@Notification[]",
    "Notification": "notification_id:string chat_id:string type*:string? author*:string? timestamp*:string?",
    "Contacts": f"{_ENVELOPE} contacts:@Contact[]",
    "Contact": "contact_id:string org_id:string contact_name*:string? contact_type*:string? labels*:string[]",
    "Phone": "org_id:string org_phone:string phone_id:string phone_name*:string? wa_state*:string? is_ready*:bool?",
    "Reactions": f"{_ENVELOPE} reactions:@Reaction[]",
    "Empty": _ENVELOPE,
    "Notes": f"{_ENVELOPE} notes:any[] start_time:string end_time:string",
    "NoTransport": "code:int message:string",
    "Queue": "active:int failed:int completed:int is_running:bool pending:int",
    "Broadcast": "broadcast_id*:string org_id:string total_chats:int logs:string[]",
    "Knowledge": "data:any[] count:int",
    "Webhook": """
        id:string subscribed_at:string is_subscribed:bool integration_name:string integration_type:string type:string
        integration_metadata:object org_id:string hook_url:string integration_id:string signing_key*:string
    """,
    "Error": "name:string code:string message:string status:int fields*:object",
}
_GOWA = {
    "Messages": "code:string message:string results:@MessagesResults",
    "MessagesResults": "data:@Message[] pagination:@Pagination chat_info:@Chat",
    "Message": """
        id:string chat_jid:string sender_jid:string content:string timestamp:time is_from_me:bool media_type:string?
        filename:string? url:string? file_length:int? created_at:string updated_at:string sender_display_name*:string
        reactions*:any[] call_metadata*:string
    """,
    "Pagination": "limit:int offset:int total:int",
    "Chats": "code:string message:string results:@ChatsResults",
    "ChatsResults": "data:@Chat[] pagination:@Pagination",
    "Chat": """
        jid:string name:string last_message_time:string ephemeral_expiration:int created_at:string updated_at:string
        archived:bool
    """,
    "Devices": "code:string message:string results:@DeviceInfo[]?",
    "Device": "code:string message:string results:@DeviceInfo",
    "DeviceInfo": "id:string state:string display_name*:string jid*:string phone_number*:string created_at*:string",
    "DeviceStatus": "code:string message:string results:object",
    "AppDevices": "code:string message:string results:any",
    "AppStatus": "code:string message:string results:object",
    "AppInfo": "code:string message:string results:object",
    "Contacts": "code:string message:string results:object",
    "DeviceWebhook": "code:string message:string results:object",
    "Groups": "code:string message:string results:@GroupList",
    "GroupList": "data:@GroupInfo[]?",
    "Group": "code:string message:string results:@GroupInfo",
    "GroupInfo": """
        JID:string OwnerJID:string Name:string Topic:string IsEphemeral:bool DisappearingTimer:int GroupCreated:time
        Participants:@GoParticipant[] ParticipantCount:int
    """,
    "GoParticipant": "JID:string PhoneNumber:string LID:string IsAdmin:bool IsSuperAdmin:bool DisplayName:string",
    "Participants": "code:string message:string results:@ParticipantList",
    "ParticipantList": "group_id:string name:string participants:@Participant[]",
    "Participant": """
        jid:string phone_number:string lid*:string display_name*:string is_admin:bool is_super_admin:bool
    """,
    "InviteLink": "code:string message:string results:object",
    "Newsletters": "code:string message:string results:object",
    "Download": "code:string message:string results:object",
    "Login": "code:string message:string results:object?",
    "Error": "code:string message:string results*:any",
}


_CHANGE = "seq:int type:string phone:string? chat_id:string? key:string? source*:string"
_CHAT = """
    phone:string chat_id:string lid:string? kind:string name:string? image:string? unread:int? archived:bool?
    pinned:bool? muted:bool? labels:string[] messages:int last_message_at:time? last:object?
"""
_CONTACT = """
    jid:string lid:string? number:string? name:string? push_name:string? business_name:string? display_name:string?
    is_business:bool? is_saved:bool? image:string? labels:string[]
"""
_ORG = "id:string name:string created_at:time current:bool"
_CREDENTIAL = """
    id:string name:string? scopes:string[] phones:any created_at:time expires_at:time? revoked_at:time?
    last_used_at:time? current:bool
"""
_LIST = "next:string? total:int?"
_WEBHOOK = """
    id:string name:string? url:string format:string types:string[] phones:any imports:bool enabled:bool created_at:time
    changed_at:time previous_secret_until:time? state:string failing_since:time? last_success_at:time?
    last_failure_at:time? last_error:string? counts:object
"""
_SOURCE = """
    id:string type:string phone:string? state:string last_event_at:time? synced_at:time? created_at:time
    silent_after_seconds:int? upstream:string? every_seconds:int? previous_secret_until:time? refused:int
    problem:@Problem?
"""
_NATIVE_MESSAGE = f"""{_MESSAGE}
    key:string phone:string kind:string sender:@Person? precision:string edited_at:time? edits:int deleted_at:time?
    deleted_by:@Person? forwarded:bool starred:bool view_once:bool gif:bool expires_at:time? mentions:object[]
    quoted:object? reactions:object[] receipts:object? pinned:@Pin? file:@File? place:object? contacts:object[]
    poll:object? card:@Card? call:object? notice:object?
"""
_KNOWN = "first_message_at:time? last_message_at:time? messages:int"
_COVERED = "covered_from:time? covered_until:time? spans:@Span[] gaps:@Gap[] more_spans:bool more_gaps:bool"
_BACKSCROLL = {
    "Media": _PERISKOPE["Media"],
    "DeliveryInfo": _PERISKOPE["DeliveryInfo"],
    "Error": "code:string message:string field:string?",
    "Session": """
        org:object token:object phones:object[] messages:int chats:int version:string seq:int expires_at:time?
    """,
    "Chats": f"items:@Chat[] {_LIST}",
    "Chat": _CHAT,
    "ChatDetails": f"""{_CHAT}
        description:string? created_at:time? ephemeral_seconds:int? is_exited:bool? invite_link:string? members:object[]
        members_total:int first_message_at:time? phone_labels:@Label[] coverage:@Covered
    """,
    "Label": "id:string name:string? color:int?",
    "Person": "jid:string name:string?",
    "Pin": "by:@Person? at:time until:time?",
    "Card": """
        title:string? text:string? place:string? starts_at:time? ends_at:time? expires_at:time? canceled:bool
        items:@CardItem[] item_count:int? price:string? order_id:string? chat_id:string? url:string?
    """,
    "CardItem": "name:string? quantity:int? price:string?",
    "File": """
        state:string url:string? thumbnail:string? width:int? height:int? duration:number? waveform:any pages:int?
        size:int? filename:string? mimetype:string? animated:bool
    """,
    "Message": _NATIVE_MESSAGE,
    "Thread": """
        items:@Message[] found_oldest:bool found_newest:bool target:string? seq:int older:string? newer:string?
    """,
    "MessageDetails": f"""{_NATIVE_MESSAGE}
        chat:object versions:object[] receipt_list:object[] tellings:object[] has_original:bool fetch:@Fetch?
    """,
    "Fetch": "tries:int next_at:time? problem:string? given_up:bool",
    "Originals": "items:object[]",
    "Spine": """
        months*:any[] days*:any[] month*:string before*:int first_at*:time? last_at*:time? total*:int
        covered_from*:time? covered_until*:time? gaps*:@BriefGap[]
    """,
    "Coverage": "phones:@PhoneCoverage[] items:@ChatCoverage[] next:string? total:int",
    "PhoneCoverage": f"phone:string name:string? {_KNOWN} {_COVERED}",
    "ChatCoverage": f"phone:string chat_id:string name:string? kind:string {_KNOWN} {_COVERED}",
    "Covered": _COVERED,
    "Span": "from:time to:time scope:string live:bool ended:string? source:@Teller",
    "Teller": "id:string? how:string kind:string name:string?",
    "Gap": "from:time to:time? reason:string text:string messages:int evidence:@Evidence[] remedy:@Remedy",
    "BriefGap": "from:time to:time? reason:string messages:int",
    "Evidence": "code:string at:time? count:int? source:@Teller? text:string",
    "Remedy": "code:string text:string command:string?",
    "Files": f"items:object[] {_LIST}",
    "Contacts": f"items:@Contact[] {_LIST}",
    "Contact": _CONTACT,
    "ContactDetails": f"{_CONTACT} names:object[] jids:string[] shared:@Chat[]",
    "Phones": f"items:object[] {_LIST}",
    "Sources": f"items:@Source[] {_LIST}",
    "Source": _SOURCE,
    "NewSource": f"{_SOURCE} url:string secret:string verify_token:string? how:string",
    "Health": """
        version:string archive:string schema:int engine:string database_bytes:int? disk_bytes:int? disk_free_bytes:int?
        messages:int chats:int phones:int last_stored_at:time? last_source:string? search_complete:bool quarantined:int
        quarantined_waiting:int imports:@ImportLine[] sources:@Source[] check:@LastCheck? problems:@Problem[]
    """,
    "ImportLine": "id:int kind:string file:string? state:string started_at:time finished_at:time?",
    "LastCheck": "at:time media:bool findings:int first:string[]",
    "Problem": "code:string text:string remedy:string? at:time?",
    "Orgs": f"items:@Org[] {_LIST}",
    "Org": _ORG,
    "NewOrg": f"{_ORG} token:string secret:string",
    "Tokens": f"items:@Token[] {_LIST}",
    "Token": _CREDENTIAL,
    "NewToken": f"{_CREDENTIAL} secret:string",
    "Links": "available:bool install:string? links:@Link[]",
    "Link": """
        id:string phone:string? phone_name:string? state:string message:string? since:time retry_at:time?
        pairing:object? history_progress:int? silent_after_seconds:int? last_event_at:time? created_at:time
    """,
    "Imports": "items:@Import[] next:string?",
    "Import": """
        id:string origin:string state:string kind:string? name:string created_at:time updated_at:time finished_at:time?
        expires_at:time? phone:string? size:int? files:@ImportFile[] progress:object? found:any questions:object[]
        answers:object imports:object[] report:object? error:object? can:string[]
    """,
    "ImportFile": "no:int name:string size:int received:int",
    "ImportUndo": "messages:int kept:int chats:int contacts:int files:int imports:object[]",
    "Webhooks": f"items:@Webhook[] types:object delivering:bool {_LIST}",
    "Webhook": _WEBHOOK,
    "NewWebhook": f"{_WEBHOOK} secret:string",
    "WebhookTrial": "ok:bool status:int? error:string? milliseconds:int event:string",
    "Deliveries": "items:@Delivery[] next:string?",
    "Delivery": """
        webhook:string event:string type:string seq:int state:string phone:string? chat_id:string? key:string?
        created_at:time attempts:int last_attempt_at:time? next_attempt_at:time? status:int? error:string?
    """,
    "Requeued": "queued:int more:bool",
    "Changes": "items:@Change[] next:int more:bool",
    "Change": _CHANGE,
}


def components() -> dict[str, Schema]:
    """All schemas, as ``periskope.Message``, ``gowa.Chat`` …"""
    schemas = {f"periskope.{name}": fields(words, "periskope") for name, words in _PERISKOPE.items()}
    schemas |= {f"gowa.{name}": fields(words, "gowa") for name, words in _GOWA.items()}
    schemas["periskope.Phones"] = {"type": "array", "items": {"$ref": "#/components/schemas/periskope.Phone"}}
    schemas["periskope.Rows"] = {"type": "array", "items": {"type": "object"}}
    webhook = {"$ref": "#/components/schemas/periskope.Webhook"}
    schemas["periskope.Webhooks"] = {"type": "array", "items": webhook}
    schemas["periskope.CreatedWebhook"] = {"anyOf": [webhook, {"type": "array", "items": webhook}]}
    schemas |= {f"backscroll.{name}": fields(words, "backscroll") for name, words in _BACKSCROLL.items()}
    schemas |= own_events.components("#/components/schemas/")
    return schemas
