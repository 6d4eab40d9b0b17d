"""Requests to the server from which messages are pulled, one at a time, retried if that may help."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from backscroll.core.errors import Error, Unreadable
from backscroll.core.ids import bare_number
from backscroll.ingest.connectors.periskope.pages import PulledPage
from backscroll.ingest.fetch import Fetcher, NotFetched, body_of, origin_of, whole_number

_TRIES = 8
_MAX_WAIT = 300.0
_LARGEST_ANSWER = 256 << 20


_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})

Read = Callable[[bytes], PulledPage]


class PullStopped(Error):
    """Pulling is not possible now. What was pulled so far is kept, and the next run continues there."""


class Refused(Error):
    """The server understood the request and refused it."""

    def __init__(self, status: int, message: str, fields: Mapping[str, Any]) -> None:
        super().__init__(f"HTTP {status}{': ' if message else ''}{message}")
        self.status = status
        self.fields = fields


class _Answer(Struct, frozen=True):
    status: int
    headers: httpx.Headers
    body: bytes


class _Failure(Struct):
    """The body of an error, as far as it is one."""

    message: str = ""
    code: str = ""
    fields: dict[str, Any] | None = None


class Server:
    def __init__(
        self,
        fetcher: Fetcher,
        base: str,
        token: str,
        phone: str | None,
        sleep: Callable[[float], None],
        now: Callable[[], float],
    ) -> None:
        self.base = base
        self._fetcher = fetcher
        self._token = token
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if phone is not None:
            self._headers["x-phone"] = bare_number(phone.partition("@")[0]) or phone
        self._sleep = sleep
        self._now = now
        self._free_at = 0.0

    def page(self, path: str, read: Read, params: Mapping[str, str | int]) -> tuple[PulledPage, bytes]:
        """The answer to one request. Waits and retries while the server is busy, down or unreachable."""
        tries = cut = 0
        while True:
            tries += 1
            self._wait_for_turn()
            wait, problem = None, ""
            try:
                answer = self._ask(path, params)
                if answer.status == httpx.codes.OK:
                    return self._read(path, answer, read), answer.body
                if answer.status not in _RETRIED:
                    raise self._refusal(answer)
                wait, problem = self._asked_wait(answer.headers), f"it answers HTTP {answer.status}"
            except httpx.RequestError as error:
                problem = f"the connection failed ({type(error).__name__})"
            except NotFetched as error:
                problem = str(error)
            except Unreadable as error:
                # Usually a truncated answer, so it is worth retrying.
                problem, cut = "the answer is not whole", cut + 1
                if cut >= _TRIES // 2:
                    raise self._unreadable(path, error) from error
            if tries >= _TRIES:
                raise PullStopped(
                    f"{self.base}{path}: {problem}, {tries} times in a row. Run it again later: it goes on here."
                )
            self._sleep(self._bounded(wait, path) if wait is not None else _backoff(tries))

    def media_headers(self, url: httpx.URL) -> dict[str, str]:
        """Headers with the token, but only for requests to the server to which it belongs."""
        home = httpx.URL(self.base)
        return {"Authorization": self._headers["Authorization"]} if origin_of(url) == origin_of(home) else {}

    def _ask(self, path: str, params: Mapping[str, str | int]) -> _Answer:
        url = httpx.URL(f"{self.base}{path}", params=dict(params))
        with self._fetcher.open(url, self._headers) as response:
            parts, size = [], 0
            for part in body_of(response):
                size += len(part)
                if size > _LARGEST_ANSWER:
                    raise PullStopped(f"{self.base}{path}: the answer is larger than 256 MiB. Ask for smaller pages.")
                parts.append(part)
        self._note_limits(response.headers)
        return _Answer(response.status_code, response.headers, b"".join(parts))

    def _read(self, path: str, answer: _Answer, read: Read) -> PulledPage:
        if "html" in answer.headers.get("content-type", "") or answer.body.lstrip()[:1] == b"<":
            raise PullStopped(f"{self.base}{path} answers with a web page, not with JSON. {CHECK_ADDRESS}")
        return read(answer.body)

    def _unreadable(self, path: str, error: Unreadable) -> Unreadable:
        remedy = f"asked {_TRIES // 2} times. {CHECK_ADDRESS} Otherwise run it again with smaller pages"
        return Unreadable(f"{self.base}{path}", error.where, f"{error.problem}; {remedy}")

    def _refusal(self, answer: _Answer) -> Refused:
        try:
            failure = msgspec.json.decode(answer.body, type=_Failure)
        except (msgspec.DecodeError, UnicodeError):
            failure = _Failure()
        message = (failure.message or failure.code).replace(self._token, "…")[:200]
        if answer.headers.get("location"):
            message = "it sends elsewhere (a redirect); give the address that it leads to"
        return Refused(answer.status, message, failure.fields or {})

    def _note_limits(self, headers: httpx.Headers) -> None:
        """If no request is left in this window, make the next one wait for the window's end."""
        left, reset = headers.get("x-ratelimit-remaining", ""), whole_number(headers.get("x-ratelimit-reset", ""))
        if left == "0" and reset is not None:
            self._free_at = self._now() + min(max(reset - self._server_time(headers), 0.0), 60.0)

    def _server_time(self, headers: httpx.Headers) -> float:
        """The server's time, to which its reset times refer."""
        return _http_date(headers.get("date")) or self._now()

    def _wait_for_turn(self) -> None:
        wait = self._free_at - self._now()
        self._free_at = 0.0
        if wait > 0:
            self._sleep(wait)

    def _asked_wait(self, headers: httpx.Headers) -> float | None:
        asked: str = headers.get("retry-after", "")
        seconds = whole_number(asked)
        if seconds is not None:
            return float(seconds)
        timestamp = _http_date(asked)
        return None if timestamp is None else max(0.0, timestamp - self._server_time(headers))

    def _bounded(self, wait: float, path: str) -> float:
        if wait > _MAX_WAIT:
            raise PullStopped(f"{self.base}{path} asks to wait {wait:.0f} seconds. Run it again then: it goes on here.")
        return wait + random.uniform(0.0, 0.25)


CHECK_ADDRESS = "Is the address right? It usually ends in /v1."


def _backoff(tries: int) -> float:
    """0.5, 1, 2 … 60 seconds, randomly reduced by up to half, so that clients do not retry simultaneously."""
    longest: float = min(0.5 * 2.0 ** (tries - 1), 60.0)
    return longest * random.uniform(0.5, 1.0)


def _http_date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None
