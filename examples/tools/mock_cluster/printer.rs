//! Standard output, written by a thread of its own, so that brokers do not wait for a terminal. They
//! do wait if more than a screenful is left to print: nothing is dropped, and memory stays flat. When
//! nobody reads any more, all else goes on without.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How many bytes may be left to print before whoever prints has to wait.
const MOST_WAITING: usize = 64 * 1024;

/// Prints in the order of calls, from any thread.
pub(crate) struct Printer(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: String,
    /// Nothing is written before the first words are known.
    has_begun: bool,
    /// Nobody waits for room any more.
    is_hurried: bool,
    /// No more will come.
    is_ending: bool,
    /// The thread has written all, or nobody reads any more.
    is_done: bool,
}

impl Printer {
    /// Starts the thread that writes.
    pub(crate) fn new(output: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("printer".to_owned())
            .spawn(move || writer.write(output))?;
        Ok(Self(shared))
    }

    /// Prints this before all that came meanwhile.
    pub(crate) fn begin(&self, text: &str) {
        self.0.change(|state| {
            state.waiting.insert_str(0, text);
            state.has_begun = true;
        });
    }

    /// Prints this when its turn has come; waits if there is too much before it and somebody may
    /// read it. Before the first words nobody waits: whoever has to say them may wait for the caller.
    pub(crate) fn print(&self, text: &str) {
        let mut state = self.0.state.lock();
        let is_full = |state: &mut State| {
            let may_wait = state.has_begun && !state.is_hurried && !state.is_done;
            may_wait && state.waiting.len() > MOST_WAITING
        };
        self.0.changed.wait_while(&mut state, is_full);
        if !state.is_done {
            state.waiting.push_str(text);
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_useless(&self) -> bool {
        self.0.state.lock().is_done
    }

    /// From now on nobody waits for room: the end is near.
    pub(crate) fn hurry(&self) {
        self.0.change(|state| state.is_hurried = true);
    }

    /// Prints the last words, and waits until all is written, or for so long.
    pub(crate) fn finish(&self, text: &str, patience: Duration) {
        self.0.change(|state| {
            state.waiting.push_str(text);
            state.has_begun = true;
            state.is_ending = true;
        });
        let mut state = self.0.state.lock();
        let is_busy = |state: &mut State| !state.is_done;
        self.0.changed.wait_while_for(&mut state, is_busy, patience);
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    /// Runs on: the printer's thread.
    fn write(&self, mut output: impl Write) {
        loop {
            let text = {
                let mut state = self.state.lock();
                let has_nothing = |state: &mut State| {
                    !state.has_begun || (state.waiting.is_empty() && !state.is_ending)
                };
                self.changed.wait_while(&mut state, has_nothing);
                std::mem::take(&mut state.waiting)
            };
            self.changed.notify_all();
            let written = output.write_all(text.as_bytes());
            let written = written.and_then(|()| output.flush());
            if let Err(error) = &written {
                let words = "mock_cluster: continues without printing";
                writeln!(io::stderr(), "{words}: {error}").ok();
            }
            if written.is_err() || text.is_empty() {
                self.change(|state| {
                    state.is_done = true;
                    state.waiting = String::new();
                });
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// An output whose every write waits for a permission, and fails when there are no more.
    struct Slow {
        permissions: Receiver<()>,
        written: Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let permitted = self.permissions.recv();
            permitted.map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            self.written.send(text).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printer() -> (Printer, Sender<()>, Receiver<String>) {
        let (permit, permissions) = channel();
        let (written, texts) = channel();
        let output = Slow {
            permissions,
            written,
        };
        (Printer::new(output).unwrap(), permit, texts)
    }

    #[test]
    fn the_first_words_come_first_and_the_last_words_last() {
        let (printer, permit, texts) = printer();
        printer.print("early\n");
        printer.begin("first\n");
        for _ in 0..10 {
            permit.send(()).unwrap();
        }
        printer.print("later\n");
        printer.finish("last\n", PATIENCE);
        drop(printer);
        assert_eq!(
            texts.iter().collect::<String>(),
            "first\nearly\nlater\nlast\n"
        );
    }

    #[test]
    fn nobody_waits_before_the_first_words_are_known() {
        let (printer, permit, texts) = printer();
        let printer = Arc::new(printer);
        let (early, (done, all_printed)) = (Arc::clone(&printer), channel());
        let print = move || {
            (0..3).for_each(|_| early.print(&"x".repeat(MOST_WAITING)));
            done.send(()).unwrap();
        };
        // Not a scoped one, which a test that fails would wait for.
        thread::Builder::new().spawn(print).unwrap();
        all_printed.recv_timeout(PATIENCE).unwrap();
        printer.begin("first\n");
        permit.send(()).unwrap();
        let text = texts.recv_timeout(PATIENCE).unwrap();
        assert!(text.starts_with("first\nx"));
    }

    #[test]
    fn whoever_prints_too_much_waits_for_the_reader_and_loses_nothing() {
        let (printer, permit, texts) = printer();
        printer.begin("");
        let line = format!("{}\n", "x".repeat(1_023));
        let lines = 3 * MOST_WAITING / line.len();
        thread::scope(|scope| {
            let all = scope.spawn(|| (0..lines).for_each(|_| printer.print(&line)));
            let mut read = 0;
            while read < lines * line.len() {
                permit.send(()).unwrap();
                let text = texts.recv_timeout(PATIENCE).unwrap();
                assert!(text.len() <= MOST_WAITING + line.len(), "{}", text.len());
                read += text.len();
            }
            all.join().unwrap();
        });
    }

    #[test]
    fn hurry_and_a_reader_that_is_gone_let_everybody_go_on() {
        let line = "x".repeat(MOST_WAITING + 1);
        let (stuck, _permit, _texts) = printer();
        stuck.begin(&line);
        thread::scope(|scope| {
            scope.spawn(|| (0..4).for_each(|_| stuck.print(&line)));
            stuck.hurry();
        });
        stuck.finish("", Duration::from_millis(1));
        assert!(!stuck.is_useless());

        let (unread, permit, _texts) = printer();
        unread.begin(&line);
        thread::scope(|scope| {
            scope.spawn(|| (0..4).for_each(|_| unread.print(&line)));
            drop(permit);
        });
        unread.finish("unheard", PATIENCE);
        assert!(unread.is_useless());
    }
}
