use std::process::Command;

use super::*;

/// Runs on a thread in a network namespace of its own, with this ruleset loaded.
fn with_rules<T: Send>(rules: &str, inside: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let run = || {
            #[allow(unsafe_code, reason = "the thread leaves its network namespace, and ends")]
            // SAFETY: the network namespace alone is unshared, of this thread alone.
            let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
            assert_eq!(result, 0, "unshare: {}", std::io::Error::last_os_error());
            if !rules.is_empty() {
                let status = Command::new("nft").arg(rules).status().expect("run nft(8)");
                assert!(status.success(), "nft {rules}");
            }
            inside()
        };
        scope.spawn(run).join().unwrap()
    })
}

fn known(part: Part<NftablesDump>) -> NftablesDump {
    match part {
        Part::Known { value } => value,
        other => panic!("{other:?}"),
    }
}

fn count(blob: &Blob, kind: u16) -> usize {
    let messages: Vec<_> = crate::netlink::Messages::new(&blob.0).map(Result::unwrap).collect();
    assert!(messages.iter().all(|message| message.kind == kind));
    messages.len()
}

#[test]
fn no_rules_are_known_to_be_none() {
    let dump = known(with_rules("", || read("here")));
    for blob in [&dump.tables, &dump.chains, &dump.rules, &dump.sets, &dump.elements] {
        assert_eq!(blob.0, b"");
    }
}

#[test]
fn everything_that_rules_refer_to() {
    let dump = known(with_rules(
        "table inet t {
            set used { type ipv4_addr; elements = { 192.0.2.1 } }
            set unused { type ipv4_addr; elements = { 192.0.2.2 } }
            map written { type ipv4_addr : mark; flags timeout; }
            chain c {
                type filter hook input priority 0;
                ip saddr @used tcp dport { 22, 80 } accept
                ip saddr 192.0.2.3 counter drop
                add @written { ip saddr : 1 }
            }
        }
        table ip6 t { set used { type ipv6_addr; elements = { ::1 } }; }",
        || read("here"),
    ));
    assert_eq!(count(&dump.tables, NFT_MSG_NEWTABLE), 2);
    assert_eq!(count(&dump.chains, NFT_MSG_NEWCHAIN), 1);
    assert_eq!(count(&dump.rules, NFT_MSG_NEWRULE), 3);
    assert_eq!(count(&dump.sets, NFT_MSG_NEWSET), 5);
    // One for each set, and an empty one after each that has elements.
    assert_eq!(count(&dump.elements, NFT_MSG_NEWSETELEM), 5);
    let wanted = references::wanted(&dump.sets.0, &dump.rules.0).unwrap();
    let names: Vec<_> =
        wanted.iter().map(|set| String::from_utf8_lossy(set.name).into_owned()).collect();
    assert_eq!(names, ["used\0", "written\0", "__set0\0"]);
}

#[test]
fn without_the_right_to_ask() {
    let refused = with_rules("", || {
        rustix::thread::set_thread_res_uid(
            rustix::process::Uid::from_raw(65534),
            rustix::process::Uid::from_raw(65534),
            rustix::process::Uid::from_raw(65534),
        )
        .unwrap();
        (read("here"), hooks::read("here"))
    });
    let Part::Unreadable { gap } = refused.0 else { panic!("{:?}", refused.0) };
    assert_eq!(gap.what, "nftables rules of here");
    assert_eq!(gap.remedy, Some(Remedy::Root));
    assert!(matches!(refused.1, Part::Unreadable { .. }));
}

#[test]
fn answers_without_rules() {
    let check = |error: Error, expect: &Part<NftablesDump>| {
        assert_eq!(&read_over(Err(error), "here", Presence::Perhaps), expect, "{error}");
    };
    let none = Part::known(NftablesDump::default());
    check(Error::Open(Errno::PROTONOSUPPORT), &none);
    check(Error::Kernel(Errno::INVAL), &none);
    let gap = |why: &str| Gap::new("nftables rules of here", why);
    let why = "nfnetlink: netlink request refused: Operation not permitted (os error 1)";
    check(Error::Kernel(Errno::PERM), &Part::unreadable(gap(why).remedied_by(Remedy::Root)));
    let why = "nfnetlink: no netlink reply within 5 s";
    check(Error::TimedOut { limit_s: 5 }, &Part::unreadable(gap(why)));
    let absent = read_over(Err(Error::Overrun), "here", Presence::Absent);
    assert_eq!(absent, none);
}

#[test]
fn a_ruleset_that_keeps_changing_is_read_again() {
    with_rules("table ip t { chain c { counter; }; }", || {
        let stop = std::sync::atomic::AtomicBool::new(false);
        // The thread inherits this one's namespace.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ =
                        Command::new("nft").arg("add chain ip t d; delete chain ip t d").status();
                }
            });
            for _ in 0..20 {
                match read("here") {
                    Part::Known { value } => assert_eq!(count(&value.tables, NFT_MSG_NEWTABLE), 1),
                    Part::Unreadable { gap } => assert_eq!(gap.remedy, Some(Remedy::Retry)),
                    other => panic!("{other:?}"),
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    });
}

proptest::proptest! {
    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }
}
