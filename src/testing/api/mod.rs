//! What the mock's brokers answer, one file per API. Pure functions over the cluster's state.

pub(super) mod api_versions;
pub(super) mod find_coordinator;
pub(super) mod init_producer_id;
pub(super) mod metadata;
pub(super) mod produce;
