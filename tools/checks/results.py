"""What one step of the checks has found out, and how it is read from the output of meson, gtest and our own scripts."""

import dataclasses
import json
import pathlib
import re

SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped\s*$", re.M)


@dataclasses.dataclass
class Result:
    """Counts of test cases, why some were skipped, and what to show of the failures."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    skip_reasons: list = dataclasses.field(default_factory=list)
    failures: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.skip_reasons += other.skip_reasons
        self.failures += other.failures


def failure(text):
    return Result(failed=1, failures=[text])


def skip(reason):
    return Result(skipped=1, skip_reasons=[reason])


def tail(text, lines=80):
    """The end of a log, which is where the failure usually stands."""
    kept = text.splitlines()
    left_out = len(kept) - lines
    return "\n".join(([f"... ({left_out} lines before)"] if left_out > 0 else []) + kept[-lines:])


def failed_blocks(output):
    """What a script says of each test that failed: its FAILED line and what is indented below it, of which the reason comes first."""
    blocks = re.findall(r"^FAILED .*(?:\n[ \t].*)*", output, re.M)
    return "\n".join("\n".join(block.splitlines()[:80]) for block in blocks)


def of_script(name, output, status):
    """Of a script that ends with "N passed, N failed, N skipped". A script that dies before that has failed."""
    summaries = SUMMARY.findall(output)
    if not summaries:
        return failure(f"{name} ended with status {status} and no summary:\n{tail(output)}")
    passed, failed, skipped = map(int, summaries[-1])
    result = Result(passed, failed, skipped)
    if skipped:
        result.skip_reasons = [line.strip() for line in output.splitlines() if re.match(r"\s*skip(ped)?\b", line, re.I)]
    if failed == 0 and status not in (0, 77):
        result.failed = 1
    if result.failed:
        result.failures = [f"{name}:\n{failed_blocks(output) or tail(output)}"]
    return result


def of_gtest(name, output, status):
    """Of a gtest program, case by case. A crash counts as one more failed case."""
    lines = re.findall(r"\[ {0,7}(OK|  FAILED  |  SKIPPED ) \] (\S+?)(?:,.*)? \(\d+ ms\)", output)
    kinds = [kind.strip() for kind, _ in lines]
    result = Result(kinds.count("OK"), kinds.count("FAILED"), kinds.count("SKIPPED"))
    for case, reason in re.findall(r"\[ RUN      \] (\S+)\n\S+: Skipped\n(.*)", output):
        result.skip_reasons.append(f"{name} {case}: {reason.strip()}")
    if status != 0 and result.failed == 0:
        result.failed = 1
    if result.failed:
        result.failures = [f"{name}:\n{tail(output)}"]
    return result


def of_meson_log(path):
    """Of a testlog.json: every test in it by the counts in its own output; tests that print none count as one case."""
    result = Result()
    for line in pathlib.Path(path).read_text(errors="replace").splitlines():
        test = json.loads(line)
        name, output = test["name"], test.get("stdout", "") + test.get("stderr", "")
        status = {"OK": 0, "SKIP": 77, "EXPECTEDFAIL": 0}.get(test["result"], test.get("returncode") or 1)
        if "[==========]" in output:
            result.add(of_gtest(name, output, status))
        elif SUMMARY.search(output):
            result.add(of_script(name, output, status))
        elif status == 0:
            result.passed += 1
        elif status == 77:
            result.add(skip(f"{name}: {tail(output, 1)}"))
        else:
            result.add(failure(f"{name} ({test['result']}):\n{tail(output)}"))
    return result
