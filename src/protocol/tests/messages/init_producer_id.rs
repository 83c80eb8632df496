//! `InitProducerId`: see [`Specimen`].

use kafka_protocol::messages as theirs;
use proptest::option;
use proptest::prelude::*;

use super::{Specimen, error_code, estranged, string, text};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::*;
use crate::sync::Arc;

impl Specimen for InitProducerIdRequest {
    type Theirs = theirs::InitProducerIdRequest;

    fn any() -> BoxedStrategy<Self> {
        let transactional_id = option::of(text().prop_map(Arc::from));
        (transactional_id, any::<i32>(), any::<i64>(), any::<i16>())
            .prop_map(
                |(transactional_id, transaction_timeout_ms, producer_id, producer_epoch)| Self {
                    transactional_id,
                    transaction_timeout_ms,
                    producer_id,
                    producer_epoch,
                },
            )
            .boxed()
    }

    fn example() -> Self {
        Self {
            transactional_id: Some(Arc::from("transaction")),
            transaction_timeout_ms: 60_000,
            producer_id: 1 << 40,
            producer_epoch: 7,
        }
    }

    fn cut(&mut self, version: i16) {
        if version < 3 {
            self.producer_id = -1;
            self.producer_epoch = -1;
        }
    }

    fn heap_bytes(&self) -> usize {
        self.transactional_id.as_ref().map_or(0, |id| id.len())
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        let transactional_id = self.transactional_id.as_deref();
        let message = theirs::InitProducerIdRequest::default()
            .with_transactional_id(transactional_id.map(|id| theirs::TransactionalId(string(id))))
            .with_transaction_timeout_ms(self.transaction_timeout_ms)
            .with_producer_id(theirs::ProducerId(self.producer_id))
            .with_producer_epoch(self.producer_epoch);
        estranged!(message, strangers)
    }
}

impl Specimen for InitProducerIdResponse {
    type Theirs = theirs::InitProducerIdResponse;

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

    fn cut(&mut self, _version: i16) {}

    fn heap_bytes(&self) -> usize {
        0
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        let message = theirs::InitProducerIdResponse::default()
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_error_code(self.error.code())
            .with_producer_id(theirs::ProducerId(self.producer_id))
            .with_producer_epoch(self.producer_epoch);
        estranged!(message, strangers)
    }
}
