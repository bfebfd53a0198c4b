//! Saved snapshots.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;
use facts::Snapshot;

/// Reads a snapshot from a file, or from standard input for `-`.
///
/// # Errors
/// One, which names the file and says why it is no snapshot.
pub(crate) fn snapshot(path: &Path) -> anyhow::Result<Snapshot> {
    let mut text = Vec::new();
    let name = if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut text).context("read standard input")?;
        "standard input".to_owned()
    } else {
        let name = path.display().to_string();
        let mut file = File::open(path).with_context(|| format!("open {name}"))?;
        file.read_to_end(&mut text).with_context(|| format!("read {name}"))?;
        name
    };
    if text.is_empty() {
        anyhow::bail!("{name} is empty: it holds no snapshot (whyopen snapshot > FILE makes one)");
    }
    Snapshot::from_json(&text).with_context(|| name)
}
