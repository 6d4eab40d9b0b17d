"""The page's types, compared with the server's OpenAPI document."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from backscroll.http.app import ROUTES
from backscroll.http.openapi import document
from web.browsing import ROOT

SCHEMAS: dict[str, Any] = json.loads(document(ROUTES, "http://archive.test"))["components"]["schemas"]
SCHEMA_OF = {
    "Session": "Session",
    "Chat": "Chat",
    "ChatDetails": "ChatDetails",
    "Covered": "PhoneCoverage",
    "GapDetails": "Gap",
    "PhoneCoverage": "PhoneCoverage",
    "ChatCoverage": "ChatCoverage",
    "Message": "Message",
    "MessagesPage": "Thread",
    "MessageDetails": "MessageDetails",
    "File": "File",
    "Pin": "Pin",
    "Fetch": "Fetch",
    "TopicCard": "Card",
    "CardItem": "CardItem",
    "Contact": "Contact",
    "ContactDetails": "ContactDetails",
    "Problem": "Problem",
    "Source": "Source",
    "NewSource": "NewSource",
    "Health": "Health",
    "ImportLine": "ImportLine",
    "ImportJob": "Import",
    "DeviceLink": "Link",
    "Webhook": "Webhook",
    "Delivery": "Delivery",
    "Trial": "WebhookTrial",
    "Change": "Change",
}
"""The schema of each of the page's types."""
NOT_TOLD = {
    ("ChatDetails", "counts"),
    ("Change", "message"),
}
"""Fields that the page can do without, which may come from another version of the server."""
SIMPLE = {"string": {"string"}, "number": {"integer", "number"}, "boolean": {"boolean"}}


def interfaces() -> dict[str, dict[str, str]]:
    """The fields of each type and their types, including those of the type that it extends."""
    text = re.sub(r"/\*\*.*?\*/", "", (ROOT / "web/src/types.ts").read_text("utf-8"), flags=re.S)
    found: dict[str, dict[str, str]] = {}
    for name, base, body in re.findall(
        r"(?:export )?interface (\w+)(?:<\w+>)?(?: extends (\w+))? \{\n(.*?)\n\}", text, re.S
    ):
        # Text inside braces belongs to one field.
        flat = re.sub(r"\s+", " ", body)
        own: dict[str, str] = {}
        depth, start = 0, 0
        for at, letter in enumerate(flat + ";"):
            depth += (letter in "{[(") - (letter in "}])")
            if letter == ";" and depth == 0:
                field, colon, kind = flat[start:at].partition(":")
                if colon:
                    own[field.strip()] = kind.strip().lstrip("| ")
                start = at + 1
        found[name] = {**found.get(base, {}), **own}
    return found


INTERFACES = interfaces()


def types_of(schema: dict[str, Any]) -> tuple[set[str], bool]:
    """The simple types that a schema allows (none if it has no type), and whether null is allowed."""
    if "anyOf" in schema:
        plain = [types_of(one) for one in schema["anyOf"]]
        return set().union(*(kinds - {"null"} for kinds, _ in plain)), any(
            null or "null" in kinds for kinds, null in plain
        )
    if "$ref" in schema:
        return {"object"}, False
    kinds = schema.get("type", [])
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    return kinds - {"null"}, "null" in kinds or not kinds


def kinds_of(written: str) -> set[str]:
    """The JSON Schema names of what a field of the page's types may hold."""
    plain = re.sub(r"\s*\|\s*null$", "", written)
    if plain in SIMPLE:
        return SIMPLE[plain]
    if plain.endswith("[]") or plain.startswith("["):
        return {"array"}
    if plain.startswith('"'):
        return {"string"}
    if plain.startswith(("{", "Record<")) or plain in INTERFACES:
        return {"object"}
    return set()


@pytest.mark.parametrize("name", SCHEMA_OF)
def test_a_type_of_the_page_is_what_the_server_tells(name: str) -> None:
    schema = SCHEMAS[f"backscroll.{SCHEMA_OF[name]}"]
    wrong = []
    for field, written in INTERFACES[name].items():
        plain = field.rstrip("?")
        if (name, plain) in NOT_TOLD:
            continue
        if plain not in schema["properties"]:
            wrong.append(f"{plain}: the server tells no such thing")
            continue
        told, may_be_null = types_of(schema["properties"][plain])
        ours = kinds_of(written)
        if may_be_null and told and not written.endswith("| null"):
            wrong.append(f"{plain}: may be null")
        if told and ours and not told & ours:
            wrong.append(f"{plain}: the server tells {sorted(told)}, the page reads {written}")
    assert not wrong


def test_the_types_are_read_as_they_are_written() -> None:
    assert INTERFACES["ChatDetails"]["chat_id"] == "string"
    assert INTERFACES["Message"]["file"] == "File | null"
    assert kinds_of(INTERFACES["ImportJob"]["state"]) == {"string"}
    assert kinds_of(INTERFACES["ImportJob"]["files"]) == {"array"}
    assert types_of({"type": ["string", "null"]}) == ({"string"}, True)
