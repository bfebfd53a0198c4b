//! Netfilter rulesets as programs: parsed into one form, evaluated for all packets at once
//! ([`symbolic`]) and for single ones ([`concrete`]).
//!
//! Input: rulesets as text, in the forms that the tools print ([`iptables`], [`nft`]); output: what
//! they do to packets. The crate does no I/O. It knows a host only as far as it is told
//! ([`world::World`]): then the whole path is evaluated ([`symbolic::arrivals`]), with routing, the
//! check of sources and the way of the reply, for all ports at once.
//!
//! # Truth has three values
//!
//! What cannot be decided from the packet and the ruleset is never silently true or false: a rate
//! limit, a set that rules write, a match that is not known. The outcomes that *may* happen and the
//! one that *must* happen are told apart, and everything unknown that can matter is named with its
//! place ([`rules::SourceAnswer::unknown`]).
//!
//! * A condition that depends on earlier packets, the time or chance may hold each time it is asked
//!   or not ([`ir::Doubt::History`]).
//! * An unknown condition that depends on the packet alone is equally true wherever it is asked
//!   ([`ir::Doubt::Packet`]), until the packet is translated.
//! * A statement or target that is not known may accept, drop, return or go on.
//!
//! # Example: who can open a connection to port 22?
//!
//! ```
//! use netfilter::ir::Hook;
//! use netfilter::rules::{Question, ask};
//!
//! let dump = b"*filter
//! :INPUT DROP [0:0]
//! -A INPUT -s 10.0.0.0/8 -p tcp --dport 22 -j ACCEPT
//! -A INPUT -p tcp --dport 22 -m limit --limit 3/min -j ACCEPT
//! COMMIT
//! ";
//! let question =
//!     Question { hook: Hook::Input, protocol: 6, port: 22, source_port: None, family: None };
//! let answer = ask(&[("fw.rules", dump.as_slice())], &question)?;
//! let ipv4 = &answer.families[0];
//! assert_eq!(ipv4.must, [["10.0.0.0", "10.255.255.255"]]);
//! assert_eq!(ipv4.may, [["0.0.0.0", "255.255.255.255"]]);
//! assert_eq!(ipv4.unknown[0].place.to_string(), "fw.rules:4");
//! # Ok::<(), netfilter::rules::RulesError>(())
//! ```
//!
//! # Example: why was this packet dropped?
//!
//! ```
//! use netfilter::concrete::{Packet, possible};
//! use netfilter::ir::{Family, Hook};
//! use netfilter::rules::load;
//!
//! let text = b"table inet filter {
//!     chain input {
//!         type filter hook input priority filter; policy accept;
//!         ip saddr 192.0.2.0/24 drop
//!     }
//! }
//! ";
//! let ruleset = load(&[("web.nft", text.as_slice())])?;
//! let packet = Packet::arriving(Family::Ipv4, 6, (0xc000_0207, 40000), (0x0a00_0001, 80), "eth0");
//! let found = possible(&ruleset, &packet, Hook::Input)?;
//! let decider = found.decisions[0].decider.to_string();
//! assert_eq!(decider, "inet filter input, web.nft:4: ip saddr 192.0.2.0/24 drop");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is asked, and what is not
//!
//! Questions to rulesets alone are about the first packet of a connection, whole and well-formed, that arrives with
//! marks 0 and reaches the hook. Prerouting (raw, connection tracking, mangle, translation), the
//! hook itself and, for forwarded packets, postrouting are evaluated, every base chain of every
//! table of the family, iptables' and nftables' alike. Interfaces are left open; packets on `lo`
//! are those with loopback addresses, because which other addresses a host has a ruleset does not
//! say. Usual packets have no extension headers of IPv6, and those decide what must be; that a packet
//! with such headers is accepted counts for what may be. Absent: routing, the bridge family, and what ingress chains do (they are named as unknown).

pub mod concrete;
pub mod ipset;
pub mod iptables;
pub mod ir;
pub mod legacy;
pub mod live;
mod names;
pub mod nft;
pub mod rules;
pub mod symbolic;
pub mod syntax;
mod templates;
pub mod world;
pub mod xt;
