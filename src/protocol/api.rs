//! Which APIs this crate speaks: one table with a row for each, and what the compiler makes of it.
//! What there is to say about an API stands in the file of its messages, see
//! [`messages`](super::messages). Pure; used wherever a request or a response can be any of them.

use std::fmt;
use std::time::Duration;

use crate::protocol::messages::*;
use crate::protocol::version::VersionRange;
use crate::protocol::wire::{DecodeError, Reader, Writer};

/// Makes the three enums [`ApiKey`], [`Request`] and [`Response`], with one variant for each row,
/// and the functions that only look up which variant it is and call what the messages' own file
/// has. Nothing is decided here: read `Produce` for `$name` and `ProduceRequest` for `$request`, and
/// each function is a plain `match`.
macro_rules! apis {
    ($($name:ident($request:ident),)*) => {
        /// The APIs this crate speaks, by their number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub(crate) enum ApiKey {
            $($name = $request::KEY,)*
        }

        impl ApiKey {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The versions this crate speaks.
            pub(crate) fn versions(self) -> VersionRange {
                match self {
                    $(Self::$name => $request::VERSIONS,)*
                }
            }

            fn first_flexible(self) -> i16 {
                match self {
                    $(Self::$name => $request::FIRST_FLEXIBLE,)*
                }
            }

            /// See [`ResponseMessage::HEADER_HAS_TAGS`].
            pub(super) fn response_header_has_tags(self) -> bool {
                match self {
                    $(Self::$name => <$request as RequestMessage>::Response::HEADER_HAS_TAGS,)*
                }
            }
        }

        /// A request to any of these APIs.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Request {
            $($name($request),)*
        }

        impl Request {
            pub(crate) fn api_key(&self) -> ApiKey {
                match self {
                    $(Self::$name(_) => ApiKey::$name,)*
                }
            }

            /// See [`RequestMessage::is_answered`].
            pub(crate) fn is_answered(&self) -> bool {
                match self {
                    $(Self::$name(request) => request.is_answered(),)*
                }
            }

            pub(super) fn encode(&self, writer: &mut Writer, version: i16) {
                match self {
                    $(Self::$name(request) => request.encode(writer, version),)*
                }
            }

            #[cfg(any(test, feature = "testing"))]
            pub(super) fn decode(
                api: ApiKey,
                reader: &mut Reader<'_>,
                version: i16,
            ) -> Result<Self, DecodeError> {
                match api {
                    $(ApiKey::$name => $request::decode(reader, version).map(Self::$name),)*
                }
            }
        }

        /// The answer to a [`Request`] of the same name.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Response {
            $($name(<$request as RequestMessage>::Response),)*
        }

        impl Response {
            pub(super) fn decode(
                api: ApiKey,
                reader: &mut Reader<'_>,
                version: i16,
            ) -> Result<Self, DecodeError> {
                match api {
                    $(ApiKey::$name => ResponseMessage::decode(reader, version).map(Self::$name),)*
                }
            }

            fn throttle_time_ms(&self) -> i32 {
                match self {
                    $(Self::$name(response) => response.throttle_time_ms(),)*
                }
            }

            #[cfg(any(test, feature = "testing"))]
            pub(crate) fn api_key(&self) -> ApiKey {
                match self {
                    $(Self::$name(_) => ApiKey::$name,)*
                }
            }

            #[cfg(any(test, feature = "testing"))]
            pub(super) fn encode(&self, writer: &mut Writer, version: i16) {
                match self {
                    $(Self::$name(response) => response.encode(writer, version),)*
                }
            }
        }
    };
}

// The table: the name of each API and its request, in the order of their keys.
apis! {
    Produce(ProduceRequest),
    Metadata(MetadataRequest),
    FindCoordinator(FindCoordinatorRequest),
    ApiVersions(ApiVersionsRequest),
    InitProducerId(InitProducerIdRequest),
    AddPartitionsToTxn(AddPartitionsToTxnRequest),
    AddOffsetsToTxn(AddOffsetsToTxnRequest),
    EndTxn(EndTxnRequest),
    TxnOffsetCommit(TxnOffsetCommitRequest),
}

impl ApiKey {
    pub(crate) fn from_code(code: i16) -> Option<Self> {
        Self::ALL.iter().copied().find(|api| api.code() == code)
    }

    pub(crate) fn code(self) -> i16 {
        self as i16
    }

    /// Whether `version` is written with compact lengths and tagged fields (KIP-482).
    pub(crate) fn is_flexible(self, version: i16) -> bool {
        version >= self.first_flexible()
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Response {
    /// How long the broker will not look at this client's next requests (KIP-219), at most
    /// [`MAX_THROTTLE`].
    pub(crate) fn throttle_time(&self) -> Duration {
        let ms = u64::try_from(self.throttle_time_ms()).unwrap_or(0);
        Duration::from_millis(ms).min(MAX_THROTTLE)
    }
}

/// A broker that is broken or means harm could announce a pause of 24 days. Resuming early does no harm
/// to one that means it: it does not read from the connection before its pause is over (KIP-219).
const MAX_THROTTLE: Duration = Duration::from_secs(60);
