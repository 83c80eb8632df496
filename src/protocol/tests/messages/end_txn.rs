//! `EndTxn`: see [`Specimen`].

use kafka_protocol::messages as theirs;
use proptest::prelude::*;

use super::{Specimen, error_code, estranged, name, transactional_id, transactions};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::*;
use crate::protocol::version::TransactionVersion;
use crate::sync::Arc;

impl Specimen for EndTxnRequest {
    type Theirs = theirs::EndTxnRequest;

    fn any() -> BoxedStrategy<Self> {
        let ids = (name(), any::<i64>(), any::<i16>());
        (ids, any::<bool>(), transactions())
            .prop_map(|(ids, committed, transactions)| Self {
                transactional_id: ids.0,
                producer_id: ids.1,
                producer_epoch: ids.2,
                committed,
                transactions,
            })
            .boxed()
    }

    fn example() -> Self {
        Self {
            transactional_id: Arc::from("transaction"),
            producer_id: 1 << 40,
            producer_epoch: 7,
            committed: true,
            transactions: TransactionVersion::V2,
        }
    }

    fn cut(&mut self, version: i16) {
        self.transactions = TransactionVersion::of(version, Self::FIRST_OF_V2);
    }

    fn heap_bytes(&self) -> usize {
        self.transactional_id.len()
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        let message = theirs::EndTxnRequest::default()
            .with_transactional_id(transactional_id(&self.transactional_id))
            .with_producer_id(theirs::ProducerId(self.producer_id))
            .with_producer_epoch(self.producer_epoch)
            .with_committed(self.committed);
        estranged!(message, strangers)
    }
}

impl Specimen for EndTxnResponse {
    type Theirs = theirs::EndTxnResponse;

    fn any() -> BoxedStrategy<Self> {
        (any::<i32>(), error_code(), any::<i64>(), any::<i16>())
            .prop_map(
                |(throttle_time_ms, error, producer_id, producer_epoch)| Self {
                    throttle_time_ms,
                    error,
                    producer_id,
                    producer_epoch,
                },
            )
            .boxed()
    }

    fn example() -> Self {
        Self {
            throttle_time_ms: 6,
            error: ErrorCode::NONE,
            producer_id: 1 << 40,
            producer_epoch: 8,
        }
    }

    fn cut(&mut self, version: i16) {
        if version < 5 {
            self.producer_id = -1;
            self.producer_epoch = -1;
        }
    }

    fn heap_bytes(&self) -> usize {
        0
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        let message = theirs::EndTxnResponse::default()
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_error_code(self.error.code())
            .with_producer_id(theirs::ProducerId(self.producer_id))
            .with_producer_epoch(self.producer_epoch);
        estranged!(message, strangers)
    }
}
