"""Creating and renaming organisations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from backscroll.core.errors import Conflict
from backscroll.core.model import Org
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.accounts import accounts
from backscroll.storage.accounts.accounts import NewToken

T = TypeVar("T")


class Organisations:
    """The organisations of an archive; ``Store.orgs``."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], int],
        make_key: Callable[[], object],
        change_tokens: Callable[[int, Callable[[Txn], object]], None],
    ) -> None:
        """``make_key`` creates the archive's key if needed; ``change_tokens`` runs a write that every process
        notices.
        """
        self._engine = engine
        self._clock = clock
        self._make_key = make_key
        self._change_tokens = change_tokens

    def all(self) -> list[Org]:
        """In the order of their numbers."""
        return self._engine.read(accounts.list_orgs)

    def create(self, name: str, id: str | None = None, created_at: int | None = None) -> Org:
        """Create an organisation. Raises ``BadField`` for its name or id (a UUID, generated if None), ``Conflict`` if
        either is taken.
        """
        at = self._clock() if created_at is None else created_at
        return self._add(lambda tx, no: accounts.create_org(tx, no, name, id, at))

    def create_with_token(self, name: str, token: str) -> tuple[Org, NewToken]:
        """Create an organisation and its first token, named ``token``, which can manage it; both or neither."""

        def make(tx: Txn, no: int) -> tuple[Org, NewToken]:
            now = self._clock()
            org = accounts.create_org(tx, no, name, None, now)
            return org, accounts.create_token(tx, no, token, None, accounts.FIRST_SCOPES, None, now)

        return self._add(make)

    def _add(self, make: Callable[[Txn, int], T]) -> T:
        """Add it with the next number. If another process takes that number first, the following one is used."""
        if not self.all():
            # The key is created with the archive. Later a missing key is an error, never a reason to create another.
            self._make_key()
        while True:
            no = max((org.no for org in self.all()), default=0) + 1
            try:
                return self._engine.write(lambda tx, no=no: make(tx, no), no)  # type: ignore[misc]
            except accounts.NameTaken:
                raise
            except Conflict:
                if all(org.no != no for org in self.all()):
                    raise

    def rename(self, org: int, name: str) -> Org:
        """Rename an organisation; every process notices it at once. Raises ``BadField`` for the name, ``Conflict`` if
        it is taken, ``NotFound``.
        """
        renamed: list[Org] = []
        self._change_tokens(org, lambda tx: renamed.append(accounts.rename_org(tx, org, name)))
        return renamed[-1]
