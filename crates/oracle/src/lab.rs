//! A network namespace whose interfaces we hold the other ends of, with a record of what passes.

use std::cell::Cell;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::Stdio;

use netfilter::ir::Family;
use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use testbed::Netns;

use crate::Error;
use crate::frame::{Id, frame};
use crate::probe::Probe;
use crate::record::{Record, Recorder};
use crate::routes::{Path, Routes};
use crate::tap::Tap;

/// One network namespace with its interfaces.
#[derive(Debug)]
pub(crate) struct Lab {
    netns: Netns,
    taps: Vec<Tap>,
    routes: Routes,
    recorder: Recorder,
    next: Id,
    /// Whether sets of ipset(8) were made.
    sets: Cell<bool>,
}

/// The link-layer address of the interface at this place: locally administered.
fn mac(place: usize) -> u64 {
    0x0200_0000_1000 + u64::try_from(place).unwrap_or(0)
}

fn mac_text(place: usize) -> String {
    let bytes: Vec<_> =
        mac(place).to_be_bytes().iter().skip(2).map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

/// The settings that would decide about packets before or besides the rules. `all` and `default`
/// before the interfaces exist, because the larger value counts (netfilter's docs: rp_filter).
const SETTINGS: &str = "set -e
cd /proc/sys/net
for conf in all default lo; do
  echo 0 > ipv4/conf/$conf/rp_filter
  echo 1 > ipv4/conf/$conf/accept_local
  echo 1 > ipv4/conf/$conf/route_localnet
  echo 0 > ipv4/conf/$conf/send_redirects
  echo 0 > ipv6/conf/$conf/accept_dad
  echo 0 > ipv6/conf/$conf/accept_ra
  echo 0 > ipv6/conf/$conf/router_solicitations
  echo 1 > ipv6/conf/$conf/addr_gen_mode
done
echo 0 > ipv4/icmp_echo_ignore_broadcasts
";

impl Lab {
    /// Makes a namespace with these interfaces.
    pub(crate) fn new(path: Path, interfaces: &[String]) -> Result<Self, Error> {
        let netns = Netns::new()?;
        let forwards = path == Path::Forward;
        let mut settings = SETTINGS.to_owned();
        if forwards {
            settings.push_str("echo 1 > ipv4/ip_forward\necho 1 > ipv6/conf/all/forwarding\n");
        }
        netns.run(&["sh", "-c", &settings])?.ok()?;
        let (taps, recorder) = devices(&netns, interfaces)?;
        let own = Self {
            netns,
            taps,
            routes: Routes::new(path, interfaces),
            recorder,
            next: 0,
            sets: Cell::new(false),
        };
        own.address()?;
        own.feed("nft", &["-f", "-"], Self::EMPTY)?;
        Ok(own)
    }

    /// Gives the interfaces their addresses and the namespace its routes.
    fn address(&self) -> Result<(), Error> {
        let mut four = String::new();
        let mut six = String::new();
        for (at, name) in self.routes.interfaces().iter().enumerate() {
            four.push_str(&format!("link set {name} address {} up\n", mac_text(at)));
            // Benchmarking addresses (RFC 2544, RFC 5180), which no ruleset is about.
            four.push_str(&format!("address add 198.18.0.{}/32 dev {name}\n", at + 1));
            six.push_str(&format!("address add 2001:2::{:x}/128 dev {name} nodad\n", at + 1));
        }
        if self.routes.path() == Path::Input {
            four.push_str("route add local 0.0.0.0/0 dev lo\n");
            six.push_str("route add local ::/0 dev lo\n");
        }
        for (family, network, name) in self.routes.list() {
            let batch = if family == Family::Ipv4 { &mut four } else { &mut six };
            batch.push_str(&format!("route add {network} dev {name}\n"));
        }
        self.feed("ip", &["-4", "-batch", "-"], &four)?;
        self.feed("ip", &["-6", "-batch", "-"], &six)
    }

    /// The ruleset without anything but the record.
    pub(crate) const EMPTY: &str = crate::record::RULESET;

    /// Whether there may be sets from an earlier ruleset.
    pub(crate) fn has_sets(&self) -> bool {
        self.sets.get()
    }

    pub(crate) fn note_sets(&self) {
        self.sets.set(true);
    }

    /// Runs a program inside with this input.
    pub(crate) fn feed(
        &self,
        program: &'static str,
        arguments: &[&str],
        input: &str,
    ) -> Result<(), Error> {
        let start = |error| Error::Io { what: format!("start {program}"), source: error };
        let mut child = self
            .netns
            .command(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends before it has read everything says why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(start)?;
        if output.status.success() {
            return Ok(());
        }
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::Refused { program, stderr })
    }

    /// What a program prints inside.
    pub(crate) fn print(&self, arguments: &[&str]) -> Result<String, Error> {
        Ok(self.netns.run(arguments)?.ok()?)
    }

    /// What whyopen sees inside, as a snapshot keeps it: the part about the namespace.
    pub(crate) fn look(&self) -> Result<String, Error> {
        let request = collect::sockets::Request {
            reach: true,
            this_netns_only: true,
            ..collect::sockets::Request::default()
        };
        let found = inside(&self.netns, || {
            Ok(collect::sockets::collect(&request, &collect::netns::Leads::default()).namespaces)
        })?;
        let mut namespace = found.items().first().cloned().unwrap_or_default();
        // Of what is not about rules, only the interfaces matter.
        namespace.settings = facts::Part::NotAsked;
        namespace.routes = facts::Part::NotAsked;
        namespace.rules = facts::Part::NotAsked;
        namespace.attached = facts::Part::NotAsked;
        serde_json::to_string_pretty(&namespace)
            .map_err(|error| Error::Confused(format!("a snapshot cannot be written: {error}")))
    }

    /// Lets a packet arrive. The record, if every chain let it through.
    pub(crate) fn ask(&mut self, probe: &Probe) -> Result<Option<Record>, Error> {
        let found = self.routes.interfaces().iter().position(|name| *name == probe.iif);
        let tap = found.and_then(|at| self.taps.get(at).map(|tap| (at, tap)));
        let Some((at, tap)) = tap else {
            return Err(Error::Confused(format!("there is no interface {}", probe.iif)));
        };
        self.next = self.next.wrapping_add(1).max(1);
        tap.receive(&frame(probe, mac(at), self.next))?;
        // Answers of the kernel itself are recorded too; they are not this packet.
        while let Some(record) = self.recorder.next()? {
            if record.seen.id == self.next && record.seen.protocol == probe.protocol {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// Opens the devices and the record in the namespace.
fn devices(netns: &Netns, interfaces: &[String]) -> Result<(Vec<Tap>, Recorder), Error> {
    inside(netns, || {
        let taps = interfaces.iter().map(|name| Tap::open(name)).collect::<Result<_, _>>()?;
        Ok((taps, Recorder::bind()?))
    })
}

/// Runs something in the namespace, on a thread that moves there and ends.
fn inside<T: Send>(
    netns: &Netns,
    run: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let path = netns.path();
    let enter = || {
        let file = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(Error::io(format!("open {}", path.display())))?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(Error::io(format!("enter {}", path.display())))?;
        run()
    };
    std::thread::scope(|scope| match scope.spawn(enter).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
