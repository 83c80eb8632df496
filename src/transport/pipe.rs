//! What becomes readable for the poller when the I/O thread is woken.

use std::io::{self, Read, Write};
#[cfg(unix)]
use std::io::{PipeReader, PipeWriter, pipe};

/// Both ends live as long as either side, so that a late wake finds no broken pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    receiving: Receiving,
    sending: Sending,
}

impl Pipe {
    /// # Errors
    /// The process is out of file descriptors.
    pub(super) fn new() -> io::Result<Self> {
        let (receiving, sending) = channel()?;
        Ok(Self { receiving, sending })
    }

    /// Writes one byte. Runs on: any thread.
    pub(super) fn write(&self) -> io::Result<()> {
        (&self.sending).write_all(&[1])
    }

    /// Takes the bytes out; waits if there are none. Runs on: I/O thread.
    pub(super) fn drain(&self) -> usize {
        let mut bytes = [0; 64];
        (&self.receiving).read(&mut bytes).unwrap_or_default()
    }

    /// What becomes readable.
    pub(super) fn receiving(&self) -> &Receiving {
        &self.receiving
    }
}

#[cfg(unix)]
type Receiving = PipeReader;
#[cfg(unix)]
type Sending = PipeWriter;

#[cfg(unix)]
fn channel() -> io::Result<(Receiving, Sending)> {
    pipe()
}

/// A loopback connection, where pipes cannot be polled.
#[cfg(not(unix))]
type Receiving = std::net::TcpStream;
#[cfg(not(unix))]
type Sending = std::net::TcpStream;

#[cfg(not(unix))]
fn channel() -> io::Result<(Receiving, Sending)> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let sending = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (receiving, peer) = listener.accept()?;
    if peer != sending.local_addr()? {
        return Err(io::Error::other(
            "somebody else took the waker's connection",
        ));
    }
    sending.set_nodelay(true)?;
    Ok((receiving, sending))
}
