"""Where things are: sources, builds, raw results."""
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
REPO = HERE.parent.parent
# Builds and raw results; not in version control.
DIR = Path(os.environ.get("PEERS_DIR", HERE / "build")).resolve()
BIN, RAW, CARGO_TARGET, JAVA = DIR / "bin", DIR / "raw", DIR / "target", DIR / "java"
RELEASE = CARGO_TARGET / "release"
KAFKA_VERSION = "4.3.1"
# The Kafka tests keep the same jars; KAFKA_LIBS may name theirs.
LIBS = Path(os.environ.get("KAFKA_LIBS", DIR / f"kafka-libs-{KAFKA_VERSION}")).resolve()
