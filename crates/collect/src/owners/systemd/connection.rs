//! A connection to systemd: many calls sent at once, their answers read until a deadline.
//!
//! The protocol is zbus's, on zbus's own runtime and on the calling thread. The answers are taken
//! from the stream of all messages, so that those that came in time are kept when the rest do not.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::Stream;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use zbus::connection::Builder;
use zbus::message::{Flags, Type};
use zbus::{Message, MessageStream};
use zruntime::SharedRuntime;

use super::socket::SystemdSocket;

/// Calls that may be unanswered at a time. A bus refuses those above its `max_replies_per_connection`
/// (128 by default in dbus-daemon).
const WINDOW: NonZeroUsize = NonZeroUsize::new(100).unwrap();

/// Why systemd could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum BusError {
    /// An operation on the socket failed.
    #[error("{operation}: {}", super::super::files::reason(.source))]
    Io {
        /// Which, and on what.
        operation: String,
        /// The system's error.
        source: Arc<io::Error>,
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
    #[error("what the bus sent is not understood: {0}")]
    Malformed(String),
}

impl BusError {
    /// Whether more privileges would help.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// An error of the socket, told apart from the end of its time and of the connection.
    fn io(operation: &str, source: impl Into<Arc<io::Error>>) -> Self {
        let source = source.into();
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io { operation: operation.to_owned(), source },
        }
    }
}

impl From<zbus::Error> for BusError {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::InputOutput(source) => Self::io("talk to the bus", source),
            // zbus has no kind of its own for a connection that ends during authentication.
            zbus::Error::Handshake(what) if what.contains("EOF") => Self::Closed,
            zbus::Error::Handshake(what) => Self::Refused(what.trim_end().to_owned()),
            error @ (zbus::Error::FDO(_) | zbus::Error::MethodError(..)) => {
                Self::Refused(error.to_string())
            }
            error => Self::Malformed(error.to_string()),
        }
    }
}

/// The answer to one call, or the error's name and text.
pub(super) type Reply = Result<Message, String>;

/// The answers to some calls, in the order of the calls.
pub(super) struct Replies {
    /// None where none came.
    pub(super) replies: Vec<Option<Reply>>,
    /// Why some did not come.
    pub(super) ended: Option<BusError>,
}

/// A connection that was authenticated.
pub(super) struct Connection {
    bus: zbus::Connection,
    /// All that is received.
    received: MessageStream,
    runtime: SharedRuntime,
    deadline: Instant,
    /// The bus name of systemd; none if it is on the other end.
    destination: Option<&'static str>,
}

impl Connection {
    /// Connects to the bus at `path`, or with `is_peer` to systemd itself. The deadline holds for
    /// this and for everything after. To be awaited in [`zbus::block_on`].
    pub(super) async fn open(
        path: &Path,
        is_peer: bool,
        deadline: Instant,
    ) -> Result<Self, BusError> {
        let runtime = SharedRuntime::current()
            .map_err(|error| BusError::io("make a set of descriptors to wait for", error))?;
        let socket = SystemdSocket::new(&runtime, connect(path, deadline)?)
            .map_err(|error| BusError::io("wait for the bus", error))?;
        let mut builder = Builder::socket(socket).max_queued(WINDOW);
        if is_peer {
            builder = builder.p2p();
        }
        let opened = runtime.timeout_at(deadline, builder.build()).await;
        let connection = opened.map_err(|_| BusError::TimedOut)??;
        let received = MessageStream::from(&connection);
        let destination = (!is_peer).then_some("org.freedesktop.systemd1");
        Ok(Self { bus: connection, received, runtime, deadline, destination })
    }

    /// A call of a method of systemd. No service is started to answer it.
    pub(super) fn call<A>(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        args: &A,
    ) -> Result<Message, BusError>
    where
        A: serde::Serialize + zbus::DynamicType,
    {
        let call = Message::method_call(path, member)
            .interface(interface)
            .with_flags(Flags::NO_AUTO_START);
        let call = match self.destination {
            Some(name) => call.destination(name),
            None => call,
        };
        Ok(call.build(args)?)
    }

    /// Makes the calls and reads their answers. What came before the time was up or the connection
    /// ended is kept; fails if nothing came.
    pub(super) async fn exchange(&mut self, calls: &[Message]) -> Result<Replies, BusError> {
        let mut replies = Vec::new();
        replies.resize_with(calls.len(), || None);
        let (runtime, deadline) = (self.runtime.clone(), self.deadline);
        let rounds = self.rounds(calls, &mut replies);
        let ended = match runtime.timeout_at(deadline, rounds).await {
            Ok(done) => done.err(),
            Err(_) => Some(BusError::TimedOut),
        };
        match ended {
            Some(error) if replies.iter().all(Option::is_none) => Err(error),
            ended => Ok(Replies { replies, ended }),
        }
    }

    /// Sends a window of calls, reads until each has its answer, and so on.
    async fn rounds(
        &mut self,
        calls: &[Message],
        replies: &mut [Option<Reply>],
    ) -> Result<(), BusError> {
        for (calls, replies) in calls.chunks(WINDOW.get()).zip(replies.chunks_mut(WINDOW.get())) {
            self.bus.send_all(calls).await?;
            let serials = calls.iter().map(|call| call.primary_header().serial_num());
            let mut open: HashMap<NonZeroU32, &mut Option<Reply>> = serials.zip(replies).collect();
            while !open.is_empty() {
                let next = poll_fn(|context| Pin::new(&mut self.received).poll_next(context));
                let message = next.await.ok_or(BusError::Closed)??;
                let is_error = match message.message_type() {
                    Type::MethodReturn => false,
                    Type::Error => true,
                    Type::MethodCall | Type::Signal => continue,
                };
                let serial = message.header().reply_serial();
                if let Some(place) = serial.and_then(|serial| open.remove(&serial)) {
                    *place = Some(if is_error { Err(text(&message)) } else { Ok(message) });
                }
            }
        }
        Ok(())
    }
}

/// What an error says: its name, and its text if it has one.
fn text(error: &Message) -> String {
    let header = error.header();
    let name = header.error_name().map_or("error", |name| name.as_str());
    match error.body().deserialize::<&str>() {
        Ok(text) => format!("{name}: {text}"),
        Err(_) => name.to_owned(),
    }
}

/// Connects; gives up at the deadline also if the other side's queue is full (kernel
/// `net/unix/af_unix.c`, `unix_stream_connect` waits for `SO_SNDTIMEO`, and does not wait at all if
/// the socket is non-blocking, as a runtime's are).
fn connect(path: &Path, deadline: Instant) -> Result<UnixStream, BusError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left == Duration::ZERO {
        return Err(BusError::TimedOut);
    }
    let attempt = || -> io::Result<UnixStream> {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        set_socket_timeout(&socket, Timeout::Send, Some(left))?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(UnixStream::from(socket))
    };
    attempt().map_err(|error| BusError::io(&format!("connect to {}", path.display()), error))
}
