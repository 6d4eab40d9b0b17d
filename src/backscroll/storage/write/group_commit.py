"""Group commit: batches that arrive while others are being committed are written together in one transaction.

The first thread to arrive is the leader: it writes its own batch and all that are waiting behind it, then wakes the
first of those that arrived too late to be included. A lone writer never waits for a batch to fill.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Event, Lock

from backscroll.core import events
from backscroll.core.errors import StorageBusy
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.org_state import Applied
from backscroll.storage.write.batch import Session, apply_batch
from backscroll.storage.write.validation import cleaned_batch

MAX_EVENTS = 250
MAX_BYTES = 4_000_000
"""Maximum events and raw payloads per transaction, to keep waits short. Larger batches are written alone."""

_DOUBT = "It is not known whether this was written; send the same request again"


class GroupCommit:
    """Writes batches of any thread. Each is on disk when ``apply`` returns, and is not affected by errors in others."""

    def __init__(self, engine: Engine, make_phone_id: Callable[[], str]) -> None:
        self._engine = engine
        self._make_phone_id = make_phone_id
        self._queues: dict[int, _Queue] = {}

    def apply(self, org: int, batch: events.Batch, now: int) -> Applied:
        """Write a batch, possibly together with others. Returns after the commit, or raises the batch's error."""
        turn = _Turn(cleaned_batch(batch), now)
        queue = self._queues.get(org) or self._queues.setdefault(org, _Queue(self._engine, org, self._make_phone_id))
        queue.pass_through(turn)
        return turn.result()


class _Turn:
    """A waiting batch, and its result."""

    def __init__(self, batch: events.Batch, now: int) -> None:
        self.batch = batch
        self.now = now
        self.called = Event()
        """Set when the turn is over, or when its thread becomes the leader."""
        self._applied: Applied | None = None
        self._error: Exception | None = None

    @property
    def is_over(self) -> bool:
        return self._applied is not None or self._error is not None

    def succeed(self, applied: Applied) -> None:
        self._applied = applied

    def fail(self, error: Exception) -> None:
        self._error = error

    def doubt(self, cause: StorageBusy | None = None) -> None:
        """Record that it is unknown whether the batch was written."""
        self._error = StorageBusy(str(cause or _DOUBT))
        self._error.__cause__ = cause

    def result(self) -> Applied:
        """What the batch changed. ``StorageBusy`` if it is unknown whether it was committed."""
        if self._applied is None:
            raise self._error or StorageBusy(_DOUBT)
        return self._applied


class _Group:
    """Turns that are written together, in the order of arrival."""

    def __init__(self) -> None:
        self.turns: list[_Turn] = []
        self._events = 0
        self._bytes = 0

    def has_room(self, turn: _Turn) -> bool:
        """Whether a batch still fits; the first always does."""
        wanted, raw = _size(turn)
        return not self.turns or (self._events + wanted <= MAX_EVENTS and self._bytes + raw <= MAX_BYTES)

    def add(self, turn: _Turn) -> None:
        """Add a batch."""
        wanted, raw = _size(turn)
        self._events += wanted
        self._bytes += raw
        self.turns.append(turn)


def _size(turn: _Turn) -> tuple[int, int]:
    """Events and payloads of a batch. It counts as at least one event, because it may contain only a position."""
    return max(1, len(turn.batch.events)), len(turn.batch.raw or b"")


class _Queue:
    """The batches of one organisation."""

    def __init__(self, engine: Engine, org: int, make_phone_id: Callable[[], str]) -> None:
        self._engine = engine
        self._org = org
        self._make_phone_id = make_phone_id
        self._lock = Lock()
        self._waiting: deque[_Turn] = deque()
        self._leader: _Turn | None = None

    def pass_through(self, turn: _Turn) -> None:
        """Return when the turn is over, written by this thread or by another."""
        group, leads = _Group(), False
        try:
            if not self._is_first(turn):
                turn.called.wait()
            leads = not turn.is_over
            if leads:
                self._write(group)
        finally:
            if leads or not turn.is_over:
                self._leave_surely(turn, group)

    def _is_first(self, turn: _Turn) -> bool:
        with self._lock:
            self._waiting.append(turn)
            if self._leader is None:
                self._leader = turn
            return self._leader is turn

    def _leave_surely(self, turn: _Turn, group: _Group) -> None:
        try:
            self._leave(turn, group)
        except BaseException:
            # Ctrl-C may also arrive here, and others are waiting.
            self._leave(turn, group)
            raise

    def _leave(self, turn: _Turn, group: _Group) -> None:
        """As the leader, give the others their results and wake the next leader. Calling it twice does no harm."""
        with self._lock:
            for other in group.turns:
                if not other.is_over:
                    other.doubt()
            if turn in self._waiting:
                self._waiting.remove(turn)
            while self._waiting and self._waiting[0].is_over:
                self._waiting.popleft()
            if self._leader is turn:
                following = self._waiting[0] if self._waiting else None
                if following is not None:
                    following.called.set()
                self._leader = following
            for other in group.turns:
                other.called.set()

    def _take(self, group: _Group) -> bool:
        """Add waiting turns in order while there is room; none is skipped."""
        before = len(group.turns)
        with self._lock:
            while self._waiting and group.has_room(self._waiting[0]):
                group.add(self._waiting[0])
                self._waiting.popleft()
        return len(group.turns) > before

    # ------------------------------------------------------------------ what the leader writes

    def _write(self, group: _Group) -> None:
        self._take(group)
        try:
            applied = self._engine.write(lambda tx: self._write_group(tx, group), self._org)
        except StorageBusy as busy:
            _give_up(group.turns, busy)
        except Exception as error:
            self._write_apart(group.turns, error)
        else:
            for turn, one in zip(group.turns, applied, strict=True):
                turn.succeed(one)

    def _write_group(self, tx: Txn, group: _Group) -> list[Applied]:
        """Write the group and the turns that arrive meanwhile. May run again with the same turns and more."""
        session = Session(tx, self._org, self._make_phone_id)
        applied: list[Applied] = []
        while len(applied) < len(group.turns) or self._take(group):
            some = group.turns[len(applied) :]
            session.expect([turn.batch for turn in some])
            applied += [session.write(turn.batch, turn.now) for turn in some]
        session.finish()
        return applied

    def _write_apart(self, turns: list[_Turn], error: Exception) -> None:
        """Write each batch alone after the group failed as a whole, so that an error affects only its own batch."""
        if len(turns) == 1:
            turns[0].fail(error)
            return
        for at, turn in enumerate(turns):
            try:
                turn.succeed(self._engine.write(partial(self._write_alone, turn), self._org))
            except StorageBusy as busy:
                _give_up(turns[at:], busy)
                return
            except Exception as own:
                turn.fail(own)

    def _write_alone(self, turn: _Turn, tx: Txn) -> Applied:
        return apply_batch(tx, self._org, turn.batch, turn.now, self._make_phone_id)


def _give_up(turns: list[_Turn], busy: StorageBusy) -> None:
    for turn in turns:
        turn.doubt(busy)
