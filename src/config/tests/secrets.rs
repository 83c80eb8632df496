//! Secrets are shown neither by `Debug` nor in a message nor in a warning, wherever they stand.

use super::*;

/// What a user may get to see of properties: their `Debug`, the error or the warnings.
fn shown(properties: &Properties) -> String {
    let checked = producer_config::check(properties, &|_, _| None);
    let builder = ProducerConfig::builder().properties(properties.clone());
    match checked {
        Ok((config, warnings)) => format!("{properties:?}{builder:?}{config:?}{warnings:?}"),
        Err(error) => format!("{properties:?}{builder:?}{error}{error:?}"),
    }
}

#[test]
fn of_known_and_of_unknown_properties_are_hidden() {
    let names = [
        "ssl.keystore.password",
        "sasl.jaas.config",
        "ssl.keystore.key",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.password",
        "ssl.key.pem",
        "ssl.ca.pem",
        "ssl.certificate.pem",
        "my.own.Password",
        "sasl.pasword",
        "passwd",
        "api_key",
        "private_key",
        "schema.registry.basic.auth.user.info",
        "basic.auth.user.info",
        "whatever",
        "topic.orders.whatever",
        "ssl_key",
    ];
    for name in names {
        for value in ["hush", "  hush", "${hush}", "\"hush\"", "hush # x"] {
            for properties in [
                with(&[(name, value)]),
                with(&[(name, value)]).lenient(),
                minimal().merge(Properties::parse(&format!("{name}={value}"))),
            ] {
                let shown = shown(&properties);
                assert!(!shown.contains("hush"), "{shown}");
            }
        }
    }
}

#[test]
fn do_not_keep_harmless_values_from_being_shown() {
    let properties = with(&[
        ("acks", "all"),
        ("partitioner.ignore.keys", "false"),
        ("ssl.keystore.location", "/etc/store"),
        ("log_level", "6"),
    ]);
    let debug = format!("{properties:?}");
    for shown in [
        "\"acks\": \"all\"",
        "\"key.serializer\": \"string\"",
        "\"partitioner.ignore.keys\": \"false\"",
        "\"ssl.keystore.location\": \"/etc/store\"",
        "\"log_level\": \"6\"",
    ] {
        assert!(debug.contains(shown), "{debug}");
    }
}

#[test]
fn of_addresses_are_hidden() {
    for server in [
        "sasl://user:hush@host:9092",
        "user:hush@host:9092",
        "user:hu,hush@host:9092",
        "a:1,user:hush@host:9092,hush:b",
        "sasl://user:hu/hush@host",
    ] {
        for name in ["bootstrap.servers", "metadata.broker.list"] {
            let properties = Properties::new().set(name, server);
            let shown = shown(&properties);
            let shown = shown.replace("hush:b", "");
            assert!(!shown.contains("hush"), "{shown}");
            assert!(shown.contains("has no user and no password"), "{shown}");
        }
    }
}

const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n\
    MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu\n\
    =hush\n\
    hushA=\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn of_several_lines_without_backslashes_are_hidden_and_told_once() {
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required\n  \
                username=\"hush\"\n  password=\"hush\";\n";
    let cases = [
        ("ssl.keystore.key", KEY.to_owned()),
        ("ssl.truststore.certificates", KEY.repeat(2)),
        ("ssl.key.pem", KEY.to_owned()),
        ("my.key", KEY.to_owned()),
        ("sasl.jaas.config", jaas.to_owned()),
    ];
    for (name, text) in cases {
        let file = format!("acks=all\n{name}={text}linger.ms=soon\n");
        let properties = minimal().merge(Properties::parse(&file));
        let message = refused(&properties);
        let lines: Vec<_> = message.lines().collect();
        assert_eq!(
            lines[1],
            format!(
                "  line 2: {name} goes on in the next lines, which are not joined: end each line but \
                 the last with a space and a backslash"
            )
        );
        assert!(lines[2].contains("linger.ms=\"soon\""), "{message}");
        assert_eq!(lines.len(), 3, "{message}");
        let shown = shown(&properties);
        for secret in ["hush", "MIIE", "MzEf"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    // Joined they are fine.
    let joined = format!("ssl.keystore.key={}", KEY.trim_end().replace('\n', " \\\n"));
    let properties = minimal().merge(Properties::parse(&joined));
    assert_eq!(warnings(&properties).len(), 1);
    assert!(!shown(&properties).contains("hush"));
}

#[test]
fn alone_in_a_file_are_hidden() {
    let message = refused(&minimal().merge(Properties::parse(KEY)));
    assert_eq!(
        message,
        "line 1: a key or a certificate (PEM) where a property should be"
    );
    // Without its first line, too.
    let rest = KEY.split_once('\n').unwrap().1.replace("=hush\n", "");
    let message = refused(&minimal().merge(Properties::parse(&rest)));
    for secret in ["MIIE", "MzEf"] {
        assert!(!message.contains(secret), "{message}");
    }
}
