//! Ports that are no brokers: they speak something else, garbage, or nothing at all. Each has a
//! thread, which ends when the fake is dropped. And one with a broker behind it whose answers are
//! longer than they should be.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// What a fake does with a connection.
pub(crate) enum Manner {
    /// Reads the first bytes, answers these, and then stays silent with the connection open.
    Says(Vec<u8>),
    /// Closes it at once.
    Closes,
    /// Keeps it open, and neither reads nor writes.
    IsSilent,
    /// Reads the first bytes. If they begin with the first of these it answers the second, else it
    /// stays silent, or closes the connection where the last says so.
    Understands(&'static [u8], Vec<u8>, bool),
}

/// A loopback port with somebody behind it who is no broker.
pub(crate) struct Fake {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = Builder::new()
            .name("fake".to_owned())
            .spawn(move || serve(&listener, &manner, &ended))
            .unwrap();
        Self {
            address,
            over,
            thread: Some(thread),
        }
    }

    /// As `bootstrap.servers` takes it.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Whoever waits in accept() notices nothing but a connection.
        let _knock = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(listener: &TcpListener, manner: &Manner, over: &AtomicBool) {
    let mut open = Vec::new();
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        if over.load(Ordering::SeqCst) {
            return;
        }
        match manner {
            Manner::Closes => continue,
            Manner::IsSilent => {}
            Manner::Says(bytes) => {
                // The peer may be gone before it hears the answer.
                let mut request = [0; 1024];
                let _greeting = stream.read(&mut request);
                let _gone = stream.write_all(bytes);
            }
            Manner::Understands(greeting, answer, closes) => {
                let mut request = [0; 1024];
                let bytes = stream.read(&mut request).unwrap_or(0);
                if request[..bytes].starts_with(greeting) {
                    let _gone = stream.write_all(answer);
                } else if *closes {
                    continue;
                }
            }
        }
        open.push(stream);
    }
}

/// A port whose queue of connections is full: the system drops whoever knocks there.
pub(crate) struct DeafPort {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl DeafPort {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(queued) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queue.push(queued);
            assert!(queue.len() < 10_000, "the queue of connections has an end");
        }
        Self {
            address,
            _listener: listener,
            _queue: queue,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

/// A loopback port with a broker behind it, whose every answer gets bytes behind it on the way.
pub(crate) struct Padder {
    address: SocketAddr,
    /// How many answers got them.
    padded: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Padder {
    pub(crate) fn start(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let padded = Arc::new(AtomicUsize::new(0));
        let (ended, count) = (Arc::clone(&over), Arc::clone(&padded));
        let thread = Builder::new()
            .name("padder".to_owned())
            .spawn(move || {
                for client in listener.incoming() {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let count = Arc::clone(&count);
                    // Ends with the connection of the client, or the broker's.
                    Builder::new()
                        .spawn(move || relay(client.ok()?, broker, &count).ok())
                        .unwrap();
                }
            })
            .unwrap();
        Self {
            address,
            padded,
            over,
            thread: Some(thread),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn padded(&self) -> usize {
        self.padded.load(Ordering::SeqCst)
    }
}

impl Drop for Padder {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _knock = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Passes on requests as they come, and answers with `BEHIND` behind them.
fn relay(client: TcpStream, broker: SocketAddr, padded: &AtomicUsize) -> io::Result<()> {
    let broker = TcpStream::connect(broker)?;
    let (mut requests, mut to_broker) = (client.try_clone()?, broker.try_clone()?);
    Builder::new().spawn(move || {
        let _ended = io::copy(&mut requests, &mut to_broker);
        to_broker.shutdown(Shutdown::Both)
    })?;
    let (mut answers, mut to_client) = (broker, client);
    loop {
        let mut length = [0; 4];
        if answers.read_exact(&mut length).is_err() {
            return to_client.shutdown(Shutdown::Both);
        }
        let length = usize::try_from(i32::from_be_bytes(length)).expect("a good answer");
        let mut body = vec![0; length];
        answers.read_exact(&mut body)?;
        body.extend(BEHIND);
        let longer = i32::try_from(body.len()).expect("a small answer");
        padded.fetch_add(1, Ordering::SeqCst);
        to_client.write_all(&[&longer.to_be_bytes()[..], &body].concat())?;
    }
}

const BEHIND: [u8; 3] = [0, 1, 0xff];
