//! From values to the settings of each topic: those for all topics, and for each topic that has
//! properties of its own. Both have to keep the same rules.

use std::time::Duration;

use super::findings::Findings;
use super::producer_config::TRANSACTIONAL_ID;
use super::table::{Parsed, TOPIC_PREFIX};
use super::values::Values;
use super::{Acks, TopicSettings, TopicTable};
use crate::compression::{Codec, Compression};

/// Times that depend on each other.
pub(super) struct Times {
    pub(super) linger: Duration,
    pub(super) request_timeout: Duration,
    /// For topics without their own; at least as long as the other two together.
    delivery_timeout: Duration,
    /// Whether none of them is wrong by itself.
    are_sound: bool,
}

/// The longest that Kafka's timeouts can be.
const LONGEST: Duration = Duration::from_millis(0x7fff_ffff);

impl Times {
    pub(super) fn read(values: &Values, findings: &mut Findings<'_>) -> Self {
        let name = "delivery.timeout.ms";
        let mut times = Self {
            linger: values.millis("linger.ms").min(LONGEST),
            request_timeout: values.millis("request.timeout.ms"),
            delivery_timeout: values.millis(name),
            are_sound: values.are_sound(&["linger.ms", "request.timeout.ms", name]),
        };
        if let Some(complaint) = times.complaint(name, times.delivery_timeout) {
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

    /// What is wrong with a delivery timeout, which was set as `name`.
    fn complaint(&self, name: &str, delivery_timeout: Duration) -> Option<String> {
        let delivery = delivery_timeout.as_millis();
        let (linger, request) = (self.linger.as_millis(), self.request_timeout.as_millis());
        (self.are_sound && delivery_timeout < self.least()).then(|| {
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

/// The settings of all topics, and of single ones.
pub(super) fn topics(
    values: &Values,
    times: &Times,
    idempotence: bool,
    findings: &mut Findings<'_>,
) -> TopicTable {
    let of_all = Scope {
        values,
        topic: None,
    };
    let common = TopicSettings {
        acks: acks(of_all.text("acks")),
        delivery_timeout: times.delivery_timeout,
        compression: of_all.compression(findings),
    };
    let mut topics = TopicTable::new(common);
    for topic in values.topics() {
        let scope = Scope {
            topic: Some(topic),
            ..of_all
        };
        let settings = TopicSettings {
            acks: scope.acks(idempotence, findings),
            delivery_timeout: scope.delivery_timeout(times, findings),
            compression: scope.compression(findings),
        };
        topics.set(topic, settings);
    }
    topics
}

pub(super) fn acks(text: &str) -> Acks {
    match text {
        "0" => Acks::None,
        "1" => Acks::Leader,
        _ => Acks::All,
    }
}

/// The values for one topic: its own, or else those for all topics. Without a topic, those for all.
#[derive(Clone, Copy)]
struct Scope<'a> {
    values: &'a Values,
    topic: Option<&'a str>,
}

impl<'a> Scope<'a> {
    /// The value for this topic alone.
    fn own(&self, name: &str) -> Option<&'a Parsed> {
        self.values.of_topic(self.topic?, name)
    }

    /// The full name of the property that the value comes from.
    fn name_of(&self, name: &str) -> String {
        match self.topic {
            Some(topic) if self.own(name).is_some() => format!("{TOPIC_PREFIX}{topic}.{name}"),
            _ => name.to_owned(),
        }
    }

    fn text(&self, name: &str) -> &'a str {
        match self.own(name) {
            Some(Parsed::Text(text)) => text,
            _ => self.values.text(name),
        }
    }

    fn integer(&self, name: &str) -> i64 {
        match self.own(name) {
            Some(Parsed::Integer(number)) => *number,
            _ => self.values.integer(name),
        }
    }

    /// One topic's `acks` must not turn off idempotence for all others, so a contradiction is an error
    /// even where idempotence is only on by default.
    fn acks(&self, idempotence: bool, findings: &mut Findings<'_>) -> Acks {
        let acks = acks(self.text("acks"));
        if idempotence && acks != Acks::All {
            let (name, switch) = (self.name_of("acks"), "enable.idempotence");
            let message = if self.values.is_set(TRANSACTIONAL_ID) {
                format!("{name} must be all with {TRANSACTIONAL_ID}")
            } else if self.values.is_set(switch) {
                format!("{name} must be all with {switch}=true")
            } else {
                format!(
                    "{name} must be all, as {switch} is true; {switch}=false is for all topics at \
                     once"
                )
            };
            findings.problem(&name, message);
        }
        acks
    }

    fn delivery_timeout(&self, times: &Times, findings: &mut Findings<'_>) -> Duration {
        let name = "delivery.timeout.ms";
        let Some(Parsed::Integer(millis)) = self.own(name) else {
            return times.delivery_timeout;
        };
        let timeout = Duration::from_millis(millis.unsigned_abs());
        let name = self.name_of(name);
        if let Some(complaint) = times.complaint(&name, timeout) {
            findings.problem(&name, complaint);
        }
        timeout
    }

    /// A topic may have its own codec, its own level, or both.
    fn compression(&self, findings: &mut Findings<'_>) -> Option<Compression> {
        let name = "compression.type";
        let (codec, level_name) = match self.text(name) {
            "gzip" => (Codec::Gzip, Some("compression.gzip.level")),
            "snappy" => (Codec::Snappy, None),
            "lz4" => (Codec::Lz4, Some("compression.lz4.level")),
            "zstd" => (Codec::Zstd, Some("compression.zstd.level")),
            _ => return None,
        };
        let level = level_name.map_or(0, |name| self.integer(name));
        let level = i32::try_from(level).expect("the table's ranges are narrower");
        let missing = match Compression::new(codec, level) {
            Ok(compression) => return Some(compression),
            Err(missing) => missing,
        };
        let feature = missing.feature;
        let lacks = format!("needs the feature `{feature}` of linger, which this build lacks");
        match level_name.filter(|_| missing.for_the_level) {
            Some(name) => {
                let name = self.name_of(name);
                let message =
                    format!("{name}={level} {lacks}: without it there is only the default level");
                findings.problem(&name, message);
            }
            None => {
                let name = self.name_of(name);
                findings.problem(&name, format!("{name}={codec} {lacks}"));
            }
        }
        None
    }
}
