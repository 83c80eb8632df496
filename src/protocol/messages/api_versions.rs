//! `ApiVersions`: which APIs a broker speaks, in which versions. It is the first request on every
//! connection, sent before the client knows anything about the broker, and so has two rules of its
//! own: its response header never has tagged fields, and a broker that does not know the version
//! answers in version 0.
//!
//! | version | what it adds |
//! |--:|---|
//! | 1 | throttle time |
//! | 3 | flexible; the client's name and version (KIP-511); what the cluster has switched on (KIP-584) |
//! | 4 | features from version 0 (KAFKA-17011) |
//! | 5 | the cluster and the broker that the client means to reach (KIP-1242) |

use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{RequestMessage, ResponseMessage};
use crate::protocol::version::VersionRange;
#[cfg(any(test, feature = "testing"))]
use crate::protocol::wire::TaggedField;
use crate::protocol::wire::{DecodeError, Reader, Writer};

/// Asks a broker which APIs it speaks, and says which client is asking (from version 3, KIP-511).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiVersionsRequest {
    pub(crate) client_software_name: String,
    pub(crate) client_software_version: String,
    /// The cluster that the client means to reach, from version 5: a broker of another one answers
    /// `REBOOTSTRAP_REQUIRED`. With [`node`](Self::node) or not at all.
    pub(crate) cluster_id: Option<String>,
    /// The broker that it means to reach; −1: none.
    pub(crate) node: NodeId,
}

impl ApiVersionsRequest {
    /// From this version on, a broker compares [`cluster_id`](Self::cluster_id) and
    /// [`node`](Self::node) with its own.
    pub(crate) const FIRST_CHECKED: i16 = NAMES_DESTINATION;

    /// The request with this crate's own name and version, for whoever answers.
    pub(crate) fn ours() -> Self {
        Self {
            client_software_name: env!("CARGO_PKG_NAME").to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id: None,
            node: NO_NODE,
        }
    }

    /// Whether a broker accepts the client's name and version: letters, digits, hyphens and dots,
    /// the last two not at either end. If not, it answers `INVALID_REQUEST`. Meaningless before
    /// version 3, which has neither.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn has_valid_software(&self) -> bool {
        is_valid_software(&self.client_software_name)
            && is_valid_software(&self.client_software_version)
    }

    /// Whether it names both the cluster and the broker, or neither. If not, a broker answers
    /// `INVALID_REQUEST`.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn has_valid_destination(&self) -> bool {
        self.cluster_id.is_some() == (self.node != NO_NODE)
    }
}

impl RequestMessage for ApiVersionsRequest {
    const KEY: i16 = 18;
    const VERSIONS: VersionRange = VersionRange::new(0, 5);
    const FIRST_FLEXIBLE: i16 = 3;
    type Response = ApiVersionsResponse;

    fn encode(&self, writer: &mut Writer, version: i16) {
        if version >= NAMES_CLIENT {
            writer.string(&self.client_software_name);
            writer.string(&self.client_software_version);
        }
        if version >= NAMES_DESTINATION {
            writer.nullable_string(self.cluster_id.as_deref());
            writer.i32(self.node.0);
        }
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = Self {
            client_software_name: String::new(),
            client_software_version: String::new(),
            cluster_id: None,
            node: NO_NODE,
        };
        if version >= NAMES_CLIENT {
            request.client_software_name = reader.string()?.to_owned();
            request.client_software_version = reader.string()?.to_owned();
        }
        if version >= NAMES_DESTINATION {
            request.cluster_id = reader.nullable_string()?.map(str::to_owned);
            request.node = NodeId(reader.i32()?);
        }
        reader.skip_tags()?;
        Ok(request)
    }
}

/// The first version whose requests name the client (KIP-511).
const NAMES_CLIENT: i16 = 3;

/// The first version whose requests name whom the client means to reach (KIP-1242).
const NAMES_DESTINATION: i16 = 5;

/// What stands for no broker.
const NO_NODE: NodeId = NodeId(-1);

#[cfg(any(test, feature = "testing"))]
fn is_valid_software(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let is_alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.iter().copied().all(inside)
        && is_alphanumeric(bytes.first())
        && is_alphanumeric(bytes.last())
}

/// The versions of each API that a broker speaks, or why it does not say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiVersionsResponse {
    pub(crate) error: ErrorCode,
    pub(crate) apis: Vec<ApiVersionRange>,
    pub(crate) throttle_time_ms: i32,
    /// Grows with every change of the features (from version 3, KIP-584); −1: they are not known.
    pub(crate) finalized_features_epoch: i64,
    /// What the cluster has switched on for all its brokers (from version 3, KIP-584).
    pub(crate) finalized_features: Vec<FinalizedFeature>,
}

#[cfg(any(test, feature = "testing"))]
impl ApiVersionsResponse {
    /// An answer that says nothing of the cluster's features.
    pub(crate) fn new(error: ErrorCode, apis: Vec<ApiVersionRange>) -> Self {
        Self {
            error,
            apis,
            throttle_time_ms: 0,
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
        }
    }
}

impl ResponseMessage for ApiVersionsResponse {
    /// A client reads this header before it knows which versions the broker speaks, so the header
    /// must not depend on the version: the answer of an old broker, which is always in version 0,
    /// would be read one byte off (KIP-511).
    const HEADER_HAS_TAGS: bool = false;

    /// A broker that does not know the request's version answers in version 0, with
    /// `UNSUPPORTED_VERSION` and, since 2.4, the versions of `ApiVersions` that it does know
    /// (KIP-511). The error comes first in every version, so it says how to read the rest.
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let error = ErrorCode::from(reader.i16()?);
        let version = if error == ErrorCode::UNSUPPORTED_VERSION {
            reader.set_flexible(false);
            0
        } else {
            version
        };
        let mut response = Self {
            error,
            apis: reader.array(ApiVersionRange::decode)?,
            throttle_time_ms: if version >= 1 { reader.i32()? } else { 0 },
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
        };
        reader.tags(|tag, field| {
            match tag {
                EPOCH_TAG => response.finalized_features_epoch = field.i64()?,
                FINALIZED_TAG => {
                    response.finalized_features = field.array(FinalizedFeature::decode)?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(response)
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.i16(self.error.code());
        writer.array(&self.apis, |writer, api| {
            writer.i16(api.api_key);
            writer.i16(api.min);
            writer.i16(api.max);
            writer.no_tags();
        });
        if version >= 1 {
            writer.i32(self.throttle_time_ms);
        }
        if version < NAMES_CLIENT {
            return;
        }
        let epoch = |field: &mut Writer| field.i64(self.finalized_features_epoch);
        let features = |field: &mut Writer| {
            field.array(&self.finalized_features, |field, one| one.encode(field));
        };
        let mut fields: Vec<TaggedField<'_>> = Vec::new();
        if self.finalized_features_epoch != -1 {
            fields.push((EPOCH_TAG, &epoch));
        }
        if !self.finalized_features.is_empty() {
            fields.push((FINALIZED_TAG, &features));
        }
        writer.some_tags(&fields);
    }
}

/// The tagged field with the epoch of the finalized features.
const EPOCH_TAG: u32 = 1;
/// The tagged field with the finalized features.
const FINALIZED_TAG: u32 = 2;

/// A feature that the cluster has switched on, and at which levels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FinalizedFeature {
    pub(crate) name: String,
    pub(crate) max_level: i16,
    pub(crate) min_level: i16,
}

impl FinalizedFeature {
    fn decode(field: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let feature = Self {
            name: field.string()?.to_owned(),
            max_level: field.i16()?,
            min_level: field.i16()?,
        };
        field.skip_tags()?;
        Ok(feature)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, field: &mut Writer) {
        field.string(&self.name);
        field.i16(self.max_level);
        field.i16(self.min_level);
        field.no_tags();
    }
}

/// The versions of one API that a broker speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ApiVersionRange {
    pub(crate) api_key: i16,
    pub(crate) min: i16,
    pub(crate) max: i16,
}

impl ApiVersionRange {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let range = Self {
            api_key: reader.i16()?,
            min: reader.i16()?,
            max: reader.i16()?,
        };
        reader.skip_tags()?;
        Ok(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_accept_our_own_name_and_version() {
        assert!(ApiVersionsRequest::ours().has_valid_software());
        for (text, valid) in [
            ("apache-kafka-java", true),
            ("4.3.1", true),
            ("a", true),
            ("", false),
            ("-a", false),
            ("a.", false),
            ("a b", false),
            ("1.0+x", false),
        ] {
            assert_eq!(is_valid_software(text), valid, "{text:?}");
        }
    }
}
