//! `InitProducerId` (key 22), versions 0 to 5; flexible from 2. Version 6 is not stable in Kafka.

use crate::protocol::error_code::ErrorCode;
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Asks for the id and the epoch that an idempotent producer writes into its batches. Without a
/// transactional id any broker can answer, and gives a new id whatever id the request names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InitProducerIdRequest {
    pub(crate) transactional_id: Option<Arc<str>>,
    /// After how long the broker ends an idle transaction; means nothing without a
    /// transactional id.
    pub(crate) transaction_timeout_ms: i32,
    /// The id so far (version 3, KIP-360); −1: none.
    pub(crate) producer_id: i64,
    /// The epoch so far; −1 where there is no id, and only there.
    pub(crate) producer_epoch: i16,
}

impl InitProducerIdRequest {
    pub(crate) fn encode(&self, writer: &mut Writer, version: i16) {
        writer.nullable_string(self.transactional_id.as_deref());
        writer.i32(self.transaction_timeout_ms);
        if version >= NAMES_ID {
            writer.i64(self.producer_id);
            writer.i16(self.producer_epoch);
        }
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
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

/// A producer's id and epoch; both are −1 where there is an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InitProducerIdResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error: ErrorCode,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
}

impl InitProducerIdResponse {
    /// Looks the same in every version, but for the tags at its end.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let response = Self {
            throttle_time_ms: reader.i32()?,
            error: ErrorCode::from(reader.i16()?),
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
        };
        reader.skip_tags()?;
        Ok(response)
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.i32(self.throttle_time_ms);
        writer.i16(self.error.code());
        writer.i64(self.producer_id);
        writer.i16(self.producer_epoch);
        writer.no_tags();
    }
}
