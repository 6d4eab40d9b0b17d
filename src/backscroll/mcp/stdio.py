"""The protocol over standard input and output, for a client program that starts this one."""

from __future__ import annotations

import anyio
import anyio.to_thread
from mcp.server.stdio import stdio_server

from backscroll.mcp.answers import Answers
from backscroll.mcp.server import Caller, make_server
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store


def serve(store: Store, media: MediaStore | None, secret: str, max_bytes: int, max_file: int) -> None:
    """Answer until standard input ends. The token is looked up for each request, so that it can be revoked."""

    def answers() -> Answers:
        return Answers(store, media, store.authenticate(secret), max_bytes, max_file)

    caller = Caller(answers, anyio.to_thread.run_sync)
    server = make_server(lambda _: caller)

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)
