//! One file per API, both directions.

mod api_versions;
mod init_producer_id;
mod metadata;
mod produce;

pub(crate) use api_versions::*;
pub(crate) use init_producer_id::*;
pub(crate) use metadata::*;
pub(crate) use produce::*;
