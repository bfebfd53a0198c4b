//! Cgroups, and what a cgroup's path says about who runs in it.
//!
//! systemd names the cgroups of what it starts after its units (systemd.resource-control(5),
//! "CONTROL GROUP HIERARCHY"), and every container engine follows a pattern of its own. Reading the
//! path needs no privilege, and so names the unit or container of a socket to an ordinary user.

use serde::{Deserialize, Serialize};

use crate::{CgroupId, Uid};

/// A cgroup of the unified hierarchy. Sorted by id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cgroup {
    /// Its id.
    pub id: CgroupId,
    /// Its path below the mount, beginning with `/`; escape it.
    pub path: String,
}

/// A container engine or sandbox, as far as a cgroup path tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerEngine {
    /// Docker (and Moby).
    Docker,
    /// Podman (libpod).
    Podman,
    /// containerd, through Kubernetes' CRI.
    Containerd,
    /// CRI-O.
    Crio,
    /// nerdctl on containerd.
    Nerdctl,
    /// LXC, LXD, Incus.
    Lxc,
    /// systemd-nspawn, and other containers known to systemd-machined.
    Nspawn,
    /// A virtual machine of libvirt: not a container, but a guest.
    Libvirt,
    /// A snap.
    Snap,
    /// A flatpak.
    Flatpak,
    /// An engine this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}

impl ContainerEngine {
    /// Its name in prose.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Nerdctl => "nerdctl",
            Self::Lxc => "lxc",
            Self::Nspawn => "nspawn",
            Self::Libvirt => "libvirt",
            Self::Snap => "snap",
            Self::Flatpak => "flatpak",
            Self::Other => "container",
        }
    }
}

/// A container as a cgroup path names it: by id, or by name for engines that put it there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerRef {
    /// Who runs it.
    pub engine: ContainerEngine,
    /// Its id (64 hexadecimal digits for the OCI engines), or its name.
    pub id: String,
    /// The pod's uid, with `-` between its groups, for Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

/// What the path of a cgroup says about the processes in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Placement {
    /// The unit of the system's systemd: `nginx.service`, `session-3.scope`, `user@1000.service`.
    pub unit: Option<String>,
    /// The unit of a user's own systemd, below `user@UID.service`.
    pub user_unit: Option<String>,
    /// The innermost slice of the system's systemd.
    pub slice: Option<String>,
    /// The login session: "3" for `session-3.scope`. What runs there does not return after a boot.
    pub session: Option<String>,
    /// The user whose slice it is in.
    pub user: Option<Uid>,
    /// The container, sandbox or guest.
    pub container: Option<ContainerRef>,
    /// The unit of a systemd that runs inside that container.
    pub inner_unit: Option<String>,
}

/// What a process's manager is, while walking down a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manager {
    System,
    User,
    Container,
}

impl Placement {
    /// Reads a path below the cgroup mount, such as the third field of `/proc/PID/cgroup`.
    ///
    /// ```
    /// use facts::Placement;
    /// let p = Placement::of("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service");
    /// assert_eq!(p.unit.as_deref(), Some("user@1000.service"));
    /// assert_eq!(p.user_unit.as_deref(), Some("web.service"));
    /// ```
    pub fn of(path: &str) -> Self {
        let mut placement = Self::default();
        let mut manager = Manager::System;
        let mut pod = None;
        for component in path.split('/').filter(|c| !c.is_empty()) {
            // systemd puts a `_` before names that would clash with the kernel's own files
            // (src/basic/cgroup-util.c, cg_escape).
            let name = component.strip_prefix('_').unwrap_or(component);
            if let Some(uid) = pod_uid(name) {
                pod = Some(uid);
            }
            // A container inside a container (docker in nspawn) is told by its outermost: that is
            // the one the host's administrator started.
            if placement.container.is_none()
                && let Some(found) = container(name, pod.as_deref(), path)
            {
                placement.container = Some(found);
                placement.note_unit(name, manager);
                // Snaps and flatpaks are ordinary units of the host: nothing runs a manager in them.
                if !is_sandbox(placement.container.as_ref()) {
                    manager = Manager::Container;
                }
                continue;
            }
            placement.note_unit(name, manager);
            if manager == Manager::System && name.starts_with("user@") && name.ends_with(".service")
            {
                manager = Manager::User;
            }
        }
        placement
    }

    /// Records a component if it is a unit of this manager.
    fn note_unit(&mut self, name: &str, manager: Manager) {
        if let Some(slice) = name.strip_suffix(".slice") {
            if manager == Manager::System {
                self.slice = Some(name.to_owned());
                if let Some(uid) = slice.strip_prefix("user-").and_then(|u| u.parse().ok()) {
                    self.user = Some(Uid(uid));
                }
            }
            return;
        }
        if !is_unit(name) {
            return;
        }
        let slot = match manager {
            Manager::System => &mut self.unit,
            Manager::User => &mut self.user_unit,
            Manager::Container => &mut self.inner_unit,
        };
        // The outermost: a service with `Delegate=` may make units of its own below itself.
        if slot.is_none() {
            *slot = Some(name.to_owned());
        }
        if manager == Manager::System
            && let Some(id) = name.strip_prefix("session-").and_then(|n| n.strip_suffix(".scope"))
        {
            self.session = Some(id.to_owned());
        }
    }
}

/// Whether a name is that of a unit which has processes.
fn is_unit(name: &str) -> bool {
    [".service", ".scope", ".socket", ".mount", ".swap"]
        .iter()
        .any(|suffix| name.strip_suffix(suffix).is_some_and(|stem| !stem.is_empty()))
}

/// Whether the container is a sandboxed application rather than a system of its own.
fn is_sandbox(container: Option<&ContainerRef>) -> bool {
    container.is_some_and(|c| matches!(c.engine, ContainerEngine::Snap | ContainerEngine::Flatpak))
}

/// The uid of a Kubernetes pod: `kubepods-burstable-pod1234_….slice` or `pod1234-…`.
fn pod_uid(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".slice").unwrap_or(name);
    let uid = if name.starts_with("kubepods") {
        stem.rsplit_once("-pod")?.1
    } else {
        stem.strip_prefix("pod")?
    };
    let uid = uid.replace('_', "-");
    let looks_right = uid.len() >= 32 && uid.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    looks_right.then_some(uid)
}

/// Whether a string is an OCI container id.
fn is_oci_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The container that one component of a path names.
fn container(name: &str, pod: Option<&str>, path: &str) -> Option<ContainerRef> {
    let made = |engine, id: &str| {
        Some(ContainerRef { engine, id: id.to_owned(), pod: pod.map(str::to_owned) })
    };
    let stem = name.strip_suffix(".scope").unwrap_or(name);

    // The OCI engines: PREFIX-ID.scope under systemd's driver, PREFIX/ID under cgroupfs'.
    for (prefix, engine) in [
        ("docker-", ContainerEngine::Docker),
        ("libpod-payload-", ContainerEngine::Podman),
        ("libpod-conmon-", ContainerEngine::Podman),
        ("libpod-", ContainerEngine::Podman),
        ("cri-containerd-", ContainerEngine::Containerd),
        ("crio-conmon-", ContainerEngine::Crio),
        ("crio-", ContainerEngine::Crio),
        ("nerdctl-", ContainerEngine::Nerdctl),
    ] {
        if let Some(id) = stem.strip_prefix(prefix).filter(|id| is_oci_id(id)) {
            return made(engine, id);
        }
    }
    // containerd as a plain service: `kubepods-burstable-pod….slice:cri-containerd:ID`.
    if let Some((_, id)) = name.rsplit_once(":cri-containerd:").filter(|(_, id)| is_oci_id(id)) {
        let pod = name.split(':').next().and_then(pod_uid).or_else(|| pod.map(str::to_owned));
        return Some(ContainerRef { engine: ContainerEngine::Containerd, id: id.to_owned(), pod });
    }
    if is_oci_id(name) {
        if pod.is_some() {
            return made(ContainerEngine::Containerd, name);
        }
        if path.contains("/docker/") {
            return made(ContainerEngine::Docker, name);
        }
    }

    // Engines that put the name there.
    if let Some(id) =
        name.strip_prefix("lxc.payload.").or_else(|| name.strip_prefix("lxc.monitor."))
    {
        return made(ContainerEngine::Lxc, id);
    }
    if path.strip_prefix("/lxc/").is_some_and(|rest| rest.split('/').next() == Some(name)) {
        return made(ContainerEngine::Lxc, name);
    }
    if let Some(id) = name.strip_prefix("systemd-nspawn@").and_then(|n| n.strip_suffix(".service"))
    {
        return made(ContainerEngine::Nspawn, &unescape(id));
    }
    if let Some(id) = name.strip_prefix("machine-").and_then(|n| n.strip_suffix(".scope")) {
        let id = unescape(id);
        return match id.strip_prefix("qemu-") {
            // libvirt calls its guests `qemu-NUMBER-NAME`.
            Some(rest) => made(
                ContainerEngine::Libvirt,
                rest.split_once('-').map_or(rest, |(_, guest)| guest),
            ),
            None => made(ContainerEngine::Nspawn, &id),
        };
    }

    // Sandboxes.
    if let Some(rest) = name.strip_prefix("snap.")
        && let Some(rest) = rest.strip_suffix(".service").or_else(|| rest.strip_suffix(".scope"))
    {
        return made(ContainerEngine::Snap, snap_app(rest));
    }
    if let Some(rest) = name.strip_prefix("app-flatpak-").and_then(|n| n.strip_suffix(".scope")) {
        return made(
            ContainerEngine::Flatpak,
            &unescape(rest.rsplit_once('-').map_or(rest, |(app, _)| app)),
        );
    }
    None
}

/// `NAME.APP` of a snap's unit, without the random part of a scope.
fn snap_app(rest: &str) -> &str {
    // A scope is `NAME.APP-UUID` (or `NAME.hook.HOOK-UUID`): a uuid has 36 characters.
    match rest.len().checked_sub(37).and_then(|at| rest.split_at_checked(at)) {
        Some((app, tail))
            if tail.starts_with('-')
                && tail.bytes().skip(1).all(|b| b.is_ascii_hexdigit() || b == b'-') =>
        {
            app
        }
        _ => rest,
    }
}

/// Undoes systemd's `\xNN` escapes (systemd.unit(5), "STRING ESCAPING"); a single `-` stays, since
/// these are names and not paths.
fn unescape(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find("\\x") {
        let (head, tail) = rest.split_at(at);
        bytes.extend_from_slice(head.as_bytes());
        let decoded = tail.get(2..4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = decoded {
            bytes.push(byte);
            rest = tail.get(4..).unwrap_or_default();
        } else {
            bytes.extend_from_slice(b"\\x");
            rest = tail.get(2..).unwrap_or_default();
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const POD: &str = "2f1c5a9e-1111-2222-3333-444455556666";

    /// Checks a placement written as `unit user_unit inner_unit engine:id pod`, `-` for none.
    fn check(path: &str, expect: &str) {
        let p = Placement::of(path);
        let or_dash = |s: Option<&str>| s.unwrap_or("-").to_owned();
        let container =
            p.container.as_ref().map(|c| format!("{}:{}", c.engine.name(), c.id.replace(ID, "ID")));
        let pod = p.container.as_ref().and_then(|c| c.pod.clone()).map(|p| p.replace(POD, "POD"));
        let got = [
            or_dash(p.unit.as_deref()).replace(ID, "ID"),
            or_dash(p.user_unit.as_deref()).replace(ID, "ID"),
            or_dash(p.inner_unit.as_deref()),
            or_dash(container.as_deref()),
            or_dash(pod.as_deref()),
        ]
        .join(" ");
        assert_eq!(got, expect, "{path}");
    }

    #[test]
    fn units() {
        check("/", "- - - - -");
        check("/init.scope", "init.scope - - - -");
        check("/system.slice/nginx.service", "nginx.service - - - -");
        check("/system.slice/rpcbind.socket", "rpcbind.socket - - - -");
        check("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service - - - -");
        check("/system.slice/_odd.service/sub.service", "odd.service - - - -");
        check("/user.slice/user-1000.slice/session-3.scope", "session-3.scope - - - -");
        check(
            "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
            "user@1000.service web.service - - -",
        );
        let p = Placement::of("/user.slice/user-1000.slice/session-3.scope");
        assert_eq!((p.user, p.session.as_deref()), (Some(Uid(1000)), Some("3")));
        assert_eq!(p.slice.as_deref(), Some("user-1000.slice"));
    }

    #[test]
    fn containers() {
        let id = ID;
        check(&format!("/system.slice/docker-{id}.scope"), "docker-ID.scope - - docker:ID -");
        check(&format!("/docker/{id}"), "- - - docker:ID -");
        check(&format!("/docker/{id}/system.slice/a.service"), "- - a.service docker:ID -");
        check(
            &format!("/machine.slice/libpod-{id}.scope/container"),
            "libpod-ID.scope - - podman:ID -",
        );
        check(
            &format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope"),
            "user@1000.service libpod-ID.scope - podman:ID -",
        );
        let under = POD.replace('-', "_");
        check(
            &format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/cri-containerd-{id}.scope"
            ),
            "cri-containerd-ID.scope - - containerd:ID POD",
        );
        check(&format!("/kubepods/besteffort/pod{POD}/{id}"), "- - - containerd:ID POD");
        check(
            &format!(
                "/system.slice/containerd.service/kubepods-burstable-pod{under}.slice:cri-containerd:{id}"
            ),
            "containerd.service - - containerd:ID POD",
        );
        check("/lxc.payload.web/system.slice/a.service", "- - a.service lxc:web -");
        check("/lxc/web/init.scope", "- - init.scope lxc:web -");
        check(
            "/machine.slice/systemd-nspawn@web.service/payload/system.slice/rpcbind.service",
            "systemd-nspawn@web.service - rpcbind.service nspawn:web -",
        );
        check("/machine.slice/machine-a\\x2db.scope", "machine-a\\x2db.scope - - nspawn:a-b -");
        check(
            "/machine.slice/machine-qemu\\x2d1\\x2dwin.scope/libvirt/emulator",
            "machine-qemu\\x2d1\\x2dwin.scope - - libvirt:win -",
        );
        check(
            "/system.slice/snap.lxd.daemon.service",
            "snap.lxd.daemon.service - - snap:lxd.daemon -",
        );
        check(
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-org.x.App-42.scope",
            "user@1000.service app-flatpak-org.x.App-42.scope - flatpak:org.x.App -",
        );
    }

    #[test]
    fn hostile_names_do_not_panic() {
        for path in
            ["\\x", "/\\xzz/\\x4", "/machine-.scope", "/é\\xff.scope", "//..//", "/.service"]
        {
            let _ = Placement::of(path);
        }
        assert_eq!(Placement::of("/system.slice/.service").unit, None);
    }
}
