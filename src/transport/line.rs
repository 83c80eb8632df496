//! A connected TCP socket whose calls wait, each for as long as it is told: for a conversation with
//! one peer on a thread that has nothing else to do. Never runs on the I/O thread.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::connector::connect_to;

/// See the [module](self). Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Line {
    socket: TcpStream,
}

impl Line {
    /// Connects.
    ///
    /// # Errors
    /// The address takes no connection, in time or at all.
    pub(crate) fn open(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let socket = connect_to(address, timeout)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket })
    }

    /// Writes some of the bytes.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut): the peer takes nothing. Others: the connection failed.
    pub(crate) fn write(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<usize> {
        wait(timeout, |timeout| {
            self.socket.set_write_timeout(Some(timeout))?;
            self.socket.write(bytes)
        })
    }

    /// Reads what has arrived, up to the buffer's length; nothing once the peer has closed.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut): nothing has arrived. Others: the connection failed.
    pub(crate) fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        wait(timeout, |timeout| {
            self.socket.set_read_timeout(Some(timeout))?;
            self.socket.read(buffer)
        })
    }
}

/// One call that waits; systems have two names for a time that has run out, and none for no time at
/// all.
fn wait(timeout: Duration, call: impl FnOnce(Duration) -> io::Result<usize>) -> io::Result<usize> {
    if timeout.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    call(timeout).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    })
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::transport::tests::refusing;

    const LONG: Duration = Duration::from_secs(20);

    fn pair() -> (Line, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let line = Line::open(listener.local_addr().unwrap(), LONG).unwrap();
        (line, listener.accept().unwrap().0)
    }

    #[test]
    fn waits_for_bytes_and_tells_the_end() {
        let (mut line, mut theirs) = pair();
        theirs.write_all(b"hello").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(line.read(&mut buffer, LONG).unwrap(), 5);
        drop(theirs);
        assert_eq!(line.read(&mut buffer, LONG).unwrap(), 0);
    }

    #[test]
    fn a_silent_peer_and_one_that_takes_nothing_time_out() {
        let (mut line, _theirs) = pair();
        for timeout in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_millis(10),
        ] {
            let error = line.read(&mut [0; 16], timeout).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        let block = vec![0; 1 << 20];
        let full = (0..1000).find_map(|_| line.write(&block, Duration::from_millis(10)).err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn where_nobody_listens_it_is_refused() {
        let (_socket, address) = refusing();
        let error = Line::open(address, LONG).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
