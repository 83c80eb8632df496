//! `EndTxn`: commits or aborts the transaction that a producer has open (KIP-98).
//!
//! | version | what it adds |
//! |--:|---|
//! | 3 | flexible |
//! | 4 | an error code (KIP-890) |
//! | 5 | the next transaction's id and epoch in the answer: version 2 of transactions (KIP-890) |

use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{RequestMessage, ResponseMessage};
use crate::protocol::version::{TransactionVersion, VersionRange};
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Asks the transaction's coordinator to end it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndTxnRequest {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// Whether its records become visible; if not, nobody who reads what is committed ever sees them.
    pub(crate) committed: bool,
    /// By which version the transaction was spoken: it decides in which versions of this request it
    /// can be ended, and is not written.
    pub(crate) transactions: TransactionVersion,
}

impl EndTxnRequest {
    /// The first version of this request that ends a transaction of version 2. A broker raises the
    /// epoch then, as it does not in older ones.
    pub(crate) const FIRST_OF_V2: i16 = 5;
}

impl RequestMessage for EndTxnRequest {
    const KEY: i16 = 26;
    const VERSIONS: VersionRange = VersionRange::new(0, 5);
    const FIRST_FLEXIBLE: i16 = 3;
    type Response = EndTxnResponse;

    fn encode(&self, writer: &mut Writer, _version: i16) {
        writer.string(&self.transactional_id);
        writer.i64(self.producer_id);
        writer.i16(self.producer_epoch);
        writer.bool(self.committed);
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let request = Self {
            transactional_id: Arc::from(reader.string()?),
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
            committed: reader.bool()?,
            transactions: TransactionVersion::of(version, Self::FIRST_OF_V2),
        };
        reader.skip_tags()?;
        Ok(request)
    }
}

/// Whether the coordinator has decided to end the transaction; the partitions learn of it later.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndTxnResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error: ErrorCode,
    /// The id for the next transaction, from version 5; −1 if there is an error, and before.
    pub(crate) producer_id: i64,
    /// The epoch for the next transaction, from version 5; −1 if there is an error, and before.
    pub(crate) producer_epoch: i16,
}

impl ResponseMessage for EndTxnResponse {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut response = Self {
            throttle_time_ms: reader.i32()?,
            error: ErrorCode::from(reader.i16()?),
            producer_id: -1,
            producer_epoch: -1,
        };
        if version >= EndTxnRequest::FIRST_OF_V2 {
            response.producer_id = reader.i64()?;
            response.producer_epoch = reader.i16()?;
        }
        reader.skip_tags()?;
        Ok(response)
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.i32(self.throttle_time_ms);
        writer.i16(self.error.code());
        if version >= EndTxnRequest::FIRST_OF_V2 {
            writer.i64(self.producer_id);
            writer.i16(self.producer_epoch);
        }
        writer.no_tags();
    }
}
