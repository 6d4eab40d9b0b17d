"""Imports over HTTP: permissions, files in pieces, questions and answers, and how a job ends."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message, Scope

from backscroll.core.errors import BadField
from backscroll.core.query import MessageQuery
from backscroll.ingest.importing.worker import Worker
from contract.imports import NAME, PHONE, Importer, chat, packed
from contract.world import World

ZEROS = bytes(40 << 20)
OPTIONS = {"timezone": "UTC", "me": "Rob"}


@pytest.fixture
def someone(world: World) -> Importer:
    world.phone(PHONE)
    return Importer(world)


def texts(world: World) -> list[str | None]:
    phones = tuple(phone.no for phone in world.store.list_phones(world.org.no))
    page = world.store.list_messages(MessageQuery(org=world.org.no, phones=phones, limit=1000))
    return [message.message.text for message in reversed(page.messages)]


# Permissions


def test_importing_needs_a_token_of_all_phones_that_may_write(world: World) -> None:
    phone = world.phone(PHONE)
    assert world.guest().ask("/api/imports").status_code == 401
    assert world.client().ask("/api/imports").status_code == 403
    bound = world.client([phone], scopes=frozenset({"read", "write"}))
    answer = Importer(world, bound).create((NAME, 10))
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


def test_another_organisations_job_is_not_there(world: World, someone: Importer) -> None:
    id = someone.send((NAME, chat()), phone=PHONE, options=OPTIONS)
    other = world.store.create_org("Garage")
    stranger = Importer(world, world.client(org=other, scopes=frozenset({"write"})))
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/files/1"),
        ("GET", "/undo"),
        ("POST", "/undo"),
        ("POST", "/cancel"),
        ("POST", "/answers"),
    ):
        answer = stranger.client.ask(f"/api/imports/{id}{path}", method, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND"), path
    assert stranger.patch(id, b"x").status_code == 404
    assert stranger.client.json("/api/imports")["items"] == []


# Making a job


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a/../../b",
        "/etc/passwd",
        "..\\..\\windows",
        "a//b",
        ".",
        "",
        "nul\0byte",
        "line\nbreak",
        "x" * 256,
        "/".join("d" * 20),
        " /x",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(someone: Importer, name: str) -> None:
    answer = someone.create((name, 10))
    assert (answer.status_code, answer.json()["field"]) == (422, "files")
    assert someone.client.json("/api/imports")["items"] == []


def test_names_that_clash_are_refused(someone: Importer) -> None:
    for names in (("a", "a"), ("a", "a/b"), ("x\\y", "x/y")):
        answer = someone.create(*((name, 1) for name in names))
        assert (answer.status_code, answer.json()["field"]) == (422, "files"), names


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "files"),
        ({"files": []}, "files"),
        ({"files": [{"name": "a", "size": -1}]}, "files"),
        ({"files": [{"name": "a", "size": 2**60}]}, "files"),
        ({"files": [{"name": "a"}]}, "files"),
        ({"files": [{"name": "a", "size": 1}], "phone": "12"}, "phone"),
        ({"files": [{"name": "a", "size": 1}], "kind": "fax"}, "kind"),
        ({"files": [{"name": "a", "size": 1}], "options": {"timezone": "Mars"}}, "timezone"),
        ({"files": [{"name": "a", "size": 1}], "options": {"colour": "red"}}, "colour"),
        ({"files": [{"name": "a", "size": 1}], "options": {"me": 7}}, "me"),
        ({"files": [{"name": "a", "size": 1}], "surprise": 1}, "surprise"),
    ],
)
def test_what_cannot_be_meant_is_named(someone: Importer, body: dict[str, Any], field: str) -> None:
    answer = someone.client.ask("/api/imports", "POST", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


def test_an_import_that_is_too_large_is_refused_before_it_is_sent(world: World) -> None:
    world.phone(PHONE)
    small = Importer(world, world.client(app=world.make_app(max_import_bytes=4096), scopes=frozenset({"write"})))
    answer = small.create((NAME, 5000))
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")
    assert "max_import_bytes" in answer.json()["message"]
    assert small.create((NAME, 4096)).status_code == 201
    assert (
        small.client.ask("/api/imports/x/files", "POST", json={"files": [{"name": "a", "size": 1}]}).status_code == 404
    )


def test_so_many_jobs_and_no_more_are_open_at_once(someone: Importer) -> None:
    ids = [someone.create((NAME, 9)).json()["id"] for _ in range(20)]
    answer = someone.create((NAME, 9))
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_IMPORTS")
    assert someone.post(ids[0], "cancel").json()["state"] == "cancelled"
    assert someone.create((NAME, 9)).status_code == 201


def test_the_same_key_gives_the_same_job(world: World, someone: Importer) -> None:
    key = {"idempotency-key": "once"}
    first, second = (someone.create((NAME, 9), headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    other = Importer(world, world.client(scopes=frozenset({"write"})))
    assert other.create((NAME, 9), headers=key).status_code == 201


# Files in pieces


def test_a_file_arrives_in_pieces_and_the_offset_is_told(someone: Importer) -> None:
    body = chat(40)
    id = someone.create((NAME, len(body)), phone=PHONE, options=OPTIONS).json()["id"]
    for at in range(0, len(body), 500):
        part = body[at : at + 500]
        sent = someone.patch(id, part, at)
        assert (sent.status_code, sent.headers["upload-offset"]) == (204, str(at + len(part)))
        head = someone.client.ask(f"/api/imports/{id}/files/1", "HEAD")
        assert (head.headers["upload-offset"], head.headers["upload-length"]) == (str(at + len(part)), str(len(body)))
        assert (head.headers["tus-resumable"], head.headers["cache-control"], head.content) == (
            "1.0.0",
            "no-store",
            b"",
        )
    assert someone.read(id)["state"] == "recognising"
    again = someone.patch(id, b"", len(body))
    assert (again.status_code, again.headers["upload-offset"]) == (204, str(len(body)))


def test_a_wrong_offset_is_refused_with_the_right_one(someone: Importer) -> None:
    id = someone.create((NAME, 100)).json()["id"]
    assert someone.patch(id, b"x" * 30).status_code == 204
    for at in (0, 29, 31, 100, 10**17):
        wrong = someone.patch(id, b"y", at)
        assert (wrong.status_code, wrong.json()["code"], wrong.headers["upload-offset"]) == (409, "WRONG_OFFSET", "30")
    for text in ("", "-1", "x", "1" * 30):
        bad = someone.patch(id, b"y", upload_offset=text)
        assert (bad.status_code, bad.json()["field"]) == (422, "Upload-Offset")
    assert someone.read(id)["files"] == [{"no": 1, "name": NAME, "size": 100, "received": 30}]


def test_more_bytes_than_were_said_are_refused_and_not_kept(someone: Importer) -> None:
    id = someone.create((NAME, 10)).json()["id"]
    answer = someone.patch(id, b"x" * 11)
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")
    assert someone.read(id)["files"][0]["received"] == 0

    async def endless() -> Any:
        for _ in range(3):
            yield b"y" * 4

    sent = someone.client.ask(
        f"/api/imports/{id}/files/1",
        "PATCH",
        {"content-type": "application/offset+octet-stream", "upload-offset": "0"},
        content=endless(),
    )
    assert sent.status_code == 413
    # The bytes before the limit are kept, as after any interruption.
    assert someone.read(id)["files"][0]["received"] == 8
    assert someone.patch(id, b"yy", 8).status_code == 204
    assert someone.spool.path(someone.world.org.no, id, NAME).read_bytes() == b"y" * 10


def test_only_bytes_of_a_file_are_taken_for_such(someone: Importer) -> None:
    id = someone.create((NAME, 10)).json()["id"]
    answer = someone.patch(id, b"x", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    for no in ("0", "2", "x", "9999999999"):
        wanted = f"/api/imports/{id}/files/{no}"
        assert someone.client.ask(wanted).status_code == 404


def test_two_requests_never_write_to_one_file_at_once(someone: Importer) -> None:
    id = someone.create((NAME, 10)).json()["id"]
    holding = someone.spool.append(someone.world.org.no, id, NAME)
    busy = someone.patch(id, b"x")
    assert (busy.status_code, busy.json()["code"]) == (409, "UPLOAD_BUSY")
    holding.close()
    assert someone.patch(id, b"x").status_code == 204


def test_files_are_kept_from_others_and_go_when_the_job_is_over(someone: Importer) -> None:
    id = someone.send((f"exports/{NAME}", chat()), ("exports/empty", b""), phone=PHONE, options=OPTIONS)
    folder = someone.spool.folder(someone.world.org.no, id)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes == {"exports": 0o700, NAME: 0o600, "empty": 0o600}
    someone.work()
    assert someone.read(id)["state"] == "done"
    assert not folder.exists()


def test_what_systems_leave_in_folders_is_no_part_of_what_was_given(someone: Importer) -> None:
    id = someone.send((f"exports/{NAME}", chat()), (".DS_Store", b"x"), phone=PHONE, options=OPTIONS)
    assert someone.spool.root_of(someone.world.org.no, id).name == "exports"
    someone.work()
    assert someone.read(id)["state"] == "done"


def test_a_client_that_hangs_up_in_the_middle_goes_on_from_there(someone: Importer) -> None:
    body = chat(200)
    id = someone.create((NAME, len(body)), phone=PHONE, options=OPTIONS).json()["id"]
    hang_up(someone, f"/api/imports/{id}/files/1", body[:1000])
    head = someone.client.ask(f"/api/imports/{id}/files/1", "HEAD")
    assert head.headers["upload-offset"] == "1000"
    assert someone.patch(id, body[1000:], 1000).status_code == 204
    someone.work()
    assert someone.read(id)["report"]["new"] == 200


def hang_up(someone: Importer, path: str, part: bytes) -> None:
    """Send only a part of a body, then disconnect."""
    events: list[Message] = [
        {"type": "http.request", "body": part, "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return events.pop(0) if len(events) > 1 else events[0]

    async def send(event: Message) -> None:
        sent.append(event)

    headers = {"authorization": f"Bearer {someone.client.secret}", "upload-offset": "0", "host": "archive.test"}
    headers |= {"content-type": "application/offset+octet-stream", "transfer-encoding": "chunked"}
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "PATCH",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("10.3.3.3", 5000),
    }

    async def call() -> None:
        await someone.world.app(scope, receive, send)

    someone.world.runner.run(call())
    assert sent == []


def test_bytes_that_vanished_end_the_job(someone: Importer) -> None:
    id = someone.create((NAME, 100)).json()["id"]
    assert someone.patch(id, b"x" * 50).status_code == 204
    someone.spool.path(someone.world.org.no, id, NAME).write_bytes(b"x" * 20)
    assert someone.patch(id, b"x", 50).status_code == 409
    assert someone.read(id)["error"]["code"] == "FILES_MISSING"


# Recognising, asking, running


def test_a_file_with_all_answers_runs_by_itself(world: World, someone: Importer) -> None:
    job = someone.imported((NAME, chat()))
    assert (job["state"], job["kind"], job["error"], job["questions"]) == ("done", "export", None, [])
    assert job["report"] | {"notes": []} == {
        "new": 6,
        "known": 0,
        "files": 0,
        "imported": 1,
        "repeated": 0,
        "failed": [],
        "notes": [],
    }
    [entry] = job["imports"]
    assert (entry["id"], entry["item"], entry["state"], entry["report"]["lines"]) == (1, 1, "done", 6)
    assert texts(world) == [f"thing {n}" for n in range(6)]
    assert job["can"] == ["undo"]
    again = someone.imported((NAME, chat()))
    assert (again["report"]["repeated"], again["report"]["known"], again["imports"]) == (1, 6, [])
    assert again["found"][0]["repeats"] == 1


def test_everything_is_asked_with_candidates_and_nothing_is_written_before(world: World, someone: Importer) -> None:
    id = someone.send(("_chat.txt", chat().replace(b"13/01", b"03/04")), confirm=True)
    someone.work()
    job = someone.read(id)
    asked = {question["name"]: question for question in job["questions"]}
    assert (job["state"], sorted(asked)) == ("asking", ["date_order", "phone", "timezone"])
    assert [one["value"] for one in asked["date_order"]["candidates"]] == ["day_first", "month_first"]
    assert [one["label"] for one in asked["date_order"]["candidates"]] == ["3 April 2026", "4 March 2026"]
    assert any("03/04/2026, 09:00" in line for line in asked["date_order"]["evidence"])
    assert (asked["phone"]["suggested"], asked["phone"]["candidates"][0]["value"]) == (PHONE, PHONE)
    found = job["found"][0]
    assert (found["messages"], found["first_at"], found["participants"]) == (6, None, ["Ana", "Rob"])
    assert found["samples"][0] == {"sent_at": None, "author": "Ana", "text": "thing 0", "kind": "text"}

    first = {"phone": PHONE, "timezone": "Asia/Kolkata", "date_order": "month_first"}
    assert someone.post(id, "answers", first).json()["state"] == "recognising"
    someone.work()
    [question] = someone.read(id)["questions"]
    assert (question["name"], [one["value"] for one in question["candidates"]]) == ("me", ["Ana", "Rob"])
    assert someone.post(id, "answers", {"me": "Rob"}).status_code == 200
    someone.work()
    job = someone.read(id)
    assert [question["name"] for question in job["questions"]] == ["start"]
    assert job["found"][0]["first_at"] == "2026-03-04T03:30:00+00:00"
    assert world.store.list_imports(world.org.no) == []
    someone.post(id, "answers", {"start": True})
    someone.work()
    assert someone.read(id)["state"] == "done"
    assert len(texts(world)) == 6


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"timezone": "Nowhere"}, "timezone"),
        ({"date_order": "year_first"}, "date_order"),
        ({"phone": "x"}, "phone"),
        ({"me": ""}, "me"),
        ({"me": "x" * 1001}, "me"),
        ({"start": "yes"}, "start"),
        ({"skip": True}, "skip"),
        ({"items": []}, "items"),
        ({"items": {"9": {"skip": True}}}, "items"),
        ({"items": {"1": {"start": True}}}, "start"),
        ([], "body"),
    ],
)
def test_an_answer_that_cannot_be_used_is_named_and_changes_nothing(
    someone: Importer, answers: Any, field: str
) -> None:
    id = someone.send(("_chat.txt", chat()))
    someone.work()
    before = someone.read(id)
    answer = someone.client.ask(f"/api/imports/{id}/answers", "POST", json=answers)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert someone.read(id) == before


def test_a_number_that_is_not_there_yet_becomes_a_phone_and_goes_with_the_import(world: World) -> None:
    someone = Importer(world)
    job = someone.imported((NAME, chat()))
    assert [phone.number for phone in world.store.list_phones(world.org.no)] == [PHONE]
    assert someone.post(job["id"], "undo").status_code == 202
    someone.work()
    assert world.store.list_phones(world.org.no) == ()


def test_a_phone_that_only_the_replaced_import_knew_is_known_to_the_new_one(world: World) -> None:
    someone = Importer(world)
    old = someone.imported((NAME, chat()))
    job = someone.imported((NAME, chat()), options={"timezone": "Asia/Kolkata", "me": "Rob"})
    assert (someone.read(old["id"])["state"], someone.read(old["id"])["can"]) == ("undone", ["delete"])
    assert (job["state"], job["error"], job["found"][0]["replaces"]) == ("done", None, [1])
    assert [entry["replaces"] for entry in job["imports"]] == [[1]]
    assert len(texts(world)) == 6
    assert list(world.store.check()) == []


def test_an_import_that_failed_after_it_took_anothers_place_can_be_tried_again(
    world: World, someone: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = someone.imported((NAME, chat()))
    assert someone.post(first["id"], "retry").status_code == 409

    def broken(self: Worker, *given: Any) -> None:
        raise BadField("text", None, "is one that nobody foresaw")

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "_run_kind", broken)
        job = someone.imported((NAME, chat()), options={"timezone": "Asia/Kolkata", "me": "Rob"})
    assert (job["state"], job["can"], texts(world)) == ("failed", ["retry", "undo", "delete"], [])
    assert someone.spool.folder(world.org.no, job["id"]).is_dir()
    assert someone.post(job["id"], "retry").json()["state"] == "recognising"
    someone.work()
    job = someone.read(job["id"])
    assert (job["state"], job["error"], len(texts(world))) == ("done", None, 6)
    assert [entry["state"] for entry in job["imports"]] == ["undone", "done"]
    assert not someone.spool.folder(world.org.no, job["id"]).exists()


def test_an_older_import_of_other_lines_is_named_with_its_own_answer(world: World, someone: Importer) -> None:
    """Otherwise half of the lines would get another time than before, and the other half would be lost."""
    someone.imported((NAME, chat(40)), options={"timezone": "Asia/Kolkata", "me": "Rob"})
    id = someone.send((NAME, chat(20)), phone=PHONE, options=OPTIONS)
    someone.work()
    [question] = someone.read(id)["questions"]
    assert (question["name"], question["candidates"][0]["value"]) == ("timezone", "Asia/Kolkata")
    someone.post(id, "answers", {"timezone": "Asia/Kolkata"})
    someone.work()
    job = someone.read(id)
    assert (job["state"], job["report"]["new"], len(texts(world))) == ("done", 0, 40)


def test_a_folder_is_one_job_whose_entries_are_answered_apart(world: World, someone: Importer) -> None:
    files = [
        (f"exports/WhatsApp Chat with {name}.txt", chat().replace(b"Ana", name.encode())) for name in ("Ana", "Bea")
    ]
    files += [("exports/cut.zip", b"PK\x03\x04 cut"), ("exports/photo.jpg", b"\xff\xd8")]
    id = someone.send(*files, phone=PHONE)
    someone.work()
    job = someone.read(id)
    assert (job["name"], [found["file"] for found in job["found"]]) == (
        "exports",
        ["WhatsApp Chat with Ana.txt", "WhatsApp Chat with Bea.txt", "cut.zip"],
    )
    assert "damaged" in job["found"][2]["error"]
    [question] = job["questions"]
    assert (question["name"], question["items"]) == ("timezone", [1, 2])
    someone.post(id, "answers", {"timezone": "UTC", "items": {"2": {"skip": True}}})
    someone.work()
    job = someone.read(id)
    assert job["state"] == "done"
    assert [found["state"] for found in job["found"]] == ["done", "skipped", "failed"]
    assert job["report"]["failed"] == [{"item": 3, "file": "cut.zip", "error": job["found"][2]["error"]}]
    assert len(texts(world)) == 6


@pytest.mark.parametrize("body", [b"hello", b"SQLite format 3\0" + bytes(84), b"PK\x05\x06" + bytes(18)])
def test_what_is_nothing_fails_and_says_what_was_looked_for(someone: Importer, body: bytes) -> None:
    id = someone.send(("letter.txt", body), phone=PHONE, options=OPTIONS)
    someone.work()
    job = someone.read(id)
    if job["error"]["code"] == "UNREADABLE":
        assert "zip" in job["error"]["message"]
    else:
        assert job["error"]["code"] == "NOTHING_RECOGNISED"
        assert "chatstorage.db" in job["error"]["message"]
    assert job["state"] == "failed"
    assert not someone.spool.folder(someone.world.org.no, id).exists()


def test_a_zip_that_unpacks_to_far_too_much_costs_itself_and_nothing_else(someone: Importer) -> None:
    job = someone.imported(("WhatsApp Chat with Ana.zip", packed({NAME: chat(), "IMG-20260113-WA0001.jpg": ZEROS})))
    assert (job["state"], job["report"]["new"], job["report"]["files"]) == ("done", 6, 0)
    assert any("far more than its size" in note for note in job["report"]["notes"])
    job = someone.imported(("bomb.zip", packed({"_chat.txt": chat() + ZEROS})))
    assert (job["state"], job["error"]["code"]) == ("failed", "UNREADABLE")
    assert "far more than its size" in job["error"]["message"]


# Cancelling, taking back, forgetting


def test_a_job_is_cancelled_wherever_it_is(world: World, someone: Importer) -> None:
    uploading = someone.create((NAME, 100)).json()["id"]
    someone.patch(uploading, b"x")
    recognising = someone.send((NAME, chat()), phone=PHONE, options=OPTIONS)
    assert someone.post(recognising, "cancel").json()["state"] == "cancelling"
    asking = someone.send(("_chat.txt", chat()))
    someone.work()
    assert someone.read(asking)["state"] == "asking"
    for id in (uploading, asking):
        assert someone.post(id, "cancel").json()["state"] == "cancelled"
    for id in (uploading, recognising, asking):
        job = someone.post(id, "cancel").json()
        assert (job["state"], job["can"]) == ("cancelled", ["delete"])
        assert not someone.spool.folder(world.org.no, id).exists()
        assert someone.patch(id, b"x").status_code == 409
        assert someone.post(id, "answers", {"me": "Rob"}).status_code == 409
        assert someone.client.ask(f"/api/imports/{id}", "DELETE").status_code == 204
        assert someone.client.ask(f"/api/imports/{id}").status_code == 404
    assert texts(world) == []


def test_a_running_job_that_is_cancelled_takes_back_what_it_told(world: World, someone: Importer) -> None:
    id = someone.send((NAME, chat(3000)), phone=PHONE, options=OPTIONS)
    cancelled: list[int] = []

    def watch(progress: Any) -> None:
        if progress.done and not cancelled:
            cancelled.append(someone.post(id, "cancel").status_code)

    someone.work(watch=watch)
    assert cancelled == [200]
    assert (someone.read(id)["state"], texts(world)) == ("cancelled", [])
    assert [entry.state for entry in world.store.list_imports(world.org.no)] == ["undone"]
    assert list(world.store.check()) == []


def test_a_job_is_taken_back_after_it_is_shown_what_that_does(world: World, someone: Importer) -> None:
    job = someone.imported((NAME, chat()))
    plan = someone.client.json(f"/api/imports/{job['id']}/undo")
    assert (plan["messages"], plan["kept"], [one["id"] for one in plan["imports"]]) == (6, 0, [1])
    wrong = someone.post(job["id"], "undo", {"imports": [7]})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "imports")
    assert someone.post(job["id"], "cancel").status_code == 409
    assert someone.client.ask(f"/api/imports/{job['id']}", "DELETE").status_code == 409
    begun = someone.post(job["id"], "undo")
    assert (begun.status_code, begun.json()["state"]) == (202, "undoing")
    assert someone.post(job["id"], "undo").status_code == 202
    someone.work()
    ended = someone.read(job["id"])
    assert (ended["state"], ended["can"], texts(world)) == ("undone", ["delete"], [])
    assert someone.client.json(f"/api/imports/{job['id']}/undo")["imports"] == []
    assert someone.client.ask(f"/api/imports/{job['id']}", "DELETE").status_code == 204


def test_some_imports_of_a_job_can_be_taken_back(world: World, someone: Importer) -> None:
    names = ("Ana", "Bea")
    files = [(f"x/WhatsApp Chat with {name}.txt", chat().replace(b"Ana", name.encode())) for name in names]
    job = someone.imported(*files)
    assert someone.post(job["id"], "undo", {"imports": [2]}).status_code == 202
    someone.work()
    job = someone.read(job["id"])
    assert (job["state"], [entry["state"] for entry in job["imports"]]) == ("done", ["done", "undone"])
    assert len(texts(world)) == 6


def test_imports_that_are_no_jobs_are_listed_and_taken_back_too(world: World, someone: Importer) -> None:
    from backscroll.ingest.exports.importer import import_export

    path = world.folder / NAME
    path.write_bytes(chat())
    phone = world.store.find_phone(world.org.no, PHONE)
    import_export(world.store, world.media, world.org.no, phone, path, timezone="UTC")
    other = someone.imported(("WhatsApp Chat with Bea.txt", chat().replace(b"Ana", b"Bea")))
    listed = someone.client.json("/api/imports")["items"]
    assert [job["id"] for job in listed] == [other["id"], "import-1"]
    assert (listed[1]["name"], listed[1]["state"], listed[1]["found"]) == (NAME, "done", None)
    first = someone.client.json("/api/imports?limit=1")
    assert [job["id"] for job in first["items"]] == [other["id"]]
    rest = someone.client.json(f"/api/imports?limit=1&cursor={first['next']}")
    assert ([job["id"] for job in rest["items"]], rest["next"]) == (["import-1"], None)
    assert someone.read("import-1")["imports"][0]["report"]["lines"] == 6
    assert someone.client.json("/api/imports/import-1/undo")["messages"] == 6
    assert someone.post("import-1", "undo").json()["state"] == "undoing"
    someone.work()
    assert someone.read("import-1")["state"] == "undone"
    assert len(texts(world)) == 6
    assert len(someone.client.json("/api/imports")["items"]) == 2


def test_a_secret_answer_is_kept_sealed_and_shown_to_nobody(world: World, someone: Importer) -> None:
    id = someone.create((NAME, 9)).json()["id"]
    world.store.import_jobs.keep_secrets(world.org.no, id, {"password": "hunter2"})
    world.store.import_jobs.keep_secrets(world.org.no, id, {"key": "beef"})
    assert world.store.import_jobs.secrets(world.org.no, id) == {"password": "hunter2", "key": "beef"}
    assert "hunter2" not in someone.client.ask(f"/api/imports/{id}").text
    someone.post(id, "cancel")
    assert world.store.import_jobs.secrets(world.org.no, id) == {}
