"""What the clients talk to: the sink, which costs next to nothing, and a real Kafka broker."""
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .clients import QUIET_JAVA, sh
from .paths import DIR, LIBS, RELEASE

TOPIC = "peers"


class Sink:
    name = "sink"

    def __init__(self, partitions=6, brokers=1, delay_ms=0):
        options = {"port": 0, "brokers": brokers, "partitions": partitions, "delay-ms": delay_ms}
        command = [f"{RELEASE}/sink", *[str(word) for name, value in options.items() for word in (f"--{name}", value)]]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        _, port, stats_port = self.process.stdout.readline().split()
        self.bootstrap, self.stats_port = f"127.0.0.1:{port}", int(stats_port)
        self.pid = self.process.pid

    def stats(self):
        """What came in since the last call."""
        with socket.create_connection(("127.0.0.1", self.stats_port)) as connection:
            return json.loads(connection.makefile().read())

    def warm_up(self, _run, _flags):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


SERVER_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}/logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.segment.bytes=134217728
log.retention.bytes=268435456
log.retention.check.interval.ms=2000
log.segment.delete.delay.ms=1000
log.cleaner.enable=false
socket.request.max.bytes=209715200
message.max.bytes=16777216
"""


class Kafka:
    """One node (KRaft). Data is in memory if there is room, and old segments go soon."""
    name = "Kafka"

    def __init__(self, partitions=6):
        shm = Path("/dev/shm")
        base = shm if shm.is_dir() and shutil.disk_usage(shm).free > 8 << 30 else DIR
        self.data = base / f"linger-peers-kafka-{os.getpid()}"
        self.data.mkdir()
        port, controller = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        properties = self.data / "server.properties"
        properties.write_text(SERVER_PROPERTIES.format(port=port, controller=controller, data=self.data))
        java = ["java", *QUIET_JAVA, "-cp", f"{LIBS}/*"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        sh([*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties], **quiet)
        with open(DIR / "broker.log", "w") as log:
            broker = ["java", "-Xms1g", "-Xmx1g", *java[1:], "kafka.Kafka", str(properties)]
            self.process = subprocess.Popen(broker, stdout=log, stderr=subprocess.STDOUT)
        self.pid = self.process.pid
        await_port(port)
        create = ["--create", "--topic", TOPIC, "--partitions", partitions, "--replication-factor", 1]
        sh([*java, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap, *create], **quiet)

    def stats(self):
        return {}

    def warm_up(self, run, flags):
        """Before anyone is measured, the broker's code has been compiled, that for this load included."""
        for client in ("linger", "franz-go", "java"):
            run(client, {"num-records": 1000000})
        if "throughput" in flags:
            for client in ("linger", "franz-go"):
                run(client, flags)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def await_port(port):
    for _ in range(120):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(f"no broker at port {port}")
