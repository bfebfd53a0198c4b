//! The programs that are registered with the portmapper, asked by its own protocol: `RPCBPROC_DUMP`
//! of version 4 (RFC 1833, section 2.2.1), a call of ONC RPC (RFC 5531) over a stream.
//!
//! Over the local socket, which rpcbind always has: nothing crosses the network, and no namespace
//! needs to be entered.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use facts::{Answer, Gap, Part, Remedy, RpcProgram};

use super::below;
use crate::owners::files::reason;

/// The local socket (rpcbind(8)).
const SOCKET: &str = "/run/rpcbind.sock";

/// RFC 5531, section 9.
const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
const MSG_ACCEPTED: u32 = 0;
const SUCCESS: u32 = 0;
const AUTH_NONE: u32 = 0;
/// RFC 1833, section 2.2.1.
const RPCBPROG: u32 = 100_000;
const RPCBVERS4: u32 = 4;
const RPCBPROC_DUMP: u32 = 4;
/// Ours; the reply repeats it.
const XID: u32 = 0x7768_796f;

/// The last fragment of a record (RFC 5531, section 11).
const LAST: u32 = 1 << 31;

/// The most that an answer may have, in bytes: some ten thousand programs.
const ANSWER_LIMIT: usize = 1 << 20;

/// Why the portmapper could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum RpcError {
    /// The socket.
    #[error("{operation} {SOCKET}: {}", reason(source))]
    Io {
        /// Which operation.
        operation: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The time is up.
    #[error("the portmapper did not answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// It answered something else.
    #[error("the portmapper's answer is not understood: {0}")]
    Malformed(&'static str),
}

impl RpcError {
    fn io(operation: &'static str, source: io::Error) -> Self {
        Self::Io { operation, source }
    }
}

/// Asks, within a time limit.
pub(super) fn programs(root: &Path, limit: Duration) -> Part<Answer> {
    match ask(&below(root, SOCKET), limit) {
        Ok(found) => Part::known(Answer::Programs { found }),
        Err(error) => {
            let denied = matches!(&error, RpcError::Io { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied);
            let gap = Gap::new("registered RPC programs", error.to_string());
            Part::unreadable(if denied { gap.remedied_by(Remedy::Root) } else { gap })
        }
    }
}

/// Calls, and reads the answer.
fn ask(socket: &Path, limit: Duration) -> Result<Vec<RpcProgram>, RpcError> {
    let deadline = Instant::now() + limit;
    // To connect waits only while the queue of a daemon that does not accept is full.
    let mut stream = connect(socket, limit)?;
    let within = |operation, error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => RpcError::TimedOut(limit),
        _ => RpcError::io(operation, error),
    };
    stream.set_write_timeout(Some(limit)).map_err(|e| RpcError::io("set up", e))?;
    stream.write_all(&call()).map_err(|e| within("write to", e))?;
    let mut record = Vec::new();
    let mut buffer = [0_u8; 8192];
    let mut message = Vec::new();
    loop {
        if let Some(whole) = fragments(&record)? {
            message.extend(whole);
            break;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(RpcError::TimedOut(limit));
        }
        stream.set_read_timeout(Some(left)).map_err(|e| RpcError::io("set up", e))?;
        let count = stream.read(&mut buffer).map_err(|e| within("read", e))?;
        if count == 0 {
            return Err(RpcError::Malformed("it ends too early"));
        }
        record.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if record.len() > ANSWER_LIMIT {
            return Err(RpcError::Malformed("it is too long"));
        }
    }
    reply(&message)
}

/// Connects, without waiting for a queue that is full.
fn connect(path: &Path, limit: Duration) -> Result<UnixStream, RpcError> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let io = |errno: rustix::io::Errno| io::Error::from(errno);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|e| RpcError::io("open", io(e)))?;
    let address = SocketAddrUnix::new(path).map_err(|e| RpcError::io("name", io(e)))?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        // unix(7): EAGAIN, its queue is full.
        Err(rustix::io::Errno::AGAIN) => return Err(RpcError::TimedOut(limit)),
        Err(errno) => return Err(RpcError::io("connect to", io(errno))),
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false).map_err(|e| RpcError::io("set up", e))?;
    Ok(stream)
}

/// The call, as one record.
fn call() -> Vec<u8> {
    let body =
        [XID, CALL, RPC_VERSION, RPCBPROG, RPCBVERS4, RPCBPROC_DUMP, AUTH_NONE, 0, AUTH_NONE, 0];
    let length = u32::try_from(body.len() * 4).unwrap_or_default();
    let words = [LAST | length].into_iter().chain(body);
    words.flat_map(u32::to_be_bytes).collect()
}

/// The record in what came so far; none while its last fragment is not whole.
fn fragments(bytes: &[u8]) -> Result<Option<Vec<u8>>, RpcError> {
    let mut rest = bytes;
    let mut whole = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let head = u32::from_be_bytes(*head);
        let length = (head & !LAST) as usize;
        if length > ANSWER_LIMIT {
            return Err(RpcError::Malformed("it is too long"));
        }
        let Some((fragment, after)) = tail.split_at_checked(length) else { return Ok(None) };
        whole.extend_from_slice(fragment);
        if head & LAST != 0 {
            return Ok(Some(whole));
        }
        rest = after;
    }
    Ok(None)
}

/// Reads the reply: a list in which each item has a 1 before it, and a 0 stands at the end.
fn reply(message: &[u8]) -> Result<Vec<RpcProgram>, RpcError> {
    let mut xdr = Xdr(message);
    if xdr.number()? != XID || xdr.number()? != REPLY || xdr.number()? != MSG_ACCEPTED {
        return Err(RpcError::Malformed("it is no reply to our call"));
    }
    let (_flavor, _verifier) = (xdr.number()?, xdr.opaque()?);
    if xdr.number()? != SUCCESS {
        return Err(RpcError::Malformed("it refuses the call"));
    }
    let mut found = Vec::new();
    while xdr.number()? == 1 {
        found.push(RpcProgram {
            program: xdr.number()?,
            version: xdr.number()?,
            netid: xdr.string()?,
            address: xdr.string()?,
            owner: xdr.string()?,
        });
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads XDR (RFC 4506).
struct Xdr<'b>(&'b [u8]);

impl Xdr<'_> {
    fn number(&mut self) -> Result<u32, RpcError> {
        let (head, tail) = self.0.split_first_chunk::<4>().ok_or(ENDS)?;
        self.0 = tail;
        Ok(u32::from_be_bytes(*head))
    }

    fn opaque(&mut self) -> Result<Vec<u8>, RpcError> {
        let length = self.number()? as usize;
        let padded = length.checked_next_multiple_of(4).ok_or(ENDS)?;
        let (head, tail) = self.0.split_at_checked(padded).ok_or(ENDS)?;
        self.0 = tail;
        Ok(head.get(..length).unwrap_or_default().to_vec())
    }

    fn string(&mut self) -> Result<String, RpcError> {
        Ok(String::from_utf8_lossy(&self.opaque()?).into_owned())
    }
}

/// That a message is too short.
const ENDS: RpcError = RpcError::Malformed("it ends too early");

/// Reads arbitrary bytes as what the portmapper sends.
pub(super) fn fuzz(bytes: &[u8]) {
    if let Ok(Some(message)) = fragments(bytes) {
        let _ = reply(&message);
    }
    let _ = reply(bytes);
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A reply with one program, as rpcbind 1.2.6 sends it.
    fn whole() -> Vec<u8> {
        let mut body: Vec<u8> = [XID, REPLY, MSG_ACCEPTED, AUTH_NONE, 0, SUCCESS, 1, RPCBPROG, 4]
            .into_iter()
            .flat_map(u32::to_be_bytes)
            .collect();
        for text in ["tcp6", "::.0.111", "superuser"] {
            body.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            body.extend(text.as_bytes());
            body.resize(body.len().next_multiple_of(4), 0);
        }
        body.extend(0_u32.to_be_bytes());
        body
    }

    fn record(body: &[u8]) -> Vec<u8> {
        let length = LAST | u32::try_from(body.len()).unwrap();
        [&length.to_be_bytes()[..], body].concat()
    }

    #[test]
    fn a_reply_and_every_part_of_it() {
        let found = reply(&whole()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].netid.as_str(), found[0].address.as_str()), ("tcp6", "::.0.111"));
        for end in 0..whole().len() {
            reply(&whole()[..end]).unwrap_err();
        }
    }

    #[test]
    fn fragments_are_joined() {
        let body = whole();
        let (a, b) = body.split_at(10);
        let first = [&u32::try_from(a.len()).unwrap().to_be_bytes()[..], a].concat();
        let both = [first, record(b)].concat();
        assert_eq!(fragments(&both).unwrap(), Some(body));
        for end in 0..both.len() {
            assert_eq!(fragments(&both[..end]).unwrap(), None, "{end}");
        }
        assert!(fragments(&[0x7f, 0xff, 0xff, 0xff]).is_err());
    }

    #[test]
    fn a_portmapper_that_answers_and_one_that_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let check = |answer: Option<Vec<u8>>, expect: &str| {
            let path = folder.path().join("socket");
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path).unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = vec![0; call().len()];
                stream.read_exact(&mut asked).unwrap();
                assert_eq!(asked, call());
                if let Some(answer) = answer {
                    stream.write_all(&answer).unwrap();
                } else {
                    std::thread::sleep(Duration::from_millis(300));
                }
            });
            let limit = Duration::from_millis(if expect.contains("within") { 50 } else { 5000 });
            let got = match ask(&path, limit) {
                Ok(found) => format!("{} programs", found.len()),
                Err(error) => error.to_string(),
            };
            assert!(got.contains(expect), "{got}");
            server.join().unwrap();
        };
        check(Some(record(&whole())), "1 programs");
        check(Some(vec![]), "ends too early");
        check(Some(record(b"????????????????????")), "no reply to our call");
        check(None, "did not answer within");
        let none = ask(&folder.path().join("none"), Duration::from_secs(1)).unwrap_err();
        assert!(none.to_string().contains("no such file"), "{none}");
    }
}
