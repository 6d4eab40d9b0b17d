"""Archives with their servers, and what they are compared with: nginx, or SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from msgspec import Struct

from bench.data import Loaded
from bench.load import Ask, Client
from bench.measuring import Bench, Compared
from bench.places import Archive
from bench.questions import Questions
from bench.servers import WORKERS, Kept, Nginx, Server, backscroll, nginx


class Served(Struct, frozen=True):
    """An archive and its server."""

    server: Server
    loaded: Loaded

    @property
    def ask(self) -> Questions:
        return Questions(self.loaded)


Which = Callable[[Questions], list[Ask]]


class Rival(Struct, frozen=True):
    """A server that returns the same pages as an archive. ``same`` gives the requests for them."""

    name: str
    server: Server
    same: Callable[[Served, Which], list[Ask]]


@contextmanager
def served(archive: Archive, kept: Kept) -> Iterator[Served]:
    with backscroll(archive.place.environ, kept, archive.engine.pids) as server:
        ready = Served(server, archive.loaded)
        if kept != "nothing":
            fill(server, [*ready.ask.newest(), *ready.ask.across()])
        yield ready


def fill(server: Server, asks: list[Ask]) -> None:
    """Send the requests on several connections, so that every worker has the pages in its cache."""
    for _ in range(WORKERS * 4):
        client = Client(server)
        for ask in asks:
            client.get(ask)


@contextmanager
def beside_nginx(kept: Kept) -> Iterator[Rival]:
    with nginx() as server:
        yield Rival("nginx", server, partial(_published, server))


def _published(beside: Nginx, archive: Served, which: Which) -> list[Ask]:
    client, asks = Client(archive.server), which(archive.ask)
    same = [Ask(f"/{n}.json", ask.headers) for n, ask in enumerate(asks)]
    for ask, file in zip(asks, same, strict=True):
        beside.publish(file.path, client.get(ask)[0])
    return same


@contextmanager
def beside_archive(archive: Archive, kept: Kept) -> Iterator[Rival]:
    with served(archive, kept) as other:
        yield Rival(archive.engine.title.split()[0], other.server, lambda _, which: which(other.ask))


def beside(bench: Bench, rival: Rival, archive: Served, which: Which, connections: int) -> Compared:
    """Request the same pages from both."""
    same = rival.same(archive, which)
    return bench.pair((archive.server, which(archive.ask)), (rival.server, same), connections)
