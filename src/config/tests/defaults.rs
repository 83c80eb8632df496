//! What is not set.

use super::*;

#[test]
fn are_kafkas() {
    let config = config(&minimal());
    let [server] = config.bootstrap_servers() else {
        panic!("one server")
    };
    assert_eq!(server.to_string(), "localhost:9092");
    assert_eq!(config.acks(), Acks::All);
    assert_eq!(config.retries(), 2_147_483_647);
    assert_eq!(config.linger(), Duration::from_millis(5));
    assert_eq!(config.batch_size(), 16_384);
    assert_eq!(config.buffer_memory(), 33_554_432);
    assert_eq!(config.max_block(), Duration::from_secs(60));
    assert_eq!(config.max_request_size(), 1_048_576);
    assert_eq!(config.max_in_flight(), 5);
    assert_eq!(config.request_timeout(), Duration::from_secs(30));
    assert_eq!(config.delivery_timeout(), Duration::from_secs(120));
    assert_eq!(config.retry_backoff(), backoff(100, 1000));
    assert_eq!(config.reconnect_backoff(), backoff(50, 1000));
    assert_eq!(config.connection_setup_timeout(), backoff(10_000, 30_000));
    assert_eq!(
        config.connections_max_idle(),
        Some(Duration::from_secs(540))
    );
    assert_eq!(config.send_buffer(), Some(131_072));
    assert_eq!(config.receive_buffer(), Some(32_768));
    assert_eq!(config.metadata_max_age(), Duration::from_secs(300));
    assert_eq!(config.metadata_max_idle(), Duration::from_secs(300));
    assert_eq!(config.metadata_recovery(), MetadataRecovery::Rebootstrap);
    assert!(config.metadata_cluster_check());
    assert_eq!(config.rebootstrap_trigger(), Duration::from_secs(300));
    assert!(config.partitioner().is_none());
    assert!(config.interceptors().is_none());
    assert!(!config.ignore_keys);
    assert!(config.adaptive_partitioning());
    assert_eq!(config.partition_availability_timeout(), None);
}

pub(super) fn backoff(initial_ms: u64, max_ms: u64) -> Backoff {
    Backoff {
        initial: Duration::from_millis(initial_ms),
        max: Duration::from_millis(max_ms),
    }
}

#[test]
fn generate_a_client_id_unless_one_is_set_even_to_nothing() {
    let number = |config: &ProducerConfig| -> u64 {
        config
            .client_id()
            .strip_prefix("producer-")
            .unwrap()
            .parse()
            .unwrap()
    };
    let first = number(&config(&minimal()));
    assert!(first >= 1);
    assert!(number(&config(&minimal())) > first);
    assert_eq!(config(&with(&[("client.id", "")])).client_id(), "");
    assert_eq!(config(&with(&[("client.id", " me ")])).client_id(), "me");
}

#[test]
fn need_servers_and_serializers() {
    let message = refused(&Properties::new().set("client.id", "me"));
    assert!(
        message.starts_with("3 problems: bootstrap.servers must be set: Some of the cluster's"),
        "{message}"
    );
    assert!(
        message.contains("; key.serializer must be set: What turns keys"),
        "{message}"
    );
    assert!(
        message.contains("; value.serializer must be set: "),
        "{message}"
    );
}
