"""A local HTTP server that speaks the chat-completions protocol and fails when it is told to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Chat:
    """What the server does and has seen.

    Args:
        reply: From the request's body to the answer's text.
        plan: What to do with the next requests in place of answering: a state, `(state, headers)`, bytes to send with
            state 200, or a number of seconds to be silent before
            the connection is closed, as `("sleep", seconds)`.
    """

    reply: Callable[[dict[str, Any]], str | None]
    plan: list[Any] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    chat: Chat
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat = self.chat
        with chat.lock:
            chat.requests.append(body)
            chat.keys.append(self.headers.get("Authorization", ""))
            step = chat.plan.pop(0) if chat.plan else None
        if self.path != "/v1/chat/completions":
            return self.send(404, b'{"error": {"message": "no such path"}}')
        if isinstance(step, bytes):
            return self.send(200, step)
        if isinstance(step, int):
            return self.send(step, b'{"error": {"message": "planned"}}')
        if isinstance(step, tuple) and step[0] != "sleep":
            return self.send(step[0], b'{"error": {"message": "planned"}}', step[1])
        if step is not None:
            time.sleep(step[1])
            self.close_connection = True
            return None
        with chat.lock:
            chat.answered.append(body["messages"][0]["content"])
        message = {"role": "assistant", "content": chat.reply(body)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        facts = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
        return self.send(200, json.dumps(facts).encode())

    def send(self, state: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(state)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@contextmanager
def serving(reply: Callable[[dict[str, Any]], str | None], plan: list[Any] | None = None) -> Iterator[Chat]:
    """A running server; its address is in `url`."""
    chat = Chat(reply, list(plan or []))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"chat": chat}))
    server.daemon_threads = True
    chat.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
