"""A door in front of a server that a test can shut, and that can lose answers: what networks do to object storage.

Run as a script by conftest.py, in a process of its own because deltalake holds Python's lock while it waits for a
server: ``s3_proxy.py SERVER_PORT PORT`` prints its port once it is open, then obeys lines on stdin (``open``, ``shut``,
``lose SHARE SEED``) and answers each with one. A lost answer is lost whole: the server has done what it was asked, and
the client never hears of it.
"""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import threading


class Door:
    """Passes connections on to a server on loopback."""

    def __init__(self, server_port: int, port: int) -> None:
        self._server_port = server_port
        self.port = port
        self._draw = random.Random(0)
        self._lose = 0.0
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.lost = 0
        self.open()

    def open(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        if self._listener is not None:
            _cut(self._listener)
            self._listener = None
        with self._lock:
            cut = list(self._connections)
        for connection in cut:
            _cut(connection)

    def lose(self, share: float, seed: int) -> None:
        """Drop that share of answers."""
        self._lose, self._draw = share, random.Random(seed)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                return
            with self._lock:
                self._connections |= {client, server}
            threading.Thread(target=self._bring, args=(client, server), daemon=True).start()
            threading.Thread(target=self._bring_back, args=(server, client), daemon=True).start()

    def _bring(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        self._end(client, server)

    def _bring_back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self._draw.random() < self._lose:
                    self.lost += 1
                    break
                client.sendall(data)
        self._end(client, server)

    def _end(self, *connections: socket.socket) -> None:
        with self._lock:
            self._connections.difference_update(connections)
        for connection in connections:
            _cut(connection)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def main() -> None:
    door = Door(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(f"{door.port}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        word, *values = line.split()
        if word == "lose":
            door.lose(float(values[0]), int(values[1]))
        elif word == "shut":
            door.shut()
        else:
            door.open()
        sys.stdout.write(f"{door.lost}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
