"""The Model Context Protocol server within a server process, which costs nothing until it is first used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from backscroll.http.dialect_http import Refused

if TYPE_CHECKING:
    from backscroll.mcp.http import HttpServer

MISSING = "this server was installed without the Model Context Protocol; install it with: pip install 'backscroll[mcp]'"


class McpHost:
    """The protocol's server, created at the first request, because its library takes a second to load."""

    def __init__(self) -> None:
        self._server: asyncio.Future[HttpServer] | None = None

    async def server(self, max_body: int) -> HttpServer:
        """The server of this process. Raises Refused if the library is not installed."""
        if self._server is None:
            self._server = asyncio.ensure_future(self._started(max_body))
        try:
            return await asyncio.shield(self._server)
        except ImportError as error:
            raise Refused(501, "NOT_IMPLEMENTED", MISSING) from error

    async def _started(self, max_body: int) -> HttpServer:
        made = await asyncio.to_thread(_load, max_body)
        await made.start()
        return made

    async def close(self) -> None:
        """Stop it, if it was ever started."""
        if self._server is not None and self._server.done() and not self._server.cancelled():
            if self._server.exception() is None:
                await self._server.result().stop()
        elif self._server is not None:
            self._server.cancel()


def _load(max_body: int) -> HttpServer:
    from backscroll.mcp.http import HttpServer

    return HttpServer(max_body)
