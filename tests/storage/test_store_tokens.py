"""Credentials: their form, what they give access to, and every way in which they lose it."""

from __future__ import annotations

import hmac
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from backscroll.core.errors import BadField, Conflict, NotFound, Unauthorised
from backscroll.core.model import Org, Phone
from backscroll.database.protocol import Txn
from backscroll.storage.accounts import accounts
from backscroll.storage.store import Store, open_store
from conftest import MORNING
from plain_sql import PlainSql

MINUTE = 60_000_000


class Clock:
    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> int:
        return self.now


def test_a_secret_has_a_form_that_scanners_find_and_carries_its_organisation(store: Store, org: Org) -> None:
    token = store.create_token(org.no, "bi")
    assert re.fullmatch(rf"bsk{org.no}x[a-z0-9]{{10}}", token.id)
    assert re.fullmatch(rf"{token.id}_[A-Za-z0-9_-]{{43}}_[a-z2-7]{{7}}", token.secret)


def test_a_secret_opens_its_organisation_and_all_of_its_phones(
    store: Store, org: Org, phone: Phone, other_phone: Phone
) -> None:
    access = store.authenticate(store.create_token(org.no).secret)
    assert (access.org.no, access.scoped, access.scopes) == (org.no, False, frozenset({"read"}))
    assert [p.no for p in access.phones] == [phone.no, other_phone.no]


def test_a_token_for_some_phones_opens_these_only(store: Store, org: Org, phone: Phone, other_phone: Phone) -> None:
    access = store.authenticate(store.create_token(org.no, phones=(other_phone.no,)).secret)
    assert (access.scoped, [p.no for p in access.phones]) == (True, [other_phone.no])
    assert store.authenticate(store.create_token(org.no, phones=()).secret).phones == ()


def test_a_new_phone_is_open_to_tokens_that_name_none(store: Store, org: Org, phone: Phone) -> None:
    whole, scoped = store.create_token(org.no), store.create_token(org.no, phones=(phone.no,))
    store.add_phone(org.no, "15550000000")
    assert len(store.authenticate(whole.secret).phones) == 2
    assert len(store.authenticate(scoped.secret).phones) == 1


def test_only_known_scopes_and_phones_can_be_given(store: Store, org: Org) -> None:
    with pytest.raises(BadField):
        store.create_token(org.no, scopes=frozenset({"root"}))
    with pytest.raises(NotFound):
        store.create_token(org.no, phones=(99,))


def test_the_basic_form_wants_the_tokens_own_id(store: Store, org: Org) -> None:
    one, two = store.create_token(org.no), store.create_token(org.no)
    assert store.authenticate_basic(one.id, one.secret).token_id == one.id
    for user in (two.id, "", "admin", one.id.upper(), "é", "\ud800"):
        with pytest.raises(Unauthorised):
            store.authenticate_basic(user, one.secret)


def forged(secret: str, org: int) -> list[str]:
    """Secrets of a valid form: another organisation, another id, other random bytes, with matching checksums."""
    id, _, rest = secret.partition("_")
    random_part = rest.rpartition("_")[0]
    bodies = [
        f"bsk{org + 1}x{id.partition('x')[2]}_{random_part}",
        f"bsk{org}xaaaaaaaaaa_{random_part}",
        f"{id}_{'A' * 43}",
        f"{id}_{random_part}=",
    ]
    return [f"{body}_{accounts._checksum(body)}" for body in bodies]


def test_anything_but_the_whole_secret_is_refused_with_one_sentence(store: Store, org: Org) -> None:
    store.create_org("Other")
    secret = store.create_token(org.no).secret
    wrong = [*forged(secret, org.no), secret[:-1], secret + "a", secret.upper(), f" {secret}", secret.split("_")[0]]
    wrong += ["", "_", "__", "bsk", "bskx_a_b", "bsk999999999999999999x_a_b", "\0", "é" * 60, "\ud800", "x" * 100_000]
    for attempt in wrong:
        with pytest.raises(Unauthorised) as refused:
            store.authenticate(attempt)
        assert str(refused.value) == "Invalid bearer auth token"


def test_a_typing_error_is_seen_by_the_checksum_without_asking_the_database(store: Store, org: Org) -> None:
    secret = store.create_token(org.no).secret
    at = secret.index("_") + 5
    wrong = secret[:at] + ("A" if secret[at] != "A" else "B") + secret[at + 1 :]
    nothing = cast(Txn, None)
    with pytest.raises(Unauthorised):
        accounts.authenticate(nothing, wrong, MORNING)


def test_secrets_are_compared_in_constant_time(store: Store, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = store.create_token(org.no).secret
    compared: list[bytes | str] = []
    original = hmac.compare_digest

    def watched(one: Any, other: Any) -> bool:
        compared.append(one)
        return original(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    store.authenticate(secret)
    assert any(isinstance(one, bytes) and len(one) == 32 for one in compared)


def test_an_expired_token_is_refused_from_that_moment_on(tmp_path: Path, database_url: str | None) -> None:
    clock = Clock()
    store = open_store(database_url, tmp_path, clock)
    org = store.create_org("Sample").no
    secret = store.create_token(org, expires_at=MORNING + 10).secret
    clock.now = MORNING + 9
    store.authenticate(secret)
    clock.now = MORNING + 10
    with pytest.raises(Unauthorised):
        store.authenticate(secret)
    store.close()


def test_a_token_opens_without_its_secret_only_while_it_is_valid(tmp_path: Path, database_url: str | None) -> None:
    clock = Clock()
    store = open_store(database_url, tmp_path, clock)
    org = store.create_org("Sample").no
    phone = store.add_phone(org, "918527184400")
    expiring = store.create_token(org, phones=(phone.no,), expires_at=MORNING + 10)
    revoked = store.create_token(org)
    access = store.access_of_token(expiring.id)
    assert access == store.authenticate(expiring.secret)
    store.revoke_token(org, revoked.id)
    clock.now = MORNING + 10
    for refused in (expiring.id, revoked.id, "bsk1xnothing", f"bsk{org + 1}xnothing", "nothing", ""):
        with pytest.raises(Unauthorised):
            store.access_of_token(refused)
    store.close()


def test_a_revoked_token_is_refused_at_once_also_by_another_process(
    store: Store, org: Org, tmp_path: Path, database_url: str | None
) -> None:
    other = open_store(database_url, tmp_path)
    token = store.create_token(org.no)
    other.authenticate(token.secret)
    store.revoke_token(org.no, token.id)
    for opened in (store, other):
        with pytest.raises(Unauthorised):
            opened.authenticate(token.secret)
    with pytest.raises(NotFound):
        store.revoke_token(org.no, "bsk1xnothing")
    assert [t.revoked_at is not None for t in store.list_tokens(org.no)] == [True]
    other.close()


def test_organisations_that_several_create_at_once_are_all_made(tmp_path: Path, database_url: str | None) -> None:
    stores = [open_store(database_url, tmp_path) for _ in range(4)]
    begin = threading.Barrier(len(stores))

    def create(store: Store, name: str) -> int:
        begin.wait()
        return store.create_org(name).no

    with ThreadPoolExecutor(len(stores)) as threads:
        for round in range(4):
            names = [f"Organisation {round}-{at}" for at in range(len(stores))]
            numbers = list(threads.map(create, stores, names))
            assert len(set(numbers)) == len(stores)
    assert [org.no for org in stores[0].list_orgs()] == list(range(1, 17))
    with pytest.raises(Conflict, match=r"Organisation 0-0 .* choose another name"):
        stores[0].create_org("Organisation 0-0")
    for store in stores:
        store.close()


def test_last_use_is_noted_once_a_minute_and_nobody_waits_for_it(tmp_path: Path, database_url: str | None) -> None:
    clock = Clock()
    store = open_store(database_url, tmp_path, clock)
    org = store.create_org("Sample").no
    secret = store.create_token(org).secret
    for now, noted in ((MORNING, MORNING), (MORNING + MINUTE - 1, MORNING), (MORNING + MINUTE, MORNING + MINUTE)):
        clock.now = now
        store.authenticate(secret)
        assert last_use(store, org, noted) == noted
    store.close()


def last_use(store: Store, org: int, expected: int) -> int | None:
    """When the token was last used; waits a while for that time to be stored."""
    give_up = time.monotonic() + 60
    while (noted := store.list_tokens(org)[0].last_used_at) != expected and time.monotonic() < give_up:
        time.sleep(0.01)
    return noted


def test_the_database_does_not_hold_the_secret(tmp_path: Path, database_url: str | None) -> None:
    store = open_store(database_url, tmp_path)
    token = store.create_token(store.create_org("Sample").no)
    store.close()
    sql = PlainSql(database_url, tmp_path)
    rows = repr([sql.rows(f"SELECT * FROM {table}") for table in sql.tables()]).encode()
    sql.close()
    held = rows + b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert token.id.encode() in rows
    assert token.secret.split("_", 1)[1].rpartition("_")[0].encode() not in held
