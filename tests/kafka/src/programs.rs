//! Programs that tests run beside themselves: Kafka's command-line tools and Linger's examples.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;

use crate::jars::{java, missing_java, package_dir};
use crate::wait_until;

const TOOL_HEAP_MB: u32 = 256;

/// A running program whose output lines are collected. Killed when dropped.
pub struct Program {
    process: Child,
    lines: Option<JoinHandle<Vec<String>>>,
}

impl Program {
    /// Starts `command`; `on_line` sees each line of its standard output as it comes.
    ///
    /// # Panics
    ///
    /// Panics when it cannot be started.
    pub fn start(mut command: Command, mut on_line: impl FnMut(&str) + Send + 'static) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {:?}: {error}", command.get_program()));
        let stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let collect = move || {
            let lines = stdout.lines().map_while(Result::ok);
            lines.inspect(|line| on_line(line)).collect()
        };
        let lines = Some(std::thread::spawn(collect));
        Self { process, lines }
    }

    /// The process id, to send signals to.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal by its name.
    ///
    /// # Panics
    ///
    /// Panics when there is no `kill`.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args(["-s", name, &self.id().to_string()]);
        let status = kill.status().expect("kill runs");
        assert!(status.success(), "{status}");
    }

    /// As [`finish`](Self::finish), but waits only for as long as there is
    /// [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Panics
    ///
    /// As `finish`, and when it does not end.
    pub fn finish_in_time(mut self) -> (ExitStatus, Vec<String>) {
        wait_until("the program ends", || {
            self.process
                .try_wait()
                .expect("our child can be waited for")
                .is_some()
        });
        self.finish()
    }

    /// Waits for the end and returns how it ended, and all lines.
    ///
    /// # Panics
    ///
    /// Panics if the process cannot be waited for, or `on_line` panicked.
    pub fn finish(mut self) -> (ExitStatus, Vec<String>) {
        let lines = self
            .lines
            .take()
            .expect("taken here only")
            .join()
            .expect("on_line returned");
        let status = self.process.wait().expect("our child can be waited for");
        (status, lines)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail if it has ended, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a main class of Kafka's, such as `org.apache.kafka.tools.ProducerPerformance`, to its end.
///
/// # Panics
///
/// Panics when Java cannot be run.
pub fn run_kafka_tool<S: AsRef<str>>(class: &str, args: &[S], input: impl AsRef<[u8]>) -> Output {
    let mut java = tool(class, args);
    java.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = java
        .spawn()
        .unwrap_or_else(|error| panic!("{}", missing_java(&error)));
    let mut stdin = process.stdin.take().expect("stdin is piped");
    // A tool that does not read its input may have closed it.
    let _ = stdin.write_all(input.as_ref());
    drop(stdin);
    process
        .wait_with_output()
        .expect("our child can be waited for")
}

/// Starts a main class of Kafka's and goes on.
pub fn start_kafka_tool<S: AsRef<str>>(class: &str, args: &[S]) -> Program {
    Program::start(tool(class, args), |_| ())
}

fn tool<S: AsRef<str>>(class: &str, args: &[S]) -> Command {
    let mut java = java(TOOL_HEAP_MB).unwrap_or_else(|error| panic!("{error}"));
    java.arg(class).args(args.iter().map(AsRef::as_ref));
    java
}

/// Builds one of Linger's examples with optimizations and returns the program.
///
/// # Panics
///
/// Panics when cargo cannot build it.
pub fn linger_example(name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--quiet",
        "--release",
        "--message-format=json-render-diagnostics",
    ]);
    build
        .args(["--example", name])
        .current_dir(package_dir().join("../.."));
    let output = build
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs, as it runs this");
    assert!(
        output.status.success(),
        "cargo cannot build the example {name}"
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let found = messages.filter(|message: &serde_json::Value| message["target"]["name"] == name);
    let path = found
        .filter_map(|message| Some(message["executable"].as_str()?.to_owned()))
        .next_back();
    PathBuf::from(path.expect("cargo names the program it built"))
}
