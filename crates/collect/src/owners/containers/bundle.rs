//! The OCI configuration of a running container (`config.json`, OCI runtime specification), whose
//! annotations name it.

use std::collections::BTreeMap;
use std::path::Path;

use facts::{Container, ContainerRef, Gap, Port, PublishedPort};
use serde::Deserialize;

use super::super::files::{self, FileError};
use super::{Answer, FILE_LIMIT};

/// Where containerd's runtime shims keep the bundles of what runs, per containerd namespace: the
/// plain one, k3s and RKE2, MicroK8s.
const TASKS: [&str; 3] = [
    "run/containerd/io.containerd.runtime.v2.task",
    "run/k3s/containerd/io.containerd.runtime.v2.task",
    "var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
];

/// What is read of `config.json`.
#[derive(Deserialize)]
struct BundleFile {
    annotations: Option<BTreeMap<String, String>>,
}

/// What the annotations of a container say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Its name.
    pub(super) name: String,
    /// Its image, or empty.
    pub(super) image: String,
    /// The ports it publishes; none if the annotation is not understood.
    published: Option<Vec<PublishedPort>>,
}

/// A port in nerdctl's `nerdctl/ports` annotation (containerd/go-cni `PortMapping`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NerdctlPort {
    host_port: u16,
    container_port: u16,
    protocol: String,
    #[serde(rename = "HostIP")]
    host_ip: Option<String>,
}

/// Looks for a container among containerd's running tasks.
pub(super) fn kubernetes_or_nerdctl(root: &Path, wanted: &ContainerRef) -> Answer {
    for tasks in TASKS.map(|tasks| root.join(tasks)) {
        for namespace in files::list(&tasks)?.unwrap_or_default() {
            let path = tasks.join(namespace).join(&wanted.id).join("config.json");
            if let Some(named) = read(&path)? {
                return Ok(Some(container(wanted, named, &path)));
            }
        }
    }
    Ok(None)
}

/// What a configuration file says, if it is there and names its container.
pub(super) fn read(path: &Path) -> Result<Option<Named>, FileError> {
    let Some(bytes) = files::read(path, FILE_LIMIT)? else { return Ok(None) };
    let file: BundleFile =
        serde_json::from_slice(&bytes).map_err(|error| FileError::json(path, &error))?;
    Ok(file.annotations.as_ref().and_then(named))
}

/// Reads the annotations of the three that write any: containerd's CRI plugin
/// (`internal/cri/annotations/annotations.go`), CRI-O (`pkg/annotations`) and nerdctl
/// (`pkg/labels`).
fn named(annotations: &BTreeMap<String, String>) -> Option<Named> {
    let get =
        |key: &str| annotations.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let kubernetes = |namespace: &str, pod: &str, container: &str| {
        let pod = format!("{}/{}", get(namespace)?, get(pod)?);
        // The sandbox of a pod has no container name, or "POD".
        Some(match get(container) {
            None | Some("POD") => pod,
            Some(container) => format!("{pod}/{container}"),
        })
    };
    let of_containerd = || {
        kubernetes(
            "io.kubernetes.cri.sandbox-namespace",
            "io.kubernetes.cri.sandbox-name",
            "io.kubernetes.cri.container-name",
        )
    };
    let of_crio = || {
        kubernetes(
            "io.kubernetes.pod.namespace",
            "io.kubernetes.pod.name",
            "io.kubernetes.container.name",
        )
    };
    let name =
        of_containerd().or_else(of_crio).or_else(|| get("nerdctl/name").map(str::to_owned))?;
    let image =
        ["io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "nerdctl/image-name"]
            .into_iter()
            .find_map(get)
            .unwrap_or_default()
            .to_owned();
    let published = get("nerdctl/ports").map_or_else(|| Some(Vec::new()), nerdctl_ports);
    Some(Named { name, image, published })
}

/// The ports of nerdctl's annotation, sorted; none if one is not understood.
fn nerdctl_ports(json: &str) -> Option<Vec<PublishedPort>> {
    let ports: Vec<NerdctlPort> = serde_json::from_str(json).ok()?;
    let mut published = ports
        .into_iter()
        .map(|port| {
            let host_address = match port.host_ip.as_deref() {
                None | Some("") => None,
                Some(text) => Some(text.parse().ok()?),
            };
            Some(PublishedPort {
                protocol: super::protocol(&port.protocol)?,
                host_address,
                host_port: Port(port.host_port),
                container_port: Port(port.container_port),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    published.sort_unstable();
    Some(published)
}

/// The fact that the annotations make.
pub(super) fn container(wanted: &ContainerRef, named: Named, path: &Path) -> (Container, Vec<Gap>) {
    let mut gaps = Vec::new();
    if named.published.is_none() {
        gaps.push(Gap::new(
            format!("ports published by container {}", named.name),
            format!("{}: the annotation nerdctl/ports is not understood", path.display()),
        ));
    }
    let container = Container {
        engine: wanted.engine,
        id: wanted.id.clone(),
        name: named.name,
        image: named.image,
        addresses: Vec::new(),
        published: named.published.unwrap_or_default(),
        source: path.display().to_string(),
    };
    (container, gaps)
}

/// Parses arbitrary bytes as the file.
pub(in super::super) fn fuzz(bytes: &[u8]) {
    if let Ok(BundleFile { annotations: Some(annotations) }) = serde_json::from_slice(bytes) {
        named(&annotations);
    }
}
