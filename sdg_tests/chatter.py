"""A local OpenAI-compatible endpoint that gives one answer to everything, and counts.

With a ``status`` other than 200, that is how it answers the first ``failing`` requests.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread


class Chatter(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: str, status: int, failing: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.status = status
        self.failing = failing
        self.requests = 0
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Chatter

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.requests += 1
            status = self.server.status if self.server.failing > 0 else 200
            self.server.failing -= 1
        message = {"role": "assistant", "content": self.server.answer}
        body = json.dumps(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": "chatter",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            }
        ).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serve_prose(answer: str, *, status: int = 200, failing: int = sys.maxsize) -> Iterator[Chatter]:
    with Chatter(answer, status, failing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
