//! The sentences of a report: what is wrong, whose fault it most likely is, and what to do. Whether
//! something is wrong, and how bad that is, is decided in `summary` and `topics`.

use std::io;

use super::findings::Complaint;
use super::probe::Failure;
use super::report::{Cause, Suspect};

use crate::ids::misleads;
use crate::protocol::ApiKey;
use crate::protocol::version::VersionRange;
use crate::transport::describe;

/// Why an address is looked at, and so who has to correct it.
pub(super) enum Role<'a> {
    /// It stands in `bootstrap.servers`.
    Bootstrap,
    /// The broker of this id advertises it; `told_by` is the broker that answered with the metadata.
    Broker { id: i32, told_by: &'a str },
}

impl Role<'_> {
    pub(super) fn subject(&self, place: &str) -> String {
        match self {
            Self::Bootstrap => format!("bootstrap server {place}"),
            Self::Broker { id, .. } => format!("broker {id} at {place}"),
        }
    }

    /// Whose configuration the address comes from.
    fn suspect(&self) -> Suspect {
        match self {
            Self::Bootstrap => Suspect::Client,
            Self::Broker { .. } => Suspect::Cluster,
        }
    }

    /// The advice for an address of the client's own configuration, or for one that a broker
    /// advertises.
    fn advise(&self, ours: &str, theirs: &str) -> String {
        match self {
            Self::Bootstrap => ours.to_owned(),
            Self::Broker { id, told_by } => format!(
                "Broker {id} advertises this address (according to {told_by}): it is set in the broker's \
                 advertised.listeners. {theirs}"
            ),
        }
    }
}

/// A name or an id that a peer sent, safe to print.
pub(super) fn clean(text: &str) -> String {
    const MOST: usize = 255;
    let visible = |c: char| {
        if misleads(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().take(MOST).map(visible).collect()
}

/// The resolver failed.
pub(super) fn unresolved(host: &str, error: &io::Error, role: &Role<'_>) -> Complaint {
    complaint_about_name(format!("The name {host} does not resolve: {error}."), role)
}

/// The resolver was not asked in time, or has not answered.
pub(super) fn not_resolved_in_time(host: &str) -> Complaint {
    Complaint {
        cause: Cause::NotChecked,
        suspect: Suspect::Client,
        message: format!("The resolver had not answered about {host} when the time was up."),
        advice: "Give the check more time. If there was enough, look at this machine's DNS."
            .to_owned(),
    }
}

pub(super) fn without_address(host: &str, role: &Role<'_>) -> Complaint {
    complaint_about_name(format!("The name {host} has no address."), role)
}

fn complaint_about_name(message: String, role: &Role<'_>) -> Complaint {
    Complaint {
        cause: Cause::Unresolved,
        suspect: role.suspect(),
        message,
        advice: role.advise(
            "Check its spelling in bootstrap.servers; if it is right, this machine's DNS or hosts file \
             has to know it.",
            "Set a name there that clients can resolve, or add this one to the DNS or the hosts file of \
             this machine.",
        ),
    }
}

/// A broker advertises what cannot be an address.
pub(super) fn impossible_address(host: &str, port: i32, role: &Role<'_>) -> Complaint {
    Complaint {
        cause: Cause::ImpossibleAddress,
        suspect: Suspect::Cluster,
        message: format!("Host {host:?} and port {port} cannot be an address."),
        advice: role.advise("", "Set a host and a port there."),
    }
}

pub(super) fn not_tried(place: &str) -> Complaint {
    Complaint {
        cause: Cause::NotChecked,
        suspect: Suspect::Client,
        message: format!("There was no time left to check {place}."),
        advice: "Give the check more time.".to_owned(),
    }
}

/// Why nothing is known of a topic: what came of asking this broker. It has answered about its
/// cluster before, so that it is a broker is certain.
pub(super) fn no_topics(place: &str, failure: &Failure) -> String {
    match failure {
        Failure::Closed => format!("{place} closed the connection when it was asked about topics."),
        Failure::Refused(code) => format!(
            "{place} does not answer about topics: {code}, {}.",
            code.message()
        ),
        other => failed(place, other, &Role::Bootstrap).message,
    }
}

/// Nothing there answers in Kafka's protocol.
pub(super) fn failed(place: &str, failure: &Failure, role: &Role<'_>) -> Complaint {
    match failure {
        Failure::Connect(error) => not_connected(place, error, role),
        Failure::Silent(waited) => Complaint {
            cause: Cause::Silent,
            suspect: Suspect::Cluster,
            message: format!(
                "{place} accepts connections, but did not answer within {:.1} s.",
                waited.as_secs_f64()
            ),
            advice: role.advise(
                "If a broker runs there, it hangs or is overloaded: look at its log, and whether its \
                 process is stopped. If not, correct host and port in bootstrap.servers.",
                "If the broker runs there, it hangs or is overloaded: look at its log, and whether \
                 its process is stopped.",
            ),
        },
        Failure::Closed => Complaint {
            cause: Cause::Closed,
            suspect: Suspect::Cluster,
            message: format!("{place} closes the connection instead of answering with its versions."),
            advice: "Look at the broker's log: it may have too many connections already \
                     (max.connections), be older than Kafka 0.10, want TLS, or be a proxy whose \
                     broker is down."
                .to_owned(),
        },
        Failure::Lost(error) => Complaint {
            cause: Cause::Closed,
            suspect: Suspect::Network,
            message: format!("The connection to {place} was lost: {error}."),
            advice: "Look at the network between here and there, and at the broker's log.".to_owned(),
        },
        Failure::Speaks(protocol) => other_protocol(place, protocol, role),
        Failure::NotKafka(sentence) => Complaint {
            cause: Cause::NotKafka,
            suspect: role.suspect(),
            message: format!("{place} does not speak Kafka's protocol: {sentence}."),
            advice: not_the_port(role),
        },
        Failure::NoVersion(sentence) => Complaint {
            cause: Cause::BrokerTooOld,
            suspect: Suspect::Cluster,
            message: format!("At {place}, {sentence}."),
            advice: UPGRADE_THE_BROKER.to_owned(),
        },
        Failure::Refused(code) => Complaint {
            cause: Cause::BrokerRefused(*code),
            suspect: Suspect::Cluster,
            message: format!("{place} does not answer with its versions: {code}, {}.", code.message()),
            advice: "Look at the broker's log.".to_owned(),
        },
    }
}

const UPGRADE_THE_BROKER: &str = "Use brokers of Kafka 2.1 or later.";

fn not_connected(place: &str, error: &io::Error, role: &Role<'_>) -> Complaint {
    let (cause, suspect) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (Cause::Refused, role.suspect()),
        io::ErrorKind::TimedOut => (Cause::ConnectTimedOut, Suspect::Network),
        _ => (Cause::Unreachable, Suspect::Network),
    };
    let advice = match cause {
        Cause::Refused => role.advise(
            "Nothing listens there: start the broker, or correct host and port in bootstrap.servers.",
            "Start the broker if it is down. If it runs, set a host and a port there at which it can \
             be reached from here: localhost, for example, means another machine to each client.",
        ),
        _ => role.advise(
            "See whether the host is up, and whether a firewall or a missing route keeps this machine \
             from it.",
            "See whether that is an address that this machine should reach at all; if it is, whether \
             the host is up, and whether a firewall or a missing route is in between.",
        ),
    };
    Complaint {
        cause,
        suspect,
        message: match cause {
            Cause::ConnectTimedOut => format!("{place} does not answer the attempt to connect."),
            _ => format!("{place} {}.", describe(error)),
        },
        advice,
    }
}

fn other_protocol(place: &str, protocol: &str, role: &Role<'_>) -> Complaint {
    match protocol {
        "TLS" => Complaint {
            cause: Cause::SpeaksTls,
            suspect: role.suspect(),
            message: format!("{place} speaks TLS."),
            advice: "This version of the crate does not support TLS: use a listener of the brokers whose \
                     protocol is PLAINTEXT, in bootstrap.servers and, by the same name of a listener, \
                     in advertised.listeners."
                .to_owned(),
        },
        "HTTP" => Complaint {
            cause: Cause::SpeaksHttp,
            suspect: role.suspect(),
            message: format!("{place} is a web server: it speaks HTTP."),
            advice: not_the_port(role),
        },
        other => Complaint {
            cause: Cause::NotKafka,
            suspect: role.suspect(),
            message: format!("{place} speaks {other}."),
            advice: not_the_port(role),
        },
    }
}

fn not_the_port(role: &Role<'_>) -> String {
    role.advise(
        "Correct host and port in bootstrap.servers: they have to be those of a broker's listener \
         (often port 9092), not of a controller, a REST proxy, a registry, a console or metrics.",
        "Set the host and the port of the broker's own listener there.",
    )
}

/// It speaks Kafka's protocol, but has none of the APIs that clients use.
pub(super) fn not_for_clients(place: &str, role: &Role<'_>) -> Complaint {
    Complaint {
        cause: Cause::NotABroker,
        suspect: role.suspect(),
        message: format!(
            "{place} speaks Kafka's protocol, but neither Produce nor Metadata, like the listener of a \
             controller."
        ),
        advice: not_the_port(role),
    }
}

/// A broker with no version of this API in common with this crate.
pub(super) fn version(place: &str, api: ApiKey, theirs: Option<VersionRange>) -> Complaint {
    let ours = api.versions();
    let is_too_new = theirs.is_some_and(|theirs| theirs.min > ours.max);
    let message = match theirs {
        Some(theirs) => {
            format!("{place} speaks {api} in versions {theirs}, and this crate in {ours}.")
        }
        None => format!("{place} does not speak {api}."),
    };
    match is_too_new {
        true => Complaint {
            cause: Cause::BrokerTooNew,
            suspect: Suspect::Client,
            message,
            advice: "Use a newer version of this crate.".to_owned(),
        },
        false => Complaint {
            cause: Cause::BrokerTooOld,
            suspect: Suspect::Cluster,
            message,
            advice: UPGRADE_THE_BROKER.to_owned(),
        },
    }
}

/// A broker that has answered with its versions, but not with its cluster.
pub(super) fn gave_no_metadata(place: &str, failure: &Failure, role: &Role<'_>) -> Complaint {
    match failure {
        Failure::Closed => Complaint {
            cause: Cause::WantsLogin,
            suspect: role.suspect(),
            message: format!(
                "{place} is a broker, but closes the connection when it is asked for metadata, like a \
                 listener that requires a login (SASL)."
            ),
            advice:
                "This version of the crate does not log in: use a listener of the brokers whose \
                     protocol is PLAINTEXT. If this is one, look at the broker's log."
                    .to_owned(),
        },
        Failure::Refused(code) => Complaint {
            cause: Cause::BrokerRefused(*code),
            suspect: Suspect::Cluster,
            message: format!(
                "{place} does not answer about its cluster: {code}, {}.",
                code.message()
            ),
            advice: "Look at the broker's log.".to_owned(),
        },
        other => failed(place, other, role),
    }
}

pub(super) fn other_cluster(place: &str, theirs: &str, ours: &str, role: &Role<'_>) -> Complaint {
    Complaint {
        cause: Cause::OtherCluster,
        suspect: role.suspect(),
        message: format!(
            "{place} belongs to the cluster {theirs:?}, and the one that was asked first to {ours:?}."
        ),
        advice: role.advise(
            "Name servers of one cluster only in bootstrap.servers: a producer uses the first that \
             answers.",
            "Set an address there that leads to this broker.",
        ),
    }
}

pub(super) fn no_brokers() -> Complaint {
    Complaint {
        cause: Cause::NoBrokers,
        suspect: Suspect::Cluster,
        message: "The cluster names no brokers.".to_owned(),
        advice: "It may be starting: check again in a moment, and then look at the brokers' logs."
            .to_owned(),
    }
}

/// Brokers of different ids advertise one address.
pub(super) fn shared_address(place: &str, ids: &[i32]) -> Complaint {
    /// More would be hard to read.
    const MOST: usize = 10;
    let mut names: Vec<String> = ids.iter().take(MOST).map(i32::to_string).collect();
    let last = match ids.len() > MOST {
        true => Some("others".to_owned()),
        false => names.pop(),
    };
    let names = names.join(", ");
    Complaint {
        cause: Cause::SharedAddress,
        suspect: Suspect::Cluster,
        message: format!(
            "Brokers {names} and {} advertise the same address, {place}: a client that connects \
             there reaches only one of them, which refuses what is meant for another.",
            last.unwrap_or_default()
        ),
        advice: "Set another host or port in each broker's advertised.listeners.".to_owned(),
    }
}

pub(super) fn left_out(count: usize) -> Complaint {
    Complaint {
        cause: Cause::NotChecked,
        suspect: Suspect::Cluster,
        message: format!("There are {count} more brokers, which were not checked."),
        advice: "Check them in another way.".to_owned(),
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_how_text_is_shown_is_replaced() {
        let told = "a\u{1b}[31m\u{202e}b\u{2066}c\u{2069}é";
        assert_eq!(clean(told), "a\u{fffd}[31m\u{fffd}b\u{fffd}c\u{fffd}é");
    }

    #[test]
    fn of_many_brokers_at_one_address_ten_are_named() {
        let ids: Vec<i32> = (1..=1_000).collect();
        let message = shared_address("host:1", &ids).message;
        let words = "Brokers 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and others advertise";
        assert!(message.starts_with(words), "{message}");
    }
}
