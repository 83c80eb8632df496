//! A connected TCP socket whose calls wait, up to a deadline: for a conversation with one peer on a
//! thread that has nothing else to do. Never runs on the I/O thread.

use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::byte_stream::{ByteStream, Progress};
use super::connector::{connect_to, now};

/// See the [module](self). Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct BlockingStream {
    socket: TcpStream,
    deadline: Instant,
}

impl BlockingStream {
    /// Connects; the deadline is also the one of the calls that follow.
    ///
    /// # Errors
    /// The address takes no connection, in time or at all.
    pub(crate) fn connect(address: SocketAddr, deadline: Instant) -> io::Result<Self> {
        let timeout = deadline.saturating_duration_since(now());
        let socket = connect_to(address, timeout)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, deadline })
    }

    /// Until when calls wait from now on.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// One call that waits. The system takes no time-out of zero, and has two names for one that
    /// has passed.
    fn wait(
        &mut self,
        mut call: impl FnMut(&mut TcpStream, Duration) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let left = self.deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            return match call(&mut self.socket, left) {
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
                    _ => Err(error),
                },
                done => done,
            };
        }
    }
}

/// Never says [`Progress::WouldBlock`]: a call that has waited until the deadline in vain fails with
/// [`TimedOut`](io::ErrorKind::TimedOut).
impl ByteStream for BlockingStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Progress> {
        let bytes = self.wait(|socket, timeout| {
            socket.set_read_timeout(Some(timeout))?;
            socket.read(buffer)
        })?;
        Ok(match bytes {
            0 => Progress::Closed,
            bytes => Progress::Bytes(bytes),
        })
    }

    /// Writes of the first slice only. The standard library's vectored write does not ask the system
    /// to spare us SIGPIPE, and a program that has not disabled that signal would die because a peer
    /// hung up.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Progress> {
        let Some(slice) = slices.iter().find(|slice| !slice.is_empty()) else {
            return Ok(Progress::Bytes(0));
        };
        let bytes = self.wait(|socket, timeout| {
            socket.set_write_timeout(Some(timeout))?;
            socket.write(slice)
        })?;
        Ok(Progress::Bytes(bytes))
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::transport::tests::refusing;

    const LONG: Duration = Duration::from_secs(20);

    fn pair() -> (BlockingStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stream = BlockingStream::connect(address, now() + LONG).unwrap();
        (stream, listener.accept().unwrap().0)
    }

    #[test]
    fn waits_for_bytes_and_tells_the_end() {
        let (mut stream, mut theirs) = pair();
        theirs.write_all(b"hello").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(stream.read(&mut buffer).unwrap(), Progress::Bytes(5));
        drop(theirs);
        assert_eq!(stream.read(&mut buffer).unwrap(), Progress::Closed);
    }

    #[test]
    fn a_silent_peer_and_one_that_takes_nothing_time_out() {
        let (mut stream, _theirs) = pair();
        for timeout in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_millis(10),
        ] {
            stream.set_deadline(now() + timeout);
            let error = stream.read(&mut [0; 16]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        let block = vec![0; 1 << 20];
        let full = (0..1000).find_map(|_| {
            stream.set_deadline(now() + Duration::from_millis(10));
            stream.write_vectored(&[IoSlice::new(&block)]).err()
        });
        assert_eq!(full.unwrap().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn where_nobody_listens_it_is_refused() {
        let (_socket, address) = refusing();
        let error = BlockingStream::connect(address, now() + LONG).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
