//! `AddOffsetsToTxn`: see [`Specimen`].

use kafka_protocol::messages as theirs;
use proptest::prelude::*;

use super::{Specimen, error_code, estranged, name, string, transactional_id};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::*;
use crate::sync::Arc;

impl Specimen for AddOffsetsToTxnRequest {
    type Theirs = theirs::AddOffsetsToTxnRequest;

    fn any() -> BoxedStrategy<Self> {
        (name(), any::<i64>(), any::<i16>(), name())
            .prop_map(
                |(transactional_id, producer_id, producer_epoch, group_id)| Self {
                    transactional_id,
                    producer_id,
                    producer_epoch,
                    group_id,
                },
            )
            .boxed()
    }

    fn example() -> Self {
        Self {
            transactional_id: Arc::from("transaction"),
            producer_id: 1 << 40,
            producer_epoch: 7,
            group_id: Arc::from("billing"),
        }
    }

    fn cut(&mut self, _version: i16) {}

    fn heap_bytes(&self) -> usize {
        self.transactional_id.len() + self.group_id.len()
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        let message = theirs::AddOffsetsToTxnRequest::default()
            .with_transactional_id(transactional_id(&self.transactional_id))
            .with_producer_id(theirs::ProducerId(self.producer_id))
            .with_producer_epoch(self.producer_epoch)
            .with_group_id(theirs::GroupId(string(&self.group_id)));
        estranged!(message, strangers)
    }
}

impl Specimen for AddOffsetsToTxnResponse {
    type Theirs = theirs::AddOffsetsToTxnResponse;

    fn any() -> BoxedStrategy<Self> {
        (any::<i32>(), error_code())
            .prop_map(|(throttle_time_ms, error)| Self {
                throttle_time_ms,
                error,
            })
            .boxed()
    }

    fn example() -> Self {
        Self {
            throttle_time_ms: 6,
            error: ErrorCode::NONE,
        }
    }

    fn cut(&mut self, _version: i16) {}

    fn heap_bytes(&self) -> usize {
        0
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        let message = theirs::AddOffsetsToTxnResponse::default()
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_error_code(self.error.code());
        estranged!(message, strangers)
    }
}
