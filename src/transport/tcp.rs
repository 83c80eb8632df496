//! A connected TCP socket that is read and written without ever waiting. Knows no Kafka, keeps no
//! buffer. Runs on the I/O thread.
//!
//! On Unix the socket stays in blocking mode and each call carries `MSG_DONTWAIT`; elsewhere,
//! where that flag does not exist, the socket is put into non-blocking mode. Tested on Linux only.

use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt;

use super::byte_stream::{ByteStream, Progress};
use crate::config::AddressFamily;

/// What is asked of the operating system for a new socket, beside `TCP_NODELAY` and keep-alive,
/// which are always on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SocketOptions {
    /// `SO_SNDBUF`, in bytes; `None` leaves it to the system.
    pub(crate) send_buffer_bytes: Option<usize>,
    /// `SO_RCVBUF`, in bytes; `None` leaves it to the system.
    pub(crate) receive_buffer_bytes: Option<usize>,
    /// `TCP_USER_TIMEOUT`, where there is one: after how long a peer that acknowledges no bytes is
    /// dead. Linux counts the time, too, in which a peer lives and takes no bytes; no request that
    /// waits for that long is waited for any longer. `None` and zero leave it to the system.
    pub(crate) user_timeout: Option<Duration>,
    /// Which of a host's addresses are connected to.
    pub(crate) family: AddressFamily,
}

/// A connected socket. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
}

impl Stream {
    /// Takes a connected socket and sets its options.
    ///
    /// # Errors
    /// What the system says to an option; also of a peer that is gone already.
    pub(super) fn new(socket: TcpStream, options: &SocketOptions) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&socket, true)?;
        if let Some(bytes) = options.send_buffer_bytes {
            sockopt::set_socket_send_buffer_size(&socket, bytes)?;
        }
        if let Some(bytes) = options.receive_buffer_bytes {
            sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
        }
        if let Some(timeout) = options.user_timeout {
            set_user_timeout(&socket, timeout)?;
        }
        socket.set_nonblocking(!cfg!(unix))?;
        Ok(Self { socket })
    }

    /// For the poller.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }
}

impl ByteStream for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Progress> {
        if buffer.is_empty() {
            return Ok(Progress::Bytes(0));
        }
        loop {
            return match receive(&self.socket, buffer) {
                Ok(0) => Ok(Progress::Closed),
                Ok(bytes) => Ok(Progress::Bytes(bytes)),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => Ok(Progress::WouldBlock),
                    _ => Err(error),
                },
            };
        }
    }

    /// Slices beyond the system's limit for one call are left for the next one. A peer that is gone
    /// is an error, never a signal.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Progress> {
        let slices = slices.get(..MAX_SLICES).unwrap_or(slices);
        if slices.iter().all(|slice| slice.is_empty()) {
            return Ok(Progress::Bytes(0));
        }
        loop {
            return match send(&self.socket, slices) {
                Ok(bytes) => Ok(Progress::Bytes(bytes)),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => Ok(Progress::WouldBlock),
                    _ => Err(error),
                },
            };
        }
    }
}

/// `IOV_MAX` wherever we know it; more in one call is `EMSGSIZE`.
const MAX_SLICES: usize = 1024;

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_user_timeout(socket: &TcpStream, timeout: Duration) -> io::Result<()> {
    // The system counts in a signed number.
    let ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    Ok(sockopt::set_tcp_user_timeout(socket, ms.unsigned_abs())?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_user_timeout(_: &TcpStream, _: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn receive(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};

    let (bytes, _length) = recv(socket, buffer, RecvFlags::DONTWAIT)?;
    Ok(bytes)
}

#[cfg(unix)]
fn send(socket: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

    // Apple's systems have no such flag; there the standard library sets SO_NOSIGPIPE.
    #[cfg(target_vendor = "apple")]
    let flags = SendFlags::DONTWAIT;
    #[cfg(not(target_vendor = "apple"))]
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(sendmsg(
        socket,
        slices,
        &mut SendAncillaryBuffer::default(),
        flags,
    )?)
}

#[cfg(not(unix))]
fn receive(mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    io::Read::read(&mut socket, buffer)
}

#[cfg(not(unix))]
fn send(mut socket: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    io::Write::write_vectored(&mut socket, slices)
}
