"""Manifests as files: scanned, shown, compared, verified against, signed. tests/manifest.py reads them without Longhaul's code."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import stat
import struct
import subprocess

import data
from cases_transfer import DIGEST_SCRIPT, same, small_tree
from data import MIB
from harness import Skip, case

MANIFEST_SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "manifest.py"


def read(path):
    """What tests/manifest.py says of a manifest file."""
    done = subprocess.run(["/usr/bin/python3", os.fspath(MANIFEST_SCRIPT), os.fspath(path)], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise AssertionError(f"tests/manifest.py: {done.stderr.decode()}")
    return json.loads(done.stdout)


def check_of(record):
    """The check of a record, asked of the interpreter that has xxhash."""
    script = "import sys, xxhash; sys.stdout.buffer.write(xxhash.xxh3_64_intdigest(sys.stdin.buffer.read()).to_bytes(8, 'little'))"
    return subprocess.run(["/usr/bin/python3", "-c", script], input=record, capture_output=True, timeout=60, check=True).stdout


def forge_record(path, name, change):
    """Changes the record of `name` and makes its check right again, as somebody would who knows the format."""
    content, at = bytearray(path.read_bytes()), 16
    while True:
        length, _, path_length = struct.unpack_from("<IB3xI", content, at)
        if content[at + length - 8 - path_length : at + length - 8] == name:
            break
        at += length
    change(content, at)
    content[at + length - 8 : at + length] = check_of(bytes(content[at : at + length - 8]))
    path.write_bytes(content)


def forge(path, keep_time=True):
    """Turns one byte around; size and, if asked, time stay."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)[0]
        file.seek(before.st_size // 2)
        file.write(bytes([byte ^ 1]))
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def scan(t, directory, file, *options, status=0):
    return t.run("manifest", "manifest", "--json", directory, "-o", file, *options, status=status).done()


def against(t, directory, file, *options, status=0):
    return t.run("verify", "verify", "--json", directory, "--manifest", file, *options, status=status).done()


def counts(done):
    return tuple(done[key] for key in ("files", "mismatched", "missing", "changed", "unreadable", "without_digest"))


@case(timeout_s=120)
def a_scan_is_what_verify_finds(t):
    """Names of any bytes, odd sizes, thousands of files: each has the record that tests/digest.py and sha256sum give it, and verify agrees."""
    source = small_tree(t, files=t.pick(200, 1000, 5000))
    files, size = data.file_bytes(source)
    for options in ((), ("--sha256",), ("--sha256", "--workers", "1")):
        done = scan(t, source, "m", *options)
        t.equal((done["manifest"]["files"], done["manifest"]["bytes"], done["bytes"]), (files, size, size), "what was scanned")
        found = read(t.directory / "m")
        t.equal((found["root"], found["version"]), (done["manifest"]["root"], 2), "root and version")
        t.equal(found["seal"]["sha256_root"], done["manifest"]["sha256_root"], "SHA-256 root")
        records = {bytes.fromhex(path): rest for path, *rest in found["files"]}
        t.equal(set(records), {name for name, found in data.listing(source).items() if stat.S_ISREG(found.st_mode)}, "files with a record")
        for name in [b"odd/size-%d" % size for size in data.ODD_SIZES] + [b"odd/names/\xff\xfe not utf-8", b"odd/names/new\nline"]:
            path = os.path.join(os.fsencode(source), name)
            _, mtime_ns, digest, sha256 = records[name]
            t.equal(mtime_ns, os.stat(path).st_mtime_ns, f"mtime of {name!r}")
            t.equal(digest, data.root_digest(DIGEST_SCRIPT, path), f"digest of {name!r}")
            if options:
                t.equal(sha256, hashlib.sha256(pathlib.Path(os.fsdecode(path)).read_bytes()).hexdigest(), f"SHA-256 of {name!r}")
        report = against(t, source, "m")
        t.equal(counts(report), (files, 0, 0, 0, 0, 0), "what verify found")
        t.equal(report["manifest"]["root"], done["manifest"]["root"], "the root that verify tells")
    t.equal([name for name in os.listdir(t.directory) if name.startswith(".longhaul")], [], "files that a scan has left behind")


@case()
def what_was_done_to_a_tree_is_found(t):
    """A flipped byte (with and without its time), a missing file, one more, one of another size: each is told, by either digest."""
    source = small_tree(t, files=50)
    forged, touched = source / "odd" / "size-4096", source / "odd" / "size-262145"
    for options, words in (((), "digest"), (("--sha256",), "digest")):
        target = t.directory / ("target" + "".join(options))
        data.copy_tree(source, target)
        scan(t, target, "m", *options)
        forge(target / forged.relative_to(source))
        forge(target / touched.relative_to(source), keep_time=False)
        os.utime(target / touched.relative_to(source), ns=(1, 1))
        (target / "odd" / "size-1").unlink()
        (target / "new\n").write_text("new")
        report = against(t, target, "m", status=4)
        t.equal(counts(report)[1:], (1, 1, 1, 0, 1), "mismatched, missing, changed, unreadable, extra")
        t.equal({os.fsdecode(data.name_in(error, "path")) for error in report["errors"]},
                {"odd/size-4096", "odd/size-262145", "odd/size-1"}, "the files that are named")
        t.equal(report["extra"], [{"path": "new\n"}], "the file that is too much")
        said = t.run("verify", "verify", target, "--manifest", "m", status=4)
        t.says(said, "NOT as the manifest says", "+ new\\x0a", words)
    (t.directory / "one").mkdir()
    (t.directory / "one" / "a").write_text("a")
    scan(t, "one", "m1")
    (t.directory / "one" / "b").write_text("b")
    t.equal(counts(against(t, "one", "m1")), (1, 0, 0, 0, 0, 1), "with one more file")
    t.says(t.run("verify", "verify", "one", "--manifest", "m1", "--exact", status=4), "+ b", "--exact")


@case()
def a_forged_manifest_is_refused(t):
    """A manifest that was changed, its checks made right again: refused before any file is read. Damaged or cut: refused."""
    source = small_tree(t, files=20)
    scan(t, source, "m", "--sha256")
    whole = (t.directory / "m").read_bytes()

    def flip(place):
        def change(content, at):
            content[at + place] ^= 1
        return change

    for place, words in ((44, "SHA-256 root"), (28, "the root"), (20, "SHA-256 root")):
        (t.directory / "m").write_bytes(whole)
        forge_record(t.directory / "m", b"odd/size-4096", flip(place))
        done = against(t, source, "m", status=4)
        t.check(words in done["error"]["text"], f"byte {place}: {done['error']}")
        t.equal(done["bytes"], 0, "bytes that were read for a manifest that is not true")
        for words_too in (["manifest", "--show", "m"], ["diff", "m", "m"]):
            t.run("refused", *words_too, status=4)
    for cut in (0, 10, 16, 60, len(whole) // 2, len(whole) - 1):
        (t.directory / "m").write_bytes(whole[:cut])
        done = against(t, source, "m", status=4)
        t.equal((done["error"]["code"], done["bytes"]), ("corrupt", 0), f"cut at {cut}")
    (t.directory / "m").write_bytes(whole + b"x")
    against(t, source, "m", status=4)
    against(t, source, source / "odd" / "size-4096", status=4)
    against(t, source, "not there", status=1)


def signature_holds(t, found):
    """Whether openssl says so; None where there is no openssl."""
    if not shutil.which("openssl"):
        return None
    (t.directory / "key").write_bytes(bytes.fromhex("302a300506032b6570032100" + found["seal"]["key"]))
    (t.directory / "words").write_bytes(bytes.fromhex(found["signed"]))
    (t.directory / "signature").write_bytes(bytes.fromhex(found["seal"]["signature"]))
    done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin", "-in", "words",
                           "-sigfile", "signature"], cwd=t.directory, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    return done.returncode == 0


@case()
def signed_manifests(t):
    """Signed by this side's key: openssl agrees; --signer takes that key alone, by fingerprint or by name; a signature of another key, a bent
    or a stripped one is refused."""
    source = small_tree(t, files=20)
    keys = {}
    for name in ("ours", "others"):
        keys[name] = t.run("keygen", "keygen", "--identity", f"{name}.pem").out().decode().split()[0]
    t.run("trust", "trust", "add", "gpu7", keys["ours"], "--trust-file", "trusted")
    done = scan(t, source, "m", "--sign", "--identity", "ours.pem")
    t.equal(done["manifest"]["signer"], keys["ours"], "the signer")
    found = read(t.directory / "m")
    t.equal(found["signer"], keys["ours"], "the signer by tests/manifest.py")
    t.check(signature_holds(t, found) is not False, "openssl does not take the signature")
    for options in ((), ("--signer", keys["ours"]), ("--signer", "gpu7")):
        report = against(t, source, "m", "--trust-file", "trusted", *options)
        t.equal(report["manifest"]["signer"], keys["ours"], "the signer that verify tells")
    t.says(t.run("verify", "verify", source, "--manifest", "m", "--trust-file", "trusted"), f"signed by {keys['ours']} (gpu7)")
    t.says(t.run("show", "manifest", "--show", "m", "--trust-file", "trusted"), "# signed by", "(gpu7)")
    t.says(t.run("verify", "verify", source, "--manifest", "m", "--signer", keys["others"], status=5), keys["ours"], keys["others"])
    scan(t, source, "theirs", "--sign", "--identity", "others.pem")
    t.run("verify", "verify", source, "--manifest", "theirs", "--signer", keys["ours"], status=5)
    scan(t, source, "stripped", "--sha256")
    t.says(t.run("verify", "verify", source, "--manifest", "stripped", "--signer", keys["ours"], status=5), "is not signed")
    t.run("verify", "verify", source, "--manifest", "stripped")
    whole = (t.directory / "m").read_bytes()
    theirs = (t.directory / "theirs").read_bytes()
    # The seal is the record before the end: 52 bytes and 128; the signature is its last 64 before the check.
    seal = len(whole) - 52 - 180
    for bent in (whole[: seal + 44 + 64] + theirs[seal + 44 + 64 :],  # the signature of the other key
                 whole[: seal + 44 + 32] + theirs[seal + 44 + 32 : seal + 44 + 64] + whole[seal + 44 + 64 :]):  # its name
        record = bent[seal : seal + 172]
        (t.directory / "bent").write_bytes(bent[:seal] + record + check_of(record) + bent[seal + 180 :])
        done = against(t, source, "bent", status=4)
        t.check("signature" in done["error"]["text"], f"{done['error']}")
        t.equal(done["bytes"], 0, "bytes that were read for a manifest with a wrong signature")
    # Forged in content, and signed anew by somebody: whole, and by another signer.
    forge(source / "odd" / "size-4096")
    scan(t, source, "anew", "--sign", "--identity", "others.pem")
    t.run("verify", "verify", source, "--manifest", "anew")
    t.run("verify", "verify", source, "--manifest", "anew", "--signer", "gpu7", "--trust-file", "trusted", status=5)
    against(t, source, "m", status=4)


@case()
def differences_of_two_manifests(t):
    """diff: a line a difference, exit status as diff(1), names made harmless, JSON on request."""
    source = small_tree(t, files=30)
    scan(t, source, "old")
    process = t.run("diff", "diff", "old", "old")
    t.equal(process.out(), b"", "lines of two that are the same")
    t.says(process, "no difference")
    forge(source / "odd" / "size-4096")
    (source / "odd" / "size-1").unlink()
    (source / "a\x1b[31m").write_text("new")
    os.utime(source / "odd" / "size-2", ns=(5, 5))
    scan(t, source, "new", "--sha256")
    process = t.run("diff", "diff", "old", "new", status=1)
    t.equal(process.out().decode().splitlines(), ["+ a\\x1b[31m", "- odd/size-1", "t odd/size-2", "~ odd/size-4096"], "the lines")
    t.equal(t.run("diff", "diff", "-q", "new", "old", status=1).out(), b"", "lines of --quiet")
    events = t.run("diff", "diff", "--json", "new", "old", status=1).events()
    t.equal([event["what"] for event in events[:-1]], ["only_in_first", "only_in_second", "time", "content"], "what differs")
    done = events[-1]
    t.equal((done["same"], done["only_in_first"], done["only_in_second"], done["content"], done["mtime"]), (False, 1, 1, 1, 1), "done")
    for wrong in (["diff", "old", "none"], ["diff", "old"], ["diff", source, "old"]):
        t.run("trouble", *wrong, status=2)


@case(timeout_s=120)
def what_arrived_is_what_was_scanned(t):
    """The manifest of a source, made before, and the one that a transfer has written at its target are the same; so for named directories,
    and with rules."""
    source = small_tree(t, files=t.pick(100, 500))
    options = ("--exclude", "size-26*", "--max-size", "8M")
    for number, (named, more) in enumerate(((f"{source}/", ()), (f"{source}", ()), (f"{source}", options), (f"{source}/", ("--name", "n")))):
        target, file = t.directory / f"target{number}", f"m{number}"
        made = t.run("send", "send", "--json", "--manifest-only", file, *more, named).done()
        t.transfer(named, target, send_options=more)
        t.equal(t.run("diff", "diff", file, target).out(), b"", "what differs between the source's manifest and the target's")
        report = against(t, target, file, "--exact")
        t.equal((report["files"], report["manifest"]["root"]), (made["manifest"]["files"], made["manifest"]["root"]), "what verify found")
        t.equal(t.run("verify", "verify", "--json", target).done()["manifest"]["root"], made["manifest"]["root"], "the root of the target's own")
    same(t, source, t.directory / "target0")
    # And a scan of the target says the same again.
    scan(t, t.directory / "target0", "again")
    t.run("diff", "diff", "again", t.directory / "target0")


@case()
def manifests_are_shown(t):
    """Lines of a manifest file, of a target's, of a directory without a file: the same; as JSON with names of any bytes."""
    source = small_tree(t, files=20)
    scan(t, source, "m")
    t.run("copy", "copy", f"{source}/", "target")
    shown = t.run("show", "manifest", "--show", "m").out().decode().splitlines()
    files = data.file_bytes(source)[0]
    t.equal(len([line for line in shown if not line.startswith("#")]), files, "lines")
    t.check(any(line == f"# root: {read(t.directory / 'm')['root']}" for line in shown), "the root is missing")
    t.equal(t.run("show", "manifest", "--show", "target").out().decode().splitlines(), shown, "lines of the target's own")
    t.equal(t.run("list", "manifest", source).out().decode().splitlines(), shown, "lines of a scan without a file")
    events = t.run("show", "manifest", "--json", "--show", "m").events("file")
    names = {data.name_in(event, "path") for event in events}
    t.check(b"odd/names/\xff\xfe not utf-8" in names and b"odd/names/new\nline" in names, f"names: {sorted(names)[:20]}")


@case()
def scans_that_cannot_be_whole(t):
    """Files that cannot be read are named and counted, the rest is there: exit status 3. What is no place for a manifest is refused."""
    tree = t.directory / "tree"
    tree.mkdir()
    (tree / "a").write_text("a")
    (tree / "s").symlink_to("a")
    os.mkfifo(tree / "pipe")
    if os.geteuid() != 0:
        (tree / "closed").write_text("x")
        os.chmod(tree / "closed", 0)
    done = scan(t, tree, "m", status=0 if os.geteuid() == 0 else 3)
    t.equal((done["manifest"]["files"], done["without_record"]), (1, 2), "files, and what has no record")
    if os.geteuid() != 0:
        t.equal((done["unreadable"], data.name_in(done["errors"][0], "path")), (1, os.fsencode(tree / "closed")), "what could not be read")
    t.run("copy", "copy", f"{tree}/a", "target")
    for status, arguments in ((2, ["tree", "-o", "target/.longhaul/manifest"]), (2, ["tree", "-o", "tree"]), (1, ["tree", "-o", "none/m"]),
                              (1, ["none", "-o", "m"]), (1, ["tree/a", "-o", "m"])):
        process = t.run("refused", "manifest", *arguments, status=status)
        t.check(process.err(), f"{arguments}: nothing is said")
    t.run("verify", "verify", "target")
    t.equal(len(read(t.directory / "m")["files"]), 1, "files in the manifest that was there before")


def has_open(pid, name):
    """Whether a process has a file of this name open."""
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{number}").endswith(f"/{name}") for number in os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:  # closed since it was listed
        return False


@case(timeout_s=120)
def an_interrupted_scan_leaves_nothing(t):
    """Ctrl-C: exit status 130, the old manifest is still there, and nothing beside it."""
    source = t.directory / "source"
    source.mkdir()
    (source / "first").write_text("x")
    scan(t, source, "m")
    before = (t.directory / "m").read_bytes()
    with open(source / "large", "wb") as file:
        try:
            file.truncate(1 << 42)  # hours of zeros for SHA-256
        except OSError as error:
            raise Skip(f"no file of 4 TiB can be made here: {error.strerror}") from error
    process = t.start("manifest", "manifest", "--sha256", source, "-o", "m")
    t.wait_for(lambda: has_open(process.pid, "large"), "the large file to be open")
    process.signal(signal.SIGINT)
    t.exits(process, 130, 20)
    t.equal((t.directory / "m").read_bytes(), before, "the old manifest")
    t.equal([name for name in os.listdir(t.directory) if name.startswith(".longhaul")], [], "what stays behind")


@case(timeout_s=200, tiers=("fast", "full"))
def memory_of_a_scan_does_not_grow(t):
    """Tens of thousands of files with long names: the scan takes no more memory than its buffers."""
    tree = t.directory / "tree"
    count = t.pick(5000, 60000, 400000)
    for number in range(count):
        if number % 1000 == 0:
            here = tree / f"{number // 1000:03}-{'d' * 200}"
            here.mkdir(parents=True)
        os.close(os.open(here / f"{number:06}-{'f' * 200}", os.O_CREAT | os.O_WRONLY))
    process = t.run("manifest", "manifest", tree, "-o", "m", timeout_s=150)
    # 32 MiB of records, the sorter's buffers, 1 MiB for each of up to 8 threads, the program itself.
    t.check(process.peak_bytes < 120 * MIB, f"the scan took {process.peak_bytes / MIB:.0f} MiB")
    t.equal(data.file_bytes(tree)[0], count, "files")
    process = t.run("verify", "verify", tree, "--manifest", "m", timeout_s=150)
    t.check(process.peak_bytes < 120 * MIB, f"verify took {process.peak_bytes / MIB:.0f} MiB")
