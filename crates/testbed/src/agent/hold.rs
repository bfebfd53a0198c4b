//! Opening sockets and holding them, alone or with child processes.

use std::env;
use std::ffi::CString;
use std::io;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::thread;

use clap::Args;
use rustix::net::accept;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::set_name;

use crate::spec::Spec;
use crate::{Never, forever, ready};

/// The arguments of `hold`.
#[derive(Args)]
pub(crate) struct Hold {
    /// Take this name, as /proc/PID/comm shows it; at most 15 bytes.
    #[arg(long)]
    comm: Option<String>,
    /// Start so many child processes that hold the same sockets.
    #[arg(long, default_value_t = 0)]
    children: u32,
    /// Accept connections and close them again, and send datagrams back.
    #[arg(long)]
    accept: bool,
    /// What to open.
    #[arg(required = true)]
    sockets: Vec<Spec>,
}

impl Hold {
    /// Opens everything and waits.
    pub(crate) fn run(self) -> io::Result<Never> {
        if let Some(comm) = &self.comm {
            set_name(&CString::new(comm.as_str())?)?;
        }
        let open = |spec: &Spec| -> io::Result<OwnedFd> {
            let fd = spec.open()?;
            if self.accept && spec.listens() {
                let listener = fd.try_clone()?;
                thread::spawn(move || while accept(&listener).is_ok() {});
            } else if self.accept && spec.takes_datagrams() {
                let socket = UdpSocket::from(fd.try_clone()?);
                thread::spawn(move || send_back(&socket));
            }
            Ok(fd)
        };
        // One after the other, so that `connect` can follow the listener it connects to.
        let held = self.sockets.iter().map(open).collect::<io::Result<Vec<OwnedFd>>>()?;
        let children = (0..self.children).map(|_| child()).collect::<io::Result<Vec<Child>>>()?;
        ready::say()?;
        let never = forever()?;
        drop((held, children));
        Ok(never)
    }
}

/// Sends every datagram back to whom it comes from. An error is one of an earlier datagram.
fn send_back(socket: &UdpSocket) {
    let mut buffer = [0; 2048];
    loop {
        if let Ok((length, from)) = socket.recv_from(&mut buffer)
            && let Some(datagram) = buffer.get(..length)
        {
            let _ = socket.send_to(datagram, from);
        }
    }
}

/// Starts a process that holds the same descriptors.
fn child() -> io::Result<Child> {
    Command::new(env::current_exe()?).arg("idle").env_remove("NOTIFY_SOCKET").spawn()
}

/// Waits, with whatever was inherited, as long as the parent lives.
pub(crate) fn idle() -> io::Result<Never> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    forever()
}
