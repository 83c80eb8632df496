"""Describes the machine and the versions, for the head of the report."""
import os
import platform
import subprocess
import time
from pathlib import Path

from .paths import RAW
from .tables import versions


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return "not installed"
    return (done.stdout + done.stderr).strip().split("\n")[0]


def field(path, name):
    lines = Path(path).read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "?")


def measured():
    """The day of the last result."""
    last = max((file.stat().st_mtime for file in RAW.glob("*.jsonl")), default=time.time())
    return time.strftime("%Y-%m-%d", time.gmtime(last))


def describe():
    clients = versions()
    linger = clients.pop("linger", "not measured")
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20)
    virtual = ", virtual" if "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    rows = {
        "processor": f"{os.cpu_count()} × {field('/proc/cpuinfo', 'model name')}{virtual}",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "network": "loopback",
        "Linger": f"commit {linger}",
        "others": ", ".join(f"{client} {version}" for client, version in clients.items()),
        "Rust": first_line("rustc", "--version"),
        "Go": first_line("go", "version"),
        "Java": first_line("java", "-version"),
        "C": first_line("cc", "--version"),
        "date": measured(),
    }
    return "\n".join(["| | |", "|---|---|", *[f"| {name} | {value} |" for name, value in rows.items()]])
