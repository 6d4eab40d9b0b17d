"""Stored answers to requests with an Idempotency-Key, so that a repeated request gets the same answer."""

from __future__ import annotations

from backscroll.core import events
from backscroll.core.errors import Conflict
from backscroll.database.protocol import Txn

ANSWERS_US = 48 * 3_600_000_000
"""How long requests with the same Idempotency-Key get the stored answer."""


def keep_answer(tx: Txn, org: int, answer: events.Answer, now: int) -> None:
    """Store the answer to a request; ``Conflict`` if its key already belongs to another request."""
    base = {"org": org, "source": answer.source, "key": answer.key}
    known = tx.one("find_answer", base | {"since": now - ANSWERS_US})
    if known is not None:
        digest, _, _ = known
        if digest != answer.digest:
            raise Conflict("This Idempotency-Key was used for another request; choose a new key for a new request")
    else:
        tx.run("drop_old_answers", {"org": org, "before": now - ANSWERS_US})
        tx.run("add_answer", base | {"digest": answer.digest, "status": answer.status, "body": answer.body, "now": now})
