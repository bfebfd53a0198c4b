//! A network namespace as reach needs it: its packet filter, its routing, and what stands beside.

use std::borrow::Cow;
use std::rc::Rc;

use facts::{
    AttachPoint, Attached, IfIndex, Link, NetNamespace, OtherNetns, Part, RulesetDump, RulesetText,
};
use netfilter::ir::{Note, Place, Ruleset, Step, Verdict};
use netfilter::symbolic::silences;
use netfilter::world::{Dropped, Silence, World};
use packet_set::{Budget, RangeSet};

use super::{Wire, regions};

/// The packet filter and routing of one namespace.
#[derive(Debug)]
pub(crate) struct Home {
    /// What of it could not be read at all: what, and why. With any of these nothing is known.
    pub(crate) unread: Vec<(String, String)>,
    /// The packet filter.
    pub(crate) ruleset: Ruleset,
    /// The interfaces, addresses and routes.
    pub(crate) world: World,
    /// Programs that can drop packets.
    pub(crate) programs: Vec<Program>,
    /// A rule that gives packets to a socket of its choice (`tproxy`), whatever they are addressed to.
    pub(crate) proxy: Option<String>,
    sides: [Sides; 2],
}

/// A program beside the packet filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The interface it is attached to; none: it can concern any packet.
    pub(crate) link: Option<String>,
    /// Whether it chooses the socket of a packet, so that others than expected may get it.
    pub(crate) diverts: bool,
    /// What to call it.
    pub(crate) label: String,
}

/// What is known of the sources of one family.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    /// The interfaces that packets from elsewhere arrive on.
    pub(crate) ways: Vec<String>,
    /// The sources that belong to each of these alone; none where that is not known.
    pub(crate) regions: Option<Vec<RangeSet>>,
    /// The neighbours on any of these.
    pub(crate) on_link: RangeSet,
    /// The sources of which it is not known to which one interface they belong.
    pub(crate) of_several: RangeSet,
    /// The addresses that no host elsewhere can have.
    pub(crate) nobodys: Rc<RangeSet>,
    /// The same with those of containers on this host: the networks of bridges and of pairs of
    /// interfaces that lead into other namespaces only. For what is translated or forwarded, who is behind it is no guest.
    pub(crate) not_guests: Rc<RangeSet>,
}

impl Sides {
    /// The sources that belong to an interface; none where that is not known.
    pub(crate) fn region(&self, way: usize) -> Option<&RangeSet> {
        self.regions.as_ref()?.get(way)
    }
}

impl Home {
    /// Reads what the kernel told; none for a namespace that is known from its sockets alone.
    pub(crate) fn of(fact: Option<&NetNamespace>) -> Self {
        let mut unread = Vec::new();
        let ruleset = fact.map(|fact| &fact.ruleset);
        missing(ruleset, "the packet filter", &mut unread);
        if let Some(dump) = ruleset.and_then(Part::value) {
            // What is missing from a part is a doubt of the evaluation.
            if dump.nftables.value().is_none() {
                missing(Some(&dump.nftables), "nftables", &mut unread);
            }
            if dump.legacy.value().is_none() {
                missing(Some(&dump.legacy), "the older iptables", &mut unread);
            }
        }
        let links = fact.map_or(&[][..], |fact| fact.links.items());
        let dump = ruleset.and_then(Part::value);
        let mut world = fact.map(World::of).unwrap_or_default();
        let ruleset = dump.map(|dump| read(dump, links)).unwrap_or_default();
        let silent = silences(&ruleset, &world, Budget::default());
        world.silence(silent.unwrap_or_else(|_| not_known(&world)));
        Self {
            unread,
            proxy: proxy(&ruleset),
            ruleset,
            sides: Wire::BOTH.map(|wire| sides(fact, &world, wire)),
            world,
            programs: fact.map(programs).unwrap_or_default(),
        }
    }

    /// What gives packets to a socket of its choice, whatever they are addressed to: then a socket can
    /// be reached by others than its own address and port let in.
    pub(crate) fn chooser(&self) -> Option<&str> {
        let program = self.programs.iter().find(|program| program.diverts);
        program.map(|program| program.label.as_str()).or(self.proxy.as_deref())
    }

    /// Its routing as sockets have it that are bound to this interface, or to none.
    pub(crate) fn world_of(&self, device: Option<&str>) -> Cow<'_, World> {
        let bound = device.and_then(|device| self.world.bound_to(device));
        bound.map_or(Cow::Borrowed(&self.world), Cow::Owned)
    }

    /// What is known of the sources of a family.
    pub(crate) fn sides(&self, wire: Wire) -> &Sides {
        let [four, six] = &self.sides;
        if wire == Wire::Ipv4 { four } else { six }
    }
}

/// The first rule with `tproxy`, as text.
fn proxy(ruleset: &Ruleset) -> Option<String> {
    let takes = |step: &Step| match step {
        Step::Select(list) => list.iter().any(|(_, verdict)| match verdict {
            Verdict::Queue(text) | Verdict::Unknown(text) => {
                let name = text.trim_start_matches("-j ").split(' ').next().unwrap_or_default();
                name.eq_ignore_ascii_case("tproxy")
            }
            _ => false,
        }),
        _ => false,
    };
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    let mut rules = chains.flat_map(|chain| &chain.rules);
    rules.find(|rule| rule.steps.iter().any(takes)).map(|rule| rule.text.clone())
}

/// Whether neighbours find each other is known of no interface.
fn not_known(world: &World) -> Vec<Silence> {
    let ways = world.ways_in(Wire::Ipv6.family()).into_iter();
    let silence = |way: &str| Silence {
        interface: way.to_owned(),
        complete: false,
        dropped: Dropped::NotKnown,
    };
    ways.map(silence).collect()
}

/// What is known of the sources of a family.
fn sides(fact: Option<&NetNamespace>, world: &World, wire: Wire) -> Sides {
    let family = wire.family();
    let ways: Vec<String> = world.ways_in(family).into_iter().map(ToOwned::to_owned).collect();
    let regions = fact.and_then(|fact| {
        let by_index = regions::of(fact, wire)?;
        let of = |way: &String| {
            let link = fact.links.items().iter().find(|link| link.name == *way)?;
            by_index.get(&link.index.0).cloned()
        };
        // Each interface has neighbours with link-local addresses of its own.
        let local = if wire == Wire::Ipv6 { link_local() } else { RangeSet::empty() };
        let regions = ways.iter().map(|way| of(way).unwrap_or_default().union(&local));
        Some(regions.collect::<Vec<RangeSet>>())
    });
    let known = regions.iter().flatten().fold(RangeSet::empty(), |all, own| all.union(own));
    let on_link = world.on_link(family);
    let nobodys = world.anyone(family).complement(wire.max());
    let behind = fact.map(inner_links).unwrap_or_default();
    let behind = on_link.iter().filter(|(name, _)| behind.contains(name));
    let behind = behind.fold(RangeSet::empty(), |all, (_, own)| all.union(own));
    Sides {
        ways,
        of_several: known.complement(wire.max()),
        regions,
        on_link: on_link.iter().fold(RangeSet::empty(), |all, (_, own)| all.union(own)),
        not_guests: Rc::new(nobodys.union(&behind)),
        nobodys: Rc::new(nobodys),
    }
}

/// The interfaces that lead into other namespaces of this host: bridges by all of their ports, and
/// pairs of interfaces. What is called the host may be a container of which the pair leads out, to a
/// namespace that is not found.
fn inner_links(fact: &NetNamespace) -> Vec<&str> {
    let links = fact.links.items();
    let leads_in = |port: &Link| port.kind == "veth" && port.lower_netns.is_some();
    let is_inner = |link: &&Link| match link.kind.as_str() {
        "bridge" => links.iter().filter(|port| port.master == Some(link.index)).all(leads_in),
        "veth" => {
            let found = matches!(link.lower_netns, Some(OtherNetns::Found(_)));
            fact.host && link.master.is_none() && found
        }
        _ => false,
    };
    links.iter().filter(is_inner).map(|link| link.name.as_str()).collect()
}

/// The whole ruleset.
fn read(dump: &RulesetDump, links: &[Link]) -> Ruleset {
    let mut ruleset = netfilter::live::ruleset(dump, links);
    for RulesetText { name, text } in &dump.texts {
        match netfilter::rules::load(&[(name, text.as_bytes())]) {
            Ok(more) => ruleset.join(more),
            Err(error) => {
                let place = Place { file: name.as_str().into(), line: 0, handle: None };
                ruleset.notes.push(Note { place, what: error.to_string() });
            }
        }
    }
    ruleset
}

/// Addresses that are valid on one link only (RFC 4291, section 2.5.6).
fn link_local() -> RangeSet {
    RangeSet::from(0xfe80 << 112..=(0xfec0 << 112) - 1)
}

/// The programs beside the packet filter, and what of them could not be read.
fn programs(fact: &NetNamespace) -> Vec<Program> {
    let links = fact.links.items();
    let name = |index: IfIndex| {
        let link = links.iter().find(|link| link.index == index);
        link.map_or_else(|| format!("interface {index}"), |link| link.name.clone())
    };
    let of = |attached: &Attached| {
        let link = attached.link.map(name);
        let diverts = attached.point == AttachPoint::SocketLookup;
        Program { label: label(attached, link.as_deref()), link, diverts }
    };
    let unread = |gap: &facts::Gap| Program {
        link: None,
        diverts: false,
        label: format!("{} not read ({})", gap.what, gap.why),
    };
    let mut list: Vec<Program> = fact.attached.items().iter().map(of).collect();
    list.extend(fact.attached.gaps().iter().map(unread));
    list
}

/// `XDP program xdp_filter on eth0`.
fn label(attached: &Attached, link: Option<&str>) -> String {
    let kind = match attached.point {
        AttachPoint::Xdp => "XDP program",
        AttachPoint::TcxIngress => "tcx ingress program",
        AttachPoint::TcxEgress => "tcx egress program",
        AttachPoint::TcIngress => "tc ingress filter",
        AttachPoint::TcEgress => "tc egress filter",
        AttachPoint::Netkit => "netkit program",
        AttachPoint::SocketLookup => "socket lookup program",
        AttachPoint::Other => "program",
    };
    let name = match attached.program {
        _ if !attached.name.is_empty() => format!(" {}", attached.name),
        Some(number) => format!(" {number}"),
        None => String::new(),
    };
    let on = link.map(|link| format!(" on {link}")).unwrap_or_default();
    format!("{kind}{name}{on}")
}

/// Adds what is missing from a part.
fn missing<T>(part: Option<&Part<T>>, what: &str, unread: &mut Vec<(String, String)>) {
    match part {
        Some(Part::Known { .. }) => {}
        None | Some(Part::NotAsked) => {
            unread.push((what.to_owned(), "this snapshot does not hold it".to_owned()));
        }
        Some(Part::Partial { gaps, .. }) => {
            unread.extend(gaps.iter().map(|gap| (gap.what.clone(), gap.why.clone())));
        }
        Some(Part::Unreadable { gap }) => unread.push((gap.what.clone(), gap.why.clone())),
    }
}
