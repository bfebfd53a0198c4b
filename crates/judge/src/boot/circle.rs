//! Units that are each to be started after another of them. systemd finds such a circle when it orders
//! a start, and leaves out one that is only wanted (systemd `src/core/transaction.c`,
//! `transaction_verify_order_one`): which one, depends on the order in which it happens to look.

use facts::UnitFile;

use super::graph::{Graph, Started};

/// For each unit that a boot surely starts and that is in such a circle, another one of it.
pub(super) fn find<'a>(graph: &Graph<'a>) -> Vec<Option<&'a str>> {
    let edges: Vec<Vec<usize>> = predecessors(graph);
    let mut found = vec![None; graph.units.len()];
    for circle in components(&edges) {
        for (at, unit) in circle.iter().enumerate() {
            let other = circle.get(at.saturating_add(1)).or(circle.first());
            let name = other.and_then(|other| graph.units.get(*other)).map(|u| u.name.as_str());
            if let Some(place) = found.get_mut(*unit) {
                *place = name;
            }
        }
    }
    found
}

/// For each unit, those that are to be started before it.
fn predecessors(graph: &Graph<'_>) -> Vec<Vec<usize>> {
    let starts = |at: &usize| {
        let unit = graph.units.get(*at);
        unit.is_some_and(|unit| graph.started(&unit.name) == Started::Surely)
    };
    let known = |name: &str| graph.find(name).filter(starts);
    let mut edges: Vec<Vec<usize>> = vec![Vec::new(); graph.units.len()];
    for (at, unit) in graph.units.iter().enumerate().filter(|(at, _)| starts(at)) {
        let own = |name: &String| known(name);
        let (after, before) = if unit.no_defaults { (&[][..], &[][..]) } else { defaults(unit) };
        let earlier = unit.after.iter().filter_map(own);
        for earlier in earlier.chain(after.iter().filter_map(|name| known(name))) {
            add(&mut edges, at, earlier);
        }
        let later = unit.before.iter().filter_map(own);
        for later in later.chain(before.iter().filter_map(|name| known(name))) {
            add(&mut edges, later, at);
        }
    }
    // A target is reached after what it pulls in, unless that is ordered behind it already (systemd
    // `src/core/unit.c`, `unit_add_default_target_dependency`).
    let is_target = |unit: &&UnitFile| kind(unit) == "target" && !unit.no_defaults;
    for unit in graph.units.iter().filter(is_target) {
        let Some(at) = known(&unit.name) else { continue };
        let pulled = unit.pulls.iter().filter(|pull| super::graph::pulls_in(pull.kind));
        for earlier in pulled.filter_map(|pull| known(&pull.to)) {
            let ordered = graph.units.get(earlier).is_some_and(|other| !other.no_defaults);
            if ordered && edges.get(earlier).is_some_and(|list| !list.contains(&at)) {
                add(&mut edges, at, earlier);
            }
        }
    }
    edges
}

fn add(edges: &mut [Vec<usize>], later: usize, earlier: usize) {
    if later != earlier
        && let Some(list) = edges.get_mut(later)
    {
        list.push(earlier);
    }
}

/// After and before what a unit is started because of its kind (systemd.service(5), systemd.socket(5),
/// systemd.timer(5), systemd.path(5): "Default Dependencies").
fn defaults(unit: &UnitFile) -> (&'static [&'static str], &'static [&'static str]) {
    match kind(unit) {
        "service" => (&["sysinit.target", "basic.target"], &[]),
        "socket" => (&["sysinit.target"], &["sockets.target"]),
        "timer" => (&["sysinit.target"], &["timers.target"]),
        "path" => (&["sysinit.target"], &["paths.target"]),
        _ => (&[], &[]),
    }
}

fn kind(unit: &UnitFile) -> &str {
    unit.name.rsplit_once('.').map_or("", |(_, kind)| kind)
}

/// The groups of more than one that lead to each other (Tarjan's algorithm, without recursion).
fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut walk = Walk {
        order: vec![None; edges.len()],
        low: vec![0; edges.len()],
        open: vec![false; edges.len()],
        stack: Vec::new(),
        count: 0,
        found: Vec::new(),
    };
    for root in 0..edges.len() {
        if walk.order.get(root).is_some_and(Option::is_none) {
            walk.from(root, edges);
        }
    }
    walk.found
}

struct Walk {
    /// When each was first met.
    order: Vec<Option<usize>>,
    /// The earliest that each leads to.
    low: Vec<usize>,
    open: Vec<bool>,
    stack: Vec<usize>,
    count: usize,
    found: Vec<Vec<usize>>,
}

impl Walk {
    fn meet(&mut self, at: usize) {
        let places = (self.order.get_mut(at), self.low.get_mut(at), self.open.get_mut(at));
        if let (Some(order), Some(low), Some(open)) = places {
            (*order, *low, *open) = (Some(self.count), self.count, true);
        }
        self.stack.push(at);
        self.count = self.count.saturating_add(1);
    }

    fn lower(&mut self, at: usize, to: usize) {
        if let Some(low) = self.low.get_mut(at) {
            *low = (*low).min(to);
        }
    }

    fn from(&mut self, root: usize, edges: &[Vec<usize>]) {
        let mut way: Vec<(usize, usize)> = vec![(root, 0)];
        self.meet(root);
        while let Some((at, next)) = way.last_mut() {
            let at = *at;
            let to = edges.get(at).and_then(|list| list.get(*next)).copied();
            *next = next.saturating_add(1);
            if let Some(to) = to {
                match self.order.get(to).copied().flatten() {
                    None => {
                        self.meet(to);
                        way.push((to, 0));
                    }
                    Some(met) if self.open.get(to) == Some(&true) => self.lower(at, met),
                    Some(_) => {}
                }
                continue;
            }
            way.pop();
            let low = self.low.get(at).copied().unwrap_or_default();
            if let Some((before, _)) = way.last() {
                self.lower(*before, low);
            }
            if self.order.get(at).copied().flatten() == Some(low) {
                self.close(at);
            }
        }
    }

    /// Takes a group off the stack.
    fn close(&mut self, first: usize) {
        let from = self.stack.iter().rposition(|at| *at == first).unwrap_or(0);
        let group = self.stack.split_off(from);
        for at in &group {
            if let Some(open) = self.open.get_mut(*at) {
                *open = false;
            }
        }
        if group.len() > 1 {
            self.found.push(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        let check = |edges: &[&[usize]], expect: &[&[usize]]| {
            let edges: Vec<Vec<usize>> = edges.iter().map(|list| list.to_vec()).collect();
            let mut found = components(&edges);
            for group in &mut found {
                group.sort_unstable();
            }
            found.sort();
            assert_eq!(found, expect, "{edges:?}");
        };
        check(&[], &[]);
        check(&[&[1], &[2], &[]], &[]);
        check(&[&[1], &[0]], &[&[0, 1]]);
        check(&[&[1], &[2], &[0, 3], &[]], &[&[0, 1, 2]]);
        check(&[&[1], &[0, 2], &[3], &[2], &[0]], &[&[0, 1], &[2, 3]]);
        check(&[&[1, 2], &[3], &[3], &[]], &[]);
    }
}
