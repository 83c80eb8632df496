//! Requests on their way. A request belongs to the connection it was sent on; when that is gone, a
//! late answer finds nobody here.

use std::collections::BTreeMap;

use crate::accumulator::{BatchId, PartitionId, SealedBatch};
use crate::ids::{NodeId, RequestId, TopicId};

/// Everything sent and not answered.
#[derive(Debug, Default)]
pub(super) struct Requests {
    by_id: BTreeMap<RequestId, InFlight>,
    /// Which request carries a partition's batch, so that an expiry need not search.
    carriers: BTreeMap<PartitionId, RequestId>,
    next: u64,
}

/// One request.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) node: NodeId,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Metadata,
    Produce(Vec<Flying>),
}

/// A batch in a Produce request.
#[derive(Debug)]
pub(super) struct Flying {
    pub(super) partition: PartitionId,
    /// As it was when the request was made.
    pub(super) topic_id: TopicId,
    /// `None` if the batch expired; its bytes stay in the request until that is gone.
    pub(super) batch: Option<SealedBatch>,
}

impl Requests {
    pub(super) fn add(&mut self, node: NodeId, content: Content) -> RequestId {
        let id = RequestId(self.next);
        self.next += 1;
        if let Content::Produce(batches) = &content {
            self.carriers
                .extend(batches.iter().map(|flying| (flying.partition, id)));
        }
        self.by_id.insert(id, InFlight { node, content });
        id
    }

    /// The request has ended, in whatever way.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<InFlight> {
        let request = self.by_id.remove(&id)?;
        if let Content::Produce(batches) = &request.content {
            for flying in batches {
                self.carriers.remove(&flying.partition);
            }
        }
        Some(request)
    }

    /// Not a byte of the request has left: it does not count as an attempt.
    pub(super) fn note_unwritten(&mut self, id: RequestId) {
        let Some(request) = self.by_id.get_mut(&id) else {
            return;
        };
        if let Content::Produce(batches) = &mut request.content {
            for batch in batches
                .iter_mut()
                .filter_map(|flying| flying.batch.as_mut())
            {
                batch.attempts = batch.attempts.saturating_sub(1);
            }
        }
    }

    /// Takes an expired batch out of its request, which goes on without it.
    pub(super) fn take_batch(&mut self, id: PartitionId, batch: BatchId) -> Option<SealedBatch> {
        let request = self.by_id.get_mut(self.carriers.get(&id)?)?;
        let Content::Produce(batches) = &mut request.content else {
            return None;
        };
        let flying = batches.iter_mut().find(|flying| flying.partition == id)?;
        flying.batch.take_if(|flying| flying.id == batch)
    }
}
