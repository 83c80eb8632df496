//! tmp
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]
mod args;
#[path = "../shared/command_line.rs"]
mod command_line;
mod event;
#[path = "../shared/throttle.rs"]
mod throttle;
fn main() {}
