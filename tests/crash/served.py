"""File systems that a program of ours serves by FUSE: begun, mounted where nobody else sees it, and gone at the end of the case."""

import ctypes
import functools
import os
import signal
import subprocess

import harness

CLONE_NEWNS = 0x20000


def end_with_parent():
    """Not SIGKILL: the last process of a mount namespace unmounts what is in it, and would then wait for itself to answer. At
    SIGTERM the disk hangs up first."""
    harness.LIBC.prctl(harness.PR_SET_PDEATHSIG, signal.SIGTERM)


@functools.cache
def own_mounts():
    """From here on nobody else sees our mounts. Returns why that cannot be, or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        return f"no mount namespace of our own: {os.strerror(ctypes.get_errno())}"
    done = subprocess.run(["mount", "--make-rprivate", "/"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    return done.stderr.strip()


def why_not_served(program, *more_devices):
    """What is missing here for that, or nothing."""
    if not os.access(program, os.X_OK):
        return f"no {program}: libfuse3 was missing when the build was configured (tools/setup installs it)"
    for device in ("/dev/fuse", *more_devices):
        if not os.access(device, os.R_OK | os.W_OK):
            return f"no {device} on this machine"
    return own_mounts()


def serve(t, command, where, log, is_there):
    """Begins what serves the file system at `where`, and waits until it `is_there`."""
    with open(log, "wb") as out:
        # A session of its own: Ctrl-C must not end it before what is mounted of it.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                   preexec_fn=end_with_parent)
    t.at_end(lambda: end(process, where))
    t.wait_for(lambda: is_there() or process.poll() is not None, f"the file system at {where}")
    if process.poll() is not None:
        raise harness.Skip("FUSE does not mount here: " + log.read_text(errors="replace").strip())


def end(process, where):
    unmount(where)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


def unmount(where):
    """Whatever state it is in."""
    if os.path.ismount(where):
        subprocess.run(["umount", where], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    if os.path.ismount(where):
        subprocess.run(["umount", "--lazy", where], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
