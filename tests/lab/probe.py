#!/usr/bin/python3
"""One end of a plain TCP connection, for the lab's own tests. Prints one JSON object a line.

  probe.py listen ADDRESS            takes connections on port 5000 and says how many bytes each brought, and how it ended
  probe.py connect ADDRESS           seconds until it is connected, or the error
  probe.py send ADDRESS SECONDS      sends for so long
"""

import json
import socket
import sys
import time

PORT = 5000
WAIT_S = 3


def say(**figures):
    print(json.dumps(figures), flush=True)


def listen(address):
    with socket.create_server((address, PORT)) as server:
        say(listening=True)
        while True:
            connection, _ = server.accept()
            total, begun, error = 0, None, ""
            with connection:
                try:
                    while got := connection.recv(1 << 20):
                        begun = begun or time.monotonic()
                        total += len(got)
                except OSError as failure:
                    error = failure.strerror
            say(bytes=total, seconds=time.monotonic() - (begun or time.monotonic()), error=error)


def connect(address):
    begun = time.monotonic()
    try:
        with socket.create_connection((address, PORT), WAIT_S):
            say(seconds=time.monotonic() - begun)
    except OSError as failure:
        say(error=str(failure.strerror or failure))


def send(address, seconds):
    with socket.create_connection((address, PORT), WAIT_S) as connection:
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                connection.sendall(bytes(1 << 16))
            say(error="")
        except OSError as failure:
            say(error=str(failure.strerror or failure))


if __name__ == "__main__":
    what, where = sys.argv[1:3]
    {"listen": listen, "connect": connect}.get(what, lambda address: send(address, float(sys.argv[3])))(where)
