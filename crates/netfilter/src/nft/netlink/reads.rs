//! Expressions that read something of the packet, or of what is known about it, into a register.

use super::super::ast::{Doubtful, Expr, Fib, Statement};
use super::attribute::{Fields, Odd};
use super::headers::{Base, Load, raw, slices};
use super::registers::{Form, Held, Source};
use super::rule::Decoder;

/// What `meta` reads: NFT_META_* (nf_tables.h, `enum nft_meta_keys`), with the number of bytes that
/// nft_meta_get_init() takes.
const META: [(u32, &str, usize, Form); 37] = [
    (0, "length", 4, Form::Host),
    (1, "protocol", 2, Form::EtherType),
    (2, "priority", 4, Form::Host),
    (3, "mark", 4, Form::Host),
    (4, "iif", 4, Form::Index),
    (5, "oif", 4, Form::Index),
    (6, "iifname", 16, Form::Name),
    (7, "oifname", 16, Form::Name),
    (8, "iiftype", 2, Form::Host),
    (9, "oiftype", 2, Form::Host),
    (10, "skuid", 4, Form::Host),
    (11, "skgid", 4, Form::Host),
    (12, "nftrace", 1, Form::Big),
    (13, "rtclassid", 4, Form::Host),
    (14, "secmark", 4, Form::Host),
    (15, "nfproto", 1, Form::NfProto),
    (16, "l4proto", 1, Form::Big),
    (17, "ibrname", 16, Form::Name),
    (18, "obrname", 16, Form::Name),
    (19, "pkttype", 1, Form::Big),
    (20, "cpu", 4, Form::Host),
    (21, "iifgroup", 4, Form::Host),
    (22, "oifgroup", 4, Form::Host),
    (23, "cgroup", 4, Form::Host),
    (24, "random", 4, Form::Host),
    (25, "ipsec", 1, Form::Big),
    (26, "iifkind", 16, Form::Name),
    (27, "oifkind", 16, Form::Name),
    (28, "ibrpvid", 2, Form::Host),
    (29, "ibrvproto", 2, Form::EtherType),
    (30, "time", 8, Form::Host),
    (31, "day", 1, Form::Big),
    (32, "hour", 4, Form::Host),
    (33, "sdif", 4, Form::Host),
    (34, "sdifname", 16, Form::Name),
    (35, "broute", 1, Form::Big),
    (36, "ibrhwaddr", 6, Form::Big),
];

/// What `ct` reads: NFT_CT_* (nf_tables.h, `enum nft_ct_keys`; nft_ct.c, nft_ct_get_init).
const CT: [(u32, &str, usize, Form); 24] = [
    (0, "state", 4, Form::Host),
    (1, "direction", 1, Form::Big),
    (2, "status", 4, Form::Host),
    (3, "mark", 4, Form::Host),
    (4, "secmark", 4, Form::Host),
    (5, "expiration", 4, Form::Host),
    (6, "helper", 16, Form::Name),
    (7, "l3proto", 1, Form::NfProto),
    (8, "saddr", 16, Form::Big),
    (9, "daddr", 16, Form::Big),
    (10, "protocol", 1, Form::Big),
    (11, "proto-src", 2, Form::Big),
    (12, "proto-dst", 2, Form::Big),
    (13, "label", 16, Form::Host),
    (14, "packets", 8, Form::Host),
    (15, "bytes", 8, Form::Host),
    (16, "avgpkt", 8, Form::Host),
    (17, "zone", 2, Form::Host),
    (18, "event", 4, Form::Host),
    (19, "ip saddr", 4, Form::Big),
    (20, "ip daddr", 4, Form::Big),
    (21, "ip6 saddr", 16, Form::Big),
    (22, "ip6 daddr", 16, Form::Big),
    (23, "id", 4, Form::Big),
];

/// Names of RTN_* (linux/rtnetlink.h), as nft writes them.
pub(in super::super) const ADDRESS_TYPES: [(u128, &str); 9] = [
    (0, "unspec"),
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
];

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Decoder<'_, '_> {
    /// Bytes of the packet (nft_payload.c); written where there is a source register.
    pub(super) fn payload(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let base = match fields.number(2)? {
            0 => Base::Link,
            1 => Base::Network,
            2 => Base::Transport,
            3 => Base::Inner,
            _ => return Err(Odd::Value(2)),
        };
        let load = Load { base, offset: fields.number(3)?, bytes: fields.number(4)? };
        if let Some(source) = fields.u32(5)? {
            self.write(load, source);
            return Ok(());
        }
        let held = Held::new(Source::Header(load), Form::Big, size(load.bytes));
        self.registers.set(fields.number(1)?, held);
        Ok(())
    }

    fn write(&mut self, load: Load, source: u32) {
        let held = self.held(source, size(load.bytes));
        let all = super::registers::ones(held.length);
        let (changed, value) = match &held.source {
            Source::Constant(bytes) => {
                (all, super::attribute::Order::Big.number(bytes).unwrap_or(0))
            }
            // What was read there, with other bits.
            Source::Header(read) if *read == load && (held.left, held.right) == (0, 0) => {
                (all & (!held.mask.unwrap_or(all) | held.flip), held.flip)
            }
            _ => (all, 0),
        };
        let known = !matches!(held.source, Source::Read(_) | Source::Mapped(..));
        let list = slices(load, changed, self.context).unwrap_or_default();
        let statement = match list.as_slice() {
            [slice] => {
                let value = if slice.is_whole() && known {
                    Expr::Number(slice.value(value))
                } else {
                    Expr::Other("a value that is not understood".to_owned(), Doubtful::History)
                };
                Statement::Mangle(slice.expr.clone(), value)
            }
            _ => Statement::Unknown(format!("{} set", raw(load))),
        };
        self.push(statement);
    }

    /// What the kernel knows about the packet (nft_meta.c).
    pub(super) fn meta(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let key = fields.number(2)?;
        let Some((_, name, length, form)) = META.iter().find(|(number, ..)| *number == key) else {
            return Err(Odd::Value(2));
        };
        let expr = Expr::Meta((*name).to_owned());
        if let Some(source) = fields.u32(3)? {
            let value = self.assigned(source, *form, *length);
            self.push(Statement::Mangle(expr, value));
            return Ok(());
        }
        self.registers.set(fields.number(1)?, Held::new(Source::Read(expr), *form, *length));
        Ok(())
    }

    /// What connection tracking knows about it (nft_ct.c); `notrack` is an expression of its own.
    pub(super) fn conntrack(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let key = fields.number(2)?;
        let Some((_, name, length, form)) = CT.iter().find(|(number, ..)| *number == key) else {
            return Err(Odd::Value(2));
        };
        let direction = match fields.u8(3)? {
            None => None,
            Some(0) => Some("original".to_owned()),
            Some(1) => Some("reply".to_owned()),
            Some(_) => return Err(Odd::Value(3)),
        };
        let (name, length) = match (key, self.around.family) {
            (8 | 9, 2) => (format!("ip {name}"), 4),
            (8 | 9, 10) => (format!("ip6 {name}"), 16),
            _ => ((*name).to_owned(), *length),
        };
        let expr = Expr::Ct(name, direction);
        if let Some(source) = fields.u32(4)? {
            let value = self.assigned(source, *form, length);
            self.push(Statement::Mangle(expr, value));
            return Ok(());
        }
        self.registers.set(fields.number(1)?, Held::new(Source::Read(expr), *form, length));
        Ok(())
    }

    /// What the routing tables say (nft_fib.c).
    pub(super) fn fib(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        const KEYS: [(u32, &str); 5] =
            [(1, "saddr"), (2, "daddr"), (4, "mark"), (8, "iif"), (16, "oif")];
        let flags = fields.number(3)?;
        if flags & !0x3f != 0 {
            return Err(Odd::Value(3));
        }
        let keys: Vec<&str> =
            KEYS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
        let (result, length, form) = match fields.number(2)? {
            1 => ("oif", 4, Form::Index),
            2 => ("oifname", 16, Form::Name),
            3 => ("type", 4, Form::Host),
            _ => return Err(Odd::Value(2)),
        };
        // NFTA_FIB_F_PRESENT: whether there is a route, not which.
        let (length, form) = if flags & 32 == 0 { (length, form) } else { (4, Form::Host) };
        let expr = match Fib::of(&keys, result) {
            Some(fib) => Expr::Fib(Box::new(fib)),
            None => Expr::Other(format!("fib {} {result}", keys.join(" . ")), Doubtful::Packet),
        };
        self.registers.set(fields.number(1)?, Held::new(Source::Read(expr), form, length));
        Ok(())
    }

    pub(super) fn route(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let (name, length, form) = match fields.number(2)? {
            0 => ("classid", 4, Form::Host),
            1 => ("ip nexthop", 4, Form::Big),
            2 => ("ip6 nexthop", 16, Form::Big),
            3 => ("mtu", 2, Form::Host),
            4 => ("ipsec", 1, Form::Big),
            _ => return Err(Odd::Value(2)),
        };
        self.read(fields.number(1)?, format!("rt {name}"), Doubtful::Packet, form, length);
        Ok(())
    }

    pub(super) fn socket(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let (name, length, form) = match fields.number(1)? {
            0 => ("transparent".to_owned(), 1, Form::Big),
            1 => ("mark".to_owned(), 4, Form::Host),
            2 => ("wildcard".to_owned(), 1, Form::Big),
            3 => (format!("cgroupv2 level {}", fields.u32(3)?.unwrap_or(0)), 8, Form::Host),
            _ => return Err(Odd::Value(1)),
        };
        self.read(fields.number(2)?, format!("socket {name}"), Doubtful::Packet, form, length);
        Ok(())
    }

    /// Extension headers and options (nft_exthdr.c); a value is written where there is a source.
    pub(super) fn extension(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let what = match fields.u32(6)?.unwrap_or(0) {
            0 => "exthdr",
            1 => "tcp option",
            2 => "ip option",
            3 => "sctp chunk",
            4 => "dccp option",
            _ => return Err(Odd::Value(6)),
        };
        let kind = fields.u8(2)?.ok_or(Odd::Value(2))?;
        let (offset, length) = (fields.number(3)?, fields.number(4)?);
        let present = if fields.u32(5)?.unwrap_or(0) & 1 != 0 { " exists" } else { "" };
        let bits = |bytes: u32| u64::from(bytes) * 8;
        let text = format!("{what} {kind} @{},{}{present}", bits(offset), bits(length));
        match fields.u32(1)? {
            Some(register) => {
                let length = if present.is_empty() { size(length) } else { 1 };
                self.read(register, text, Doubtful::Packet, Form::Big, length);
            }
            // Writing or resetting an option changes nothing that a condition here reads.
            None => self.show(Statement::Idle, format!("{text} set")),
        }
        Ok(())
    }

    pub(super) fn number(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let kind = if fields.number(3)? == 0 { "inc" } else { "random" };
        let text = format!("numgen {kind} mod {}", fields.number(2)?);
        self.read(fields.number(1)?, text, Doubtful::History, Form::Host, 4);
        Ok(())
    }

    pub(super) fn hash(&mut self, fields: &Fields<'_>) -> Result<(), Odd> {
        let kind = if fields.u32(7)? == Some(1) { "symhash" } else { "jhash" };
        let text = format!("{kind} mod {}", fields.number(4)?);
        self.read(fields.number(2)?, text, Doubtful::History, Form::Host, 4);
        Ok(())
    }

    /// An expression of which only the name and the register are read.
    pub(super) fn other(
        &mut self,
        name: &str,
        fields: &Fields<'_>,
        register: u16,
        length: usize,
    ) -> Result<(), Odd> {
        let register = fields.number(register)?;
        self.read(register, name.to_owned(), Doubtful::History, Form::Opaque, length);
        Ok(())
    }

    fn read(&mut self, register: u32, text: String, doubtful: Doubtful, form: Form, length: usize) {
        let source = Source::Read(Expr::Other(text, doubtful));
        self.registers.set(register, Held::new(source, form, length));
    }
}
