"""A stand-in for the HTTP API of OpenAI, as far as the examples use it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKENS_IN, TOKENS_OUT = 20, 100


def completion(model: str, text: str) -> dict[str, object]:
    """Make the answer to a request, as the API gives it."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": TOKENS_IN, "completion_tokens": TOKENS_OUT, "total_tokens": TOKENS_IN + TOKENS_OUT,
        },
    }  # fmt: skip


class _Answers(BaseHTTPRequestHandler):
    """Answers every request with the name of the model that was asked for."""

    def do_POST(self) -> None:  # the name is the standard library's
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps(completion(asked["model"], f"a reward, says {asked['model']}")).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # likewise
        """Say nothing."""


@contextmanager
def listening() -> Iterator[str]:
    """Serve on a free port of the loopback; gives the base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()
