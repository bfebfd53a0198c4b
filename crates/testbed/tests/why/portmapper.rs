//! rpcbind: whether something needs it, and what does not close it.

use testbed::HostOptions;

use crate::seen::Seen;

fn portmapper() -> HostOptions {
    HostOptions::new().enable("rpcbind.socket").enable("rpcbind.service")
}

#[test]
fn rpcbind_that_nothing_needs() {
    let seen = Seen::boot("rpcbind", &portmapper());
    println!("{}", seen.prose("111"));
    let why = seen.why("111");
    println!("{:#}", why.rows[0]);
    assert_eq!(why.service(), "rpcbind");
    assert_eq!(why.in_use(), "no");
}
