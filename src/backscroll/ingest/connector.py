"""Connectors by kind of source: the name for users, and the rank of the source."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from backscroll.core.errors import BadField
from backscroll.core.model import Source
from backscroll.ingest.connectors.linked import linked
from backscroll.ingest.connectors.pushed import Observed, Setup
from backscroll.ingest.connectors.webhooks import cloud, events, evolution, gowa, periskope, waha


class Pushed(Struct, frozen=True):
    """A connector for pushed payloads. ``test_body`` is an empty payload for testing the connection."""

    kind: str
    observe: Callable[[bytes, Setup], Observed]
    counts_as: Source
    test_body: bytes


PUSHED: dict[str, Pushed] = {
    connector.kind: connector
    for connector in (
        Pushed("gowa", gowa.observe, "webhook", b'{"event":"chat_presence","payload":{}}'),
        Pushed("waha", waha.observe, "webhook", b'{"event":"presence.update","payload":{}}'),
        Pushed("evolution", evolution.observe, "webhook", b'{"event":"presence.update","data":{}}'),
        Pushed("periskope", periskope.observe, "periskope", b'{"event":"org.updated","data":{}}'),
        Pushed("cloud", cloud.observe, "cloud", b'{"object":"whatsapp_business_account","entry":[]}'),
        Pushed("events", events.observe, "webhook", b'{"events":[]}'),
        Pushed("linked", linked.observe, "linked", b'{"event":"Contacts","at":0,"own":"0@s.whatsapp.net","data":[]}'),
    )
}


def pushed(kind: str) -> Pushed:
    """The connector of a kind; raises ``BadField`` for an unknown one."""
    try:
        return PUSHED[kind]
    except KeyError:
        raise BadField("KIND", kind[:80], f"must be one of {', '.join(PUSHED)}") from None
