//! What of a configuration the I/O thread's parts need. Runs on: caller, when a producer is made.

use super::client::ConnectSettings;
use crate::config::{MetadataRecovery, ProducerConfig};
use crate::connection;
use crate::protocol::frame::MAX_FRAME_BYTES;
use crate::sender::{Settings, Transactional};
use crate::sync::Arc;
use crate::transport::SocketOptions;

pub(super) fn connect_settings(config: &ProducerConfig) -> ConnectSettings {
    ConnectSettings {
        connection: Arc::new(connection::Settings {
            client_id: Arc::from(config.client_id()),
            request_timeout: config.request_timeout(),
            max_in_flight: config.max_in_flight(),
            max_response_bytes: MAX_FRAME_BYTES,
        }),
        options: SocketOptions {
            send_buffer_bytes: config.send_buffer(),
            receive_buffer_bytes: config.receive_buffer(),
            user_timeout: Some(config.request_timeout()),
            family: config.address_family(),
        },
    }
}

pub(super) fn sender_settings(config: &ProducerConfig) -> Settings {
    Settings {
        bootstrap: config.bootstrap_servers().to_vec(),
        retries: config.retries(),
        idempotence: config.idempotence(),
        transactional: config.transactional().map(|one| Transactional {
            id: Arc::clone(&one.id),
            timeout: one.timeout,
        }),
        linger: config.linger(),
        request_timeout: config.request_timeout(),
        max_request_size: config.max_request_size(),
        max_in_flight: config.max_in_flight(),
        retry_backoff: config.retry_backoff(),
        reconnect_backoff: config.reconnect_backoff(),
        setup_timeout: config.connection_setup_timeout(),
        metadata_max_age: config.metadata_max_age(),
        metadata_max_idle: config.metadata_max_idle(),
        resolve_timeout: config.bootstrap_resolve_timeout(),
        checks_cluster: config.metadata_cluster_check(),
        rebootstrap: match config.metadata_recovery() {
            MetadataRecovery::None => None,
            MetadataRecovery::Rebootstrap => Some(config.rebootstrap_trigger()),
        },
        connections_max_idle: config.connections_max_idle(),
        availability_timeout: config.partition_availability_timeout(),
        seed: seed(),
    }
}

/// What the sender's jitter starts from: different in each producer.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
