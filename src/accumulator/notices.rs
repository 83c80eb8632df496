//! What the sender should look at, left by callers and picked up by the I/O thread. There are one or two
//! notices for each batch, so that finding the work costs as much as there is work, however many
//! partitions there are. Kafka's own producer asks each partition instead.

use std::time::Instant;

use crate::accumulator::batch::BatchId;
use crate::accumulator::queue::PartitionQueue;
use crate::sync::{Arc, Mutex, Rank, Ranked};

/// What has happened in a partition's queue.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A batch has its first record.
    Opened {
        queue: Arc<PartitionQueue>,
        batch: BatchId,
        opened: Instant,
    },
    /// A batch of this partition need not linger: it is full, or a caller waits for one of its
    /// records.
    Ready(Arc<PartitionQueue>),
}

/// The notices that the I/O thread has not taken yet, in the order in which they came.
#[derive(Debug)]
pub(super) struct Notices(Mutex<Vec<Notice>>);

impl Notices {
    pub(super) fn new() -> Self {
        Self(Mutex::ranked(Rank::Notices, Vec::new()))
    }

    /// Runs on: caller, which wakes the I/O thread afterwards.
    pub(super) fn push(&self, notice: Notice) {
        self.0.lock().push(notice);
    }

    /// Moves them to the end of `notices`. Runs on: I/O thread.
    pub(super) fn take(&self, notices: &mut Vec<Notice>) {
        notices.append(&mut self.0.lock());
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
