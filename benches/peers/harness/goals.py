"""What Linger wants of each part, and whether it was so: medians against the best peer's."""
from .measure import load
from .tables import TITLES, median, number

US = "linger"


class Case:
    """One case's medians."""

    def __init__(self, part, name):
        self.name, self.clients = f"{part}: {name}", load(part).get(name, {})

    def ours(self, column):
        return median(self.clients.get(US, []), column)

    def best(self, column, most=False):
        """The best peer's figure and name; None without peers."""
        peers = {client: median(results, column) for client, results in self.clients.items() if client != US}
        peers = {client: value for client, value in peers.items() if value is not None}
        if not peers:
            return None, None
        client = (max if most else min)(peers, key=peers.get)
        return peers[client], client

    def of(self, client, column):
        return median(self.clients.get(client, []), column)


def judged(case, column, goal, limit, rival, most=False):
    """A row of the table: ours against a limit."""
    ours = case.ours(column)
    if ours is None or limit is None:
        return []
    met = ours >= limit if most else ours <= limit
    met = "yes" if met else "**no**"
    return [f"| {case.name} | {TITLES[column]}: {goal} | {number(ours)} | {number(limit)} | {rival} | {met} |"]


def against_best(case, column, goal, factor, most=False):
    best, client = case.best(column, most)
    rival = f"{number(best)} ({client})" if client else "–"
    return judged(case, column, goal, None if best is None else best * factor, rival, most)


def against_self(case, other, column, goal, factor, most=False):
    own = other.ours(column)
    rival = f"{number(own)} ({US}, {other.name})" if own is not None else "–"
    return judged(case, column, goal, None if own is None else own * factor, rival, most)


def rows():
    one, four = Case("table", "1 caller"), Case("table", "4 callers")
    yield from against_best(one, "cpu_us_rec", "at most a third of the best peer's", 1 / 3)
    yield from against_best(one, "rec_s", "at least 2.5 × the best peer's", 2.5, most=True)
    yield from judged(one, "caller_cpu_ns_rec", "at most 120", 120, "–")
    yield from against_best(one, "peak_rss_mb", "below every peer's", 1)
    yield from against_self(four, one, "rec_s", "no fewer than with one caller", 1, most=True)
    yield from against_self(four, one, "cpu_us_rec", "at most 1.3 × that with one caller", 1.3)
    yield from against_best(Case("tuned", "1 KiB values"), "cpu_us_rec", "at most half the best peer's", 0.5)
    for name in load("codecs"):
        yield from codec_rows(Case("codecs", name))
    few, many = Case("partitions", "6 partitions"), Case("partitions", "10000 partitions")
    yield from against_self(many, few, "cpu_us_rec", "at most 1.5 × that of 6 partitions", 1.5)
    for name in load("kafka"):
        yield from against_best(Case("kafka", name), "rec_s", "at least the best peer's", 1, most=True)
    for name in load("latency"):
        case = Case("latency", name)
        for column in ("p50_us", "p99_us"):
            yield from against_best(case, column, "no worse than the best peer's", 1)
        yield from against_best(case, "cpu_us_rec", "below every peer's", 1)
    for name in load("delay"):
        yield from against_best(Case("delay", name), "rec_s", "at least the best peer's", 1, most=True)
    idle = Case("idle", "10 s")
    yield from judged(idle, "idle_switches", "none", 0, "–")
    yield from judged(idle, "idle_cpu_ms", "at most 1", 1, "–")
    yield from judged(idle, "threads", "2", 2, "–")
    start = Case("startup", "linger 0")
    yield from against_best(start, "first_ack_ms", "below every peer's", 1)
    yield from against_best(start, "peak_rss_mb", "below every peer's", 1)
    # A batch of 137 records may cost a few: opening it, its request, its answer.
    yield from judged(Case("allocs", "100 B values"), "allocs_rec", "none per record", 0.1, "–")


def codec_rows(case):
    yield from against_best(case, "rec_s", "at least the best peer's", 1, most=True)
    _, fastest = case.best("rec_s", most=True)
    if fastest:
        size = case.of(fastest, "bytes_rec")
        yield from judged(case, "bytes_rec", "no more than of the fastest peer", size, f"{number(size)} ({fastest})")
    yield from against_best(case, "cpu_us_rec", "at most 0.7 × the best peer's", 0.7)


def table(parts):
    """The rows of these parts."""
    lines = [line for line in rows() if any(line.startswith(f"| {part}: ") for part in parts)]
    if not lines:
        return ""
    head = ["| case | goal | Linger | limit | compared with | met |", "|---|---|--:|--:|--:|---|"]
    return "\n### goals\n\n" + "\n".join(head + lines) + "\n"
