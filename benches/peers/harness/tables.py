"""Markdown tables of what was measured: medians, with the range where it matters."""
import statistics

from .measure import load
from .paths import RAW

THROUGHPUT = [
    "rec_s", "cpu_us_rec", "caller_cpu_ns_rec", "server_cpu_us_rec", "peak_rss_mb", "rec_per_batch",
    "batch_per_req", "bytes_rec", "p50_us", "p99_us", "noise", "errors",
]
COLUMNS = {
    "table": THROUGHPUT,
    "tuned": THROUGHPUT,
    "codecs": THROUGHPUT,
    "kafka": THROUGHPUT,
    "delay": THROUGHPUT,
    "partitions": THROUGHPUT,
    "latency": ["p50_us", "p99_us", "p999_us", "max_us", "cpu_us_rec", "server_cpu_us_rec", "rec_s", "peak_rss_mb", "noise", "errors"],
    "idle": ["idle_switches", "idle_cpu_ms", "threads", "rss_mb", "errors"],
    "startup": ["first_ack_ms", "peak_rss_mb", "errors"],
    "settings": ["cpu_us_rec", "caller_cpu_ns_rec", "rec_s", "peak_rss_mb", "rec_per_batch", "batch_per_req", "p50_us", "p99_us", "noise", "errors"],
    "allocs": ["allocs_rec", "allocs_batch", "alloc_bytes_rec", "vol_switches", "errors"],
}
TITLES = {
    "rec_s": "records/s",
    "cpu_us_rec": "CPU µs/record",
    "caller_cpu_ns_rec": "callers' CPU ns/record",
    "server_cpu_us_rec": "server's CPU µs/record",
    "peak_rss_mb": "peak memory MB",
    "rss_mb": "memory MB",
    "rec_per_batch": "records/batch",
    "batch_per_req": "batches/request",
    "bytes_rec": "bytes/record on the wire",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "p999_us": "p99.9 µs",
    "max_us": "max µs",
    "idle_cpu_ms": "CPU ms in 10 s",
    "idle_switches": "wake-ups in 10 s",
    "threads": "threads",
    "first_ack_ms": "first acknowledgement ms",
    "allocs_rec": "allocations/record",
    "allocs_batch": "allocations/batch",
    "alloc_bytes_rec": "allocated bytes/record",
    "vol_switches": "voluntary switches",
    "noise": "others' cores",
    "errors": "errors",
}
RANGED = {"rec_s", "cpu_us_rec", "caller_cpu_ns_rec", "p50_us", "p99_us", "first_ack_ms", "idle_cpu_ms", "peak_rss_mb"}
MORE_IS_BETTER = {"rec_s"}
# What a client cannot know of itself.
UNKNOWN = {"allocs_rec": -1, "alloc_bytes_rec": -1, "p50_us": 0, "p99_us": 0}
# Their callers are tasks, which move between threads: what a thread's clock says is not theirs.
WITH_TASKS = ("confluent-kafka", "krafka")
LABELS = {"linger": "**linger**", "linger-group": "**linger** (group)", "floor": "the floor"}


def number(value):
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}"


def good(results):
    return [result for result in results if "failed" not in result]


def median(results, column):
    """The median of a column, or None if there is none."""
    values = [result[column] for result in good(results) if result.get(column, -1) != UNKNOWN.get(column)]
    return statistics.median(values) if values and all(value >= 0 for value in values) else None


def cell(results, column):
    value = median(results, column)
    if value is None or column == "caller_cpu_ns_rec" and results[0]["client"] in WITH_TASKS:
        return "–"
    values = [result[column] for result in good(results)]
    if column == "errors":
        return number(max(values))
    spread = f" ({number(min(values))}..{number(max(values))})" if column in RANGED and len(values) > 1 else ""
    return number(value) + spread


def of_case(part, case, clients):
    """The table of one case, best client first by its first column."""
    key = COLUMNS[part][0]
    sign = -1 if key in MORE_IS_BETTER else 1

    def rank(client):
        value = median(clients[client], key)
        return (value is None, 0 if value is None else sign * value)

    server = next(iter(clients.values()))[0]["server"]
    ranked = {client: clients[client] for client in sorted(clients, key=rank)}
    return [f"\n**{case}** ({server})\n", *rows(part, "client", ranked)]


def rows(part, what, named):
    """One row for each name and its results."""
    results = [result for one in named.values() for result in good(one)]
    columns = [column for column in COLUMNS[part] if any(column in result for result in results)]
    lines = [f"| {what} | " + " | ".join(TITLES[column] for column in columns) + " | runs |"]
    lines.append("|---|" + "--:|" * (len(columns) + 1))
    for name, tried in named.items():
        name = LABELS.get(name, name)
        done = good(tried)
        if not done:
            why = " ".join(tried[0]["failed"].split())[-120:].replace("|", "/")
            lines.append(f"| {name} | failed: {why} |" + " |" * len(columns))
            continue
        cells = " | ".join(cell(done, column) for column in columns)
        runs = f"{len(done)}" + (f" of {len(tried)}" if len(done) < len(tried) else "")
        lines.append(f"| {name} | {cells} | {runs} |")
    return lines


def of_part(part):
    """What was measured of it; nothing if it was not."""
    if part.__name__ not in COLUMNS:
        file = RAW / f"{part.__name__}.md"
        return file.read_text().strip() if file.exists() else ""
    elif part.__name__ == "settings":
        cases = load("settings")
        return "\n".join(rows("settings", "setting", {case: found["linger"] for case, found in cases.items()}) if cases else [])
    cases = load(part.__name__)
    return "\n".join(line for case, clients in cases.items() for line in of_case(part.__name__, case, clients)).strip()


def versions():
    """Of the clients, as they say themselves: {client: version}."""
    found = {}
    for part in COLUMNS:
        for clients in load(part).values():
            for client, results in clients.items():
                found.setdefault(client, set()).update(result["version"] for result in good(results))
    return {client: " and ".join(sorted(of)) for client, of in sorted(found.items()) if client not in ("linger-group", "floor")}
