//! One file per API, both directions.

mod api_versions;
mod metadata;
mod produce;

pub(crate) use api_versions::*;
pub(crate) use metadata::*;
pub(crate) use produce::*;
