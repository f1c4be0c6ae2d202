"""A real system tree, as Debian's packages have installed it, read where it stands: rsync is asked whether it sees a difference."""

import os
import shutil
import stat
import subprocess

import data
from cases_fidelity import rsync_would_change_nothing
from checks import need
from harness import Skip, case

# Absolute symlinks; relative ones; directories of one owner's; setuid and setgid bits and several names of one file. Debian's smallest
# installation has them, and together they are some 3000 names.
PLACES = ("/etc/alternatives", "/etc/ssl/certs", "/usr/share/zoneinfo", "/usr/bin")
LARGEST = "1MiB"  # of /usr/bin compilers are left out
LEAST_NAMES = 1000
MOST_BYTES = 4 << 30  # of the full tier


def stamps(places):
    """{path: what a change of it would change}, of everything at and below `places`. Reading a file changes none of it."""
    found = {}
    for place in places:
        paths = [place] + [os.path.join(parent, name) for parent, directories, names in os.walk(place) for name in directories + names]
        for path in paths:
            seen = os.lstat(path)
            found[path] = (seen.st_ino, seen.st_ctime_ns, seen.st_mode, seen.st_size, seen.st_nlink)
    return found


def stay_as_they_were(places, before):
    """No test may change what packages have installed, so nothing but a package manager at the same time could: then nothing is said."""
    try:
        now = stamps(places)
    except FileNotFoundError as gone:
        raise Skip(f"{gone.filename} went while the test ran") from gone
    changed = [path for path in before.keys() | now.keys() if before.get(path) != now.get(path)]
    if changed:
        raise Skip(f"somebody changed {len(changed)} names of the system while the test ran, {min(changed)} for one")


def made(target):
    """Which files, links and special files stand at a target, and when each was last touched. Directories get their time in each run."""
    return {name: (seen.st_ino, seen.st_ctime_ns) for name, seen in data.listing(target).items() if not stat.S_ISDIR(seen.st_mode)}


def told(found):
    """What kinds of names there are."""
    links = [os.readlink(path) for path, (_, _, mode, _, _) in found.items() if stat.S_ISLNK(mode)]
    absolute = sum(link.startswith("/") for link in links)
    files = [(inode, mode, names) for inode, _, mode, _, names in found.values() if stat.S_ISREG(mode)]
    powers = sum(bool(mode & (stat.S_ISUID | stat.S_ISGID)) for _, mode, _ in files)
    further = sum(names > 1 for _, _, names in files)
    return (f"{len(found)} names: {len(files)} files, {absolute} absolute and {len(links) - absolute} relative symlinks, "
            f"{further} names of files that have several, {powers} files with setuid or setgid")


def bytes_of(places):
    used = subprocess.run(["du", "--summarize", "--total", "--one-file-system", "--block-size=1", *places], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300, check=False).stdout
    return int(used.splitlines()[-1].split()[0])


def most_of_it(t):
    """The most of /usr that takes minutes, and for which there is room."""
    room = min(MOST_BYTES, shutil.disk_usage(t.directory).free * 3 // 4)
    for places in (("/usr",), ("/usr/share", "/usr/lib"), ("/usr/share", "/usr/bin", "/usr/sbin")):
        size = bytes_of(places)
        if size <= room:
            return places
    raise Skip(f"{' '.join(places)} have {size >> 20} MiB, and {room >> 20} MiB are what the test may take at {t.directory}")


def chosen_places(t):
    """(places, options of both programs)"""
    if t.tier == "full":
        return most_of_it(t), ()
    return tuple(place for place in PLACES if os.path.isdir(place)), (f"--max-size={LARGEST}",)


@case(root=True, timeout_s=180)
def a_real_system_tree(t):
    """What packages have installed, with --archive over two paths: rsync -aHAXS --checksum sees no difference, and a second run sends nothing."""
    need("rsync", "rsync")
    places, options = chosen_places(t)
    target, patience_s = t.directory / "target", t.pick(60, 60, 900)
    before = stamps(places)
    if len(before) < LEAST_NAMES:
        raise Skip(f"this system has {len(before)} names in {' '.join(places)}: too few to say anything")
    print(f"      {' '.join(places)}: {told(before)}", flush=True)

    def send():
        receiver = t.receive("--special", target)
        sender = t.send("--archive", *options, *places)
        t.wait_for(lambda: sender.poll() is not None, "the transfer", patience_s)
        return sender, receiver

    sender, receiver = send()
    stay_as_they_were(places, before)
    t.exits(sender, 0)
    t.exits(receiver, 0, 20)
    not_kept = ("hard_links", "xattr_files", "special_files", "owners_not_kept", "attributes_not_kept", "modes_not_kept", "failed_files")
    done = sender.done()
    t.equal({name: done[name] for name in not_kept if done[name]}, {}, "what was not kept")
    rsync_would_change_nothing(t, places, target, "-aHAXS", *options, timeout_s=patience_s)
    first = made(target)
    sender, receiver = send()
    t.exits(sender, 0)
    t.exits(receiver, 0, 20)
    again = sender.done()
    t.equal([again[name] for name in ("files", "bytes", "failed_files")], [0] * 3, "files, bytes, failures of a second run")
    touched = [name for name, seen in made(target).items() if first.get(name) != seen]
    t.equal(touched[:5], [], "what a second run has made again, or changed")
    rsync_would_change_nothing(t, places, target, "-aHAXS", *options, timeout_s=patience_s)
    stay_as_they_were(places, before)
