//! Watches which batches are on their way, as the client knows it, and holds the producer to what no
//! broker could check: how many may be unresolved, that sequences have no gaps of the producer's own
//! making, and that nothing follows a batch whose sequence no broker has confirmed yet. Serves the
//! byte level and the message level.

use std::collections::BTreeMap;

use crate::ErrorCode;
use crate::ids::{NodeId, RequestId};
use crate::protocol::messages::{ProduceRequest, ProduceResponse};
use crate::protocol::{Request, Response};
use crate::record::batch::ProducerStamp;
use crate::record::decode::claimed_record_count;
use crate::sender::Input;
use crate::sim::options::Options;
use crate::sim::promise::{I10, broken_if};
use crate::sim::stage::Trace;

/// What a broker remembers of a producer, and so the most that may be unresolved.
const PIPELINE: usize = 5;

/// Requests without an answer, and what partitions have sent.
#[derive(Debug)]
pub(super) struct Flights {
    requests: BTreeMap<RequestId, (NodeId, Vec<Leg>)>,
    partitions: BTreeMap<i32, Flown>,
    idempotence: bool,
    max_request_size: usize,
    hints: BTreeMap<i32, NodeId>,
}

/// A batch in a request.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Leg {
    partition: i32,
    stamp: ProducerStamp,
    records: i32,
    bytes: usize,
}

/// What a partition has sent.
#[derive(Debug, Default)]
struct Flown {
    /// Batches on their way.
    aloft: usize,
    /// The newest identity, and the sequence after its last record.
    newest: Option<(i64, i16, i32)>,
    /// Whether a broker has confirmed a sequence of it.
    is_confirmed: bool,
    /// What was sent under it: first sequence, records, and how often.
    sent: BTreeMap<i32, (i32, u32)>,
}

impl Flights {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            requests: BTreeMap::new(),
            partitions: BTreeMap::new(),
            idempotence: options.sender.idempotence,
            max_request_size: options.sender.max_request_size,
            hints: BTreeMap::new(),
        }
    }

    /// The sender sends a request.
    pub(super) fn on_send(
        &mut self,
        node: NodeId,
        id: RequestId,
        request: &Request,
        trace: &mut Trace,
    ) {
        let Request::Produce(request) = request else {
            return;
        };
        let legs = legs(request);
        let bytes: usize = legs.iter().map(|leg| leg.bytes).sum();
        broken_if(I10, legs.len() > 1 && bytes > self.max_request_size, || {
            format!(
                "request {} of {} batches has {bytes} bytes",
                id.0,
                legs.len()
            )
        });
        if legs.len() > 1 {
            trace.mark("several batches in a request");
        }
        for leg in &legs {
            if self.hints.remove(&leg.partition) == Some(node) {
                trace.mark("hint followed");
            }
            let flown = self.partitions.entry(leg.partition).or_default();
            flown.depart(leg, self.idempotence, trace);
        }
        self.requests.insert(id, (node, legs));
    }

    /// The sender is given an input.
    pub(super) fn on_input(&mut self, input: &Input) {
        match input {
            Input::Response(id, Response::Produce(response)) => self.land(*id, Some(response)),
            Input::Sent(id) | Input::Refused(id, _) => self.land(*id, None),
            Input::Response(_, Response::Metadata(_)) => self.hints.clear(),
            Input::Disconnected(node, ..) => self.on_disconnected(*node),
            Input::Response(..)
            | Input::Features(_)
            | Input::Ready(_)
            | Input::Unresolved(_)
            | Input::Command(..)
            | Input::Purge(..) => {}
        }
    }

    /// A connection is no more, and nothing on it gets an answer.
    pub(super) fn on_disconnected(&mut self, node: NodeId) {
        let on_it = self.requests.iter().filter(|(_, (to, _))| *to == node);
        for id in on_it.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.land(id, None);
        }
    }

    fn land(&mut self, id: RequestId, response: Option<&ProduceResponse>) {
        let Some((_, legs)) = self.requests.remove(&id) else {
            return;
        };
        let topics = response.into_iter().flat_map(|response| &response.topics);
        let answers: Vec<_> = topics.flat_map(|topic| &topic.partitions).collect();
        for leg in legs {
            let Some(flown) = self.partitions.get_mut(&leg.partition) else {
                continue;
            };
            flown.aloft -= 1;
            for answer in { &answers }.iter().filter(|one| one.index == leg.partition) {
                let identity = (leg.stamp.producer_id, leg.stamp.epoch);
                let is_newest = flown.identity() == Some(identity);
                let is_good = matches!(
                    answer.error,
                    ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER
                );
                flown.is_confirmed |= is_good && is_newest;
                if let Some(hint) = &answer.current_leader {
                    self.hints.insert(leg.partition, hint.leader);
                }
            }
        }
    }

    /// The client is no more.
    pub(super) fn forget(&mut self) {
        self.requests.clear();
    }

    /// Whether a batch is on its way.
    pub(super) fn are_aloft(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Whether one is on its way to this broker.
    pub(super) fn are_on(&self, node: NodeId) -> bool {
        self.requests.values().any(|(to, _)| *to == node)
    }

    /// Whether a batch has been sent more than once under the newest identity of its partition.
    pub(super) fn have_retries(&self) -> bool {
        let all = self.partitions.values();
        all.filter(|flown| flown.aloft > 0)
            .any(|flown| flown.sent.values().any(|(_, times)| *times > 1))
    }

    /// The sequences of a partition were moved, on both sides.
    pub(super) fn on_wound(&mut self, partition: i32, next: i32) {
        if let Some(flown) = self.partitions.get_mut(&partition) {
            flown.sent.clear();
            flown.newest = flown.newest.map(|(id, epoch, _)| (id, epoch, next));
        }
    }
}

impl Flown {
    fn identity(&self) -> Option<(i64, i16)> {
        self.newest.map(|(id, epoch, _)| (id, epoch))
    }

    fn depart(&mut self, leg: &Leg, idempotence: bool, trace: &mut Trace) {
        self.aloft += 1;
        let aloft = self.aloft;
        let most = if idempotence { PIPELINE } else { 1 };
        let partition = leg.partition;
        broken_if(I10, aloft > most, || {
            format!("{aloft} batches of partition {partition} are unresolved")
        });
        let stamp = leg.stamp;
        broken_if(I10, idempotence != (stamp.producer_id >= 0), || {
            format!("a batch of partition {partition} has the stamp {stamp:?}")
        });
        if !idempotence {
            return;
        }
        if aloft > 1 {
            trace.mark("pipelined");
        }
        if aloft == PIPELINE {
            trace.mark("pipeline full");
        }
        self.follow(leg, trace);
        broken_if(I10, aloft > 1 && !self.is_confirmed, || {
            format!("{stamp:?} of partition {partition} follows an unconfirmed sequence")
        });
    }

    /// The batch goes on where the partition's sequences stand, or is one that was sent before, or a
    /// part of it.
    fn follow(&mut self, leg: &Leg, trace: &mut Trace) {
        let ProducerStamp {
            producer_id,
            epoch,
            base_sequence,
        } = leg.stamp;
        let partition = leg.partition;
        let end = base_sequence.wrapping_add(leg.records) & i32::MAX;
        match self.newest {
            Some((id, before, next)) if (id, before) == (producer_id, epoch) => {
                if let Some((records, times)) = self.sent.get_mut(&base_sequence) {
                    *times += 1;
                    let is_part = leg.records < *records;
                    trace.mark(match is_part {
                        true if *times > 2 => "split during retry",
                        true => "batch split",
                        false => "sent again",
                    });
                    if is_part {
                        (*records, *times) = (leg.records, 1);
                    }
                    return;
                }
                // A part of a batch that was split starts inside of what was sent.
                let behind = next.wrapping_sub(base_sequence) & i32::MAX;
                let is_part = behind < i32::MAX / 2;
                broken_if(I10, base_sequence != next && !is_part, || {
                    format!("partition {partition} sends sequence {base_sequence} after {next}")
                });
                if base_sequence == next {
                    self.newest = Some((id, before, end));
                }
                if end < base_sequence {
                    trace.mark("sequence wrapped");
                }
            }
            before => {
                broken_if(I10, base_sequence != 0, || {
                    format!("partition {partition} begins with sequence {base_sequence}")
                });
                trace.mark(match before {
                    None => "first sequence",
                    Some((id, ..)) if id == producer_id => "epoch bumped",
                    Some(_) => "another producer id",
                });
                broken_if(I10, self.aloft > 1, || {
                    format!("partition {partition} has batches of two epochs on their way")
                });
                self.newest = Some((producer_id, epoch, end));
                self.is_confirmed = false;
                self.sent.clear();
            }
        }
        self.sent.insert(base_sequence, (leg.records, 1));
    }
}

/// The batches of a request, by what they say of themselves.
fn legs(request: &ProduceRequest) -> Vec<Leg> {
    let mut legs = Vec::new();
    for partition in request.topics.iter().flat_map(|topic| &topic.partitions) {
        let bytes = partition.records.as_slice();
        legs.push(Leg {
            partition: partition.index,
            stamp: ProducerStamp {
                producer_id: i64::from_be_bytes(field(bytes, 43)),
                epoch: i16::from_be_bytes(field(bytes, 51)),
                base_sequence: i32::from_be_bytes(field(bytes, 53)),
            },
            records: claimed_record_count(bytes) as i32,
            bytes: bytes.len(),
        });
    }
    legs
}

fn field<const N: usize>(batch: &[u8], offset: usize) -> [u8; N] {
    let bytes = batch.get(offset..).and_then(|rest| rest.first_chunk());
    bytes.copied().expect("a batch has a whole header")
}
