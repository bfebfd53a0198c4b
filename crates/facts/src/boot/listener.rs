//! Where a program's own configuration makes it listen.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Port, Protocol};

/// The configuration of a program that listens. Sorted by program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfiguredListener {
    /// The program, by the name of its processes: `sshd`, `nginx`, `postgres`.
    pub program: String,
    /// The unit that runs with this configuration; empty: any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// The file that it begins with.
    pub source: String,
    /// Where it listens. Sorted.
    pub ports: Vec<ConfiguredPort>,
    /// What was not understood or could not be read, each with its place. Empty: these are all
    /// ports there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unclear: Vec<String>,
}

/// One address and port that a program is configured to listen on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfiguredPort {
    /// The protocol.
    pub protocol: Protocol,
    /// The address; `0.0.0.0` and `::` for any of a family.
    pub address: IpAddr,
    /// The port.
    pub port: Port,
    /// `FILE:LINE`, or the file where the port is a default.
    pub source: String,
}
