//! Translations: `dnat`, `snat`, `redirect`, `masquerade`.

use super::ast::{Element, Expr, NatWord};
use super::elements::{Sets, membership};
use super::keys::{Key, Read, read};
use super::values::Kind;
use crate::ir::{Cond, Doubt, Family, Nat, NatKind, OWN_ADDRESS};
use packet_set::Field;

/// The parts of a translation statement.
pub(super) struct Translation<'a> {
    pub(super) word: NatWord,
    pub(super) address: Option<&'a Expr>,
    pub(super) port: Option<&'a Expr>,
    pub(super) text: &'a str,
}

/// The alternatives of a translation: the first that holds is done.
pub(super) fn lower(sets: &Sets<'_>, nat: &Translation<'_>) -> Vec<(Cond, Nat)> {
    known(sets, nat).unwrap_or_else(|| vec![(Cond::Always, anywhere(nat))])
}

fn kind(word: NatWord) -> NatKind {
    match word {
        NatWord::Dnat | NatWord::Redirect => NatKind::Destination,
        NatWord::Snat | NatWord::Masquerade => NatKind::Source,
    }
}

/// To any address and port, because we do not understand to which.
fn anywhere(nat: &Translation<'_>) -> Nat {
    Nat {
        kind: kind(nat.word),
        address: Some((0, u128::MAX)),
        port: Some((0, u16::MAX)),
        doubt: Some(format!("{}: to where is not understood", nat.text)),
    }
}

fn known(sets: &Sets<'_>, nat: &Translation<'_>) -> Option<Vec<(Cond, Nat)>> {
    let port = match nat.port {
        None => None,
        Some(expr) => Some(ports(expr)?),
    };
    match (nat.word, nat.address) {
        (NatWord::Masquerade, _) => {
            let own = Nat { port, doubt: None, ..anywhere(nat) };
            Some(vec![(Cond::Always, own)])
        }
        (NatWord::Redirect, _) => {
            let doubt = Some(format!("{}: {OWN_ADDRESS}", nat.text));
            Some(vec![(Cond::Always, Nat { port, doubt, ..anywhere(nat) })])
        }
        (_, None) => {
            let only = Nat { kind: kind(nat.word), address: None, port, doubt: None };
            Some(vec![(Cond::Always, only)])
        }
        (_, Some(Expr::Map(key, map))) => alternatives(sets, nat, key, map, port),
        (_, Some(expr)) => Some(vec![target(nat, expr, port)?]),
    }
}

/// One target, and the family that it is for (nft_nat.c: others are left alone).
fn target(nat: &Translation<'_>, expr: &Expr, port: Option<(u16, u16)>) -> Option<(Cond, Nat)> {
    let (address, port) = match expr {
        Expr::Concat(parts) => match parts.as_slice() {
            [address, own_port] => (address, Some(ports(own_port)?)),
            _ => return None,
        },
        single => (single, port),
    };
    let (family, range) = Family::BOTH.into_iter().find_map(|family| {
        let values = Kind::Address(family).values(address)?;
        values.iter().next().filter(|_| values.len() == 1).map(|range| (family, range))
    })?;
    let cond = Cond::is(Field::FAMILY, family.value());
    Some((cond, Nat { kind: kind(nat.word), address: Some(range), port, doubt: None }))
}

/// `dnat to key map { ... }`: an alternative for each element.
fn alternatives(
    sets: &Sets<'_>,
    nat: &Translation<'_>,
    key: &Expr,
    map: &Expr,
    port: Option<(u16, u16)>,
) -> Option<Vec<(Cond, Nat)>> {
    let members = sets.members(map).filter(|members| !members.uncertain)?;
    let parts = match key {
        Expr::Concat(parts) => parts.as_slice(),
        single => std::slice::from_ref(single),
    };
    let keys: Vec<Key> = parts.iter().map(read).collect();
    let chance = keys.iter().any(|key| matches!(key.read, Read::Unknown(_)));
    let needs: Vec<Cond> = keys.iter().flat_map(|key| key.needs.clone()).collect();
    let mut list = Vec::with_capacity(members.elements.len());
    // The element for every other key comes last.
    let (others, named): (Vec<_>, Vec<_>) =
        members.elements.iter().partition(|element| element.key == Expr::Any);
    for Element { key, data, expires } in named.into_iter().chain(others) {
        let (family, to) = target(nat, data.as_ref()?, port)?;
        let own = Element { key: key.clone(), data: None, expires: *expires };
        let selected = if chance {
            Cond::Unknown(format!("{}: which element", nat.text), Doubt::History)
        } else {
            membership(&keys, &[own])?
        };
        let mut all = needs.clone();
        all.extend([family, selected]);
        list.push((Cond::All(all), to));
    }
    Some(list)
}

fn ports(expr: &Expr) -> Option<(u16, u16)> {
    let values = Kind::Port.values(expr)?;
    let (lo, hi) = values.iter().next().filter(|_| values.len() == 1)?;
    Some((u16::try_from(lo).ok()?, u16::try_from(hi).ok()?))
}
