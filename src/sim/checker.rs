//! Watches the producer from outside, and ends the schedule when a [promise](super::promise)
//! is broken. Knows nothing of how the producer works.

mod logs;
mod purges;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::ErrorCode;
use crate::accumulator::{Accumulator, BatchId};
use crate::config::Acks;
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::ids::NodeId;
use crate::protocol::Request;
use crate::protocol::broker::decode_request;
use crate::record::batch::BatchEncoder;
use crate::record::decode::decode;
use crate::record::metadata::RecordMetadata;
use crate::sim::ledger::{Ledger, RECORD_BYTES};
use crate::sim::options::{Options, TOPIC};
use crate::sim::promise::{I1, I2, I4, I6, I7, I8, I10, I12, I13, broken_if, give_up};
use crate::sim::workload::Group;
use crate::sync::{Arc, Mutex};
use crate::testing::{Api, MockRecord};
use purges::Purges;

/// The number of a record; also the first bytes of its value.
pub(super) type RecordId = u32;

/// What callbacks were told, in the order of the calls.
pub(super) type Told = Arc<Mutex<Vec<(RecordId, Result<RecordMetadata>)>>>;

/// Everything that was sent, and what became of it.
#[derive(Debug)]
pub(super) struct Checker {
    pub(super) told: Told,
    /// Tells the same, for records that have no callback of their own.
    pub(super) group: Group,
    records: Vec<Sent>,
    accepted: usize,
    /// Of the accepted ones, those without an outcome.
    open: BTreeSet<RecordId>,
    /// The same, in the order of acceptance.
    open_in_order: BTreeSet<(usize, RecordId)>,
    /// By partition: how many records had been accepted before the newest one that has its outcome,
    /// and when it was told.
    newest_told: BTreeMap<i32, (usize, Instant)>,
    purges: Purges,
    /// What they cost.
    ledger: Ledger,
    /// When each batch was opened, as far as the checker can see.
    opened: BTreeMap<BatchId, Instant>,
    /// The bytes of each batch that has arrived, by its first record, and how often it has.
    arrived: BTreeMap<(RecordId, usize), (Vec<u8>, u32)>,
    /// Times at which the client did nothing: it cannot be blamed for deadlines in there.
    pauses: Vec<(Instant, Instant)>,
    delivery_timeout: Duration,
    linger: Duration,
    request_timeout: Duration,
    retries: u32,
    acks: Acks,
    idempotence: bool,
    /// Whether values take less memory than they have bytes.
    compresses: bool,
    /// Whether the brokers are too old for the codec: what it makes smaller fails.
    refuses_codec: bool,
    max_message_bytes: usize,
    /// Whether nothing of an earlier epoch gets into a log after something of a later one.
    has_fences: bool,
    /// Whether a broker that has acknowledged a batch goes on to know its producer.
    has_memory: bool,
    max_in_flight: usize,
    max_request_size: usize,
    patience: Duration,
    /// When nothing went wrong any more.
    healed: Option<Instant>,
    /// When nothing was left of what had gone wrong, not even a silent connection.
    settled: Option<Instant>,
    /// What a record takes then, at most.
    quick: Duration,
    /// When metadata was asked for last.
    asked: Option<Instant>,
    metadata_pause: Duration,
    tells_duplicates: bool,
    requests: u64,
    connects: u64,
    /// Who may want something at the same time.
    parties: u64,
    /// What each of them waits for at least before it tries again, and before it connects again.
    request_pause: Duration,
    connect_pause: Duration,
    pub(super) acknowledged: u32,
    pub(super) failed: u32,
}

/// A record, as it was given to the producer.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) partition: i32,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) header: bool,
    /// Its batch's; `None` until it is accepted.
    deadline: Option<Instant>,
    accepted: Option<Instant>,
    batch: Option<u64>,
    /// How many were accepted before it.
    order: usize,
    outcome: Option<Result<Option<i64>, ErrorKind>>,
    /// Whether its error said that it is not in the log.
    is_absent: bool,
}

impl Checker {
    pub(super) fn new(options: &Options) -> Self {
        let sender = &options.sender;
        let told = Told::default();
        Self {
            group: Group::telling(&told),
            told,
            records: Vec::new(),
            accepted: 0,
            open: BTreeSet::new(),
            open_in_order: BTreeSet::new(),
            newest_told: BTreeMap::new(),
            purges: Purges::new(options),
            ledger: Ledger::default(),
            opened: BTreeMap::new(),
            arrived: BTreeMap::new(),
            pauses: Vec::new(),
            delivery_timeout: options.topic().delivery_timeout,
            linger: options.sender.linger,
            request_timeout: options.sender.request_timeout,
            retries: options.sender.retries,
            acks: options.topic().acks,
            idempotence: options.sender.idempotence,
            compresses: options.topic().compression.is_some(),
            refuses_codec: options.refuses_codec(),
            max_message_bytes: options.max_message_bytes,
            has_fences: options.sender.idempotence && options.first_epoch == 0,
            has_memory: true,
            max_in_flight: options.sender.max_in_flight,
            max_request_size: options.sender.max_request_size,
            patience: options.patience(),
            healed: None,
            settled: None,
            quick: options.quick(),
            asked: None,
            metadata_pause: options.sender.retry_backoff.initial * 8 / 10,
            tells_duplicates: options.tells_duplicates,
            requests: 0,
            connects: 0,
            parties: 2 * (u64::from(options.brokers) + 10),
            request_pause: (sender.retry_backoff.initial * 8 / 10).max(options.latency.0 * 2),
            connect_pause: (sender.reconnect_backoff.initial * 8 / 10).max(options.latency.0 * 2),
            acknowledged: 0,
            failed: 0,
        }
    }

    /// A record that is about to be sent: `size` bytes, of which the first ones are its number.
    pub(super) fn draft(&mut self, partition: i32, size: u32) -> RecordId {
        let id = RecordId::try_from(self.records.len()).expect("few records");
        let mut value = id.to_be_bytes().to_vec();
        value.extend(partition.to_be_bytes());
        let filler = |index: u32| (id.wrapping_mul(31).wrapping_add(index * 7) % 251) as u8;
        value.extend((8..size.max(8)).map(filler));
        self.records.push(Sent {
            partition,
            key: (id % 3 == 0).then(|| id.to_le_bytes().to_vec()),
            value,
            header: id % 5 == 0,
            deadline: None,
            accepted: None,
            batch: None,
            order: usize::MAX,
            outcome: None,
            is_absent: false,
        });
        id
    }

    pub(super) fn record(&self, id: RecordId) -> &Sent {
        &self.records[id as usize]
    }

    fn order(&self, id: RecordId) -> usize {
        self.records
            .get(id as usize)
            .map_or(usize::MAX, |record| record.order)
    }

    /// Where the partitioner has put it.
    pub(super) fn redirect(&mut self, id: RecordId, partition: i32) {
        self.records[id as usize].partition = partition;
    }

    pub(super) fn on_accepted(&mut self, now: Instant, id: RecordId, batch: BatchId) {
        let opened = *self.opened.entry(batch).or_insert(now);
        let record = &mut self.records[id as usize];
        record.deadline = Some(opened + self.delivery_timeout);
        record.accepted = Some(now);
        record.order = self.accepted;
        self.accepted += 1;
        self.open.insert(id);
        self.open_in_order.insert((record.order, id));
        record.batch = Some(batch.number);
        self.ledger.on_accepted(batch.number, record.value.len());
    }

    pub(super) fn on_pause(&mut self, from: Instant, to: Instant) {
        self.pauses.push((from, to));
    }

    pub(super) fn on_healed(&mut self, now: Instant) {
        self.healed = Some(now);
    }

    pub(super) fn on_settled(&mut self, now: Instant) {
        self.settled = Some(now);
    }

    /// A request is sent: most often one per record, and one per pause for whatever has to be tried
    /// again.
    pub(super) fn on_sent(&mut self, elapsed: Duration) {
        self.requests += 1;
        let paced = self.parties * (elapsed.as_nanos() / self.request_pause.as_nanos()) as u64;
        let most = 200 + 20 * self.accepted as u64 + paced;
        let requests = self.requests;
        broken_if(I8, requests > most, || {
            format!("{requests} requests in {elapsed:?}, more than {most}")
        });
    }

    /// A connection is begun.
    pub(super) fn on_connecting(&mut self, elapsed: Duration) {
        self.connects += 1;
        let paced = self.parties * (elapsed.as_nanos() / self.connect_pause.as_nanos()) as u64;
        let (connects, most) = (self.connects, 50 + paced);
        broken_if(I8, connects > most, || {
            format!("{connects} connections in {elapsed:?}, more than {most}")
        });
    }

    /// Metadata is asked for.
    pub(super) fn on_asked(&mut self, now: Instant) {
        let pause = self.asked.replace(now).map(|before| now - before);
        broken_if(
            I8,
            pause.is_some_and(|pause| pause < self.metadata_pause),
            || format!("metadata was asked for again after {pause:?}"),
        );
    }

    /// Records accepted and without an outcome.
    pub(super) fn open(&self) -> BTreeSet<RecordId> {
        self.open.clone()
    }

    /// The deadline, moved to the end of the pauses that it fell into.
    fn fair(&self, deadline: Instant) -> Instant {
        let pauses = self.pauses.iter();
        pauses.fold(deadline, |deadline, (from, to)| {
            let is_in_it = *from <= deadline && deadline <= *to;
            if is_in_it { *to } else { deadline }
        })
    }

    /// A call that blocks has ended.
    pub(super) fn on_unblocked(&self, now: Instant, what: &str, deadline: Instant) {
        broken_if(I7, now > self.fair(deadline), || {
            format!("{what} returned {:?} after its deadline", now - deadline)
        });
    }

    /// A flush has returned that was called at `since`.
    pub(super) fn check_flush(&self, now: Instant, since: Instant) {
        let is_calm = self.settled.is_some_and(|settled| since >= settled) && self.retries > 10;
        // What is flushed does not linger.
        let took = now - since;
        broken_if(I8, is_calm && took > self.quick - self.linger, || {
            format!("a flush took {took:?} although nothing was wrong")
        });
    }

    /// A flush has returned that was called while `before` were open.
    pub(super) fn on_flushed(&self, before: &BTreeSet<RecordId>) {
        let left: Vec<_> = before.intersection(&self.open).collect();
        broken_if(I13, !left.is_empty(), || {
            format!("flush returned before records {left:?}")
        });
    }

    /// Callbacks have run.
    pub(super) fn on_told(&mut self, now: Instant) {
        let told = std::mem::take(&mut *self.told.lock());
        for (id, result) in told {
            self.on_outcome(now, id, result);
        }
    }

    fn on_outcome(&mut self, now: Instant, id: RecordId, result: Result<RecordMetadata>) {
        let is_absent = matches!(&result, Err(error) if error.fate() == Fate::NotWritten);
        let record = &self.records[id as usize];
        broken_if(I1, record.outcome.is_some(), || {
            format!("record {id} has a second outcome")
        });
        let deadline = record.deadline;
        broken_if(I1, deadline.is_none(), || {
            format!("record {id} was refused, and has an outcome")
        });
        let newest = self
            .newest_told
            .insert(record.partition, (record.order, now));
        broken_if(
            I4,
            newest.is_some_and(|(newest, _)| record.order < newest),
            || format!("record {id} has its outcome after one that was sent later"),
        );
        let deadline = deadline.expect("just seen");
        broken_if(I7, now > self.fair(deadline), || {
            format!("record {id} has its outcome {:?} too late", now - deadline)
        });
        let outcome = match result {
            Ok(metadata) => {
                let size = Some(record.value.len());
                let is_right = metadata.partition() == record.partition
                    && metadata.value_size() == size
                    && metadata.timestamp_ms() == i64::from(id);
                broken_if(I12, !is_right, || {
                    format!("record {id} is told as {metadata:?}")
                });
                let has_offset =
                    metadata.offset().is_some() || self.acks == Acks::None || self.tells_duplicates;
                broken_if(I2, !has_offset, || format!("record {id} has no offset"));
                Ok(metadata.offset())
            }
            Err(error) => {
                let kind = error.kind();
                broken_if(I1, kind == ErrorKind::Internal, || {
                    format!("the callback of record {id} was dropped: {error}")
                });
                self.check_patience(now, id, &error);
                self.check_failure(now, id, kind, &error.to_string());
                Err(kind)
            }
        };
        match outcome {
            Ok(_) => self.acknowledged += 1,
            Err(_) => self.failed += 1,
        }
        let record = &mut self.records[id as usize];
        record.outcome = Some(outcome);
        record.is_absent = is_absent;
        self.open.remove(&id);
        self.open_in_order.remove(&(record.order, id));
        if let Some(batch) = record.batch {
            self.ledger.on_outcome(batch);
        }
    }

    /// What may still succeed is not given up before its time is over.
    fn check_patience(&self, now: Instant, id: RecordId, error: &Error) {
        let repeated = ErrorKind::Broker(ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
        broken_if(I8, error.kind() == repeated, || {
            format!("record {id} failed because it is written: {error}")
        });
        let is_passing = match error.kind() {
            ErrorKind::TimedOut
            | ErrorKind::Disconnected
            | ErrorKind::Connect
            | ErrorKind::UnknownTopicOrPartition => true,
            ErrorKind::Broker(code) => code.is_retriable(),
            _ => false,
        };
        // What may be written is given up early where an earlier batch has left a gap.
        let may_retry = !self.idempotence || error.fate() == Fate::NotWritten;
        let deadline = self.record(id).deadline.expect("it was accepted");
        let is_early = self.fair(now + PREEMPTED) < deadline;
        broken_if(
            I8,
            is_passing && may_retry && is_early && self.retries > 10,
            || {
                format!(
                    "record {id} was given up {:?} early: {error}",
                    deadline - now
                )
            },
        );
    }

    /// Once nothing goes wrong any more, whatever has time left succeeds.
    fn check_failure(&self, now: Instant, id: RecordId, kind: ErrorKind, text: &str) {
        let record = &self.records[id as usize];
        let (Some(healed), Some(accepted)) = (self.healed, record.accepted) else {
            return;
        };
        if kind == ErrorKind::Purged {
            return;
        }
        // No broker takes a record that may be too large for it.
        let bytes = record.value.len() + HEADER_BYTES + RECORD_BYTES;
        let too_large = ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE);
        if kind == too_large && bytes > self.max_message_bytes {
            return;
        }
        if kind == ErrorKind::UnsupportedVersion && self.refuses_codec {
            return;
        }
        let deadline = record.deadline.expect("it was accepted");
        // What a fault had begun may end in a failure for good after it; what is over in time, or
        // was accepted long after it, may not.
        let had_time = deadline > accepted.max(healed) + self.patience;
        let has_expired = now + PREEMPTED >= deadline;
        let is_fresh = accepted > healed + self.patience && kind != ErrorKind::Closed;
        // A leader that moved costs a retry, also long after.
        let has_retries = self.retries > 10;
        let is_unfair = has_retries && had_time && (is_fresh || has_expired);
        broken_if(I8, is_unfair, || {
            format!("record {id} failed with all that time after the last fault: {text}")
        });
        let is_probe = self.settled.is_some_and(|settled| accepted >= settled);
        let had_time = deadline > accepted + self.quick && kind != ErrorKind::Closed;
        broken_if(I8, is_probe && has_retries && had_time, || {
            format!("record {id} failed although nothing was wrong: {text}")
        });
    }

    /// A request has come to a broker, whole.
    pub(super) fn on_request(&mut self, _: Instant, body: &[u8], broker: NodeId) {
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
        broken_if(I10, batches > 1 && bytes > self.max_request_size, || {
            format!("a request of {batches} batches has {bytes} bytes, at broker {broker}")
        });
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
        // A batch that is certainly in no log may go on under another epoch: its header changes. The
        // brokers look at that.
        let from = if self.idempotence { HEADER_BYTES } else { 0 };
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
        broken_if(I10, times - 1 > self.retries, || {
            format!("the batch of record {} was sent {times} times", ids[0])
        });
    }

    /// The broker has dealt with a request; `refusal` says why it was no legal one.
    pub(super) fn on_handled(&self, api: Api, refusal: Option<&str>, violation: Option<&str>) {
        broken_if(I10, violation.is_some(), || {
            format!("no producer sends {violation:?}")
        });
        // An ApiVersions request in a version that is too new is the way to find out.
        broken_if(I10, refusal.is_some() && api != Api::ApiVersions, || {
            format!("a {api:?} request is not legal: {refusal:?}")
        });
    }

    /// Whatever happened has been dealt with.
    pub(super) fn after_step(
        &self,
        now: Instant,
        accumulator: &Accumulator,
        in_flight: impl Iterator<Item = (NodeId, usize)>,
    ) {
        let budget = accumulator.budget();
        let (used, total) = (budget.used(), budget.total());
        broken_if(I6, used > total, || {
            format!("{used} of {total} bytes of memory are in use")
        });
        let least = self.ledger.least(self.compresses);
        broken_if(I6, used < least, || {
            format!("{used} bytes in use for records that cost {least}")
        });
        for (node, requests) in in_flight {
            broken_if(I10, requests > self.max_in_flight, || {
                format!("{requests} requests are on their way to node {node}")
            });
        }
        // The one accepted first has the earliest deadline: its batch was opened by then.
        if let Some((_, id)) = self.open_in_order.first() {
            let deadline = self
                .record(*id)
                .deadline
                .expect("open records were accepted");
            broken_if(I7, now > self.fair(deadline), || {
                format!(
                    "record {id} has no outcome {:?} after its deadline",
                    now - deadline
                )
            });
        }
    }

    /// No request carries anything, and no memory waits for whom it was given to.
    pub(super) fn check_cost(&self, accumulator: &Accumulator) {
        let (used, most) = (accumulator.budget().used(), self.ledger.most());
        broken_if(I6, used > most, || {
            format!("{used} bytes in use for records that cost no more than {most}")
        });
    }

    /// The oldest request that has not ended was sent then.
    pub(super) fn on_oldest(&self, now: Instant, sent: Option<Instant>) {
        let deadline = sent.map(|sent| self.fair(sent + self.request_timeout));
        broken_if(I7, deadline.is_some_and(|deadline| now > deadline), || {
            format!(
                "a request is out for longer than {:?}",
                self.request_timeout
            )
        });
    }

    /// The producer has stopped.
    pub(super) fn finish(&self, accumulator: &Accumulator) {
        broken_if(I1, !self.open.is_empty(), || {
            format!("no outcome for records {:?}", self.open)
        });
        self.check_purged();
        let used = accumulator.budget().used();
        broken_if(I6, used != 0, || {
            format!("{used} bytes of memory are still in use at the end")
        });
        broken_if(I6, accumulator.budget().has_waiters(), || {
            "somebody still waits for memory at the end".to_owned()
        });
        let topic = accumulator.topic(TOPIC);
        let queues = topic
            .iter()
            .flat_map(|topic| (0..topic.partition_count()).filter_map(|index| topic.queue(index)));
        for queue in queues {
            broken_if(I6, queue.load() != 0, || {
                format!(
                    "partition {} counts {} batches at the end",
                    queue.index(),
                    queue.load()
                )
            });
        }
    }

    /// Whether a record of this partition has no outcome yet.
    pub(super) fn has_open(&self, partition: i32) -> bool {
        let mut open = self.open.iter();
        open.any(|id| self.record(*id).partition == partition)
    }

    /// Whether all has been quiet in this partition, and for so long that a broker may forget who
    /// wrote to it. Really that takes a day.
    pub(super) fn may_be_forgotten(&self, now: Instant, partition: i32) -> bool {
        let told = self.newest_told.get(&partition);
        !self.has_open(partition)
            && told.is_some_and(|(_, told)| now - *told >= Duration::from_secs(1))
    }

    /// A topic was made again: of two batches on their way the second may be the first that the new
    /// topic takes.
    pub(super) fn on_recreated(&mut self) {
        self.has_memory = false;
    }

    /// The numbers of the records in a log.
    pub(super) fn ids(log: &[MockRecord]) -> Vec<RecordId> {
        log.iter()
            .map(|record| id_of(record.value.as_deref()))
            .collect()
    }

    pub(super) fn outcome(&self, id: RecordId) -> Option<Result<Option<i64>, ErrorKind>> {
        self.record(id).outcome
    }
}

/// The part of a batch before its records.
const HEADER_BYTES: usize = BatchEncoder::HEADER_BYTES;

/// A caller that was held up may have read the clock so much earlier.
const PREEMPTED: Duration = Duration::from_millis(5);

/// The headers that a record is sent with.
pub(super) fn header_of(sent: &Sent) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    sent.header
        .then_some(("trace", b"on".as_slice()))
        .into_iter()
}

pub(super) fn id_of(value: Option<&[u8]>) -> RecordId {
    let bytes = value.and_then(|value| value.first_chunk());
    bytes.map_or(RecordId::MAX, |bytes| RecordId::from_be_bytes(*bytes))
}
