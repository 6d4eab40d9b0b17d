"""Live sources, which report on their own: their settings, their sealed secrets, and when they were last heard."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from backscroll.core.errors import NotFound
from backscroll.core.ids import org_in
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.accounts import leases
from backscroll.storage.records.aspects import STATE
from backscroll.storage.records.org_state import lock_org_state, save_org_state
from backscroll.storage.write.coverage import Listening
from backscroll.storage.write.idempotency import ANSWERS_US
from backscroll.storage.write.links import Links
from backscroll.storage.write.silences import tell_silences

PREFIX = "src"
ATTEND_US = 60_000_000
"""How often a running server records that it is listening to the sources."""
_ALPHABET = string.ascii_lowercase + string.digits

_CONNECTIONS = {"CONNECTED": "phone.connected", "DISCONNECTED": "phone.disconnected"}


class Seal(Protocol):
    """Keeps secrets at rest (storage/files/keys.py)."""

    def seal(self, secret: bytes) -> bytes: ...

    def unseal(self, sealed: bytes) -> bytes: ...


class LiveSource(Struct, frozen=True, kw_only=True):
    """A gateway that pushes events. Spans and times are in microseconds."""

    org: int
    id: str
    kind: str
    phone: int | None = None
    """Number of the own phone to which payloads belong that name no phone."""
    upstream: str | None = None
    every: int | None = None
    silent_after: int | None = None
    last_event_at: int | None = None
    created_at: int = 0
    previous_secret_until: int | None = None
    """Until this time the secret from before the last rotation is accepted as well."""


class SourceSecrets(Struct, frozen=True):
    """The secret with which a source signs, the one that verifies it, and the token for its upstream."""

    secret: str
    verify_token: str | None = None
    upstream_token: str | None = None
    previous: str | None = None
    """The secret from before the last rotation, while it is still accepted."""

    @property
    def accepted(self) -> tuple[str, ...]:
        """The secrets with which a payload may be signed."""
        return (self.secret,) if self.previous is None else (self.secret, self.previous)


class KeptAnswer(Struct, frozen=True):
    """The stored answer to a request with an Idempotency-Key. ``digest`` is that of the request's body."""

    digest: str
    status: int
    body: bytes


def org_of_source(id: str) -> int | None:
    """The number of the organisation in a source's id; None if the id does not have this archive's form."""
    return org_in(id, PREFIX)


def make_source_id(org: int) -> str:
    """A random id that contains the organisation's number and cannot be guessed."""
    return f"{PREFIX}{org}x" + "".join(secrets.choice(_ALPHABET) for _ in range(16))


class LiveSources:
    """The sources of an archive; ``Store.sources``."""

    def __init__(self, engine: Engine, clock: Callable[[], int], seal: Callable[[], Seal]) -> None:
        self._engine = engine
        self._clock = clock
        self._seal = seal
        self.links = Links(engine, clock)

    def add(self, source: LiveSource, given: SourceSecrets) -> LiveSource:
        """Add a source; its secrets are stored sealed."""
        params = self._sealed(given) | {
            "org": source.org,
            "source": source.id,
            "kind": source.kind,
            "phone": source.phone,
            "upstream": source.upstream,
            "every": source.every,
            "silent_after": source.silent_after,
            "now": self._clock(),
        }
        self._engine.write(lambda tx: tx.run("add_source", params), source.org)
        return self.find(source.id)

    def _sealed(self, given: SourceSecrets) -> dict[str, Any]:
        return {
            "secret": self._seal().seal(given.secret.encode()),
            "verify_token": self._seal().seal(given.verify_token.encode()) if given.verify_token else None,
            "upstream_token": self._seal().seal(given.upstream_token.encode()) if given.upstream_token else None,
        }

    def of(self, org: int) -> list[LiveSource]:
        """The organisation's sources, oldest first."""
        rows = self._engine.read(lambda tx: tx.all("list_sources", {"org": org}), org)
        return [_source(org, row) for row in rows]

    def find(self, id: str) -> LiveSource:
        """By its id; ``NotFound``."""
        source, _ = self.open(id)
        return source

    def open(self, id: str) -> tuple[LiveSource, SourceSecrets]:
        """A source with its secrets; ``NotFound``."""
        org = org_of_source(id)
        row = None
        if org is not None:
            row = self._engine.read(lambda tx: tx.one("read_source", {"org": org, "source": id}), org)
        if org is None or row is None:
            raise NotFound("source", id[:80])
        *known, secret, verify_token, upstream_token, previous = row
        source = _source(org, known)
        counts = self._clock() < (source.previous_secret_until or 0)
        given = SourceSecrets(
            self._opened(secret) or "",
            self._opened(verify_token),
            self._opened(upstream_token),
            self._opened(previous) if counts else None,
        )
        return source, given

    def _opened(self, sealed: bytes | None) -> str | None:
        return None if sealed is None else self._seal().unseal(bytes(sealed)).decode()

    def change(self, source: LiveSource, upstream_token: str | None) -> LiveSource:
        """Save the upstream, its token, the interval for asking it, and the span of silence; ``NotFound``."""
        token = self._seal().seal(upstream_token.encode()) if upstream_token else None
        params = {"org": source.org, "source": source.id, "upstream": source.upstream, "upstream_token": token}
        self._update("change_source", source, params | {"every": source.every, "silent_after": source.silent_after})
        return self.find(source.id)

    def rotate(self, id: str, secret: str, grace_us: int) -> LiveSource:
        """Replace the secret with which a source signs. The old one is accepted for ``grace_us`` more. ``NotFound``."""
        source, before = self.open(id)
        params = {"org": source.org, "source": id, "secret": self._seal().seal(secret.encode())}
        params |= {"previous": self._seal().seal(before.secret.encode()) if grace_us else None}
        self._update("rotate_source", source, params | {"until": self._clock() + grace_us if grace_us else None})
        return self.find(id)

    def _update(self, statement: str, source: LiveSource, params: dict[str, Any]) -> None:
        if self._engine.write(lambda tx: tx.one(statement, params), source.org) is None:
            raise NotFound("source", source.id[:80])

    def remove(self, id: str) -> None:
        """Remove a source; its messages remain. A phone without another source is no longer known to be connected."""
        source = self.find(id)

        def work(tx: Txn) -> None:
            state = lock_org_state(tx, source.org)
            Listening(tx, source.org).end(id, self._clock(), "removed")
            tx.run("remove_source", {"org": source.org, "source": id})
            tx.run("remove_link", {"org": source.org, "source": id})
            left = {phone for _, _, phone, *_ in tx.all("list_sources", {"org": source.org})}
            if source.phone is not None and not left & {source.phone, None}:
                params = {"org": source.org, "phone": source.phone}
                if tx.one("forget_connection", params) is not None:
                    state.change("phone", source.phone, STATE)
                    state.tell("phone.updated", self._clock(), phone=source.phone)
            save_org_state(tx, state)

        self._engine.write(work, source.org)

    def attend(self, org: int) -> bool:
        """Record that a server is running and hears the organisation's sources, if due; returns whether it was."""
        now = self._clock()

        def is_due(tx: Txn) -> bool:
            times = [attended_at for _, _, _, attended_at, _ in tx.all("attended_sources", {"org": org})]
            return any(at is None or now - at >= ATTEND_US for at in times)

        def work(tx: Txn) -> None:
            lock_org_state(tx, org)
            if is_due(tx):
                Listening(tx, org).attend(now)

        due = self._engine.read(is_due, org)
        if due:
            self._engine.write(work, org)
        return due

    def tell_silences(self, org: int, listening_since: int) -> int:
        """Report sources that fell silent or are heard again, once each; returns how many."""
        return tell_silences(self._engine, org, self._clock(), listening_since)

    def connect(self, org: int, phone: int, state: str, at: int | None = None, source: str | None = None) -> bool:
        """Record whether a phone is connected, since ``at``, as ``source`` reported; returns whether that is new."""
        since = self._clock() if at is None else at
        params = {"org": org, "phone": phone, "state": state, "at": since}

        def work(tx: Txn) -> bool:
            org_state = lock_org_state(tx, org)
            changed = tx.one("connect_phone", params) is not None
            if changed:
                org_state.change("phone", phone, STATE)
                org_state.tell(_CONNECTIONS.get(state, "phone.updated"), since, phone=phone)
                if source is not None:
                    self._cover(tx, source, org, phone, state, since)
            save_org_state(tx, org_state)
            return changed

        return self._engine.write(work, org)

    def _cover(self, tx: Txn, source: str, org: int, phone: int, state: str, at: int) -> None:
        """A source that is connected covers what comes; one that is not connected covers nothing."""
        listening = Listening(tx, org)
        if state == "CONNECTED":
            listening.hear(source, [phone], at)
        elif state == "DISCONNECTED":
            listening.end(source, at, "disconnected", phone)

    def take_turn(self, source: LiveSource, work: str = "sync") -> leases.Lease | None:
        """The lease for work that only one process does for a source, such as asking its upstream; None if taken."""
        return self._engine.write(
            lambda tx: leases.take(tx, source.org, f"{work} {source.id}", self._clock()), source.org
        )

    def keep_turn(self, lease: leases.Lease) -> bool:
        """Renew the lease; False if another process has taken over."""
        return leases.is_kept(self._engine, lease, self._clock())

    def end_turn(self, lease: leases.Lease) -> None:
        """Release the lease for other processes. If the database is away, the lease expires by itself."""
        leases.release(self._engine, lease)

    def answer(self, source: LiveSource, key: str) -> KeptAnswer | None:
        """The earlier answer for this key, unless it has expired."""
        params = {"org": source.org, "source": source.id, "key": key, "since": self._clock() - ANSWERS_US}
        row = self._engine.read(lambda tx: tx.one("find_answer", params), source.org)
        if row is None:
            return None
        digest, status, body = row
        return KeptAnswer(digest, int(status), bytes(body))


def _source(org: int, row: Sequence[Any]) -> LiveSource:
    id, kind, phone, upstream, every, silent_after, last_event_at, created_at, previous_until = row
    return LiveSource(
        org=org,
        id=id,
        kind=kind,
        phone=phone,
        upstream=upstream,
        every=every,
        silent_after=silent_after,
        last_event_at=last_event_at,
        created_at=created_at,
        previous_secret_until=previous_until,
    )
