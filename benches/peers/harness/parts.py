"""What is measured: the parts, their cases, and the servers that they need."""
import argparse
import subprocess

from .clients import BEST, COMMANDS, sh
from .measure import forget, lock, run_once, sweep
from .paths import BIN, DIR, RAW, RELEASE, REPO
from .servers import Kafka, Sink

# Kafka's defaults; and what throughput is tuned to.
DEFAULT = {"linger-ms": 5, "batch-size": 16384, "buffer-memory": 32 << 20}
TUNED = {"linger-ms": 10, "batch-size": 1 << 20, "buffer-memory": 128 << 20}
SMALL = {"num-records": 3_000_000, "warmup": 500_000, "record-size": 100}
# Where records take longer, fewer of them make enough seconds for Java's compiler.
SHORT_JAVA = {"java-warmup": 4_000_000}
LARGE = {"num-records": 1_000_000, "warmup": 200_000, "record-size": 1024}


def table(options):
    """100-byte values with the default settings: one caller, and four."""
    with Sink() as sink:
        sweep("table", sink, [(f"{n} caller{'s' * (n > 1)}", {**SMALL, **DEFAULT, "threads": n}) for n in (1, 4)], options)


def tuned(options):
    """1 MiB batches, linger 10 ms: 1 KiB values, and 100-byte values with one and four callers."""
    cases = [
        ("1 KiB values", {**LARGE, **TUNED}),
        ("100 B values", {**SMALL, **TUNED}),
        ("100 B values, 4 callers", {**SMALL, **TUNED, "threads": 4}),
    ]
    with Sink() as sink:
        sweep("tuned", sink, cases, options)


def codecs(options):
    """JSON-like values, compressed, each codec at its client's default level."""
    settings = {"default settings": DEFAULT, "1 MiB batches": TUNED}
    cases = [
        (f"{codec}, {name}", {**SMALL, "num-records": 1_500_000, **chosen, "compression": codec})
        for codec in ("lz4", "zstd")
        for name, chosen in settings.items()
    ]
    with Sink() as sink:
        sweep("codecs", sink, cases, options)


def partitions(options):
    """100-byte values to so many partitions, explicitly and in turn; and 10,000 records, all of which linger."""
    for count in (6, 10_000):
        flags = {"num-records": 1_000_000, "warmup": 200_000, "record-size": 100, "partitions": count}
        if count > 1000:
            # It is slow enough there to be warm sooner.
            flags["java-warmup"] = 1_000_000
        # About memory: nothing is sent before the last record is there.
        held = {"num-records": 10_000, "exact": True, "record-size": 100, "partitions": count, "linger-ms": 3_000}
        cases = [
            (f"{count} partitions", {**flags, **DEFAULT, "buffer-memory": 256 << 20}),
            (f"10,000 records held, {count} partitions", {**held, "batch-size": 16384, "buffer-memory": 256 << 20}),
        ]
        with Sink(partitions=count) as sink:
            sweep("partitions", sink, cases, options, timeout=300)


def kafka(options):
    """One real broker under full load."""
    cases = [
        ("100 B values, default settings", {**SMALL, **DEFAULT}),
        ("100 B values, 1 MiB batches", {**SMALL, **TUNED}),
        ("1 KiB values, 1 MiB batches", {**LARGE, **TUNED}),
        ("100 B values, 1 MiB batches, lz4", {**SMALL, **TUNED, "compression": "lz4"}),
    ]
    with Kafka() as broker:
        sweep("kafka", broker, [(name, {**flags, **SHORT_JAVA}) for name, flags in cases], options)


def latency(options):
    """One real broker, 10,000 records of 1 KiB a second; every record is timed."""
    flags = {"num-records": 80_000, "warmup": 50_000, "record-size": 1024, "throughput": 10_000, "batch-size": 16384}
    with Kafka() as broker:
        sweep("latency", broker, [(f"linger {ms} ms", {**flags, "linger-ms": ms}) for ms in (0, 5)], options)


def delay(options):
    """Three brokers, each of which answers after 10 ms."""
    cases = [
        (name, {**SMALL, **SHORT_JAVA, "num-records": 1_000_000, **settings})
        for name, settings in (("default settings", DEFAULT), ("1 MiB batches", TUNED))
    ]
    with Sink(brokers=3, delay_ms=10) as sink:
        sweep("delay", sink, cases, options)


def idle(options):
    """Ten seconds after the first record and one second of rest."""
    with Sink() as sink:
        sweep("idle", sink, [("10 s", {"mode": "idle"})], options)


def startup(options):
    """From before the process starts to the first acknowledgement."""
    with Sink() as sink:
        sweep("startup", sink, [("linger 0", {"mode": "startup", "linger-ms": 0})], options, runs=max(options.runs, 5))


def allocs(options):
    """Allocations after the warm-up: C and Rust by a preloaded library, Go and Java count their own."""
    flags = {**SMALL, **DEFAULT, "num-records": 1_000_000}
    with Sink() as sink:
        sweep("allocs", sink, [("100 B values", flags)], options, runs=1, env={"LD_PRELOAD": str(BIN / "allocs.so")})


def settings(options):
    """What each setting of Linger costs: the case of one caller, with one thing changed."""
    changes = {
        "as in `table`": {},
        "batch.size 1 KiB": {"batch-size": 1 << 10},
        "batch.size 4 KiB": {"batch-size": 4 << 10},
        "batch.size 64 KiB": {"batch-size": 64 << 10},
        "batch.size 1 MiB": {"batch-size": 1 << 20},
        "linger.ms 0": {"linger-ms": 0},
        "acks 1, no idempotence": {"acks": 1, "idempotence": "false"},
        "no idempotence": {"idempotence": "false"},
        "1 request in flight": {"in-flight": 1},
        "buffer.memory 4 MiB": {"buffer-memory": 4 << 20},
        "1,000 keys": {"keys": 1000},
        "partitions named, in turn": {"partitions": 6},
        "1 KiB values": {"record-size": 1024, "num-records": 1_000_000},
        "every record timed": {"sample": 1},
        "lz4": {"compression": "lz4"},
        "zstd": {"compression": "zstd"},
    }
    chosen, options.clients = options.clients, ["linger"]
    with Sink() as sink:
        sweep("settings", sink, [(name, {**SMALL, **DEFAULT, **change}) for name, change in changes.items()], options)
    options.clients = chosen


def floor(_options):
    """What no client can beat: the bytes alone."""
    out = ""
    with Sink() as sink, lock():
        for size in (100, 1024):
            command = [f"{RELEASE}/floor", "--size", str(size), "--bootstrap", sink.bootstrap]
            out += subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (RAW / "floor.md").write_text(out)


def profile(options):
    """Where the CPU time goes, and which system calls are made, in the case of one caller."""
    out = []
    with Sink() as sink:
        for client in options.clients:
            out += profile_of(client, sink)
    (RAW / "profile.md").write_text("\n".join(out))


def profile_of(client, sink):
    data, calls = DIR / f"perf.{client}", DIR / f"strace.{client}"
    flags, env = {**SMALL, **DEFAULT}, {}
    if client == "java":
        # Names for what the virtual machine has compiled.
        env["JAVA_TOOL_OPTIONS"] = "-XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit -XX:+PreserveFramePointer"
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-o", data]
    trace = ["strace", "-f", "-qq", "-c", "-o", calls]
    with lock():
        run_once(client, sink, flags, env, prefix=record)
        traced = run_once(client, sink, {**flags, "num-records": 300_000, "warmup": 0}, prefix=trace)

    def report(sort):
        command = ["perf", "report", "-i", data, "--stdio", "--sort", sort, "--percent-limit", "1.0", "-q"]
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        return [" ".join(line.split()) for line in lines if line.strip()]

    counted = [line.split() for line in calls.read_text().splitlines()[2:]]
    counted = [(int(row[3]), row[-1]) for row in counted if len(row) > 4 and row[3].isdigit() and row[-1] != "total"]
    most = ", ".join(f"{count} {name}" for count, name in sorted(counted, reverse=True)[:6])
    return [
        f"\n**{client}**: threads {', '.join(report('comm'))}",
        f"\nSystem calls for 300,000 records and the start, in {traced.get('requests', 0)} requests: {most}",
        "\n```",
        *report("symbol")[:22],
        "```",
    ]


def instructions(_options):
    """Instructions per record, counted by callgrind, by stage."""
    done = sh(["cargo", "bench", "--bench", "instructions"], cwd=REPO, stdout=subprocess.PIPE, text=True)
    RAW.mkdir(parents=True, exist_ok=True)
    (RAW / "instructions.md").write_text(done.stdout)


PARTS = [
    table, tuned, codecs, partitions, kafka, latency, delay, idle, startup, allocs, settings, floor, profile, instructions,
]
NAMES = {part.__name__: part for part in PARTS}

# For the verdicts: the parts, the clients on which they can depend, and how much of the records.
GOALS = {
    "table": (list(COMMANDS), 1),
    "latency": (BEST, 0.5),
    "kafka": (BEST, 0.5),
    "tuned": (BEST, 0.7),
    "codecs": (BEST, 0.7),
    "delay": (BEST, 1),
    "partitions": (["linger", "franz-go"], 1),
    "startup": (list(COMMANDS), 1),
    "allocs": (["linger", "linger-group", "franz-go"], 1),
    "idle": (["linger", "franz-go", "librdkafka-c"], 1),
}


def for_goals(options):
    for name, (clients, scale) in GOALS.items():
        chosen = [client for client in options.clients if client in clients]
        part = {**vars(options), "clients": chosen, "scale": options.scale * scale}
        measure(name, argparse.Namespace(**part))


def measure(name, options):
    if not options.resume:
        forget(name, ["linger"] if name == "settings" else options.clients)
    NAMES[name](options)


def smoke(options):
    """Every client against every kind of server, in four set-ups. Returns what went wrong."""
    wrong = []
    set_ups = [
        {},
        {"keys": 1000, "compression": "lz4", "threads": 2},
        {"partitions": 6, "compression": "zstd", "linger-ms": 0},
        {"acks": 1, "idempotence": "false"},
    ]
    for start in (Sink, lambda: Sink(brokers=3, delay_ms=1), Kafka):
        with start() as server:
            for client in options.clients:
                if client == "floor":
                    continue
                for flags in set_ups:
                    result = run_once(client, server, {"num-records": 20_000, "warmup": 100, **flags}, timeout=30)
                    complaint = result.get("failed") or check(result)
                    if complaint:
                        wrong.append(f"{client} {flags} on {server.name}: {complaint}")
    return wrong


def check(result):
    expected = 20_100
    counts = {name: result[name] for name in ("acked", "sink_records") if name in result}
    if result["errors"] or any(count != expected for count in counts.values()):
        return f"{counts} of {expected} records, {result['errors']} errors"
    return None
