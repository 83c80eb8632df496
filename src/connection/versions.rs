//! In which versions a request can be written: most in all that we speak, but some have a content that
//! not all of them have room for. Pure.

use crate::compression::Codec;
use crate::protocol::Request;
use crate::protocol::messages::{
    EndTxnRequest, FindCoordinatorRequest, KeyType, ProduceRequest, TxnOffsetCommitRequest,
};
use crate::protocol::version::{TransactionVersion, VersionRange};
use crate::record::batch::codec_of;

/// The versions in which this very request can be written, and why not in older ones: what its
/// message says about all of its kind, but fewer if a topic's id is not known, a batch is
/// compressed with zstd, or it is part of a transaction. If the version ignored that, the broker would
/// look for a topic whose id is all zeroes, refuse every batch of the request because of a single one,
/// or take a transaction for one that is spoken otherwise (KIP-890).
pub(super) fn versions_for(request: &Request) -> (VersionRange, &'static str) {
    let all = request.api_key().versions();
    match request {
        Request::Produce(produce) => versions_for_produce(all, produce),
        Request::EndTxn(end) => {
            let first = EndTxnRequest::FIRST_OF_V2;
            let because = because_of(end.transactions);
            (end.transactions.limit(all, first), because)
        }
        Request::TxnOffsetCommit(commit) => versions_for_offsets(all, commit),
        Request::FindCoordinator(find) if find.key_type != KeyType::GROUP => {
            let first = FindCoordinatorRequest::FIRST_WITH_KEY_TYPE;
            (all.since(first), " for transactions")
        }
        _ => (all, ""),
    }
}

fn versions_for_produce(
    all: VersionRange,
    produce: &ProduceRequest,
) -> (VersionRange, &'static str) {
    let mut ours = all;
    let mut because = "";
    if produce.transactional_id.is_some() {
        ours = produce.transactions.limit(all, ProduceRequest::FIRST_OF_V2);
        because = because_of(produce.transactions);
    }
    if !produce.topics.iter().all(|topic| topic.id.is_known()) {
        ours = ours.until(ProduceRequest::LAST_WITH_NAMES);
    }
    let mut batches = produce.topics.iter().flat_map(|topic| &topic.partitions);
    if batches.any(|batch| codec_of(batch.records.as_slice()) == Some(Codec::Zstd)) {
        ours = ours.since(ProduceRequest::FIRST_WITH_ZSTD);
        because = " for compression.type=zstd";
    }
    (ours, because)
}

fn versions_for_offsets(
    all: VersionRange,
    commit: &TxnOffsetCommitRequest,
) -> (VersionRange, &'static str) {
    let mut ours = commit
        .transactions
        .limit(all, TxnOffsetCommitRequest::FIRST_OF_V2);
    let mut because = because_of(commit.transactions);
    if !commit.topics.iter().all(|topic| topic.id.is_known()) {
        ours = ours.until(TxnOffsetCommitRequest::LAST_WITH_NAMES);
    }
    if commit.has_member() && commit.transactions == TransactionVersion::V1 {
        ours = ours.since(TxnOffsetCommitRequest::FIRST_WITH_MEMBER);
        because = " for a group's member";
    }
    (ours, because)
}

/// What keeps a request of a transaction from older versions.
fn because_of(transactions: TransactionVersion) -> &'static str {
    match transactions {
        TransactionVersion::V1 => "",
        TransactionVersion::V2 => " for version 2 of transactions",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TopicId;
    use crate::protocol::messages::{ProduceTopic, TxnOffsetTopic};
    use crate::sync::Arc;

    const KNOWN: TopicId = TopicId([1; 16]);
    const UNKNOWN: TopicId = TopicId([0; 16]);

    fn range(request: &Request) -> (i16, i16) {
        let (range, _) = versions_for(request);
        (range.min, range.max)
    }

    fn produce(id: Option<&str>, transactions: TransactionVersion, topic: TopicId) -> Request {
        Request::Produce(ProduceRequest {
            transactional_id: id.map(Arc::from),
            transactions,
            acks: -1,
            timeout_ms: 1,
            topics: vec![ProduceTopic {
                name: Arc::from("t"),
                id: topic,
                partitions: Vec::new(),
            }],
        })
    }

    fn offsets(transactions: TransactionVersion, topic: TopicId, member: &str) -> Request {
        Request::TxnOffsetCommit(TxnOffsetCommitRequest {
            transactional_id: Arc::from("a"),
            group_id: Arc::from("g"),
            producer_id: 1,
            producer_epoch: 0,
            generation: -1,
            member_id: Arc::from(member),
            group_instance_id: None,
            topics: vec![TxnOffsetTopic {
                name: Arc::from("t"),
                id: topic,
                partitions: Vec::new(),
            }],
            transactions,
        })
    }

    #[test]
    fn a_transaction_is_spoken_by_its_own_versions_of_each_request() {
        let (v1, v2) = (TransactionVersion::V1, TransactionVersion::V2);
        assert_eq!(range(&produce(Some("a"), v1, KNOWN)), (3, 11));
        assert_eq!(range(&produce(Some("a"), v2, KNOWN)), (12, 13));
        assert_eq!(range(&produce(Some("a"), v2, UNKNOWN)), (12, 12));
        assert_eq!(range(&produce(None, v1, KNOWN)), (3, 13));
        assert_eq!(range(&offsets(v1, KNOWN, "")), (0, 4));
        assert_eq!(range(&offsets(v1, KNOWN, "m")), (3, 4));
        assert_eq!(range(&offsets(v2, KNOWN, "")), (5, 6));
        assert_eq!(range(&offsets(v2, UNKNOWN, "m")), (5, 5));
        let end = |transactions| {
            Request::EndTxn(EndTxnRequest {
                transactional_id: Arc::from("a"),
                producer_id: 1,
                producer_epoch: 0,
                committed: true,
                transactions,
            })
        };
        assert_eq!((range(&end(v1)), range(&end(v2))), ((0, 4), (5, 5)));
    }

    #[test]
    fn says_what_keeps_a_request_from_older_versions() {
        let (v1, v2) = (TransactionVersion::V1, TransactionVersion::V2);
        let because = |request: &Request| versions_for(request).1;
        assert_eq!(because(&produce(Some("a"), v1, KNOWN)), "");
        let second = " for version 2 of transactions";
        assert_eq!(because(&produce(Some("a"), v2, KNOWN)), second);
        assert_eq!(because(&offsets(v2, KNOWN, "m")), second);
        assert_eq!(because(&offsets(v1, KNOWN, "m")), " for a group's member");
    }

    #[test]
    fn the_oldest_way_to_ask_for_a_coordinator_is_for_groups_only() {
        let find = |key_type| {
            Request::FindCoordinator(FindCoordinatorRequest {
                key_type,
                keys: vec![Arc::from("a")],
            })
        };
        assert_eq!(range(&find(KeyType::GROUP)), (0, 6));
        assert_eq!(range(&find(KeyType::TRANSACTIONAL_ID)), (1, 6));
    }
}
