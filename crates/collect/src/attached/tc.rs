//! Filters of the traffic control (tc(8)) on the way in and out of interfaces.

use facts::{AttachPoint, Attached, Gap, IfIndex, Remedy};

use crate::netlink::{Attributes, Channel, Error, Family, Malformed, Message, Query, Reader, Sink};

// Message types (`include/uapi/linux/rtnetlink.h`).
const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;

// Of queues and filters alike.
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

// Of the filter `bpf` (`include/uapi/linux/pkt_cls.h`).
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_ID: u16 = 11;

/// The size of `struct tcmsg`.
const TCMSG_BYTES: usize = 20;

/// Where filters hang (`TC_H_MAKE(TC_H_CLSACT, ..)`, `include/uapi/linux/pkt_sched.h`). A queue
/// `ingress` takes any class for its own (net/sched/sch_ingress.c, `ingress_find`).
const PARENTS: [(u32, AttachPoint); 2] =
    [(0xffff_fff2, AttachPoint::TcIngress), (0xffff_fff3, AttachPoint::TcEgress)];

/// Appends the filters of the calling thread's namespace.
pub(super) fn read(label: &str, found: &mut Vec<Attached>, gaps: &mut Vec<Gap>) {
    if let Err(error) = filters(found) {
        let gap = Gap::new(
            format!("filters of the traffic control of {label}"),
            format!("rtnetlink: {error}"),
        );
        gaps.push(if error.is_denied() { gap.remedied_by(Remedy::Root) } else { gap });
    }
}

fn filters(found: &mut Vec<Attached>) -> Result<(), Error> {
    let mut channel = Channel::open(Family::Route)?;
    let mut queues = Queues::default();
    // All queues of all interfaces.
    match channel.run(Query::dump(RTM_GETQDISC, &[0; TCMSG_BYTES]), &mut queues) {
        // A kernel without traffic control.
        Err(error) if error.is_absent() => return Ok(()),
        result => result?,
    }
    for (link, has_egress) in queues.0 {
        for (parent, point) in PARENTS.iter().take(if has_egress { 2 } else { 1 }) {
            // struct tcmsg: tcm_family, two fillers, tcm_ifindex, tcm_handle, tcm_parent, tcm_info.
            let mut body = [0; TCMSG_BYTES];
            for (at, value) in [(4, link.0), (12, *parent)] {
                if let Some(field) = body.get_mut(at..at + 4) {
                    field.copy_from_slice(&value.to_ne_bytes());
                }
            }
            let mut filters = Filters::default();
            match channel.run(Query::dump(RTM_GETTFILTER, &body), &mut filters) {
                // The queue was removed meanwhile.
                Err(error) if error.is_absent() => continue,
                result => result?,
            }
            found.extend(filters.0.into_iter().map(|filter| Attached {
                point: *point,
                link: Some(link),
                name: filter.name,
                program: filter.program,
            }));
        }
    }
    Ok(())
}

/// Interfaces whose packets can be filtered, and whether those that leave can be as well.
#[derive(Debug, Default)]
struct Queues(Vec<(IfIndex, bool)>);

impl Sink for Queues {
    fn restart(&mut self) {
        self.0.clear();
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == RTM_NEWQDISC {
            self.0.extend(parse_queue(message.body)?);
        }
        Ok(())
    }
}

/// Reads the body of an `RTM_NEWQDISC`; none for queues that hold no such filters.
pub(super) fn parse_queue(body: &[u8]) -> Result<Option<(IfIndex, bool)>, Malformed> {
    let (link, attributes) = tcmsg(body)?;
    for attribute in attributes {
        let attribute = attribute?;
        if attribute.kind == TCA_KIND {
            return Ok(match attribute.text().as_str() {
                "ingress" => Some((link, false)),
                "clsact" => Some((link, true)),
                _ => None,
            });
        }
    }
    Ok(None)
}

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// The name of its program, or its kind.
    pub(super) name: String,
    /// The number of its program.
    pub(super) program: Option<u32>,
}

#[derive(Debug, Default)]
struct Filters(Vec<Filter>);

impl Sink for Filters {
    fn restart(&mut self) {
        self.0.clear();
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Malformed> {
        if message.kind == RTM_NEWTFILTER {
            self.0.extend(parse_filter(message.body)?);
        }
        Ok(())
    }
}

/// Reads the body of an `RTM_NEWTFILTER`; none for one that has no kind, and for a program's own
/// frame: of each priority the kernel tells an empty filter first.
pub(super) fn parse_filter(body: &[u8]) -> Result<Option<Filter>, Malformed> {
    let (_, attributes) = tcmsg(body)?;
    let (mut kind, mut options) = (None, None);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            TCA_KIND => kind = Some(attribute.text()),
            TCA_OPTIONS => options = Some(attribute),
            _ => {}
        }
    }
    let (Some(name), Some(options)) = (kind, options) else { return Ok(None) };
    let mut filter = Filter { name, program: None };
    if filter.name == "bpf" {
        for attribute in options.nested() {
            let attribute = attribute?;
            match attribute.kind {
                TCA_BPF_NAME => filter.name = attribute.text(),
                TCA_BPF_ID => filter.program = Some(attribute.fields("TCA_BPF_ID").u32()?),
                _ => {}
            }
        }
    }
    Ok(Some(filter))
}

/// Reads a `struct tcmsg`: the interface, and the attributes.
fn tcmsg(body: &[u8]) -> Result<(IfIndex, Attributes<'_>), Malformed> {
    let mut fields = Reader::new("tcmsg", body);
    let _family: [u8; 4] = fields.take()?;
    let link = IfIndex(fields.u32()?);
    let (_handle, _parent, _info) = (fields.u32()?, fields.u32()?, fields.u32()?);
    Ok((link, Attributes::new(fields.rest())))
}
