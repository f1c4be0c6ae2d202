"""Wrong, unknown, expired and used tickets; strangers on the port; a port that is no Longhaul."""

import http.server
import os
import socket
import time

import data
from harness import case


def address_of(ticket_text):
    host, port = ticket_text.split("//")[1].split("/")[0].split(",")[0].rsplit(":", 1)
    return host, int(port)


def with_ticket(t, change):
    """Changes the text of the ticket in a copy and returns the copy's name."""
    (t.directory / "changed").write_text(change((t.directory / "ticket").read_text().strip()) + "\n")
    return "changed"


@case()
def wrong_secret_or_id(t):
    """A wrong secret, an unknown ticket: exit code 5, in words; the receiver goes on waiting for the right one."""
    data.write_random(t.directory / "file", 1000)
    receiver = t.receive(t.directory / "target")

    def other_secret(text):
        head, secret = text.split("#")
        return f"{head}#{'B' if secret[0] == 'A' else 'A'}{secret[1:]}"

    def other_id(text):
        head, tail = text.split("?")
        return f"{head[:-1]}{'1' if head[-1] == '0' else '0'}?{tail}"

    for change in (other_secret, other_id):
        sender = t.send("file", ticket=with_ticket(t, change))
        t.exits(sender, 5, 20)
        t.says(sender, "ticket")
    t.exits(t.send("file"), 0)
    t.exits(receiver, 0)


@case()
def expired_ticket(t):
    """A ticket whose time is up: exit code 5, by the sender itself or by the receiver's word."""
    data.write_random(t.directory / "file", 1000)
    t.receive("--ticket-valid", "1s", t.directory / "target")
    time.sleep(2.1)
    sender = t.send("--retry-for", "5s", "file")
    t.exits(sender, 5, 20)
    t.says(sender, "expired")
    # The expiry in the ticket is the sender's; the receiver has its own word.
    sender = t.send("--retry-for", "5s", "file", ticket=with_ticket(t, lambda text: text.replace("?x=", "?x=9")))
    t.exits(sender, 5, 20)


@case()
def used_ticket(t):
    """With --keep each ticket admits one transfer: a used one gives exit code 5, the new one works."""
    data.write_random(t.directory / "file", 1000)
    target = t.directory / "target"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    receiver = t.receive("--keep", target, listen=(f"127.0.0.1:{port}", f"127.0.0.2:{port}"))
    first = (t.directory / "ticket").read_text()
    t.exits(t.send("file"), 0)
    t.wait_for(lambda: (t.directory / "ticket").read_text() not in ("", first), "a new ticket")
    (t.directory / "used").write_text(first)
    sender = t.send("--retry-for", "5s", "file", ticket="used")
    t.exits(sender, 5, 20)
    t.says(sender, "ticket")
    data.write_random(t.directory / "second", 1000)
    t.exits(t.send("second"), 0)
    t.check(data.same_content(t.directory / "second", target / "second"), "content differs")
    t.wait_for(lambda: len(receiver.events("done")) == 2, "two done events")
    t.wait_for(lambda: len(receiver.events("ticket")) == 3, "a third ticket")
    receiver.signal(2)
    t.exits(receiver, 130)


@case()
def strangers_on_the_port(t):
    """Garbage, an HTTP request, half a hello and silent connections do not disturb a transfer."""
    source = data.write_random(t.directory / "file", 30 * data.MIB)
    receiver = t.receive(t.directory / "target")
    host, port = address_of((t.directory / "ticket").read_text())
    strangers = []
    t.at_end(lambda: [stranger.close() for stranger in strangers])

    def knock():
        for words in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(100_000), b"\x00", b"\xff" * 4096, b"SSH-2.0-x\r\n"):
            for address in (host, "127.0.0.2"):
                stranger = socket.create_connection((address, port), timeout=10)
                strangers.append(stranger)
                try:
                    stranger.sendall(words)
                except OSError:
                    pass  # thrown out already

    knock()
    sender = t.send(source, cap="100Mbps")
    t.wait_for(lambda: sender.events("start") or sender.poll() is not None, "the start of the transfer")
    knock()
    t.exits(sender, 0)
    t.exits(receiver, 0)
    t.check(data.same_content(source, t.directory / "target" / "file"), "content differs")


@case()
def peer_is_no_longhaul(t):
    """Dialling a web server: exit code 5 in words, not a retry of five minutes."""
    data.write_random(t.directory / "file", 1000)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.RequestHandlerClass.log_message = lambda *_: None
    t.background(server.serve_forever)
    t.at_end(server.server_close)
    t.at_end(server.shutdown)
    port = server.server_address[1]
    (t.directory / "ticket").write_text(f"longhaul://127.0.0.1:{port}/{'0' * 32}?x=99999999999,k={'A' * 43}#{'A' * 43}\n")
    sender = t.send("file", paths=["name=a"])
    t.exits(sender, 5, 20)
    t.says(sender, f"127.0.0.1:{port}")


@case()
def peer_that_says_nothing(t):
    """Dialling a port that accepts and is silent: ends with a deadline's verdict, not with a hang."""
    data.write_random(t.directory / "file", 1000)
    listener = socket.create_server(("127.0.0.1", 0))
    t.at_end(listener.close)
    (t.directory / "ticket").write_text(
        f"longhaul://127.0.0.1:{listener.getsockname()[1]}/{'0' * 32}?x=99999999999,k={'A' * 43}#{'A' * 43}\n")
    sender = t.send("--retry-for", "3s", "file", paths=["name=a"])
    t.check(sender.wait(30) in (5, 7), f"exit status {sender.status}")
    t.says(sender, "127.0.0.1")
