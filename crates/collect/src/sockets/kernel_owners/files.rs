//! NFS, and the targets of iSCSI and NVMe over TCP: what their files tell.

use std::io;
use std::path::{Path, PathBuf};

use facts::{NetnsId, Port, Protocol};

use super::super::gap;
use super::{Owned, Owners};
use crate::netns::Namespace;

/// Reads the files. They tell of the host's network namespace; nothing is read if that is not among
/// `namespaces`.
pub(crate) fn read(namespaces: &[Namespace]) -> Owners {
    match namespaces.iter().find(|namespace| namespace.host) {
        Some(host) => read_below(Path::new("/"), host.id),
        None => Owners::default(),
    }
}

fn read_below(root: &Path, netns: NetnsId) -> Owners {
    let mut files = Files { netns, owners: Owners::default() };
    files.nfsd(&root.join("proc/fs/nfsd/portlist"));
    let lockd = root.join("proc/sys/fs/nfs");
    files.lockd(&lockd.join("nlm_tcpport"), Protocol::TCP);
    files.lockd(&lockd.join("nlm_udpport"), Protocol::UDP);
    files.nvmet(&root.join("sys/kernel/config/nvmet/ports"));
    files.iscsi(&root.join("sys/kernel/config/target/iscsi"));
    files.owners
}

struct Files {
    netns: NetnsId,
    owners: Owners,
}

impl Files {
    /// `PROTOCOL PORT` on each line, once for each family (`svc_xprt_names` in
    /// `net/sunrpc/svc_xprt.c`).
    fn nfsd(&mut self, path: &Path) {
        let Some(text) = self.text(path, "sockets of nfsd") else { return };
        for (protocol, port) in parse_portlist(&text) {
            self.add(protocol, port, "nfsd", String::new(), path);
        }
    }

    /// The port that lockd was told to use; 0: any.
    fn lockd(&mut self, path: &Path, protocol: Protocol) {
        let Some(text) = self.text(path, "sockets of lockd") else { return };
        if let Some(port) = parse_port(text.trim()) {
            self.add(protocol, port, "lockd", String::new(), path);
        }
    }

    /// `ports/ID/{addr_trtype,addr_trsvcid}` (`drivers/nvme/target/configfs.c`).
    fn nvmet(&mut self, ports: &Path) {
        let what = "sockets of the NVMe target";
        for port in self.entries(ports, what) {
            let path = port.join("addr_trsvcid");
            let transport = self.text(&port.join("addr_trtype"), what);
            if transport.is_none_or(|text| text.trim() != "tcp") {
                continue;
            }
            let number = self.text(&path, what).and_then(|text| parse_port(text.trim()));
            if let Some(number) = number {
                let instance = format!("port {}", file_name(&port));
                self.add(Protocol::TCP, number, "nvmet_tcp", instance, &path);
            }
        }
    }

    /// `IQN/tpgt_N/np/ADDRESS:PORT` (`drivers/target/iscsi/iscsi_target_configfs.c`).
    fn iscsi(&mut self, targets: &Path) {
        let what = "sockets of the iSCSI target";
        for target in self.entries(targets, what) {
            for group in self.entries(&target, what) {
                for portal in self.entries(&group.join("np"), what) {
                    if let Some(port) = parse_portal(&file_name(&portal)) {
                        let instance = file_name(&target);
                        self.add(Protocol::TCP, port, "iscsi_target_mod", instance, &portal);
                    }
                }
            }
        }
    }

    fn add(
        &mut self,
        protocol: Protocol,
        port: Port,
        subsystem: &'static str,
        instance: String,
        path: &Path,
    ) {
        let owned = Owned { protocol, port, subsystem, instance };
        self.owners.add(self.netns, owned, &path.to_string_lossy());
    }

    /// A file's text; none if there is no such file. Other failures are gaps.
    fn text(&mut self, path: &Path, what: &str) -> Option<String> {
        let bytes = self.noted(std::fs::read(path), path, what)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The folders in a folder, sorted; none if there is no such folder.
    fn entries(&mut self, path: &Path, what: &str) -> Vec<PathBuf> {
        let Some(entries) = self.noted(path.read_dir(), path, what) else { return vec![] };
        let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.retain(|path| path.is_dir());
        paths.sort_unstable();
        paths
    }

    fn noted<T>(&mut self, read: io::Result<T>, path: &Path, what: &str) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let denied = error.kind() == io::ErrorKind::PermissionDenied;
                let why = format!("read {}: {error}", path.display());
                self.owners.gaps.push(gap(what.to_owned(), why, denied));
                None
            }
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Lines of `/proc/fs/nfsd/portlist`; other transports than TCP and UDP (`rdma`) have no sockets.
pub(crate) fn parse_portlist(text: &str) -> impl Iterator<Item = (Protocol, Port)> {
    text.lines().filter_map(|line| {
        let (protocol, port) = line.trim().split_once(' ')?;
        let protocol = match protocol {
            "tcp" => Protocol::TCP,
            "udp" => Protocol::UDP,
            _ => return None,
        };
        Some((protocol, parse_port(port)?))
    })
}

/// A port in decimal digits; none for 0.
fn parse_port(text: &str) -> Option<Port> {
    text.parse().ok().filter(|port| *port != 0).map(Port)
}

/// The port of `ADDRESS:PORT` or `[ADDRESS]:PORT`.
fn parse_portal(name: &str) -> Option<Port> {
    parse_port(name.rsplit_once(':')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expect: &[(&str, u16, &str, &str)]) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut owners = read_below(root.path(), NetnsId(1));
        owners.owners.sort_unstable();
        owners.owners.dedup();
        assert_eq!(owners.gaps, []);
        let got: Vec<_> = owners
            .owners
            .iter()
            .map(|o| (o.protocol.to_string(), o.port.0, o.subsystem.as_str(), o.instance.as_str()))
            .collect();
        let expect: Vec<_> = expect.iter().map(|e| (e.0.to_owned(), e.1, e.2, e.3)).collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn nothing_there() {
        check(&[], &[]);
    }

    #[test]
    fn nfs() {
        check(
            &[
                ("proc/fs/nfsd/portlist", "rdma 20049\ntcp 2049\nudp 2049\ntcp 2049\n\nx\ntcp\n"),
                ("proc/sys/fs/nfs/nlm_tcpport", "32768\n"),
                ("proc/sys/fs/nfs/nlm_udpport", "0\n"),
            ],
            &[("tcp", 2049, "nfsd", ""), ("tcp", 32768, "lockd", ""), ("udp", 2049, "nfsd", "")],
        );
    }

    #[test]
    fn block_targets() {
        check(
            &[
                ("sys/kernel/config/nvmet/ports/1/addr_trtype", "tcp\n"),
                ("sys/kernel/config/nvmet/ports/1/addr_trsvcid", "4420\n"),
                ("sys/kernel/config/nvmet/ports/2/addr_trtype", "rdma\n"),
                ("sys/kernel/config/nvmet/ports/2/addr_trsvcid", "4420\n"),
                ("sys/kernel/config/target/iscsi/iqn.2003-01.x:1/tpgt_1/np/[::]:3260/iser", "0\n"),
                ("sys/kernel/config/target/iscsi/discovery_auth/x", ""),
            ],
            &[
                ("tcp", 3260, "iscsi_target_mod", "iqn.2003-01.x:1"),
                ("tcp", 4420, "nvmet_tcp", "port 1"),
            ],
        );
    }
}
