"""What compare.py has found, as figures and as Markdown. Pure: no process, no file."""

import statistics

from warming import MIB

GIB = 1 << 30


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarise(mover, runs, size):
    """The row of one mover in one group. `runs`: [{"seconds", "cpu_seconds", "memory_bytes", "commands"}], or one with "failed"."""
    row = {"mover": mover.name, "verified": mover.verified, "sealed": mover.sealed, "durable": mover.durable, "paths": mover.paths, "runs": runs}
    failed = next((run["failed"] for run in runs if "failed" in run), None)
    if failed:
        return {**row, "failed": failed}
    return {**row, "seconds": spread([run["seconds"] for run in runs]),
            "gb_per_s": spread([size / run["seconds"] / 1e9 for run in runs]),
            "cpu_s": spread([run["cpu_seconds"] for run in runs]),
            "cpu_s_per_gib": spread([run["cpu_seconds"] * GIB / size for run in runs]),
            "memory_mib": spread([run["memory_bytes"] / MIB for run in runs])}


def turned(things, number):
    """The order of a round: the first of one round is the last of the next."""
    turn = number % len(things) if things else 0
    return things[turn:] + things[:turn]


def short(text, most=160):
    """A text in one line of at most so many characters."""
    line = " ".join(text.split()) or "no reason was given"
    return line if len(line) <= most else line[:most - 3] + "..."


def cell(figures, digits=2):
    """Median [least-most]; of one run its figure."""
    median = f"{figures['median']:.{digits}f}"
    if figures["min"] == figures["max"]:
        return median
    return f"{median} [{figures['min']:.{digits}f}-{figures['max']:.{digits}f}]"


def row_line(row, is_long):
    words = [row["mover"]]
    if "failed" in row:
        words += [f"failed: {short(row['failed'])}", "", "", "", ""]
    else:
        words += [cell(row["seconds"]), f"{row['gb_per_s']['median']:.3f}", cell(row["cpu_s"]), f"{row['cpu_s_per_gib']['median']:.2f}",
                  f"{row['memory_mib']['median']:.0f}"]
    words += [row["verified"], "yes" if row["sealed"] else "no", row["durable"]]
    words += [row["paths"]] if is_long else []
    return "| " + " | ".join(word.replace("|", "\\|") for word in words) + " |"


def group_lines(group):
    """A table: one workload over one wire, the fastest first, what failed last."""
    head = ["mover", "seconds", "GB/s", "CPU s", "CPU s/GiB", "peak MiB", "verified", "sealed", "durable"]
    head += ["paths"] if group["is_long"] else []
    rows = sorted(group["rows"], key=lambda row: row["seconds"]["median"] if "seconds" in row else float("inf"))
    late = group.get("lab")
    lines = [f"## {group['words']}: {group['wire']}", "", f"{group['bytes'] / GIB:.2f} GiB in {group['files']} file(s).", ""]
    if late:
        lines[-2] += f" Lab late {late['late_mean_us']:.0f} us at most in the mean of a run, {late['dropped_ring']} packets dropped by the kernel."
    return lines + ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *(row_line(row, group["is_long"]) for row in rows), ""]


def command_lines(groups):
    """What each mover was started with, the first time that it was measured; $SOURCE, $TARGET and $OWN (its own files) stand for directories."""
    lines, told = ["## Commands", "", "As started in the first group that has the mover; the JSON has those of each run.", ""], set()
    for group in groups:
        for row in group["rows"]:
            commands = row["runs"][0].get("commands") if row["runs"] else None
            if commands and row["mover"] not in told:
                told.add(row["mover"])
                lines += [f"{row['mover']}:", "", "```", *commands, "```", ""]
    return lines


def markdown(setting, groups, skipped):
    lines = ["# Longhaul and other movers", "",
             f"{setting['date']}. {setting['cpus']} CPUs, {setting['memory_gib']:.0f} GiB, kernel {setting['kernel']}, load {setting['load']:.1f} at the "
             f"start. {setting['runs']} run(s), in turn, the order turning from round to round; median [least-most]. Congestion control: "
             f"{setting['congestion']}. Source and target in {setting['file_system']}, of `disk` workloads in {setting['disk_file_system']}; "
             f"targets are new. Warm memory: {setting['warm_gib']:.1f} GiB.", "",
             f"Wall time from the start of the client to the end of all that makes the copy complete. CPU: all processes at both ends, in that "
             f"time, by {setting['counts_by']}. Peak: what these hold resident together, without mapped files and page cache. Once for each mover "
             "and group the content is compared with the source. `verified`: what the mover itself has checked of the content; none reads the "
             "target again unless its row says so. `durable`: whether the copy is on disk when the mover ends (workloads on disk: `sync -f` is in "
             "the time).", ""]
    if setting["divisor"] > 1:
        lines += [f"A quick look: data divided by {setting['divisor']}. Not a measurement.", ""]
    for group in groups:
        lines += group_lines(group)
    lines += command_lines(groups)
    if skipped:
        lines += ["## Not measured", "", *(f"- {what}: {why}" for what, why in skipped.items())]
    return "\n".join(lines).rstrip() + "\n"
