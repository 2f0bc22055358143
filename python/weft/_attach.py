"""A process that somebody has started, a notebook or a scheduler, comes to a site's node to train."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ._types import Error

_SOCKET = "trainer.sock"  # in the directory of a site whose node waits for a process
_API = "api.sock"  # there while any node runs


class Attachment:
    """The connection by which a process has come. It is open for as long as the process lives:
    that it closes is how the node learns of its end, whatever that is."""

    socket: str
    """Where the process speaks to the node; nowhere on ranks that do not."""

    def __init__(self, node: str | os.PathLike[str], *, comes: bool) -> None:
        self._dir = Path(node)
        self._pid = os.getpid()
        self._connection: Any = None
        self.socket = ""
        if comes:
            self._come()

    def lasts(self, node: str | os.PathLike[str]) -> bool:
        """Whether this process is still attached to that node, and no copy of the one that came."""
        if Path(node).resolve() != self._dir.resolve() or self._pid != os.getpid():
            return False
        return self._connection is None or os.path.exists(self.socket)

    def close(self) -> None:
        """Goes."""
        if self._connection is not None:
            for part in self._connection:
                part.close()

    def _come(self) -> None:
        import http.client
        import socket

        path = self._dir / _SOCKET
        if not path.exists():
            raise self._missing(path)
        # A socket's path is limited to some 100 bytes: a short one may lead to the same folder.
        short = min(str(path), os.path.relpath(path), key=len)
        connection = http.client.HTTPConnection("weft")
        try:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.connect(short)
            connection.request("GET", f"/v1/attach?pid={self._pid}")
            response = connection.getresponse()
            reply = json.loads(response.readline())
        except (OSError, http.client.HTTPException, ValueError) as e:
            connection.close()
            raise Error(f"the node at {path} does not answer: {e or type(e).__name__}", f"start it: weft --dir {self._dir} up") from e
        if response.status >= 300:
            connection.close()
            raise Error(str(reply.get("error", f"status {response.status}")), str(reply.get("hint", "")))
        self.socket = str(reply["socket"])
        self._connection = (connection, response)  # both, or the socket would be closed

    def _missing(self, path: Path) -> Error:
        if (self._dir / _API).exists():
            return Error(
                f"the site in {self._dir} has another trainer: its node does not wait at {path}",
                "trainer: {attach: true} in its config.yaml, and start it again",
            )
        if not (self._dir / "config.yaml").exists():
            return Error(f"{self._dir} is no site's directory", "weft init makes one; its config.yaml says trainer: {attach: true}")
        return Error(
            f"no node runs in {self._dir}", f"start it: weft --dir {self._dir} up, with trainer: {{attach: true}} in its config.yaml"
        )
