//! From properties to a [`ProducerConfig`]: the rules that span several of them.

use std::time::Duration;

use super::address::HostPort;
use super::classes::{self, SerializerChoice};
use super::table::Parsed;
use super::values::{Findings, Values};
use super::{
    Acks, Backoff, MetadataRecovery, ProducerConfig, Properties, TopicSettings, TopicTable,
};
use crate::error::Result;
use crate::partitioner::Partitioner;
use crate::sync::{Arc, AtomicU64, Ordering};

/// The configuration that the properties describe, and what the user should be warned of.
pub(super) fn check(properties: &Properties) -> Result<(ProducerConfig, Vec<String>)> {
    let mut findings = Findings::new(properties);
    let values = Values::read(properties, &mut findings);
    findings.no_problems()?;

    let bootstrap_servers = bootstrap_servers(&values, &mut findings);
    let key_serializer = serializer(properties, &values, "key.serializer", &mut findings);
    let value_serializer = serializer(properties, &values, "value.serializer", &mut findings);
    let partitioner = partitioner(properties, &values, &mut findings);
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
    let times = times(&values, &mut findings);
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
        topics,
        idempotence,
        retries: u32::try_from(values.integer("retries")).expect("0 to i32::MAX in the table"),
        retry_backoff: backoff(&values, retry),
        request_timeout: times.request_timeout,
        max_in_flight: values.size("max.in.flight.requests.per.connection"),
        linger: times.linger,
        batch_size: values.size("batch.size").max(1),
        buffer_memory: values.size("buffer.memory"),
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
        rebootstrap_trigger: values.millis("metadata.recovery.rebootstrap.trigger.ms"),
    };
    Ok((config, findings.warnings))
}

fn bootstrap_servers(values: &Values, findings: &mut Findings<'_>) -> Vec<HostPort> {
    let name = "bootstrap.servers";
    let mut servers = Vec::new();
    for text in values.list(name) {
        match HostPort::parse(text) {
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
) -> Option<Arc<dyn Partitioner>> {
    let name = "partitioner.class";
    classes::find_partitioner(properties, values.value(name)?)
        .map_err(|complaint| findings.problem(name, format!("{name}: {complaint}")))
        .ok()
}

/// Java finds this out at the first record that needs a batch.
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

/// Requests carry the client's id with a length of 16 bits.
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

/// Times that depend on each other.
struct Times {
    linger: Duration,
    request_timeout: Duration,
    /// At least both together.
    delivery_timeout: Duration,
}

impl Times {
    /// That so long a delivery timeout would be too short, if it is. `name` is how it was set.
    fn complain(&self, name: &str, delivery_timeout: Duration) -> Option<String> {
        let delivery = delivery_timeout.as_millis();
        let (linger, request) = (self.linger.as_millis(), self.request_timeout.as_millis());
        (delivery_timeout < self.least()).then(|| {
            format!(
                "{name} ({delivery}) is less than linger.ms ({linger}) + request.timeout.ms \
                 ({request})"
            )
        })
    }

    /// The shortest delivery timeout that makes sense.
    fn least(&self) -> Duration {
        (self.linger + self.request_timeout).min(LONGEST)
    }
}

/// The longest that Kafka's timeouts can be.
const LONGEST: Duration = Duration::from_millis(0x7fff_ffff);

fn times(values: &Values, findings: &mut Findings<'_>) -> Times {
    let name = "delivery.timeout.ms";
    let mut times = Times {
        linger: values.millis("linger.ms").min(LONGEST),
        request_timeout: values.millis("request.timeout.ms"),
        delivery_timeout: values.millis(name),
    };
    if let Some(complaint) = times.complain(name, times.delivery_timeout) {
        let least = times.least();
        if values.is_set(name) {
            findings.problem(name, complaint);
        } else {
            let raised = format!("{complaint}; it is raised to {}", least.as_millis());
            findings.warnings.push(raised);
        }
        times.delivery_timeout = least;
    }
    times
}

/// What holds for all topics, and what is set for single ones. One topic's `acks` are no reason to
/// take idempotence from all others, so that contradicting it is an error even where it is on by
/// default.
fn topics(
    values: &Values,
    times: &Times,
    idempotence: bool,
    findings: &mut Findings<'_>,
) -> TopicTable {
    let common = TopicSettings {
        acks: acks(values.text("acks")),
        delivery_timeout: times.delivery_timeout,
    };
    let mut topics = TopicTable::new(common);
    for topic in values.topics() {
        let mut settings = common;
        if let Some(Parsed::Text(text)) = values.of_topic(topic, "acks") {
            settings.acks = acks(text);
        }
        if let Some(Parsed::Integer(millis)) = values.of_topic(topic, "delivery.timeout.ms") {
            settings.delivery_timeout = Duration::from_millis(millis.unsigned_abs());
            let name = format!("topic.{topic}.delivery.timeout.ms");
            if let Some(complaint) = times.complain(&name, settings.delivery_timeout) {
                findings.problem(&name, complaint);
            }
        }
        if idempotence && settings.acks != Acks::All {
            let name = format!("topic.{topic}.acks");
            findings.problem(&name, acks_need_all(&name, values));
        }
        topics.set(topic, settings);
    }
    topics
}

fn acks_need_all(name: &str, values: &Values) -> String {
    let switch = "enable.idempotence";
    if values.is_set(switch) {
        format!("{name} must be all with {switch}=true")
    } else {
        format!("{name} must be all, as {switch} is true; {switch}=false is for all topics at once")
    }
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

/// Who sets only the first of the two times means all waits, as before Kafka had the second.
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

fn acks(text: &str) -> Acks {
    match text {
        "0" => Acks::None,
        "1" => Acks::Leader,
        _ => Acks::All,
    }
}

fn metadata_recovery(values: &Values) -> MetadataRecovery {
    match values.text("metadata.recovery.strategy") {
        "none" => MetadataRecovery::None,
        _ => MetadataRecovery::Rebootstrap,
    }
}
