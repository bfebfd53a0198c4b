//! A connection to systemd: many calls written at once, their answers read until a deadline.
//!
//! Written for this purpose rather than taken from a library: all calls are known beforehand, so
//! that one round trip does, and the deadline is that of a socket, without threads.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::wire::{self, Arg, Call, HEAD, Message, Value, WireError};

/// Calls that may be unanswered at a time. A bus refuses those above its `max_replies_per_connection`
/// (128 by default in dbus-daemon).
const WINDOW: usize = 100;

/// Why systemd could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum BusError {
    /// An operation on the socket failed.
    #[error("{operation}: {}", super::super::files::reason(.source))]
    Io {
        /// Which, and on what.
        operation: String,
        /// The system's error.
        source: io::Error,
    },
    /// The other side closed the connection.
    #[error("systemd closed the connection")]
    Closed,
    /// The time is up.
    #[error("systemd did not answer in time")]
    TimedOut,
    /// We are not let in.
    #[error("the bus refused us: {0}")]
    Refused(String),
    /// There is no bus, and systemd itself talks to root only.
    #[error("{0} (and systemd's own socket is open to root only)")]
    RootOnly(Box<BusError>),
    /// What came is not D-Bus.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl BusError {
    /// Whether more privileges would help.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// An error of the socket, told apart from the end of its time and of the connection.
    fn io(operation: &str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io { operation: operation.to_owned(), source },
        }
    }
}

/// The answer to one call: its results, or the error's name and text.
pub(super) type Reply = Result<Vec<Value>, String>;

/// A connection that was authenticated.
pub(super) struct Connection {
    stream: UnixStream,
    deadline: Instant,
    /// The bus name of systemd; none if it is on the other end.
    destination: Option<&'static str>,
    serial: u32,
    /// What was received and not used yet.
    received: Vec<u8>,
}

impl Connection {
    /// Connects to the bus at `path`, or with `is_peer` to systemd itself. The deadline holds for
    /// this and for everything after.
    pub(super) fn open(path: &Path, is_peer: bool, deadline: Instant) -> Result<Self, BusError> {
        let stream = connect(path, deadline)?;
        let destination = (!is_peer).then_some("org.freedesktop.systemd1");
        let mut connection =
            Self { stream, deadline, destination, serial: 0, received: Vec::new() };
        connection.authenticate()?;
        if !is_peer {
            let hello = Call {
                destination: Some("org.freedesktop.DBus"),
                path: "/org/freedesktop/DBus",
                interface: "org.freedesktop.DBus",
                member: "Hello",
                args: Vec::new(),
            };
            if let Some(Err(error)) = connection.exchange(&[hello])?.into_iter().next().flatten() {
                return Err(BusError::Refused(error));
            }
        }
        Ok(connection)
    }

    /// A call of a method of systemd.
    pub(super) fn call<'a>(
        &self,
        path: &'a str,
        interface: &'a str,
        member: &'a str,
        args: Vec<Arg<'a>>,
    ) -> Call<'a> {
        Call { destination: self.destination, path, interface, member, args }
    }

    /// Makes the calls and reads their answers, in the order of the calls. On a time-out the answers
    /// that came are kept and the rest are none.
    pub(super) fn exchange(&mut self, calls: &[Call<'_>]) -> Result<Vec<Option<Reply>>, BusError> {
        let mut replies = Vec::with_capacity(calls.len());
        for calls in calls.chunks(WINDOW) {
            let mut places = HashMap::with_capacity(calls.len());
            let mut bytes = Vec::new();
            for call in calls {
                self.serial += 1;
                places.insert(self.serial, replies.len());
                replies.push(None);
                bytes.extend_from_slice(&call.write(self.serial));
            }
            match self.round(&bytes, places, &mut replies) {
                Err(BusError::TimedOut) if replies.iter().any(Option::is_some) => break,
                done => done?,
            }
        }
        replies.resize_with(calls.len(), || None);
        Ok(replies)
    }

    /// Writes the calls and reads until each has its answer.
    fn round(
        &mut self,
        calls: &[u8],
        mut places: HashMap<u32, usize>,
        replies: &mut [Option<Reply>],
    ) -> Result<(), BusError> {
        self.send(calls)?;
        while !places.is_empty() {
            let (to, reply) = match self.receive()? {
                Message::Return { to, body } => (to, Ok(body)),
                Message::Error { to, text } => (to, Err(text)),
                Message::Other => continue,
            };
            if let Some(place) = places.remove(&to).and_then(|place| replies.get_mut(place)) {
                *place = Some(reply);
            }
        }
        Ok(())
    }

    /// "Authentication Protocol" of the specification, as sd-bus does it: `EXTERNAL` without naming
    /// a user, so that it works in a user namespace too, and all lines at once.
    fn authenticate(&mut self) -> Result<(), BusError> {
        self.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        loop {
            let Some(end) = memchr::memmem::find(&self.received, b"\r\n") else {
                if self.received.len() > 4096 {
                    return Err(WireError::Malformed.into());
                }
                self.fill()?;
                continue;
            };
            let line: Vec<u8> = self.received.drain(..end + 2).take(end).collect();
            if line.starts_with(b"OK") {
                return Ok(());
            }
            // The server asks for the (empty) data that was already sent.
            if !line.starts_with(b"DATA") {
                return Err(BusError::Refused(String::from_utf8_lossy(&line).into_owned()));
            }
        }
    }

    /// The next message.
    fn receive(&mut self) -> Result<Message, BusError> {
        loop {
            if let Some(length) = wire::length(self.received.get(..HEAD).unwrap_or_default())?
                && let Some(message) = self.received.get(..length)
            {
                let message = wire::read(message)?;
                self.received.drain(..length);
                return Ok(message);
            }
            self.fill()?;
        }
    }

    /// Waits for more bytes.
    fn fill(&mut self) -> Result<(), BusError> {
        let mut chunk = [0; 16384];
        loop {
            self.stream
                .set_read_timeout(Some(self.remaining()?))
                .map_err(|error| BusError::io("set the time limit of the bus", error))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(BusError::Closed),
                Ok(length) => {
                    self.received.extend_from_slice(chunk.get(..length).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(BusError::io("read from the bus", error)),
            }
        }
    }

    /// Writes all bytes.
    fn send(&mut self, mut bytes: &[u8]) -> Result<(), BusError> {
        while !bytes.is_empty() {
            self.stream
                .set_write_timeout(Some(self.remaining()?))
                .map_err(|error| BusError::io("set the time limit of the bus", error))?;
            match self.stream.write(bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(BusError::io("write to the bus", error)),
            }
        }
        Ok(())
    }

    /// The time that is left.
    fn remaining(&self) -> Result<Duration, BusError> {
        remaining(self.deadline)
    }
}

/// The time until a deadline.
fn remaining(deadline: Instant) -> Result<Duration, BusError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(BusError::TimedOut) } else { Ok(left) }
}

/// Connects; gives up at the deadline also if the other side's queue is full (kernel
/// `net/unix/af_unix.c`, `unix_stream_connect` waits for `SO_SNDTIMEO`).
fn connect(path: &Path, deadline: Instant) -> Result<UnixStream, BusError> {
    let attempt = || -> io::Result<Result<UnixStream, BusError>> {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let left = match remaining(deadline) {
            Ok(left) => left,
            Err(error) => return Ok(Err(error)),
        };
        set_socket_timeout(&socket, Timeout::Send, Some(left))?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Ok(UnixStream::from(socket)))
    };
    attempt().map_err(|error| BusError::io(&format!("connect to {}", path.display()), error))?
}
