//! containers/storage: the store that Podman, CRI-O and Buildah share.
//!
//! Its list of containers is `DRIVER-containers/containers.json` below the store, and
//! `volatile-containers.json` beside it for containers that need not outlive a boot (`podman run
//! --rm`), which a transient store keeps below `/run` (containers/storage, `containers.go`).

use std::path::{Path, PathBuf};

use facts::{Container, ContainerEngine, ContainerRef};
use serde::Deserialize;

use super::super::files::{self, FileError};
use super::{Answer, FILE_LIMIT, bundle, kubernetes_name, podman};

/// The storage drivers, commonest first.
const DRIVERS: [&str; 4] = ["overlay", "vfs", "btrfs", "zfs"];

/// One container of a list.
#[derive(Deserialize)]
struct Entry {
    id: String,
    names: Option<Vec<String>>,
    /// JSON inside JSON, written by the engine.
    metadata: Option<String>,
}

/// What is read of an entry's `metadata`; Podman and CRI-O agree on these.
#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(rename = "image-name")]
    image: Option<String>,
    name: Option<String>,
}

/// The stores of a host, read when they are first needed.
pub(super) struct Storages {
    root: PathBuf,
    read: Option<Vec<List>>,
}

/// One list of containers, or why it could not be read.
struct List {
    store: PathBuf,
    path: PathBuf,
    entries: Result<Vec<Entry>, FileError>,
}

impl Storages {
    /// Nothing is read yet.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), read: None }
    }

    /// Looks a container up in every store, and then among the bundles below `/run`, which have the
    /// names of CRI-O's containers also where its store cannot be read.
    pub(super) fn one(&mut self, wanted: &ContainerRef) -> Answer {
        let root = self.root.clone();
        let lists = self.read.get_or_insert_with(|| lists(&root));
        for list in lists.iter() {
            let entries = list.entries.as_deref().unwrap_or_default();
            if let Some(entry) = entries.iter().find(|entry| entry.id == wanted.id)
                && let Some(mut container) = container(wanted, entry, &list.path)
            {
                let mut gaps = Vec::new();
                if wanted.engine == ContainerEngine::Podman {
                    match podman::network(&list.store, &wanted.id) {
                        Ok(network) => {
                            container.addresses = network.addresses;
                            container.published = network.published;
                        }
                        Err(gap) => gaps.push(gap),
                    }
                }
                return Ok(Some((container, gaps)));
            }
        }
        let bundle = root
            .join("run/containers/storage/overlay-containers")
            .join(&wanted.id)
            .join("userdata/config.json");
        let named = bundle::read(&bundle);
        if let Ok(Some(named)) = named {
            return Ok(Some(bundle::container(wanted, named, &bundle)));
        }
        let failed = lists.iter().position(|list| list.entries.is_err());
        if let Some(list) = failed.and_then(|at| lists.get(at))
            && let Err(error) = &list.entries
        {
            return Err(error.clone());
        }
        named.map(|_| None)
    }
}

/// Every list of every store of the host and of the users who are running something.
fn lists(root: &Path) -> Vec<List> {
    let mut stores = Vec::new();
    if let Some(store) = configured_store(&root.join("etc/containers/storage.conf")) {
        stores.push(root.join(store.trim_start_matches('/')));
    }
    stores.push(root.join("var/lib/containers/storage"));
    stores.push(root.join("run/containers/storage"));
    for home in homes(root) {
        stores.push(home.join(".local/share/containers/storage"));
    }
    stores.dedup();

    let mut lists = Vec::new();
    for store in stores {
        for driver in DRIVERS {
            let folder = store.join(format!("{driver}-containers"));
            for name in ["containers.json", "volatile-containers.json"] {
                let path = folder.join(name);
                if let Some(entries) = entries(&path).transpose() {
                    lists.push(List { store: store.clone(), path, entries });
                }
            }
        }
    }
    lists
}

/// The containers of one list; none if it is not there.
fn entries(path: &Path) -> Result<Option<Vec<Entry>>, FileError> {
    let Some(bytes) = files::read(path, FILE_LIMIT)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| FileError::json(path, &error))
}

/// `graphroot` of storage.conf (containers-storage.conf(5)): the one line of that TOML file that
/// moves the store.
fn configured_store(path: &Path) -> Option<String> {
    let bytes = files::read(path, FILE_LIMIT).ok()??;
    let text = String::from_utf8(bytes).ok()?;
    text.lines().find_map(|line| {
        let value = line.trim().strip_prefix("graphroot")?.trim_start().strip_prefix('=')?;
        let (path, _) = value.trim_start().strip_prefix('"')?.split_once('"')?;
        path.starts_with('/').then(|| path.to_owned())
    })
}

/// The homes of the users who run something now: whose runtime folder is there. Homes of others may
/// lie on a file server that is asleep.
fn homes(root: &Path) -> Vec<PathBuf> {
    let Ok(Some(running)) = files::list(&root.join("run/user")) else { return Vec::new() };
    let Ok(Some(passwd)) = files::read(&root.join("etc/passwd"), FILE_LIMIT) else {
        return Vec::new();
    };
    // passwd(5): name:password:uid:gid:comment:home:shell
    String::from_utf8_lossy(&passwd)
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':').skip(2);
            let uid = fields.next()?;
            let home = fields.nth(2)?;
            let runs = running.iter().any(|name| name.to_str() == Some(uid));
            (runs && home.len() > 1).then(|| root.join(home.trim_start_matches('/')))
        })
        .collect()
}

/// The fact that an entry makes; none if it has no name.
fn container(wanted: &ContainerRef, entry: &Entry, path: &Path) -> Option<Container> {
    let metadata = entry.metadata.as_deref().map(serde_json::from_str::<Metadata>);
    let metadata = metadata.and_then(Result::ok).unwrap_or_default();
    let name = entry.names.iter().flatten().next().or(metadata.name.as_ref())?;
    Some(Container {
        engine: wanted.engine,
        id: wanted.id.clone(),
        name: kubernetes_name(name).unwrap_or_else(|| name.clone()),
        image: metadata.image.unwrap_or_default(),
        addresses: Vec::new(),
        published: Vec::new(),
        source: path.display().to_string(),
    })
}

/// Parses arbitrary bytes as a list.
pub(in super::super) fn fuzz(bytes: &[u8]) {
    let wanted = ContainerRef { engine: ContainerEngine::Podman, id: String::new(), pod: None };
    if let Ok(entries) = serde_json::from_slice::<Vec<Entry>>(bytes) {
        for entry in &entries {
            let _ = container(&wanted, entry, Path::new("containers.json"));
        }
    }
}
