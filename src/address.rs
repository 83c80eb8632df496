//! Where a broker can be reached: host and port, as `bootstrap.servers` has them or as brokers
//! advertise them. Resolves nothing.

use std::fmt;

use crate::ids::{NodeId, misleads};
use crate::sync::Arc;

/// A host and a port. The host is a name or an IP address that is not resolved yet; an IPv6 address
/// has no brackets here, but is printed with them, as `bootstrap.servers` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Whom a connection is meant to reach. Where a broker was, another one may answer by now, even one of
/// another cluster: an address is no identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) cluster_id: Arc<str>,
    pub(crate) node: NodeId,
    /// Whether the broker may be told, to compare it with itself (KIP-1242).
    pub(crate) is_named: bool,
}

impl Address {
    /// Reads an entry of `bootstrap.servers`: `host:port`, `[::1]:9092` or `PLAINTEXT://host:port`.
    /// The error says what is wrong with it; the caller puts the entry in front.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(fault) = fault(text) {
            return Err(fault.to_owned());
        }
        let address = match text.split_once("://") {
            Some((scheme, rest)) if is_word(scheme, "-._%") => rest,
            Some((scheme, _)) => return Err(format!("{scheme:?} is no protocol's name")),
            None => text,
        };
        let (host, port) = match address.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed
                    .split_once(']')
                    .ok_or("the closing bracket is missing")?;
                if !is_word(host, "-._%:") {
                    return Err(format!("{host:?} is no IPv6 address"));
                }
                (host, rest.strip_prefix(':').unwrap_or_default())
            }
            None => {
                let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
                if host.contains(':') {
                    return Err(too_many_colons(address).to_owned());
                }
                if !is_word(host, "-._%") {
                    return Err(format!("{host:?} is no host name"));
                }
                (host, port)
            }
        };
        if port.is_empty() {
            return Err("the port is missing, as in localhost:9092".to_owned());
        }
        // `parse` would take +1.
        let number = port.parse().ok().filter(|_| !port.starts_with('+'));
        match number {
            None | Some(0) => Err(format!("{port:?} is no port; ports are 1 to 65535")),
            Some(port) => Ok(Self {
                host: host.to_owned(),
                port,
            }),
        }
    }

    /// The address that a broker advertises for itself or for another one; `None` if it cannot be
    /// the address of anything. Log lines show this host, so it must not be able to garble them.
    pub(crate) fn advertised(host: &str, port: i32) -> Option<Self> {
        let is_name = (1..=255).contains(&host.len()) && !host.contains(misleads);
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        is_name.then(|| Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// What is plainly wrong, and would otherwise be taken for a fault of the host's name or the port. A user
/// and a password must not come into a message.
fn fault(text: &str) -> Option<&'static str> {
    let is_url = |(_, rest): (&str, &str)| rest.contains('/');
    if text.contains('@') {
        Some("an address has no user and no password: nothing may stand before the host")
    } else if ["${", "{{", "$("].iter().any(|start| text.contains(start)) {
        Some("a placeholder like ${…} is not replaced")
    } else if text.contains(char::is_whitespace) || text.contains(';') {
        Some("addresses are separated by commas, not by spaces or semicolons")
    } else if text.contains('|') {
        Some("addresses are separated by commas")
    } else if text.contains(":/") && !text.contains("://") {
        Some("a protocol is followed by ://, as in PLAINTEXT://localhost:9092")
    } else if text.split_once("://").is_some_and(is_url) {
        Some("nothing may follow the port")
    } else {
        None
    }
}

fn too_many_colons(address: &str) -> &'static str {
    let is_part = |part: &str| part.chars().all(|one| one.is_ascii_hexdigit());
    let parts = address.split(':').count();
    let is_ipv6 = address.contains("::") || parts > 4;
    if is_ipv6 && address.split(':').all(is_part) {
        "an IPv6 address needs brackets, as in [::1]:9092"
    } else {
        "it has more than one colon; an address is host:port, and addresses are separated by commas"
    }
}

/// Whether `text` is made of ASCII letters, digits and `others`, and is not empty.
fn is_word(text: &str, others: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || others.contains(character))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_addresses_and_protocols() {
        let cases = [
            ("localhost:9092", "localhost", 9092),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:9092", "::1", 9092),
            ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65535),
            (
                "PLAINTEXT://my_broker-1.example:9092",
                "my_broker-1.example",
                9092,
            ),
            ("SASL_SSL://[::1]:9092", "::1", 9092),
        ];
        for (text, host, port) in cases {
            let read = Address::parse(text).unwrap();
            assert_eq!((read.host.as_str(), read.port), (host, port), "{text}");
        }
    }

    const MORE_COLONS: &str = "it has more than one colon; an address is host:port, and addresses are separated by commas";

    #[test]
    fn says_what_is_wrong_with_an_address() {
        let cases = [
            ("localhost", "the port is missing, as in localhost:9092"),
            ("localhost:", "the port is missing, as in localhost:9092"),
            ("[::1]", "the port is missing, as in localhost:9092"),
            (
                "localhost:http",
                "\"http\" is no port; ports are 1 to 65535",
            ),
            ("localhost:0", "\"0\" is no port; ports are 1 to 65535"),
            (
                "localhost:65536",
                "\"65536\" is no port; ports are 1 to 65535",
            ),
            (
                "::1:9092",
                "an IPv6 address needs brackets, as in [::1]:9092",
            ),
            ("[::1:9092", "the closing bracket is missing"),
            ("[]:9092", "\"\" is no IPv6 address"),
            (":9092", "\"\" is no host name"),
            (
                "a b:9092",
                "addresses are separated by commas, not by spaces or semicolons",
            ),
            (
                "a:1 b:2",
                "addresses are separated by commas, not by spaces or semicolons",
            ),
            (
                "a:1;b:2",
                "addresses are separated by commas, not by spaces or semicolons",
            ),
            ("a:1|b:2", "addresses are separated by commas"),
            ("host:9092:9093", MORE_COLONS),
            ("http:9092:a", MORE_COLONS),
            (
                "PLAINTEXT:/a:1",
                "a protocol is followed by ://, as in PLAINTEXT://localhost:9092",
            ),
            ("http://a:1/", "nothing may follow the port"),
            (
                "${HOST:localhost:9092}",
                "a placeholder like ${…} is not replaced",
            ),
            ("a:+1", "\"+1\" is no port; ports are 1 to 65535"),
            (
                "sasl://user:hush@host:9092",
                "an address has no user and no password: nothing may stand before the host",
            ),
            ("://a:9092", "\"\" is no protocol's name"),
        ];
        for (text, complaint) in cases {
            assert_eq!(Address::parse(text).unwrap_err(), complaint, "{text}");
        }
    }

    #[test]
    fn a_broker_cannot_advertise_what_is_no_address() {
        for host in ["", "a\nb", "a\u{202e}b", &"a".repeat(256)] {
            assert_eq!(Address::advertised(host, 9092), None);
        }
        assert_eq!(Address::advertised("localhost", 0), None);
        assert_eq!(Address::advertised("localhost", 65_536), None);
    }

    #[test]
    fn prints_as_it_is_written() {
        for text in ["localhost:9092", "[::1]:9092"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
    }
}
