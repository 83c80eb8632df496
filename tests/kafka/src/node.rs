//! One Kafka node: a JVM behind `guard.sh`, its ports and its data. The guard kills the JVM when
//! this process is gone, so a failed or aborted test leaves nothing running.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use crate::jars::{broker_java, missing_java, package_dir};

const HEAP_MB: u32 = 384;

/// One node, started or not.
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) port: u16,
    log: PathBuf,
    guard: Mutex<Guard>,
}

struct Guard {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pid: Option<u32>,
}

impl Node {
    /// A node whose properties are in `dir/server.properties` and that is not started yet.
    pub(crate) fn new(id: i32, port: u16, dir: &Path) -> Result<Self, String> {
        let log = dir.join("server.log");
        let kafka = broker_java(HEAP_MB)?;
        let mut guard = Command::new("sh");
        guard.arg(package_dir().join("guard.sh")).arg(&log);
        guard.arg(kafka.get_program()).args(kafka.get_args());
        guard.arg("kafka.Kafka").arg(dir.join("server.properties"));
        // The shell would report each kill that it was told to do.
        guard
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = guard
            .spawn()
            .map_err(|error| format!("cannot run sh: {error}"))?;
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let guard = Mutex::new(Guard {
            process,
            orders,
            answers,
            pid: None,
        });
        Ok(Self {
            id,
            port,
            log,
            guard,
        })
    }

    /// Starts the JVM, again if it was killed.
    pub(crate) fn start(&self) {
        self.order("start");
    }

    /// Sends a signal by its name. After KILL and TERM the process is gone when this returns.
    pub(crate) fn signal(&self, name: &str) {
        self.order(name);
    }

    /// Whether the port accepts connections.
    pub(crate) fn accepts(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// An error with the end of its log when the JVM has ended by itself.
    pub(crate) fn check_alive(&self) -> Result<(), String> {
        let pid = self
            .guard
            .lock()
            .expect("no test panics while it gives an order")
            .pid;
        let stat = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        // The state follows the program's name, which is in brackets; Z is an ended child.
        let ended = stat.is_none_or(|stat| stat.rsplit(')').next().is_some_and(is_zombie));
        if ended {
            return Err(format!(
                "Kafka node {} ended by itself. {}",
                self.id,
                self.log_tail()
            ));
        }
        Ok(())
    }

    /// The last lines of the log, for messages.
    pub(crate) fn log_tail(&self) -> String {
        match fs::read(&self.log) {
            Ok(log) if log.is_empty() => "Its log is empty.".to_owned(),
            Ok(log) => {
                let text = String::from_utf8_lossy(&log);
                let lines: Vec<&str> = text.lines().collect();
                let tail = lines[lines.len().saturating_sub(40)..].join("\n");
                format!("The end of its log:\n{tail}")
            }
            Err(error) => missing_java(&error),
        }
    }

    fn order(&self, order: &str) {
        let mut guard = self
            .guard
            .lock()
            .expect("no test panics while it gives an order");
        let orders = guard.orders.as_mut().expect("the pipe closes at drop only");
        writeln!(orders, "{order}").expect("the guard reads until its input ends");
        let mut answer = String::new();
        guard
            .answers
            .read_line(&mut answer)
            .expect("the guard answers every order");
        guard.pid = answer.trim().parse().ok();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Ok(guard) = self.guard.get_mut() {
            drop(guard.orders.take());
            // The guard kills its JVM and ends; there is nobody to tell if it does not.
            let _ = guard.process.wait();
        }
    }
}

fn is_zombie(stat_after_name: &str) -> bool {
    stat_after_name.trim_start().starts_with('Z')
}

/// Ports that are free now. They lie below the range from which the system takes the local port
/// of outgoing connections: while a killed broker is down, such a connection (its clients' own
/// attempts to reconnect included) must not take its port.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, String> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let ephemeral = range
        .split_whitespace()
        .next()
        .and_then(|low| low.parse().ok());
    let (low, high) = (10_000, ephemeral.unwrap_or(32_768_u16).max(11_000));
    let mut candidate = low + random_u16() % (high - low);
    // All are held until the last is found, so that no port comes out twice.
    let mut held = Vec::new();
    for _ in low..high {
        held.extend(TcpListener::bind(("127.0.0.1", candidate)).ok());
        if held.len() == count {
            let ports = held
                .iter()
                .map(|listener| listener.local_addr().map(|addr| addr.port()));
            return ports
                .collect::<Result<_, _>>()
                .map_err(|error| error.to_string());
        }
        candidate = if candidate + 1 < high {
            candidate + 1
        } else {
            low
        };
    }
    Err(format!("no {count} free ports between {low} and {high}"))
}

/// A different number in each process, from the seed of the standard hash maps.
fn random_u16() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0) & 0xffff) as u16
}
