"""A gate in front of an S3 server that reads what passes: it lists the requests, holds one, or loses its answer.

Run as a script by the tests, in a process of its own because deltalake holds Python's lock while it waits for a server:
``s3_gate.py SERVER_PORT`` prints its port, then obeys lines on stdin and answers each with one line of JSON.

``hold TEXT`` keeps the next PUT whose target has the text from the server until ``free``; ``held`` waits for it to
come; ``lose TEXT`` passes one on and cuts the connection before its answer; ``seen`` lists what has passed since it was
asked last: method, target and the header If-None-Match of each.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from typing import BinaryIO

PATIENCE_S = 60.0


class Gate:
    """Passes requests on to a server on loopback."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._seen: list[tuple[str, str, str]] = []
        self._hold = self._lose = ""
        self._arrived, self._freed = threading.Event(), threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def obey(self, word: str, text: str) -> object:
        if word == "seen":
            seen, self._seen = self._seen, []
            return seen
        if word == "held":
            return self._arrived.wait(PATIENCE_S)
        if word == "hold":
            self._arrived.clear()
            self._freed.clear()
            self._hold = text
        elif word == "lose":
            self._lose = text
        else:
            self._freed.set()
        return True

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._server_port))
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        loses = threading.Event()
        threading.Thread(target=_bring_back, args=(server, client, loses), daemon=True).start()
        with contextlib.suppress(OSError, ValueError), client.makefile("rb") as asked, contextlib.closing(server):
            while head := _read_head(asked):
                method, target = head[0].split(" ")[:2]
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                self._seen.append((method, target, fields.get("if-none-match", "")))
                if method == "PUT" and self._hold and self._hold in target:
                    self._hold = ""
                    self._arrived.set()
                    self._freed.wait(PATIENCE_S)
                if method == "PUT" and self._lose and self._lose in target:
                    self._lose = ""
                    loses.set()
                server.sendall("".join(f"{line}\r\n" for line in (*head, "")).encode("latin-1"))
                if "chunked" in fields.get("transfer-encoding", ""):
                    _bring_pieces(asked, server)
                else:
                    _bring(asked, server, int(fields.get("content-length", "0")))


def _bring(asked: BinaryIO, server: socket.socket, count: int) -> None:
    while count:
        piece = asked.read(min(count, 65536))
        if not piece:
            raise ConnectionError
        server.sendall(piece)
        count -= len(piece)


def _bring_pieces(asked: BinaryIO, server: socket.socket) -> None:
    """A body whose length is not said beforehand: pieces, each after a line with its length, and trailing fields."""
    while length := int((line := asked.readline()).partition(b";")[0], 16):
        server.sendall(line)
        _bring(asked, server, length + len("\r\n"))
    server.sendall(line)
    while line.strip():
        server.sendall(line := asked.readline())


def _read_head(asked: BinaryIO) -> list[str]:
    lines = []
    while line := asked.readline().decode("latin-1").rstrip("\r\n"):
        lines.append(line)
    return lines


def _bring_back(server: socket.socket, client: socket.socket, loses: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while (data := server.recv(65536)) and not loses.is_set():
            client.sendall(data)
    _cut(client)
    _cut(server)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def main() -> None:
    gate = Gate(int(sys.argv[1]))
    sys.stdout.write(f"{gate.port}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        word, _, text = line.strip().partition(" ")
        sys.stdout.write(f"{json.dumps(gate.obey(word, text))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
