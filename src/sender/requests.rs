//! Requests on their way. A request belongs to the connection it was sent on; when that is gone, a
//! late answer finds nobody here.

use std::collections::BTreeMap;

use crate::accumulator::{BatchId, PartitionId, SealedBatch};
use crate::ids::{NodeId, RequestId, TopicId};
use crate::record::batch::ProducerStamp;

/// Everything sent and not answered.
#[derive(Debug, Default)]
pub(super) struct Requests {
    by_id: BTreeMap<RequestId, InFlight>,
    next: u64,
}

/// One request.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) node: NodeId,
    pub(super) content: Content,
}

/// Where a batch is while it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) node: NodeId,
    request: RequestId,
    /// Among the batches of the request.
    place: usize,
}

#[derive(Debug)]
pub(super) enum Content {
    Metadata,
    InitProducerId,
    Produce(Vec<Flying>),
}

/// A batch in a Produce request.
#[derive(Debug)]
pub(super) struct Flying {
    pub(super) partition: PartitionId,
    pub(super) id: BatchId,
    /// As it was when the request was made.
    pub(super) topic_id: TopicId,
    /// Its place in the partition's sequences, if it has one.
    pub(super) stamp: Option<ProducerStamp>,
    /// Whether a byte of the request may have left.
    pub(super) has_left: bool,
    /// `None` if the batch expired; its bytes stay in the request until that is gone.
    pub(super) batch: Option<SealedBatch>,
}

impl Requests {
    pub(super) fn add(&mut self, node: NodeId, content: Content) -> RequestId {
        let id = RequestId(self.next);
        self.next += 1;
        self.by_id.insert(id, InFlight { node, content });
        id
    }

    /// The request has ended, in whatever way.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<InFlight> {
        self.by_id.remove(&id)
    }

    /// All batches on their way.
    pub(super) fn into_batches(self) -> impl Iterator<Item = SealedBatch> {
        let contents = self.by_id.into_values().map(|request| request.content);
        let flying = contents.flat_map(|content| match content {
            Content::Produce(batches) => batches,
            Content::Metadata | Content::InitProducerId => Vec::new(),
        });
        flying.filter_map(|flying| flying.batch)
    }

    /// Not a byte of the request has left: it does not count as an attempt.
    pub(super) fn note_unwritten(&mut self, id: RequestId) {
        let Some(request) = self.by_id.get_mut(&id) else {
            return;
        };
        if let Content::Produce(batches) = &mut request.content {
            for flying in batches {
                flying.has_left = false;
                if let Some(batch) = &mut flying.batch {
                    batch.attempts = batch.attempts.saturating_sub(1);
                }
            }
        }
    }

    /// The seat of a batch in the request that is added next.
    pub(super) fn next_seat(&self, node: NodeId, place: usize) -> Seat {
        Seat {
            node,
            request: RequestId(self.next),
            place,
        }
    }

    /// A batch on its way, unless it has expired.
    pub(super) fn batch(&self, seat: Seat, batch: BatchId) -> Option<&SealedBatch> {
        match &self.by_id.get(&seat.request)?.content {
            Content::Produce(batches) => {
                let flying = batches.get(seat.place);
                flying.filter(|flying| flying.id == batch)?.batch.as_ref()
            }
            Content::Metadata | Content::InitProducerId => None,
        }
    }

    /// Takes an expired batch out of its request, which goes on without it.
    pub(super) fn take_batch(&mut self, seat: Seat, batch: BatchId) -> Option<SealedBatch> {
        let request = self.by_id.get_mut(&seat.request)?;
        let Content::Produce(batches) = &mut request.content else {
            return None;
        };
        let flying = batches.get_mut(seat.place);
        flying.filter(|flying| flying.id == batch)?.batch.take()
    }
}
