//! A host with listeners and clients around it, asked and tried.

use std::fs::Permissions;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use facts::Prefix;
use serde_json::Value;
use testbed::{Client, HostOptions, Lab, Reply};

use crate::listing::{Listing, Row};
use crate::seen::{AGENT, BINARY, Seen, WHYOPEN};

/// How long a connection may take. A drop is one that takes longer; neighbour discovery without an
/// answer takes three seconds to fail.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// A host with listeners, and clients beside it.
pub(crate) struct Scene {
    clients: Vec<Sender>,
    pub(crate) seen: Seen,
    pub(crate) number: u8,
}

/// A client, and the addresses it sends from.
struct Sender {
    client: Client,
    four: IpAddr,
    six: IpAddr,
}

/// What is listened at for any test: over both families, but 81 over IPv4 alone and 82 over IPv6
/// alone.
const SOCKETS: [&str; 4] =
    ["tcp:[::]:22,dual", "tcp:[::]:80,dual", "tcp:0.0.0.0:81", "tcp:[::]:82,v6only"];

impl Scene {
    /// A host with [`SOCKETS`], on its link a client.
    pub(crate) fn boot(name: &str) -> Self {
        Self::boot_with(name, &HostOptions::new().privileged())
    }

    /// The same with these options.
    pub(crate) fn boot_with(name: &str, options: &HostOptions) -> Self {
        let seen = Seen::boot_on(Lab::new().unwrap(), name, options);
        let number = seen.lab.number();
        seen.host.join(number).unwrap();
        let hold = [&[AGENT, "hold", "--accept"][..], &SOCKETS].concat();
        seen.host.start_service("listener", &hold).unwrap();
        let mut scene = Self { clients: Vec::new(), seen, number };
        scene.client();
        scene
    }

    /// The client that was there first.
    pub(crate) fn first(&self) -> &Client {
        &self.clients.first().unwrap().client
    }

    /// Puts a further client on the link.
    pub(crate) fn client(&mut self) -> &Client {
        let client = self.seen.lab.client().unwrap();
        let (four, six) = (v4(client.number()), v6(client.number()));
        self.clients.push(Sender { client, four, six });
        &self.clients.last().unwrap().client
    }

    /// Puts a further client on the link that sends from these addresses; the host finds back to
    /// them if `routed`.
    pub(crate) fn client_from(&mut self, four: &str, six: &str, routed: bool) {
        let number = self.client().number();
        let (host4, host6) = (v4(self.number), v6(self.number));
        let sender = self.clients.last_mut().unwrap();
        for arguments in [
            format!("address add {four}/32 dev eth0"),
            format!("address add {six}/128 dev eth0 nodad"),
            format!("route replace {host4}/32 dev eth0 src {four}"),
            format!("-6 route replace {host6}/128 dev eth0 src {six}"),
        ] {
            let words: Vec<&str> = ["ip"].into_iter().chain(arguments.split(' ')).collect();
            sender.client.netns().run(&words).unwrap().ok().unwrap();
        }
        (sender.four, sender.six) = (four.parse().unwrap(), six.parse().unwrap());
        if routed {
            self.run(&format!("ip route add {four}/32 via {}", v4(number)));
            self.run(&format!("ip -6 route add {six}/128 via {}", v6(number)));
        }
    }

    /// Runs a shell command in the host.
    #[track_caller]
    pub(crate) fn run(&self, shell: &str) -> String {
        self.seen.run(&["sh", "-euc", shell])
    }

    /// Lists the host's sockets, compares each verdict with what was expected, and then lets every
    /// client connect: what was said must hold for each. The same is said of a snapshot, on this
    /// machine and as an ordinary user.
    #[track_caller]
    pub(crate) fn check(&self, expected: &[Expected<'_>]) -> Listing {
        let listing = self.seen.list();
        let elsewhere = self.list_elsewhere();
        for expected in expected {
            let rows = |listing: &Listing| -> Value {
                let row = expected.row(listing);
                row.0[expected.wire.name()].clone()
            };
            let reach = rows(&listing);
            assert_eq!(reach, rows(&elsewhere), "judged elsewhere: {expected:?}");
            assert_eq!(reach["verdict"], expected.verdict, "{expected:?}: {reach:#}");
            let decided = reach["decided_by"].as_str().unwrap_or_default();
            assert!(decided.contains(expected.decided_by), "{expected:?}: {reach:#}");
            let to = self.address(expected.wire);
            self.try_all(SocketAddr::new(to, expected.port), expected.wire, &reach);
        }
        listing
    }

    /// Lets every client connect, and compares with what is said of it, and of its packet.
    #[track_caller]
    pub(crate) fn try_all(&self, to: SocketAddr, wire: Wire, reach: &Value) {
        thread::scope(|scope| {
            let tries = self.clients.iter().map(|sender| {
                let client = &sender.client;
                let connects = scope.spawn(move || client.connect(to, LIMIT).unwrap());
                (sender.address(wire), connects)
            });
            let tries: Vec<_> = tries.collect();
            for (from, reply) in tries {
                // Whatever the way back to it is, this is where it comes in.
                let explained = self.explain(from, &format!("{to}/tcp"), &["--in", "host0"]);
                let reply = reply.join().unwrap();
                let about = format!("{from} to {to}: {reply:?}, {reach:#}, {explained:#}");
                holds(reach, from, reply, &about);
                explains(&explained, from, reply, &about);
                if reach["verdict"] != "unknown" {
                    assert_ne!(explained["verdict"], "unknown", "{about}");
                }
            }
        });
    }

    /// What `whyopen explain` says of a packet.
    pub(crate) fn explain(&self, from: IpAddr, to: &str, more: &[&str]) -> Value {
        let from = from.to_string();
        let ask = [WHYOPEN, "explain", "--from", &from, "--to", to, "-o", "json"];
        serde_json::from_str(&self.seen.run(&[&ask[..], more].concat())).unwrap()
    }

    /// Lets every client send to this port of the host, and compares with what is said of the
    /// packet. Returns how many of them were open, blocked and not known.
    #[track_caller]
    pub(crate) fn explains_all(&self, ports: &[(&str, u16)]) -> [usize; 3] {
        let mut count = [0; 3];
        for ((protocol, port), wire) in
            ports.iter().flat_map(|one| [(one, Wire::V4), (one, Wire::V6)])
        {
            for sender in &self.clients {
                let (from, to) = (sender.address(wire), self.address(wire));
                let to = SocketAddr::new(to, *port);
                let reply = match *protocol {
                    "udp" => sender.client.ask(to, LIMIT).unwrap(),
                    _ => sender.client.connect(to, LIMIT).unwrap(),
                };
                // The address and the interface are found as well as given.
                let found = self.explain(from, &format!(":{port}/{protocol}"), &[]);
                let given = self.explain(from, &format!("{to}/{protocol}"), &["--in", "host0"]);
                let about = format!("{from} to {to}/{protocol}: {reply:?}, {found:#}");
                for key in ["verdict", "client_sees", "decided_by", "to"] {
                    assert_eq!(found[key], given[key], "{about} {given:#}");
                }
                explains(&found, from, reply, &about);
                let place = ["open", "blocked", "unknown"];
                let place = place.iter().position(|word| found["verdict"] == *word).unwrap();
                count[place] += 1;
                self.fits_a_screen(from, &format!("{to}/{protocol}"));
            }
        }
        count
    }

    /// Fails unless the text about a packet fits a screen.
    #[track_caller]
    fn fits_a_screen(&self, from: IpAddr, to: &str) {
        let from = from.to_string();
        let ask = [WHYOPEN, "explain", "--from", &from, "--to", to, "--width", "96"];
        let text = self.seen.run(&ask);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(text.lines().count() <= 40 && widest <= 96, "{text}");
    }

    /// Lets every client find a way to these addresses through the host.
    pub(crate) fn route_through(&self, net: &str) {
        let net: Prefix = {
            let (net, len) = net.split_once('/').unwrap();
            Prefix { address: net.parse().unwrap(), len: len.parse().unwrap() }
        };
        let wire = if net.address.is_ipv4() { Wire::V4 } else { Wire::V6 };
        let (net, via) = (format!("{}/{}", net.address, net.len), self.address(wire).to_string());
        for sender in &self.clients {
            let add = ["ip", "route", "add", &net, "via", &via];
            sender.client.netns().run(&add).unwrap().ok().unwrap();
        }
    }

    /// What a snapshot of the host says, on this machine and as nobody.
    #[track_caller]
    fn list_elsewhere(&self) -> Listing {
        let text = self.seen.run(&[WHYOPEN, "snapshot"]);
        let everyone = Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(everyone).tempdir().unwrap();
        let (file, program) = (folder.path().join("host.json"), folder.path().join("whyopen"));
        std::fs::write(&file, text).unwrap();
        std::fs::copy(&*BINARY, &program).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all"]);
        command.arg("--no-new-privs").arg("--").arg(program);
        let output = command.arg("--from").arg(file).args(["-a", "-o", "json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Listing { json: serde_json::from_slice(&output.stdout).unwrap() }
    }

    /// The host's address.
    pub(crate) fn address(&self, wire: Wire) -> IpAddr {
        wire.pick(v4(self.number), v6(self.number))
    }
}

impl Sender {
    fn address(&self, wire: Wire) -> IpAddr {
        wire.pick(self.four, self.six)
    }
}

/// Fails unless what is said of a source is what it got.
#[track_caller]
fn holds(reach: &Value, from: IpAddr, reply: Reply, about: &str) {
    if contains(&reach["must"], from) {
        assert_eq!(reply, Reply::Connected, "said to be let in: {about}");
    }
    if !contains(&reach["may"], from) {
        assert_ne!(reply, Reply::Connected, "said to be kept out: {about}");
        let sees = reach["client_sees"].as_str();
        let says_one = !matches!(sees, None | Some("mixed" | "connected"));
        assert!(!says_one || is_seen(sees, from, reply), "said to see {sees:?}: {about}");
    }
}

/// Fails unless what is said of a packet is what its sender got.
#[track_caller]
fn explains(explained: &Value, from: IpAddr, reply: Reply, about: &str) {
    let sees = explained["client_sees"].as_str();
    match explained["verdict"].as_str().unwrap() {
        "unknown" => assert_eq!(sees, Some("mixed"), "{about}"),
        verdict => {
            let gets_in = matches!(reply, Reply::Connected | Reply::Answered);
            assert_eq!(verdict == "open", gets_in, "explained: {about}");
            // A neighbour with such a source gets no answer to its ARP request either, and gives up
            // by itself (net/ipv4/arp.c, arp_process).
            let steps = explained["steps"].as_array().unwrap();
            let is_martian = steps.iter().any(|step| step["step"] == "source");
            let gives_up = is_martian && reply == Reply::Unreachable;
            assert!(gives_up || is_seen(sees, from, reply), "explained: {about}");
        }
    }
}

/// Whether a word for what a client sees is the reply that it got.
fn is_seen(word: Option<&str>, from: IpAddr, reply: Reply) -> bool {
    let name = match reply {
        Reply::Connected => "connected",
        Reply::Answered => "answered",
        Reply::Refused => "refused",
        Reply::TimedOut => "timed_out",
        Reply::Unreachable => "unreachable",
        Reply::Prohibited => "prohibited",
    };
    // IPv4 reports a rule's "prohibited" as "unreachable".
    word == Some(name) || from.is_ipv4() && name == "unreachable" && word == Some("prohibited")
}

/// Whether an address is in a list of prefixes.
pub(crate) fn contains(prefixes: &Value, address: IpAddr) -> bool {
    prefixes.as_array().unwrap().iter().any(|prefix| {
        let (net, len) = prefix.as_str().unwrap().split_once('/').unwrap();
        let prefix = Prefix { address: net.parse().unwrap(), len: len.parse().unwrap() };
        prefix.contains(address)
    })
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    V4,
    V6,
}

impl Wire {
    pub(crate) fn name(self) -> &'static str {
        self.pick("ipv4", "ipv6")
    }

    fn pick<T>(self, four: T, six: T) -> T {
        match self {
            Self::V4 => four,
            Self::V6 => six,
        }
    }
}

/// A verdict that is expected about one socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'e> {
    /// Where it is bound.
    address: &'e str,
    port: u16,
    wire: Wire,
    verdict: &'e str,
    decided_by: &'e str,
}

impl Expected<'_> {
    #[track_caller]
    fn row<'l>(&self, listing: &'l Listing) -> Row<'l> {
        listing.one("tcp", self.address, Some(self.port))
    }
}

/// `[::]:22 ipv4 open` with what decides, or a part of it.
pub(crate) fn expect<'e>(text: &'e str, decided_by: &'e str) -> Expected<'e> {
    let [socket, wire, verdict] = *text.split(' ').collect::<Vec<_>>() else {
        panic!("{text}");
    };
    let (address, port) = socket.rsplit_once(':').unwrap();
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let wire = if wire == "ipv4" { Wire::V4 } else { Wire::V6 };
    Expected { address, port: port.parse().unwrap(), wire, verdict, decided_by }
}

/// An address of the lab over IPv4.
pub(crate) fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

/// The same over IPv6: the number in decimal digits.
fn v6(number: u8) -> IpAddr {
    let last = u16::from_str_radix(&number.to_string(), 16).unwrap();
    Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, last).into()
}
