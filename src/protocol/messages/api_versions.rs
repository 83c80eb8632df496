//! `ApiVersions` (key 18), versions 0 to 4; flexible from 3.

use crate::protocol::error_code::ErrorCode;
use crate::protocol::wire::{DecodeError, Reader, Writer};

/// Asks a broker what it speaks, and tells who asks (from version 3, KIP-511).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiVersionsRequest {
    pub(crate) client_software_name: String,
    pub(crate) client_software_version: String,
}

impl ApiVersionsRequest {
    /// The request of this crate.
    pub(crate) fn ours() -> Self {
        Self {
            client_software_name: env!("CARGO_PKG_NAME").to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub(crate) fn encode(&self, writer: &mut Writer, version: i16) {
        if version >= 3 {
            writer.string(&self.client_software_name);
            writer.string(&self.client_software_version);
        }
        writer.no_tags();
    }
}

#[cfg(any(test, feature = "testing"))]
impl ApiVersionsRequest {
    pub(crate) fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = Self {
            client_software_name: String::new(),
            client_software_version: String::new(),
        };
        if version >= 3 {
            request.client_software_name = reader.string()?.to_owned();
            request.client_software_version = reader.string()?.to_owned();
        }
        reader.skip_tags()?;
        Ok(request)
    }

    /// Whether a broker accepts how the client calls itself; it answers `INVALID_REQUEST` where
    /// not. Letters, digits, hyphens and dots, the last two inside only. Means nothing before
    /// version 3.
    pub(crate) fn has_valid_software(&self) -> bool {
        is_valid_software(&self.client_software_name)
            && is_valid_software(&self.client_software_version)
    }
}

#[cfg(any(test, feature = "testing"))]
fn is_valid_software(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let is_alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.iter().copied().all(inside)
        && is_alphanumeric(bytes.first())
        && is_alphanumeric(bytes.last())
}

/// What a broker speaks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiVersionsResponse {
    pub(crate) error: ErrorCode,
    pub(crate) apis: Vec<ApiVersionRange>,
    pub(crate) throttle_time_ms: i32,
}

impl ApiVersionsResponse {
    /// Reads an answer to a request of `version`. A broker that does not know the version answers
    /// in version 0, with `UNSUPPORTED_VERSION` and, since 2.4, the versions of `ApiVersions` it
    /// does know.
    pub(crate) fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let error = ErrorCode::from(reader.i16()?);
        let version = if error == ErrorCode::UNSUPPORTED_VERSION {
            reader.set_flexible(false);
            0
        } else {
            version
        };
        let response = Self {
            error,
            apis: reader.array(ApiVersionRange::decode)?,
            throttle_time_ms: if version >= 1 { reader.i32()? } else { 0 },
        };
        // Features are tagged fields that we have no use for.
        reader.skip_tags()?;
        Ok(response)
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn encode(&self, writer: &mut Writer, version: i16) {
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
        writer.no_tags();
    }
}

/// What one broker speaks of one API.
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
    fn brokers_accept_how_we_call_ourselves() {
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
