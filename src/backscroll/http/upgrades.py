"""WebSocket handshakes at addresses without a WebSocket: answered with a sentence instead of being cut off."""

from __future__ import annotations

from starlette.types import Scope, Send

from backscroll.http.messages import Reply


async def refuse_upgrade(scope: Scope, send: Send, reply: Reply) -> None:
    """Answer a WebSocket handshake with ``reply`` if the server supports that, otherwise only refuse it."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1000})
        return
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    headers += (
        (b"content-type", reply.content_type.encode("latin-1")),
        (b"content-length", b"%d" % len(reply.body)),
        (b"cache-control", b"no-store"),
    )
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reply.body})
