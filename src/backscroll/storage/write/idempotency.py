"""Answers that are kept for requests with an Idempotency-Key, so that a repeated one is answered alike."""

from __future__ import annotations

from backscroll.core import events
from backscroll.core.errors import Conflict
from backscroll.database.protocol import Txn

ANSWERS_US = 48 * 3_600_000_000
"""How long an answer is repeated for requests with the same Idempotency-Key."""


def keep_answer(tx: Txn, org: int, answer: events.Answer, now: int) -> None:
    """Keep what a request is answered; ``Conflict`` when its key stands for another request already."""
    base = {"org": org, "source": answer.source, "key": answer.key}
    known = tx.one("find_answer", base | {"since": now - ANSWERS_US})
    if known is not None:
        digest, _, _ = known
        if digest != answer.digest:
            raise Conflict("This Idempotency-Key was used for another request; choose a new key for a new request")
    else:
        tx.run("drop_old_answers", {"org": org, "before": now - ANSWERS_US})
        tx.run("add_answer", base | {"digest": answer.digest, "status": answer.status, "body": answer.body, "now": now})
