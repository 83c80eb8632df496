//! SIGINT and SIGTERM: the first one lets the tool end in its own time, a second one ends it at once and
//! says so. Exit codes are 128 and the signal's number, as shells and Java have it.

use std::io::{self, Write};
use std::process;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Listens from now on. `first` gets the first signal, on a thread of its own: it may take its time, and
/// a second signal is heard meanwhile.
pub(crate) fn listen(
    tool: &'static str,
    first: impl FnOnce(i32) + Send + 'static,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    spawn("signals", move || {
        let mut signals = signals.forever();
        let Some(signal) = signals.next() else { return };
        // Without a thread nothing can be done in its own time.
        if spawn("ending", move || first(signal)).is_ok() {
            let Some(signal) = signals.next() else { return };
            end(tool, signal);
        }
        end(tool, signal);
    })
}

/// The process's exit code after this signal.
pub(crate) fn exit_code(signal: i32) -> i32 {
    128 + signal
}

fn end(tool: &str, signal: i32) -> ! {
    let name = name(signal);
    // Nobody may be left to read it.
    writeln!(
        io::stderr(),
        "{tool}: ended at once by a second signal ({name})"
    )
    .ok();
    process::exit(exit_code(signal))
}

pub(crate) fn name(signal: i32) -> &'static str {
    match signal {
        SIGINT => "SIGINT",
        _ => "SIGTERM",
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map(drop)
}
