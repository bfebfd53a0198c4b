//! Docker's `containers/ID/config.v2.json` and `hostconfig.json`.
//!
//! The shape is moby's `daemon/container/container.go` (`Container`) and
//! `api/types/container/hostconfig.go` (`HostConfig`). The daemon writes both when it starts a
//! container, after the network is set up.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use facts::{Container, ContainerEngine, Gap, Port, PublishedPort, RestartPolicy};
use serde::Deserialize;

use super::super::files::{self, FileError};
use super::{Answer, FILE_LIMIT, kubernetes_name};

/// What is read of `config.v2.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigFile {
    name: String,
    config: Option<ImageConfig>,
    state: Option<State>,
    network_settings: Option<NetworkSettings>,
    has_been_manually_stopped: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageConfig {
    image: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Option<Endpoint>>>,
    ports: Option<PortMap>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "IPAddress")]
    ipv4: Option<String>,
    #[serde(rename = "GlobalIPv6Address")]
    ipv6: Option<String>,
}

/// `80/tcp` to where it is published; null for a port that is exposed only.
type PortMap = BTreeMap<String, Option<Vec<Binding>>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_ip: Option<String>,
    host_port: Option<String>,
}

/// What is read of `hostconfig.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfigFile {
    port_bindings: Option<PortMap>,
    restart_policy: Option<Policy>,
    auto_remove: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    name: Option<String>,
}

/// The `containers` folders that docker may use on this host: the default one, the one its
/// `daemon.json` names, and the snap's.
pub(super) fn folders(root: &Path) -> Vec<PathBuf> {
    let mut roots =
        vec![root.join("var/lib/docker"), root.join("var/snap/docker/common/var-lib-docker")];
    if let Some(elsewhere) = configured_root(&root.join("etc/docker/daemon.json")) {
        roots.insert(0, root.join(elsewhere.trim_start_matches('/')));
    }
    roots.into_iter().map(|path| path.join("containers")).collect()
}

/// `data-root` of `daemon.json`, if that can be read.
fn configured_root(path: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct DaemonFile {
        #[serde(rename = "data-root")]
        data_root: Option<String>,
    }
    let bytes = files::read(path, FILE_LIMIT).ok()??;
    serde_json::from_slice::<DaemonFile>(&bytes).ok()?.data_root
}

/// One container by its full id.
pub(super) fn one(folder: &Path, id: &str) -> Answer {
    Ok(read(folder, id)?.map(|(container, _, gaps)| (container, gaps)))
}

/// Every running container that publishes a port, and what could not be read.
pub(super) fn publishing(folder: &Path) -> (Vec<Container>, Vec<Gap>) {
    const WHAT: &str = "ports published by docker";
    let names = match files::list(folder) {
        Ok(names) => names.unwrap_or_default(),
        Err(error) => return (Vec::new(), vec![error.gap(WHAT)]),
    };
    let mut containers = Vec::new();
    let mut gaps = Vec::new();
    for name in names {
        match name.to_str().map(|id| read(folder, id)) {
            Some(Ok(Some((container, running, more)))) => {
                if running && !(container.published.is_empty() && more.is_empty()) {
                    containers.push(container);
                    gaps.extend(more);
                }
            }
            Some(Err(error)) => gaps.push(error.gap(WHAT)),
            Some(Ok(None)) | None => {}
        }
    }
    (containers, gaps)
}

/// One container, and whether it runs.
fn read(folder: &Path, id: &str) -> Result<Option<(Container, bool, Vec<Gap>)>, FileError> {
    let path = folder.join(id).join("config.v2.json");
    let Some(bytes) = files::read(&path, FILE_LIMIT)? else { return Ok(None) };
    let file: ConfigFile =
        serde_json::from_slice(&bytes).map_err(|error| FileError::json(&path, &error))?;
    let name = file.name.strip_prefix('/').unwrap_or(&file.name).to_owned();
    let (networks, ports) =
        file.network_settings.map_or((None, None), |settings| (settings.networks, settings.ports));
    let running = file.state.and_then(|state| state.running).unwrap_or(false);

    let mut gaps = Vec::new();
    let mut ports = ports.unwrap_or_default();
    if running && ports.values().all(Option::is_none) {
        ports = configured_ports(&folder.join(id).join("hostconfig.json"))?;
    }
    let (published, unclear) = published(ports);
    if unclear {
        gaps.push(Gap::new(
            format!("ports published by docker container {name}"),
            format!("{}: the host's port is not written there", path.display()),
        ));
    }
    let container = Container {
        engine: ContainerEngine::Docker,
        id: id.to_owned(),
        name: kubernetes_name(&name).unwrap_or(name),
        image: file.config.and_then(|config| config.image).unwrap_or_default(),
        addresses: addresses(networks.unwrap_or_default()),
        published,
        source: path.display().to_string(),
    };
    Ok(Some((container, running, gaps)))
}

/// What the daemon does with a container when it starts; none if it does not know the id.
pub(super) fn restart(folder: &Path, id: &str) -> Result<Option<RestartPolicy>, FileError> {
    let path = folder.join(id).join("config.v2.json");
    let Some(bytes) = files::read(&path, FILE_LIMIT)? else { return Ok(None) };
    let config: ConfigFile =
        serde_json::from_slice(&bytes).map_err(|error| FileError::json(&path, &error))?;
    let path = folder.join(id).join("hostconfig.json");
    let Some(bytes) = files::read(&path, FILE_LIMIT)? else { return Ok(None) };
    let host: HostConfigFile =
        serde_json::from_slice(&bytes).map_err(|error| FileError::json(&path, &error))?;
    // An empty name is `no` (moby api/types/container/hostconfig.go, `IsNone`).
    let policy = host.restart_policy.and_then(|policy| policy.name).unwrap_or_default();
    Ok(Some(RestartPolicy {
        engine: ContainerEngine::Docker,
        id: id.to_owned(),
        name: config.name.strip_prefix('/').unwrap_or(&config.name).to_owned(),
        policy: Some(if policy.is_empty() { "no".to_owned() } else { policy }),
        stopped_by_hand: Some(config.has_been_manually_stopped.unwrap_or(false)),
        removed_at_end: host.auto_remove.unwrap_or(false),
        source: path.display().to_string(),
    }))
}

/// The ports that a container was told to publish: what a daemon that did not record the outcome
/// leaves.
fn configured_ports(path: &Path) -> Result<PortMap, FileError> {
    let Some(bytes) = files::read(path, FILE_LIMIT)? else { return Ok(PortMap::new()) };
    let file: HostConfigFile =
        serde_json::from_slice(&bytes).map_err(|error| FileError::json(path, &error))?;
    Ok(file.port_bindings.unwrap_or_default())
}

/// The addresses of all networks, sorted.
fn addresses(networks: BTreeMap<String, Option<Endpoint>>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = networks
        .into_values()
        .flatten()
        .flat_map(|endpoint| [endpoint.ipv4, endpoint.ipv6])
        .filter_map(|text| text?.parse().ok())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The published ports, sorted, and whether there is one more whose number is not written: left to
/// the daemon (empty), or a range of which it took one.
fn published(ports: PortMap) -> (Vec<PublishedPort>, bool) {
    let mut published = Vec::new();
    let mut unclear = false;
    for (key, bindings) in ports {
        for binding in bindings.unwrap_or_default() {
            match publish(&key, &binding) {
                Some(port) => published.push(port),
                None => unclear = true,
            }
        }
    }
    published.sort_unstable();
    published.dedup();
    (published, unclear)
}

/// One published port; `key` is `PORT/PROTOCOL` in the container.
fn publish(key: &str, binding: &Binding) -> Option<PublishedPort> {
    let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let host_port: u16 = binding.host_port.as_deref()?.parse().ok()?;
    let host_address = match binding.host_ip.as_deref() {
        None | Some("") => None,
        Some(text) => Some(text.parse().ok()?),
    };
    (host_port != 0).then_some(PublishedPort {
        protocol: super::protocol(protocol)?,
        host_address,
        host_port: Port(host_port),
        container_port: Port(port.parse().ok()?),
    })
}

/// Parses arbitrary bytes as each of the files.
pub(in super::super) fn fuzz(bytes: &[u8]) {
    if let Ok(file) = serde_json::from_slice::<ConfigFile>(bytes)
        && let Some(settings) = file.network_settings
    {
        addresses(settings.networks.unwrap_or_default());
        published(settings.ports.unwrap_or_default());
    }
    if let Ok(file) = serde_json::from_slice::<HostConfigFile>(bytes) {
        published(file.port_bindings.unwrap_or_default());
    }
}
