//! Entry points for fuzzing: each parses arbitrary bytes as one of the inputs of this room, and
//! must not panic, hang, or use memory out of proportion.

/// Docker's `config.v2.json` and `hostconfig.json`.
pub fn docker_config(bytes: &[u8]) {
    super::containers::fuzz_docker(bytes);
}

/// An OCI runtime's `config.json`.
pub fn oci_bundle(bytes: &[u8]) {
    super::containers::fuzz_bundle(bytes);
}

/// The list of a containers/storage store.
pub fn containers_storage(bytes: &[u8]) {
    super::containers::fuzz_storage(bytes);
}
