"""Events from requests that passed through to a gateway, and how they are kept while the database is unavailable."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from backscroll.core.errors import StorageBusy
from backscroll.core.events import (
    Batch,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    ReactionSet,
    Target,
)
from backscroll.core.model import ArchivedMessage, Details, Location, Media, Message, MessageKey, Poll
from backscroll.ingest.sent import gowa, keeping, periskope
from backscroll.ingest.sent.forms import MAX_FIELD, MAX_FIELDS, Fields, FormReader
from backscroll.ingest.sent.sending import Sent
from backscroll.storage.store import Store, open_store
from gateway_archive import Archive
from gateways import ANA, BEN, GROUP, ME, net
from shell import Shell

NOW = 1_773_306_000_000_000
ANSWER = {"code": "SUCCESS", "results": {"message_id": "3EB0AA", "status": "Message sent to x"}}
BOUNDARY = "----x7"


def through(path: str, fields: dict[str, Any], answer: Any = ANSWER, known: ArchivedMessage | None = None) -> Sent:
    params = {"message_id": "3EB0AA", "id": f"false_{GROUP}_3A77_{BEN}@c.us"} if "{" in path else {}
    return Sent(path, params, Fields(fields, []), json.dumps(answer).encode() if answer else b"", net(ME), NOW, known)


def message(path: str, fields: dict[str, Any], answer: Any = ANSWER) -> Message:
    reader = periskope if path.startswith("/v1/") else gowa
    understood = reader.understood(through(path, fields, answer))
    assert understood is not None
    (event,) = understood.events
    assert isinstance(event, MessageSeen)
    return event.message


def multipart(*parts: tuple[str, bytes]) -> bytes:
    lines = [f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + body for head, body in parts]
    return b"\r\n".join([*lines, f"--{BOUNDARY}--\r\n".encode()])


def read(body: bytes, step: int, content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> Fields | None:
    reader = FormReader(content_type)
    for at in range(0, len(body), step):
        reader.show(body[at : at + step])
    return reader.fields()


@given(
    st.integers(1, 50),
    st.text(max_size=40),
    st.one_of(st.binary(max_size=200), st.just(f"\r\n--{BOUNDARY}"[:-1].encode() * 3)),
)
def test_a_form_is_read_however_it_is_cut_into_pieces(step: int, caption: str, content: bytes) -> None:
    if f"\r\n--{BOUNDARY}".encode() in b"\r\n" + content:
        return
    body = multipart(
        ('name="phone"', ANA.encode()),
        ('name="caption"', caption.encode()),
        ('name="image"; filename="shop.png"\r\nContent-Type: image/png', content),
        ('name="empty"', b""),
    )
    fields = read(body, step)
    assert fields is not None
    assert fields.values == {"phone": ANA, "caption": caption, "empty": ""}
    (file,) = fields.files
    assert (file.name, file.filename, file.mimetype, file.size) == ("image", "shop.png", "image/png", len(content))


@given(st.binary(max_size=400), st.integers(1, 100), st.sampled_from(["json", "form-data"]))
def test_any_bytes_are_read_or_not_and_raise_nothing(body: bytes, step: int, kind: str) -> None:
    content_type = "application/json" if kind == "json" else f"multipart/form-data; boundary={BOUNDARY}"
    if kind == "form-data":
        body = multipart(('name="a"', b"1"))[:20] + body
    read(body, step, content_type)


def test_what_is_too_long_is_not_kept() -> None:
    assert read(b'{"message": "' + b"a" * MAX_FIELDS + b'"}', 65_536, "application/json") is None
    assert read(multipart(('name="caption"', b"a" * (MAX_FIELD + 1))), 65_536) is None
    reader = FormReader(f"multipart/form-data; boundary={BOUNDARY}")
    reader.show(multipart(('name="a"; filename="a"', b""))[:-20])
    for _ in range(100):
        reader.show(bytes(100_000))
    assert reader._parts is not None
    assert len(reader._parts._rest) < 200_000


def test_each_kind_of_message_of_gowa() -> None:
    to = {"phone": GROUP}
    linked = message("/send/link", to | {"caption": "look", "link": "https://example.org"})
    assert (linked.key.chat, linked.text) == (GROUP, "look\nhttps://example.org")
    assert message("/send/audio", to | {"ptt": "true"}).kind == "voice"
    place = message("/send/location", to | {"latitude": "-7.5", "longitude": 110.25})
    assert place.details.location == Location(latitude=-7.5, longitude=110.25)
    asked = message("/send/poll", to | {"question": "when?", "options": ["now", "later"], "max_answer": 1})
    assert asked.details.poll == Poll(name="when?", options=("now", "later"), selectable=1)
    card = message("/send/contact", to | {"contact_name": "Ana", "contact_phone": ANA})
    assert card.details.vcards is not None
    assert f"waid={ANA}:+{ANA}" in card.details.vcards[0]


def test_each_kind_of_message_of_periskope() -> None:
    answer = {"queue_id": "q", "unique_id": "3EB0BB"}
    to = {"chat_id": f"{ANA}@c.us"}
    media = {"type": "image", "filename": "a.png", "mimetype": "image/png", "filedata": "iVBORw0KGgo="}
    picture = message("/v1/message/send", to | {"message": "the shop", "media": media}, answer)
    assert picture.details.media is not None
    assert (picture.kind, picture.text, picture.details.media.filename) == ("image", "the shop", "a.png")
    place = {"latitude": "1.5", "longitude": "2", "options": {"name": "Here"}}
    found = message("/v1/message/send", to | {"location": place}, answer).details.location
    assert found == Location(latitude=1.5, longitude=2, name="Here")
    reply = message("/v1/message/send", to | {"message": "x", "reply_to": f"false_{ANA}@c.us_3A77"}, answer)
    assert reply.details.quoted is not None
    assert reply.details.quoted.id == "3A77"


def test_an_address_that_the_client_names_is_never_fetched_with_the_gateways_credential() -> None:
    picture = message("/send/image", {"phone": ANA, "image_url": "http://localhost/app/logout"})
    assert picture.details.media is not None
    assert (picture.kind, picture.details.has_media, picture.details.media.url) == ("image", True, None)
    media = {"type": "image", "fileurl": "https://api.periskope.app/v1/contacts", "url": "http://localhost/"}
    sent = message("/v1/message/send", {"chat_id": ANA, "media": media}, {"unique_id": "3EB0BB"})
    assert sent.details.media is not None
    assert (sent.details.has_media, sent.details.media.url) == (True, None)


@pytest.mark.parametrize("answer", [[], "x", None, {"results": None}, {"results": {"message_id": 5}}, {"unique_id": 7}])
def test_an_answer_that_says_no_id_is_left_to_others(answer: Any) -> None:
    assert gowa.understood(through("/send/message", {"phone": ANA, "message": "x"}, answer)) is None
    assert periskope.understood(through("/v1/message/send", {"chat_id": ANA, "message": "x"}, answer)) is None


def change(path: str, fields: dict[str, Any], known: ArchivedMessage | None = None) -> Event:
    """The event of a request that was answered with 204."""
    understood = periskope.understood(through(path, fields, None, known))
    assert understood is not None
    (event,) = understood.events
    return event


def test_what_periskope_changes_is_read_from_the_request_alone() -> None:
    target = Target(net(ME), GROUP, "3A77", net(BEN))
    own = structs.replace(target, sender=net(ME))
    edited = change("/v1/message/{id}/edit", {"edited_body": "better"})
    assert edited == MessageEdited(target=own, text="better", at=NOW, by=net(ME))
    assert change("/v1/message/{id}/react", {"reaction": ""}) == ReactionSet(
        target=target, by=net(ME), emoji="", at=NOW
    )
    # A deletion of another person's message that succeeded was made by an admin.
    gone = MessageRevoked(target=structs.replace(target, sender=None), at=NOW, by=net(ME), by_admin=True)
    assert change("/v1/message/{id}/delete", {}) == gone
    assert periskope.understood(through("/v1/message/{id}/edit", {}, None)) is None
    assert periskope.understood(through("/v1/message/{id}/react", {"reaction": 5}, None)) is None


@pytest.mark.parametrize("path", ["/v1/message/broadcast", "/v1/message/{id}/forward"])
def test_what_periskope_answers_without_the_ids_of_messages_is_left_to_its_webhook(path: str) -> None:
    assert path not in periskope.SENDING
    assert path not in keeping.SENDING["periskope"]


def _stored(store: Store, archive: Archive) -> ArchivedMessage:
    media = Media(file="aa" * 32, sha256="aa" * 32, size=9, url="https://gateway.example/1", direct_path="/v/t62")
    key = MessageKey(net(ME), net(ANA), "3EB0AA", net(ANA))
    told = Message(
        key=key, sent_at=NOW, from_me=False, kind="image", text="the shop", details=Details(media=media, has_media=True)
    )
    store.apply(archive.org.no, Batch(source="webhook", events=[MessageSeen(told)]))
    return archive.messages()["3EB0AA"]


def test_what_gowa_forwards_is_what_stands_in_the_archive(store: Store) -> None:
    archive = Archive(store)
    known = _stored(store, archive)
    answer = {"results": {"message_id": "3EB0FF", "status": "(server timestamp: 2026-03-12 10:00:00 +0000 UTC)"}}
    sent = through("/message/{message_id}/forward", {"phone": GROUP}, answer, known)
    made = keeping.batch_of(archive.sources["gowa"], sent)
    assert made is not None
    store.apply(archive.org.no, made[0])
    found = archive.messages()["3EB0FF"].message
    assert (found.key.chat, found.from_me, found.kind, found.text) == (GROUP, True, "image", "the shop")
    assert found.sent_at == NOW + 3600 * 1_000_000
    assert (found.details.is_forwarded, found.details.precision) == (True, None)
    media = found.details.media
    assert media is not None
    assert (media.file, media.size, media.url, media.direct_path) == ("aa" * 32, 9, None, None)
    assert list(store.check()) == []


def test_what_is_forwarded_and_not_here_is_kept_and_filled_later(store: Store) -> None:
    archive = Archive(store)
    sent = through("/message/{message_id}/forward", {"phone": ANA}, {"results": {"message_id": "3EB0FF"}})
    made = keeping.batch_of(archive.sources["gowa"], sent)
    assert made is not None
    store.apply(archive.org.no, made[0])
    found = archive.messages()["3EB0FF"].message
    assert (found.kind, found.text, found.details.is_forwarded) == ("unknown", None, True)
    key = MessageKey(net(ME), net(ANA), "3EB0FF", net(ME))
    store.apply(
        archive.org.no,
        Batch(source="gowa", events=[MessageSeen(Message(key=key, sent_at=NOW, from_me=True, text="x"))]),
    )
    found = archive.messages()["3EB0FF"].message
    assert (found.kind, found.text, found.details.is_forwarded) == ("text", "x", True)


def test_an_admin_deletes_what_somebody_else_wrote(store: Store) -> None:
    archive = Archive(store)
    key = MessageKey(net(ME), GROUP, "3EB0AA", net(BEN))
    seen = MessageSeen(Message(key=key, sent_at=NOW, from_me=False, text="spam"))
    store.apply(archive.org.no, Batch(source="webhook", events=[seen]))
    known = archive.messages()["3EB0AA"]
    made = keeping.batch_of(
        archive.sources["gowa"], through("/message/{message_id}/revoke", {"phone": GROUP}, ANSWER, known)
    )
    assert made is not None
    store.apply(archive.org.no, made[0])
    assert archive.messages()["3EB0AA"].deleted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = (
    "phone",
    "message",
    "caption",
    "latitude",
    "longitude",
    "question",
    "options",
    "max_answer",
    "media",
    "location",
    "edited_body",
    "reaction",
)


@given(st.sampled_from(sorted(gowa.SENDING | periskope.SENDING)), st.dictionaries(st.sampled_from(NAMES), JSON), JSON)
def test_whatever_is_sent_and_answered_raises_nothing(path: str, fields: dict[str, Any], answer: Any) -> None:
    for told in (answer, {"results": {"message_id": "3EB0", "status": str(answer)}}, {"unique_id": "3EB0"}):
        reader = periskope if path.startswith("/v1/") else gowa
        reader.understood(through(path, fields | {"phone": ANA, "chat_id": ANA}, told))


class Away:
    """A store whose database is unavailable."""

    def apply(self, *_: object) -> None:
        raise StorageBusy("away")


def test_what_cannot_be_written_waits_on_the_disk(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive, folder = Archive(store), tmp_path / keeping.FOLDER
    source = archive.sources["gowa"]
    made = keeping.batch_of(source, through("/send/message", {"phone": ANA, "message": "very private"}))
    assert made is not None
    with caplog.at_level(logging.DEBUG):
        keeping.keep(Away(), folder, source, *made)  # type: ignore[arg-type]
        with pytest.raises(StorageBusy):
            keeping.write_waiting(Away(), folder)  # type: ignore[arg-type]
    assert "private" not in caplog.text
    assert source.id in caplog.text
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert archive.messages() == {}
    assert keeping.write_waiting(store, folder) == 1
    assert archive.messages()["3EB0AA"].message.text == "very private"
    assert list(folder.iterdir()) == []
    assert keeping.write_waiting(store, folder) == 0


def test_twice_written_is_one_message(store: Store, tmp_path: Path) -> None:
    archive, folder = Archive(store), tmp_path / keeping.FOLDER
    source = archive.sources["gowa"]
    made = keeping.batch_of(source, through("/send/message", {"phone": ANA, "message": "once"}))
    assert made is not None
    keeping.put_aside(folder, source, *made)
    keeping.keep(store, folder, source, *made)
    keeping.write_waiting(store, folder)
    assert list(archive.messages()) == ["3EB0AA"]


def test_a_disk_that_is_full_as_well_is_told_without_any_text(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = Archive(store).sources["gowa"]
    made = keeping.batch_of(source, through("/send/message", {"phone": ANA, "message": "very private"}))
    assert made is not None
    (tmp_path / "file").write_text("no folder")
    keeping.keep(Away(), tmp_path / "file", source, *made)  # type: ignore[arg-type]
    assert "3EB0AA" in caplog.text
    assert f"backscroll sync --source {source.id}" in caplog.text
    assert "private" not in caplog.text


def test_a_file_that_nobody_can_read_does_not_keep_the_others_waiting(store: Store, tmp_path: Path) -> None:
    archive, folder = Archive(store), tmp_path / keeping.FOLDER
    made = keeping.batch_of(archive.sources["gowa"], through("/send/message", {"phone": ANA, "message": "x"}))
    assert made is not None
    keeping.put_aside(folder, archive.sources["gowa"], *made)
    (folder / "0.json").write_bytes(b"{")
    assert keeping.write_waiting(store, folder) == 1
    assert [file.name for file in folder.iterdir()] == ["0.json.bad"]


def leave_waiting(data: Path, database_url: str | None, text: str) -> None:
    """A sent message that could not be written to the database yet."""
    store = open_store(database_url, data)
    try:
        source = Archive(store).sources["gowa"]
    finally:
        store.close()
    made = keeping.batch_of(source, through("/send/message", {"phone": ANA, "message": text}))
    assert made is not None
    keeping.put_aside(data / keeping.FOLDER, source, *made)


def test_what_waits_is_written_before_a_backup(tmp_path: Path, database_url: str | None) -> None:
    data, shell = tmp_path / "data", Shell(tmp_path / "data", database_url)
    leave_waiting(data, database_url, "on the way")
    result = shell.run("backup", str(tmp_path / "backup"), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["messages"] == 1
    assert keeping.how_many_wait(data / keeping.FOLDER) == 0


def test_a_backup_says_what_it_lacks(tmp_path: Path, database_url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    data, shell = tmp_path / "data", Shell(tmp_path / "data", database_url)
    leave_waiting(data, database_url, "very private")

    def away(*_: object) -> int:
        raise StorageBusy("away")

    monkeypatch.setattr(keeping, "write_waiting", away)
    result = shell.run("backup", str(tmp_path / "backup"))
    assert result.exit_code == 0, result.output
    assert "Not in this backup: 1 sent message in" in result.stderr
    assert "private" not in result.output
    assert keeping.how_many_wait(data / keeping.FOLDER) == 1
