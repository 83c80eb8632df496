//! `Produce`, versions 3 to 13: checks each batch as a broker does, appends the good ones, and
//! answers for each what became of it.
//!
//! | what is wrong | answer |
//! |---|---|
//! | `acks` is not −1, 0 or 1 | `INVALID_REQUIRED_ACKS` |
//! | no such topic id, from version 13 | `UNKNOWN_TOPIC_ID` |
//! | no such topic or partition | `UNKNOWN_TOPIC_OR_PARTITION` |
//! | another broker leads, or none | `NOT_LEADER_OR_FOLLOWER`, from version 10 with the leader |
//! | the batch is above `message.max.bytes` | `MESSAGE_TOO_LARGE` |
//! | checksum or length | `CORRUPT_MESSAGE` |
//! | any other part of the batch | `INVALID_RECORD`, from version 8 with the record |
//! | a control batch, or a producer id without an epoch or a sequence | `INVALID_RECORD` |
//! | a codec that does not exist, or that is not compiled in | `UNSUPPORTED_COMPRESSION_TYPE` |
//! | a batch of a transaction, in a request without its id | `TRANSACTIONAL_ID_AUTHORIZATION_FAILED` |
//! | a batch of none, from a producer whose transaction is open here | `INVALID_TXN_STATE` |
//! | the partition is not part of the transaction, before version 12 | `TRANSACTION_ABORTABLE`, before 11 `INVALID_TXN_STATE` |
//! | the transaction before is not complete | `CONCURRENT_TRANSACTIONS`, before version 12 `NOT_ENOUGH_REPLICAS` |
//! | another producer has the transactional id | `INVALID_PRODUCER_EPOCH` or `INVALID_PRODUCER_ID_MAPPING` |
//!
//! From version 12 on, the partition becomes part of the transaction by the first batch (KIP-890).
//! How a batch's producer id and sequence are judged is in [`producers`](crate::testing::producers).
//! A repeated batch is answered as in Kafka: with its offset, and with its largest timestamp as the
//! time of append even if the topic does not stamp records.
//!
//! With `acks` 0 there is no answer, and any error closes the connection, as in Kafka: a client has no
//! other way to learn of it. `acks` −1 and 1 are the same here: there are no followers.

use crate::ErrorCode;
use crate::compression::Damaged;
use crate::ids::NodeId;
use crate::protocol::Response;
use crate::protocol::frame::SharedBytes;
use crate::protocol::messages::{
    CurrentLeader, NodeEndpoint, ProducePartition, ProducePartitionResponse, ProduceRequest,
    ProduceResponse, ProduceTopic, ProduceTopicResponse, RecordError,
};
use crate::record::batch::ProducerStamp;
use crate::record::decode::{self, BatchError, BatchHeader};
use crate::sync::Arc;
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler};
use crate::testing::events::{MockArrival, MockEvent};
use crate::testing::faults::{Refusal, Subject};
use crate::testing::legality::{self, Claim};
use crate::testing::log::MockProducedPartition;
use crate::testing::partition_log::CONTROL;
use crate::testing::producers::{Appended, Verdict};
use crate::testing::state::ClusterState;
use crate::testing::transactions::{Identity, Joining};

impl Handler for ProduceRequest {
    fn content(&self, state: &ClusterState) -> MockRequestContent {
        MockRequestContent::Produce {
            transactional_id: self.transactional_id.as_ref().map(ToString::to_string),
            acks: self.acks,
            timeout_ms: self.timeout_ms,
            partitions: describe(state, self),
        }
    }

    fn check_legality(&self, state: &mut ClusterState) {
        legality::observe(state, self);
    }

    fn subjects(&self, state: &ClusterState) -> Vec<Subject> {
        let mut subjects = Vec::new();
        for topic in &self.topics {
            let name = name_of(state, topic).unwrap_or_else(|| "".into());
            for partition in &topic.partitions {
                subjects.push((Arc::clone(&name), Some(partition.index)));
            }
        }
        subjects
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let mut response = ProduceResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            ..ProduceResponse::default()
        };
        let mut failed = false;
        for topic in &self.topics {
            let name = name_of(state, topic);
            let delivery = Delivery {
                topic: name.as_deref(),
                request: self,
                arrival,
            };
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let answer = handle_batch(state, &delivery, partition);
                failed |= answer.error != ErrorCode::NONE;
                if let Some(leader) = answer.current_leader {
                    add_endpoint(&mut response.node_endpoints, state, leader.leader);
                }
                partitions.push(answer);
            }
            response.topics.push(ProduceTopicResponse {
                name: topic.name.to_string(),
                id: topic.id,
                partitions,
            });
        }
        match (self.acks, failed) {
            (0, true) => Answer::Close,
            (0, false) => Answer::None,
            _ => Answer::Send(Response::Produce(response), ErrorCode::NONE),
        }
    }
}

/// For which topic a batch came, and how.
struct Delivery<'a> {
    /// `None`: the topic's id is not known.
    topic: Option<&'a str>,
    request: &'a ProduceRequest,
    arrival: &'a Arrival<'a>,
}

/// Appends a batch or refuses it, and reports what became of it.
fn handle_batch(
    state: &mut ClusterState,
    delivery: &Delivery<'_>,
    partition: &ProducePartition,
) -> ProducePartitionResponse {
    let topic = delivery.topic.unwrap_or_default();
    let repeated = state.log.counters.repeated_batches;
    let answer = produce(state, delivery, partition);
    if state.settings.observer.is_some() {
        let is_repeated = state.log.counters.repeated_batches > repeated;
        let came = (delivery.arrival.node, delivery.request.acks);
        let arrival = MockArrival::new(came, topic, partition, &answer, is_repeated);
        state.observe(&MockEvent::Batch(arrival));
    }
    // The producer gets the answer, unless a fault takes its connection away.
    if delivery.arrival.plan.connection.is_none() {
        let (batch, code) = (partition.records.as_slice(), answer.error);
        legality::answered(state, topic, partition.index, batch, code);
    }
    let is_gap = answer.error == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
    state.gaps += u64::from(is_gap);
    answer
}

/// The topic's name, which requests do not carry from version 13.
pub(in crate::testing) fn name_of(state: &ClusterState, topic: &ProduceTopic) -> Option<Arc<str>> {
    if topic.name.is_empty() {
        return state.topic_name(topic.id);
    }
    Some(Arc::clone(&topic.name))
}

/// The request as tests see it.
fn describe(state: &ClusterState, request: &ProduceRequest) -> Vec<MockProducedPartition> {
    let mut all = Vec::new();
    for topic in &request.topics {
        let name = name_of(state, topic).unwrap_or_else(|| "".into());
        for partition in &topic.partitions {
            let bytes = partition.records.as_slice();
            let claim = Claim::read(bytes);
            let stamp = claim.map_or(ProducerStamp::NONE, |claim| claim.stamp);
            all.push(MockProducedPartition {
                topic: name.to_string(),
                partition: partition.index,
                records: decode::claimed_record_count(bytes),
                bytes: bytes.len(),
                producer_id: stamp.producer_id,
                producer_epoch: stamp.epoch,
                base_sequence: stamp.base_sequence,
                is_transactional: claim.is_some_and(|claim| claim.is_transactional),
            });
        }
    }
    all
}

fn produce(
    state: &mut ClusterState,
    delivery: &Delivery<'_>,
    partition: &ProducePartition,
) -> ProducePartitionResponse {
    let index = partition.index;
    let plan = delivery.arrival.plan;
    let scripted = plan.partition(delivery.topic.unwrap_or_default(), index);
    if let Some(refusal) = scripted.filter(|refusal| !refusal.applied) {
        return script(state, delivery, index, refusal);
    }
    let answer = match append(state, delivery, partition) {
        Ok(appended) => appended,
        Err(problem) => problem.answer(state, delivery, index),
    };
    match scripted {
        Some(refusal) if answer.error == ErrorCode::NONE => script(state, delivery, index, refusal),
        _ => answer,
    }
}

fn append(
    state: &mut ClusterState,
    delivery: &Delivery<'_>,
    batch: &ProducePartition,
) -> Result<ProducePartitionResponse, Problem> {
    if !(-1..=1).contains(&delivery.request.acks) {
        return Err(ErrorCode::INVALID_REQUIRED_ACKS.into());
    }
    let Some(name) = delivery.topic else {
        return Err(ErrorCode::UNKNOWN_TOPIC_ID.into());
    };
    let Some(partition) = state.partition(name, batch.index) else {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into());
    };
    if partition.leader != Some(delivery.arrival.node) {
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER.into());
    }
    join_transaction(state, delivery, name, batch)?;
    let header = check(&batch.records, state.settings.max_message_bytes)?;
    let stamps = state
        .topics
        .get(name)
        .is_some_and(|topic| topic.log_append_time);
    let append_time_ms = stamps.then_some(delivery.arrival.now_ms);
    let done = |base_offset, log_append_time_ms| ProducePartitionResponse {
        base_offset,
        log_append_time_ms,
        log_start_offset: 0,
        ..refused(batch.index, ErrorCode::NONE)
    };
    let is_idempotent = header.producer.producer_id >= 0;
    if is_idempotent && let Some(earlier) = find_repeat(state, name, batch.index, &header)? {
        state.log.counters.repeated_batches += 1;
        return Ok(done(earlier.base_offset, earlier.timestamp_ms));
    }
    let keep = state.settings.keep;
    let partition = state
        .partition_mut(name, batch.index)
        .expect("it was there above");
    let base_offset = partition
        .log
        .append(header, &batch.records, append_time_ms, keep);
    if is_idempotent {
        let timestamp_ms = append_time_ms.unwrap_or(header.max_timestamp_ms);
        let records = header.record_count;
        let producers = &mut partition.producers;
        producers.remember(header.producer, records, base_offset, timestamp_ms);
    }
    state.log.count_batch(&header);
    Ok(done(base_offset, append_time_ms.unwrap_or(-1)))
}

/// A batch of a transaction: makes sure that the partition is part of it. Comes before the batch itself
/// is checked, as in Kafka, so in version 2 of transactions a bad batch begins one.
fn join_transaction(
    state: &mut ClusterState,
    delivery: &Delivery<'_>,
    topic: &str,
    batch: &ProducePartition,
) -> Result<(), ErrorCode> {
    let Some(claim) = Claim::read(batch.records.as_slice()) else {
        return Ok(());
    };
    let ProducerStamp {
        producer_id,
        epoch,
        base_sequence,
    } = claim.stamp;
    if !claim.is_transactional {
        let open = state.partition(topic, batch.index);
        let open = open.and_then(|partition| partition.log.open_epoch(producer_id));
        return match open {
            Some(_) => Err(ErrorCode::INVALID_TXN_STATE),
            None => Ok(()),
        };
    }
    let Some(transactional_id) = delivery.request.transactional_id.as_deref() else {
        return Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    };
    let joining = Joining {
        transactional_id,
        producer: Identity { producer_id, epoch },
        transactions: delivery.request.transactions,
        knows_abortable: delivery.arrival.version >= ABORTABLE,
    };
    state.join_partition(joining, (topic, batch.index), base_sequence)
}

/// The first version that has `TRANSACTION_ABORTABLE` (KIP-890).
const ABORTABLE: i16 = 11;

/// Whether the batch was appended before. Fails if it is out of order.
fn find_repeat(
    state: &ClusterState,
    topic: &str,
    index: i32,
    header: &BatchHeader,
) -> Result<Option<Appended>, Problem> {
    let ProducerStamp {
        producer_id,
        epoch,
        base_sequence,
    } = header.producer;
    if epoch < 0 || base_sequence < 0 {
        return Err(Problem {
            message: Some(format!(
                "producer {producer_id} has epoch {epoch} and sequence {base_sequence}"
            )),
            ..ErrorCode::INVALID_RECORD.into()
        });
    }
    let unknown_is_an_error = state.settings.unknown_producer_is_an_error;
    let Some(partition) = state.partition(topic, index) else {
        return Ok(None);
    };
    let verdict =
        partition
            .producers
            .judge(header.producer, header.record_count, unknown_is_an_error)?;
    Ok(match verdict {
        Verdict::Append => None,
        Verdict::Repeat(earlier) => Some(earlier),
    })
}

/// What a broker checks before it appends.
fn check(records: &SharedBytes, max_message_bytes: usize) -> Result<BatchHeader, Problem> {
    let bytes = records.as_slice();
    if bytes.is_empty() {
        return Err(Problem {
            message: Some("a partition without a batch".to_owned()),
            ..ErrorCode::INVALID_RECORD.into()
        });
    }
    if bytes.len() > max_message_bytes {
        let size = bytes.len();
        return Err(Problem {
            message: Some(format!(
                "the batch is larger than message.max.bytes ({size} > {max_message_bytes})"
            )),
            ..ErrorCode::MESSAGE_TOO_LARGE.into()
        });
    }
    let header = decode::check(bytes).map_err(|error| Problem {
        code: match error {
            BatchError::Truncated | BatchError::Checksum { .. } => ErrorCode::CORRUPT_MESSAGE,
            BatchError::UnknownCodec(_) | BatchError::Compression(Damaged::NotBuiltIn(_)) => {
                ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
            }
            BatchError::TrailingBytes
            | BatchError::Magic(_)
            | BatchError::RecordCount(_)
            | BatchError::RecordBytes
            | BatchError::Record { .. }
            | BatchError::Compression(_) => ErrorCode::INVALID_RECORD,
        },
        record: match error {
            BatchError::Record { index, .. } => Some(index),
            _ => None,
        },
        message: Some(error.to_string()),
    })?;
    if header.attributes & CONTROL != 0 {
        return Err(Problem {
            message: Some("clients do not write control batches".to_owned()),
            ..ErrorCode::INVALID_RECORD.into()
        });
    }
    Ok(header)
}

/// Why a batch was not appended.
struct Problem {
    code: ErrorCode,
    record: Option<i32>,
    message: Option<String>,
}

impl From<ErrorCode> for Problem {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            record: None,
            message: None,
        }
    }
}

impl Problem {
    fn answer(
        self,
        state: &ClusterState,
        delivery: &Delivery<'_>,
        index: i32,
    ) -> ProducePartitionResponse {
        let record_errors = self.record.map(|batch_index| RecordError {
            batch_index,
            message: self.message.clone(),
        });
        ProducePartitionResponse {
            record_errors: record_errors.into_iter().collect(),
            error_message: self.message,
            log_start_offset: log_start_beside(self.code),
            current_leader: leader_hint(state, delivery, index, self.code),
            ..refused(index, self.code)
        }
    }
}

/// Brokers say where the log starts only beside errors that the log itself raises.
fn log_start_beside(code: ErrorCode) -> i64 {
    match code {
        ErrorCode::INVALID_RECORD
        | ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
        | ErrorCode::INVALID_PRODUCER_EPOCH
        | ErrorCode::UNKNOWN_PRODUCER_ID => 0,
        _ => -1,
    }
}

fn script(
    state: &ClusterState,
    delivery: &Delivery<'_>,
    index: i32,
    refusal: &Refusal,
) -> ProducePartitionResponse {
    let record_error = |(batch_index, message): &(i32, String)| RecordError {
        batch_index: *batch_index,
        message: Some(message.clone()),
    };
    ProducePartitionResponse {
        record_errors: refusal.record_errors.iter().map(record_error).collect(),
        error_message: refusal.message.clone(),
        log_start_offset: log_start_beside(refusal.code),
        current_leader: leader_hint(state, delivery, index, refusal.code),
        ..refused(index, refusal.code)
    }
}

fn refused(index: i32, error: ErrorCode) -> ProducePartitionResponse {
    ProducePartitionResponse {
        index,
        error,
        base_offset: -1,
        log_append_time_ms: -1,
        log_start_offset: -1,
        record_errors: Vec::new(),
        error_message: None,
        current_leader: None,
    }
}

/// A broker that is not the leader names the one that is (KIP-951).
fn leader_hint(
    state: &ClusterState,
    delivery: &Delivery<'_>,
    index: i32,
    code: ErrorCode,
) -> Option<CurrentLeader> {
    if code != ErrorCode::NOT_LEADER_OR_FOLLOWER {
        return None;
    }
    let partition = state.partition(delivery.topic?, index)?;
    Some(CurrentLeader {
        leader: partition.leader?,
        leader_epoch: partition.leader_epoch,
    })
}

fn add_endpoint(endpoints: &mut Vec<NodeEndpoint>, state: &ClusterState, leader: NodeId) {
    if endpoints.iter().any(|known| known.node == leader) {
        return;
    }
    endpoints.extend(state.endpoint(leader));
}
