//! The transport on real loopback sockets.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use super::connector::ConnectError;
use super::poller::{Ready, timespec};
use super::*;

/// Longer than anything here takes; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(20);

fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port")
}

/// An address that refuses connections while the socket lives: bound, so that nobody else gets it,
/// and not listening.
pub(super) fn refusing() -> (OwnedFd, SocketAddr) {
    use rustix::net::{AddressFamily, SocketType, bind, socket};

    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a loopback port");
    let bound = TcpListener::from(socket);
    let address = bound.local_addr().expect("an address");
    (bound.into(), address)
}

/// A stream of ours and the peer's end of it.
fn pair() -> (Stream, TcpStream) {
    pair_with(&SocketOptions::default())
}

fn pair_with(options: &SocketOptions) -> (Stream, TcpStream) {
    let listener = listener();
    let address = listener.local_addr().expect("an address");
    let ours = TcpStream::connect(address).expect("a connection");
    let (theirs, _) = listener.accept().expect("the same connection");
    let stream = Stream::new(ours, options).expect("options that loopback takes");
    (stream, theirs)
}

/// Waits for the one stream to be ready.
fn wait(poller: &mut Poller, stream: &Stream, write: bool) -> Ready {
    let interest = Interest {
        token: Token(7),
        stream,
        read: !write,
        write,
    };
    let woken = poller.poll([interest], Some(LONG));
    assert!(!woken);
    match poller.ready() {
        [ready] => *ready,
        ready => panic!("one stream is ready, not {ready:?}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "measures how long a sleep took")]
fn now() -> Instant {
    Instant::now()
}

mod streams {
    use super::*;

    #[test]
    fn nothing_to_read_is_no_error_and_no_wait() {
        let (mut stream, _theirs) = pair();
        let mut buffer = [0; 16];
        assert_eq!(stream.read(&mut buffer).unwrap(), Progress::WouldBlock);
    }

    #[test]
    fn reads_what_has_come_and_then_the_end() {
        let (mut stream, mut theirs) = pair();
        let mut poller = Poller::new().unwrap();
        theirs.write_all(b"hello").unwrap();
        assert!(wait(&mut poller, &stream, false).readable);
        let mut buffer = [0; 3];
        assert_eq!(stream.read(&mut buffer).unwrap(), Progress::Bytes(3));
        assert_eq!(&buffer, b"hel");
        assert_eq!(stream.read(&mut buffer).unwrap(), Progress::Bytes(2));
        assert_eq!(&buffer, b"lol");
        assert_eq!(stream.read(&mut buffer).unwrap(), Progress::WouldBlock);

        drop(theirs);
        assert!(wait(&mut poller, &stream, false).readable);
        assert_eq!(stream.read(&mut buffer).unwrap(), Progress::Closed);
        assert_eq!(stream.read(&mut []).unwrap(), Progress::Bytes(0));
    }

    #[test]
    fn a_reset_is_an_error() {
        let (mut stream, theirs) = pair();
        reset(theirs);
        let mut poller = Poller::new().unwrap();
        let ready = wait(&mut poller, &stream, false);
        assert!(ready.readable && ready.writable);
        let error = stream.read(&mut [0; 16]).expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    /// Closes the connection as a crashed peer does.
    fn reset(theirs: TcpStream) {
        sockopt::set_socket_linger(&theirs, Some(Duration::ZERO)).expect("an option");
        drop(theirs);
    }

    #[test]
    fn writing_to_a_peer_that_is_gone_is_an_error_and_no_signal() {
        let (mut stream, theirs) = pair();
        reset(theirs);
        let mut poller = Poller::new().unwrap();
        // The reset has come when there is something to read; a stream can be written before that.
        wait(&mut poller, &stream, false);
        let first = stream.write_vectored(&[IoSlice::new(b"x")]);
        first.expect_err("reset");
        let second = stream.write_vectored(&[IoSlice::new(b"x")]);
        assert_eq!(
            second.expect_err("still gone").kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn a_peer_that_never_reads_stops_the_writing_without_a_wait() {
        let (mut stream, mut theirs) = pair();
        let block = vec![5; 64 * 1024];
        let mut written = 0;
        let mut poller = Poller::new().unwrap();
        // The system may go on moving bytes to the peer's side for a moment, which makes room.
        loop {
            while let Progress::Bytes(bytes) =
                stream.write_vectored(&[IoSlice::new(&block)]).unwrap()
            {
                written += bytes;
                assert!(written < 1 << 30, "some buffer is full in the end");
            }
            let interest = Interest {
                token: Token(1),
                stream: &stream,
                read: true,
                write: true,
            };
            let moment = Duration::from_millis(100);
            poller.poll([interest], Some(moment));
            if poller.ready().is_empty() {
                break;
            }
        }

        let mut received = vec![0; written];
        theirs.read_exact(&mut received).unwrap();
        assert!(wait(&mut poller, &stream, true).writable);
        let more = stream.write_vectored(&[IoSlice::new(b"more")]).unwrap();
        assert_eq!(more, Progress::Bytes(4));
    }

    #[test]
    fn writes_many_slices_in_order() {
        let (mut stream, mut theirs) = pair();
        let parts: Vec<[u8; 2]> = (0..3000u16).map(u16::to_be_bytes).collect();
        let mut left: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut left = left.as_mut_slice();
        while !left.is_empty() {
            match stream.write_vectored(left).unwrap() {
                Progress::Bytes(bytes) => IoSlice::advance_slices(&mut left, bytes),
                stopped => panic!("6000 bytes fit any buffer, but {stopped:?}"),
            }
        }
        assert_eq!(stream.write_vectored(&[]).unwrap(), Progress::Bytes(0));
        let mut received = vec![0; 6000];
        theirs.read_exact(&mut received).unwrap();
        assert_eq!(received, parts.concat());
    }

    #[test]
    fn sets_the_options_asked_for() {
        let (stream, _theirs) = pair_with(&SocketOptions {
            send_buffer_bytes: Some(20_000),
            receive_buffer_bytes: Some(30_000),
            user_timeout: Some(Duration::from_millis(4_711)),
        });
        let socket = stream.socket();
        assert!(socket.nodelay().unwrap());
        assert!(sockopt::socket_keepalive(socket).unwrap());
        // Linux doubles them, to have room for its bookkeeping.
        let send_buffer_bytes = sockopt::socket_send_buffer_size(socket).unwrap();
        let receive_buffer_bytes = sockopt::socket_recv_buffer_size(socket).unwrap();
        assert!((20_000..=40_000).contains(&send_buffer_bytes));
        assert!((30_000..=60_000).contains(&receive_buffer_bytes));
        #[cfg(target_os = "linux")]
        assert_eq!(sockopt::tcp_user_timeout(socket).unwrap(), 4_711);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_user_timeout_that_the_system_cannot_count_is_its_longest() {
        let (stream, _theirs) = pair_with(&SocketOptions {
            user_timeout: Some(Duration::MAX),
            ..SocketOptions::default()
        });
        let longest = sockopt::tcp_user_timeout(stream.socket()).unwrap();
        assert_eq!(longest, i32::MAX.unsigned_abs());
    }
}

mod polling {
    use super::*;

    #[test]
    fn tells_the_ready_streams_from_the_others() {
        let (silent, _theirs) = pair();
        let (mut talking, mut theirs) = pair();
        theirs.write_all(b"x").unwrap();
        let mut poller = Poller::new().unwrap();
        let interests = |write| {
            [(1, &silent), (2, &talking)].map(|(token, stream)| Interest {
                token: Token(token),
                stream,
                read: true,
                write,
            })
        };
        poller.poll(interests(false), Some(LONG));
        let ready = |token, readable, writable| Ready {
            token: Token(token),
            readable,
            writable,
        };
        assert_eq!(poller.ready(), [ready(2, true, false)]);
        poller.poll(interests(true), Some(LONG));
        assert_eq!(
            poller.ready(),
            [ready(1, false, true), ready(2, true, true)]
        );
        talking.read(&mut [0; 8]).unwrap();
        let nothing: [Interest<'_>; 0] = [];
        assert!(!poller.poll(nothing, Some(Duration::ZERO)));
        assert_eq!(poller.ready(), []);
    }

    #[test]
    fn sleeps_no_shorter_than_asked() {
        let mut poller = Poller::new().unwrap();
        let timeout = Duration::from_micros(50);
        for _ in 0..50 {
            let started = now();
            assert!(!poller.poll([], Some(timeout)));
            let slept = started.elapsed();
            assert!(slept >= timeout, "{slept:?}");
        }
    }

    #[test]
    fn a_short_timeout_is_not_made_a_whole_millisecond() {
        let timeout = timespec(Duration::from_nanos(50_001));
        assert_eq!((timeout.tv_sec, timeout.tv_nsec), (0, 50_001));
    }

    #[test]
    fn an_endless_timeout_is_no_error() {
        let mut poller = Poller::new().unwrap();
        poller.waker().wake();
        assert!(poller.poll([], Some(Duration::MAX)));
    }
}

mod waking {
    use super::*;

    #[test]
    fn a_wake_from_another_thread_ends_one_sleep() {
        let mut poller = Poller::new().unwrap();
        let waker = poller.waker();
        let other = thread::Builder::new().spawn(move || waker.wake()).unwrap();
        while !poller.poll([], None) {}
        other.join().unwrap();
        // At most the byte of that wake is still on its way; it is no second wake.
        assert!(!poller.poll([], Some(Duration::ZERO)));
        assert!(!poller.poll([], Some(Duration::ZERO)));
    }

    #[test]
    fn a_wake_before_the_sleep_is_not_lost() {
        let mut poller = Poller::new().unwrap();
        poller.waker().wake();
        assert!(poller.poll([], None));
        assert!(!poller.poll([], Some(Duration::ZERO)));
    }

    #[test]
    fn a_storm_of_wakes_costs_one_write() {
        let waker = Waker::new().unwrap();
        assert!(waker.fall_asleep());
        thread::scope(|scope| {
            for _ in 0..4 {
                let waker = waker.clone();
                let storm = move || (0..1000).for_each(|_| waker.wake());
                thread::Builder::new().spawn_scoped(scope, storm).unwrap();
            }
        });
        assert!(waker.get_up());
        assert_eq!(waker.pipe().drain(), 1);
    }

    #[test]
    fn waking_somebody_who_is_awake_costs_no_write() {
        let waker = Waker::new().unwrap();
        waker.wake();
        assert!(!waker.fall_asleep());
        assert!(waker.get_up());
        assert!(waker.fall_asleep());
        waker.wake();
        assert_eq!(waker.pipe().drain(), 1, "the write of the second wake only");
    }

    #[test]
    fn the_sleep_after_a_wake_is_a_sleep_again() {
        let mut poller = Poller::new().unwrap();
        assert!(poller.waker().fall_asleep());
        poller.waker().wake();
        assert!(poller.poll([], None));
        let started = now();
        let timeout = Duration::from_millis(1);
        assert!(!poller.poll([], Some(timeout)));
        assert!(started.elapsed() >= timeout, "the old wake ended it");
    }

    #[test]
    fn outlives_its_poller() {
        let poller = Poller::new().unwrap();
        let waker = poller.waker();
        assert!(waker.fall_asleep());
        drop(poller);
        waker.wake();
    }

    #[test]
    fn no_wake_is_lost_between_two_threads() {
        use crate::sync::{Arc, AtomicUsize, Ordering};

        const WAKES: usize = 20_000;
        let mut poller = Poller::new().unwrap();
        let waker = poller.waker();
        let work = Arc::new(AtomicUsize::new(0));
        let posted = Arc::clone(&work);
        let other = thread::Builder::new()
            .spawn(move || {
                for _ in 0..WAKES {
                    posted.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                }
            })
            .unwrap();
        // A lost wake leaves this loop asleep with work to do.
        while work.load(Ordering::Relaxed) < WAKES {
            let started = now();
            poller.poll([], Some(LONG));
            assert!(started.elapsed() < LONG, "a wake was lost");
        }
        other.join().unwrap();
    }
}

mod connecting {
    use super::*;

    /// A connector, and the poller that it wakes.
    fn connector() -> (Connector, Poller) {
        let poller = Poller::new().unwrap();
        (Connector::new(poller.waker()), poller)
    }

    fn attempt(host: &str, port: u16) -> ConnectAttempt {
        ConnectAttempt {
            token: Token(3),
            host: host.to_owned(),
            port,
            timeout: LONG,
            first_address: 0,
            options: SocketOptions::default(),
        }
    }

    /// Waits for the attempt as the I/O thread does: asleep, until it is woken.
    fn finish(attempt: ConnectAttempt) -> Result<Stream, ConnectError> {
        let (connector, mut poller) = connector();
        connector.start(attempt);
        loop {
            if let Some(connected) = connector.poll_connected() {
                assert_eq!(connected.token, Token(3));
                return connected.result;
            }
            poller.poll([], None);
        }
    }

    fn port(listener: &TcpListener) -> u16 {
        listener.local_addr().expect("an address").port()
    }

    #[test]
    fn connects_and_wakes_the_io_thread() {
        let listener = listener();
        let mut stream = finish(attempt("127.0.0.1", port(&listener))).expect("connected");
        let (mut theirs, _) = listener.accept().unwrap();
        let written = stream.write_vectored(&[IoSlice::new(b"hi")]).unwrap();
        assert_eq!(written, Progress::Bytes(2));
        let mut received = [0; 2];
        theirs.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"hi");
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), Progress::WouldBlock);
    }

    #[test]
    fn says_who_refused() {
        let (_bound, address) = refusing();
        let port = address.port();
        let error = finish(attempt("127.0.0.1", port)).expect_err("nobody listens");
        assert_eq!(
            error.to_string(),
            format!("cannot connect to 127.0.0.1:{port}: 127.0.0.1:{port} refused the connection")
        );
        assert!(!error.is_timeout());
    }

    #[test]
    fn says_which_host_does_not_resolve() {
        // A label of more than 63 characters is no name, so the resolver asks nobody about it.
        let host = "x".repeat(64);
        let error = finish(attempt(&host, 9092)).expect_err("no such host");
        let message = error.to_string();
        let start = format!("cannot resolve host {host}: ");
        assert!(message.starts_with(&start), "{message}");
    }

    #[test]
    fn names_that_cannot_be_names_are_an_error() {
        for host in ["", "a\0b", "[", "exa mple", "[::1", &"x".repeat(100_000)] {
            let error = finish(attempt(host, 9092)).expect_err("no host");
            assert!(error.to_string().starts_with("cannot "), "{error}");
        }
    }

    #[test]
    fn takes_addresses_in_brackets() {
        let (_bound, address) = refusing();
        let error = finish(attempt("[127.0.0.1]", address.port())).expect_err("nobody listens");
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[test]
    fn an_attempt_without_time_times_out() {
        let listener = listener();
        let error = finish(ConnectAttempt {
            timeout: Duration::ZERO,
            ..attempt("127.0.0.1", port(&listener))
        })
        .expect_err("no time");
        assert!(error.is_timeout(), "{error}");
    }

    #[test]
    fn an_attempt_that_nobody_waits_for_ends_by_itself() {
        let listener = listener();
        let (connector, _poller) = connector();
        connector.start(attempt("127.0.0.1", port(&listener)));
        let (mut theirs, _) = listener.accept().unwrap();
        drop(connector);
        // The stream that nobody took is closed, not leaked.
        assert_eq!(theirs.read(&mut [0; 8]).unwrap_or_default(), 0);
    }
}
