#!/usr/bin/env python3
"""Holds the source to the layout: includes run one way, the outside world is met only at the seams.

    layers.py [ROOT]             checks the tree
    layers.py --self-test [ROOT] plants violations in a copy of the tree and sees each one caught

Prints one line per violation and "N passed, N failed, 0 skipped" (N rules, or N plants).
"""

import pathlib
import re
import shutil
import sys
import tempfile
from typing import NamedTuple

# A folder may include itself and what stands before it.
ORDER = ["longhaul", "base", "ring", "protocol", "security", "chunk", "disk", "wire", "journal", "paths", "engine", "cli"]
# These meet the world only through Disk, Wire, Clock and Random, so that the simulator can stand in for it.
SEAMLESS = ["protocol", "security", "chunk", "journal", "paths", "engine"]
FILE_LINES_MAX = 600
TOP_LEVEL = {"meson.build", "meson_options.txt", "src", "include", "tools", "tests", "bench", "README.md", "LICENSE"}

# Names that can only be the system call.
CALLS = """openat openat2 creat pwrite pread pwritev preadv pwritev2 preadv2 readv writev fsync fdatasync syncfs
sync_file_range renameat renameat2 unlinkat mkdirat symlinkat linkat readlinkat fstatat fstat lstat statx ftruncate fallocate
lseek posix_fallocate posix_fadvise fchmod fchmodat fchown futimens utimensat utimes flock opendir fdopendir readdir getdents64
mmap munmap fopen fdopen freopen mkstemp mkdtemp fgetxattr llistxattr statvfs fstatvfs
socket accept4 setsockopt getsockopt recvmsg sendmsg recvfrom sendto getaddrinfo socketpair
epoll_create1 epoll_ctl epoll_wait ppoll eventfd timerfd_create io_uring_setup syscall
clock_gettime gettimeofday nanosleep clock_nanosleep usleep sleep_for sleep_until
getrandom getentropy arc4random srand drand48 RAND_bytes""".split()
# Names that our own interfaces use too: only as ::name( or std::name(.
CALLS_IF_GLOBAL = """open read write close rename remove unlink rmdir mkdir stat link symlink readlink truncate chmod sync
send recv connect accept listen bind poll select sleep time clock rand random system popen""".split()
# Headers that nobody needs who keeps to the seams.
HEADERS = """fcntl.h sys/stat.h sys/socket.h sys/uio.h sys/mman.h sys/epoll.h sys/random.h sys/xattr.h sys/file.h sys/vfs.h
sys/statvfs.h sys/eventfd.h sys/syscall.h dirent.h poll.h netdb.h liburing.h linux/io_uring.h netinet/in.h arpa/inet.h
fstream filesystem random""".split()
# What a public header must not show, beside every non-standard header.
FOREIGN = r"\b(io_uring\w*|XXH\w*|CLI::\w+|fi_\w+|fmt::\w+|spdlog\w*|nlohmann\w*|google::protobuf\w*|boost::\w+)"

# Places that may do one of these things, and why.
ALLOWED = {
    ("security", "header fstream"): "reads /etc/machine-id, which never changes while a machine runs",
}


class Violation(NamedTuple):
    rule: str
    path: str
    line: int
    text: str


RULES = {
    "includes": "includes run downwards",
    "meeting": "disk and wire meet only in engine",
    "spelling": "own headers are included as \"folder/name.h\"",
    "public": "include/ shows only the standard library and itself",
    "seams": "no direct call of the operating system outside the seams",
    "clocks": "time and randomness only through Clock and Random",
    "length": f"no file of src or include over {FILE_LINES_MAX} lines",
    "top level": "the top level holds only what the layout names",
    "folders": "src holds only the folders of the layout",
}


def without_comments(text):
    """The code with comments, strings and character literals blanked; line numbers stay."""
    pattern = r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^\s()\\]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\''
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)


def includes_of(text):
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line):
            yield number, found[1] == '"', found[2]


def sources(root, folder):
    base = root / folder
    return sorted(p for p in base.rglob("*") if p.suffix in (".h", ".cc")) if base.is_dir() else []


def folder_of(root, path):
    parts = path.relative_to(root).parts
    return "longhaul" if parts[0] == "include" else parts[1]


def check_includes(root):
    direct = {name: {} for name in ORDER}
    for path in sources(root, "include") + sources(root, "src"):
        folder, where = folder_of(root, path), str(path.relative_to(root))
        if folder not in ORDER:
            continue
        for line, quoted, name in includes_of(path.read_text(errors="replace")):
            target = name.split("/")[0]
            if not quoted:
                if target in ORDER and "/" in name:
                    yield Violation("spelling", where, line, f"<{name}> is ours: write \"{name}\"")
                if folder == "longhaul" and not re.fullmatch(r"[a-z_0-9]+", name):
                    yield Violation("public", where, line, f"<{name}> in a public header")
                continue
            if target not in ORDER or "/" not in name or ".." in name:
                yield Violation("spelling", where, line, f"\"{name}\": write \"folder/name.h\" for ours, <...> for others")
                continue
            direct[folder].setdefault(target, (where, line))
            allowed = ["longhaul", "cli"] if folder == "cli" else ORDER[: ORDER.index(folder) + 1]
            if target not in allowed:
                yield Violation("includes", where, line, f"{folder} may not include \"{name}\"")
    yield from check_meeting(direct)


def check_meeting(direct):
    """No folder but engine reaches both disk and wire, over any number of steps."""
    for folder in ORDER:
        if folder == "engine":
            continue
        reached, todo = set(), [folder]
        while todo:
            for target in direct[todo.pop()]:
                if target not in reached:
                    reached.add(target)
                    todo.append(target)
        if {"disk", "wire"} <= reached | {folder}:
            where, line = next(iter(direct[folder].values()))
            yield Violation("meeting", where, line, f"{folder} brings disk and wire together")


def check_main(root):
    for path in sources(root, "tools"):
        for line, quoted, name in includes_of(path.read_text(errors="replace")):
            if quoted and name.split("/")[0] not in ("cli", "longhaul"):
                yield Violation("includes", str(path.relative_to(root)), line, f"tools may not include \"{name}\"")


def is_call(code, start):
    """Whether the name at `start` is called there, rather than declared or a member: judged by what stands before it."""
    before = code[:start].rstrip()
    if before.endswith(("->", ".")):
        return False
    if before.endswith("::"):
        owner = re.search(r"([\w>]+)\s*::$", before)
        return owner is None or owner[1] in ("std", "this_thread", "return")
    word = re.search(r"(\w+)$", before)
    if word:
        return word[1] in ("return", "co_return", "else", "do", "throw")
    return not before.endswith((">", "*")) or before.endswith("->")


def check_seams(root):
    any_call = re.compile(r"\b(" + "|".join(CALLS) + r")\s*\(")
    global_call = re.compile(r"(?:(?<![\w>])::|\bstd::)\s*(" + "|".join(CALLS_IF_GLOBAL) + r")\s*\(")
    clock = re.compile(r"\b(steady_clock|high_resolution_clock|chrono::system_clock|random_device|mt19937(?:_64)?|default_random_engine)\b")
    for folder in SEAMLESS:
        for path in sources(root, f"src/{folder}"):
            text, where = path.read_text(errors="replace"), str(path.relative_to(root))
            for line, quoted, name in includes_of(text):
                if not quoted and name in HEADERS and (folder, f"header {name}") not in ALLOWED:
                    yield Violation("seams", where, line, f"<{name}> belongs to a seam (disk, wire, ring, base)")
            code = without_comments(text)
            found = [("seams", m) for m in any_call.finditer(code) if is_call(code, m.start())]
            found += [("seams", m) for m in global_call.finditer(code)]
            found += [("clocks", m) for m in clock.finditer(code)]
            for rule, match in found:
                line = code.count("\n", 0, match.start()) + 1
                yield Violation(rule, where, line, f"{match[0].strip()}: goes through Disk, Wire, Clock or Random")


def check_public_words(root):
    for path in sources(root, "include"):
        code = without_comments(path.read_text(errors="replace"))
        for match in re.finditer(FOREIGN, code):
            line = code.count("\n", 0, match.start()) + 1
            yield Violation("public", str(path.relative_to(root)), line, f"{match[0]} in a public header")


def check_shape(root):
    for path in sources(root, "include") + sources(root, "src"):
        lines = path.read_bytes().count(b"\n")
        if lines > FILE_LINES_MAX:
            yield Violation("length", str(path.relative_to(root)), lines, f"{lines} lines: it wants to be two files")
    for entry in sorted(root.iterdir()):
        if entry.name not in TOP_LEVEL and not entry.name.startswith((".", "build")):
            yield Violation("top level", entry.name, 0, "not part of the layout")
    for entry in sorted((root / "src").iterdir()):
        if entry.is_dir() and entry.name not in ORDER[1:]:
            yield Violation("folders", f"src/{entry.name}", 0, "not part of the layout")
    for entry in sorted((root / "include").iterdir()):
        if entry.name != "longhaul":
            yield Violation("folders", f"include/{entry.name}", 0, "not part of the layout")


def check(root):
    found = []
    for rule in (check_includes, check_main, check_seams, check_public_words, check_shape):
        found += rule(root)
    return found


# What the self-test plants: (rule that must speak, file, text).
PLANTS = [
    ("includes", "src/base/x.cc", '#include "disk/disk.h"\n'),
    ("includes", "src/protocol/x.h", '#include "security/ticket.h"\n'),
    ("includes", "src/disk/x.cc", '#include "wire/wire.h"\n'),
    ("includes", "src/wire/x.cc", '#include "journal/landing.h"\n'),
    ("includes", "src/cli/x.cc", '#include "base/log.h"\n'),
    ("includes", "src/cli/x.cc", '  #  include "engine/session.h"\n'),
    ("includes", "include/longhaul/x.h", '#include "base/bytes.h"\n'),
    ("includes", "tools/x.cc", '#include "engine/session.h"\n'),
    ("meeting", "src/wire/x.cc", '#include "disk/disk.h"\n'),
    ("meeting", "src/paths/x.cc", '#include "disk/disk.h"\n#include "wire/wire.h"\n'),
    ("spelling", "src/base/x.cc", '#include "bytes.h"\n'),
    ("spelling", "src/base/x.cc", '#include "../base/bytes.h"\n'),
    ("spelling", "src/chunk/x.cc", "#include <disk/disk.h>\n"),
    ("public", "include/longhaul/x.h", "#include <liburing.h>\n"),
    ("public", "include/longhaul/x.h", "#include <sys/types.h>\n"),
    ("public", "include/longhaul/x.h", "struct io_uring;\n"),
    ("public", "include/longhaul/x.h", "struct A { XXH3_state_t* state; };\n"),
    ("public", "include/longhaul/x.h", "void add(CLI::App& app);\n"),
    ("seams", "src/engine/x.cc", "void f() { ::open(name, 0); }\n"),
    ("seams", "src/engine/x.cc", "int f() { return openat(1, name, 0); }\n"),
    ("seams", "src/journal/x.cc", "void f() { if (pwrite(fd, data, 1, 0) != 1) g(); }\n"),
    ("seams", "src/journal/x.cc", "void f() { const auto got = ::pread(fd, data, 1, 0); }\n"),
    ("seams", "src/journal/x.cc", "void f() {\n  fsync(fd);\n}\n"),
    ("seams", "src/journal/x.cc", "void f() { std::rename(a, b); }\n"),
    ("seams", "src/chunk/x.cc", "#include <fstream>\n"),
    ("seams", "src/paths/x.cc", "void f() { (void)socket(1, 2, 3); }\n"),
    ("seams", "src/engine/x.cc", "#include <sys/socket.h>\n"),
    ("seams", "src/engine/x.cc", "void f() { std::this_thread::sleep_for(x); }\n"),
    ("seams", "src/security/x.cc", "void f() { if (getrandom(p, 1, 0) < 0) g(); }\n"),
    ("seams", "src/protocol/x.cc", "void f() { clock_gettime(CLOCK_MONOTONIC, &now); }\n"),
    ("clocks", "src/paths/x.cc", "auto t = std::chrono::steady_clock::now();\n"),
    ("clocks", "src/engine/x.cc", "std::random_device device;\n"),
    ("clocks", "src/engine/x.cc", "auto t = std::chrono::system_clock::now();\n"),
    ("length", "src/base/x.cc", "\n" * (FILE_LINES_MAX + 1)),
    ("top level", "notes.txt", "x\n"),
    ("folders", "src/misc/x.cc", "int x;\n"),
    ("folders", "include/other/x.h", "int x;\n"),
]
# What must not be taken for a violation.
INNOCENT = [
    ("src/journal/x.h", "struct A {\n  static Result<int> open(Disk& disk);\n  Result<> fsync(int fd);\n  void* mmap(int);\n};\n"),
    ("src/journal/x.cc", "void f() { disk.rename(a, b); disk_->pread(x); auto y = ManifestLog::open(disk); }\n"),
    ("src/engine/x.cc", "// calls pwrite(fd) and std::random_device\nconst char* text = \"fsync(fd) failed\";\n"),
    ("src/engine/x.cc", "#include \"disk/disk.h\"\n#include \"wire/wire.h\"\n#include <vector>\n"),
    ("src/engine/x.cc", "auto now = system_clock().now();\nconst int big = 1'000'000;\n"),
    ("src/cli/x.cc", "#include \"cli/x.h\"\n#include \"longhaul/units.h\"\n#include <CLI/CLI.hpp>\n"),
    ("include/longhaul/x.h", "#include <vector>\n#include \"longhaul/status.h\"\n// no io_uring here\n"),
]


def self_test(root):
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="longhaul-layers-") as scratch:
        copy = pathlib.Path(scratch) / "tree"
        copy.mkdir()
        for name in ("src", "include", "tools"):
            shutil.copytree(root / name, copy / name)
        before = set(check(copy))
        for rule, path, text in PLANTS + [(None, *plant) for plant in INNOCENT]:
            target = copy / path
            made = not target.parent.exists()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            new = {v.rule for v in set(check(copy)) - before}
            if made:
                shutil.rmtree(target.parent)
            else:
                target.unlink()
            right = rule in new if rule else not new
            passed, failed = passed + right, failed + (not right)
            if not right:
                print(f"planted in {path}: {text.strip()[:100]!r}: wanted {rule or 'silence'}, got {sorted(new) or 'silence'}")
    unplanted = set(RULES) - {rule for rule, _, _ in PLANTS}
    for rule in sorted(unplanted):
        print(f"no plant for the rule '{rule}'")
    return passed, failed + len(unplanted)


def main():
    args = [a for a in sys.argv[1:] if a != "--self-test"]
    root = pathlib.Path(args[0] if args else pathlib.Path(__file__).parents[2]).resolve()
    if "--self-test" in sys.argv[1:]:
        passed, failed = self_test(root)
    else:
        found = check(root)
        for violation in found:
            print(f"{violation.path}:{violation.line}: [{violation.rule}] {violation.text}")
        broken = {v.rule for v in found}
        passed, failed = len(RULES) - len(broken), len(broken)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
