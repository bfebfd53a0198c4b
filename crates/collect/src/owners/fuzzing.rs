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

/// The list of a dpkg package.
pub fn dpkg_list(bytes: &[u8]) {
    super::packages::fuzz_list(bytes);
}

/// dpkg's list of diversions.
pub fn dpkg_diversions(bytes: &[u8]) {
    super::packages::fuzz_diversions(bytes);
}

/// dpkg's status file.
pub fn dpkg_status(bytes: &[u8]) {
    super::packages::fuzz_status(bytes);
}

/// apk's database.
pub fn apk_database(bytes: &[u8]) {
    super::packages::fuzz_apk(bytes);
}

/// pacman's `files` and `desc`.
pub fn pacman_database(bytes: &[u8]) {
    super::packages::fuzz_pacman(bytes);
}

/// The header of a package in rpm's database.
pub fn rpm_header(bytes: &[u8]) {
    super::packages::fuzz_rpm(bytes);
}

/// The JSON texts in podman's database.
pub fn podman_json(bytes: &[u8]) {
    super::containers::fuzz_podman(bytes);
}
