"""The clients: how each is built, and how it is started."""
import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .paths import BIN, CARGO_TARGET, DIR, HERE, JAVA, KAFKA_VERSION, LIBS, RELEASE, REPO

QUIET_JAVA = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=off"]
JAVA_OPTIONS = os.environ.get("PEERS_JAVA_OPTS", "-Xms2g -Xmx2g -XX:+UseG1GC -XX:MaxGCPauseMillis=20").split()

# In the order of the tables' first run; every second run goes the other way.
COMMANDS = {
    "linger": [f"{RELEASE}/linger-peer"],
    "linger-group": [f"{RELEASE}/linger-peer", "--completion", "group"],
    "floor": [f"{RELEASE}/floor"],
    "franz-go": [f"{BIN}/kgo-peer"],
    "java": ["java", *JAVA_OPTIONS, *QUIET_JAVA, "-cp", f"{JAVA}:{LIBS}/*", "Peer"],
    "librdkafka-c": [f"{BIN}/c-peer"],
    "rust-rdkafka": [f"{RELEASE}/rdkafka-peer"],
    "confluent-kafka": [f"{RELEASE}/confluent-peer"],
    "krafka": [f"{RELEASE}/krafka-peer"],
}
# Linger itself, and what no client can beat: nobody's peers.
OURS = ("linger", "linger-group", "floor")
# Those of the peers that a goal can depend on.
BEST = ["linger", "franz-go", "java", "librdkafka-c"]
CRATES = {
    "linger": "linger-peer",
    "linger-group": "linger-peer",
    "rust-rdkafka": "rdkafka-peer",
    "krafka": "krafka-peer",
    "confluent-kafka": "confluent-peer",
}


def takes_part(client, part, flags):
    """A group and the floor are measured where a goal speaks of them."""
    if client == "floor":
        return part == "table" and flags.get("threads") == 1
    return client != "linger-group" or part in ("table", "allocs")


def sh(command, **options):
    print("+", " ".join(map(str, command)), file=sys.stderr)
    return subprocess.run([str(word) for word in command], check=True, **options)


def build(clients):
    """Builds what is asked for. One client that does not build does not stop the others."""
    BIN.mkdir(parents=True, exist_ok=True)
    failed = {}

    def attempt(name, step):
        try:
            step()
        except Exception as error:
            failed[name] = str(error)

    cargo(["sink", "floor"])
    for client in clients:
        if client in CRATES:
            attempt(client, lambda: cargo([CRATES[client]]))
    if "franz-go" in clients:
        attempt("franz-go", lambda: sh(["go", "build", "-o", BIN / "kgo-peer", "."], cwd=HERE / "go"))
    attempt("Kafka", fetch_kafka)
    if "java" in clients:
        attempt("java", lambda: sh(["javac", "-cp", f"{LIBS}/*", "-d", JAVA, HERE / "java/Peer.java"]))
    attempt("allocs", lambda: sh(["cc", "-O2", "-shared", "-fPIC", "-o", BIN / "allocs.so", HERE / "c/allocs.c"]))
    if "librdkafka-c" in clients:
        attempt("librdkafka-c", build_librdkafka_peer)
    for name, why in failed.items():
        print(f"NOT BUILT {name}: {why}", file=sys.stderr)


def cargo(packages):
    # Incremental builds have smaller codegen units: what they measure is not the release.
    env = {**os.environ, "CARGO_TARGET_DIR": str(CARGO_TARGET), "CARGO_INCREMENTAL": "0"}
    env["PEERS_COMMIT"] = commit()
    wanted = [word for package in packages for word in ("-p", package)]
    sh(["cargo", "build", "--release", "--manifest-path", HERE / "Cargo.toml", *wanted], env=env)


def commit():
    """What Linger is built from, for its result lines."""
    describe = ["git", "-C", REPO, "describe", "--always", "--dirty"]
    done = subprocess.run(describe, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def fetch_kafka():
    """The broker's and the client's jars, by the list that the Kafka tests use."""
    if LIBS.is_dir():
        return
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    pom = REPO / "tests/kafka/pom.xml"
    options = [f"-DoutputDirectory={LIBS}", "-DincludeScope=runtime", f"-Dkafka.version={KAFKA_VERSION}"]
    sh(["mvn", "-q", "-B", "-f", pom, goal, *options])


def build_librdkafka_peer():
    """Against the librdkafka that rdkafka-sys built, or the tree that PEERS_LIBRDKAFKA_SRC names."""
    source = os.environ.get("PEERS_LIBRDKAFKA_SRC")
    include, library = build_librdkafka(source) if source else built_by_cargo()
    libraries = [library, zstd()[0], "-lz", "-lpthread", "-ldl", "-lm"]
    sh(["cc", "-O2", "-o", BIN / "c-peer", HERE / "c/peer.c", f"-I{include}", *libraries])


def built_by_cargo():
    def found():
        return glob.glob(f"{RELEASE}/build/rdkafka-sys-*/out/src/librdkafka.a")

    if not found():
        cargo(["rdkafka-peer"])
    library = Path(max(found(), key=os.path.getmtime))
    return copy_headers(library.parent), library


def build_librdkafka(source):
    out = DIR / "librdkafka"
    library = out / "src/librdkafka.a"
    if not library.exists():
        # The zstd that zstd-sys built, laid out as CMake expects it.
        prefix = DIR / "zstd"
        shutil.copytree(zstd()[1], prefix / "include", dirs_exist_ok=True)
        (prefix / "lib").mkdir(exist_ok=True)
        shutil.copy(zstd()[0], prefix / "lib/libzstd.a")
        without = ["RDKAFKA_BUILD_EXAMPLES", "RDKAFKA_BUILD_TESTS", "WITH_CURL", "WITH_SSL", "WITH_SASL", "ENABLE_LZ4_EXT"]
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DRDKAFKA_BUILD_STATIC=ON", "-DWITH_ZSTD=ON"]
        options += [f"-DCMAKE_PREFIX_PATH={prefix}", *[f"-D{one}=OFF" for one in without]]
        sh(["cmake", "-S", source, "-B", out, *options])
        sh(["cmake", "--build", out, "-j2", "--target", "rdkafka"])
    return copy_headers(Path(source, "src")), library


def copy_headers(source):
    """To where an installation has them: librdkafka/rdkafka.h."""
    include = DIR / "include"
    (include / "librdkafka").mkdir(parents=True, exist_ok=True)
    for header in source.glob("rdkafka*.h"):
        shutil.copy(header, include / "librdkafka")
    return include


def zstd():
    """The static zstd that the Rust crates built, and its headers."""
    library = max(glob.glob(f"{RELEASE}/build/zstd-sys-*/out/libzstd.a"), key=os.path.getmtime)
    registry = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"), "registry/src")
    return library, max(glob.glob(f"{registry}/*/zstd-sys-*/zstd/lib"))
