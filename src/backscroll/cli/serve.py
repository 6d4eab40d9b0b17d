"""``backscroll serve``: the server processes, each with its own store; optionally a sample for an empty archive."""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from backscroll.cli.common import open_archive, settings_of, shared_options
from backscroll.config import Settings, environment, load
from backscroll.core.errors import BadField, Conflict, Unauthorised

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from backscroll.jobs.sending import Outside
    from backscroll.storage.files.media import MediaStore
    from backscroll.storage.store import Store

BACKLOG = 2048
READY_SECONDS = 60
GC_THRESHOLD = 20_000
MAX_FILES = 65_536


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on; 127.0.0.1 by default.")
@click.option("--port", metavar="NUMBER", help="Port to listen on; 8080 by default.")
@click.option("--workers", metavar="NUMBER", help="Number of server processes; 1 by default.")
@click.option("--public-url", metavar="URL", help="Address at which clients reach the server.")
@click.option("--sample", is_flag=True, help="Fill an empty archive with the made-up examples and print a token.")
@shared_options
@click.pass_context
def serve(
    ctx: click.Context, host: str | None, port: str | None, workers: str | None, public_url: str | None, sample: bool
) -> None:
    """Serve both APIs over HTTP until stopped (Ctrl-C or SIGTERM).

    \b
    Example:
      backscroll serve --host 0.0.0.0 --port 8080
    """
    settings = settings_of(ctx, host=host, port=port, workers=workers, public_url=public_url)
    refuse_a_taken_port(settings.host, settings.port)
    refuse_odd_receivers(settings.webhook_allow)
    link: str | None = None
    with open_archive(settings, create=True) as archive:
        # Opened once before the processes start, so that one of them migrates and a bad archive is reported here.
        if settings.open_access:
            check_open_access(archive.store, settings.open_access)
        if sample:
            from backscroll.cli.sample import fill, is_wanted

            if is_wanted(archive.store):
                click.echo(fill(archive))
            link = sign_in_link(archive.store, settings)
    run(settings, link)


def check_open_access(store: Store, token: str) -> None:
    """Raise BadField if the setting does not name a currently valid token."""
    try:
        store.access_of_token(token)
    except Unauthorised:
        raise BadField(
            "open_access",
            token,
            f"{token} is not a valid token; give the id of one that `backscroll token list` shows as neither revoked "
            "nor expired, or leave open_access out",
        ) from None


def refuse_a_taken_port(host: str, port: int) -> None:
    """Raise Conflict if another program listens on the port; otherwise the server would silently share it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Conflict(
            f"Cannot listen on {host} port {port} ({error.strerror or error}); "
            "stop the program that uses it, or choose another with --host and --port"
        ) from error


def refuse_odd_receivers(allowed: str) -> None:
    """Raise BadField if the setting for webhook receivers is invalid."""
    from backscroll.outbound.addresses import allowed_by

    allowed_by(allowed)


def sign_in_link(store: Store, settings: Settings) -> str | None:
    """A link that signs in a browser on this machine, once; None if the server is reachable from elsewhere or no token
    is valid.

    It uses the organisation's token with the most rights, because the person who starts the server owns the archive.
    """
    from backscroll.http.limits import is_loopback

    if settings.public_url or not is_loopback(settings.host):
        return None
    now = time.time_ns() // 1000
    for org in store.list_orgs():
        valid = [
            token
            for token in store.list_tokens(org.no)
            if token.revoked_at is None and (token.expires_at is None or token.expires_at > now)
        ]
        if valid:
            best = max(valid, key=lambda token: (token.phones is None, len(token.scopes)))
            return f"{settings.url}/read/sign-in#once={store.sessions.invite_once(best.id).secret}"
    return None


def run(settings: Settings, link: str | None = None) -> None:
    """Serve until a signal arrives, and show ``link`` once the server answers.

    The processes read their settings from the environment, which is set here.
    """
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    os.environ.update(environment(settings))
    allow_many_files()
    # A forked process would inherit open databases and locks.
    multiprocessing.set_start_method("spawn", force=True)
    know_ended_processes()
    server = Granian(
        "backscroll.cli.serve:application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        # Until it knows which HTTP version a client speaks, the server would otherwise wait without limit.
        http=HTTPModes.http1,
        # See tell_of_signals.
        loop=Loops.asyncio,
        workers=settings.workers,
        backlog=BACKLOG,
        backpressure=settings.max_concurrent,
        http1_settings=HTTP1Settings(header_read_timeout=settings.header_timeout * 1000),
        respawn_failed_workers=True,
        workers_kill_timeout=settings.shutdown_timeout,
        log_level=LogLevels.warning if settings.log_level == "info" else LogLevels(settings.log_level),
        log_dictconfig=_LOGGING,
    )
    server.on_startup(lambda: threading.Thread(target=_announce, args=(settings, link), daemon=True).start())
    server.serve()


def allow_many_files() -> None:
    """Each connection is an open file, and the usual limit would be used up by the connections of one process."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
    "loggers": {"_granian": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
}


def _announce(settings: Settings, link: str | None) -> None:
    """Print the server's address once it accepts connections."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 -- compared, not bound
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up:
        try:
            socket.create_connection((host, settings.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            click.echo(f"Backscroll answers at {settings.url} (stop it with Ctrl-C).")
            if link:
                click.echo(
                    f"Open it in a browser with this link, which signs in once and is valid for ten minutes:\n  {link}"
                )
            return


def know_ended_processes() -> None:
    """Make the HTTP server notice that a worker has ended even if another of its threads saw it first.

    It waits for a worker in two threads. The operating system reports the end of the process to only one of them; until
    that thread has recorded it, the other thinks the worker is alive and reports that it killed a worker that refused
    to stop.
    """
    from granian.server import mp

    process: Any = mp.WorkerProcess
    believed = process.is_alive

    def is_alive(worker: Any) -> bool:
        """Ask the operating system too: signal 0 reaches only a process that is still there."""
        if not believed(worker):
            return False
        try:
            os.kill(worker.inner.pid, 0)
        except ProcessLookupError:
            return False
        return True

    process.is_alive = is_alive


def tell_of_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Also call ``stop`` when a signal ends the server.

    The HTTP server installs its own signal handlers after it has created the app, and notifies the app only when all
    requests are finished; to end long requests, the app has to know earlier.
    """
    add = loop.add_signal_handler

    def add_both(number: int, callback: Callable[..., object], *arguments: Any) -> None:
        def both() -> None:
            stop()
            callback(*arguments)

        add(number, both)

    loop.add_signal_handler = add_both  # type: ignore[method-assign, assignment]


def outside(media: MediaStore | None, settings: Settings) -> Outside:
    """What the webhook sender needs besides the archive: addresses of files, and which hosts it may contact."""
    from backscroll.dialects.links import NoLinks
    from backscroll.http.links import SignedLinks
    from backscroll.jobs.sending import Outside
    from backscroll.outbound.addresses import allowed_by
    from backscroll.outbound.posting import Poster

    allowed = allowed_by(settings.webhook_allow)
    links = NoLinks() if media is None else SignedLinks(media, settings.url)
    return Outside(links=links, poster=lambda: Poster(allowed))


def application() -> ASGIApp:
    """The app of one server process, with a store of its own."""
    from backscroll.http.app import Lifespan, build_app
    from backscroll.jobs.downloads import downloading
    from backscroll.jobs.importing import importing
    from backscroll.jobs.linking import linking
    from backscroll.jobs.runner import maintenance
    from backscroll.jobs.sent import writing_sent
    from backscroll.jobs.syncing import syncing
    from backscroll.jobs.webhooks import delivering
    from backscroll.web.page import PageApp

    settings = load(os.environ)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    # Its log lines contain addresses, which contain phone numbers.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    opened = open_archive(settings)
    archive = opened.__enter__()
    lifespans: list[Lifespan] = [
        lambda app: maintenance(app.store, settings.changes_days),
        lambda app: syncing(app.store, app.media, settings),
        lambda app: linking(app.store, app.media, settings),
        lambda app: importing(app.store, app.media, app.imports, settings),
        lambda app: downloading(app.store, app.media, settings),
        lambda app: writing_sent(app.store, settings.data),
    ]
    if settings.webhook_delivery == "on":
        lifespans.append(lambda app: delivering(app.store, outside(app.media, settings)))
    server = build_app(archive.store, archive.media, settings, lifespans=lifespans)
    tell_of_signals(asyncio.get_event_loop(), server.stop)
    app = PageApp(server)
    # What has been loaded so far stays for good; a big page creates thousands of objects that leave no cycles behind.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)

    # The server's own threads outlive the interpreter and would panic at its end; everything that must be closed is
    # closed by now.
    atexit.register(os._exit, 0)

    async def closing(scope: Scope, receive: Receive, send: Send) -> None:
        """The app, and the archive closed when the server has ended it."""
        await app(scope, receive, send)
        if scope["type"] == "lifespan":
            opened.__exit__(None, None, None)

    return closing
