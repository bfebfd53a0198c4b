//! Where the nodes live, and the one place that makes them.

use crate::budget::{Budget, Exceeded};
use crate::diagram::{Diagram, Leaf};
use crate::field::Field;
use crate::ranges::RangeSet;
use crate::substitute::Cache;

/// One node: which field it looks at, and where its edges are. Edge `i` covers the values from
/// bound `i - 1` (0 for the first) to before bound `i` (the largest number for the last).
#[derive(Debug, Clone, Copy)]
struct Node {
    kids_at: u32,
    bounds_at: u32,
    edges: u32,
    hash: u32,
    /// The fields that this node and those below it look at; see [`mask`].
    fields: u64,
    /// Every outcome below this node, as in a leaf.
    outcomes: u16,
    field: u8,
    /// The bounds are in `wide`, because one needs more than 32 bits.
    wide: bool,
}

/// Holds the nodes of the diagrams of one evaluation; all of them are freed with it.
///
/// Nothing is freed before: fold long lists in batches ([`Arena::first_decided`]) rather than
/// rule by rule, because each operation copies the root it changes.
#[derive(Debug)]
pub struct Arena {
    nodes: Vec<Node>,
    kids: Vec<Diagram>,
    narrow: Vec<u32>,
    wide: Vec<u128>,
    /// Open addressing: node number + 1, or 0.
    unique: Vec<u32>,
    budget: Budget,
    steps: u64,
    pub(crate) cache: Cache,
    /// The edges of nodes under construction: (first value, child).
    pub(crate) pending: Vec<(u128, Diagram)>,
}

/// One edge: its first value, the last, and the child.
pub(crate) type Edge = (u128, u128, Diagram);

impl Arena {
    /// An arena without nodes.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        Self {
            nodes: Vec::new(),
            kids: Vec::new(),
            narrow: Vec::new(),
            wide: Vec::new(),
            unique: vec![0; 1 << 10],
            budget,
            steps: 0,
            cache: Cache::new(),
            pending: Vec::new(),
        }
    }

    /// Number of nodes made so far.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Number of edges made so far.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.kids.len()
    }

    /// Steps taken so far; see [`Budget::steps`].
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The diagram that gives every packet this leaf.
    #[must_use]
    pub const fn leaf(&self, leaf: Leaf) -> Diagram {
        Diagram::constant(leaf)
    }

    /// `inside` where the field has one of the values, `outside` elsewhere.
    pub fn field_in(
        &mut self,
        field: Field,
        values: &RangeSet,
        inside: Leaf,
        outside: Leaf,
    ) -> Result<Diagram, Exceeded> {
        let (inside, outside) = (Diagram::constant(inside), Diagram::constant(outside));
        let base = self.pending.len();
        let mut next = Some(0);
        for (lo, hi) in values.iter() {
            if next.is_some_and(|start| lo > start) {
                self.push_edge(base, next.unwrap_or(0), outside);
            }
            self.push_edge(base, lo, inside);
            next = hi.checked_add(1);
        }
        if let Some(start) = next {
            self.push_edge(base, start, outside);
        }
        self.finish_node(field, base)
    }

    /// A node from its edges: for each the first value it covers, and the child. The list is
    /// sorted by value, starts at 0, and no child looks at this field or one before it.
    pub fn node(
        &mut self,
        field: Field,
        edges: impl IntoIterator<Item = (u128, Diagram)>,
    ) -> Result<Diagram, Exceeded> {
        let base = self.pending.len();
        for (start, child) in edges {
            self.push_edge(base, start, child);
        }
        self.finish_node(field, base)
    }

    /// The field that the diagram looks at first.
    #[must_use]
    pub fn top(&self, diagram: Diagram) -> Option<Field> {
        self.get(diagram).map(|node| Field::at(node.field))
    }

    /// The place of the top field, past every field for a leaf.
    pub(crate) fn place(&self, diagram: Diagram) -> u8 {
        self.get(diagram).map_or(u8::MAX, |node| node.field)
    }

    /// The diagram's edges if it looks at this field first, else one edge to the whole diagram.
    pub fn edges(&self, diagram: Diagram, field: Field) -> impl Iterator<Item = Edge> + '_ {
        let count = self.edge_count_at(diagram, field.place());
        (0..count).map(move |at| {
            let (start, child) = self.edge(diagram, field.place(), at);
            let last = self
                .start(diagram, at + 1)
                .filter(|_| at + 1 < count)
                .map_or(u128::MAX, |start| start - 1);
            (start, last, child)
        })
    }

    /// Every outcome that some packet may have. Takes no time.
    #[must_use]
    pub fn outcomes(&self, diagram: Diagram) -> Leaf {
        diagram
            .as_constant()
            .or_else(|| self.get(diagram).map(|node| Leaf::from_bits(node.outcomes)))
            .unwrap_or(Leaf::EMPTY)
    }

    /// Whether the diagram may look at the field; if not, it does not.
    pub(crate) fn may_look_at(&self, diagram: Diagram, field: Field) -> bool {
        self.get(diagram).is_some_and(|node| node.fields & mask(field.place()) != 0)
    }

    /// Whether the diagram looks at no field but those of the mask.
    pub(crate) fn looks_within(&self, diagram: Diagram, fields: u64) -> bool {
        self.get(diagram).is_none_or(|node| node.fields & !fields == 0)
    }

    fn get(&self, diagram: Diagram) -> Option<&Node> {
        // A leaf's handle is beyond every node.
        self.nodes.get(diagram.0 as usize)
    }

    pub(crate) fn edge_count_at(&self, diagram: Diagram, place: u8) -> u32 {
        self.get(diagram).filter(|node| node.field == place).map_or(1, |node| node.edges)
    }

    /// First value and child of an edge, by its number.
    pub(crate) fn edge(&self, diagram: Diagram, place: u8, at: u32) -> (u128, Diagram) {
        match self.get(diagram) {
            Some(node) if node.field == place => {
                let child = self.kids.get((node.kids_at + at) as usize).copied();
                (self.start(diagram, at).unwrap_or(0), child.unwrap_or(diagram))
            }
            _ => (0, diagram),
        }
    }

    /// First value of an edge of a node; none for the edge after the last.
    pub(crate) fn start(&self, diagram: Diagram, at: u32) -> Option<u128> {
        let node = self.get(diagram)?;
        match at.checked_sub(1) {
            None => Some(0),
            Some(_) if at >= node.edges => None,
            Some(bound) => {
                let place = (node.bounds_at + bound) as usize;
                if node.wide {
                    self.wide.get(place).copied()
                } else {
                    self.narrow.get(place).copied().map(u128::from)
                }
            }
        }
    }

    /// Adds an edge to the node under construction that began at `base`.
    pub(crate) fn push_edge(&mut self, base: usize, start: u128, child: Diagram) {
        if self.pending.len() == base {
            self.pending.push((0, child));
        } else if self.pending.last().is_some_and(|(_, last)| *last != child) {
            self.pending.push((start, child));
        }
    }

    /// The node whose edges are pending since `base`: its only child, one made before, or new.
    pub(crate) fn finish_node(&mut self, field: Field, base: usize) -> Result<Diagram, Exceeded> {
        self.charge((self.pending.len() - base) as u64)?;
        let edges = self.pending.get(base..).unwrap_or(&[]);
        let found = match edges {
            [] => Diagram::constant(Leaf::EMPTY),
            [(_, only)] => *only,
            _ => {
                let hash = hash(field, edges);
                match self.find(hash, field, edges) {
                    Ok(known) => known,
                    Err(slot) => self.insert(hash, field, base, slot)?,
                }
            }
        };
        self.pending.truncate(base);
        Ok(found)
    }

    /// Counts work against the budget; also for work of the caller's that grows with its input.
    pub fn charge(&mut self, steps: u64) -> Result<(), Exceeded> {
        self.steps += steps;
        if self.steps > self.budget.steps {
            self.pending.clear();
            return Err(Exceeded::Steps(self.budget.steps));
        }
        Ok(())
    }

    /// The node with these edges, or the free slot where it belongs.
    fn find(&self, hash: u32, field: Field, edges: &[(u128, Diagram)]) -> Result<Diagram, usize> {
        let mask = self.unique.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.unique.get(slot).copied().unwrap_or(0) {
                0 => return Err(slot),
                number => {
                    let known = Diagram(number - 1);
                    if self.is_same(known, hash, field, edges) {
                        return Ok(known);
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn is_same(&self, known: Diagram, hash: u32, field: Field, edges: &[(u128, Diagram)]) -> bool {
        let place = field.place();
        self.get(known).is_some_and(|node| {
            node.hash == hash && node.field == place && node.edges as usize == edges.len()
        }) && (0..).zip(edges).all(|(at, edge)| self.edge(known, place, at) == *edge)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the budget keeps the counts below 2^31")]
    fn insert(
        &mut self,
        hash: u32,
        field: Field,
        base: usize,
        slot: usize,
    ) -> Result<Diagram, Exceeded> {
        let edges = self.pending.get(base..).unwrap_or(&[]);
        let (nodes, kids) = (self.nodes.len(), self.kids.len() + edges.len());
        let most_nodes = self.budget.nodes.min(1 << 30);
        let most_edges = self.budget.edges.min(1 << 31);
        if nodes >= most_nodes || kids > most_edges {
            self.pending.clear();
            return Err(if nodes >= most_nodes {
                Exceeded::Nodes(most_nodes)
            } else {
                Exceeded::Edges(most_edges)
            });
        }
        // The starts ascend, so the last one tells whether all fit in 32 bits.
        let outcomes =
            edges.iter().fold(Leaf::EMPTY, |all, (_, child)| all.or(self.outcomes(*child)));
        let fields = edges.iter().fold(mask(field.place()), |all, (_, child)| {
            all | self.get(*child).map_or(0, |node| node.fields)
        });
        let wide = edges.last().is_some_and(|(start, _)| *start > u128::from(u32::MAX));
        let bounds = edges.iter().skip(1).map(|(start, _)| *start);
        let bounds_at = if wide {
            let at = self.wide.len();
            self.wide.extend(bounds);
            at
        } else {
            let at = self.narrow.len();
            self.narrow.extend(bounds.map(|start| start as u32));
            at
        };
        self.nodes.push(Node {
            kids_at: self.kids.len() as u32,
            bounds_at: bounds_at as u32,
            edges: edges.len() as u32,
            hash,
            fields,
            outcomes: outcomes.bits(),
            field: field.place(),
            wide,
        });
        self.kids.extend(edges.iter().map(|(_, child)| *child));
        if let Some(entry) = self.unique.get_mut(slot) {
            *entry = nodes as u32 + 1;
        }
        if self.nodes.len() * 2 > self.unique.len() {
            self.grow();
        }
        Ok(Diagram(nodes as u32))
    }

    /// Doubles the table of known nodes.
    fn grow(&mut self) {
        let mask = self.unique.len() * 2 - 1;
        let mut table = vec![0_u32; mask + 1];
        for (number, node) in (1_u32..).zip(&self.nodes) {
            let mut slot = node.hash as usize & mask;
            while table.get(slot).is_some_and(|taken| *taken != 0) {
                slot = (slot + 1) & mask;
            }
            if let Some(entry) = table.get_mut(slot) {
                *entry = number;
            }
        }
        self.unique = table;
    }
}

/// A bit for each field; the last bit stands for all fields from its place on.
pub(crate) const fn mask(place: u8) -> u64 {
    1 << if place < 63 { place } else { 63 }
}

/// A hash of a node's content (multiply and rotate, as rustc's own tables do).
#[expect(clippy::cast_possible_truncation, reason = "a hash keeps what fits")]
fn hash(field: Field, edges: &[(u128, Diagram)]) -> u32 {
    let mix =
        |state: u64, word: u64| (state.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let mut state = mix(edges.len() as u64, u64::from(field.place()));
    for (start, child) in edges {
        state = mix(state, *start as u64 ^ (*start >> 64) as u64);
        state = mix(state, u64::from(child.0));
    }
    (state ^ (state >> 32)) as u32
}
