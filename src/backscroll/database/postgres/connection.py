"""psycopg's connection, for threads and for event loops; reading transactions end without waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Ready, Wait

from backscroll.concurrency import greenlets
from backscroll.database.protocol import Row

T = TypeVar("T")

SETTLE_SECONDS = 8.0
INTERRUPT_SECONDS = 5.0


class Connection(psycopg.Connection[Row]):
    """Used by one thread, or one function of a loop, at a time."""

    is_citus = False
    """Whether the server has Citus."""
    longest: float | None = None
    """Seconds for which the server may be silent."""
    was_interrupted = False
    """Whether cancellation was requested; the server may apply it late, to the next statement."""
    _ending = False
    """COMMIT was sent, and its answer has not been read yet."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Raises OperationalError, and abandons the connection, if the server takes too long."""
        timeout = self.longest if timeout is None else timeout
        try:
            return self._let_go(gen, timeout) if greenlets.here() else super().wait(gen, interval, timeout)
        except psycopg.OperationalError as error:
            # Not the server's word: given up in the middle of an answer, there is nothing more to be had from it.
            if error.sqlstate is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise

    def _let_go(self, gen: PQGen[T], timeout: float | None) -> T:
        fd = self.pgconn.socket
        try:
            wanted = next(gen)
            if wanted == Wait.R:
                # The answer is often there once the loop's other work has had its turn. To look costs less than to have
                # the loop watch the socket. psycopg's generators ask again if nothing has arrived, except the one for
                # ``notifies``, which is not used.
                greenlets.sleep(0)
                wanted = gen.send(Ready.R)
            while True:
                event = greenlets.ready(fd, wanted, timeout)
                if not event:
                    raise psycopg.OperationalError("no answer in time")
                wanted = gen.send(Ready(event))
        except StopIteration as end:
            result: T = end.value
            return result

    def ask(self, *statements: str) -> list[Row]:
        """The rows of the last of some statements that has any. They go over together and have no parameters: cheaper
        than a cursor."""
        if self.is_citus:
            return self._ask_apart(statements)
        self.pgconn.send_query(";".join(statements).encode())
        results = self.wait(self._results())
        if results and results[-1].status == ExecStatus.FATAL_ERROR:
            error = error_from_result(results[-1])
            # Without a code it is libpq that speaks, of a connection that is lost.
            raise error if error.sqlstate else psycopg.OperationalError(str(error))
        for result in reversed(results):
            if result.status == ExecStatus.TUPLES_OK:
                loader = Transformer(self)
                loader.set_pgresult(result)
                return loader.load_rows(0, result.ntuples, tuple)
        return []

    def _ask_apart(self, statements: Sequence[str]) -> list[Row]:
        """As messages of their own: of a SET LOCAL, Citus has its workers run the whole text that it came in."""
        with self.pipeline():
            cursors = [self.execute(statement, prepare=False) for statement in statements]
        found = [cursor for cursor in cursors if cursor.description]
        return found[-1].fetchall() if found else []

    def interrupt(self) -> None:
        """Called from another thread: make the server cancel the current statement. The connection is not used again
        after that.
        """
        self.was_interrupted = True
        self.cancel_safe(timeout=INTERRUPT_SECONDS)

    def end_reading(self) -> None:
        """End a transaction that wrote nothing. Nothing depends on the answer, which ``settle`` reads later."""
        self.pgconn.send_query(b"COMMIT")
        self._ending = True

    def settle(self) -> None:
        """To be called before the next use after ``end_reading``."""
        if self._ending:
            self._ending = False
            self.wait(self._results(), timeout=SETTLE_SECONDS)

    def _results(self) -> PQGen[list[PGresult]]:
        """Of what was sent."""
        results: list[PGresult] = []
        while self.pgconn.flush():
            if (yield Wait.RW) & Ready.R:
                self.pgconn.consume_input()
        while True:
            while self.pgconn.is_busy():
                yield Wait.R
                self.pgconn.consume_input()
            result = self.pgconn.get_result()
            if result is None:
                return results
            results.append(result)

    @property
    def is_free(self) -> bool:
        """Outside a transaction, or as good as, and good for another."""
        if self.was_interrupted:
            return False
        return self._ending or self.pgconn.transaction_status == TransactionStatus.IDLE
