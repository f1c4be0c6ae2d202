"""kill -9 at random moments, a peer that goes and comes back, a path that is cut."""

import os
import random
import socket
import struct
import threading
import time

import data
from cases_refusals import address_of
from cases_transfer import same, small_tree, verify
from data import MIB, NODE
from harness import case

CAP_BYTES_PER_S = 2 * 50_000_000  # both paths of these tests together
STREAMS = 4


def breakable_source(t, large_bytes):
    """Small files and two large ones."""
    source = small_tree(t, files=400)
    data.write_random(source / "large-1", large_bytes)
    data.write_random(source / "large-2", large_bytes // 4 + 5)
    return source


def published_bytes(source, target):
    """Bytes of the files at their final names, each of which must be whole: law 1, at whatever moment we look."""
    total = 0
    for name, found in data.listing(target).items():
        path = os.path.join(os.fsencode(source), name)
        if os.path.isfile(path) and not os.path.islink(path):
            total += found.st_size
    return total


def final_names_are_whole(t, source, target):
    """Every file at its final name has its size, time and content, although the transfer is not done."""
    wrong = data.wrong_final_names(source, target)
    t.check(not wrong, "; ".join(wrong))


@case(timeout_s=120)
def killed_at_random_moments(t):
    """kill -9 of random sides at random moments, each time restarted; at the end everything is right."""
    seed = int(os.environ.get("LONGHAUL_E2E_SEED") or random.randrange(1 << 32))
    chance = random.Random(seed)
    rounds = t.pick(6, 20, 60)
    print(f"      seed: LONGHAUL_E2E_SEED={seed}", flush=True)
    source, target = breakable_source(t, t.pick(100, 400, 1000) * MIB), t.directory / "target"
    receiver, sender = t.receive(target), t.send(f"{source}/", cap="400Mbps")
    for _ in range(rounds):
        time.sleep(chance.uniform(0.01, 0.8))
        side = chance.choice(("sender", "receiver", "both"))
        if side != "receiver":
            sender.kill()
        if side != "sender":
            receiver.kill()
            final_names_are_whole(t, source, target)
            receiver = t.receive(target)
        if side != "receiver":
            sender = t.send(f"{source}/", cap="400Mbps")
        if chance.random() < 0.3:
            time.sleep(chance.uniform(0, 0.02))  # a kill that meets the other one in the middle of its start
            (receiver if chance.random() < 0.5 else sender).kill()
        if receiver.poll() is not None:
            receiver = t.receive(target)
        if sender.poll() is not None:
            sender = t.send(f"{source}/", cap="400Mbps")
    # Those that ended well meanwhile were restarted above and have nothing to do; the last ones end well in any case.
    t.exits(sender, 0)
    t.exits(receiver, 0)
    same(t, source, target)
    report = verify(t, target)
    t.equal((report["files"], report["without_digest"]), (data.file_bytes(source)[0], 0), "files in the manifest, without a digest")
    t.equal(sorted(os.listdir(target / ".longhaul" / "landing")), [], "files left in the landing zone")


@case(timeout_s=60)
def sender_with_the_newest_ticket_follows_one_with_an_older(t):
    """The receiver is restarted, the sender comes back with the ticket that it has, dies, and is started with the new ticket."""
    source, target = breakable_source(t, 100 * MIB), t.directory / "target"
    receiver, first = t.receive(target), t.send(f"{source}/", cap="80Mbps")
    t.wait_for(lambda: first.events("path_up"), "the first sender")
    receiver.kill()
    receiver = t.receive(target)
    t.wait_for(lambda: receiver.events("path_up"), "the first sender with its older ticket")
    first.kill()
    second = t.send(f"{source}/")
    t.exits(second, 0)
    t.exits(receiver, 0, 20)
    same(t, source, target)


@case(timeout_s=90)
def resent_bytes_are_bounded(t):
    """After kill -9 of both sides no byte that was durable is sent again, and what was not durable is at most one second of
    both paths' caps, one more for the group commit under load, and two chunks on each stream."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    size = 600 * MIB  # two rounds of two seconds at both caps, and something left
    data.write_random(source / "large", size)
    for number in range(2):
        receiver, sender = t.receive(target), t.send(f"{source}/", cap="400Mbps")
        before = data.durable_bytes(target)
        t.wait_for(lambda: len(sender.events("progress")) >= 2, "the second progress event")
        (sender if number else receiver).kill()
        (receiver if number else sender).kill()
        on_the_wire = sum(path["bytes"] for path in sender.events("progress")[-1]["paths"])
        durable = data.durable_bytes(target)
        bound = 2 * CAP_BYTES_PER_S + 2 * STREAMS * NODE
        t.check(durable >= before, "durable nodes were lost")
        t.check(durable > 0, "nothing was durable after 2 s")
        t.check(before + on_the_wire - durable <= bound, f"{before + on_the_wire} bytes sent, {durable} durable: bound {bound}")
    sender, _ = t.transfer(f"{source}/", target)
    t.equal(sender.done()["bytes"], size - durable, "bytes of the last run: what was not durable, and no more")
    same(t, source, target)
    verify(t, target)


@case()
def sender_outlives_its_receiver(t):
    """The receiver is killed and started again, twice: the sender goes on by itself with the same ticket."""
    source, target = breakable_source(t, 100 * MIB), t.directory / "target"
    receiver = t.receive(target)
    (t.directory / "handed-over").write_bytes((t.directory / "ticket").read_bytes())
    sender = t.send(f"{source}/", ticket="handed-over", cap="300Mbps")
    for pause_s in (0.0, 1.5):
        before = data.durable_bytes(target) + published_bytes(source, target)
        t.wait_for(lambda: data.durable_bytes(target) + published_bytes(source, target) > before + 2 * NODE, "progress")
        receiver.kill()
        time.sleep(pause_s)
        t.check(sender.poll() is None, "the sender gave up")
        receiver = t.receive(target)
    t.exits(sender, 0)
    t.exits(receiver, 0)
    same(t, source, target)
    verify(t, target)
    t.check(sender.events("path_down"), "the sender does not tell that the paths were down")


@case()
def receiver_outlives_its_sender(t):
    """The sender is killed and started again, twice: the receiver waits and goes on."""
    source, target = breakable_source(t, 100 * MIB), t.directory / "target"
    receiver = t.receive(target)
    for pause_s in (0.0, 1.5):
        sender = t.send(f"{source}/", cap="300Mbps")
        before = data.durable_bytes(target) + published_bytes(source, target)
        t.wait_for(lambda: data.durable_bytes(target) + published_bytes(source, target) > before + 2 * NODE, "progress")
        sender.kill()
        time.sleep(pause_s)
        t.check(receiver.poll() is None, "the receiver gave up")
    t.exits(t.send(f"{source}/"), 0)
    t.exits(receiver, 0)
    same(t, source, target)
    verify(t, target)


class Relay:
    """Carries TCP connections to `remote`, until it resets them all. Then it refuses new ones, or carries them again."""

    def __init__(self, remote, address="127.0.0.1"):
        self.remote, self.lock, self.open = remote, threading.Lock(), []
        self.carried, self.refuses = 0, False
        self.listener = socket.create_server((address, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.remote, timeout=10)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self.lock:
                self.open += [near, far]
                if self.refuses:
                    self.reset_locked()
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, one, other):
        try:
            while block := one.recv(256 * 1024):
                other.sendall(block)
                self.carried += len(block)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # reset

    def reset_locked(self):
        for end in self.open:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RD)  # wakes the thread that reads
                end.close()
            except OSError:
                pass
        self.open.clear()

    def reset(self, refuse):
        with self.lock:
            self.refuses = refuse
            self.reset_locked()

    def close(self):
        self.reset(True)
        self.listener.close()


class Proxy(Relay):
    """A relay that hangs up on the far side and lets the near side know nothing of it."""

    def carry(self, one, other):
        try:
            while block := one.recv(256 * 1024):
                other.sendall(block)
                self.carried += len(block)
        except OSError:
            pass

    def hang_up_streams(self):
        """On all connections but the first, which is control."""
        with self.lock:
            for far in self.open[3::2]:
                far.shutdown(socket.SHUT_RDWR)


@case()
def proxy_that_hides_a_lost_connection(t):
    """The only path's streams are lost behind a proxy that keeps its near half open: the receiver tells, and they are dialled anew."""
    data.write_random(t.directory / "large", 40 * MIB)
    receiver = t.receive(t.directory / "target", listen=("127.0.0.1",))
    proxy = Proxy(address_of((t.directory / "ticket").read_text()))
    t.at_end(proxy.close)
    sender = t.send("large", paths=[f"name=a,remote=127.0.0.1:{proxy.port},cap=150Mbps"])
    t.wait_for(lambda: proxy.carried > 10 * MIB, "the first bytes")
    proxy.hang_up_streams()
    t.exits(sender, 0, 25)
    t.exits(receiver, 0, 25)
    t.equal((t.directory / "target" / "large").read_bytes() == (t.directory / "large").read_bytes(), True, "the file arrived")


def path_through_relay(t, target):
    """A receiver, and a relay in front of its second address."""
    receiver = t.receive(target)
    relay = Relay(("127.0.0.2", address_of((t.directory / "ticket").read_text())[1]))
    t.at_end(relay.close)
    return receiver, relay, ["name=a,remote=127.0.0.1", f"name=b,remote=127.0.0.1:{relay.port}"]


def cut(t, refuse):
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "large", 100 * MIB + 9)
    receiver, relay, paths = path_through_relay(t, target)
    sender = t.send(f"{source}/", paths=paths, cap="300Mbps")
    t.wait_for(lambda: relay.carried > 20 * MIB, "path b to carry something")
    relay.reset(refuse)
    t.wait_for(lambda: any(event["name"] == "b" for event in sender.events("path_down")), "a path_down event", 10)
    t.exits(sender, 0)
    t.exits(receiver, 0)
    same(t, source, target)
    verify(t, target)
    done = sender.done()
    t.check(done["resent_bytes"] <= 2 * STREAMS * NODE, f"{done['resent_bytes']} bytes were sent again")
    t.equal(done["bytes"], 100 * MIB + 9, "file bytes moved")
    return sender


@case()
def path_that_is_cut_for_good(t):
    """All sockets of one path are reset half-way and it never comes back: the other one carries the rest; path_down is said."""
    cut(t, refuse=True)


@case()
def path_that_is_cut_and_comes_back(t):
    """All sockets of one path are reset half-way: it is dialled again and carries again; path_down and path_up are said."""
    sender = cut(t, refuse=False)
    ups = [event for event in sender.events("path_up") if event["name"] == "b"]
    t.equal(len(ups), 2, "path_up events of path b")


@case()
def both_paths_are_cut(t):
    """All connections of all paths are reset at once, control's too: the session goes on without a restart of either side."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "large", 100 * MIB + 9)
    receiver = t.receive(target)
    relays = []
    port = address_of((t.directory / "ticket").read_text())[1]
    for address in ("127.0.0.1", "127.0.0.2"):
        relays.append(Relay((address, port)))
        t.at_end(relays[-1].close)
    paths = [f"name={name},remote=127.0.0.1:{relay.port}" for name, relay in zip("ab", relays)]
    sender = t.send(f"{source}/", paths=paths, cap="300Mbps")
    t.wait_for(lambda: sum(relay.carried for relay in relays) > 30 * MIB, "the paths to carry something")
    for relay in relays:
        relay.reset(refuse=False)
    t.exits(sender, 0)
    t.exits(receiver, 0)
    same(t, source, target)
    verify(t, target)
