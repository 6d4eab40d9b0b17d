"""Pages of messages as JSON text, from what this process has rendered before where it may."""

from __future__ import annotations

from backscroll.core.model import RenderedPage
from backscroll.core.query import MessageQuery
from backscroll.storage.read.rendered import Way, read_rendered
from backscroll.storage.store import Store


def rendered(archive: Store, query: MessageQuery, way: Way) -> RenderedPage:
    """A page, newest first, as ``archive`` may be seen. An unknown chat is an empty page."""
    if query.search is not None:
        return archive.list_messages(query).rendered(way.render)
    return archive.ask(query.org, lambda reading: read_rendered(reading, query, way))
