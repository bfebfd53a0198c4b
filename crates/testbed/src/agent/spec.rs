//! The words in which a test describes a socket: `tcp:[::]:8080,v6only`.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::str::FromStr;

use rustix::net::{
    AddressFamily, Protocol, RawProtocol, SocketFlags, SocketType, bind, connect, ipproto, listen,
    socket_with, sockopt,
};

/// A socket to open.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    kind: Kind,
    options: Vec<String>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A listener.
    Tcp(SocketAddr),
    /// A listener of Multipath TCP.
    Mptcp(SocketAddr),
    /// Bound, and not listening.
    Bound(SocketAddr),
    /// A connection.
    Connect(SocketAddr),
    Udp(SocketAddr),
    Udplite(SocketAddr),
    /// A raw socket of this IP protocol; 0 is none.
    Raw4(u32),
    Raw6(u32),
    /// A ping socket (icmp(7), "ping_group_range").
    Ping4,
    Ping6,
    /// A packet socket for frames of all protocols, bound to no interface.
    Packet,
}

impl FromStr for Spec {
    type Err = String;

    /// `KIND[:WHERE][,OPTION]...` with the kinds `tcp`, `mptcp`, `bound`, `connect`, `udp`,
    /// `udplite` (WHERE is an address and port), `raw4`, `raw6` (WHERE is a protocol's number),
    /// `ping4`, `ping6` and `packet`; the options `v6only`, `dual`, `reuseport`, `transparent`,
    /// `backlog=N` and `device=INTERFACE`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let mut parts = text.split(',');
        let head = parts.next().unwrap_or_default();
        let (kind, place) = head.split_once(':').unwrap_or((head, ""));
        let address = || place.parse::<SocketAddr>().map_err(|e| format!("{place:?}: {e}"));
        let number = || place.parse::<u32>().map_err(|e| format!("{place:?}: {e}"));
        let kind = match kind {
            "tcp" => Kind::Tcp(address()?),
            "mptcp" => Kind::Mptcp(address()?),
            "bound" => Kind::Bound(address()?),
            "connect" => Kind::Connect(address()?),
            "udp" => Kind::Udp(address()?),
            "udplite" => Kind::Udplite(address()?),
            "raw4" => Kind::Raw4(number()?),
            "raw6" => Kind::Raw6(number()?),
            "ping4" => Kind::Ping4,
            "ping6" => Kind::Ping6,
            "packet" => Kind::Packet,
            other => return Err(format!("no socket is called {other:?}")),
        };
        Ok(Self { kind, options: parts.map(str::to_owned).collect() })
    }
}

impl Spec {
    /// Opens it. The descriptor stays open in processes that this one starts.
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        use AddressFamily as Family;
        match self.kind {
            Kind::Tcp(at) => self.listener(at, None),
            Kind::Mptcp(at) => self.listener(at, Some(ipproto::MPTCP)),
            Kind::Bound(at) => self.bound(at, SocketType::STREAM, None),
            Kind::Udp(at) => self.bound(at, SocketType::DGRAM, None),
            Kind::Udplite(at) => self.bound(at, SocketType::DGRAM, Some(ipproto::UDPLITE)),
            Kind::Connect(to) => {
                let fd = new(family(to), SocketType::STREAM, None)?;
                connect(&fd, &to)?;
                Ok(fd)
            }
            Kind::Raw4(number) => new(Family::INET, SocketType::RAW, protocol(number)),
            Kind::Raw6(number) => new(Family::INET6, SocketType::RAW, protocol(number)),
            Kind::Ping4 => new(Family::INET, SocketType::DGRAM, Some(ipproto::ICMP)),
            Kind::Ping6 => new(Family::INET6, SocketType::DGRAM, Some(ipproto::ICMPV6)),
            // <linux/if_ether.h>: ETH_P_ALL is 3; packet(7) takes it in network byte order.
            Kind::Packet => {
                new(Family::PACKET, SocketType::RAW, protocol(u32::from(3_u16.to_be())))
            }
        }
    }

    fn listener(&self, at: SocketAddr, protocol: Option<Protocol>) -> Result<OwnedFd> {
        let fd = self.bound(at, SocketType::STREAM, protocol)?;
        let backlog = self.value("backlog").map_or(Ok(128), str::parse);
        listen(&fd, backlog.map_err(|error| Error::new(ErrorKind::InvalidInput, error))?)?;
        Ok(fd)
    }

    fn bound(
        &self,
        at: SocketAddr,
        kind: SocketType,
        protocol: Option<Protocol>,
    ) -> Result<OwnedFd> {
        let fd = new(family(at), kind, protocol)?;
        sockopt::set_socket_reuseaddr(&fd, kind == SocketType::STREAM)?;
        sockopt::set_socket_reuseport(&fd, self.has("reuseport"))?;
        if at.is_ipv6() && (self.has("v6only") || self.has("dual")) {
            sockopt::set_ipv6_v6only(&fd, self.has("v6only"))?;
        }
        if let Some(device) = self.value("device") {
            set(&fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, device.as_bytes())?;
        }
        if self.has("transparent") {
            set(&fd, libc::SOL_IP, libc::IP_TRANSPARENT, &1_i32.to_ne_bytes())?;
        }
        bind(&fd, &at)?;
        Ok(fd)
    }

    /// Whether it is a listener, and so wants someone to accept.
    pub(crate) fn listens(&self) -> bool {
        matches!(self.kind, Kind::Tcp(_) | Kind::Mptcp(_))
    }

    /// Whether datagrams of IP arrive at it.
    pub(crate) fn takes_datagrams(&self) -> bool {
        matches!(self.kind, Kind::Udp(_))
    }

    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|o| o == option)
    }

    fn value(&self, option: &str) -> Option<&str> {
        self.options.iter().find_map(|o| o.strip_prefix(option)?.strip_prefix('='))
    }
}

/// Sets a socket option that neither std nor rustix has.
#[allow(unsafe_code, reason = "neither std nor rustix has these options")]
fn set(fd: &OwnedFd, level: libc::c_int, option: libc::c_int, value: &[u8]) -> Result<()> {
    let length = libc::socklen_t::try_from(value.len())
        .map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
    // SAFETY: the kernel reads `length` bytes of the value, which outlives the call.
    let failed =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value.as_ptr().cast(), length) };
    if failed == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

fn new(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> Result<OwnedFd> {
    Ok(socket_with(family, kind, SocketFlags::empty(), protocol)?)
}

fn family(address: SocketAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 }
}

fn protocol(number: u32) -> Option<Protocol> {
    RawProtocol::new(number).map(Protocol::from_raw)
}
