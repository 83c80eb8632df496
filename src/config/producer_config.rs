//! From properties to a [`ProducerConfig`]: applies the rules that span several properties.

use std::time::Duration;

use super::classes::{self, SerializerChoice};
use super::findings::Findings;
use super::topic_rules::{Times, acks, topics};
use super::values::Values;
use super::{
    Acks, AddressFamily, MetadataRecovery, ProducerConfig, Properties, TransactionalSettings,
    librdkafka, shown, unknown,
};
use crate::address::Address;
use crate::backoff::Backoff;
use crate::error::Result;
use crate::given::GivenProperties;
use crate::interceptor::Interceptors;
use crate::partitioner::Partitioning;
use crate::sync::{Arc, AtomicU64, Ordering};

/// A request's length has 31 bits, and a batch or record within it needs room for what is around it. A
/// batch of 2 GiB, which `batch.size` could ask for, would fit no request.
const LARGEST_REQUEST: usize = 1 << 30;

/// In bytes, what a batch takes without any record.
const BATCH_HEADER: i64 = 61;

/// The shortest and the longest pause before a retry.
const RETRY: (&str, &str) = ("retry.backoff.ms", "retry.backoff.max.ms");

/// The first and the longest time for an attempt to connect.
const SETUP: (&str, &str) = (
    "socket.connection.setup.timeout.ms",
    "socket.connection.setup.timeout.max.ms",
);

/// What makes a producer transactional.
pub(super) const TRANSACTIONAL_ID: &str = "transactional.id";

/// What is wrong with the serializer of keys (true) or of values, if their type is known.
pub(super) type Misfit<'a> = &'a dyn Fn(&SerializerChoice, bool) -> Option<String>;

/// The configuration that the properties describe, and warnings for the user. All problems are found
/// before any is reported.
pub(super) fn check(
    properties: &Properties,
    misfit: Misfit<'_>,
) -> Result<(ProducerConfig, Vec<String>)> {
    let given = GivenProperties::new(properties.iter());
    let translated = librdkafka::translate(properties);
    let properties = &*translated.properties;
    let mut findings = Findings::new(properties);
    findings.begin_with(translated.problems, translated.warnings);
    findings.malformed();
    let values = Values::read(properties, &mut findings);

    let bootstrap_servers = bootstrap_servers(&values, &mut findings);
    let classes = Classes {
        properties,
        values: &values,
        given: &given,
    };
    let serializers = classes.serializers(misfit, &mut findings);
    let partitioner = classes.partitioner(&mut findings);
    let interceptors = classes.interceptors(&mut findings);
    unknown::report(properties, &given, &mut findings);
    check_sizes(&values, &mut findings);
    check_lengths(&values, &mut findings);
    let idempotence = idempotence(&values, &mut findings);
    warn_of_crossed_times(&values, RETRY, &mut findings);
    warn_of_crossed_times(&values, SETUP, &mut findings);
    let rack = rack(&values, &mut findings);
    let times = Times::read(&values, &mut findings);
    let topics = topics(&values, &times, idempotence, &mut findings);
    findings.no_problems()?;

    let (key_serializer, value_serializer) =
        serializers.expect("a missing serializer is a problem");
    let config = ProducerConfig {
        bootstrap_servers,
        client_id: client_id(&values),
        key_serializer,
        value_serializer,
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
        transactional: transactional(&values),
        retries: u32::try_from(values.integer("retries")).expect("0 to i32::MAX in the table"),
        retry_backoff: backoff(&values, RETRY),
        request_timeout: times.request_timeout,
        max_in_flight: values.size("max.in.flight.requests.per.connection"),
        linger: times.linger,
        batch_size: values.size("batch.size").clamp(1, LARGEST_REQUEST),
        buffer_memory: values.size("buffer.memory"),
        batch_records: Some(values.size("batch.num.messages")).filter(|most| *most > 0),
        pending_records: Some(values.size("queue.buffering.max.messages")).filter(|most| *most > 0),
        max_block: values.millis("max.block.ms"),
        max_request_size: values.size("max.request.size").min(LARGEST_REQUEST),
        reconnect_backoff: reconnect_backoff(&values),
        connection_setup_timeout: backoff(&values, SETUP),
        connections_max_idle: connections_max_idle(&values),
        address_family: address_family(&values),
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
    let list = values.list(name);
    if list.is_empty() && values.are_sound(&[name]) {
        findings.problem(name, format!("{name} is empty; it takes host:port,…"));
    }
    // A password may have a comma in it, so that no single address is safe to be shown.
    let has_user = list.iter().any(|text| text.contains('@'));
    let whole = list.join(",");
    for text in list {
        match Address::parse(text) {
            Ok(server) if servers.contains(&server) => {
                let warning = format!("{name} has {text:?} more than once");
                findings.warnings.push(warning);
            }
            Ok(server) => servers.push(server),
            Err(_) if has_user && !text.contains('@') => {}
            Err(complaint) => {
                let shown = shown::value(name, if has_user { &whole } else { text });
                findings.problem(name, format!("{name}={shown:?}: {complaint}"));
            }
        }
    }
    servers
}

/// Finds what class properties name.
struct Classes<'a> {
    properties: &'a Properties,
    values: &'a Values,
    given: &'a GivenProperties<'a>,
}

impl Classes<'_> {
    fn serializers(
        &self,
        misfit: Misfit<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<(SerializerChoice, SerializerChoice)> {
        let mut find = |name: &str, is_key| {
            let value = self.values.value(name);
            let choice = SerializerChoice::find(self.properties, value, self.given, is_key)
                .map_err(|complaint| findings.problem(name, format!("{name}: {complaint}")))
                .ok()
                .filter(|_| self.values.are_sound(&[name]))?;
            if let Some(complaint) = misfit(&choice, is_key) {
                findings.problem(name, complaint);
            }
            Some(choice)
        };
        let key = find("key.serializer", true);
        let value = find("value.serializer", false);
        key.zip(value)
    }

    fn partitioner(&self, findings: &mut Findings<'_>) -> Option<Partitioning> {
        let name = "partitioner.class";
        classes::find_partitioner(self.properties, self.values.value(name)?, self.given)
            .map_err(|complaint| findings.problem(name, format!("{name}: {complaint}")))
            .ok()
    }

    fn interceptors(&self, findings: &mut Findings<'_>) -> Option<Arc<Interceptors>> {
        let name = "interceptor.classes";
        let value = self.values.value(name).expect("it has a default");
        let found = classes::find_interceptors(self.properties, value, self.given);
        let named =
            found.map_err(|complaint| findings.problem(name, format!("{name}: {complaint}")));
        Interceptors::new(named.ok()?)
    }
}

/// A batch has to fit into memory. Java notices at the first `send`.
fn check_sizes(values: &Values, findings: &mut Findings<'_>) {
    if !values.are_sound(&["batch.size", "buffer.memory", "max.request.size"]) {
        return;
    }
    let batch = values.integer("batch.size").max(1);
    let memory = values.integer("buffer.memory");
    let request = values.integer("max.request.size");
    for (name, bytes) in [("max.request.size", request), ("buffer.memory", memory)] {
        if bytes <= BATCH_HEADER {
            findings.warnings.push(format!(
                "{name} ({bytes}) is too small for any record: a batch takes {BATCH_HEADER} bytes \
                 without one"
            ));
        }
    }
    if request > memory {
        findings.warnings.push(format!(
            "max.request.size ({request}) is more than buffer.memory ({memory}), so a record of that \
             size is always refused"
        ));
    }
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

/// In a request, the lengths of these names have 16 bits.
fn check_lengths(values: &Values, findings: &mut Findings<'_>) {
    for name in ["client.id", TRANSACTIONAL_ID] {
        let length = values.optional_text(name).map_or(0, str::len);
        if i16::try_from(length).is_err() {
            let message = format!("{name} has {length} bytes; it takes at most {}", i16::MAX);
            findings.problem(name, message);
        }
    }
}

/// What idempotence needs (KIP-679): the default gives way to settings that contradict it, an
/// explicit `enable.idempotence=true` does not. A broker remembers the last five batches of each
/// producer, so more in flight is an error either way. Transactions are built on it, so with
/// `transactional.id` nothing gives way.
fn idempotence(values: &Values, findings: &mut Findings<'_>) -> bool {
    let name = "enable.idempotence";
    let is_transactional = values.is_set(TRANSACTIONAL_ID);
    if !values.boolean(name) || !values.are_sound(&[name]) {
        if is_transactional && values.are_sound(&[name]) {
            let message = format!("{name} must not be false with {TRANSACTIONAL_ID}");
            findings.problem(name, message);
        }
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
        if is_transactional {
            findings.problem(culprit, format!("{culprit} {rule} with {TRANSACTIONAL_ID}"));
        } else if values.is_set(name) {
            findings.problem(culprit, format!("{culprit} {rule} with {name}=true"));
        } else {
            findings.warnings.push(format!(
                "{name} is off: {culprit} {rule} for it; say {name}=false to silence this"
            ));
        }
    }
    !contradicted || is_transactional
}

fn transactional(values: &Values) -> Option<TransactionalSettings> {
    Some(TransactionalSettings {
        id: values.optional_text(TRANSACTIONAL_ID)?.into(),
        timeout: values.millis("transaction.timeout.ms"),
    })
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
        let effect = match max_ms {
            0 => "there are no waits".to_owned(),
            _ => format!("all waits are {max_ms} ms"),
        };
        findings.warnings.push(format!(
            "{initial} ({initial_ms}) is more than {max} ({max_ms}); {effect}"
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

fn address_family(values: &Values) -> AddressFamily {
    match values.text("broker.address.family") {
        "v4" => AddressFamily::V4,
        "v6" => AddressFamily::V6,
        _ => AddressFamily::Any,
    }
}

fn metadata_recovery(values: &Values) -> MetadataRecovery {
    match values.text("metadata.recovery.strategy") {
        "none" => MetadataRecovery::None,
        _ => MetadataRecovery::Rebootstrap,
    }
}
