"""The invariants of webhooks: endpoints can be used, and whatever waits for one will be sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from backscroll.core.errors import Error
from backscroll.core.webhooks import EVENT_TYPES, STATES, Webhook, mask_of
from backscroll.database.protocol import Txn
from backscroll.storage.records.rows import phone_rows
from backscroll.storage.records.webhook_rows import webhook_of
from backscroll.storage.transfer.check.findings import MAX_FINDINGS, Finding, Scan

MASK = "event types that webhooks want are not recorded"
LANE = "waiting event will never be sent"


def webhooks(scan: Scan) -> Iterator[Finding]:
    """Endpoints, the outbox, and what became of its events."""
    known: list[Webhook] = []
    unreadable = False
    phones = {row.phone for row in phone_rows(scan.tx, scan.org)}
    for *row, secret, previous_secret in scan.tx.all("every_webhook", {"org": scan.org}):
        id, *_ = row
        try:
            webhook = webhook_of(scan.org, row)
            known.append(webhook)
            problem = _problem_of(webhook, phones)
        except (msgspec.DecodeError, msgspec.ValidationError, ValueError, TypeError):
            problem, unreadable = "it cannot be read", True
        if problem:
            yield scan.finding("webhook cannot be decoded", f"webhook {id!r:.40}: {problem}")
        yield from _secrets(scan, id, (secret, previous_secret))
    wanted = mask_of(known)
    for (hooks,) in scan.tx.all("read_hooks", {"org": scan.org}):
        if hooks != wanted and not unreadable:
            yield scan.finding(MASK, f"they want {wanted}, writers know of {hooks}", repairable=True)
    yield from _queues(scan)


def _problem_of(webhook: Webhook, phones: set[int]) -> str | None:
    if webhook.format not in ("native", "periskope"):
        return "its format is unknown"
    if not webhook.url.startswith(("http://", "https://")):
        return "its address is none"
    if webhook.phones is not None and not set(webhook.phones) <= phones:
        return "it names phones that are not there"
    return None


def _secrets(scan: Scan, id: str, sealed: tuple[Any, ...]) -> Iterator[Finding]:
    for secret in (secret for secret in sealed if secret is not None):
        try:
            problem = "there is no key file" if scan.sealer is None else None
            if scan.sealer is not None:
                scan.sealer.unseal(bytes(secret))
        except Error as error:
            problem = str(error)
        if problem:
            yield scan.finding("webhook's secret does not open with the key", f"webhook {id}: {problem}")


def _queues(scan: Scan) -> Iterator[Finding]:
    base: dict[str, Any] = {"org": scan.org, "limit": MAX_FINDINGS}
    for event, type in scan.tx.all("odd_events", base | {"types": EVENT_TYPES}):
        yield scan.finding("event of the outbox cannot be decoded", f"event {event}: {type!r:.40}")
    for webhook, event, state in scan.tx.all("odd_deliveries", base | {"states": len(STATES)}):
        yield scan.finding("delivery has no event or no webhook", f"event {event} for {webhook!r:.40}, state {state}")
    for webhook, phone, chat in laneless(scan.tx, scan.org):
        yield scan.finding(LANE, f"chat {chat} of phone {phone} for {webhook!r:.40}", repairable=True)


def laneless(tx: Txn, org: int) -> list[tuple[str, int, int]]:
    """Webhooks, phones and chats with waiting events that would never be sent."""
    rows = tx.all("laneless_deliveries", {"org": org, "limit": MAX_FINDINGS})
    return [(webhook, phone, chat) for webhook, phone, chat in rows]


def repair_webhooks(tx: Txn, org: int, now: int) -> None:
    """Restore the record of which events webhooks want, and schedule all waiting events."""
    try:
        known = [webhook_of(org, row) for row in tx.all("list_webhooks", {"org": org})]
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, TypeError):
        return
    tx.run("save_hooks", {"org": org, "hooks": mask_of(known)})
    while found := laneless(tx, org):
        for webhook, phone, chat in found:
            tx.run("add_lane", {"org": org, "webhook": webhook, "phone": phone, "chat": chat, "now": now})
