"""What Linger wants of each part, and whether it was so: medians against the best peer's."""
from .clients import OURS
from .measure import load
from .tables import TITLES, median, number

US, GROUP, FLOOR = OURS


class Case:
    """One case's medians."""

    def __init__(self, part, name):
        self.name, self.clients = f"{part}: {name}", load(part).get(name, {})

    def of(self, client, column):
        return median(self.clients.get(client, []), column)

    def best(self, column, most=False):
        """The best peer's figure and name; None without peers."""
        peers = {client: self.of(client, column) for client in self.clients if client not in OURS}
        peers = {client: value for client, value in peers.items() if value is not None}
        if not peers:
            return None, None
        client = (max if most else min)(peers, key=peers.get)
        return peers[client], client


def judged(case, column, goal, factor, rival, whose, most=False, us=US):
    """A row of the table: ours against a rival's figure times a factor."""
    ours = case.of(us, column)
    title = TITLES[column] + (", in a group" if us != US else "")
    if ours is None or rival is None:
        return f"| {case.name} | {title}: {goal} | – | – | – | not measured |"
    met = ours >= rival * factor if most else ours <= rival * factor
    ratio = f"{ours / rival:.2f}" if rival else "–"
    than = number(rival) + (f" ({whose})" if whose else "")
    return f"| {case.name} | {title}: {goal} | {number(ours)} | {than} | {ratio} | {'yes' if met else '**no**'} |"


def against_best(case, column, goal, factor=1, most=False):
    return judged(case, column, goal, factor, *case.best(column, most), most)


def against_self(case, other, column, goal, factor=1, most=False):
    return judged(case, column, goal, factor, other.of(US, column), other.name, most)


def at_most(case, column, limit):
    return judged(case, column, f"at most {limit}", 1, limit, "")


def of_table():
    one, four = Case("table", "1 caller"), Case("table", "4 callers")
    yield against_best(one, "cpu_us_rec", "at most a third of the best peer's", 1 / 3)
    yield against_best(one, "rec_s", "at least 2.5 × the best peer's", 2.5, most=True)
    yield at_most(one, "caller_cpu_ns_rec", 120)
    yield judged(one, "cpu_us_rec", "at most 2 × the floor's", 2, one.of(FLOOR, "cpu_us_rec"), FLOOR, us=GROUP)
    yield against_self(four, one, "rec_s", "no fewer than with one caller", most=True)
    yield against_self(four, one, "cpu_us_rec", "at most 1.3 × that with one caller", 1.3)
    for case in (one, four):
        yield against_best(case, "peak_rss_mb", "below every peer's")


def of_tuned():
    for values in ("1 KiB values", "100 B values"):
        yield against_best(Case("tuned", values), "cpu_us_rec", "at most half the best peer's", 0.5)


def of_codecs():
    for name in load("codecs"):
        case = Case("codecs", name)
        yield against_best(case, "rec_s", "at least the best peer's", most=True)
        _, fastest = case.best("rec_s", most=True)
        yield judged(case, "bytes_rec", "no more than the fastest peer's", 1, case.of(fastest, "bytes_rec"), fastest)
        yield against_best(case, "cpu_us_rec", "at most 0.7 × the best peer's", 0.7)


def of_partitions():
    few, many = Case("partitions", "6 partitions"), Case("partitions", "10000 partitions")
    yield against_self(many, few, "cpu_us_rec", "at most 1.5 × that of 6 partitions", 1.5)
    few, many = (Case("partitions", f"10,000 records held, {count} partitions") for count in (6, 10000))
    yield against_self(many, few, "peak_rss_mb", "at most 2 × that of 6 partitions", 2)


def of_kafka():
    for name in load("kafka"):
        yield against_best(Case("kafka", name), "rec_s", "at least the best peer's", most=True)


def of_latency():
    for name in load("latency"):
        case = Case("latency", name)
        for column in ("p50_us", "p99_us"):
            yield against_best(case, column, "no worse than the best peer's")
        yield against_best(case, "cpu_us_rec", "below every peer's")


def of_delay():
    for name in load("delay"):
        yield against_best(Case("delay", name), "rec_s", "at least the best peer's", most=True)


def of_idle():
    for column, limit in (("idle_switches", 0), ("idle_cpu_ms", 1), ("threads", 2)):
        yield at_most(Case("idle", "10 s"), column, limit)


def of_startup():
    for column in ("first_ack_ms", "peak_rss_mb"):
        yield against_best(Case("startup", "linger 0"), column, "below every peer's")


def of_allocs():
    # Not one per record, but what a batch of 148 needs: itself, its request, two lists that double.
    for us in (US, GROUP):
        case = Case("allocs", "100 B values")
        yield judged(case, "allocs_batch", "at most 20", 1, 20, "", us=us)


PARTS = {
    "table": of_table,
    "tuned": of_tuned,
    "codecs": of_codecs,
    "partitions": of_partitions,
    "kafka": of_kafka,
    "latency": of_latency,
    "delay": of_delay,
    "idle": of_idle,
    "startup": of_startup,
    "allocs": of_allocs,
}


def table(parts):
    """The rows of these parts, of what was measured."""
    lines = [line for part, rows in PARTS.items() if part in parts and load(part) for line in rows()]
    if not lines:
        return ""
    return "\n".join(["| case | goal | Linger | compared with | ratio | met |", "|---|---|--:|--:|--:|---|", *lines])
