//! What a check takes from the configuration of its producer.

use std::time::Duration;

use crate::address::Address;
use crate::config::{AddressFamily, ProducerConfig};
use crate::connection;
use crate::sync::Arc;

/// What a check takes from the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) servers: Vec<Address>,
    pub(super) client_id: Arc<str>,
    pub(super) setup_timeout: Duration,
    pub(super) idempotence: bool,
    pub(super) family: AddressFamily,
}

impl Settings {
    pub(crate) fn new(config: &ProducerConfig) -> Self {
        Self {
            servers: config.bootstrap_servers().to_vec(),
            client_id: Arc::from(config.client_id()),
            setup_timeout: config.connection_setup_timeout().max.min(LONGEST),
            idempotence: config.idempotence(),
            family: config.address_family(),
        }
    }

    /// The settings of a connection to any address.
    pub(super) fn connection(&self, max_response_bytes: usize) -> Arc<connection::Settings> {
        Arc::new(connection::Settings {
            client_id: Arc::clone(&self.client_id),
            // A probe has a deadline of its own.
            request_timeout: LONGEST,
            max_in_flight: 1,
            max_response_bytes,
        })
    }
}

/// No check takes longer.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);
