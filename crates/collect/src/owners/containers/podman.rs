//! Podman's database of containers, for what its store does not say: addresses and published ports.
//!
//! Since podman 4.8 it is SQLite, `db.sql` beside the store (libpod `sqlite_state_internal.go`): the
//! tables `ContainerConfig` and `ContainerState` have a JSON text each (libpod
//! `container_config.go`, `container.go`). Older ones are Bolt databases, which are not read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use facts::{Gap, Port, PublishedPort};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::files::FileError;
use super::super::sqlite::{Database, SqliteError};

/// More ports than one container can publish on a few addresses.
const PORTS_LIMIT: usize = 1 << 18;

/// What is read of a container's configuration.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(rename = "newPortMappings")]
    ports: Option<Vec<Mapping>>,
    /// The container whose network this one shares.
    #[serde(rename = "netNsCtr")]
    network_of: Option<String>,
}

/// Ports that are published (containers/common `libnetwork/types`, `PortMapping`).
#[derive(Deserialize)]
struct Mapping {
    host_ip: Option<String>,
    container_port: u16,
    host_port: u16,
    /// How many ports, from these on; 0 is 1.
    range: Option<u16>,
    /// One or more, with commas; empty is `tcp`.
    protocol: Option<String>,
}

/// What is read of a container's state.
#[derive(Default, Deserialize)]
struct State {
    #[serde(rename = "networkStatus")]
    networks: Option<BTreeMap<String, Status>>,
}

#[derive(Deserialize)]
struct Status {
    interfaces: Option<BTreeMap<String, Interface>>,
}

#[derive(Deserialize)]
struct Interface {
    subnets: Option<Vec<Subnet>>,
}

#[derive(Deserialize)]
struct Subnet {
    /// `10.88.0.2/16`: the container's own address.
    ipnet: String,
}

/// How a container is connected.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Network {
    /// Its addresses, sorted.
    pub(super) addresses: Vec<IpAddr>,
    /// The ports that it publishes, sorted.
    pub(super) published: Vec<PublishedPort>,
}

/// How a container of a store is connected, or the gap that is left.
pub(super) fn network(store: &Path, id: &str) -> Result<Network, Gap> {
    const WHAT: &str = "addresses and published ports of podman containers";
    let path = store.join("db.sql");
    match read(&path, id) {
        Ok(Ok(network)) => Ok(network),
        Ok(Err(why)) => Err(Gap::new(WHAT, format!("{}: {why}", path.display()))),
        Err(error) => Err(error.gap(WHAT)),
    }
}

/// Looks a container up; the inner error says why the database does not know it.
fn read(path: &Path, id: &str) -> Result<Result<Network, &'static str>, SqliteError> {
    let Some(database) = Database::open(path)? else {
        return Ok(Err(
            "not there (podman before 4.8 keeps them in a Bolt database, which is not read)",
        ));
    };
    let Some(mut config) = json::<Config>(&database, path, "ContainerConfig", id)? else {
        return Ok(Err("has no such container"));
    };
    let mut id = id.to_owned();
    // In a pod the first container has the network. It has no other's.
    if let Some(other) = config.network_of.take().filter(|other| !other.is_empty()) {
        config = json(&database, path, "ContainerConfig", &other)?.unwrap_or_default();
        id = other;
    }
    let state: State = json(&database, path, "ContainerState", &id)?.unwrap_or_default();
    database.check_unchanged()?;
    let published = published(&config)
        .ok_or_else(|| FileError::malformed(path, "a published port is not understood"))?;
    Ok(Ok(Network { addresses: addresses(state), published }))
}

/// The JSON text of a container in one of the tables.
fn json<T: DeserializeOwned>(
    database: &Database,
    path: &Path,
    table: &str,
    id: &str,
) -> Result<Option<T>, SqliteError> {
    let query = format!("SELECT JSON FROM {table} WHERE ID = ?");
    let texts: Vec<String> = database.rows(&query, [id], |row| row.get(0))?;
    let Some(text) = texts.first() else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|error| FileError::json(path, &error).into())
}

/// The addresses on all networks.
fn addresses(state: State) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = state
        .networks
        .unwrap_or_default()
        .into_values()
        .flat_map(|status| status.interfaces.unwrap_or_default().into_values())
        .flat_map(|interface| interface.subnets.unwrap_or_default())
        .filter_map(|subnet| subnet.ipnet.split('/').next()?.parse().ok())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The published ports, one by one; none if one is not understood.
fn published(config: &Config) -> Option<Vec<PublishedPort>> {
    let mut published = Vec::new();
    for mapping in config.ports.iter().flatten() {
        let host_address = match mapping.host_ip.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse().ok()?),
        };
        let protocols = mapping.protocol.as_deref().filter(|text| !text.is_empty());
        for protocol in protocols.unwrap_or("tcp").split(',') {
            let protocol = super::protocol(protocol)?;
            // The file may be an ordinary user's: what it says must not fill the memory.
            if published.len() > PORTS_LIMIT {
                return None;
            }
            for offset in 0..mapping.range.unwrap_or(1).max(1) {
                published.push(PublishedPort {
                    protocol,
                    host_address,
                    host_port: Port(mapping.host_port.checked_add(offset)?),
                    container_port: Port(mapping.container_port.checked_add(offset)?),
                });
            }
        }
    }
    published.sort_unstable();
    Some(published)
}

/// Parses arbitrary bytes as each of the JSON texts.
pub(in super::super) fn fuzz(bytes: &[u8]) {
    if let Ok(config) = serde_json::from_slice::<Config>(bytes) {
        published(&config);
    }
    if let Ok(state) = serde_json::from_slice::<State>(bytes) {
        addresses(state);
    }
}
