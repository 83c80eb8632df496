//! Turns a broker's refusal into errors: of a whole batch, or of the records that the broker names
//! (KIP-467). Pure.

use std::collections::BTreeMap;

use crate::accumulator::{Failure, PartitionQueue};
use crate::error::{Error, ErrorKind};
use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{ProducePartitionResponse, RecordError};

/// Says which broker refused what, in its own words if it has any. `batch_bytes` is the batch's
/// size, where it is known.
pub(super) fn refusal(
    node: NodeId,
    queue: &PartitionQueue,
    batch_bytes: Option<usize>,
    answer: &ProducePartitionResponse,
) -> Error {
    let words =
        own_words(answer.error_message.as_deref()).unwrap_or_else(|| answer.error.message());
    let size = match (answer.error, batch_bytes) {
        (ErrorCode::MESSAGE_TOO_LARGE, Some(bytes)) => format!(" (the batch has {bytes} bytes)"),
        (ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, _) => match queue.compression() {
            Some(compression) => format!(" (compression.type is {})", compression.codec()),
            None => String::new(),
        },
        _ => String::new(),
    };
    let (name, code) = (queue.name(), answer.error);
    let text = format!("broker {node} rejected {name}: {code}: {words}{size}");
    Error::new(ErrorKind::Broker(answer.error), text)
}

/// Why each record of a refused batch failed. Records that the broker names have what it says of
/// them; the others hear that it was not them. `of_all` is the error if it names none.
pub(super) fn failure(
    node: NodeId,
    queue: &PartitionQueue,
    of_all: Error,
    answer: &ProducePartitionResponse,
) -> Failure {
    if answer.record_errors.is_empty() {
        return of_all.into();
    }
    let name = queue.name();
    let words_of_all = own_words(answer.error_message.as_deref());
    // The answer's code speaks of the batch. Where it names one record, that is the one it means;
    // of several, some may be wrong in another way.
    let code = match answer.record_errors.len() {
        1 => answer.error,
        _ => ErrorCode::INVALID_RECORD,
    };
    let blame = |record: &RecordError| {
        let words = own_words(record.message.as_deref()).or(words_of_all);
        let words = words.unwrap_or_else(|| code.message());
        let text = format!("broker {node} rejected a record of {name}: {code}: {words}");
        let error = Error::new(ErrorKind::Broker(code), text);
        (i64::from(record.batch_index), error)
    };
    let mut blamed = BTreeMap::new();
    blamed.extend(answer.record_errors.iter().map(blame));
    let words = words_of_all.unwrap_or_else(|| answer.error.message());
    let text = format!(
        "broker {node} rejected the batch of {name} for other records in it: {}: {words}",
        answer.error
    );
    Failure::blaming(Error::new(ErrorKind::BatchRejected, text), blamed)
}

/// What a broker says, if it says anything.
fn own_words(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accumulator::Accumulator;
    use crate::sync::Arc;

    fn queue() -> Arc<PartitionQueue> {
        let accumulator = Accumulator::new(1_000, 10_000, true);
        accumulator.publish(&Arc::from("orders"), 1, vec![0]);
        let topic = accumulator.topic("orders").unwrap();
        Arc::clone(topic.queue(0).unwrap())
    }

    fn answer(
        error: ErrorCode,
        message: Option<&str>,
        records: &[(i32, Option<&str>)],
    ) -> ProducePartitionResponse {
        let record_errors = records.iter().map(|(batch_index, message)| RecordError {
            batch_index: *batch_index,
            message: message.map(str::to_owned),
        });
        ProducePartitionResponse {
            index: 0,
            error,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: record_errors.collect(),
            error_message: message.map(str::to_owned),
            current_leader: None,
        }
    }

    /// Kind and text of the errors of the first three records.
    fn errors(answer: &ProducePartitionResponse) -> [(ErrorKind, String); 3] {
        let queue = queue();
        let of_all = refusal(NodeId(2), &queue, None, answer);
        let failure = failure(NodeId(2), &queue, of_all, answer);
        [0, 1, 2].map(|index| {
            let error = failure.of_record(index);
            (error.kind(), error.to_string())
        })
    }

    #[test]
    fn all_records_share_an_error_that_blames_none() {
        let expected = (
            ErrorKind::Broker(ErrorCode::POLICY_VIOLATION),
            "broker 2 rejected \"orders\"-0: POLICY_VIOLATION (44): not on Sundays".to_owned(),
        );
        let answer = answer(ErrorCode::POLICY_VIOLATION, Some("not on Sundays"), &[]);
        assert_eq!(errors(&answer), [0; 3].map(|_| expected.clone()));
    }

    #[test]
    fn one_blamed_record_has_the_code_and_its_own_words() {
        let answer = answer(
            ErrorCode::INVALID_TIMESTAMP,
            Some("of the batch"),
            &[(1, Some("of tomorrow"))],
        );
        let others = (
            ErrorKind::BatchRejected,
            "broker 2 rejected the batch of \"orders\"-0 for other records in it: \
             INVALID_TIMESTAMP (32): of the batch"
                .to_owned(),
        );
        let blamed = (
            ErrorKind::Broker(ErrorCode::INVALID_TIMESTAMP),
            "broker 2 rejected a record of \"orders\"-0: INVALID_TIMESTAMP (32): of tomorrow"
                .to_owned(),
        );
        assert_eq!(errors(&answer), [others.clone(), blamed, others]);
    }

    #[test]
    fn several_blamed_records_are_invalid_and_borrow_words_they_lack() {
        let answer = answer(
            ErrorCode::INVALID_TIMESTAMP,
            Some("of the batch"),
            &[(0, None), (2, Some("")), (1_000, None), (-1, None)],
        );
        let [first, second, third] = errors(&answer);
        assert_eq!(first, third);
        assert_eq!(first.0, ErrorKind::Broker(ErrorCode::INVALID_RECORD));
        assert!(
            first.1.ends_with("INVALID_RECORD (87): of the batch"),
            "{}",
            first.1
        );
        assert_eq!(second.0, ErrorKind::BatchRejected);
    }

    #[test]
    fn a_codes_own_text_stands_in_for_words_that_are_missing() {
        let blamed = errors(&answer(ErrorCode::INVALID_RECORD, None, &[(0, None)]));
        let meaning = ErrorCode::INVALID_RECORD.message();
        assert!(
            blamed.iter().all(|(_, text)| text.ends_with(meaning)),
            "{blamed:?}"
        );
    }

    #[test]
    fn a_batch_that_is_too_large_hears_its_size() {
        let answer = answer(ErrorCode::MESSAGE_TOO_LARGE, Some("no more than 100"), &[]);
        assert_eq!(
            refusal(NodeId(2), &queue(), Some(101), &answer).to_string(),
            "broker 2 rejected \"orders\"-0: MESSAGE_TOO_LARGE (10): no more than 100 \
             (the batch has 101 bytes)"
        );
    }
}
