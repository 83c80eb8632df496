//! In the place of `pipe.rs` for the model tests: a pipe that a model checker sees, on which a
//! thread can wait.

use std::io;

use crate::sync::{Condvar, Mutex, Rank, Ranked};

#[derive(Debug)]
pub(super) struct Pipe {
    bytes: Mutex<usize>,
    written: Condvar,
}

impl Pipe {
    #[expect(clippy::unnecessary_wraps, reason = "as the real one")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            bytes: Mutex::ranked(Rank::Test, 0),
            written: Condvar::new(),
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the real one")]
    pub(super) fn write(&self) -> io::Result<()> {
        *self.bytes.lock() += 1;
        self.written.notify_one();
        Ok(())
    }

    pub(super) fn drain(&self) -> usize {
        std::mem::take(&mut *self.bytes.lock())
    }

    /// What the readiness call does.
    pub(super) fn wait_until_readable(&self) {
        let mut bytes = self.bytes.lock();
        while *bytes == 0 {
            self.written.wait(&mut bytes);
        }
    }
}
