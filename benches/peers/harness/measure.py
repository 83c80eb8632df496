"""Runs one client once, or all of them in turn, and keeps the raw lines."""
import fcntl
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from .clients import COMMANDS, takes_part
from .paths import RAW
from .servers import TOPIC

TICKS = os.sysconf("SC_CLK_TCK")
LOCK = Path(os.environ.get("PEERS_LOCK", Path(tempfile.gettempdir()) / "linger-peers.lock"))
# Records by client, so that a run takes seconds with each of them; rates do not depend on it.
FACTOR = {"linger": 2, "linger-group": 2, "floor": 2, "krafka": 0.25, "confluent-kafka": 0.6, "java": 0.8}
# Java's compiler needs millions of records; with a codec in the way, fewer make enough seconds.
JAVA_WARMUP = {"none": 20}
JAVA_WARMUP_COMPRESSED = 6
JAVA_WARMUP_AT_LEAST = 2_000_000

_held = False


@contextmanager
def lock():
    """Keeps other runs of this harness out; may be taken again while held."""
    global _held
    if _held:
        yield
        return
    with open(LOCK, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _held = True
        try:
            yield
        finally:
            _held = False


class Meter:
    """CPU seconds of the server, of our children, and of the whole machine, since it was made."""

    def __init__(self, pid):
        self.pid, self.start = pid, self.read(pid)

    @staticmethod
    def read(pid):
        mine = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        machine = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "server": (int(mine[11]) + int(mine[12])) / TICKS,
            "children": children.ru_utime + children.ru_stime,
            # Without idle time and time that waits for a disk.
            "machine": (sum(machine) - machine[3] - machine[4]) / TICKS,
            "wall": time.monotonic(),
        }

    def stop(self):
        end = self.read(self.pid)
        return {name: end[name] - value for name, value in self.start.items()}


def run_once(client, server, flags, env=None, timeout=180, prefix=()):
    """One process of the client. Returns its result line, with what the server saw of it."""
    flags = {"bootstrap": server.bootstrap, "topic": TOPIC, **flags}
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    command = [str(word) for word in (*prefix, *COMMANDS[client], *words)]
    with lock():
        server.stats()
        meter = Meter(server.pid)
        env = {**os.environ, **(env or {}), "PEERS_T0_NS": str(time.time_ns())}
        result = run(command, env, timeout)
        used, seen = meter.stop(), server.stats()
    records = flags.get("num-records", 1) + flags.get("warmup", 0)
    others = used["machine"] - used["server"] - used["children"]
    result.update(client=client, server=server.name)
    result["noise"] = max(0.0, others / max(used["wall"], 0.01))
    result["took_s"] = used["wall"]
    result["server_cpu_us_rec"] = used["server"] * 1e6 / records
    if seen.get("requests"):
        result.update(
            requests=seen["requests"],
            sink_records=seen["records"],
            rec_per_batch=seen["records"] / max(seen["batches"], 1),
            batch_per_req=seen["batches"] / seen["requests"],
            bytes_rec=seen["bytes"] / max(seen["records"], 1),
        )
    if result.get("allocs_rec", -1) >= 0:
        result["allocs_batch"] = result["allocs_rec"] * result.get("rec_per_batch", 1)
    return result


def run(command, env, timeout):
    try:
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        return {"failed": "not built"}
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err = f"timeout {timeout} s; {err}"
    line = next((line for line in out.splitlines() if line.startswith("{")), None)
    return json.loads(line) if line else {"failed": (err or "no result").strip()[-300:]}


def fit(client, flags, scale):
    """The flags with this client's number of records."""
    flags = dict(flags)
    java_warmup = flags.pop("java-warmup", None)
    if "num-records" in flags and not flags.pop("exact", False):
        factor = FACTOR.get(client, 1) if flags.get("throughput", -1) < 0 else 1
        flags["num-records"] = int(flags["num-records"] * factor * scale)
    if client == "java" and flags.get("warmup"):
        factor = JAVA_WARMUP.get(flags.get("compression", "none"), JAVA_WARMUP_COMPRESSED)
        flags["warmup"] = java_warmup or max(flags["warmup"] * factor, JAVA_WARMUP_AT_LEAST)
    elif client == "krafka" and flags.get("warmup"):
        flags["warmup"] = int(flags["warmup"] * 0.4)
    return flags


def sweep(part, server, cases, options, runs=None, env=None, timeout=180):
    """All clients in turn, then again the other way round, so that noise is shared."""
    todo = missing(part, cases, options.clients, runs or options.runs)
    if any(todo.values()):
        server.warm_up(lambda client, flags: run_once(client, server, flags), cases[0][1])
    for case, flags in cases:
        with lock():
            for repetition, client in todo[case]:
                result = run_once(client, server, fit(client, flags, options.scale), env, timeout)
                keep(part, {**result, "case": case, "rep": repetition})


def missing(part, cases, clients, runs):
    """The turns of each case that have no result yet: {case: [(repetition, client), ...]}."""
    kept = load(part)
    todo = {}
    for case, flags in cases:
        there = {(result["rep"], client) for client, results in kept.get(case, {}).items() for result in results}
        turns = [(turn, client) for turn in range(runs) for client in clients[:: -1 if turn % 2 else 1]]
        todo[case] = [one for one in turns if one not in there and takes_part(one[1], part, flags)]
    return todo


def keep(part, result):
    with open(RAW / f"{part}.jsonl", "a") as file:
        file.write(json.dumps(result) + "\n")
    print(f"  {result['client']:16} {result['case']:34} {summary(result)}", file=sys.stderr)


def summary(result):
    """A few words for whoever watches."""
    if "failed" in result:
        return f"FAILED {result['failed']}"
    words = f"errors {result['errors']}, others' cores {result['noise']:.2f}"
    if result["mode"] == "startup":
        return f"{result['first_ack_ms']:.1f} ms, {words}"
    if result["mode"] == "idle":
        return f"{result['idle_switches']} wake-ups, {result['idle_cpu_ms']:.1f} ms CPU, {words}"
    return f"{result['rec_s']:>9.0f}/s, {result['cpu_us_rec']:.3f} us CPU, p99 {result['p99_us']:.0f} us, {words}"


def forget(part, clients):
    """What was measured before for these clients."""
    RAW.mkdir(parents=True, exist_ok=True)
    file = RAW / f"{part}.jsonl"
    lines = file.read_text().splitlines(True) if file.exists() else []
    file.write_text("".join(line for line in lines if json.loads(line)["client"] not in clients))


def load(part):
    """The results of a part: {case: {client: [result, ...]}}, in the order of the cases."""
    file, cases = RAW / f"{part}.jsonl", {}
    for line in file.read_text().splitlines() if file.exists() else []:
        result = json.loads(line)
        cases.setdefault(result["case"], {}).setdefault(result["client"], []).append(result)
    return cases
