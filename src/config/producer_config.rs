//! From properties to a [`ProducerConfig`]: applies the rules that span several properties.

use std::time::Duration;

use super::classes::{self, SerializerChoice};
use super::topic_rules::{Times, acks, topics};
use super::values::{Findings, Values};
use super::{Acks, MetadataRecovery, ProducerConfig, Properties, librdkafka};
use crate::address::Address;
use crate::backoff::Backoff;
use crate::error::Result;
use crate::interceptor::Interceptors;
use crate::partitioner::Partitioning;
use crate::sync::{Arc, AtomicU64, Ordering};

/// The configuration that the properties describe, and warnings for the user.
pub(super) fn check(properties: &Properties) -> Result<(ProducerConfig, Vec<String>)> {
    let translated = librdkafka::translate(properties);
    let properties = &*translated.properties;
    let mut findings = Findings::new(properties);
    findings.begin_with(translated.problems, translated.warnings);
    let values = Values::read(properties, &mut findings);
    findings.no_problems()?;

    let bootstrap_servers = bootstrap_servers(&values, &mut findings);
    let key_serializer = serializer(properties, &values, "key.serializer", &mut findings);
    let value_serializer = serializer(properties, &values, "value.serializer", &mut findings);
    let partitioner = partitioner(properties, &values, &mut findings);
    let interceptors = interceptors(properties, &values, &mut findings);
    check_sizes(&values, &mut findings);
    check_client_id(&values, &mut findings);
    let idempotence = idempotence(&values, &mut findings);
    let retry = ("retry.backoff.ms", "retry.backoff.max.ms");
    let setup = (
        "socket.connection.setup.timeout.ms",
        "socket.connection.setup.timeout.max.ms",
    );
    warn_of_crossed_times(&values, retry, &mut findings);
    warn_of_crossed_times(&values, setup, &mut findings);
    let rack = rack(&values, &mut findings);
    let times = Times::read(&values, &mut findings);
    let topics = topics(&values, &times, idempotence, &mut findings);
    findings.no_problems()?;

    let checked = "a missing serializer is a problem";
    let config = ProducerConfig {
        bootstrap_servers,
        client_id: client_id(&values),
        key_serializer: key_serializer.expect(checked),
        value_serializer: value_serializer.expect(checked),
        partitioner,
        ignore_keys: values.boolean("partitioner.ignore.keys"),
        adaptive_partitioning: values.boolean("partitioner.adaptive.partitioning.enable"),
        partition_availability_timeout: Some(values.millis("partitioner.availability.timeout.ms"))
            .filter(|timeout| !timeout.is_zero()),
        rack,
        interceptors,
        listener: properties.listener().cloned(),
        topics,
        idempotence,
        retries: u32::try_from(values.integer("retries")).expect("0 to i32::MAX in the table"),
        retry_backoff: backoff(&values, retry),
        request_timeout: times.request_timeout,
        max_in_flight: values.size("max.in.flight.requests.per.connection"),
        linger: times.linger,
        batch_size: values.size("batch.size").max(1),
        buffer_memory: values.size("buffer.memory"),
        batch_records: Some(values.size("batch.num.messages")).filter(|most| *most > 0),
        pending_records: Some(values.size("queue.buffering.max.messages")).filter(|most| *most > 0),
        max_block: values.millis("max.block.ms"),
        max_request_size: values.size("max.request.size"),
        reconnect_backoff: reconnect_backoff(&values),
        connection_setup_timeout: backoff(&values, setup),
        connections_max_idle: connections_max_idle(&values),
        send_buffer: values.optional_size("send.buffer.bytes"),
        receive_buffer: values.optional_size("receive.buffer.bytes"),
        metadata_max_age: values.millis("metadata.max.age.ms"),
        metadata_max_idle: values.millis("metadata.max.idle.ms"),
        metadata_recovery: metadata_recovery(&values),
        bootstrap_resolve_timeout: Some(values.millis("bootstrap.resolve.timeout.ms"))
            .filter(|timeout| !timeout.is_zero()),
        metadata_cluster_check: values.boolean("metadata.cluster.check.enable"),
        rebootstrap_trigger: values.millis("metadata.recovery.rebootstrap.trigger.ms"),
    };
    Ok((config, findings.warnings))
}

fn bootstrap_servers(values: &Values, findings: &mut Findings<'_>) -> Vec<Address> {
    let name = "bootstrap.servers";
    let mut servers = Vec::new();
    for text in values.list(name) {
        match Address::parse(text) {
            Ok(server) if servers.contains(&server) => {
                let warning = format!("{name} has {text:?} more than once");
                findings.warnings.push(warning);
            }
            Ok(server) => servers.push(server),
            Err(complaint) => findings.problem(name, format!("{name}={text:?}: {complaint}")),
        }
    }
    if values.list(name).is_empty() {
        findings.problem(name, format!("{name} is empty; it takes host:port,…"));
    }
    servers
}

fn serializer(
    properties: &Properties,
    values: &Values,
    name: &str,
    findings: &mut Findings<'_>,
) -> Option<SerializerChoice> {
    let value = values.value(name).expect("required properties are set");
    SerializerChoice::find(properties, value)
        .map_err(|complaint| findings.problem(name, format!("{name}: {complaint}")))
        .ok()
}

fn partitioner(
    properties: &Properties,
    values: &Values,
    findings: &mut Findings<'_>,
) -> Option<Partitioning> {
    let name = "partitioner.class";
    classes::find_partitioner(properties, values.value(name)?)
        .map_err(|complaint| findings.problem(name, format!("{name}: {complaint}")))
        .ok()
}

fn interceptors(
    properties: &Properties,
    values: &Values,
    findings: &mut Findings<'_>,
) -> Option<Arc<Interceptors>> {
    let name = "interceptor.classes";
    let value = values.value(name).expect("it has a default");
    let found = classes::find_interceptors(properties, value);
    let named = found.map_err(|complaint| findings.problem(name, format!("{name}: {complaint}")));
    Interceptors::new(named.ok()?)
}

/// A batch has to fit into memory. Java notices at the first `send`.
fn check_sizes(values: &Values, findings: &mut Findings<'_>) {
    let batch = values.integer("batch.size").max(1);
    let memory = values.integer("buffer.memory");
    if batch > memory {
        let message = format!("batch.size ({batch}) is more than buffer.memory ({memory})");
        let culprit = if values.is_set("batch.size") {
            "batch.size"
        } else {
            "buffer.memory"
        };
        findings.problem(culprit, message);
    }
}

/// The own rack, if the built-in choice is to keep to it.
fn rack(values: &Values, findings: &mut Findings<'_>) -> Option<String> {
    let (name, rack) = ("partitioner.rack.aware", values.text("client.rack"));
    if !values.boolean(name) {
        return None;
    }
    if rack.is_empty() {
        findings.problem(
            name,
            format!("{name}=true needs client.rack, which is not set"),
        );
    }
    Some(rack.to_owned())
}

/// In a request, the length of the client id has 16 bits.
fn check_client_id(values: &Values, findings: &mut Findings<'_>) {
    let name = "client.id";
    let length = values.text(name).len();
    if i16::try_from(length).is_err() {
        let message = format!("{name} has {length} bytes; it takes at most {}", i16::MAX);
        findings.problem(name, message);
    }
}

/// What idempotence needs (KIP-679): the default gives way to settings that contradict it, an
/// explicit `enable.idempotence=true` does not. A broker remembers the last five batches of each
/// producer, so more in flight is an error either way.
fn idempotence(values: &Values, findings: &mut Findings<'_>) -> bool {
    let name = "enable.idempotence";
    if !values.boolean(name) {
        return false;
    }
    let in_flight = values.integer("max.in.flight.requests.per.connection");
    if in_flight > 5 {
        let message = format!(
            "max.in.flight.requests.per.connection ({in_flight}) must be at most 5 with {name}=true"
        );
        findings.problem("max.in.flight.requests.per.connection", message);
    }
    let mut contradicted = false;
    let no_acks = (acks(values.text("acks")) != Acks::All).then_some(("acks", "must be all"));
    let no_retries = (values.integer("retries") == 0).then_some(("retries", "must not be 0"));
    for (culprit, rule) in [no_acks, no_retries].into_iter().flatten() {
        contradicted = true;
        if values.is_set(name) {
            findings.problem(culprit, format!("{culprit} {rule} with {name}=true"));
        } else {
            findings.warnings.push(format!(
                "{name} is off: {culprit} {rule} for it; say {name}=false to silence this"
            ));
        }
    }
    !contradicted
}

fn client_id(values: &Values) -> String {
    static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);
    if values.is_set("client.id") {
        return values.text("client.id").to_owned();
    }
    let number = LAST_NUMBER.fetch_add(1, Ordering::Relaxed) + 1;
    format!("producer-{number}")
}

fn warn_of_crossed_times(
    values: &Values,
    (initial, max): (&str, &str),
    findings: &mut Findings<'_>,
) {
    let (initial_ms, max_ms) = (values.integer(initial), values.integer(max));
    if initial_ms > max_ms {
        findings.warnings.push(format!(
            "{initial} ({initial_ms}) is more than {max} ({max_ms}); all waits are {max_ms} ms"
        ));
    }
}

fn backoff(values: &Values, (initial, max): (&str, &str)) -> Backoff {
    let max = values.millis(max);
    Backoff {
        initial: values.millis(initial).min(max),
        max,
    }
}

/// If only the first of the two is set, all pauses are that long: files from before Kafka had the second
/// one mean it so.
fn reconnect_backoff(values: &Values) -> Backoff {
    let (initial, max) = ("reconnect.backoff.ms", "reconnect.backoff.max.ms");
    if values.is_set(initial) && !values.is_set(max) {
        backoff(values, (initial, initial))
    } else {
        backoff(values, (initial, max))
    }
}

fn connections_max_idle(values: &Values) -> Option<Duration> {
    let name = "connections.max.idle.ms";
    (values.integer(name) >= 0).then(|| values.millis(name))
}

fn metadata_recovery(values: &Values) -> MetadataRecovery {
    match values.text("metadata.recovery.strategy") {
        "none" => MetadataRecovery::None,
        _ => MetadataRecovery::Rebootstrap,
    }
}
