"""Posting to receivers named by users: no redirects, limited time, and only a little of the answer is read."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType

import httpcore
import httpx
from msgspec import Struct

from backscroll.outbound.addresses import PORTS, Allowed, Refused, Resolve, checked_addresses, host_of, resolve
from backscroll.outbound.connections import Deadline, GuardedBackend

POST_SECONDS = 15.0
"""For one request with its answer, from looking up the name on."""
MAX_ANSWER = 64 << 10
"""Bytes of an answer's body that are read, so that its connection can be used again."""
IDLE_SECONDS = 20.0
MAX_RETRY_AFTER = 3600


class Posted(Struct, frozen=True):
    """The result of a request. ``status`` None: there was no answer. ``error`` None: it was accepted (2xx)."""

    status: int | None
    error: str | None
    retry_after: int | None = None
    """Seconds that the receiver asks to wait."""


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Public authorities, and those of SSL_CERT_FILE for receivers in the own network."""
    return httpx.create_ssl_context()


class Poster:
    """Posts to one or several receivers, from any thread. ``close`` it, or use it as a context."""

    def __init__(
        self,
        allowed: Allowed,
        *,
        resolve: Resolve = resolve,
        dial: httpcore.NetworkBackend | None = None,
        seconds: float = POST_SECONDS,
        connections: int = 8,
    ) -> None:
        self._deadline = Deadline()
        self._seconds = seconds

        def addresses(host: str, port: int, resolve: Resolve) -> list[str]:
            return checked_addresses(host, port, resolve, allowed)

        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(),
            max_connections=connections,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=GuardedBackend(addresses, resolve, self._deadline, dial),
        )

    def __enter__(self) -> Poster:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        """Send ``body`` once and say what came back; never raises for anything that a receiver does."""
        self._deadline.end = time.monotonic() + self._seconds
        try:
            return self._post(_parsed(url), headers, body)
        except Refused as refused:
            return Posted(None, str(refused))
        except (httpcore.TimeoutException, TimeoutError):
            return Posted(None, f"no answer within {self._seconds:g} seconds")
        except httpcore.ConnectError as error:
            return Posted(None, "the certificate is not valid" if _is_about_tls(error) else "the connection failed")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return Posted(None, "the connection broke before an answer came")
        except (httpx.InvalidURL, httpcore.UnsupportedProtocol, ValueError, UnicodeError):
            return Posted(None, "the address cannot be used")

    def _post(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Posted:
        wait = self._seconds
        timeouts = {"connect": wait, "read": wait, "write": wait, "pool": wait}
        sent = [("Host", url.netloc.decode("ascii")), ("Content-Length", str(len(body))), *headers.items()]
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port or PORTS[url.scheme], target=url.raw_path
        )
        with self._pool.stream("POST", target, headers=sent, content=body, extensions={"timeout": timeouts}) as answer:
            read = 0
            for chunk in answer.iter_stream():
                read += len(chunk)
                if read > MAX_ANSWER:
                    break
            return _outcome(answer)


def _parsed(url: str) -> httpx.URL:
    parsed = httpx.URL(url)
    if parsed.scheme not in PORTS or not parsed.host:
        raise Refused("only http and https addresses are contacted")
    if parsed.userinfo:
        raise Refused("the address contains a user name")
    return parsed.copy_with(host=host_of(parsed.host))


def _outcome(answer: httpcore.Response) -> Posted:
    status = answer.status
    if 200 <= status < 300:
        return Posted(status, None)
    if 300 <= status < 400:
        return Posted(status, f"the receiver answered {status}; redirects are not followed")
    asked = {name.lower(): value for name, value in answer.headers}.get(b"retry-after", b"")
    wait = int(asked) if asked.isdigit() and len(asked) < 10 else None
    return Posted(status, f"the receiver answered {status}", None if wait is None else min(wait, MAX_RETRY_AFTER))


def _is_about_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
