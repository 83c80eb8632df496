//! Where records failed: by partition, with the first error of each. Counted on the I/O thread while a
//! producer closes.

use crate::error::{Error, Fate};
use crate::sync::Arc;

/// A partition whose records failed, in a [`CloseReport`](crate::CloseReport).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartitionFailures {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition, from 0.
    pub partition: i32,
    /// How many records are not in the log ([`Fate::NotWritten`](crate::Fate::NotWritten)).
    pub not_written: u64,
    /// How many may be in the log ([`Fate::MayBeWritten`](crate::Fate::MayBeWritten)).
    pub may_be_written: u64,
    /// Why the first of them failed.
    pub first_error: Error,
}

/// Failed records by partition, as they come: batch by batch.
#[derive(Debug, Default)]
pub(crate) struct FailedByPartition {
    /// Neighbours may be of one partition.
    runs: Vec<PartitionFailures>,
    /// The next record begins a run of its own.
    is_marked: bool,
}

impl FailedByPartition {
    /// The present moment, for [`since`](Self::since).
    pub(crate) fn mark(&mut self) -> usize {
        self.is_marked = true;
        self.runs.len()
    }

    /// One more record has failed.
    pub(crate) fn count(&mut self, topic: &Arc<str>, partition: i32, error: &Error) {
        let last = self.runs.last_mut().filter(|_| !self.is_marked);
        let last = last.filter(|last| last.partition == partition && last.topic == *topic);
        let (not_written, may_be_written) = match error.fate() {
            Fate::NotWritten => (1, 0),
            Fate::MayBeWritten => (0, 1),
        };
        match last {
            Some(last) => {
                last.not_written += not_written;
                last.may_be_written += may_be_written;
            }
            None => self.runs.push(PartitionFailures {
                topic: Arc::clone(topic),
                partition,
                not_written,
                may_be_written,
                first_error: error.clone(),
            }),
        }
        self.is_marked = false;
    }

    /// What was counted since then, in the order of topics and partitions.
    pub(crate) fn since(&self, mark: usize) -> Vec<PartitionFailures> {
        let mut since: Vec<_> = self.runs.iter().skip(mark).cloned().collect();
        // Stable: the first error of a partition stays in front.
        since.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        since.dedup_by(|later, first| {
            let is_same = (&later.topic, later.partition) == (&first.topic, first.partition);
            if is_same {
                first.not_written += later.not_written;
                first.may_be_written += later.may_be_written;
            }
            is_same
        });
        since
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_was_counted_before_is_not_counted_again() {
        let topic: Arc<str> = Arc::from("t");
        let lost = Error::new(ErrorKind::TimedOut, "late").with_fate(Fate::MayBeWritten);
        let closed = Error::new(ErrorKind::Closed, "closed");
        let mut failed = FailedByPartition::default();
        failed.count(&topic, 0, &closed);
        failed.count(&topic, 1, &lost);
        let mark = failed.mark();
        for partition in [1, 1, 2, 1] {
            failed.count(&topic, partition, &closed);
        }
        failed.count(&topic, 1, &lost);
        let counts = |failures: Vec<PartitionFailures>| {
            let counts = failures.iter().map(|one| {
                let kind = one.first_error.kind();
                (one.partition, one.not_written, one.may_be_written, kind)
            });
            counts.collect::<Vec<_>>()
        };
        let expected = [(1, 3, 1, ErrorKind::Closed), (2, 1, 0, ErrorKind::Closed)];
        assert_eq!(counts(failed.since(mark)), expected);
        let all = counts(failed.since(0));
        assert_eq!(all.len(), 3);
        assert_eq!(all.get(1), Some(&(1, 3, 2, ErrorKind::TimedOut)));
    }
}
