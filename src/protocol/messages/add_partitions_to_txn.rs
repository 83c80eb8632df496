//! `AddPartitionsToTxn`: tells a transaction's coordinator which partitions will have records of it
//! (KIP-98). Only in version 1 of transactions; in version 2 the partitions' leaders do it, asked by
//! [`Produce`](super::ProduceRequest).
//!
//! | version | what it adds |
//! |--:|---|
//! | 3 | flexible |
//!
//! Versions 4 and 5 are for brokers, which add the partitions of several producers at once (KIP-890).

use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{RequestMessage, ResponseMessage};
use crate::protocol::version::VersionRange;
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Adds partitions to the transaction, and begins it if it has none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AddPartitionsToTxnRequest {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) topics: Vec<TxnTopic>,
}

impl RequestMessage for AddPartitionsToTxnRequest {
    const KEY: i16 = 24;
    const VERSIONS: VersionRange = VersionRange::new(0, 3);
    const FIRST_FLEXIBLE: i16 = 3;
    type Response = AddPartitionsToTxnResponse;

    fn encode(&self, writer: &mut Writer, _version: i16) {
        writer.string(&self.transactional_id);
        writer.i64(self.producer_id);
        writer.i16(self.producer_epoch);
        writer.array(&self.topics, |writer, topic| {
            writer.string(&topic.name);
            writer.array(&topic.partitions, |writer, index| writer.i32(*index));
            writer.no_tags();
        });
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let request = Self {
            transactional_id: Arc::from(reader.string()?),
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
            topics: reader.array(|reader| {
                let topic = TxnTopic {
                    name: Arc::from(reader.string()?),
                    partitions: reader.array(Reader::i32)?,
                };
                reader.skip_tags()?;
                Ok(topic)
            })?,
        };
        reader.skip_tags()?;
        Ok(request)
    }
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TxnTopic {
    pub(crate) name: Arc<str>,
    pub(crate) partitions: Vec<i32>,
}

/// Which partitions are part of the transaction. If one cannot be added, none is: the others have
/// `OPERATION_NOT_ATTEMPTED`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AddPartitionsToTxnResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<TxnTopicResult>,
}

impl ResponseMessage for AddPartitionsToTxnResponse {
    /// The same in every version, except for the encoding.
    fn decode(reader: &mut Reader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let response = Self {
            throttle_time_ms: reader.i32()?,
            topics: reader.array(TxnTopicResult::decode)?,
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
        writer.array(&self.topics, |writer, topic| topic.encode(writer));
        writer.no_tags();
    }
}

/// What became of the partitions of one topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TxnTopicResult {
    pub(crate) name: String,
    pub(crate) partitions: Vec<TxnPartitionResult>,
}

impl TxnTopicResult {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let topic = Self {
            name: reader.string()?.to_owned(),
            partitions: reader.array(TxnPartitionResult::decode)?,
        };
        reader.skip_tags()?;
        Ok(topic)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer) {
        writer.string(&self.name);
        writer.array(&self.partitions, |writer, partition| {
            partition.encode(writer);
        });
        writer.no_tags();
    }
}

/// What became of one partition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TxnPartitionResult {
    pub(crate) index: i32,
    pub(crate) error: ErrorCode,
}

impl TxnPartitionResult {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let partition = Self {
            index: reader.i32()?,
            error: ErrorCode::from(reader.i16()?),
        };
        reader.skip_tags()?;
        Ok(partition)
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn encode(self, writer: &mut Writer) {
        writer.i32(self.index);
        writer.i16(self.error.code());
        writer.no_tags();
    }
}
