"""The types that routes work with: ``Request``, ``Reply`` and ``AppState``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from msgspec import Struct, field, structs
from starlette.types import Receive

from backscroll.config import Settings
from backscroll.core.ids import clean_text
from backscroll.core.model import Access, Phone
from backscroll.http.downloads import Downloads
from backscroll.ingest.importing.desk import Desk
from backscroll.ingest.webhooks import Ingestor
from backscroll.storage.files.media import MediaStore
from backscroll.storage.read.rendered_cache import RenderedMessages
from backscroll.storage.store import Store

if TYPE_CHECKING:
    from backscroll.http.limits import FailedLogins
    from backscroll.http.live import Feeds
    from backscroll.http.mcp_host import McpHost
    from backscroll.http.router import Route
    from backscroll.http.workers import Workers

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
CSV = "text/csv; charset=utf-8"

Header = tuple[bytes, bytes]


class AppState(Struct, frozen=True, kw_only=True):
    """What every handler may use."""

    store: Store
    media: MediaStore | None
    settings: Settings
    workers: Workers
    failed_logins: FailedLogins
    feeds: Feeds
    routes: tuple[Route, ...] = ()
    ingestor: Ingestor
    mcp: McpHost
    downloads: Downloads = field(default_factory=Downloads)
    imports: Desk
    rendered: RenderedMessages
    documents: dict[str, bytes] = {}
    """The OpenAPI document and the reference page, once they have been requested."""


def _nothing() -> None:
    return


class Request(Struct, frozen=True, kw_only=True):
    """A request whose path and query have been decoded once, and whose credential has been checked."""

    method: str
    path: str
    """As sent, still percent-encoded."""
    path_params: dict[str, str]
    query: list[tuple[str, str]]
    raw_query: bytes = b""
    """As sent, still percent-encoded."""
    headers: dict[str, str]
    """Names in lower case; the last value of a repeated header."""
    body: bytes = b""
    access: Access | None = None
    app: AppState
    scheme: str = "http"
    client: str | None = None
    """The address that the connection comes from."""
    trace_id: str = ""
    receive: Receive | None = None
    """The rest of the body, for routes with ``body="stream"``."""
    let_in: Callable[[], None] = _nothing
    """For routes that check a credential themselves: once it is good, the connection is in use until the answer is."""

    def first(self, name: str) -> str | None:
        """The first value of a query parameter, as GOWA and Periskope read repeated ones."""
        return next((value for key, value in self.query if key == name), None)

    @property
    def granted(self) -> Access:
        """The access, in a route that requires a credential."""
        assert self.access is not None, "this route is open: nobody has been authenticated"
        return self.access

    @property
    def archive(self) -> Store:
        """The archive as visible to the credential; which messages are read is decided by each query."""
        return self.app.store.seen_by(self.granted.viewer)

    def shown(self, phone: Phone) -> Phone:
        """The phone with the state to show: its live source's, otherwise the one in the settings."""
        state = self.app.settings.archive_phone_state
        return phone if phone.state or state == "null" else structs.replace(phone, state=state)

    @property
    def base_url(self) -> str:
        """Where this server is reached from outside, without a slash at the end."""
        return base_url_of(self.app.settings, self.scheme, self.headers)


class Reply(Struct, frozen=True):
    """``chunks`` replaces ``body`` for long answers; ``length`` is then their total length if it is known.

    ``chats`` are the numbers of the chats that the answer is made from, if it does not show all.
    """

    status: int = 200
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()
    content_type: str = JSON
    chunks: AsyncIterator[bytes] | None = None
    length: int | None = None
    chats: tuple[int, ...] = ()


class OfChats(Struct, frozen=True):
    """A body that is made only from some chats, given by their numbers; none means all chats."""

    body: bytes
    chats: tuple[int, ...]


Made = bytes | OfChats
"""What a handler renders."""


def reply_of(made: Made, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """A reply with status 200 and the rendered body."""
    if isinstance(made, OfChats):
        return Reply(200, made.body, headers, chats=made.chats)
    return Reply(200, made, headers)


def base_url_of(settings: Settings, scheme: str, headers: Mapping[str, str]) -> str:
    """Where this server is reached from outside, without a slash at the end."""
    public = settings.public_url
    return public.rstrip("/") if public else f"{scheme}://{headers.get('host', 'localhost')}"


def parse_query(raw: bytes) -> list[tuple[str, str]]:
    """Names and values in order, including repeats. ``+`` is a space, bytes that are not UTF-8 are replaced."""
    if not raw:
        return []
    pairs = (part.partition("=") for part in raw.decode("utf-8", "replace").split("&") if part)
    return [(_plain(name), _plain(value)) for name, _, value in pairs]


def _plain(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return clean_text(unquote_plus(text, errors="replace"))[0]


def headers_of(raw: list[Header]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
