"""What of a file is kept beside its content: owners, attributes, ACLs, hard links, special files. rsync is asked whether it sees a difference."""

import os
import random
import shutil
import socket
import stat
import struct

import cases_ssh
import data
from checks import need, same, verify
from harness import Skip, case

# As the kernel keeps them (linux/posix_acl_xattr.h): version, then tag, permissions, id of each.
OWNER, USER, OWNING_GROUP, GROUP, MASK, OTHERS, NOBODY = 1, 2, 4, 8, 16, 32, 0xFFFFFFFF


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


READ_BY_DAEMON = acl((OWNER, 6, NOBODY), (USER, 4, 1), (OWNING_GROUP, 4, NOBODY), (MASK, 4, NOBODY), (OTHERS, 4, NOBODY))
WRITE_BY_BIN = acl((OWNER, 7, NOBODY), (OWNING_GROUP, 5, NOBODY), (GROUP, 7, 2), (MASK, 7, NOBODY), (OTHERS, 5, NOBODY))


def rsync_would_change_nothing(t, sources, target, *options, by_content=True, timeout_s=60):
    """Nothing that rsync would still copy from `sources`, in its own sense of a slash at their ends, into `target`, looking at every byte
    (or, not `by_content`, at size and time)."""
    need("rsync", "rsync")
    seen = t.exits(t.start_program("rsync", "rsync", *options, *(["--checksum"] if by_content else []), "--dry-run", "--itemize-changes", "--delete",
                                   "--exclude=.longhaul", *sources, f"{target}/"), 0, timeout_s)
    t.equal(seen.out().decode(errors="replace"), "", "what rsync would still change")


def rsync_sees_no_difference(t, source, target, options="-aHAXS"):
    """Nothing that rsync would still copy from `source` to `target`: their content, and themselves."""
    rsync_would_change_nothing(t, [f"{source}/"], target, options)


def make_tree(root):
    """Every property at once; as root."""
    data.make_oddities(root)
    for number, name in enumerate(("owned", "owned-dir", "link-owned")):
        path = root / name
        if name == "owned-dir":
            path.mkdir()
        elif name == "link-owned":
            path.symlink_to("owned")
        else:
            path.write_text(name)
        os.chown(path, 1000 + number, 2000 + number, follow_symlinks=False)
    os.chmod(data.write_random(root / "setuid", 10), 0o4755)
    os.chmod(data.write_random(root / "setgid", 10), 0o2711)
    (root / "sticky").mkdir()
    os.chmod(root / "sticky", 0o3777)
    for size, name in ((10, "attributes-small"), (200_000, "attributes-middle"), (9_000_000, "attributes-large")):
        path = data.write_random(root / name, size)
        os.setxattr(path, "user.comment", b"of any bytes \0\xff")
        os.setxattr(path, "user.empty", b"")
        os.chmod(path, 0o444)
    os.setxattr(root / "owned-dir", "user.of.a.directory", b"x" * 500)
    links = root / "links"
    (links / "deep").mkdir(parents=True)
    for size, name in ((10, "small"), (200_000, "middle"), (9_000_000, "large")):
        data.write_random(links / name, size)
        os.link(links / name, links / "deep" / name)
        os.link(links / name, links / f"{name}.again")
    os.mkfifo(root / "pipe", 0o640)
    os.mknod(root / "character", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(root / "block", 0o660 | stat.S_IFBLK, os.makedev(7, 200))
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(root)  # the name of a socket must be short
        listening.bind("socket")
        os.chdir(here)


def set_acls(root):
    for name in ("owned", "attributes-large"):
        os.setxattr(root / name, "system.posix_acl_access", READ_BY_DAEMON)
    os.setxattr(root / "owned-dir", "system.posix_acl_access", WRITE_BY_BIN)
    os.setxattr(root / "owned-dir", "system.posix_acl_default", WRITE_BY_BIN)


@case(root=True, timeout_s=120)
def everything_is_kept(t):
    """--archive over two paths: rsync -aHAXS sees no difference; neither after a rerun, which has nothing to send."""
    source, target = t.directory / "source", t.directory / "target"
    make_tree(source)
    set_acls(source)
    receiver = t.receive("--special", target)
    sender = t.exits(t.send("--archive", f"{source}/"), 0)
    t.exits(receiver, 0)
    same(t, source, target)
    rsync_sees_no_difference(t, source, target)
    done = sender.done()
    t.equal((done["hard_links_made"], done["special_files_made"]), (6, 4), "hard links and special files made")
    not_kept = ("hard_links", "xattr_files", "special_files", "owners_not_kept", "attributes_not_kept", "modes_not_kept", "failed_files")
    t.equal({name: done[name] for name in not_kept if done[name]}, {}, "what was not kept")
    again = t.run("copy", "copy", "--json", "--archive", f"{source}/", target).done()
    t.equal((again["files"], again["failed_files"]), (0, 0), "files sent, failed by the rerun")
    rsync_sees_no_difference(t, source, target)
    t.equal(verify(t, target)["without_digest"], 0, "files without digest")


def make_names_of_every_byte(root):
    """Each byte that a name can hold, in names of files, directories, symlinks, further names, and in what symlinks say."""
    here = os.fsencode(root)
    os.makedirs(here)
    every = bytes(byte for byte in range(1, 256) if byte != ord("/"))
    for kind in (b"files", b"directories", b"links", b"further"):
        os.mkdir(os.path.join(here, kind))
    for name in [bytes((byte,)) for byte in every if byte != ord(".")] + [every]:
        try:
            with open(os.path.join(here, b"files", name), "wb") as file:
                file.write(name)
        except OSError as error:
            raise Skip(f"this file system does not take names of any bytes: {error.strerror}") from error
        os.mkdir(os.path.join(here, b"directories", name))
        with open(os.path.join(here, b"directories", name, name), "wb") as file:
            file.write(name * 2)
        os.symlink(b"../files/" + name, os.path.join(here, b"links", name))
        os.link(os.path.join(here, b"files", name), os.path.join(here, b"further", name))


@case()
def names_of_every_byte(t):
    """Each byte but NUL and / as a name, and a name of all of them: rsync -aHAXS sees no difference; a second run sends nothing."""
    source, target = t.directory / "source", t.directory / "target"
    make_names_of_every_byte(source)
    receiver = t.receive(target)
    sender = t.exits(t.send("--archive", f"{source}/"), 0)
    t.exits(receiver, 0, 20)
    names = 254  # each alone but the dot, and all in one
    done = sender.done()
    t.equal((done["files"], done["hard_links_made"], done["failed_files"]), (2 * names, names, 0), "files, further names, failures")
    same(t, source, target)
    rsync_sees_no_difference(t, source, target)
    t.equal(verify(t, target)["files"], 2 * names, "files that verify found")
    again = t.run("copy", "copy", "--json", "--archive", f"{source}/", target).done()
    t.equal((again["files"], again["bytes"], again["failed_files"]), (0, 0, 0), "files, bytes, failures of a second run")


@case(root=True)
def properties_alone_are_brought_up_to_date(t):
    """Content and time are as they were, owner, attributes, ACL and links are not: nothing is sent, and all of it is set."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    for name in ("one", "two", "three"):
        data.write_random(source / name, 5000)
    t.run("copy", "copy", "--archive", f"{source}/", target)
    times = {name: os.stat(source / name) for name in ("one", "two", "three")}
    os.chown(source / "one", 1234, 4321)
    os.chmod(source / "one", 0o6755)
    os.setxattr(source / "two", "user.new", b"new")
    os.setxattr(target / "two", "user.stray", b"of somebody else")
    os.remove(source / "three")
    os.link(source / "two", source / "three")
    for name in ("one", "two"):
        os.utime(source / name, ns=(times[name].st_atime_ns, times[name].st_mtime_ns))
    done = t.run("copy", "copy", "--json", "--archive", f"{source}/", target).done()
    t.equal(done["files"], 0, "files sent")
    rsync_sees_no_difference(t, source, target)
    t.equal(os.stat(target / "two").st_ino, os.stat(target / "three").st_ino, "inode of both names")


@case(root=True)
def what_gives_powers_must_be_allowed(t):
    """A receiver without --special: setuid bits and security attributes are left out, devices refused; all of it is said."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "plain", 10)
    os.chmod(data.write_random(source / "setuid", 10), 0o4755)
    data.write_random(source / "capable", 10)
    os.setxattr(source / "capable", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    os.mknod(source / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    receiver = t.receive(target)
    sender = t.exits(t.send("--archive", f"{source}/"), 3)
    t.exits(receiver, 3)
    done = sender.done()
    t.equal((done["modes_not_kept"], done["attributes_not_kept"], done["failed_files"]), (1, 1, 1), "modes, attributes not kept, failed")
    t.says(sender, "--special", "null")
    t.equal(stat.S_IMODE(os.stat(target / "setuid").st_mode), 0o755, "mode without setuid")
    t.equal(os.listxattr(target / "capable"), [], "attributes")
    t.check(not (target / "null").exists(), "a device was made")


@case(user=True)
def who_is_not_root_keeps_what_he_can(t):
    """An ordinary user's receiver cannot give files away: they arrive, and it is said."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "mine", 10)
    os.link(source / "mine", source / "also mine")
    os.setxattr(source / "mine", "user.note", b"kept")
    os.mkfifo(source / "pipe")
    (source / "link-to-etc").symlink_to("/etc/passwd")
    done = t.run("copy", "copy", "--json", "--archive", f"{source}/", "/etc/hostname", target).done()
    t.equal(done["owners_not_kept"], 1, "owners not kept: of root's file")
    t.equal(os.getxattr(target / "mine", "user.note"), b"kept", "attribute")
    t.equal(os.stat(target / "mine").st_ino, os.stat(target / "also mine").st_ino, "inode of both names")
    t.check(stat.S_ISFIFO(os.lstat(target / "pipe").st_mode), "no pipe")


@case(user=True)
def into_a_directory_that_cannot_be_read(t):
    """One of the target's that its owner may enter and write to, and not read: what is new for it lands, and it gets the source's mode."""
    source, target = t.directory / "source", t.directory / "target"
    (source / "d").mkdir(parents=True)
    data.write_random(source / "d" / "new", 1000)
    (target / "d").mkdir(parents=True)
    os.chmod(target / "d", 0o300)
    t.run("copy", "copy", f"{source}/", target)
    same(t, source, target)
    t.equal(stat.S_IMODE(os.stat(target / "d").st_mode), stat.S_IMODE(os.stat(source / "d").st_mode), "mode of the directory")


@case(user=True)
def what_may_not_be_read_gets_its_mode(t):
    """A file of the target's with the right size and time that its mode keeps its owner from opening: it gets the source's mode."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "file", 1000)
    t.run("copy", "copy", f"{source}/", target)
    os.chmod(target / "file", 0)
    done = t.run("copy", "copy", "--json", f"{source}/", target).done()
    t.equal((done["skipped_files"], done["modes_not_kept"]), (1, 0), "skipped, modes not kept")
    t.equal(stat.S_IMODE(os.stat(target / "file").st_mode), stat.S_IMODE(os.stat(source / "file").st_mode), "mode")


@case()
def names_of_owners(t):
    """By name as rsync has it: the number that the receiver's machine has for it; --numeric-ids takes the number."""
    source = t.directory / "source"
    source.mkdir()
    data.write_random(source / "file", 10)
    for words in (("--owner",), ("--owner", "--numeric-ids")):
        t.run("copy", "copy", *words, f"{source}/", t.directory / f"target{len(words)}")
        found = os.stat(t.directory / f"target{len(words)}" / "file")
        t.equal((found.st_uid, found.st_gid), (os.getuid(), os.stat(source / "file").st_gid), "owner")


@case()
def hard_links_of_random_trees(t):
    """Names come and go between runs, with --hard-links: each time rsync -aH sees no difference."""
    need("rsync", "rsync")
    for seed in range(t.pick(3, 6, 60)):
        chance = random.Random(seed)
        source, target = t.directory / f"source-{seed}", t.directory / f"target-{seed}"
        for name in ("a", "b/c", "d"):
            (source / name).mkdir(parents=True)
        for turn in range(3):
            names = [source / place / str(number) for place in ("", "a", "b/c", "d") for number in range(4)]
            for name in names:
                if name.exists() and chance.random() < 0.3:
                    name.unlink()
            there = [name for name in names if name.exists()]
            for name in names:
                if name.exists():
                    continue
                if there and chance.random() < 0.5:
                    os.link(chance.choice(there), name)
                elif chance.random() < 0.7:
                    data.write_random(name, chance.choice((0, 10, 5000, 200_000)))
                    there.append(name)
            for name in names:  # what is gone at the source stays at the target
                if not name.exists():
                    (target / name.relative_to(source)).unlink(missing_ok=True)
            t.run("copy", "copy", "--quiet", "--no-control", "--hard-links", f"{source}/", target)
            rsync_sees_no_difference(t, source, target, "-aH")
            t.check(turn >= 0 and not list((target / ".longhaul/landing").iterdir()), "the landing zone is not empty")
        shutil.rmtree(source)
        shutil.rmtree(target)


@case()
def a_link_whose_file_did_not_arrive(t):
    """The first name cannot be read: its further names are told as failed as well, and the rest arrives."""
    if os.geteuid() == 0:
        raise Skip("root can read everything")
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "a", 10)
    os.link(source / "a", source / "b")
    os.chmod(source / "a", 0)
    data.write_random(source / "c", 10)
    done = t.run("copy", "copy", "--json", "--hard-links", f"{source}/", target, status=3).done()
    t.equal((done["failed_files"], done["files"]), (2, 1), "failed, arrived")
    t.equal(sorted(os.listdir(target)), [".longhaul", "c"], "what has arrived")


@case()
def properties_cross_by_ssh(t):
    """copy to HOST: the other end is told what to keep and what it may make."""
    source = t.directory / "source"
    source.mkdir()
    data.write_random(source / "one", 10)
    os.link(source / "one", source / "two")
    os.mkfifo(source / "pipe")
    t.exits(cases_ssh.copy(t, "--archive", f"{source}/", f"{cases_ssh.FAR}:{t.directory}/there"), 0)
    t.exits(cases_ssh.copy(t, "--archive", f"{cases_ssh.FAR}:{source}/", "here"), 0)
    for target in ("there", "here"):
        found = os.stat(t.directory / target / "one")
        t.equal((found.st_nlink, stat.S_ISFIFO(os.lstat(t.directory / target / "pipe").st_mode)), (2, True), f"{target}: names of one file, a pipe")


@case()
def hard_links_and_what_is_left_alone(t):
    """--existing makes no further name that is not there, --ignore-existing replaces none that is, --update none that is newer, and no name is given to what was left alone; of a list, only the listed names are linked."""
    source = t.directory / "source"
    (source / "new").mkdir(parents=True)
    data.write_random(source / "new" / "file", 1000)
    os.link(source / "new" / "file", source / "other name")
    os.link(source / "new" / "file", source / "third name")
    target = t.directory / "target"
    target.mkdir()
    (target / "third name").write_text("mine")
    done = t.run("copy", "copy", "--json", "-H", "--existing", f"{source}/", target).done()
    t.equal((done["failed_files"], sorted(os.listdir(target))), (0, [".longhaul", "third name"]), "failed; what is there with --existing")
    shutil.rmtree(target)
    target.mkdir()
    (target / "third name").write_text("mine")
    process = t.start("copy", "copy", "-H", "--ignore-existing", f"{source}/", target)
    t.check(process.wait() in (0, 3), f"status {process.status}")  # 3: the walk met the name first that was left alone
    t.equal((target / "third name").read_text(), "mine", "what was there")
    for name in ("new/file", "other name"):
        t.check(not (target / name).exists() or data.same_content(source / name, target / name), f"{name} has another file's content")
    newer = t.directory / "newer"
    newer.mkdir()
    os.utime(source / "new" / "file", (10**9, 10**9))  # the time of all three
    for name in ("other name", "third name"):
        (newer / name).write_text("mine")
        os.utime(newer / name, (10**9 + (1 if name == "third name" else -1),) * 2)
    (t.directory / "list").write_text("third name\nother name\n")  # of a list names come in order
    done = t.run("copy", "copy", "--json", "-H", "--update", "--files-from", "list", f"{source}/", newer).done()
    t.equal((newer / "third name").read_bytes(), b"mine", "what was newer")
    t.check(data.same_content(source / "other name", newer / "other name"), "what was older was not updated")
    t.equal((done["left_alone"], done["failed_files"]), (1, 0), "left alone, failed")
    listed = t.directory / "listed"
    t.run("copy", "copy", "-H", "--files-from", "list", f"{source}/", listed)
    t.equal((sorted(os.listdir(listed)), os.stat(listed / "third name").st_nlink), ([".longhaul", "other name", "third name"], 2), "of a list")
