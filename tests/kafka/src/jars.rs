//! Kafka's jars and the compiled helper, made once under `target/` and shared by all test
//! processes. A lock file keeps two processes from making them at the same time. The brokers can be
//! of another release than the helper and the tools, which stay what they are: clients of that
//! release speak to every broker here.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const COPY_GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// The release of the helper and the tools, and of the brokers unless `KAFKA_VERSION` names another.
const CLIENT_VERSION: &str = "4.4.0";

/// A client or tool starts in half the time when the JVM compiles quickly rather than well; the
/// brokers run long enough for neither to matter.
const JVM_OPTIONS: [&str; 3] = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

/// A `java` command with Kafka's jars and the helper on its class path, ready for a main class.
pub(crate) fn java(heap_mb: u32) -> Result<Command, String> {
    static CLASS_PATH: OnceLock<Result<String, String>> = OnceLock::new();
    let class_path = CLASS_PATH.get_or_init(make_client_class_path).clone()?;
    Ok(java_with(heap_mb, &class_path))
}

/// A `java` command with the brokers' jars on its class path, ready for a main class.
pub(crate) fn broker_java(heap_mb: u32) -> Result<Command, String> {
    static CLASS_PATH: OnceLock<Result<String, String>> = OnceLock::new();
    let make = || {
        let _lock = lock_target()?;
        Ok(format!("{}/*", make_jars(&broker_version())?.display()))
    };
    let class_path = CLASS_PATH.get_or_init(make).clone()?;
    Ok(java_with(heap_mb, &class_path))
}

fn java_with(heap_mb: u32, class_path: &str) -> Command {
    let mut java = Command::new("java");
    java.args(JVM_OPTIONS)
        .arg(format!("-Xmx{heap_mb}m"))
        .args(["-cp", class_path]);
    java
}

/// The brokers' release, as in `3.9.1`.
fn broker_version() -> String {
    env::var("KAFKA_VERSION").unwrap_or_else(|_| CLIENT_VERSION.to_owned())
}

/// Whether the brokers speak version 2 of transactions: those since 4.0.
pub fn have_transactions_2() -> bool {
    !broker_version().starts_with('3')
}

/// Whether the helper's classes are those of the brokers.
pub(crate) fn clients_match_brokers() -> bool {
    broker_version() == CLIENT_VERSION
}

/// The folder of this package.
pub(crate) fn package_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where this package keeps what it makes; the brokers' data lives here too.
pub(crate) fn target_dir() -> PathBuf {
    package_dir().join("target")
}

fn make_client_class_path() -> Result<String, String> {
    let _lock = lock_target()?;
    let jars = make_jars(CLIENT_VERSION)?;
    let classes = target_dir().join("kafka-helper");
    let source = package_dir().join("java/KafkaHelper.java");
    make_once(&classes, &source, |source, into| {
        compile(&jars, source, into)
    })?;
    Ok(format!("{}:{}/*", classes.display(), jars.display()))
}

/// No other process makes anything until this is dropped.
fn lock_target() -> Result<File, String> {
    let target = target_dir();
    let locked = fs::create_dir_all(&target)
        .and_then(|()| File::create(target.join("kafka.lock")))
        .and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| format!("cannot lock {}: {error}", target.display()))
}

/// A folder with the jars of one release.
fn make_jars(version: &str) -> Result<PathBuf, String> {
    let jars = target_dir().join(format!("kafka-libs-{version}"));
    make_once(&jars, &package_dir().join("pom.xml"), |pom, into| {
        fetch_jars(version, pom, into)
    })?;
    Ok(jars)
}

/// Makes `dir` from `source` unless it is there already, made from the same text. A copy of the
/// source goes in last, so that a run that was cut short does not count.
fn make_once(
    dir: &Path,
    source: &Path,
    make: impl FnOnce(&Path, &Path) -> Result<(), String>,
) -> Result<(), String> {
    let describe = |error: io::Error| format!("cannot make {}: {error}", dir.display());
    let wanted = fs::read(source).map_err(describe)?;
    let stamp = dir.join("made-from");
    if fs::read(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return Ok(());
    }
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(describe(error)),
        _ => fs::create_dir_all(dir).map_err(describe)?,
    }
    make(source, dir)?;
    fs::write(stamp, wanted).map_err(describe)
}

fn fetch_jars(version: &str, pom: &Path, into: &Path) -> Result<(), String> {
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-f"]).arg(pom).arg(COPY_GOAL);
    maven
        .arg(format!("-Dkafka.version={version}"))
        .arg(format!("-DoutputDirectory={}", into.display()))
        .arg("-DincludeScope=runtime");
    // Two loggers on the class path would quarrel; Kafka's tools bring another.
    maven.arg("-DexcludeArtifactIds=slf4j-nop,slf4j-reload4j");
    let output = maven.output().map_err(|error| {
        missing(
            &error,
            "mvn",
            "fetches Kafka from Maven Central",
            "Maven 3.8",
            "maven",
        )
    })?;
    succeed(
        "Maven, which fetches Kafka's jars from Maven Central,",
        &output,
    )
}

fn compile(jars: &Path, source: &Path, into: &Path) -> Result<(), String> {
    let mut javac = Command::new("javac");
    javac
        .arg("-cp")
        .arg(jars.join("*"))
        .arg("-d")
        .arg(into)
        .arg(source);
    let output = javac.output().map_err(|error| {
        missing(
            &error,
            "javac",
            "compiles the tests' helper",
            "a JDK 17",
            "openjdk-17-jdk-headless",
        )
    })?;
    succeed("javac, which compiles the tests' helper,", &output)
}

/// What to say when a program cannot be run at all.
fn missing(error: &io::Error, program: &str, task: &str, what: &str, package: &str) -> String {
    format!(
        "cannot run `{program}`, which {task} for the real-Kafka tests: {error}\n\
         Install {what} or newer (on Debian: apt-get install {package}) and put it on the PATH."
    )
}

/// What to say when `java` cannot be run.
pub(crate) fn missing_java(error: &io::Error) -> String {
    missing(
        error,
        "java",
        "runs Kafka",
        "a JDK 17",
        "openjdk-17-jdk-headless",
    )
}

fn succeed(what: &str, output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    Err(format!(
        "{what} ended with {}:\n{}\n{}",
        output.status, said[0], said[1]
    ))
}
