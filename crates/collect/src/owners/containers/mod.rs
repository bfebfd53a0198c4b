//! Containers, as their engines' own files describe them.
//!
//! Input: the ids that cgroup paths name. Output: names, images, addresses and published ports.
//! A container that is wanted and found nowhere leaves a gap; it is never left out in silence.
//!
//! LXC, nspawn, snap, flatpak and libvirt put the name itself into the cgroup path
//! ([`facts::Placement`]): there is no file to read, and they are not looked for here.

mod bundle;
mod docker;
mod podman;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use facts::{Container, ContainerEngine, ContainerRef, Gap, Part, Protocol, RestartPolicy};

use super::files::FileError;

pub(super) use bundle::fuzz as fuzz_bundle;
pub(super) use docker::fuzz as fuzz_docker;
pub(super) use podman::fuzz as fuzz_podman;
pub(super) use storage::fuzz as fuzz_storage;

/// The largest file of an engine that is read, in bytes. A pod's whole OCI configuration has tens
/// of kilobytes; the list of a storage with a thousand containers about two megabytes.
const FILE_LIMIT: u64 = 32 << 20;

/// Describes the wanted containers, and with `published` also every running docker container that
/// publishes ports. The list is sorted.
///
/// `root` is `/`, or a folder that is laid out like it. Whether a container runs is what its engine
/// last wrote down: after a power cut, until the engine starts again, that is out of date.
pub fn collect(root: &Path, wanted: &[ContainerRef], published: bool) -> Part<Vec<Container>> {
    let mut found: BTreeMap<(ContainerEngine, String), Container> = BTreeMap::new();
    let mut gaps = Vec::new();
    let docker_folders = docker::folders(root);

    if published {
        for folder in &docker_folders {
            let (containers, errors) = docker::publishing(folder);
            for container in containers {
                found.insert((container.engine, container.id.clone()), container);
            }
            gaps.extend(errors);
        }
    }

    let wanted: BTreeSet<&ContainerRef> = wanted
        .iter()
        .filter(|one| has_files(one.engine))
        .filter(|one| !found.contains_key(&(one.engine, one.id.clone())))
        .collect();
    if !wanted.is_empty() {
        let mut storages = storage::Storages::new(root);
        for one in wanted {
            match describe(root, one, &docker_folders, &mut storages) {
                Ok((container, more)) => {
                    gaps.extend(more);
                    gaps.extend(unread_network(&container));
                    found.insert((container.engine, container.id.clone()), container);
                }
                Err(gap) => gaps.push(gap),
            }
        }
    }

    let mut containers: Vec<Container> = found.into_values().collect();
    containers.sort_unstable();
    gaps.sort_unstable();
    gaps.dedup();
    Part::with_gaps(containers, gaps)
}

/// What the engines do with these containers when they start. Only docker writes that down in files
/// of a documented shape; of others it is not known.
pub fn restart_policies(root: &Path, wanted: &[ContainerRef]) -> Vec<RestartPolicy> {
    let folders = docker::folders(root);
    let mut policies: Vec<RestartPolicy> = wanted
        .iter()
        .map(|one| {
            let is_id = one.id.len() == 64 && one.id.bytes().all(|b| b.is_ascii_hexdigit());
            let mut why = "its engine's files do not say".to_owned();
            if one.engine == ContainerEngine::Docker && is_id {
                for folder in &folders {
                    match docker::restart(folder, &one.id) {
                        Ok(Some(policy)) => return policy,
                        Ok(None) => {}
                        Err(error) => why = error.to_string(),
                    }
                }
            }
            RestartPolicy {
                engine: one.engine,
                id: one.id.clone(),
                name: String::new(),
                policy: None,
                stopped_by_hand: None,
                removed_at_end: false,
                source: why,
            }
        })
        .collect();
    policies.sort_unstable();
    policies.dedup();
    policies
}

/// Whether an engine keeps files about its containers, rather than naming its cgroups after them.
fn has_files(engine: ContainerEngine) -> bool {
    match engine {
        ContainerEngine::Docker
        | ContainerEngine::Podman
        | ContainerEngine::Containerd
        | ContainerEngine::Crio
        | ContainerEngine::Nerdctl
        | ContainerEngine::Other => true,
        ContainerEngine::Lxc
        | ContainerEngine::Nspawn
        | ContainerEngine::Libvirt
        | ContainerEngine::Snap
        | ContainerEngine::Flatpak => false,
    }
}

/// The gap for engines whose containers' addresses are known to a network plugin only (CNI).
fn unread_network(container: &Container) -> Option<Gap> {
    let engine = container.engine;
    let is_cni = matches!(
        engine,
        ContainerEngine::Containerd | ContainerEngine::Crio | ContainerEngine::Nerdctl
    );
    is_cni.then(|| {
        Gap::new(
            format!("addresses of {} containers", engine.name()),
            "their network plugin keeps them, and its files are not read",
        )
    })
}

/// What one source said about a container: nothing if it does not know the id. The gaps are about
/// details.
type Answer = Result<Option<(Container, Vec<Gap>)>, FileError>;

/// Looks a container up in every place that could know its id, its own engine's first: under the
/// cgroupfs driver a path does not tell containerd from CRI-O.
fn describe(
    root: &Path,
    wanted: &ContainerRef,
    docker_folders: &[std::path::PathBuf],
    storages: &mut storage::Storages,
) -> Result<(Container, Vec<Gap>), Gap> {
    let short = wanted.id.get(..12).unwrap_or(&wanted.id);
    let what = format!("name of {} container {short}", wanted.engine.name());
    if wanted.id.len() != 64 || !wanted.id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Gap::new(what, "its id is not one that an engine gives"));
    }
    let mut denied = None;
    let mut note = |answer: Answer| match answer {
        Ok(found) => found,
        Err(error) => {
            denied.get_or_insert(error);
            None
        }
    };
    let in_docker = || {
        docker_folders
            .iter()
            .map(|folder| docker::one(folder, &wanted.id))
            .find(|answer| !matches!(answer, Ok(None)))
            .unwrap_or(Ok(None))
    };
    let docker_first = wanted.engine == ContainerEngine::Docker;
    let found = docker_first
        .then(|| note(in_docker()))
        .flatten()
        .or_else(|| note(bundle::kubernetes_or_nerdctl(root, wanted)))
        .or_else(|| note(storages.one(wanted)))
        .or_else(|| if docker_first { None } else { note(in_docker()) });
    match (found, denied) {
        (Some((mut container, gaps)), _) => {
            // Views look a container up by what its cgroup says.
            container.engine = wanted.engine;
            Ok((container, gaps))
        }
        (None, Some(error)) => Err(error.gap(what)),
        (None, None) => Err(Gap::new(what, "no file of an engine on this host has its id")),
    }
}

/// A name in the form that Kubernetes' container runtimes give: `k8s_CONTAINER_POD_NAMESPACE_UID_N`
/// becomes `namespace/pod/container`. Kubernetes' own names have no `_` (RFC 1123 labels).
fn kubernetes_name(name: &str) -> Option<String> {
    let mut parts = name.strip_prefix("k8s_")?.split('_');
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()?) {
        // The sandbox, which holds the pod's network.
        ("POD", pod, namespace, _) => Some(format!("{namespace}/{pod}")),
        (container, pod, namespace, _) => Some(format!("{namespace}/{pod}/{container}")),
    }
}

/// The protocol of a published port.
fn protocol(name: &str) -> Option<Protocol> {
    match name.to_ascii_lowercase().as_str() {
        "tcp" => Some(Protocol::TCP),
        "udp" => Some(Protocol::UDP),
        "sctp" => Some(Protocol::SCTP),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
