//! The report as one line of JSON: the fields of [`CheckReport`] by their names, with times in
//! milliseconds, and `null` for what is not known.

use std::fmt::{self, Display};
use std::time::Duration;

use linger::check::{
    Cause, CheckReport, CheckedAddress, CheckedApi, CheckedBroker, CheckedCluster, CheckedServer,
    CheckedTopic, Finding,
};

/// What is printed as JSON.
pub(crate) struct Json<T>(pub(crate) T);

/// Prints an object of these members.
macro_rules! object {
    ($f:expr, $($name:literal: $value:expr),+ $(,)?) => {{
        let mut separator = '{';
        $(
            write!($f, "{separator}\"{}\":{}", $name, Json($value))?;
            separator = ',';
        )+
        // At least one member has been printed.
        debug_assert_eq!(separator, ',');
        write!($f, "}}")
    }};
}

impl Display for Json<&CheckReport> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        object!(f,
            "healthy": report.is_healthy(),
            "severity": report.severity().name(),
            "took_ms": report.took,
            "servers": &report.servers[..],
            "cluster": report.cluster.as_ref(),
            "brokers": &report.brokers[..],
            "topics": &report.topics[..],
        )
    }
}

impl Display for Json<&CheckedServer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.0;
        object!(f,
            "host": &server.host[..],
            "port": i32::from(server.port),
            "addresses": &server.addresses[..],
            "findings": &server.findings[..],
        )
    }
}

impl Display for Json<&CheckedAddress> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.0;
        object!(f,
            "address": &address.address.to_string()[..],
            "answered_after_ms": address.answered_after,
            "apis": &address.apis[..],
        )
    }
}

impl Display for Json<&CheckedApi> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let api = self.0;
        object!(f,
            "name": &api.name[..],
            "broker_oldest": api.broker.map(|(oldest, _)| i32::from(oldest)),
            "broker_newest": api.broker.map(|(_, newest)| i32::from(newest)),
            "used": api.used.map(i32::from),
        )
    }
}

impl Display for Json<&CheckedCluster> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cluster = self.0;
        object!(f,
            "id": cluster.id.as_deref(),
            "controller": cluster.controller,
            "told_by": &cluster.told_by[..],
            "findings": &cluster.findings[..],
        )
    }
}

impl Display for Json<&CheckedBroker> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broker = self.0;
        object!(f,
            "id": broker.id,
            "rack": broker.rack.as_deref(),
            "server": &broker.server,
        )
    }
}

impl Display for Json<&CheckedTopic> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = self.0;
        object!(f,
            "name": &topic.name[..],
            "partitions": topic.partitions,
            "without_leader": &topic.without_leader[..],
            "with_unreachable_leader": &topic.with_unreachable_leader[..],
            "under_replicated": &topic.under_replicated[..],
            "may_write": topic.may_write,
            "findings": &topic.findings[..],
        )
    }
}

impl Display for Json<&Finding> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finding = self.0;
        let code = match finding.cause {
            Cause::BrokerRefused(code) | Cause::TopicRefused(code) => Some(code.name()),
            _ => None,
        };
        object!(f,
            "severity": finding.severity.name(),
            "cause": finding.cause.name(),
            "code": code,
            "suspect": finding.suspect.name(),
            "subject": &finding.subject[..],
            "message": &finding.message[..],
            "advice": &finding.advice[..],
        )
    }
}

impl<'a, T> Display for Json<&'a [T]>
where
    Json<&'a T>: Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[")?;
        for (index, element) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{}", Json(element))?;
        }
        write!(f, "]")
    }
}

impl<T: Copy> Display for Json<Option<T>>
where
    Json<T>: Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => Json(value).fmt(f),
            None => write!(f, "null"),
        }
    }
}

impl Display for Json<&str> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}"),
                control @ '\0'..' ' => write!(f, "\\u{:04x}", u32::from(control)),
                other => write!(f, "{other}"),
            }?;
        }
        write!(f, "\"")
    }
}

/// In milliseconds.
impl Display for Json<Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_millis())
    }
}

macro_rules! plain {
    ($($type:ty),+) => {$(
        impl Display for Json<$type> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )+};
}

plain!(bool, i32, &i32, usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_strings_may_not_hold() {
        let text = Json("a\"b\\c\n\u{1f}é").to_string();
        assert_eq!(text, r#""a\"b\\c\u000a\u001fé""#);
    }

    #[test]
    fn writes_lists_and_what_is_not_known() {
        assert_eq!(Json(&[1, 2][..]).to_string(), "[1,2]");
        assert_eq!(Json(&[0i32; 0][..]).to_string(), "[]");
        assert_eq!(Json(None::<bool>).to_string(), "null");
        assert_eq!(Json(Some(true)).to_string(), "true");
    }
}
