#!/usr/bin/env python3
"""Runs one program and counts what it does, all its threads and children: system calls by name, context switches, instructions,
page faults, CPU seconds, peak memory.

    counted.py OUT.json PROGRAM [WORD...]

Ends as the program ends; its figures are then in OUT.json. System calls are counted by the kernel's tracepoints, so that the program runs at
its own pace (under strace it would make other calls); that takes root, or a permission for perf events. Instructions need counters
that many virtual machines do not have. What cannot be counted is null there, and `without` says why."""

import contextlib
import ctypes
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile

LIBC = ctypes.CDLL(None, use_errno=True)
PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}.get(os.uname().machine)
PR_SET_PDEATHSIG = 1
TYPE_HARDWARE, TYPE_TRACEPOINT = 0, 2
HARDWARE = {"cycles": 0, "instructions": 1}
# Bits of perf_event_attr.
DISABLED, INHERIT, EXCLUDE_USER, EXCLUDE_KERNEL, ENABLE_ON_EXEC, CLOSE_ON_EXEC = 1 << 0, 1 << 1, 1 << 4, 1 << 5, 1 << 12, 8
SET_FILTER = 0x40082406
# Each is one more counter that the kernel looks at in each call; so not all that there are. The rest is `other`.
CALLS = """accept4 bind brk clock_nanosleep clone clone3 close connect copy_file_range eventfd2 fadvise64 fallocate fchmod fchown fcntl
fdatasync flock fsetxattr fstat fstatfs fsync ftruncate futex getdents64 getrandom getsockopt io_uring_enter io_uring_register
landlock_add_rule linkat listxattrat lseek madvise mkdirat mmap mprotect munmap newfstatat open openat openat2 poll ppoll pread64 preadv2
prctl pwrite64 read recvfrom recvmsg renameat2 rt_sigaction rt_sigprocmask sched_yield sendmsg sendto setsockopt socket statx
sync_file_range unlinkat utimensat write""".split()
HEADERS = (f"/usr/include/{os.uname().machine}-linux-gnu/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h")
NEWER = {"listxattrat": 465}  # than Debian's headers; the same everywhere


def numbers_of_calls():
    """By name, as the C library's headers have them; empty without those."""
    header = next((name for name in HEADERS if os.path.exists(name)), os.devnull)
    with open(header, encoding="utf-8") as file:
        found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", file.read()))
    return {**{call: int(found[call]) for call in CALLS if call in found}, **(NEWER if found else {})}


@contextlib.contextmanager
def tracepoints():
    """The directory of the kernel's tracepoints, mounted for the moment where it is not."""
    where = "/sys/kernel/tracing"
    if os.path.isdir(f"{where}/events"):
        yield f"{where}/events"
        return
    with tempfile.TemporaryDirectory(prefix="longhaul-tracing-") as own:
        done = subprocess.run(["mount", "-t", "tracefs", "none", own], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise OSError(f"tracefs is not mounted, and cannot be: {done.stderr.strip()}")
        try:
            yield f"{own}/events"
        finally:
            subprocess.run(["umount", own], stdin=subprocess.DEVNULL, check=True)


def open_counter(process, kind, config, more=0):
    """A counter of what this process will become, or start, with its next exec. Returns its descriptor.

    Not of our own process, to be inherited: kernel 6.18 then forgets, in one of ten runs, what is counted behind the program's first pause."""
    if PERF_EVENT_OPEN is None:
        raise OSError(f"perf_event_open has another number on {os.uname().machine}")
    attributes = struct.pack("IIQQQQQIIQ", kind, 64, config, 0, 0, 0, DISABLED | INHERIT | ENABLE_ON_EXEC | more, 0, 0, 0)
    found = LIBC.syscall(PERF_EVENT_OPEN, attributes, process, -1, -1, ctypes.c_ulong(CLOSE_ON_EXEC))
    if found < 0:
        raise OSError(ctypes.get_errno(), f"perf_event_open: {os.strerror(ctypes.get_errno())}")
    return found


def value_of(counter):
    return struct.unpack("Q", os.read(counter, 8))[0]


class Counters:
    """Opened before the program starts, in the process that will become it; read when it has ended."""

    def __init__(self, process):
        self.process, self.calls, self.hardware, self.without = process, {}, {}, []
        try:
            with tracepoints() as events:
                self.open_calls(events)
        except OSError as problem:
            self.calls = {}
            self.without.append(f"system calls: {problem}")
        try:
            for name, config in HARDWARE.items():
                self.hardware[f"{name}_user"] = open_counter(process, TYPE_HARDWARE, config, EXCLUDE_KERNEL)
                self.hardware[f"{name}_kernel"] = open_counter(process, TYPE_HARDWARE, config, EXCLUDE_USER)
        except OSError as problem:
            self.hardware = {}
            self.without.append(f"instructions: {problem}")

    def open_calls(self, events):
        """All by one tracepoint: each tracepoint of a call's own would cost 50 ms to let go of."""
        def words(name):
            with open(f"{events}/{name}", encoding="ascii") as file:
                return file.read()

        entered = int(words("raw_syscalls/sys_enter/id"))
        self.calls["all"] = open_counter(self.process, TYPE_TRACEPOINT, entered)
        for call, number in numbers_of_calls().items():
            self.calls[call] = open_counter(self.process, TYPE_TRACEPOINT, entered)
            fcntl.ioctl(self.calls[call], SET_FILTER, b"id == %d\0" % number)

    def read(self):
        calls = {name: value_of(counter) for name, counter in self.calls.items()}
        if calls:
            calls["other"] = 2 * calls["all"] - sum(calls.values())
        return {"syscalls": {name: count for name, count in calls.items() if count} or None,
                "hardware": {name: value_of(counter) for name, counter in self.hardware.items()} or None, "without": self.without}


def run(command):
    """What the command cost, its exit status (minus a signal's number) with it."""
    go, ready = os.pipe()
    child = os.fork()
    if child == 0:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(ready)
        os.read(go, 1)  # until it is closed over there: the counters are in place
        try:
            os.execvp(command[0], command)
        except OSError as problem:
            print(f"counted.py: {command[0]}: {problem.strerror}", file=sys.stderr)
            os._exit(127)
    os.close(go)
    counters = Counters(child)
    os.close(ready)
    _, status, usage = os.wait4(child, 0)
    return {"status": os.waitstatus_to_exitcode(status), "user_s": usage.ru_utime, "system_s": usage.ru_stime,
            "peak_bytes": usage.ru_maxrss * 1024, "switches_voluntary": usage.ru_nvcsw, "switches_involuntary": usage.ru_nivcsw,
            "faults": usage.ru_minflt + usage.ru_majflt, **counters.read()}


def main():
    if len(sys.argv) < 3:
        print("usage: counted.py OUT.json PROGRAM [WORD...]", file=sys.stderr)
        return 2
    figures = run(sys.argv[2:])
    with open(sys.argv[1], "w", encoding="ascii") as out:
        json.dump(figures, out)
    return figures["status"] if figures["status"] >= 0 else 128 - figures["status"]


if __name__ == "__main__":
    sys.exit(main())
