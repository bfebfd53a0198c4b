//! How a network namespace routes: every table of routes, and the rules that choose among them.
//!
//! Input: the namespace that the calling thread is in, over rtnetlink(7). Output: the routes and
//! rules of both families. The rules:
//!
//! * **All tables**, and what stands in none of them but acts like a route (`blackhole`,
//!   `prohibit` …). What the kernel only remembers of a path (`RTM_F_CLONED`) is no route.
//! * **A way out that is not known is said.** Routes may name a next hop by a number; the kernel
//!   mostly spells it out all the same, and otherwise it is looked up. A route whose next hop cannot
//!   be read has a gap.
//! * **Cheap for big tables.** A router has a million routes: one pass over the dump, no map.

mod hops;
mod neighbours;
mod parse;
#[cfg(test)]
mod tests;

use facts::{Gap, Neighbour, Part, Remedy, Route, RoutingRule};

pub(crate) use hops::{NextHops, parse_next_hop};
use neighbours::{NeighbourSink, RTM_GETNEIGH, parse_neighbour};
pub(crate) use parse::{parse_route, parse_rule};

use crate::ip_family::IpFamily;
use crate::netlink::{Channel, Error, Family, Malformed, Message, Query, Sink};

// Message types (`include/uapi/linux/rtnetlink.h`).
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWRULE: u16 = 32;
const RTM_GETRULE: u16 = 34;

/// What rtnetlink told.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The routes, sorted.
    pub(crate) routes: Part<Vec<Route>>,
    /// The neighbours of IPv6 whose link-layer address is known, sorted.
    pub(crate) neighbours: Part<Vec<Neighbour>>,
    /// The rules, by family and priority, then in the kernel's order.
    pub(crate) rules: Part<Vec<RoutingRule>>,
}

/// Reads them, on a thread inside the namespace of this label.
pub(crate) fn read(label: &str) -> Read {
    let unread = |what: &str, error: &Error| {
        let gap = Gap::new(format!("{what} of {label}"), format!("rtnetlink: {error}"));
        if error.is_denied() { gap.remedied_by(Remedy::Root) } else { gap }
    };
    let mut channel = match Channel::open(Family::Route) {
        Ok(channel) => channel,
        Err(error) => {
            return Read {
                routes: Part::unreadable(unread("routes", &error)),
                neighbours: Part::unreadable(unread("neighbours", &error).minor()),
                rules: Part::unreadable(unread("routing rules", &error)),
            };
        }
    };
    let mut routes = RouteSink::default();
    let mut rules = RuleSink::default();
    let (mut route_gaps, mut rule_gaps) = (Vec::new(), Vec::new());
    for family in IpFamily::ALL {
        // struct rtmsg and struct fib_rule_hdr: 12 bytes, of which the first is the family.
        let mut header = [0; 12];
        header[0] = family.number();
        let before = (routes.list.len(), rules.list.len());
        routes.begin(family);
        if let Err(error) = channel.run(Query::dump(RTM_GETROUTE, &header), &mut routes) {
            routes.restart();
            route_gaps.push(unread(&format!("{} routes", family.name()), &error));
        }
        rules.begin(family);
        match channel.run(Query::dump(RTM_GETRULE, &header), &mut rules) {
            Ok(()) => {}
            // A kernel without policy routing (CONFIG_IP_MULTIPLE_TABLES) has no such handler, nor
            // has one that was started without IPv6. Then there are no rules to be asked.
            Err(error) if error.is_absent() && rules.list.len() == before.1 => {}
            Err(error) => {
                rules.restart();
                rule_gaps.push(unread(&format!("{} routing rules", family.name()), &error));
            }
        }
    }
    resolve(&mut channel, &mut routes, label, &mut route_gaps);
    routes.list.sort_unstable();
    // A stable sort: rules of one priority are asked in the kernel's order.
    rules.list.sort_by_key(|rule| (rule.ipv6, rule.priority));
    Read {
        routes: part(routes.list, route_gaps),
        neighbours: neighbours(&mut channel, &unread),
        rules: part(rules.list, rule_gaps),
    }
}

/// Reads the neighbours of IPv6.
fn neighbours(channel: &mut Channel, unread: &dyn Fn(&str, &Error) -> Gap) -> Part<Vec<Neighbour>> {
    // struct ndmsg: 12 bytes, of which the first is the family.
    let mut header = [0; 12];
    header[0] = IpFamily::V6.number();
    let mut found = NeighbourSink::default();
    match channel.run(Query::dump(RTM_GETNEIGH, &header), &mut found) {
        Ok(()) => {
            found.list.sort_unstable();
            Part::known(found.list)
        }
        // A kernel without IPv6 has none.
        Err(error) if error.is_absent() => Part::known(Vec::new()),
        Err(error) => Part::unreadable(unread("neighbours", &error).minor()),
    }
}

/// What was read; unreadable if that is nothing at all.
fn part<T>(list: Vec<T>, mut gaps: Vec<Gap>) -> Part<Vec<T>> {
    match gaps.pop() {
        Some(gap) if list.is_empty() && !gaps.is_empty() => Part::unreadable(gap),
        Some(gap) => {
            gaps.push(gap);
            Part::with_gaps(list, gaps)
        }
        None => Part::known(list),
    }
}

/// Fills in the ways out that the kernel named by a number only.
fn resolve(channel: &mut Channel, routes: &mut RouteSink, label: &str, gaps: &mut Vec<Gap>) {
    if routes.by_number.is_empty() {
        return;
    }
    let mut known = NextHops::default();
    let why = match channel.run(hops::query(), &mut known) {
        Ok(()) => "the kernel does not list it".to_owned(),
        Err(error) => format!("rtnetlink: {error}"),
    };
    let mut missing = Vec::new();
    for (at, number) in &routes.by_number {
        let Some(route) = routes.list.get_mut(*at) else { continue };
        match known.resolve(*number) {
            Some(found) => found.apply(route),
            None => missing.push(*number),
        }
    }
    missing.sort_unstable();
    missing.dedup();
    if let Some(first) = missing.first() {
        let more = if missing.len() > 1 { " and others" } else { "" };
        gaps.push(Gap::new(format!("next hop {first}{more} of routes of {label}"), why));
    }
}

/// The routes of one family after the other.
#[derive(Debug, Default)]
struct RouteSink {
    list: Vec<Route>,
    /// Routes of which only the number of their next hop was told: their place, and the number.
    by_number: Vec<(usize, u32)>,
    family: Option<IpFamily>,
    /// How many there were before this family.
    before: (usize, usize),
}

impl RouteSink {
    fn begin(&mut self, family: IpFamily) {
        self.family = Some(family);
        self.before = (self.list.len(), self.by_number.len());
    }
}

impl Sink for RouteSink {
    fn restart(&mut self) {
        self.list.truncate(self.before.0);
        self.by_number.truncate(self.before.1);
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind != RTM_NEWROUTE {
            return Ok(());
        }
        // A family that the kernel does not have is answered with all that it has
        // (net/core/rtnetlink.c, rtnetlink_rcv_msg).
        if let Some(parsed) = parse_route(message.body)?
            && Some(parsed.family) == self.family
        {
            if let Some(number) = parsed.next_hop_number.filter(|_| parsed.route.hops.is_empty()) {
                self.by_number.push((self.list.len(), number));
            }
            self.list.push(parsed.route);
        }
        Ok(())
    }
}

/// The rules of one family after the other.
#[derive(Debug, Default)]
struct RuleSink {
    list: Vec<RoutingRule>,
    family: Option<IpFamily>,
    before: usize,
}

impl RuleSink {
    fn begin(&mut self, family: IpFamily) {
        self.family = Some(family);
        self.before = self.list.len();
    }
}

impl Sink for RuleSink {
    fn restart(&mut self) {
        self.list.truncate(self.before);
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == RTM_NEWRULE
            && let Some(rule) = parse_rule(message.body)?
            && self.family.is_some_and(|family| (family == IpFamily::V6) == rule.ipv6)
        {
            self.list.push(rule);
        }
        Ok(())
    }
}

/// Entry point for fuzzing: the body of a message about a route, a rule or a next hop.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let _ = std::hint::black_box(parse_route(bytes));
    let _ = std::hint::black_box(parse_rule(bytes));
    let _ = std::hint::black_box(parse_neighbour(bytes));
    let mut hops = NextHops::default();
    for number in 0..4_u8 {
        if let Some(rest) = bytes.get(usize::from(number)..) {
            let _ = parse_next_hop(rest, &mut hops);
        }
    }
    for number in 0..4 {
        let _ = std::hint::black_box(hops.resolve(number));
    }
}
