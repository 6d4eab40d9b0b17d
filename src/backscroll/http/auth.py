"""Authentication: Bearer and Basic credentials, and programs on this machine if the owner allows them without one."""

from __future__ import annotations

import hashlib
import hmac
import re
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
from backscroll.storage.accounts.accounts import id_of_secret, org_of_token
from backscroll.storage.accounts.sessions import org_of_session
from backscroll.storage.store import Store

Credential = tuple[str | None, str]
"""(token id, secret) of Basic; (None, secret) of Bearer."""


class MalformedCredential(Unauthorised):
    """The value after ``Basic`` is not ``id:secret`` in Base64."""


def credential_of(authorization: str) -> Credential:
    """Raises Unauthorised if the header is neither Bearer nor Basic."""
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


class Caller(Struct, frozen=True):
    """What is known about the client before its credential is looked up."""

    headers: Mapping[str, str]
    client: str | None
    """The address that the connection comes from."""
    http_version: str = "1.1"


class Admission(Struct, frozen=True):
    """The granted access, and the organisation's version at the time of the look-up."""

    access: Access
    version: int


class _Known(Struct, frozen=True):
    """A secret that was looked up, until when the result is valid, and the result."""

    digest: bytes
    until: float
    admission: Admission


class Authenticator:
    """Turns a request's credential into its access.

    With ``open_access`` (a token's id) a program on this machine needs no credential; a web page of another site does,
    because otherwise any site that the user visits could read the archive.
    """

    MAX_KNOWN = 1024
    """Number of cached tokens, the most recently used."""
    MEMORY_SECONDS = 1.0
    """Seconds before a credential is looked up again while no token or phone changes; expiry is accurate to this."""

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
        self._known: OrderedDict[str, _Known] = OrderedDict()
        """By token id: each token is cached once, in whatever form its credential is sent."""

    def admit(self, caller: Caller) -> Admission:
        """The granted access; raises Unauthorised, or TooManyFailures for an address that guesses."""
        credential = sent_credential(caller.headers)
        if credential is not None:
            return self._look_up(credential, caller.client)
        if self._open_access and is_local_program(caller):
            access = self._store.access_of_token(self._open_access)
            return Admission(access, self._store.version(access.org.no))
        raise Unauthorised

    def remembered(self, credential: str | None) -> Admission | None:
        """The cached result for a credential that was looked up recently. It is valid only while no token or phone has
        changed since its version.
        """
        if credential is None:
            return None
        try:
            shown = parsed(credential)
        except Unauthorised:
            return None
        known = self._known.get(shown.id)
        is_same = known is not None and shown.fits and hmac.compare_digest(known.digest, _digest(shown.secret))
        if known is None or not is_same or self._now() >= known.until:
            return None
        self._known.move_to_end(shown.id)
        return known.admission

    def _look_up(self, credential: str, client: str | None) -> Admission:
        """Even for an address with too many failures a well-formed secret is looked up: those cannot be guessed, and
        other clients may share the address.
        """
        try:
            shown = parsed(credential)
        except Unauthorised:
            self._failed.check(client)
            self._failed.failed(client)
            raise
        if not (shown.fits and shown.is_well_formed):
            self._failed.check(client)
        try:
            admission = _opened(self._store, shown)
        except Unauthorised:
            self._failed.failed(client)
            raise
        self._remember(shown, admission)
        return admission

    def _remember(self, shown: Shown, admission: Admission) -> None:
        self._known[shown.id] = _Known(_digest(shown.secret), self._now() + self.MEMORY_SECONDS, admission)
        self._known.move_to_end(shown.id)
        if len(self._known) > self.MAX_KNOWN:
            self._known.popitem(last=False)


class Shown(Struct, frozen=True):
    """The parts of a credential: its secret, the user name of Basic, and whether it is a browser's session."""

    secret: str
    user: str | None = None
    is_session: bool = False

    @property
    def id(self) -> str:
        """The id of the token or session contained in the secret."""
        return self.secret.partition("_")[0]

    @property
    def fits(self) -> bool:
        """Whether the user name belongs to the secret."""
        return self.user in (None, self.id)

    @property
    def is_well_formed(self) -> bool:
        """Whether it has the form of our secrets, which a guess does not have by chance."""
        return (org_of_session if self.is_session else id_of_secret)(self.secret) is not None


def parsed(credential: str) -> Shown:
    """The parts of what ``sent_credential`` returned; raises Unauthorised."""
    if credential.startswith(_SESSION):
        return Shown(credential.removeprefix(_SESSION), is_session=True)
    user, secret = credential_of(credential)
    return Shown(secret, user)


def admission_of(store: Store, credential: str) -> Admission:
    """What a credential currently gives access to; raises ``Unauthorised``."""
    return _opened(store, parsed(credential))


def _opened(store: Store, shown: Shown) -> Admission:
    """The version is read first, so that a revocation in between is noticed."""
    if shown.is_session:
        version = store.version(org_of_session(shown.secret) or 0)
        return Admission(store.sessions.open(shown.secret).access, version)
    version = store.version(org_of_token(shown.secret) or 0)
    if shown.user is None:
        return Admission(store.authenticate(shown.secret), version)
    return Admission(store.authenticate_basic(shown.user, shown.secret), version)


_SESSION = "Cookie "
"""Precedes a session's secret, in place of the name of an authentication scheme."""


def sent_credential(headers: Mapping[str, str]) -> str | None:
    """The credential of a request: its Authorization header, otherwise a browser's session."""
    authorization = headers.get("authorization")
    if authorization is not None:
        # A session's secret is valid only as a cookie, which pages of other sites cannot send.
        return " " + authorization if authorization.startswith(_SESSION) else authorization
    session = session_of(headers)
    return None if session is None else _SESSION + session


def _digest(secret: str) -> bytes:
    # Secrets themselves are not kept in memory.
    return hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


_PROXIED = re.compile(
    r"forwarded|via|client-ip|true-client-ip|(?:x-(?:forwarded|real|client|cluster|original|envoy|proxy)|cf|fly)-.*|x-forwarded"
)
"""Headers that a proxy adds about its client."""


def is_local_program(caller: Caller) -> bool:
    """Whether the client is a program on this machine.

    False if there are signs of a proxy (a proxy header, or HTTP/1.0), if the request comes from a page of another site,
    or if the host name is missing or not one of this machine's. A proxy that hides all of this looks like any local
    program.
    """
    headers = caller.headers
    if not is_loopback(caller.client) or caller.http_version in ("1", "1.0") or any(map(_PROXIED.fullmatch, headers)):
        return False
    host = headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in _LOCAL_NAMES:
        return False
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        # Node's fetch says "cors" as its mode but names no site.
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host
