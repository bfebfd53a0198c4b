//! A tap device: a network interface whose other end is a file.
//!
//! `write` runs the whole receive path before it returns (drivers/net/tun.c, tun_rx_batched calls
//! netif_receive_skb): when the call is over, the kernel has decided.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::ioctl::{self, Opcode, Updater};

use crate::Error;

/// An open tap device, in the namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Tap {
    file: OwnedFd,
}

/// `struct ifreq` (linux/if.h), as far as TUNSETIFF reads it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// IFF_TAP and IFF_NO_PI (linux/if_tun.h): Ethernet frames, nothing before them.
const FLAGS: u16 = 0x0002 | 0x1000;

/// TUNSETIFF (linux/if_tun.h): `_IOW('T', 202, int)`, though it takes a `struct ifreq`.
const TUNSETIFF: Opcode = ioctl::opcode::write::<i32>(b'T', 202);

impl Tap {
    /// Makes the device, which lasts as long as this value.
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open("/dev/net/tun", flags, Mode::empty())
            .map_err(Error::io("open /dev/net/tun"))?;
        let mut request = Request { name: [0; 16], flags: FLAGS, rest: [0; 22] };
        // The last byte stays NUL.
        for (to, from) in request.name.iter_mut().zip(name.bytes().take(15)) {
            *to = from;
        }
        // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, 40 bytes on 64-bit machines, which
        // `Request` is as long as.
        #[allow(unsafe_code, reason = "rustix has no wrapper of TUNSETIFF")]
        unsafe { ioctl::ioctl(&file, Updater::<TUNSETIFF, Request>::new(&mut request)) }
            .map_err(Error::io(format!("make the tap device {name}")))?;
        Ok(Self { file })
    }

    /// A frame arrives at the device.
    pub(crate) fn receive(&self, frame: &[u8]) -> Result<(), Error> {
        match rustix::io::write(&self.file, frame) {
            Ok(bytes) if bytes == frame.len() => Ok(()),
            Ok(_) => Err(Error::Confused("the tap device took a part of a frame".to_owned())),
            Err(error) => Err(Error::io("write to a tap device")(error)),
        }
    }
}
