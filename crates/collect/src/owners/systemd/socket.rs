//! The socket under a connection to systemd, which makes what systemd sends acceptable to zbus.
//!
//! On its own socket systemd names itself as the sender by its bus name (systemd `src/core/dbus.c`,
//! `bus_on_connection`: `sd_bus_set_sender`). zbus refuses a sender that is not a unique name, as
//! the specification asks for on a bus. So the first letter of that name becomes the colon of a
//! unique name; nobody reads the field.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use zbus::Message;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;
use zruntime::{AsyncIo, Shared, SharedRuntime};

/// What comes before the sender's name in a message: the code of the field, its type, the length of
/// `org.freedesktop.systemd1`. No text holds it, since it has zero bytes.
const SENDER: &[u8; 8] = b"\x07\x01s\0\x18\0\0\0";

/// A connected socket.
#[derive(Debug)]
pub(super) struct SystemdSocket(Arc<AsyncIo<UnixStream, Shared>>);

impl SystemdSocket {
    /// Has the runtime watch a socket.
    pub(super) fn new(runtime: &SharedRuntime, stream: UnixStream) -> io::Result<Self> {
        Ok(Self(Arc::new(AsyncIo::new(runtime, stream)?)))
    }
}

impl Socket for SystemdSocket {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        Split::new(Reader { socket: self.0.clone(), last: None, seen: 0 }, Writer(self.0))
    }
}

/// The half that is read.
#[derive(Debug)]
pub(super) struct Reader {
    socket: Arc<AsyncIo<UnixStream, Shared>>,
    /// The byte before; none at the beginning.
    last: Option<u8>,
    /// How many bytes of [`SENDER`] were just seen.
    seen: usize,
}

impl Reader {
    /// Passes bytes on, with the sender's name changed.
    fn pass(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        for byte in bytes {
            // zbus would not survive a first line without the carriage return before its end.
            if self.last.is_none() && *byte == b'\n' {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "an empty first line"));
            }
            self.last = Some(*byte);
            if self.seen == SENDER.len() && *byte == b'o' {
                *byte = b':';
            }
            self.seen = match SENDER.get(self.seen) {
                Some(next) if next == byte => self.seen + 1,
                _ => usize::from(SENDER.first() == Some(byte)),
            };
        }
        Ok(())
    }
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let length = self.socket.read_with(|mut socket| socket.read(buffer)).await?;
        self.pass(buffer.get_mut(..length).unwrap_or_default())?;
        Ok((length, Vec::new()))
    }
}

/// The half that is written.
#[derive(Debug)]
pub(super) struct Writer(Arc<AsyncIo<UnixStream, Shared>>);

#[async_trait]
impl WriteHalf for Writer {
    async fn send_messages(&mut self, messages: &[Message]) -> zbus::Result<()> {
        let bytes: Vec<&[u8]> = messages.iter().map(|message| &**message.data()).collect();
        let bytes = bytes.concat();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let length = self.sendmsg(rest, &[]).await?;
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    async fn sendmsg(&mut self, bytes: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let socket = &self.0;
        socket
            .write_with(|socket| {
                // Not a signal, whatever the program has made of SIGPIPE.
                Ok(rustix::net::send(socket, bytes, rustix::net::SendFlags::NOSIGNAL)?)
            })
            .await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.get_ref().shutdown(Shutdown::Both)
    }
}
