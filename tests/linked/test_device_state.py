"""Names, groups and settings from the library: reported once, and again when they change."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from backscroll.core.events import ChatSeen, ContactSeen, Event
from backscroll.ingest.connectors.linked.linked import observe
from backscroll.ingest.connectors.pushed import Setup
from backscroll.linked.state import State
from linked.test_linked_events import full_group
from linked_events import ANA, BEN, GROUP, Phone, net


class Library:
    """A substitute for the library, with fixed answers."""

    def __init__(self) -> None:
        self.book: list[dict[str, Any]] = [
            {"JID": net(ANA), "Info": {"Found": True, "FullName": "Ana Bell"}},
            {"JID": net(BEN), "Info": {"Found": True, "PushName": "ben"}},
        ]
        self.groups_of_it = [full_group()]
        self.muted: dict[str, float] = {}

    def contacts(self) -> list[dict[str, Any]]:
        return copy.deepcopy(self.book)

    def groups(self) -> list[Any]:
        return self.groups_of_it

    def settings_of(self, chat: str) -> dict[str, Any] | None:
        return {"JID": chat, "MutedUntil": self.muted[chat]} if chat in self.muted else None


def told(device: Phone, library: Any) -> list[Event]:
    State(library, device.spool, device.local).tell()
    return [event for line in device.lines() for event in observe(line, Setup()).events]


def test_everything_is_told_once_and_what_changed_again(device: Phone) -> None:
    library = Library()
    first = told(device, library)
    assert [event.name for event in first if isinstance(event, ContactSeen)] == ["Ana Bell", None]
    assert [event.name for event in first if isinstance(event, ChatSeen)] == ["Bakers"]
    assert told(device, library) == []
    library.book[0]["Info"]["FullName"] = "Ana B."
    library.groups_of_it[0].GroupName.Name = "Bread"
    library.muted[f"{GROUP}@g.us"] = 1_900_000_000.0
    again = told(device, library)
    assert [event.name for event in again if isinstance(event, ContactSeen)] == ["Ana B."]
    assert [event.name for event in again if isinstance(event, ChatSeen)] == ["Bread", None]


def test_what_the_library_refuses_keeps_nothing_else_back(device: Phone) -> None:
    library = Library()

    def fails() -> list[Any]:
        raise RuntimeError("the library's own error")

    library.groups = fails  # type: ignore[method-assign]
    assert [type(event) for event in told(device, library)] == [ContactSeen, ContactSeen]


def test_what_cannot_be_spooled_is_not_taken_for_told(device: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(code: int, payload: bytes) -> int:
        raise OSError(28, "No space left on device")

    library = Library()
    with monkeypatch.context() as patched:
        patched.setattr(device.spool, "append", full)
        with pytest.raises(OSError):
            State(library, device.spool, device.local).tell()
    assert len(told(device, library)) > 2
