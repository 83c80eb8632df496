//! Why a topic, or a partition of one, cannot be sent to: as much as is known. One place for the words and
//! the kinds, so that every way to send says the same of the same cause.

use std::time::Duration;

use crate::cluster::ClusterView;
use crate::error::{Error, ErrorKind};
use crate::protocol::error_code::ErrorCode;

/// The error of a topic that brokers refuse, unless they may know it at the next look: one that lags
/// behind does not know a topic that its neighbour knows (KAFKA-6833).
pub(crate) fn refused_for_good(topic: &str, code: ErrorCode) -> Option<Error> {
    let is_final = code != ErrorCode::NONE && !code.is_retriable();
    let text = || format!("the brokers refuse topic \"{topic}\": {code}");
    is_final.then(|| Error::new(ErrorKind::Broker(code), text()))
}

impl ClusterView {
    /// The error of a call that wants the topic, with the partition if it names one, and gets neither.
    /// `unreachable` is why no broker can be asked, if none can; `waited` is how long the call has waited,
    /// `None` if it must not wait.
    pub(crate) fn missing(
        &self,
        topic: &str,
        partition: Option<i32>,
        unreachable: Option<&Error>,
        waited: Option<Duration>,
    ) -> Error {
        let waited = waited.map(|waited| waited.as_millis());
        if let Some(view) = self.topics.get(topic)
            && let Some(partition) = partition
        {
            let count = view.partitions.len();
            let asked = match waited {
                Some(ms) => format!("waited {ms} ms for more"),
                None => "metadata has been asked for again".to_owned(),
            };
            let partitions = if count == 1 {
                "partition"
            } else {
                "partitions"
            };
            let text = format!(
                "partition {partition} of topic \"{topic}\" does not exist: the topic has {count} \
                 {partitions} ({asked})"
            );
            return Error::new(ErrorKind::UnknownTopicOrPartition, text);
        }
        let refused = self.refused.get(topic).map(|refusal| refusal.code);
        if let Some(error) = unreachable {
            let within = waited.map_or_else(String::new, |ms| format!(" within {ms} ms"));
            let before = refused.map_or_else(String::new, |code| format!("; before that {code}"));
            let text = format!(
                "no metadata for topic \"{topic}\"{within}: no broker could be asked; last error: \
                 {error}{before}"
            );
            return Error::with_source(error.kind(), text, error.clone());
        }
        let Some(code) = refused else {
            let text = match waited {
                Some(ms) => format!(
                    "no metadata for topic \"{topic}\" within {ms} ms: no broker has answered yet"
                ),
                None => format!(
                    "topic \"{topic}\" is not known yet: no broker has answered about it so far; it \
                     has been asked for"
                ),
            };
            return Error::new(ErrorKind::TimedOut, text);
        };
        if let Some(error) = refused_for_good(topic, code) {
            return error;
        }
        let asked = match waited {
            Some(ms) => format!(", for {ms} ms"),
            None => "; it has been asked for again".to_owned(),
        };
        let text = format!("topic \"{topic}\" is not available: {code}{asked}");
        let source = Error::new(ErrorKind::Broker(code), code.to_string());
        Error::with_source(ErrorKind::UnknownTopicOrPartition, text, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{PartitionView, Refusal, TopicView};
    use crate::sync::Arc;

    fn refusing(code: ErrorCode) -> ClusterView {
        let mut view = ClusterView::default();
        let refusal = Refusal { code, answer: 1 };
        view.refused.insert(Arc::from("orders"), refusal);
        view
    }

    fn knowing() -> ClusterView {
        let partition = PartitionView {
            leader: None,
            leader_epoch: -1,
            replicas: Vec::new(),
            in_sync_replicas: Vec::new(),
        };
        let topic = TopicView {
            partitions: vec![partition; 3],
            ..TopicView::default()
        };
        let mut view = ClusterView::default();
        view.topics.insert(Arc::from("orders"), Arc::new(topic));
        view
    }

    #[test]
    fn one_cause_has_one_kind_however_long_the_call_may_wait() {
        let forbidden = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        let down = Error::new(ErrorKind::Connect, "connection refused");
        let unknown = ErrorKind::UnknownTopicOrPartition;
        let nothing = ClusterView::default();
        let missing = refusing(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let cases = [
            (&nothing, None, None, ErrorKind::TimedOut),
            (&nothing, None, Some(&down), ErrorKind::Connect),
            (&missing, None, Some(&down), ErrorKind::Connect),
            (&missing, None, None, unknown),
            (
                &refusing(forbidden),
                None,
                None,
                ErrorKind::Broker(forbidden),
            ),
            (&knowing(), Some(7), None, unknown),
        ];
        for (view, partition, unreachable, kind) in cases {
            for waited in [None, Some(Duration::ZERO), Some(Duration::from_secs(60))] {
                let error = view.missing("orders", partition, unreachable, waited);
                assert_eq!(error.kind(), kind, "{error}");
            }
        }
    }

    #[test]
    fn the_code_of_brokers_that_do_not_know_a_topic_is_told() {
        let code = ErrorCode::LEADER_NOT_AVAILABLE;
        let error = refusing(code).missing("orders", None, None, None);
        assert_eq!(error.broker_code(), Some(code));
        assert!(error.is_retriable());
    }
}
