//! Functions that are hooked into the path of packets (nfnetlink_hook.c, nfnl_hook_dump_one).

use super::attribute::{Fields, Messages, Odd, Order, text};

/// NFNLA_HOOK_* (linux/netfilter/nfnetlink_hook.h).
const NUMBER: u16 = 1;
const FUNCTION: u16 = 4;
const MODULE: u16 = 5;
/// NFNLA_HOOK_CHAIN_INFO.
const LAST: u16 = 6;

/// A function, and where it is called.
pub(crate) struct Hooked {
    pub(crate) function: String,
    pub(crate) module: Option<String>,
    /// Family and hook.
    pub(crate) hook: String,
}

/// Reads the messages. What is torn ends them.
pub(crate) fn hooked(bytes: &[u8]) -> impl Iterator<Item = Result<Hooked, Odd>> {
    let order = Order::of(bytes);
    Messages::new(bytes, order).map(move |message| {
        let message = message?;
        let fields = Fields::read(message.attributes, order, LAST)?;
        let family = match message.family {
            2 => "ipv4".to_owned(),
            10 => "ipv6".to_owned(),
            other => format!("family {other}"),
        };
        let hook = match fields.number(NUMBER)? {
            0 => "prerouting".to_owned(),
            1 => "input".to_owned(),
            2 => "forward".to_owned(),
            3 => "output".to_owned(),
            4 => "postrouting".to_owned(),
            other => format!("hook {other}"),
        };
        Ok(Hooked {
            function: fields.get(FUNCTION).map(text).unwrap_or_default(),
            module: fields.get(MODULE).map(text),
            hook: format!("{family} {hook}"),
        })
    })
}
