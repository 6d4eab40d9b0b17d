"""Splitting a history that WhatsApp sends at once, without loading it as a whole.

It is one protobuf of up to hundreds of megabytes. Its outer two levels are walked by hand over the file's bytes, so
that no more than one message at a time is an object, and what comes out are pieces of a bounded number of messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from neonize.proto.waHistorySync import WAWebProtobufsHistorySync_pb2 as history
from neonize.proto.waWeb import WAWebProtobufsWeb_pb2 as web

MESSAGES = 100
"""Messages of one piece."""
NAMES = 500
_DATA = 1
_CONVERSATIONS, _STATUSES, _PUSHNAMES, _CALLS, _LIDS = 2, 3, 7, 13, 15
_MESSAGES = 2
STATUS = "status@broadcast"


class Piece:
    """What one piece holds, as the library's own objects."""

    __slots__ = ("calls", "conversation", "head", "lids", "messages", "names")

    def __init__(self, head: Any) -> None:
        self.head = head
        """Kind, order and progress of the history."""
        self.conversation: Any = None
        self.messages: list[Any] = []
        self.names: list[Any] = []
        self.lids: list[Any] = []
        self.calls: list[Any] = []


def pieces(payload: bytes) -> Iterator[Piece]:
    """The pieces of an event of the library's kind HistorySync; ``ValueError`` for bytes that are none.

    What names people comes first: a message that names a hidden id then meets the number that belongs to it.
    """
    whole = memoryview(payload)
    data = next((value for number, value in fields(whole) if number == _DATA), memoryview(b""))
    head = _head(data)
    yield from _names(data, head)
    yield from _statuses(data, head)
    for number, value in fields(data):
        if number == _CONVERSATIONS:
            yield from _conversation(value, head)


def _head(data: memoryview) -> Any:
    """The small fields that say what kind of history it is."""
    small = bytearray()
    for number, start, end in spans(data):
        if number in (1, 5, 6):
            small += data[start:end]
    return _parsed(history.HistorySync, bytes(small))


def _names(data: memoryview, head: Any) -> Iterator[Piece]:
    piece = Piece(head)
    for number, value in fields(data):
        if number == _PUSHNAMES:
            piece.names.append(_parsed(history.Pushname, value))
        elif number == _LIDS:
            piece.lids.append(_parsed(history.PhoneNumberToLIDMapping, value))
        elif number == _CALLS:
            piece.calls.append(_parsed(_call_record(), value))
        if len(piece.names) + len(piece.lids) + len(piece.calls) >= NAMES:
            yield piece
            piece = Piece(head)
    if piece.names or piece.lids or piece.calls:
        yield piece


def _call_record() -> Any:
    return history.HistorySync.DESCRIPTOR.fields_by_number[_CALLS].message_type._concrete_class


def _statuses(data: memoryview, head: Any) -> Iterator[Piece]:
    piece = _empty(head, history.Conversation(ID=STATUS))
    for number, value in fields(data):
        if number == _STATUSES:
            piece.messages.append(_parsed(web.WebMessageInfo, value))
            if len(piece.messages) >= MESSAGES:
                yield piece
                piece = _empty(head, piece.conversation)
    if piece.messages:
        yield piece


def _conversation(data: memoryview, head: Any) -> Iterator[Piece]:
    rest = bytearray()
    for number, start, end in spans(data):
        if number != _MESSAGES:
            rest += data[start:end]
    conversation = _parsed(history.Conversation, bytes(rest))
    piece = _empty(head, conversation)
    for number, value in fields(data):
        if number == _MESSAGES:
            piece.messages.append(_parsed(history.HistorySyncMsg, value).message)
            if len(piece.messages) >= MESSAGES:
                yield piece
                # What is said of the chat itself is said once.
                piece = _empty(head, history.Conversation(ID=conversation.ID))
    if piece.messages or piece.conversation is conversation:
        yield piece


def _empty(head: Any, conversation: Any) -> Piece:
    piece = Piece(head)
    piece.conversation = conversation
    return piece


def _parsed(kind: Any, data: Any) -> Any:
    message = kind()
    try:
        message.ParseFromString(bytes(data))
    except Exception as error:
        raise ValueError("this is not a WhatsApp history") from error
    return message


# The wire format of protobuf


def fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of each field that has a length, in their order."""
    for number, kind, start, end in _walk(data):
        if kind == 2:
            yield number, data[start:end]


def spans(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """Number, beginning and end of each field, its tag included."""
    begin = 0
    for number, _, _, end in _walk(data):
        yield number, begin, end
        begin = end


def _walk(data: memoryview) -> Iterator[tuple[int, int, int, int]]:
    place, size = 0, len(data)
    while place < size:
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            start, place = place, _varint(data, place)[1]
        elif kind == 1:
            start, place = place, place + 8
        elif kind == 2:
            length, start = _varint(data, place)
            place = start + length
        elif kind == 5:
            start, place = place, place + 4
        else:
            raise ValueError("this is not a WhatsApp history")
        if place > size:
            raise ValueError("this history is truncated")
        yield tag >> 3, kind, start, place


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, place
        shift += 7
    raise ValueError("this history is truncated")
