//! Finds out what listens at a port that does not answer in Kafka's protocol: tries HTTP and TLS, and
//! looks at the first bytes that come back. Runs on the
//! threads `linger-check`.

use std::io::{self, IoSlice};
use std::time::Duration;

use super::clock::now;
use crate::protocol::frame::FrameReader;
use crate::transport::{BlockingStream, ByteStream, Progress, SocketAddr};

/// What the peer did when it was spoken to in Kafka's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// It closed the connection, as ports do that expect TLS.
    Closes,
    /// It sent nothing, as servers do that wait for the end of a line.
    StaysSilent,
}

const HTTP_GREETING: &[u8] = b"HEAD / HTTP/1.0\r\n\r\n";

/// A `ClientHello` of TLS 1.2 without a server name, with the usual ciphers, curves and signatures.
/// A server answers with a record of TLS whether it likes them or not.
const TLS_GREETING: &[u8] = &[
    0x16, 0x03, 0x01, 0x00, 0x63, // a handshake record of 99 bytes
    0x01, 0x00, 0x00, 0x5f, 0x03, 0x03, // a ClientHello of 95 bytes, TLS 1.2
    0x6c, 0x69, 0x6e, 0x67, 0x65, 0x72, 0x20, 0x61, 0x73, 0x6b, 0x73, 0x20, 0x77, 0x68, 0x6f, 0x20,
    0x69, 0x73, 0x20, 0x74, 0x68, 0x65, 0x72, 0x65, 0x20, 0x61, 0x74, 0x20, 0x61, 0x6c, 0x6c,
    0x3f, // 32 bytes that need not be random: no connection comes of it
    0x00, // no session
    0x00, 0x0e, // seven ciphers
    0xc0, 0x2b, 0xc0, 0x2c, 0xc0, 0x2f, 0xc0, 0x30, 0x00, 0x9c, 0x00, 0x9d, 0x00, 0x2f, //
    0x01, 0x00, // no compression
    0x00, 0x28, // 40 bytes of extensions
    0x00, 0x0a, 0x00, 0x08, 0x00, 0x06, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x18, // curves
    0x00, 0x0b, 0x00, 0x02, 0x01, 0x00, // uncompressed points
    0x00, 0x0d, 0x00, 0x12, 0x00, 0x10, // signatures
    0x04, 0x03, 0x05, 0x03, 0x08, 0x04, 0x08, 0x05, 0x04, 0x01, 0x05, 0x01, 0x02, 0x03, 0x02, 0x01,
];

/// The protocol that is spoken there, if that can be found out in this time.
pub(super) fn recognise(
    address: SocketAddr,
    reaction: Reaction,
    time: Duration,
) -> Option<&'static str> {
    let greetings = match reaction {
        Reaction::Closes => [TLS_GREETING, HTTP_GREETING],
        Reaction::StaysSilent => [HTTP_GREETING, TLS_GREETING],
    };
    let share = time / 2;
    greetings
        .into_iter()
        .find_map(|greeting| answer(address, greeting, share).ok().flatten())
}

fn answer(
    address: SocketAddr,
    greeting: &[u8],
    time: Duration,
) -> io::Result<Option<&'static str>> {
    /// As many bytes as identify a protocol.
    const ENOUGH: usize = 5;
    let mut stream = BlockingStream::connect(address, now() + time)?;
    let mut greeting = greeting;
    while let Progress::Bytes(written @ 1..) = stream.write_vectored(&[IoSlice::new(greeting)])? {
        greeting = greeting.get(written..).unwrap_or_default();
    }
    let mut buffer = [0; 64];
    let mut received = Vec::new();
    while received.len() < ENOUGH {
        match stream.read(&mut buffer)? {
            Progress::Bytes(bytes) => {
                received.extend_from_slice(buffer.get(..bytes).unwrap_or_default());
            }
            Progress::WouldBlock | Progress::Closed => break,
        }
    }
    Ok(protocol_of(&received))
}

/// The protocol that these bytes belong to, if it is not Kafka's.
fn protocol_of(received: &[u8]) -> Option<&'static str> {
    // Read as the length of a frame, the first bytes of text or of a TLS record are more than any
    // answer may have.
    let mut reader = FrameReader::new(0);
    reader.push(received);
    reader.pop().err()?.spoken_instead()
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_of_tls_has_the_lengths_that_it_says() {
        let length =
            |at: usize| usize::from(TLS_GREETING[at]) << 8 | usize::from(TLS_GREETING[at + 1]);
        assert_eq!(length(3), TLS_GREETING.len() - 5, "the record");
        assert_eq!(length(7), TLS_GREETING.len() - 9, "the message");
        let ciphers = 9 + 2 + 32 + 1;
        assert_eq!(length(ciphers), 14);
        let extensions = ciphers + 2 + 14 + 2;
        assert_eq!(length(extensions), TLS_GREETING.len() - extensions - 2);
    }

    #[test]
    fn knows_tls_and_http_by_their_first_bytes() {
        for (bytes, protocol) in [
            (&b"HTTP/1.1 200 OK"[..], Some("HTTP")),
            (&[22, 3, 3, 0, 80], Some("TLS")),
            (&[21, 3, 1, 0, 2, 2, 40], Some("TLS")),
            (b"220 mail", None),
            (b"HT", None),
            (b"", None),
        ] {
            assert_eq!(protocol_of(bytes), protocol, "{bytes:?}");
        }
    }
}
