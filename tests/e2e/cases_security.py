"""What crosses the wire, who is let in, and where keys are kept."""

import json
import random
import shutil
import socket
import stat
import subprocess
import threading

import data
from cases_breaks import Relay
from cases_refusals import address_of
from cases_transfer import same
from data import MIB
from harness import Skip, case

MARK = b"these words stand in the file and nowhere else; "
NAME = "a-telling-name"


class Tap(Relay):
    """A relay that keeps what it carries, and damages some of it when it is told to."""

    def __init__(self, remote):
        self.seen, self.flip_after, self.flipped = bytearray(), None, 0
        self.counting = threading.Lock()
        super().__init__(remote)

    def carry(self, one, other):
        carried = 0
        try:
            while block := one.recv(256 * 1024):
                with self.counting:
                    self.seen += block
                if self.flip_after is not None and carried <= self.flip_after < carried + len(block):
                    bent = bytearray(block)
                    bent[self.flip_after - carried] ^= 1 << random.randrange(8)
                    block, self.flipped = bytes(bent), self.flipped + 1
                carried += len(block)
                other.sendall(block)
                self.carried += len(block)
        except OSError:
            pass
        for end in (one, other):  # whoever hung up: the other shall hear of it
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def through_tap(t, *options):
    """A receiver that can only be reached through a tap, and the sender's path to it."""
    receiver = t.receive(*options, t.directory / "target", listen=("127.0.0.1",))
    tap = Tap(address_of((t.directory / "ticket").read_text()))
    t.at_end(tap.close)
    return receiver, tap, [f"name=a,remote=127.0.0.1:{tap.port}"]


def telling_tree(t):
    source = t.directory / NAME
    source.mkdir()
    (source / f"{NAME}-large").write_bytes(MARK * (MIB // len(MARK)))
    (source / f"{NAME}-small").write_bytes(MARK)
    return source


def crossed(t, *options):
    receiver, tap, paths = through_tap(t, *options)
    source = telling_tree(t)
    sender = t.exits(t.send(*options, source, paths=paths), 0)
    t.exits(receiver, 0)
    same(t, source, t.directory / "target" / NAME)
    t.check(len(tap.seen) > MIB, f"only {len(tap.seen)} bytes crossed the tap")
    return sender, receiver, bytes(tap.seen)


@case()
def nothing_in_clear(t):
    """Neither names nor content nor the ticket's secret cross readable; both reports say how the data was sealed."""
    sender, receiver, seen = crossed(t)
    secret = (t.directory / "ticket").read_text().strip().split("#")[1].encode()
    for word, what in ((MARK[:16], "content"), (NAME.encode(), "a name"), (secret[:16], "the secret")):
        t.check(word not in seen, f"{what} crossed in clear")
    for process in (sender, receiver):
        t.equal(process.done()["cipher"], "aes-256-gcm", f"what {process.label} says of the cipher")


@case()
def content_in_clear_when_both_say_so(t):
    """--cipher none: content crosses as it is, names do not, and both reports say so."""
    sender, receiver, seen = crossed(t, "--cipher", "none")
    t.check(MARK in seen, "no content crossed in clear")
    t.check(NAME.encode() not in seen, "a name crossed in clear")
    for process in (sender, receiver):
        t.equal(process.done()["cipher"], "none", f"what {process.label} says of the cipher")


@case()
def ciphers_of_both_sides(t):
    """One side names a cipher: it holds. Two that differ, or none on one side only: exit code 5, and the receiver goes on."""
    data.write_random(t.directory / "file", 3 * MIB)
    for number, (ours, theirs, agreed) in enumerate((("aes-128-gcm", None, "aes-128-gcm"), (None, "chacha20-poly1305", "chacha20-poly1305"),
                                                     ("auto", "auto", "aes-256-gcm"))):
        target = t.directory / f"target-{number}"
        receiver = t.receive(*(["--cipher", theirs] if theirs else []), target)
        sender = t.exits(t.send(*(["--cipher", ours] if ours else []), "file"), 0)
        t.exits(receiver, 0)
        t.equal(sender.done()["cipher"], agreed, "the cipher")
        t.equal((target / "file").read_bytes() == (t.directory / "file").read_bytes(), True, "the file arrived")
    receiver = t.receive("--cipher", "aes-256-gcm", t.directory / "target")
    for ours in ("none", "aes-128-gcm"):
        sender = t.exits(t.send("--cipher", ours, "file"), 5, 20)
        t.says(sender, "--cipher")
    t.exits(t.send("file"), 0)
    t.exits(receiver, 0)


@case()
def somebody_else_answers(t):
    """Another receiver, with another key, has taken over the address: exit code 5 and both fingerprints; it learns nothing."""
    data.write_random(t.directory / "file", 1000)
    receiver = t.receive(t.directory / "target", listen=("127.0.0.1",))
    port = address_of((t.directory / "ticket").read_text())[1]
    receiver.kill()
    receiver.wait(10)
    other = t.start("impostor", "receive", "--identity", "impostor.pem", "--listen", f"127.0.0.1:{port}", "--ticket-file", "other",
                    t.directory / "elsewhere")
    t.wait_for((t.directory / "other").exists, "the impostor's ticket")
    sender = t.exits(t.send("file", paths=["name=a,remote=127.0.0.1"]), 5, 20)
    t.says(sender, "not who the ticket names", "SHA256:")
    other.kill()


@case()
def ticket_is_bound_to_its_first_sender(t):
    """Whoever used a ticket first, keeps it: another key is refused with exit code 5, the first one goes on."""
    data.write_random(t.directory / "file", 40 * MIB)
    receiver = t.receive(t.directory / "target")
    first = t.send("file", cap="100Mbps")
    t.wait_for(lambda: any(event["bytes"] > 0 for event in first.events("progress")), "the first sender's first bytes")
    first.kill()
    first.wait(10)
    other = t.exits(t.send("--identity", "another.pem", "file"), 5, 20)
    t.says(other, "ask for a ticket of your own")
    t.exits(t.send("file"), 0)
    t.exits(receiver, 0)


@case()
def bent_bits_on_the_way(t):
    """One bit flipped in each of many connections: the transfer is right all the same, and nothing bent is taken."""
    source = t.directory / "source"
    source.mkdir()
    data.write_random(source / "large", 60 * MIB + 7)
    receiver, tap, paths = through_tap(t)
    tap.flip_after = 1_500_000
    sender = t.send(f"{source}/", paths=paths, cap="400Mbps")
    t.wait_for(lambda: tap.flipped >= 3 or sender.poll() is not None, "bits to be flipped")
    tap.flip_after = None
    t.exits(sender, 0)
    t.exits(receiver, 0)
    t.check(tap.flipped >= 1, "no bit was flipped")
    same(t, source, t.directory / "target")


@case()
def only_tls_1_3_is_spoken(t):
    """openssl s_client: TLS 1.3 begins and ends for want of a client's key; TLS 1.2 does not begin at all."""
    if shutil.which("openssl") is None:
        raise Skip("openssl is not installed")
    receiver = t.receive(t.directory / "target", listen=("127.0.0.1",))
    host, port = address_of((t.directory / "ticket").read_text())

    def handshake(*options):
        done = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", *options], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=20)
        return (done.stdout + done.stderr).decode(errors="replace")

    newest = handshake("-tls1_3")
    t.check("TLS_AES_256_GCM_SHA384" in newest and "ED25519" in newest.upper(), f"TLS 1.3: {newest[-600:]}")
    older = handshake("-tls1_2")
    t.check("Cipher is (NONE)" in older, f"TLS 1.2: {older[-600:]}")
    data.write_random(t.directory / "file", 1000)
    t.exits(t.send("file", paths=["name=a,remote=127.0.0.1"]), 0)
    t.exits(receiver, 0)


@case()
def keys_are_kept(t):
    """keygen: made once, for its owner only, and replaced on request; a key that others can read is refused."""
    home = t.directory / "home"
    home.mkdir()
    env = {"HOME": str(home), "XDG_CONFIG_HOME": ""}
    first = t.run("keygen", "keygen", env=env).out().split()
    file = home / ".config/longhaul/identity"
    t.equal(first[1].decode(), str(file), "where the key is")
    t.equal(stat.S_IMODE(file.stat().st_mode), 0o600, "mode of the key")
    t.equal(stat.S_IMODE(file.parent.stat().st_mode), 0o700, "mode of its directory")
    t.equal(t.run("keygen", "keygen", env=env).out().split(), first, "what keygen says the second time")
    t.check(t.run("keygen", "keygen", "--force", env=env).out().split()[0] != first[0], "--force has made no new key")
    file.chmod(0o640)
    data.write_random(t.directory / "file", 1000)
    for words in (["keygen"], ["send", "--listen", "127.0.0.1", "file"], ["receive", t.directory / "target"]):
        t.says(t.run("refused", *words, status=5, env=env), "chmod 600")
    file.write_text("no key")
    file.chmod(0o600)
    t.says(t.run("refused", "keygen", status=2, env=env), "is no identity")


@case()
def no_place_for_a_key(t):
    """A home that cannot be written keeps nobody from a transfer; it is said what that costs."""
    data.write_random(t.directory / "file", 1000)
    env = {"HOME": "/proc/nowhere", "XDG_CONFIG_HOME": ""}
    receiver = t.receive(t.directory / "target")
    sender = t.exits(t.send("file", env=env), 0)
    t.says(sender, "warning", "--identity")
    t.exits(receiver, 0)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@case()
def trusted_peers_need_no_ticket(t):
    """A receiver that trusts keys takes one transfer after the other from them, by name and without a ticket; nobody else gets in."""
    (t.directory / "file").write_bytes(b"from whom it is known")
    keys = {}
    for side in ("sender", "receiver", "stranger"):
        out = t.run("keygen", "keygen", "--identity", f"{side}.pem").out().decode()
        keys[side] = out.split()[0]
    port = free_port()
    t.run("trust", "trust", "add", "gpu7", keys["sender"], "--trust-file", "receivers")
    t.run("trust", "trust", "add", "store", keys["receiver"], f"127.0.0.1:{port}", "--trust-file", "senders")
    receiver = t.start("receive", "receive", "--json", "--trusted", "--keep", "--identity", "receiver.pem", "--trust-file", "receivers",
                       "--listen", f"127.0.0.1:{port}", "target")

    def send(identity, status, words=()):
        sender = t.start("send", "send", "--json", "--identity", f"{identity}.pem", "--trust-file", "senders", "--peer", "store", "file")
        t.says(t.exits(sender, status, 30), *words)

    for content in (b"the first", b"the second"):
        (t.directory / "file").write_bytes(content)
        send("sender", 0)
        t.equal((t.directory / "target" / "file").read_bytes(), content, "what has arrived")
    send("stranger", 5, ["not trusted here", f"trust add NAME {keys['stranger']}"])
    for event in receiver.events("ticket"):
        t.check("#" not in event["ticket"], "a secret was handed out")
    t.run("trust", "trust", "remove", "gpu7", "--trust-file", "receivers")
    send("sender", 5, ["not trusted here"])
    t.run("trust", "trust", "add", "other", keys["stranger"], "--trust-file", "receivers")
    send("stranger", 0)
    # The sender may end a moment sooner: a receiver that is told to stop in that moment ends with a transfer that is complete.
    t.wait_for(lambda: receiver.events()[-1]["event"] == "ticket", "the receiver to serve on")
    receiver.signal(2)
    t.exits(receiver, 130)


@case()
def trusted_peers_keep_to_the_policy(t):
    """What a listener permits binds those whose keys it trusts as well: a path with a forbidden tag, or by a fabric that was not asked for, is
    refused in words."""
    (t.directory / "file").write_bytes(b"from whom it is known")
    keys = {side: t.run("keygen", "keygen", "--identity", f"{side}.pem").out().decode().split()[0] for side in ("sender", "receiver")}
    port = free_port()
    t.run("trust", "trust", "add", "gpu7", keys["sender"], "--trust-file", "receivers")
    t.run("trust", "trust", "add", "store", keys["receiver"], f"127.0.0.1:{port}", "--trust-file", "senders")
    receiver = t.start("receive", "receive", "--json", "--trusted", "--keep", "--forbid", "metered", "--identity", "receiver.pem", "--trust-file",
                       "receivers", "--listen", f"127.0.0.1:{port}", "target")

    def send(path, status):
        return t.exits(t.start("send", "send", "--json", "--identity", "sender.pem", "--trust-file", "senders", "--peer", "store",
                               "--path", f"remote=127.0.0.1:{port},{path}", "file"), status, 30)

    t.says(send("name=a,tags=metered", 5), "policy of the side that listens", "metered")
    usable = json.loads(t.run("probe", "path", "probe", "--json").out())["usable"]
    if usable:
        t.says(send("name=b,transport=fabric:tcp", 5), "the side that listens", "--fabric tcp")
    send("name=c,tags=fiber", 0)
    t.equal((t.directory / "target" / "file").read_bytes(), b"from whom it is known", "what has arrived")
    t.wait_for(lambda: receiver.events()[-1]["event"] == "ticket", "the receiver to serve on")
    receiver.signal(2)
    t.exits(receiver, 130)


def status_of(process):
    lines = (line.split(":", 1) for line in open(f"/proc/{process.pid}/task/{process.pid}/status", encoding="ascii"))
    return {name: value.strip() for name, value in lines}


@case()
def receivers_stand_behind_walls(t):
    """Before a receiver hands out its ticket it has given up what it does not need; what it was asked to write, it writes."""
    (t.directory / "file").write_bytes(b"content")
    for words, expected in (((), ("1", "2")), (("--no-confine",), ("0", "0"))):
        receiver = t.receive(*words, "--report", "report.json", t.directory / "target", env={"TZ": "Europe/Berlin"})
        status = status_of(receiver)
        t.equal((status["NoNewPrivs"], status["Seccomp"]), expected, "what the kernel says of it")
        if not words:
            kept = int(status["CapEff"], 16)
            t.check(kept & (1 << 21 | 1 << 19 | 1 << 7 | 1 << 6 | 1 << 18) == 0, f"it has kept {kept:x}")
            t.says(receiver, "confined by", "seccomp")
        t.exits(t.send("file"), 0)
        t.exits(receiver, 0)
        t.check((t.directory / "report.json").exists(), "there is no report")


@case(timeout_s=120)
def names_swapped_while_writing(t):
    """Somebody swaps directories of the target for symlinks that lead outside, all the time: nothing lands there."""
    source, target, outside = t.directory / "tree", t.directory / "target", t.directory / "outside"
    names = [f"d{number}" for number in range(6)]
    for name in names:
        (source / name / "deep").mkdir(parents=True)
        (outside / name / "deep").mkdir(parents=True)
        for number in range(t.pick(40, 80)):
            (source / name / f"f{number}").write_bytes(b"x" * 3000)
            (source / name / "deep" / f"f{number}").write_bytes(b"y" * 3000)
        data.write_random(source / name / "large", 9 * MIB)
    target.mkdir()
    swapping, swaps = threading.Event(), [0]

    def swap():
        while not swapping.is_set():
            for name in names:
                real, hidden = target / "tree" / name, target / f"hidden-{name}"
                try:
                    real.rename(hidden)
                    real.symlink_to(outside / name)
                    swaps[0] += 1
                    real.unlink()
                    hidden.rename(real)
                except OSError:
                    pass  # not there yet, or made anew meanwhile
                if hidden.exists() and not real.exists():
                    hidden.rename(real)

    for words in ((), ("--no-confine",)):
        swapping.clear()
        attacker = threading.Thread(target=swap)
        attacker.start()
        t.at_end(swapping.set)
        receiver = t.receive("--retry-for", "5", *words, target)
        sender = t.send("--retry-for", "5", source, cap="200Mbps")
        sender.wait(60)
        swapping.set()
        attacker.join()
        receiver.signal(2)
        receiver.wait(20)
        t.equal([path for path in outside.rglob("*") if not path.is_dir()], [], "what was written outside")
        shutil.rmtree(target)
        target.mkdir()
    t.check(swaps[0] > 20, f"the attacker has swapped {swaps[0]} times only")


class Flood:
    """Connections to `address` that never greet: a number of them held, more each second, random bytes in some."""

    def __init__(self, address, held, per_second):
        self.address, self.per_second, self.stop, self.opened, self.held = address, per_second, threading.Event(), 0, []
        for _ in range(held):
            self.held.append(self.open())
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def open(self):
        self.opened += 1
        one = socket.socket()
        one.setblocking(False)
        try:
            one.connect(self.address)
        except BlockingIOError:
            pass
        return one

    def run(self):
        while not self.stop.wait(0.02):
            for _ in range(self.per_second // 50):
                one = self.open()
                if random.random() < 0.3:
                    try:
                        one.send(random.randbytes(random.choice((1, 5, 200, 3000))))
                    except OSError:
                        pass
                self.held.append(one)
                if len(self.held) > 400:
                    self.held.pop(random.randrange(len(self.held))).close()

    def end(self):
        self.stop.set()
        self.thread.join()
        for one in self.held:
            one.close()


@case(timeout_s=120)
def honest_diallers_get_through_a_flood(t):
    """Connections that never greet, hundreds a second: a sender still gets in, and the receiver's memory stays bounded."""
    data.write_random(t.directory / "file", 20 * MIB)
    receiver = t.receive(t.directory / "target", listen=("127.0.0.1",))
    flood = Flood(address_of((t.directory / "ticket").read_text()), 400, 500)
    t.at_end(flood.end)
    t.wait_for(lambda: flood.opened > 1500, "the flood")
    sender = t.exits(t.send("file", paths=["name=a,remote=127.0.0.1"], cap="100Mbps"), 0)
    t.exits(receiver, 0)
    t.equal((t.directory / "target" / "file").read_bytes() == (t.directory / "file").read_bytes(), True, "the file arrived")
    t.check(sender.done()["seconds"] < 20, "it took far longer than its cap asks for")
    t.check(len(receiver.events("note")) < 30, f"the receiver speaks of it {len(receiver.events('note'))} times")
    t.check(receiver.peak_bytes < 400 * MIB, f"the receiver took {receiver.peak_bytes / MIB:.0f} MiB")
