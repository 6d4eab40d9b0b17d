"""Webhook endpoints: what each subscribes to, and the encrypted secrets for signing requests."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import structs

from backscroll.core.errors import Conflict, NotFound
from backscroll.core.ids import org_in
from backscroll.core.webhooks import MAX_WEBHOOKS, SECRET_PREFIX, Secrets, Webhook, mask_of
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.org_state import lock_org_state, save_org_state
from backscroll.storage.records.webhook_rows import values_of, webhook_of

PREFIX = "whk"
_ALPHABET = string.ascii_lowercase + string.digits
_CHUNK = 1000


class Seal(Protocol):
    """Keeps secrets at rest (storage/files/keys.py)."""

    def seal(self, secret: bytes) -> bytes: ...

    def unseal(self, sealed: bytes) -> bytes: ...


def org_of_webhook(id: str) -> int | None:
    """The number of the organisation in a webhook's id; None if the id does not have this archive's form."""
    return org_in(id, PREFIX)


def make_secret() -> str:
    """256 random bits in the form of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


class Webhooks:
    """The endpoints of an archive; ``Store.webhooks``."""

    def __init__(self, engine: Engine, clock: Callable[[], int], seal: Callable[[], Seal]) -> None:
        self._engine = engine
        self._clock = clock
        self._seal = seal

    def of(self, org: int) -> list[Webhook]:
        """The organisation's endpoints, oldest first."""
        return self._engine.read(lambda tx: _all(tx, org), org)

    def find(self, id: str) -> Webhook:
        """By its id; ``NotFound``."""
        webhook, _ = self.open(id)
        return webhook

    def open(self, id: str) -> tuple[Webhook, Secrets]:
        """An endpoint with its currently valid secrets; ``NotFound``."""
        org = org_of_webhook(id)
        row = None
        if org is not None:
            row = self._engine.read(lambda tx: tx.one("read_webhook", {"org": org, "webhook": id}), org)
        if org is None or row is None:
            raise NotFound("webhook", id[:80])
        *known, secret, previous = row
        webhook = webhook_of(org, known)
        still = previous is not None and self._clock() < (webhook.previous_secret_until or 0)
        return webhook, Secrets(self._opened(secret), self._opened(previous) if still else None)

    def _opened(self, sealed: bytes) -> str:
        return self._seal().unseal(bytes(sealed)).decode()

    def add(self, wanted: Webhook, secret: str | None = None) -> tuple[Webhook, str]:
        """Create an endpoint, which gets events from now on, and return it with its secret.

        The id and the times in ``wanted`` are set here. ``Conflict`` if the organisation has too many endpoints.
        """
        secret = secret or make_secret()
        id = f"{PREFIX}{wanted.org}x" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
        sealed = self._seal().seal(secret.encode())

        def work(tx: Txn) -> None:
            state = lock_org_state(tx, wanted.org)
            known = _all(tx, wanted.org)
            if len(known) >= MAX_WEBHOOKS:
                raise Conflict(f"An organisation has at most {MAX_WEBHOOKS} webhooks; remove one that is not needed")
            made = structs.replace(wanted, id=id, position=state.next_no - 1)
            tx.run("add_webhook", values_of(made) | {"secret": sealed, "now": self._clock()})
            save_org_state(tx, state)
            _save_mask(tx, wanted.org, [*known, made])

        self._engine.write(work, wanted.org)
        return self.find(id), secret

    def change(self, id: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        """Replace an endpoint by the result of ``change``.

        A new address is tried immediately. An endpoint that is switched on again gets events from now on.
        """
        org = self.find(id).org

        def work(tx: Txn) -> None:
            state = lock_org_state(tx, org)
            now = self._clock()
            before = _find(tx, org, id)
            after = change(before)
            if after.enabled and not before.enabled:
                after = structs.replace(after, position=state.next_no - 1)
            tx.run("change_webhook", values_of(after) | {"now": now})
            if after.url != before.url or (after.enabled and not before.enabled):
                tx.run("forgive_webhook", {"org": org, "webhook": id})
                tx.run("hurry_lanes", {"org": org, "webhook": id, "now": now})
            save_org_state(tx, state)
            _save_mask(tx, org, _all(tx, org))

        self._engine.write(work, org)
        return self.find(id)

    def rotate(self, id: str, grace_us: int) -> tuple[Webhook, str]:
        """Give an endpoint a new secret. For ``grace_us``, requests are also signed with the old one."""
        secret = make_secret()
        webhook, before = self.open(id)
        params: dict[str, Any] = {"org": webhook.org, "webhook": id, "secret": self._seal().seal(secret.encode())}
        params |= {"previous": self._seal().seal(before.secret.encode()) if grace_us else None}
        now = self._clock()
        params |= {"until": now + grace_us if grace_us else None, "now": now}
        self._engine.write(lambda tx: tx.run("rotate_webhook", params), webhook.org)
        return self.find(id), secret

    def remove(self, id: str) -> None:
        """Remove an endpoint and its queued events, in bounded transactions. Can be repeated after an interruption."""
        org = self.change(id, lambda webhook: structs.replace(webhook, enabled=False)).org
        params = {"org": org, "webhook": id, "limit": _CHUNK}
        while self._engine.write(lambda tx: len(tx.all("forget_deliveries", params)), org) == _CHUNK:
            pass

        def work(tx: Txn) -> None:
            state = lock_org_state(tx, org)
            for statement in ("forget_lanes", "remove_webhook"):
                tx.run(statement, {"org": org, "webhook": id})
            tx.all("forget_deliveries", params)
            left = _all(tx, org)
            save_org_state(tx, state)
            _save_mask(tx, org, left)

        self._engine.write(work, org)
        while self._engine.write(lambda tx: _forget_outbox(tx, org), org):
            pass


def _forget_outbox(tx: Txn, org: int) -> bool:
    """Delete some events if no endpoint is left to send them to; returns whether there may be more."""
    lock_org_state(tx, org)
    return not _all(tx, org) and len(tx.all("forget_outbox", {"org": org, "limit": _CHUNK})) == _CHUNK


def _all(tx: Txn, org: int) -> list[Webhook]:
    return [webhook_of(org, row) for row in tx.all("list_webhooks", {"org": org})]


def _find(tx: Txn, org: int, id: str) -> Webhook:
    row = tx.one("read_webhook", {"org": org, "webhook": id})
    if row is None:
        raise NotFound("webhook", id[:80])
    *known, _, _ = row
    return webhook_of(org, known)


def _save_mask(tx: Txn, org: int, webhooks: Sequence[Webhook]) -> None:
    tx.run("save_hooks", {"org": org, "hooks": mask_of(webhooks)})
