"""Deadline and cost: which path carries, what the forecast says, and what `plan` tells beforehand."""

import json

import data
from cases_paths import paths_of
from cases_transfer import shared_file
from data import MIB
from harness import case

SIZE = 120 * MIB
FREE = "name=free,remote=127.0.0.1,cap=80Mbps"  # 10 MB/s: 12.6 s for all of it
DEAR = "name=dear,remote=127.0.0.2,cap=240Mbps,cost=10"


def transfer(t, *options, paths=(FREE, DEAR), status=0):
    """(sender, target) of one large file."""
    source = shared_file(t, SIZE)
    target = t.directory / "target"
    receiver = t.receive(target)
    sender = t.exits(t.send("--streams", "2", *options, source, paths=paths), status)
    if status == 0:
        t.exits(receiver, 0, 20)
        t.check(data.same_content(source, target / source.name), "content differs")
    return sender, target


@case(timeout_s=90, tiers=("fast", "full"))
def deadline_that_the_free_path_meets(t):
    """The dear path is up and carries nothing; progress has a forecast, the report says that the deadline was met."""
    sender, _ = transfer(t, "--deadline", "+2m")
    paths = paths_of(sender)
    t.equal(paths["dear"]["bytes"], 0, "bytes on the dear path")
    t.check(paths["dear"]["up"], "the dear path is not even connected")
    t.equal(paths["dear"]["state"], "spared", "its state")
    forecasts = [event["forecast"] for event in sender.events("progress")]
    t.check(any(text and text.startswith("ends ") and "; meets " in text for text in forecasts), f"forecasts: {forecasts[:5]}")
    t.check(sender.done()["forecast"].startswith("deadline met"), sender.done()["forecast"])
    t.equal(sender.done()["cost"], 0, "cost")


@case(timeout_s=90, tiers=("fast", "full"))
def deadline_that_needs_the_dear_path(t):
    """It carries what the free one cannot, and is paid for."""
    sender, _ = transfer(t, "--deadline", "+9s")
    paths = paths_of(sender)
    t.check(paths["dear"]["bytes"] > SIZE // 8, f"the dear path carried {paths['dear']['bytes']} bytes")
    t.check(paths["free"]["bytes"] > SIZE // 4, f"the free path carried {paths['free']['bytes']} bytes")
    t.check(sender.done()["cost"] > 0, "it cost nothing")


@case(timeout_s=90, tiers=("fast", "full"))
def max_cost_is_the_most_that_is_spent(t):
    """A tenth of the bytes can be paid for; the rest goes on the free path."""
    sender, _ = transfer(t, "--max-cost", "0.12")
    cost = sender.done()["cost"]
    # How much of it depends on when the forecast finds that the rest is not worth beginning.
    t.check(0 < cost <= 0.12 + 0.05, f"cost {cost}: one chunk may go beyond what is allowed")


@case(timeout_s=90, tiers=("fast", "full"))
def max_cost_that_is_spent_ends_and_goes_on_with_more(t):
    """No other path: exit code 7 at once, in words; the same command with more money does the rest."""
    source = shared_file(t, SIZE)
    target = t.directory / "target"
    receiver = t.receive(target)
    only = ["name=dear,remote=127.0.0.2,cap=240Mbps,cost=10"]
    sender = t.exits(t.send("--streams", "2", "--max-cost", "0.5", source, paths=only), 7, 30)
    t.says(sender, "the money is spent", "the same command again goes on")
    t.exits(receiver, 7, 20)
    receiver = t.receive(target)
    sender = t.exits(t.send("--streams", "2", "--max-cost", "5", source, paths=only), 0)
    t.exits(receiver, 0, 20)
    t.check(data.same_content(source, target / source.name), "content differs")
    t.check(sender.done()["bytes"] < SIZE, "what had arrived was sent again")


@case()
def plan_tells_before_a_byte_moves(t):
    """Bytes, files, time and cost on each path; a report gives the rates; nothing is created and nobody is dialled."""
    source = shared_file(t, SIZE)
    words = t.run("plan", "plan", "--path", FREE, "--path", DEAR, "--deadline", "+2m", source)
    t.says(words, "1 file, 120.00 MiB", "nothing was sent", "path free: 120.00 MiB at 10.00 MB/s", "path dear: not needed", "meets")
    plan = json.loads(t.run("plan", "plan", "--json", "--path", FREE, "--path", DEAR, "--max-cost", "0", source).out())
    t.equal((plan["files"], plan["bytes"], plan["feasible"], plan["cost"]), (1, SIZE, True, 0), "the plan")
    t.check(abs(plan["seconds"] - SIZE / 10e6) < 0.1, f"{plan['seconds']} s")
    (t.directory / "report.json").write_text(json.dumps({"paths": [{"name": "path1", "rate": 20e6}]}))
    known = json.loads(t.run("plan", "plan", "--json", "--path", "remote=127.0.0.1", "--rates", "report.json", source).out())
    t.check(abs(known["seconds"] - SIZE / 20e6) < 0.1, f"{known['seconds']} s")
    unknown = t.run("plan", "plan", "--path", "remote=127.0.0.1", source)
    t.says(unknown, "its rate is not known: give it a cap=, or --rates")
    (t.directory / "report.json").write_text("{}")
    t.says(t.run("plan", "plan", "--rates", "report.json", source, status=2), "is not what --report writes")
    t.says(t.run("plan", "plan", "nowhere", status=1), "nowhere")
    t.equal(sorted(p.name for p in t.directory.iterdir() if p.is_dir()), [], "directories that were made")
