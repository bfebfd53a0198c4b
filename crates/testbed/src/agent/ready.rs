//! Saying that everything is open.

use std::env;
use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Tells systemd, if it asked (sd_notify(3)), and whoever reads standard output.
pub(crate) fn say() -> io::Result<()> {
    if let Some(path) = env::var_os("NOTIFY_SOCKET") {
        let socket = UnixDatagram::unbound()?;
        // A leading "@" stands for the 0 byte of an abstract address.
        let address = match path.to_str().and_then(|path| path.strip_prefix('@')) {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(path)?,
        };
        socket.send_to_addr(b"READY=1", &address)?;
    }
    let mut stdout = io::stdout();
    // Nobody may be reading.
    let _ = stdout.write_all(b"ready\n").and_then(|()| stdout.flush());
    Ok(())
}
