//! Whether whyopen and `ss` say the same about who holds what.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use testbed::Load;
use testbed::ss::{self, Held};

use super::with_path;

/// What the JSON of `whyopen` says about holders.
#[derive(Deserialize)]
struct Listing {
    sockets: Vec<Socket>,
}

#[derive(Deserialize)]
struct Socket {
    protocol: String,
    port: Option<u16>,
    peer: Option<Peer>,
    holders: Vec<Holder>,
}

#[derive(Deserialize)]
struct Peer {
    port: Option<u16>,
}

#[derive(Deserialize)]
struct Holder {
    pid: Option<u32>,
    fds: Vec<u32>,
}

/// Compares all ways to find holders with `ss`; prints and returns whether all agree.
pub(super) fn check(load: &Load, whyopen: &Path) -> Result<bool> {
    let listeners = by_ss(load, "-tulpnwH")?;
    let all = by_ss(load, "-tuapnwH")?;
    let json = ["whyopen", "-a", "-o", "json", "--sockets-only", "--this-netns"];
    let mut agree = true;
    for (name, more, expect) in [
        ("BPF", &[][..], &listeners),
        ("no BPF", &["--no-bpf"], &listeners),
        ("BPF, connected", &["-c"], &all),
        ("no BPF, connected", &["-c", "--no-bpf"], &all),
    ] {
        let command = with_path(&[&json[..], more].concat(), whyopen, &load.agent())?;
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let found = by_whyopen(load, &command)?;
        let missing = expect.difference(&found).count();
        let more = found.difference(expect).count();
        if missing == 0 && more == 0 {
            println!("  agrees {name}: all {} holders that ss names", found.len());
            continue;
        }
        agree = false;
        println!("  WRONG  {name}: {missing} holders only in ss, {more} only in whyopen");
        let examples = expect.symmetric_difference(&found).take(5);
        examples.for_each(|held| println!("         {held:?}"));
    }
    Ok(agree)
}

fn by_ss(load: &Load, flags: &str) -> Result<BTreeSet<Held>> {
    let measured = load.measure(false, &["ss", flags])?;
    let text = fs::read_to_string(&measured.stdout).context("read what ss printed")?;
    let mut held = ss::read(&text)?;
    // A connection that is closing has no holder, and is gone at the next look.
    held.retain(|held| held.holder.is_some());
    Ok(held)
}

fn by_whyopen(load: &Load, command: &[&str]) -> Result<BTreeSet<Held>> {
    let measured = load.measure(false, command)?;
    let file = File::open(&measured.stdout).context("open what whyopen printed")?;
    let listing: Listing =
        serde_json::from_reader(BufReader::new(file)).context("read what whyopen printed")?;
    let mut all = BTreeSet::new();
    for socket in &listing.sockets {
        let (Some(port), protocol) = (socket.port, &socket.protocol) else { continue };
        let peer_port = socket.peer.as_ref().and_then(|peer| peer.port);
        for (pid, fds) in socket.holders.iter().filter_map(|h| Some((h.pid?, &h.fds))) {
            let held = |fd: &u32| {
                let holder = Some((pid, *fd));
                Held { protocol: protocol.clone(), port, peer_port, holder }
            };
            all.extend(fds.iter().map(held));
        }
    }
    Ok(all)
}
