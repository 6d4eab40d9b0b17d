"""A gateway on loopback that serves files: it records the requests, and answers as the test sets it up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from msgspec import Struct


class Asked(Struct, frozen=True):
    path: str
    headers: dict[str, str]


class FileServer(Struct):
    """Serves ``files`` by path, after ``down`` answers of 503."""

    url: str
    files: dict[str, bytes] = {}
    down: int = 0
    asked: list[Asked] = []


@contextmanager
def file_server() -> Iterator[FileServer]:
    """Runs until the end of the block."""
    state = FileServer("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append(Asked(self.path, headers))
            body = state.files.get(self.path)
            if state.down > 0:
                state.down -= 1
                self.send_error(503)
            elif body is None:
                self.send_error(404)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
