//! `AddOffsetsToTxn`: tells a transaction's coordinator that a consumer group's offsets will be
//! committed in it (KIP-98). Only in version 1 of transactions; in version 2 the group's coordinator
//! does it, asked by [`TxnOffsetCommit`](super::TxnOffsetCommitRequest).
//!
//! | version | what it adds |
//! |--:|---|
//! | 3 | flexible |
//! | 4 | an error code (KIP-890) |

use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{RequestMessage, ResponseMessage};
use crate::protocol::version::VersionRange;
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Adds a group's offsets to the transaction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AddOffsetsToTxnRequest {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) group_id: Arc<str>,
}

impl RequestMessage for AddOffsetsToTxnRequest {
    const KEY: i16 = 25;
    const VERSIONS: VersionRange = VersionRange::new(0, 4);
    const FIRST_FLEXIBLE: i16 = 3;
    type Response = AddOffsetsToTxnResponse;

    fn encode(&self, writer: &mut Writer, _version: i16) {
        writer.string(&self.transactional_id);
        writer.i64(self.producer_id);
        writer.i16(self.producer_epoch);
        writer.string(&self.group_id);
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let request = Self {
            transactional_id: Arc::from(reader.string()?),
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
            group_id: Arc::from(reader.string()?),
        };
        reader.skip_tags()?;
        Ok(request)
    }
}

/// Whether the group's offsets are part of the transaction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AddOffsetsToTxnResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error: ErrorCode,
}

impl ResponseMessage for AddOffsetsToTxnResponse {
    /// The same in every version, except for the tagged fields at its end.
    fn decode(reader: &mut Reader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let response = Self {
            throttle_time_ms: reader.i32()?,
            error: ErrorCode::from(reader.i16()?),
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
        writer.no_tags();
    }
}
