//! One file per API, with everything that is to say about it: the two traits here, for its request
//! and its response, list what that is. Each file has both directions, the client's and the broker's,
//! one below the other, because a field that is added to one and forgotten in the other is seen at
//! once there.
//!
//! One more API is one more file here and one more row in [`api`](super::api).

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod api_versions;
mod end_txn;
mod find_coordinator;
mod init_producer_id;
mod metadata;
mod produce;
mod txn_offset_commit;

pub(crate) use add_offsets_to_txn::*;
pub(crate) use add_partitions_to_txn::*;
pub(crate) use api_versions::*;
pub(crate) use end_txn::*;
pub(crate) use find_coordinator::*;
pub(crate) use init_producer_id::*;
pub(crate) use metadata::*;
pub(crate) use produce::*;
pub(crate) use txn_offset_commit::*;

use crate::ids::TopicId;
use crate::protocol::version::VersionRange;
use crate::protocol::wire::{DecodeError, Reader, Writer};

/// A request, and with it the API that it is for.
pub(crate) trait RequestMessage: Sized {
    /// The API's number on the wire.
    const KEY: i16;
    /// The versions that this crate speaks. Kafka's brokers since 2.1 speak every API here in one
    /// of them.
    const VERSIONS: VersionRange;
    /// The first version of request and response that has compact lengths and tagged fields
    /// (KIP-482).
    const FIRST_FLEXIBLE: i16;
    /// What a broker answers.
    type Response: ResponseMessage;

    /// Whether a broker answers this very request.
    fn is_answered(&self) -> bool {
        true
    }

    /// Writes what follows the header.
    fn encode(&self, writer: &mut Writer, version: i16);

    /// Reads what follows the header. Fields that `version` does not have get a value that means
    /// "not given".
    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError>;
}

/// The answer to a [`RequestMessage`].
pub(crate) trait ResponseMessage: Sized {
    /// Whether the header of flexible versions ends with tagged fields (response header version 1),
    /// as all do but one.
    const HEADER_HAS_TAGS: bool = true;

    /// Reads what follows the header. Fields that `version` does not have get a value that means
    /// "not given".
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError>;

    /// How long the broker will not look at this client's next requests, in milliseconds (KIP-219);
    /// as it came, perhaps negative.
    fn throttle_time_ms(&self) -> i32;

    /// Writes what follows the header.
    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16);
}

/// A topic, by its id in the newer versions of a message, and by its name in the older ones.
fn write_topic(writer: &mut Writer, by_id: bool, name: &str, id: TopicId) {
    if by_id {
        writer.uuid(&id.0);
    } else {
        writer.string(name);
    }
}

/// The same in the other direction: the name is empty, or the id zeroes.
fn read_topic<'a>(reader: &mut Reader<'a>, by_id: bool) -> Result<(&'a str, TopicId), DecodeError> {
    Ok(match by_id {
        true => ("", TopicId(reader.uuid()?)),
        false => (reader.string()?, TopicId::default()),
    })
}
