//! `InitProducerId`: the id and epoch by which brokers know an idempotent producer (KIP-98).
//!
//! | version | what it adds |
//! |--:|---|
//! | 2 | flexible |
//! | 3 | the id and epoch that the producer has so far (KIP-360) |
//! | 4, 5 | error codes for transactions (KIP-588, KIP-890) |
//!
//! Version 6 (KIP-939) is not stable in Kafka yet.

use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{RequestMessage, ResponseMessage};
use crate::protocol::version::VersionRange;
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Asks for the id and the epoch that an idempotent producer writes into its batches. Without a
/// transactional id any broker can answer, and gives a new id whichever id the request names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InitProducerIdRequest {
    pub(crate) transactional_id: Option<Arc<str>>,
    /// After how long the broker ends an idle transaction; meaningless without a transactional id.
    pub(crate) transaction_timeout_ms: i32,
    /// The id that the producer has so far (from version 3, KIP-360); −1: none.
    pub(crate) producer_id: i64,
    /// The epoch that the producer has so far; −1 if and only if it has no id.
    pub(crate) producer_epoch: i16,
}

impl RequestMessage for InitProducerIdRequest {
    const KEY: i16 = 22;
    const VERSIONS: VersionRange = VersionRange::new(0, 5);
    const FIRST_FLEXIBLE: i16 = 2;
    type Response = InitProducerIdResponse;

    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.nullable_string(self.transactional_id.as_deref());
        writer.i32(self.transaction_timeout_ms);
        if version >= NAMES_ID {
            writer.i64(self.producer_id);
            writer.i16(self.producer_epoch);
        }
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = Self {
            transactional_id: reader.nullable_string()?.map(Arc::from),
            transaction_timeout_ms: reader.i32()?,
            producer_id: -1,
            producer_epoch: -1,
        };
        if version >= NAMES_ID {
            request.producer_id = reader.i64()?;
            request.producer_epoch = reader.i16()?;
        }
        reader.skip_tags()?;
        Ok(request)
    }
}

/// The first version whose requests can name the id that the producer has (KIP-360).
const NAMES_ID: i16 = 3;

/// A producer's id and epoch; both are −1 if there is an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InitProducerIdResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error: ErrorCode,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
}

impl ResponseMessage for InitProducerIdResponse {
    /// The same in every version, except for the tagged fields at its end.
    fn decode(reader: &mut Reader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let response = Self {
            throttle_time_ms: reader.i32()?,
            error: ErrorCode::from(reader.i16()?),
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
        };
        reader.skip_tags()?;
        Ok(response)
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, _version: i16) {
        writer.i32(self.throttle_time_ms);
        writer.i16(self.error.code());
        writer.i64(self.producer_id);
        writer.i16(self.producer_epoch);
        writer.no_tags();
    }
}
