//! Requests on their way. A request belongs to the connection it was sent on; when that is gone, a
//! late answer finds nothing here. What is on a connection is not found by its partitions' leaders:
//! those may have changed since.

use std::time::Instant;

use crate::accumulator::{BatchId, PartitionId, SealedBatch};
use crate::cluster::Inquiry;
use crate::error::Fate;
use crate::ids::{NodeId, RequestId, TopicId};
use crate::record::batch::ProducerStamp;
use crate::sender::transaction::Call;
use crate::sorted_map::SortedMap;

/// Everything sent and not answered.
#[derive(Debug, Default)]
pub(super) struct Requests {
    by_id: SortedMap<RequestId, SentRequest>,
    next: u64,
}

/// One request.
#[derive(Debug)]
pub(super) struct SentRequest {
    pub(super) node: NodeId,
    pub(super) content: Content,
}

/// Where a batch is while it is on its way: the request, and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestSlot {
    node: NodeId,
    request: RequestId,
    index: usize,
}

/// What a request is for, with what has to be known when it ends.
#[derive(Debug)]
pub(super) enum Content {
    /// With the time when another broker is asked beside.
    Metadata(Inquiry, Instant),
    InitProducerId,
    /// With whether a byte of it may have left.
    Transaction(Call, bool),
    Produce(Vec<SentBatch>),
}

/// A batch in a Produce request.
#[derive(Debug)]
pub(super) struct SentBatch {
    pub(super) partition: PartitionId,
    pub(super) id: BatchId,
    /// As it was when the request was made.
    pub(super) topic_id: TopicId,
    /// Producer id, epoch and sequence, if it has them.
    pub(super) stamp: Option<ProducerStamp>,
    /// What this attempt leaves in the log if no answer to it comes.
    pub(super) if_unanswered: Fate,
    /// `None` if the batch expired; its bytes stay with the request until the last is in the socket.
    pub(super) batch: Option<SealedBatch>,
}

impl RequestSlot {
    pub(super) fn node(self) -> NodeId {
        self.node
    }
}

impl Requests {
    pub(super) fn add(&mut self, node: NodeId, content: Content) -> RequestId {
        let id = RequestId(self.next);
        self.next += 1;
        self.by_id.insert(id, SentRequest { node, content });
        id
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&SentRequest> {
        self.by_id.get(&id)
    }

    /// The request has ended, in whatever way.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<SentRequest> {
        self.by_id.remove(&id)
    }

    /// Whether a Produce request is on its way.
    pub(super) fn any_produce(&self) -> bool {
        let mut requests = self.by_id.values();
        requests.any(|request| matches!(request.content, Content::Produce(_)))
    }

    /// All batches on their way.
    pub(super) fn into_batches(self) -> impl Iterator<Item = SealedBatch> {
        let contents = self.by_id.into_values().map(|request| request.content);
        let sent = contents.flat_map(|content| match content {
            Content::Produce(batches) => batches,
            Content::Metadata(..) | Content::InitProducerId | Content::Transaction(..) => {
                Vec::new()
            }
        });
        sent.filter_map(|sent| sent.batch)
    }

    /// Not a byte of the request has left: it does not count as an attempt.
    pub(super) fn handle_unwritten(&mut self, id: RequestId) {
        let Some(request) = self.by_id.get_mut(&id) else {
            return;
        };
        match &mut request.content {
            Content::Produce(batches) => {
                for sent in batches {
                    sent.if_unanswered = Fate::NotWritten;
                    if let Some(batch) = &mut sent.batch {
                        batch.undo_attempt();
                    }
                }
            }
            Content::Transaction(_, has_left) => *has_left = false,
            Content::Metadata(..) | Content::InitProducerId => {}
        }
    }

    /// The slot of a batch in the request that is added next.
    pub(super) fn next_slot(&self, node: NodeId, index: usize) -> RequestSlot {
        RequestSlot {
            node,
            request: RequestId(self.next),
            index,
        }
    }

    /// A batch on its way, unless it has expired.
    pub(super) fn batch(&self, slot: RequestSlot, batch: BatchId) -> Option<&SealedBatch> {
        match &self.by_id.get(&slot.request)?.content {
            Content::Produce(batches) => {
                let sent = batches.get(slot.index);
                sent.filter(|sent| sent.id == batch)?.batch.as_ref()
            }
            Content::Metadata(..) | Content::InitProducerId | Content::Transaction(..) => None,
        }
    }

    /// Takes an expired batch out of its request, which stays until it ends.
    pub(super) fn take_batch(&mut self, slot: RequestSlot, batch: BatchId) -> Option<SealedBatch> {
        let request = self.by_id.get_mut(&slot.request)?;
        let Content::Produce(batches) = &mut request.content else {
            return None;
        };
        let sent = batches.get_mut(slot.index);
        sent.filter(|sent| sent.id == batch)?.batch.take()
    }
}
