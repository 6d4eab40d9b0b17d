"""Who asks: Bearer and Basic credentials, and programs on this machine where the owner allows them in without."""

from __future__ import annotations

import hashlib
import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections import OrderedDict
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from backscroll.core.errors import Unauthorised
from backscroll.core.model import Access
from backscroll.http.cookies import session_of
from backscroll.http.limits import FailedLogins, is_loopback
from backscroll.storage.accounts.accounts import org_of_token
from backscroll.storage.accounts.sessions import org_of_session
from backscroll.storage.store import Store

Credential = tuple[str | None, str]
"""(token id, secret) of Basic; (None, secret) of Bearer."""


class MalformedCredential(Unauthorised):
    """What follows ``Basic`` is not ``id:secret`` in Base64."""


def credential_of(authorization: str) -> Credential:
    """Raises Unauthorised when the header is neither Bearer nor Basic."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return None, rest.strip()
    if scheme.lower() == "basic":
        return _basic(rest.strip())
    raise Unauthorised


def _basic(encoded: str) -> Credential:
    try:
        user, colon, secret = b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (NotBase64, ValueError):
        raise MalformedCredential from None
    if not colon:
        raise MalformedCredential
    return user, secret


class Admission(Struct, frozen=True):
    """What is granted, and the organisation's version when that was looked up."""

    access: Access
    version: int


class Authenticator:
    """Turns a request's credential into its access.

    With ``open_access`` (a token's id) a program on this machine needs none; a web page of another site does,
    or any site that its user visits could read the archive.
    """

    MAX_KNOWN = 1024
    MEMORY_SECONDS = 1.0
    """So long a credential is not looked up again while nothing is written; expiry is exact to this."""

    def __init__(
        self,
        store: Store,
        open_access: str | None = None,
        failed: FailedLogins | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._open_access = open_access
        self._failed = failed or FailedLogins()
        self._now = now
        self._known: OrderedDict[bytes, tuple[float, Admission]] = OrderedDict()

    def admit(self, headers: Mapping[str, str], client: str | None, anew: bool = False) -> Admission:
        """The access granted; raises Unauthorised, or TooManyFailures for an address that guesses.

        ``anew``: what is remembered is known to be out of date.
        """
        credential = sent_credential(headers)
        if credential is not None:
            recalled = None if anew else self._recall(credential)
            return recalled or self._look_up(credential, client)
        if self._open_access and is_local_program(headers, client):
            access = self._store.access_of_token(self._open_access)
            return Admission(access, self._store.version(access.org.no))
        raise Unauthorised

    def remembered(self, authorization: str | None) -> Admission | None:
        """Of a credential that was looked up a moment ago. It counts only while its version is still the store's."""
        known = self._known.get(_digest(authorization)) if authorization else None
        return known[1] if known is not None and self._now() < known[0] else None

    def _recall(self, authorization: str) -> Admission | None:
        """Any write, a revoked token too, has a credential looked up again."""
        known = self.remembered(authorization)
        return known if known and self._store.version(known.access.org.no) == known.version else None

    def _look_up(self, authorization: str, client: str | None) -> Admission:
        digest = _digest(authorization)
        if digest not in self._known:
            self._failed.check(client)
        try:
            admission = admission_of(self._store, authorization)
        except Unauthorised:
            self._known.pop(digest, None)
            self._failed.failed(client)
            raise
        self._known[digest] = (self._now() + self.MEMORY_SECONDS, admission)
        if len(self._known) > self.MAX_KNOWN:
            self._known.popitem(last=False)
        return admission


def admission_of(store: Store, credential: str) -> Admission:
    """What a credential opens now; ``Unauthorised``. The version is read first, so that a revocation is noticed."""
    if credential.startswith(_SESSION):
        secret = credential.removeprefix(_SESSION)
        version = store.version(org_of_session(secret) or 0)
        return Admission(store.open_session(secret).access, version)
    token, secret = credential_of(credential)
    version = store.version(org_of_token(secret) or 0)
    if token is None:
        return Admission(store.authenticate(secret), version)
    return Admission(store.authenticate_basic(token, secret), version)


_SESSION = "Cookie "
"""Stands before a session's secret where other credentials have the name of their scheme."""


def sent_credential(headers: Mapping[str, str]) -> str | None:
    """What a request shows: its Authorization header, else the session of a browser."""
    authorization = headers.get("authorization")
    if authorization is not None:
        # A cookie's secret counts only as a cookie, which other sites' pages cannot send.
        return " " + authorization if authorization.startswith(_SESSION) else authorization
    session = session_of(headers)
    return None if session is None else _SESSION + session


def _digest(authorization: str) -> bytes:
    # Secrets themselves are not kept in memory.
    return hashlib.blake2b(authorization.encode("latin-1", "replace"), digest_size=16).digest()


_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", ""})


def is_local_program(headers: Mapping[str, str], client: str | None) -> bool:
    """True on loopback, unless a proxy or a page of another site speaks, or the host name is somebody's trick."""
    if not is_loopback(client) or "x-forwarded-for" in headers or "forwarded" in headers:
        return False
    host = headers.get("host", "")
    if (urlsplit(f"//{host}").hostname or "") not in _LOCAL_NAMES:
        return False
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        # Node's fetch says "cors" as its mode but names no site.
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host
