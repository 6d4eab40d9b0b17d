"""Who asks: Bearer and Basic credentials, and programs on this machine where the owner allows them in without."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from binascii import Error as NotBase64
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import urlsplit

from backscroll.errors import Unauthorised
from backscroll.http.wire import FailedLogins, is_loopback
from backscroll.model import Access
from backscroll.storage.store import Store

Credential = tuple[str | None, str]
"""(token id, secret) of Basic; (None, secret) of Bearer."""


def credential_of(authorization: str | None) -> Credential | None:
    """None when the header is missing; raises Unauthorised when it is not Bearer or Basic."""
    if authorization is None:
        return None
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
        raise Unauthorised from None
    if not colon:
        raise Unauthorised
    return user, secret


class Gate:
    """Turns a request's credential into its access.

    With ``open_access`` (an organisation) a program on this machine needs none; a web page of another site does,
    or any site that its user visits could read the archive.
    """

    MOST_KNOWN = 1024

    def __init__(self, store: Store, open_access: str | None = None, failed: FailedLogins | None = None) -> None:
        self._store = store
        self._open_access = open_access
        self._failed = failed or FailedLogins()
        self._known_good: OrderedDict[bytes, None] = OrderedDict()

    def admit(self, headers: Mapping[str, str], client: str | None) -> Access:
        """The access granted; raises Unauthorised, or TooManyFailures for an address that guesses."""
        authorization = headers.get("authorization")
        if authorization is None and self._open_access and is_local_program(headers, client):
            return self._open(self._open_access)
        try:
            credential = credential_of(authorization)
            if credential is None:
                raise Unauthorised
            return self._look_up(credential, client)
        except Unauthorised:
            if authorization is not None:
                self._failed.failed(client)
            raise

    def _look_up(self, credential: Credential, client: str | None) -> Access:
        digest = hashlib.blake2b(repr(credential).encode(), digest_size=16).digest()
        known = digest in self._known_good
        if not known:
            self._failed.check(client)
        token, secret = credential
        try:
            access = (
                self._store.authenticate(secret) if token is None else self._store.authenticate_basic(token, secret)
            )
        except Unauthorised:
            self._known_good.pop(digest, None)
            raise
        if not known:
            self._remember(digest)
        return access

    def _remember(self, digest: bytes) -> None:
        self._known_good[digest] = None
        if len(self._known_good) > self.MOST_KNOWN:
            self._known_good.popitem(last=False)

    def _open(self, name: str) -> Access:
        org = self._store.find_org(name)
        return Access(org=org, phones=self._store.list_phones(org.no))


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
