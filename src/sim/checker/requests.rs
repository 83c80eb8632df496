//! Whether the requests that come to brokers are ones that a correct producer sends.

use std::time::Instant;

use crate::ids::NodeId;
use crate::protocol::Request;
use crate::protocol::broker::decode_request;
use crate::record::batch::BatchEncoder;
use crate::record::decode::decode;
use crate::sim::checker::Checker;
use crate::sim::promise::{I4, I7, I10, broken_if, give_up};
use crate::sim::record::id_of;
use crate::testing::Api;

impl Checker {
    /// A request has come to a broker, whole.
    pub(in crate::sim) fn on_request(&mut self, _: Instant, body: &[u8], broker: NodeId) {
        // What the broker cannot read it tells; `on_handled` hears it.
        let Ok((_, Request::Produce(request))) = decode_request(body) else {
            return;
        };
        let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        let mut bytes = 0;
        let mut batches = 0;
        for partition in partitions {
            bytes += partition.records.as_slice().len();
            batches += 1;
            self.on_batch(partition.index, partition.records.as_slice());
        }
        broken_if(
            I10,
            batches > 1 && bytes > self.limits.max_request_size,
            || format!("a request of {batches} batches has {bytes} bytes, at broker {broker}"),
        );
    }

    fn on_batch(&mut self, partition: i32, bytes: &[u8]) {
        let (_, records) = decode(bytes).unwrap_or_else(|error| {
            give_up(I10, &format!("a batch for partition {partition}: {error}"))
        });
        let ids: Vec<_> = records
            .iter()
            .map(|record| id_of(record.value.as_deref()))
            .collect();
        let in_order = ids
            .windows(2)
            .all(|pair| self.order(pair[0]) < self.order(pair[1]));
        broken_if(I4, !in_order || ids.is_empty(), || {
            format!("a batch for partition {partition} holds {ids:?}")
        });
        let (first, times) = self
            .arrived
            .entry((ids[0], ids.len()))
            .or_insert_with(|| (bytes.to_vec(), 0));
        *times += 1;
        // A batch that is certainly in no log may be sent again under another epoch: its header changes. The
        // brokers look at that.
        let from = if self.limits.idempotence {
            HEADER_BYTES
        } else {
            0
        };
        broken_if(I10, first.get(from..) != bytes.get(from..), || {
            format!(
                "the batch of record {} was sent with other bytes before",
                ids[0]
            )
        });
        let times = *times;
        let sent = self.records.get(ids[0] as usize);
        if let Some(batch) = sent.and_then(|sent| sent.batch) {
            self.ledger.on_arrived(batch, ids.len(), bytes.len());
        }
        broken_if(I10, times - 1 > self.limits.retries, || {
            format!("the batch of record {} was sent {times} times", ids[0])
        });
    }

    /// The broker has dealt with a request; `refusal` says why it was no legal one.
    pub(in crate::sim) fn on_handled(
        &self,
        api: Api,
        refusal: Option<&str>,
        violation: Option<&str>,
    ) {
        broken_if(I10, violation.is_some(), || {
            format!("no producer sends {violation:?}")
        });
        // An ApiVersions request in a version that is too new is the way to find out.
        broken_if(I10, refusal.is_some() && api != Api::ApiVersions, || {
            format!("a {api:?} request is not legal: {refusal:?}")
        });
    }

    /// The oldest request that has not ended was sent then.
    pub(in crate::sim) fn on_oldest(&self, now: Instant, sent: Option<Instant>) {
        let deadline = sent.map(|sent| self.fair(sent + self.limits.request_timeout));
        broken_if(I7, deadline.is_some_and(|deadline| now > deadline), || {
            format!(
                "a request is out for longer than {:?}",
                self.limits.request_timeout
            )
        });
    }
}

/// The part of a batch before its records.
const HEADER_BYTES: usize = BatchEncoder::HEADER_BYTES;
