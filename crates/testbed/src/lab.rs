//! A network to put hosts on.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::{Client, Error, Host, HostOptions, Netns};

/// A router with a bridge `br0`, alone in a network namespace: 192.0.2.1/24 and 2001:db8:1::1/64
/// (RFC 5737, RFC 3849: addresses for documentation, so that no test names a real host).
#[derive(Debug)]
pub struct Lab {
    router: Netns,
    next: AtomicU8,
}

impl Lab {
    /// Makes one.
    pub fn new() -> Result<Self, Error> {
        let router = Netns::new()?;
        for arguments in [
            &["link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0"][..],
            &["link", "set", "br0", "up"],
            &["address", "add", "192.0.2.1/24", "dev", "br0"],
            &["address", "add", "2001:db8:1::1/64", "dev", "br0", "nodad"],
        ] {
            router.run(&[&["ip"], arguments].concat())?.ok()?;
        }
        Ok(Self { router, next: AtomicU8::new(10) })
    }

    /// The router's namespace.
    pub fn router(&self) -> &Netns {
        &self.router
    }

    /// Boots a host on the bridge: see [`Host::boot`].
    pub fn host(&self, name: &str, options: &HostOptions) -> Result<Host, Error> {
        Host::boot(self, name, options)
    }

    /// Adds a client to the bridge: see [`Client::new`].
    pub fn client(&self) -> Result<Client, Error> {
        Client::new(self)
    }

    /// A number for addresses on the bridge that nobody else has: see [`Host::join`].
    pub fn number(&self) -> u8 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}
