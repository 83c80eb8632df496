//! Resolves names and connects, each attempt on a short-lived thread of its own, because both may
//! wait: the I/O thread never does. Decides neither when nor where to connect. [`Connector`] is
//! used on the I/O thread, [`run`] runs on the thread `linger-connect`.
//!
//! An attempt ends within its timeout, except that the system's resolver cannot be interrupted: an
//! answer from it that comes too late is reported late, as a timeout. The threads are never joined,
//! so they do not hold up a process that ends; once the connector is gone, they stop before the
//! next address.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Token;
use super::tcp::{SocketOptions, Stream};
use super::waker::Waker;
use crate::sync::{Arc, AtomicBool, Ordering};

/// One broker to connect to.
#[derive(Clone, Debug)]
pub(crate) struct ConnectAttempt {
    pub(crate) token: Token,
    /// A name, or an address; IPv6 addresses with or without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// For the whole attempt: resolution and all addresses together.
    pub(crate) timeout: Duration,
    /// Which of the host's addresses comes first, counted round: a caller that counts its attempts
    /// here starts each time at another one.
    pub(crate) first_address: u32,
    pub(crate) options: SocketOptions,
}

/// The end of an attempt.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) token: Token,
    pub(crate) result: Result<Stream, ConnectError>,
}

/// Starts attempts and collects how they ended. Every started attempt ends exactly once.
#[derive(Debug)]
pub(crate) struct Connector {
    waker: Waker,
    sender: Sender<Connected>,
    receiver: Receiver<Connected>,
    /// Set when this is dropped: the threads then stop before the next address.
    gone: Arc<AtomicBool>,
}

impl Connector {
    /// The waker wakes the thread that calls [`poll_connected`](Self::poll_connected).
    pub(crate) fn new(waker: Waker) -> Self {
        let (sender, receiver) = unbounded();
        Self {
            waker,
            sender,
            receiver,
            gone: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Starts an attempt and returns at once. That no thread can be started is an outcome too, and
    /// comes out of [`poll_connected`](Self::poll_connected) like any other.
    pub(crate) fn start(&self, attempt: ConnectAttempt) {
        let token = attempt.token;
        let (host, port) = (attempt.host.clone(), attempt.port);
        let report = self.sender.clone();
        let waker = self.waker.clone();
        let gone = Arc::clone(&self.gone);
        let started = thread::Builder::new()
            .name("linger-connect".to_owned())
            .spawn(move || {
                let result = run(&attempt, &gone);
                // The send fails if the producer was closed in the meantime; the stream is then
                // closed here.
                if report.send(Connected { token, result }).is_ok() {
                    waker.wake();
                }
            });
        if let Err(error) = started {
            let result = Err(ConnectError {
                host,
                port,
                cause: Cause::Thread(error),
            });
            let kept = self.sender.send(Connected { token, result }).is_ok();
            debug_assert!(kept, "the receiver is a field beside this sender");
            self.waker.wake();
        }
    }

    /// The next attempt that has ended, if any has.
    pub(crate) fn poll_connected(&self) -> Option<Connected> {
        self.receiver.try_recv().ok()
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Release);
    }
}

/// Why no connection came about; says host, port, address, and what failed.
#[derive(Debug)]
pub(crate) struct ConnectError {
    host: String,
    port: u16,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Resolve(io::Error),
    /// The name resolves to no address at all.
    NoAddress,
    /// The resolver took all the time there was.
    ResolvedTooLate(Duration),
    /// Each address that was tried, in order, and what was wrong with it.
    Addresses(Vec<(SocketAddr, io::Error)>),
    Thread(io::Error),
    Abandoned,
}

/// Runs on: the thread `linger-connect`.
fn run(attempt: &ConnectAttempt, gone: &AtomicBool) -> Result<Stream, ConnectError> {
    connect(attempt, gone).map_err(|cause| ConnectError {
        host: attempt.host.clone(),
        port: attempt.port,
        cause,
    })
}

fn connect(attempt: &ConnectAttempt, gone: &AtomicBool) -> Result<Stream, Cause> {
    let started = now();
    let mut addresses = resolve(&attempt.host, attempt.port).map_err(Cause::Resolve)?;
    if addresses.is_empty() {
        return Err(Cause::NoAddress);
    }
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let first = (attempt.first_address % count) as usize;
    addresses.rotate_left(first);
    let remaining = attempt.timeout.saturating_sub(started.elapsed());
    if remaining.is_zero() {
        return Err(Cause::ResolvedTooLate(attempt.timeout));
    }
    connect_to_any(&addresses, remaining, &attempt.options, gone)
}

/// Each address gets an equal share of the time that is left, so that a dead one leaves the others
/// theirs, and one that fails at once leaves its own to the rest.
fn connect_to_any(
    addresses: &[SocketAddr],
    timeout: Duration,
    options: &SocketOptions,
    gone: &AtomicBool,
) -> Result<Stream, Cause> {
    let started = now();
    let mut failures = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        if gone.load(Ordering::Acquire) {
            return Err(Cause::Abandoned);
        }
        let remaining = timeout.saturating_sub(started.elapsed());
        let untried = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match open(*address, remaining / untried, options) {
            Ok(stream) => return Ok(stream),
            Err(error) => failures.push((*address, error)),
        }
    }
    Err(Cause::Addresses(failures))
}

/// All addresses of the host, each once, in the system's order. The system's resolver may take its
/// time, and cannot be interrupted.
///
/// # Errors
/// There is no such name, or no name server answers.
pub(crate) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let mut addresses = Vec::new();
    for address in (bare, port).to_socket_addrs()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn open(address: SocketAddr, timeout: Duration, options: &SocketOptions) -> io::Result<Stream> {
    Stream::new(connect_to(address, timeout)?, options)
}

/// Waits until the address takes the connection.
///
/// # Errors
/// It does not, in time or at all.
pub(super) fn connect_to(address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    if timeout.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let socket = TcpStream::connect_timeout(&address, timeout)?;
    // A loopback port without a listener may be given to our own end, and TCP then connects the
    // socket to itself.
    if socket.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(socket)
}

#[expect(
    clippy::disallowed_methods,
    reason = "what waits has a time for it, off the I/O thread"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
impl ConnectError {
    /// Whether time ran out, for each of the addresses, and none refused.
    pub(crate) fn is_timeout(&self) -> bool {
        match &self.cause {
            Cause::ResolvedTooLate(_) => true,
            Cause::Addresses(failures) => failures
                .iter()
                .all(|(_, error)| error.kind() == io::ErrorKind::TimedOut),
            Cause::Resolve(_) | Cause::NoAddress | Cause::Thread(_) | Cause::Abandoned => false,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, cause } = self;
        match cause {
            Cause::Resolve(error) => write!(f, "cannot resolve host {host}: {error}"),
            Cause::NoAddress => write!(f, "cannot resolve host {host}: it has no address"),
            Cause::ResolvedTooLate(timeout) => {
                write!(f, "cannot resolve host {host}: timed out after {timeout:?}")
            }
            Cause::Thread(error) => write!(
                f,
                "cannot connect to {host}:{port}: cannot start a thread for it: {error}"
            ),
            Cause::Abandoned => write!(f, "gave up connecting to {host}:{port}"),
            Cause::Addresses(failures) => {
                write!(f, "cannot connect to {host}:{port}")?;
                for (index, (address, error)) in failures.iter().enumerate() {
                    let separator = if index == 0 { ": " } else { ", " };
                    write!(f, "{separator}{address} {}", describe(error))?;
                }
                Ok(())
            }
        }
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            Cause::Resolve(error) | Cause::Thread(error) => Some(error),
            Cause::Addresses(failures) => failures.last().map(|(_, error)| error as _),
            Cause::NoAddress | Cause::ResolvedTooLate(_) | Cause::Abandoned => None,
        }
    }
}

impl ConnectError {
    /// Whether this machine is to blame, and not the address: it has no thread or socket to give.
    pub(crate) fn is_local(&self) -> bool {
        match &self.cause {
            Cause::Thread(_) => true,
            Cause::Resolve(error) => is_out_of_files(error),
            Cause::Addresses(failures) => failures.iter().any(|(_, error)| is_out_of_files(error)),
            Cause::NoAddress | Cause::ResolvedTooLate(_) | Cause::Abandoned => false,
        }
    }

    /// Whether the host's name led to no address.
    pub(crate) fn is_unresolved(&self) -> bool {
        match &self.cause {
            Cause::Resolve(_) | Cause::NoAddress | Cause::ResolvedTooLate(_) => true,
            Cause::Thread(_) | Cause::Addresses(_) | Cause::Abandoned => false,
        }
    }
}

/// Whether the process, or the whole system, has as many files and sockets open as it may.
fn is_out_of_files(error: &io::Error) -> bool {
    // EMFILE and ENFILE of every Unix that Rust runs on, and Windows' WSAEMFILE.
    let codes: &[i32] = if cfg!(windows) { &[10_024] } else { &[24, 23] };
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// The usual failures in plain words, to stand behind an address; the system's own words for the
/// others.
pub(crate) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused the connection".to_owned(),
        io::ErrorKind::ConnectionReset => "reset the connection".to_owned(),
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        io::ErrorKind::HostUnreachable => "is not reachable".to_owned(),
        io::ErrorKind::NetworkUnreachable => "is in a network that is not reachable".to_owned(),
        _ if is_out_of_files(error) => format!(
            "was not tried: the process has as many files and sockets open as it may \
             (RLIMIT_NOFILE, ulimit -n): {error}"
        ),
        _ => format!("failed: {error}"),
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::transport::tests::refusing;

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    fn connect_within(timeout_ms: u64, addresses: &[SocketAddr]) -> Result<Stream, ConnectError> {
        let timeout = Duration::from_millis(timeout_ms);
        let gone = AtomicBool::new(false);
        connect_to_any(addresses, timeout, &SocketOptions::default(), &gone).map_err(|cause| {
            ConnectError {
                host: "host".to_owned(),
                port: 9092,
                cause,
            }
        })
    }

    /// An address that answers nothing at all: its queue of connections is full, and Linux then
    /// drops whoever knocks. It does so while what comes back with it lives.
    #[cfg(target_os = "linux")]
    fn silent() -> (SocketAddr, impl Sized) {
        use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a loopback port");
        listen(&socket, 0).expect("a short queue");
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().expect("an address");
        let mut queue = Vec::new();
        while let Ok(queued) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queue.push(queued);
        }
        (address, (listener, queue))
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_silent_address_leaves_the_next_one_its_time() {
        let (silent, _queue) = silent();
        let (_listener, good) = listener();
        connect_within(5_000, &[silent, good]).expect("the second address answers");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_silent_address_times_out() {
        let (silent, _queue) = silent();
        let started = now();
        let error = connect_within(20, &[silent]).expect_err("nobody answers");
        assert!(started.elapsed() >= Duration::from_millis(20));
        assert!(error.is_timeout());
        assert_eq!(
            error.to_string(),
            format!("cannot connect to host:9092: {silent} timed out")
        );
    }

    #[test]
    fn tries_every_address_and_names_each_failure() {
        let [(_one, first), (_two, second)] = [refusing(), refusing()];
        let (_listener, good) = listener();
        let stream = connect_within(20_000, &[first, second, good]).expect("the third answers");
        assert_eq!(stream.socket().peer_addr().expect("connected"), good);

        let error = connect_within(20_000, &[first, second]).expect_err("nobody listens");
        assert_eq!(
            error.to_string(),
            format!(
                "cannot connect to host:9092: {first} refused the connection, \
                 {second} refused the connection"
            )
        );
    }

    #[test]
    #[cfg(unix)]
    fn a_process_without_a_file_to_spare_does_not_blame_the_address() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
        let failed = |code| ConnectError {
            host: "host".to_owned(),
            port: 9092,
            cause: Cause::Addresses(vec![(address, io::Error::from_raw_os_error(code))]),
        };
        for limit in [24, 23] {
            let error = failed(limit);
            assert!(error.is_local());
            let text = error.to_string();
            assert!(
                text.contains("as many files and sockets open as it may"),
                "{text}"
            );
        }
        assert!(!failed(111).is_local());
    }

    #[test]
    fn stops_once_nobody_is_interested() {
        let (_listener, good) = listener();
        let gone = AtomicBool::new(true);
        let cause = connect_to_any(
            &[good],
            Duration::from_secs(20),
            &SocketOptions::default(),
            &gone,
        );
        assert!(matches!(cause, Err(Cause::Abandoned)));
    }

    #[test]
    fn resolves_each_address_once() {
        let addresses = resolve("localhost", 9092).expect("every system knows localhost");
        for (index, address) in addresses.iter().enumerate() {
            assert!(!addresses[..index].contains(address), "{addresses:?}");
        }
    }
}
