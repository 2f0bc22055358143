"""HTTP and JSON on a Unix socket: how the package speaks to a node."""

from __future__ import annotations

import json
import os
from typing import IO, Any

from ._types import Error

MAX_REPLY = 1 << 20  # bytes of a reply that is an object


class Socket:
    """Calls to whoever listens at a Unix socket, each on a connection of its own."""

    def __init__(self, path: str, gone: str, max_reply: int = MAX_REPLY) -> None:
        self.path = path
        self._gone = gone  # what to do when nobody answers
        self._max_reply = max_reply

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """The status of the reply and its JSON, an empty object if it has no body."""
        status, raw = self._exchange(method, path, body, None)
        if not raw:
            return status, {}
        try:
            if len(raw) > self._max_reply:
                raise ValueError(f"more than {self._max_reply} bytes")
            return status, json.loads(raw)
        except ValueError as e:
            raise self.unexpected(str(e)) from e

    def fetch(self, path: str, to: IO[bytes]) -> int:
        """The status of a GET; to has the body then."""
        return self._exchange("GET", path, None, to)[0]

    def unexpected(self, what: str) -> Error:
        """The error of a reply that is not what this package knows."""
        return Error(f"the node's reply is not what this package expects: {what}", f"is {self.path} a weft node's socket?")

    def _exchange(self, method: str, path: str, body: dict[str, Any] | None, to: IO[bytes] | None) -> tuple[int, bytes]:
        # Imported by the first call: a script that only reads and writes files need not wait for them.
        import http.client
        import socket

        data = None if body is None else json.dumps(body, allow_nan=False)
        conn = http.client.HTTPConnection("weft")
        try:
            # No timeouts: the node is on this machine, and its death closes the socket.
            conn.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            conn.sock.connect(self.path)
            conn.request(method, path, data, {"Content-Type": "application/json", "Weft-Process": _name()})
            response = conn.getresponse()
            if to is None:
                return response.status, response.read(self._max_reply + 1)
            while chunk := response.read(1 << 20):
                to.write(chunk)
            return response.status, b""
        except (OSError, http.client.HTTPException) as e:
            raise Unreachable(f"the node at {self.path} does not answer: {e or type(e).__name__}", self._gone) from e
        finally:
            conn.close()


_named: tuple[int, str] = (0, "")


def _name() -> str:
    """A name of this process, for a node that cannot see which one speaks: from another container, say."""
    global _named
    if _named[0] != os.getpid():  # a fork has the name of its parent
        _named = os.getpid(), os.urandom(16).hex()
    return _named[1]


class Unreachable(Error):
    """Nobody answers at the socket, or not to the end."""

    __module__ = "weft"
    __qualname__ = "Error"
