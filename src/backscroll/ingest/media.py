"""Files of messages: fetched from where their source keeps them, checked, and told to the archive.

A source's own address may be private, because the operator named it with ``--upstream``; whatever else a payload names
must be public. Credentials go to that address only, and to Meta's own servers for the Cloud API.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import BinaryIO
from urllib.parse import urljoin

import httpx
import msgspec
from msgspec import Struct

from backscroll.core.errors import BadField, NotFound
from backscroll.core.events import Batch, MediaHeld, Target
from backscroll.core.model import Media
from backscroll.ingest.connectors.webhooks.cloud import FILE_URL
from backscroll.ingest.fetch import Fetched, Fetcher, NotFetched, origin_of
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.outbound.addresses import Resolve, resolve
from backscroll.storage.files.media import MediaStore, StoredFile
from backscroll.storage.store import Store
from backscroll.storage.write.fetches import QueuedFile
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets

FIRST_WAIT_US = 30_000_000
MAX_WAIT_US = 6 * 3600 * 1_000_000
MAX_TRIES = 12
"""Over about a day; then a file waits for ``backscroll media fetch --retry-failed``, an export or a backup."""
_MAX_DESCRIPTION = 64 << 10
_GRAPH = FILE_URL.rstrip("/")
_OWN_FILES = ("gowa", "waha")
"""They keep their files themselves, so an address of their own machine means them."""
_METAS = (".fbsbx.com", ".facebook.com", ".whatsapp.net")
"""Where the Cloud API keeps files; its token opens them."""


class _Unwanted(Exception):
    """The file is here already, or its message is not."""


class Described(Struct):
    """What the Cloud API tells of a file before it gives it."""

    url: str
    sha256: str | None = None
    mime_type: str | None = None


def held(
    media: MediaStore,
    org: int,
    target: Target,
    told: Media,
    content: BinaryIO | Iterable[bytes] | bytes,
    max_bytes: int,
    mimetype: str | None = None,
) -> MediaHeld:
    """Keep the bytes of a message's file, and the event that says so. ``BadField`` when they are not its own."""
    stored = media.put(
        org,
        content,
        max_bytes=max_bytes,
        declared_mimetype=told.mimetype or mimetype,
        filename=told.filename,
        expected=told.sha256,
    )
    return held_as(stored, target, told)


def held_as(stored: StoredFile, target: Target, told: Media) -> MediaHeld:
    """The event that says that a message's file is here. What its source told of it wins over what was found."""
    file = Media(
        file=stored.sha256,
        size=stored.size,
        mimetype=told.mimetype or stored.mimetype,
        width=told.width or stored.width,
        height=told.height or stored.height,
        duration=told.duration or stored.duration,
    )
    return MediaHeld(target=target, media=file)


class Downloads:
    """Fetches queued files; close it. Any thread may use it."""

    def __init__(self, store: Store, media: MediaStore, max_bytes: int, resolve: Resolve = resolve) -> None:
        self._store = store
        self._media = media
        self._max_bytes = max_bytes
        self._resolve = resolve
        self._stack = ExitStack()
        self._fetchers: dict[str, Fetcher] = {}
        self._away: dict[str | None, str] = {}

    def __enter__(self) -> Downloads:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fetch(self, org: int, file: QueuedFile) -> str | None:
        """Fetch one file; None when it is here now, else why not, with the next try noted."""
        try:
            target, told = self._wanted(org, file)
        except _Unwanted:
            self._store.fetches.drop(org, file)
            return None
        if (away := self._away.get(file.source)) is not None:
            # One that does not answer must not cost each of its files a time-out.
            self._store.fetches.postpone(org, file, file.tries, FIRST_WAIT_US * 2, away)
            return away
        try:
            event = self._fetched(org, file, target, told)
        except (NotFetched, NotFound, BadField) as error:
            problem = error.remedy if isinstance(error, BadField) else str(error)
            if isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout):
                self._away[file.source] = problem
            self._postpone(org, file, problem)
            return problem
        # The archive's own word: no source told which bytes are here.
        apply_with_retry(self._store, org, Batch(source="webhook", events=[event]))
        self._store.fetches.drop(org, file)
        return None

    def _wanted(self, org: int, file: QueuedFile) -> tuple[Target, Media]:
        found = self._store.find_message(org, (file.phone,), file.id, chat=file.chat, sender=file.sender)
        phone = next((p.jid for p in self._store.list_phones(org) if p.no == file.phone), None)
        if found is None or phone is None:
            raise _Unwanted
        told = found.message.details.media or Media()
        if told.file is not None and self._media.exists(org, told.file):
            raise _Unwanted
        return Target(phone, file.chat, file.id, file.sender), told

    def _postpone(self, org: int, file: QueuedFile, problem: str) -> None:
        tries = file.tries + 1
        wait = min(FIRST_WAIT_US * 2**file.tries, MAX_WAIT_US) * random.uniform(0.75, 1.25)
        self._store.fetches.postpone(org, file, tries, None if tries >= MAX_TRIES else int(wait), problem)

    # Asking

    def _fetched(self, org: int, file: QueuedFile, target: Target, told: Media) -> MediaHeld:
        source, given = self._source(org, file)
        url = address_of(file.url, source)
        fetcher = self._fetcher(source)
        headers = credentials(source, given)
        if source is not None and source.kind == "cloud" and not file.url.startswith(("http://", "https://")):
            raise NotFetched("the address is none")
        if source is not None and source.kind == "cloud":
            if given is None or not given.upstream_token:
                raise NotFetched("the source has no access token; add it again with --upstream-token")
            described = _described(fetcher, url, headers)
            url = described.url
        with fetcher.get(url, headers) as answer:
            self._refuse_large(answer)
            return held(self._media, org, target, told, answer.chunks, self._max_bytes, answer.mimetype)

    def _refuse_large(self, answer: Fetched) -> None:
        if answer.size is not None and answer.size > self._max_bytes:
            raise NotFetched(f"it is larger than {self._max_bytes} bytes")

    def _source(self, org: int, file: QueuedFile) -> tuple[LiveSource | None, SourceSecrets | None]:
        """The source that the file came through, or the one whose address it has."""
        if file.source is not None:
            try:
                return self._store.sources.open(file.source)
            except NotFound:
                return None, None
        for source in self._store.sources.of(org):
            if source.phone in (None, file.phone) and file.url.startswith(_base(source) or "\0"):
                return self._store.sources.open(source.id)
        return None, None

    def _fetcher(self, source: LiveSource | None) -> Fetcher:
        name = "" if source is None else source.id
        if name not in self._fetchers:
            base = None if source is None else source.upstream
            trusted = None if base is None else httpx.URL(base)
            self._fetchers[name] = self._stack.enter_context(Fetcher(trusted=trusted, resolve=self._resolve))
        return self._fetchers[name]


def _base(source: LiveSource) -> str | None:
    return source.upstream or (_GRAPH if source.kind == "cloud" else None)


def address_of(url: str, source: LiveSource | None) -> str:
    """Where to ask: gateways name their files by a path, or by an address that only their own machine knows."""
    base = None if source is None else source.upstream
    if not url.startswith(("http://", "https://")):
        if base is None:
            raise NotFetched("the gateway gave a path only; add the source again with --upstream")
        return urljoin(f"{base}/", url.lstrip("/"))
    if base is None:
        return url
    if source is not None and source.kind == "cloud":
        return base + url.removeprefix(_GRAPH) if url.startswith(f"{_GRAPH}/") else url
    try:
        asked, known = httpx.URL(url), httpx.URL(base)
    except httpx.InvalidURL:
        raise NotFetched("the address is none") from None
    if (
        source is not None
        and source.kind in _OWN_FILES
        and _is_near(asked.host)
        and origin_of(asked) != origin_of(known)
    ):
        return str(asked.copy_with(scheme=known.scheme, host=known.host, port=known.port))
    return url


def _is_near(host: str) -> bool:
    """Whether a name refers to its author's own machine or network."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        return "." not in host


def credentials(source: LiveSource | None, given: SourceSecrets | None) -> Callable[[httpx.URL], Mapping[str, str]]:
    """What to send along to an address: the gateway's own credential to the gateway alone."""
    token = None if given is None else given.upstream_token
    base = None if source is None else _base(source)
    if source is None or token is None or base is None:
        return lambda url: {}
    known, kind = origin_of(httpx.URL(base)), source.kind

    def headers(url: httpx.URL) -> Mapping[str, str]:
        is_metas = kind == "cloud" and url.scheme == "https" and f".{url.host}".endswith(_METAS)
        return _header(kind, token) if origin_of(url) == known or is_metas else {}

    return headers


def upstream_credential(source: LiveSource, given: SourceSecrets) -> Mapping[str, str]:
    """The headers that open the source's own upstream; none where it needs no credential."""
    return {} if source.upstream is None else credentials(source, given)(httpx.URL(source.upstream))


def _header(kind: str, token: str) -> Mapping[str, str]:
    match kind:
        case "gowa":
            user, _, password = token.partition(":")
            request = next(httpx.BasicAuth(user, password).auth_flow(httpx.Request("GET", "http://gateway")))
            return {"Authorization": request.headers["Authorization"]}
        case "waha":
            return {"X-Api-Key": token}
        case "evolution":
            return {"apikey": token}
    return {"Authorization": f"Bearer {token}"}


def _described(fetcher: Fetcher, url: str, headers: Callable[[httpx.URL], Mapping[str, str]]) -> Described:
    with fetcher.get(url, headers) as answer:
        body = b""
        for chunk in answer.chunks:
            body += chunk
            if len(body) > _MAX_DESCRIPTION:
                break
    try:
        return msgspec.json.decode(body, type=Described)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise NotFetched("the Cloud API did not say where the file is") from None
