//! Lines on standard output that a script relies on: if one cannot be written, because the disk is full
//! or nobody reads any more, standard error has a word about it, and the tool's exit code is not 0.

use std::fmt::Display;
use std::io::{self, Write};

use parking_lot::Mutex;

/// Where a tool's lines go, from any thread. After the first that cannot be written none is.
pub(crate) struct Output {
    tool: &'static str,
    writer: Mutex<Option<Box<dyn Write + Send>>>,
}

impl Output {
    /// Lines of the tool with this name to `writer`: standard output, or a test's.
    pub(crate) fn new(tool: &'static str, writer: impl Write + Send + 'static) -> Self {
        Self {
            tool,
            writer: Mutex::new(Some(Box::new(writer))),
        }
    }

    /// Prints the line that `line` makes. No other thread makes one meanwhile, so that whoever reads a
    /// clock for it prints in the order of time.
    pub(crate) fn print<L: Display>(&self, line: impl FnOnce() -> L) {
        let mut writer = self.writer.lock();
        let Some(open) = writer.as_mut() else { return };
        // At once: what is left to the end of the program is lost without a word if it fails then.
        if let Err(error) = writeln!(open, "{}", line()).and_then(|()| open.flush()) {
            *writer = None;
            complain(self.tool, &error);
        }
    }

    /// Whether a line is lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.writer.lock().is_none()
    }
}

/// Prints a text to standard output; false if that was not possible.
pub(crate) fn print(tool: &'static str, text: impl Display) -> bool {
    let output = Output::new(tool, io::stdout());
    output.print(|| text);
    !output.is_lost()
}

/// Nobody may be left to read this either.
fn complain(tool: &str, error: &io::Error) {
    writeln!(
        io::stderr(),
        "{tool}: cannot write to standard output: {error}"
    )
    .ok();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Takes what it gets until it is flushed so often, like a buffer in front of a disk.
    struct Disk {
        flushes: usize,
        asked: Arc<AtomicUsize>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            match self.asked.fetch_add(1, Ordering::Relaxed) < self.flushes {
                true => Ok(()),
                false => Err(io::ErrorKind::StorageFull.into()),
            }
        }
    }

    #[test]
    fn a_line_is_lost_if_it_cannot_be_flushed_and_no_more_follow() {
        let asked = Arc::new(AtomicUsize::new(0));
        let disk = Disk {
            flushes: 1,
            asked: Arc::clone(&asked),
        };
        let output = Output::new("tool", disk);
        output.print(|| "one");
        assert!(!output.is_lost());
        output.print(|| "two");
        assert!(output.is_lost());
        output.print(|| "three");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
