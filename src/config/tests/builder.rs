//! The typed door.

use super::*;

/// Every setting, each with another value than its default.
fn full() -> ProducerConfigBuilder {
    let ms = Duration::from_millis;
    let registered = Properties::new().register("Idle", PropertyObject::interceptor(Idle));
    ProducerConfig::builder()
        .properties(registered)
        .bootstrap_servers("a:1")
        .client_id("me")
        .key_serializer("long")
        .value_serializer("string")
        .partitioner("round_robin")
        .interceptors("Idle")
        .ignore_keys(true)
        .adaptive_partitioning(false)
        .partition_availability_timeout(Some(ms(1)))
        .linger(ms(2))
        .batch_size(3)
        .buffer_memory(4)
        .batch_records(24)
        .pending_records(25)
        .rack("r")
        .rack_aware_partitioning(true)
        .max_block(ms(5))
        .max_request_size(6)
        .compression(CompressionType::Zstd)
        .gzip_level(Some(1))
        .lz4_level(2)
        .zstd_level(-4)
        .acks(Acks::None)
        .retries(7)
        .retry_backoff(ms(8))
        .retry_backoff_max(ms(9))
        .request_timeout(ms(10))
        .delivery_timeout(ms(12))
        .idempotence(false)
        .max_in_flight(13)
        .reconnect_backoff(ms(14))
        .reconnect_backoff_max(ms(15))
        .connection_setup_timeout(ms(16))
        .connection_setup_timeout_max(ms(17))
        .connections_max_idle(Some(ms(18)))
        .address_family(AddressFamily::V6)
        .send_buffer(Some(19))
        .receive_buffer(Some(20))
        .metadata_max_age(ms(21))
        .metadata_max_idle(ms(5022))
        .metadata_recovery(MetadataRecovery::None)
        .metadata_cluster_check(false)
        .rebootstrap_trigger(ms(23))
        .bootstrap_resolve_timeout(Some(ms(24)))
}

#[test]
fn has_a_method_for_every_supported_property() {
    // What contradicts the rest of them.
    let transactional = full()
        .transactional_id("t")
        .transaction_timeout(Duration::from_secs(1));
    let properties = transactional.properties;
    let set: BTreeSet<_> = properties.iter().map(|(name, _)| name).collect();
    let supported: BTreeSet<_> = table::all()
        .filter(|definition| definition.class == Class::Supported)
        // It has one value only.
        .filter(|definition| definition.name != "client.dns.lookup")
        .map(|definition| definition.name)
        .collect();
    assert_eq!(set, supported);
}

#[test]
fn takes_servers_as_one_text_and_as_several() {
    let builder = ProducerConfig::builder;
    let owned = "a:1,b:2".to_owned();
    let list = vec!["a:1".to_owned(), "b:2".to_owned()];
    for config in [
        builder().bootstrap_servers("a:1,b:2"),
        builder().bootstrap_servers(&owned),
        builder().bootstrap_servers(owned),
        builder().bootstrap_servers(["a:1", "b:2"]),
        builder().bootstrap_servers(["a:1", "b:2"]),
        builder().bootstrap_servers(&list),
        builder().bootstrap_servers(list.as_slice()),
        builder().bootstrap_servers(list),
    ] {
        let config = config.build().unwrap();
        let servers = config.bootstrap_servers().iter().map(ToString::to_string);
        assert_eq!(servers.collect::<Vec<_>>(), ["a:1", "b:2"]);
    }
    let none: [&str; 0] = [];
    let empty = builder().bootstrap_servers(none).build().unwrap_err();
    assert!(empty.to_string().starts_with("bootstrap.servers is empty"));
}

#[test]
fn sets_what_it_says() {
    let config = full().build().unwrap();
    let ms = Duration::from_millis;
    let backoff = defaults::backoff;
    assert_eq!(config.bootstrap_servers()[0].to_string(), "a:1");
    assert_eq!(config.client_id(), "me");
    assert!(config.key_serializer::<i64>().is_ok());
    assert!(config.value_serializer::<str>().is_ok());
    assert!(config.partitioner().is_some());
    assert_eq!(format!("{:?}", config.interceptors()), r#"Some(["Idle"])"#);
    assert!(config.ignore_keys);
    assert!(!config.adaptive_partitioning());
    assert_eq!(config.partition_availability_timeout(), Some(ms(1)));
    assert_eq!(config.linger(), ms(2));
    assert_eq!(config.batch_size(), 3);
    assert_eq!(config.buffer_memory(), 4);
    assert_eq!(config.batch_records(), Some(24));
    assert_eq!(config.pending_records(), Some(25));
    assert_eq!(config.rack(), Some("r"));
    assert_eq!(config.max_block(), ms(5));
    assert_eq!(config.max_request_size(), 6);
    assert_eq!(config.compression(), Compression::new(Codec::Zstd, -4).ok());
    assert_eq!(config.acks(), Acks::None);
    assert_eq!(config.retries(), 7);
    assert_eq!(config.retry_backoff(), backoff(8, 9));
    assert_eq!(config.request_timeout(), ms(10));
    assert_eq!(config.delivery_timeout(), ms(12));
    assert!(!config.idempotence());
    assert_eq!(config.max_in_flight(), 13);
    assert_eq!(config.reconnect_backoff(), backoff(14, 15));
    assert_eq!(config.connection_setup_timeout(), backoff(16, 17));
    assert_eq!(config.connections_max_idle(), Some(ms(18)));
    assert_eq!(config.address_family(), AddressFamily::V6);
    assert_eq!(config.send_buffer(), Some(19));
    assert_eq!(config.receive_buffer(), Some(20));
    assert_eq!(config.metadata_max_age(), ms(21));
    assert_eq!(config.metadata_max_idle(), ms(5022));
    assert_eq!(config.metadata_recovery(), MetadataRecovery::None);
    assert!(!config.metadata_cluster_check());
    assert_eq!(config.rebootstrap_trigger(), ms(23));
    assert_eq!(config.bootstrap_resolve_timeout(), Some(ms(24)));
}

#[test]
fn makes_a_producer_transactional() {
    let builder = ProducerConfig::builder().bootstrap_servers("a:1");
    let plain = builder.clone().transaction_timeout(Duration::from_secs(9));
    assert!(plain.build().unwrap().transactional().is_none());
    let config = builder
        .transactional_id("t")
        .transaction_timeout(Duration::from_secs(9));
    let config = config.build().unwrap();
    let transactional = config.transactional().unwrap();
    let set = (&*transactional.id, transactional.timeout);
    assert_eq!(set, ("t", Duration::from_secs(9)));
}

#[test]
fn takes_nothing_and_for_ever() {
    let config = full()
        .partition_availability_timeout(None)
        .connections_max_idle(None)
        .send_buffer(None)
        .receive_buffer(None)
        .linger(Duration::from_nanos(1))
        .request_timeout(Duration::MAX)
        .delivery_timeout(Duration::MAX)
        .build()
        .unwrap();
    assert_eq!(config.partition_availability_timeout(), None);
    assert_eq!(config.connections_max_idle(), None);
    assert_eq!(config.send_buffer(), None);
    assert_eq!(config.receive_buffer(), None);
    assert_eq!(config.linger(), Duration::from_millis(1));
    let longest = Duration::from_millis(2_147_483_647);
    assert_eq!(config.request_timeout(), longest);
    assert_eq!(config.delivery_timeout(), longest);
}

#[test]
fn is_checked_as_properties_are() {
    let error = full().retries(u32::MAX).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "retries=\"4294967295\": out of range; it takes 0 to 2147483647"
    );
}

#[test]
fn takes_objects_and_the_properties_of_a_file() {
    let config = ProducerConfig::builder()
        .properties(minimal())
        .key_serializer_object(PropertyObject::serializer(OrderSerializer))
        .value_serializer_object(PropertyObject::serializer(OrderSerializer))
        .partitioner_object(PropertyObject::partitioner(AlwaysThree))
        .interceptor_objects([Idle, Idle].map(PropertyObject::interceptor))
        .build()
        .unwrap();
    assert!(config.key_serializer::<Order>().is_ok());
    assert!(config.value_serializer::<Order>().is_ok());
    assert!(config.partitioner().is_some());
    let name = "linger::config::tests::Idle";
    let expected = format!("Some([{name:?}, {name:?}])");
    assert_eq!(format!("{:?}", config.interceptors()), expected);
}
