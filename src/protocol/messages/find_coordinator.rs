//! `FindCoordinator`: which broker coordinates a consumer group or a transactional id.
//!
//! | version | what it adds |
//! |--:|---|
//! | 1 | coordinators of transactions (KIP-98), throttle time, a text beside the error |
//! | 3 | flexible |
//! | 4 | several keys at once (KIP-699) |
//! | 5, 6 | an error code (KIP-890), coordinators of share groups (KIP-932) |

use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{RequestMessage, ResponseMessage};
use crate::protocol::version::VersionRange;
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Asks any broker for coordinators.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FindCoordinatorRequest {
    pub(crate) key_type: KeyType,
    /// Group ids or transactional ids. Before version 4 there is room for a single one.
    pub(crate) keys: Vec<Arc<str>>,
}

impl FindCoordinatorRequest {
    /// The first version that can ask for the coordinator of a transactional id.
    pub(crate) const FIRST_WITH_KEY_TYPE: i16 = 1;
}

/// What a key of [`FindCoordinatorRequest`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyType(pub(crate) i8);

impl KeyType {
    /// The id of a consumer group.
    pub(crate) const GROUP: Self = Self(0);
    pub(crate) const TRANSACTIONAL_ID: Self = Self(1);
}

impl RequestMessage for FindCoordinatorRequest {
    const KEY: i16 = 10;
    const VERSIONS: VersionRange = VersionRange::new(0, 6);
    const FIRST_FLEXIBLE: i16 = 3;
    type Response = FindCoordinatorResponse;

    fn encode(&self, writer: &mut Writer, version: i16) {
        if version < BATCHED {
            debug_assert_eq!(self.keys.len(), 1, "one key");
            writer.string(self.keys.first().map_or("", |key| key));
        }
        if version >= Self::FIRST_WITH_KEY_TYPE {
            writer.i8(self.key_type.0);
        }
        if version >= BATCHED {
            writer.array(&self.keys, |writer, key| writer.string(key));
        }
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = Self {
            key_type: KeyType::GROUP,
            keys: Vec::new(),
        };
        if version < BATCHED {
            request.keys.push(Arc::from(reader.string()?));
        }
        if version >= Self::FIRST_WITH_KEY_TYPE {
            request.key_type = KeyType(reader.i8()?);
        }
        if version >= BATCHED {
            request.keys = reader.array(|reader| reader.string().map(Arc::from))?;
        }
        reader.skip_tags()?;
        Ok(request)
    }
}

/// The first version that asks for several coordinators at once (KIP-699).
const BATCHED: i16 = 4;

/// A coordinator for each key, or why there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FindCoordinatorResponse {
    pub(crate) throttle_time_ms: i32,
    /// Before version 4 always one.
    pub(crate) coordinators: Vec<Coordinator>,
}

impl ResponseMessage for FindCoordinatorResponse {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let response = Self {
            throttle_time_ms: match version {
                1.. => reader.i32()?,
                _ => 0,
            },
            coordinators: match version {
                BATCHED.. => reader.array(Coordinator::decode)?,
                _ => vec![Coordinator::decode_alone(reader, version)?],
            },
        };
        reader.skip_tags()?;
        Ok(response)
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        if version >= 1 {
            writer.i32(self.throttle_time_ms);
        }
        if version >= BATCHED {
            writer.array(&self.coordinators, |writer, one| one.encode(writer));
        } else if let [coordinator] = &self.coordinators[..] {
            coordinator.encode_alone(writer, version);
        } else {
            panic!("before version {BATCHED} one key gets one coordinator");
        }
        writer.no_tags();
    }
}

/// Who coordinates one key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Coordinator {
    /// From version 4; empty before, as there is only one.
    pub(crate) key: String,
    /// −1 if there is an error.
    pub(crate) node: NodeId,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) error: ErrorCode,
    /// From version 1.
    pub(crate) error_message: Option<String>,
}

impl Coordinator {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let coordinator = Self {
            key: reader.string()?.to_owned(),
            node: NodeId(reader.i32()?),
            host: reader.string()?.to_owned(),
            port: reader.i32()?,
            error: ErrorCode::from(reader.i16()?),
            error_message: reader.nullable_string()?.map(str::to_owned),
        };
        reader.skip_tags()?;
        Ok(coordinator)
    }

    /// The only one of an answer, whose fields are in another order and not a structure of their own.
    fn decode_alone(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let error = ErrorCode::from(reader.i16()?);
        let error_message = match version {
            1.. => reader.nullable_string()?.map(str::to_owned),
            _ => None,
        };
        Ok(Self {
            key: String::new(),
            node: NodeId(reader.i32()?),
            host: reader.string()?.to_owned(),
            port: reader.i32()?,
            error,
            error_message,
        })
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer) {
        writer.string(&self.key);
        writer.i32(self.node.0);
        writer.string(&self.host);
        writer.i32(self.port);
        writer.i16(self.error.code());
        writer.nullable_string(self.error_message.as_deref());
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode_alone(&self, writer: &mut Writer, version: i16) {
        writer.i16(self.error.code());
        if version >= 1 {
            writer.nullable_string(self.error_message.as_deref());
        }
        writer.i32(self.node.0);
        writer.string(&self.host);
        writer.i32(self.port);
    }
}
