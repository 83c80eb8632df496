//! The header in front of every message: API, version and client of a request, and the correlation id
//! that says which request a response belongs to. Pure; used by the encoding and decoding functions
//! of this layer only.

use crate::protocol::ApiKey;
use crate::protocol::wire::{DecodeError, Reader, Writer};

/// Writes the header of a request. Flexible versions end it with tagged fields (header version 2),
/// others do not (header version 1). The client id has a length of two bytes even in flexible
/// versions (KIP-482): a broker that does not know the version, and so cannot say whether it is
/// flexible, can still read the header and answer.
pub(crate) fn write_request_header(
    writer: &mut Writer,
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) {
    writer.i16(api.code());
    writer.i16(version);
    writer.i32(correlation_id);
    writer.classic_nullable_string(Some(client_id));
    writer.no_tags();
}

/// Reads the header of a response: its correlation id.
pub(crate) fn read_response_header(
    reader: &mut Reader<'_>,
    api: ApiKey,
) -> Result<i32, DecodeError> {
    let correlation_id = reader.i32()?;
    if api.response_header_has_tags() {
        reader.skip_tags()?;
    }
    Ok(correlation_id)
}

/// The header of a request, as a broker reads it.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestHeader {
    /// As it came; perhaps of an API that this crate does not speak.
    pub(crate) api_key: i16,
    /// As it came; perhaps one that this crate does not speak.
    pub(crate) api_version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<String>,
}

#[cfg(any(test, feature = "testing"))]
impl RequestHeader {
    /// Reads what all versions have in common; tagged fields follow if the version is flexible.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            api_key: reader.i16()?,
            api_version: reader.i16()?,
            correlation_id: reader.i32()?,
            client_id: reader.classic_nullable_string()?.map(str::to_owned),
        })
    }
}

/// Writes the header of a response.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn write_response_header(writer: &mut Writer, api: ApiKey, correlation_id: i32) {
    writer.i32(correlation_id);
    if api.response_header_has_tags() {
        writer.no_tags();
    }
}
