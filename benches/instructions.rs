//! Instructions per record, counted by callgrind: the same on a busy machine as on an idle one. Runs
//! itself under valgrind (Debian: `apt-get install valgrind`), once for each stage of a record's way:
//!
//! ```sh
//! cargo bench --bench instructions
//! ```
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock itself, and prints"
)]

use std::env;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::Instant;

use linger::benchmarks::{Drained, Queues, Sealed, Sending};

/// Set in the process that callgrind watches.
const WATCHED: &str = "LINGER_WATCHED";
const ROUNDS: u64 = 20;
const RECORDS: u64 = 5_000;
const VALUE: [u8; 100] = [b'v'; 100];
const BATCH_SIZE: usize = 16 * 1024;

/// What is counted: the functions below of these names, with all that they call.
const STAGES: [(&str, &str); 8] = [
    ("append_all", "append: caller, lock, budget, encoding"),
    ("drain_all", "drain: notices, queues"),
    ("seal_all", "seal: header, checksum"),
    ("acknowledge_all", "acknowledge: callbacks, memory back"),
    ("append_group", "append, of a group"),
    ("acknowledge_group", "acknowledge, of a group"),
    ("append_small", "append, a batch for each record"),
    ("send_small", "the sender's work, a batch for each record"),
];

fn main() -> ExitCode {
    if env::var_os(WATCHED).is_some() {
        work();
        return ExitCode::SUCCESS;
    }
    println!("| 100-byte values, 16 KiB batches | instructions/record |\n|---|--:|");
    for (function, stage) in STAGES {
        match count(function) {
            Ok(instructions) => {
                let tenths = instructions * 10 / (ROUNDS * RECORDS);
                println!("| {stage} | {}.{} |", tenths / 10, tenths % 10);
            }
            Err(why) => {
                println!("{why}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Instructions in a function of this program.
fn count(function: &str) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect=*{function}*"))
        .arg(program)
        .env(WATCHED, "1")
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split("Collected :").nth(1));
    let collected = collected.and_then(|number| number.trim().parse().ok());
    collected.ok_or_else(|| format!("valgrind said no count:\n{said}"))
}

fn work() {
    let queues = Queues::new(6, BATCH_SIZE, 256 * 1024 * 1024, None);
    for _ in 0..ROUNDS {
        append_all(&queues);
        let drained = drain_all(&queues);
        let sealed = seal_all(drained);
        acknowledge_all(sealed);
        append_group(&queues);
        acknowledge_group(queues.drain().seal());
    }
    let partitions = usize::try_from(RECORDS).expect("a small number");
    let mut sending = Sending::new(Instant::now(), partitions, BATCH_SIZE, 256 * 1024 * 1024);
    for _ in 0..ROUNDS {
        append_small(&sending);
        send_small(&mut sending);
    }
}

#[inline(never)]
fn append_small(sending: &Sending) {
    sending.append(1, black_box(&VALUE));
}

#[inline(never)]
fn send_small(sending: &mut Sending) {
    let batches = black_box(sending).send();
    assert_eq!(
        u64::try_from(batches),
        Ok(RECORDS),
        "a batch was left behind"
    );
}

#[inline(never)]
fn append_all(queues: &Queues) {
    for _ in 0..RECORDS {
        assert!(queues.append(&Instant::now, None, black_box(&VALUE)));
    }
}

#[inline(never)]
fn drain_all(queues: &Queues) -> Drained {
    black_box(queues.drain())
}

#[inline(never)]
fn seal_all(drained: Drained) -> Sealed {
    black_box(drained.seal())
}

#[inline(never)]
fn acknowledge_all(sealed: Sealed) {
    black_box(sealed).acknowledge();
}

#[inline(never)]
fn append_group(queues: &Queues) {
    for token in 0..RECORDS {
        assert!(queues.append_token(&Instant::now, None, black_box(&VALUE), token));
    }
}

#[inline(never)]
fn acknowledge_group(sealed: Sealed) {
    // Differs from the one above, or the compiler would make one function of both.
    assert!(sealed.batches() > 1);
    black_box(sealed).acknowledge();
}
