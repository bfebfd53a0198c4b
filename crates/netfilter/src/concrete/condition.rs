//! Conditions of one packet.

use std::collections::HashMap;

use super::fib::fib_holds;
use super::{Oracle, Packet};
use crate::ir::{Cond, Doubt, Side};
use crate::world::World;

/// What is not known of a connection.
const WHOLE_STATUS: &str = "the whole status of the connection";

/// Answers to unknown conditions that hold as long as the packet is the same.
pub(super) type Remembered = HashMap<String, bool>;

/// What is known beside the packet.
pub(super) struct Host<'a> {
    /// The host, where it is known.
    pub(super) world: Option<&'a World>,
    /// Whether the way out is known at this hook.
    pub(super) sees_oif: bool,
}

/// Whether the condition holds.
pub(super) fn holds(
    cond: &Cond,
    packet: &Packet,
    host: &Host<'_>,
    oracle: &mut dyn Oracle,
    remembered: &mut Remembered,
) -> bool {
    if cond.reads_whole_status() {
        return oracle.holds(WHOLE_STATUS, Doubt::History);
    }
    let mut ask = |cond: &Cond| holds(cond, packet, host, oracle, remembered);
    match cond {
        Cond::Always => true,
        Cond::Never => false,
        Cond::In(field, values) => values.contains(packet.value(*field)),
        Cond::Masked { field, mask, values } => values.contains(packet.value(*field) & mask),
        Cond::Interface(side, patterns) => {
            let name = match side {
                Side::In => packet.iif.as_str(),
                Side::Out if host.sees_oif => packet.oif.as_str(),
                Side::Out => "",
            };
            patterns.iter().any(|pattern| pattern.matches(name))
        }
        Cond::Tuple(fields, entries) => entries.iter().any(|entry| {
            fields.iter().zip(entry).all(|(field, (lo, hi))| {
                let value = packet.value(*field);
                *lo <= value && value <= *hi
            })
        }),
        Cond::All(parts) => parts.iter().all(ask),
        Cond::Any(parts) => parts.iter().any(ask),
        Cond::Not(inner) => !ask(inner),
        Cond::Fib(fib) => match host.world.and_then(|world| fib_holds(fib, world, packet, host)) {
            Some(known) => known,
            None if host.world.is_some() => oracle.holds(&fib.text, Doubt::History),
            None => *remembered
                .entry(fib.text.clone())
                .or_insert_with(|| oracle.holds(&fib.text, Doubt::Packet)),
        },
        Cond::Unknown(text, Doubt::History) => oracle.holds(text, Doubt::History),
        Cond::Unknown(text, Doubt::Packet) => {
            *remembered.entry(text.clone()).or_insert_with(|| oracle.holds(text, Doubt::Packet))
        }
    }
}
