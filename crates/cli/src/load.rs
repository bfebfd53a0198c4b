//! Saved snapshots.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;
use facts::Snapshot;

use crate::flags::ScopeFlags;

/// The largest snapshot that is read, in bytes: a hundred times that of 200,000 connections.
const LIMIT: u64 = 4 << 30;

/// Reads a snapshot from a file, or from standard input for `-`: of it, what
/// these flags ask for. With `this_netns`, only what it has of the network namespace in which it was
/// taken.
///
/// # Errors
/// One, which names the file and says why it is no snapshot.
pub(crate) fn snapshot(path: &Path, flags: ScopeFlags) -> anyhow::Result<Snapshot> {
    let (name, text) = read(path)?;
    let mut snapshot = Snapshot::from_json(&text).context(name)?;
    if flags.how.this_netns {
        snapshot.keep_namespace(snapshot.collector.netns);
    }
    snapshot.collector.sockets_only |= flags.sockets_only;
    Ok(snapshot)
}

/// A file's name for messages, and all of it.
fn read(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let mut text = Vec::new();
    let name = if path == Path::new("-") {
        io::stdin().lock().take(LIMIT).read_to_end(&mut text).context("read standard input")?;
        "standard input".to_owned()
    } else {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("open {name}"))?;
        file.take(LIMIT).read_to_end(&mut text).with_context(|| format!("read {name}"))?;
        name
    };
    if text.len() as u64 == LIMIT {
        anyhow::bail!("{name} is larger than {} GiB: too large for a snapshot", LIMIT >> 30);
    }
    if text.is_empty() {
        anyhow::bail!("{name} is empty: it holds no snapshot (whyopen snapshot > FILE makes one)");
    }
    Ok((name, text))
}
