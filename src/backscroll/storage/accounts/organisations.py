"""Making and renaming organisations."""

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
        """``make_key`` sees to the archive's key; ``change_tokens`` runs a write that every process hears of."""
        self._engine = engine
        self._clock = clock
        self._make_key = make_key
        self._change_tokens = change_tokens

    def all(self) -> list[Org]:
        """In the order of their numbers."""
        return self._engine.read(accounts.list_orgs)

    def create(self, name: str, id: str | None = None, created_at: int | None = None) -> Org:
        """``BadField`` for its name or id (a UUID, chosen when None), ``Conflict`` when either is taken."""
        at = self._clock() if created_at is None else created_at
        return self._add(lambda tx, no: accounts.create_org(tx, no, name, id, at))

    def create_with_token(self, name: str, token: str) -> tuple[Org, NewToken]:
        """An organisation and its first token, which is called ``token`` and manages it; both or neither."""

        def make(tx: Txn, no: int) -> tuple[Org, NewToken]:
            now = self._clock()
            org = accounts.create_org(tx, no, name, None, now)
            return org, accounts.create_token(tx, no, token, None, accounts.FIRST_SCOPES, None, now)

        return self._add(make)

    def _add(self, make: Callable[[Txn, int], T]) -> T:
        """With the next number. Whoever is overtaken there by another process takes the one after it."""
        if not self.all():
            # The key is as old as the archive. Later on a missing one is an error, never a reason to make another.
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
        """Known to every process at once. ``BadField`` for the name, ``Conflict`` when it is taken, ``NotFound``."""
        renamed: list[Org] = []
        self._change_tokens(org, lambda tx: renamed.append(accounts.rename_org(tx, org, name)))
        return renamed[-1]
