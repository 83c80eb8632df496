//! What is refused, what passes, what is ignored.

use super::*;

#[test]
fn is_refused_when_it_would_change_behaviour() {
    let cases = [
        ("security.protocol", "SASL_SSL", "it must be PLAINTEXT"),
        ("config.providers", "env", "leave it out"),
        ("metrics.num.samples", "3", "it must be 2"),
        ("metrics.recording.level", "DEBUG", "it must be INFO"),
        (
            "transaction.two.phase.commit.enable",
            "true",
            "it must be false",
        ),
        (
            "client.dns.lookup",
            "resolve_canonical_bootstrap_servers_only",
            "it must be use_all_dns_ips",
        ),
    ];
    for (name, value, instead) in cases {
        assert_eq!(
            refused(&with(&[(name, value)])),
            format!("{name}={value:?} is not supported yet; {instead}")
        );
    }
}

#[test]
fn passes_when_it_changes_nothing() {
    for (name, value) in [("config.providers", ""), ("enable.metrics.push", "false")] {
        assert!(warnings(&with(&[(name, value)])).is_empty(), "{name}");
    }
}

#[test]
fn is_ignored_with_one_warning_when_nothing_asks_for_it() {
    let properties = with(&[
        ("ssl.truststore.location", "/etc/trust.jks"),
        ("sasl.mechanism", "PLAIN"),
        ("metric.reporters", "com.example.Reporter"),
        ("security.providers", "com.example.Provider"),
        ("enable.metrics.push", "true"),
    ]);
    assert_eq!(
        warnings(&properties),
        [
            "ignored, as it has a meaning in a JVM only: metric.reporters, security.providers",
            "ignored, as security.protocol is PLAINTEXT: sasl.mechanism, \
             ssl.truststore.location",
            "enable.metrics.push=true has no effect yet: no metrics are pushed",
        ]
    );
}

#[test]
fn is_checked_although_it_is_ignored() {
    let message = refused(&with(&[("sasl.login.refresh.window.factor", "0")]));
    assert!(message.contains("out of range"), "{message}");
}
