//! Whether purges take what was never sent, all of it, and nothing else.

use std::collections::BTreeSet;

use crate::accumulator::UndeliveredRecord;
use crate::error::{ErrorKind, Fate};
use crate::protocol::Request;
use crate::record::decode::decode;
use crate::sender::Purged;
use crate::sim::checker::Checker;
use crate::sim::options::Options;
use crate::sim::promise::{I16, broken_if, give_up};
use crate::sim::record::{RecordId, id_of};
use crate::sim::stage::Trace;

/// What has left, and what was purged.
#[derive(Debug)]
pub(super) struct Purges {
    /// Whether there are purges at all: otherwise requests are not looked at.
    are_made: bool,
    /// Batches of which a record has been sent.
    departed: BTreeSet<u64>,
    purged: BTreeSet<RecordId>,
}

impl Purges {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            are_made: options.purges > 0,
            departed: BTreeSet::new(),
            purged: BTreeSet::new(),
        }
    }
}

impl Checker {
    /// The sender sends a request, which may not get far.
    pub(in crate::sim) fn on_departing(&mut self, request: &Request) {
        let Request::Produce(request) = request else {
            return;
        };
        if !self.purges.are_made {
            return;
        }
        for partition in request.topics.iter().flat_map(|topic| &topic.partitions) {
            let (_, records) = decode(partition.records.as_slice())
                .unwrap_or_else(|error| give_up(I16, &format!("a batch is sent: {error}")));
            for record in records {
                let id = id_of(record.value.as_deref());
                broken_if(I16, self.purges.purged.contains(&id), || {
                    format!("record {id} is sent, and was purged")
                });
                let sent = self.records.get(id as usize);
                self.purges
                    .departed
                    .extend(sent.and_then(|sent| sent.batch));
            }
        }
    }

    /// A purge has returned that was called while `before` were open.
    pub(in crate::sim) fn on_purged(
        &mut self,
        before: &BTreeSet<RecordId>,
        purged: &Purged,
        trace: &mut Trace,
    ) {
        let returned = &purged.returned;
        broken_if(I16, purged.records != returned.len() as u64, || {
            format!("{} purged, {} returned", purged.records, returned.len())
        });
        for record in returned {
            let id = self.on_returned(record);
            if self.open.contains(&id) {
                trace.mark("purged outcome held");
            }
        }
        for id in before.intersection(&self.open) {
            let has_departed = |batch: u64| self.purges.departed.contains(&batch);
            let is_forgotten = !self.purges.purged.contains(id)
                && !self.record(*id).batch.is_some_and(has_departed);
            broken_if(I16, is_forgotten, || {
                format!("record {id} was never sent, and is not purged")
            });
        }
        let left = self.open.difference(&self.purges.purged).count() as u64;
        broken_if(I16, purged.left > left, || {
            format!("{} left alone, of {left}", purged.left)
        });
        if !returned.is_empty() {
            trace.mark("purged records");
        }
    }

    /// A record came back from a purge.
    fn on_returned(&mut self, record: &UndeliveredRecord) -> RecordId {
        let id = id_of(record.value());
        let sent = self.records.get(id as usize);
        let is_same = sent.is_some_and(|sent| {
            Some(&*sent.value) == record.value()
                // The message level sends none.
                && record.key().is_none_or(|key| sent.key.as_deref() == Some(key))
                && sent.partition == record.partition()
        });
        broken_if(I16, !is_same, || format!("nobody sent {record:?}"));
        let is_true =
            record.fate() == Fate::NotWritten && record.error().kind() == ErrorKind::Purged;
        broken_if(I16, !is_true, || format!("a purge returns {record:?}"));
        let batch = sent.and_then(|sent| sent.batch);
        broken_if(
            I16,
            batch.is_none_or(|batch| self.purges.departed.contains(&batch)),
            || format!("record {id} was purged after it was sent, or before"),
        );
        broken_if(I16, !self.purges.purged.insert(id), || {
            format!("record {id} was purged twice")
        });
        if let Some(batch) = batch {
            self.ledger.on_purged(batch);
        }
        id
    }

    /// The producer has stopped: exactly the purged records have that outcome.
    pub(super) fn check_purged(&self) {
        for (id, sent) in (0..).zip(&self.records) {
            let is_told = sent.outcome == Some(Err(ErrorKind::Purged));
            broken_if(I16, is_told != self.purges.purged.contains(&id), || {
                format!("record {id} has the outcome {:?}", sent.outcome)
            });
        }
    }
}
