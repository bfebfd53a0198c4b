//! Network namespaces: finding them, naming them, looking into them.
//!
//! Input: one process, thread or held socket per namespace (found by the walk over processes), the
//! files below `/run/netns` and of container engines, and the table of mounts. Output: every namespace once, with a way into it. A thread
//! enters (setns(2)) and ends there; the caller's own thread never changes its namespace. Entering
//! needs `CAP_SYS_ADMIN`; names and ids need nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use facts::{Gap, NetnsId, Pid, Remedy};
use rustix::fs::{FsWord, statfs};
use rustix::process::{PidfdFlags, PidfdGetfdFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::mountinfo::{self, Mount};

/// The namespace of the calling thread, which may differ from its process's main thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// Pid 1's: the host's.
const HOST: &str = "/proc/1/ns/net";

/// Where names are: iproute2 (ip-netns(8)), CNI and podman use the first; the second is usually
/// the same through a symbolic link; docker has its own.
const NAME_FOLDERS: [&str; 3] = ["/run/netns", "/var/run/netns", "/run/docker/netns"];

/// The folders whose names mean "not the host's"; docker calls the host's own one `default`.
const FOREIGN_NAME_FOLDERS: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// `NSFS_MAGIC` (`include/uapi/linux/magic.h`).
const NSFS_MAGIC: FsWord = 0x6e73_6673;

/// A namespace, before anything in it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its inode.
    pub id: NetnsId,
    /// The names of the files that are bound to it, sorted.
    pub names: Vec<String>,
    /// Whether it is the host's.
    pub host: bool,
    /// Whether the calling thread is in it.
    pub own: bool,
    /// A process in it.
    pub leader: Option<Pid>,
    /// What leads to it, best first.
    handles: Vec<Handle>,
}

/// What leads to a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Handle {
    /// A file of nsfs.
    File(PathBuf),
    /// A descriptor of a process that refers to a socket in it.
    Socket(Pid, u32),
}

/// What was found elsewhere that leads to namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leads {
    /// Namespaces that processes are in, each with one of them.
    pub processes: BTreeMap<NetnsId, Pid>,
    /// Namespaces that only threads are in, each with one of them and its process.
    pub threads: BTreeMap<NetnsId, (Pid, u32)>,
    /// Namespaces that only a socket is in, each with a descriptor that refers to one.
    pub sockets: BTreeMap<NetnsId, (Pid, u32)>,
    /// Namespaces in which a process has a stream socket that neither listens nor is connected; none
    /// if that is not known.
    pub idle: Option<BTreeSet<NetnsId>>,
}

impl Namespace {
    fn new(id: NetnsId) -> Self {
        Self { id, names: vec![], host: false, own: false, leader: None, handles: vec![] }
    }

    /// What to call it in a message.
    pub fn label(&self) -> String {
        match (self.host, self.names.first()) {
            (true, _) => "the host's network namespace".to_owned(),
            (false, Some(name)) => format!("network namespace {name}"),
            (false, None) => format!("network namespace net:[{}]", self.id),
        }
    }

    /// Opens a descriptor that refers to it.
    pub fn open(&self) -> Result<OwnedFd, EnterError> {
        let mut first = None;
        for handle in &self.handles {
            let opened = match handle {
                Handle::File(path) => open_as(path, self.id),
                Handle::Socket(pid, fd) => open_of_socket(*pid, *fd, self.id),
            };
            match opened {
                Ok(fd) => return Ok(fd),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or(EnterError::NoHandle { id: self.id }))
    }

    /// Runs `work` inside it: on the calling thread if that is in it already, else on one that
    /// enters it.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, EnterError> {
        if self.own {
            return Ok(work());
        }
        enter(self.open()?.as_fd(), work)
    }
}

/// Why a namespace could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The file that leads to it cannot be opened.
    #[error("open {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file leads somewhere else by now: its process ended, or the name was given anew.
    #[error("{path} leads to net:[{found}] by now, not to net:[{wanted}]")]
    Moved {
        /// The file.
        path: PathBuf,
        /// The namespace that was meant.
        wanted: NetnsId,
        /// The namespace that is there.
        found: NetnsId,
    },
    /// The socket that leads to it cannot be borrowed from its holder, or not be asked.
    #[error("{operation} of descriptor {fd} of process {pid}: {source}")]
    Socket {
        /// What failed.
        operation: &'static str,
        /// The process.
        pid: Pid,
        /// The descriptor.
        fd: u32,
        /// Why.
        source: io::Error,
    },
    /// Neither a process nor a name leads to it.
    #[error("nothing leads to net:[{id}]")]
    NoHandle {
        /// The namespace.
        id: NetnsId,
    },
    /// setns(2) failed.
    #[error("setns: {0}")]
    Setns(io::Error),
    /// No thread could be started.
    #[error("start a thread: {0}")]
    Thread(io::Error),
    /// The work inside it ended by a panic.
    #[error("the thread inside it failed")]
    Failed,
}

impl EnterError {
    /// What would help.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Open { source, .. } | Self::Socket { source, .. } | Self::Setns(source) => {
                match source.kind() {
                    io::ErrorKind::PermissionDenied => Some(Remedy::Root),
                    io::ErrorKind::NotFound => Some(Remedy::Retry),
                    _ => None,
                }
            }
            Self::Moved { .. } | Self::NoHandle { .. } => Some(Remedy::Retry),
            Self::Thread(_) | Self::Failed => None,
        }
    }
}

/// The namespace of the calling thread.
pub fn own() -> io::Result<NetnsId> {
    id_of(Path::new(OWN))
}

/// Runs `work` on a thread of its own inside the namespace that `namespace` refers to.
pub fn enter<T: Send>(
    namespace: BorrowedFd<'_>,
    work: impl FnOnce() -> T + Send,
) -> Result<T, EnterError> {
    std::thread::scope(|scope| {
        let inside = move || {
            move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
                .map_err(|errno| EnterError::Setns(errno.into()))?;
            Ok(work())
        };
        let thread = std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, inside)
            .map_err(EnterError::Thread)?;
        thread.join().unwrap_or(Err(EnterError::Failed))
    })
}

/// Every namespace that processes, sockets and names tell of, sorted by id, and what could not be
/// told. With `own_only` just the caller's.
pub fn find(leads: &Leads, own_only: bool) -> (Vec<Namespace>, Vec<Gap>) {
    find_in(leads, own_only, &NAME_FOLDERS.map(Path::new))
}

fn find_in(leads: &Leads, own_only: bool, folders: &[&Path]) -> (Vec<Namespace>, Vec<Gap>) {
    let mut found: BTreeMap<NetnsId, Namespace> = BTreeMap::new();
    let mut gaps = Vec::new();
    let own = own();
    match &own {
        Ok(id) => entry(&mut found, *id).own = true,
        Err(error) => {
            let why = format!("stat {OWN}: {error}");
            gaps.push(Gap::new("the number of whyopen's own network namespace", why));
            // Its sockets can be listed all the same.
            entry(&mut found, NetnsId::default()).own = true;
        }
    }
    let mut foreign = Vec::new();
    let mut seen = Vec::new();
    for folder in folders {
        // The same folder by another path.
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        let names = names_in(folder, &mut gaps);
        if FOREIGN_NAME_FOLDERS.iter().any(|f| Path::new(f) == *folder) {
            foreign.extend(names.iter().map(|(_, id)| *id));
        }
        for (path, id) in names {
            let namespace = entry(&mut found, id);
            if let Some(name) = path.file_name() {
                namespace.names.push(name.to_string_lossy().into_owned());
            }
            namespace.handles.push(Handle::File(path));
        }
    }
    if !own_only {
        match mountinfo::read() {
            Ok(mounts) => add_mounted(&mounts, &mut found),
            Err(error) => {
                let what = "network namespaces that are mounted somewhere";
                let why = format!("read {}: {error}", mountinfo::PATH);
                gaps.push(denied(Gap::new(what, why), &error));
            }
        }
    }
    for (&id, &pid) in &leads.processes {
        let namespace = entry(&mut found, id);
        namespace.leader = Some(pid);
        namespace.handles.push(Handle::File(format!("/proc/{pid}/ns/net").into()));
    }
    for (&id, &(pid, tid)) in &leads.threads {
        let path = format!("/proc/{pid}/task/{tid}/ns/net").into();
        entry(&mut found, id).handles.push(Handle::File(path));
    }
    for (&id, &(pid, fd)) in &leads.sockets {
        entry(&mut found, id).handles.push(Handle::Socket(pid, fd));
    }
    let own_is_known = own.is_ok();
    let host = host(own.ok(), &foreign);
    if let Some(id) = host {
        let namespace = entry(&mut found, id);
        namespace.host = true;
        namespace.handles.push(Handle::File(HOST.into()));
    }
    let mut namespaces: Vec<_> = found.into_values().collect();
    if own_only {
        namespaces.retain(|n| n.own);
        // Those of others do not matter then.
        gaps.truncate(usize::from(!own_is_known));
    }
    for namespace in &mut namespaces {
        namespace.names.sort_unstable();
        namespace.names.dedup();
    }
    (namespaces, gaps)
}

fn entry(found: &mut BTreeMap<NetnsId, Namespace>, id: NetnsId) -> &mut Namespace {
    found.entry(id).or_insert_with(|| Namespace::new(id))
}

/// Adds the namespaces that are mounted anywhere else, under the names of the files: engines and
/// hand-made ones keep them in places of their own.
///
/// The kernel writes which namespace it is as the root of the mount, `net:[4026532000]`
/// (`fs/nsfs.c`, `nsfs_show_path`), so that it is known also where the file may not be looked at.
fn add_mounted(mounts: &[Mount], found: &mut BTreeMap<NetnsId, Namespace>) {
    for mount in mounts.iter().filter(|mount| mount.kind == "nsfs") {
        let number = mount.root.strip_prefix("net:[").and_then(|text| text.strip_suffix(']'));
        let Some(id) = number.and_then(|number| number.parse().ok()).map(NetnsId) else { continue };
        let path = PathBuf::from(&mount.point);
        // Something else is mounted over it, so that nothing leads there by this way.
        let hidden = match name(&path) {
            Ok(seen) => seen != id,
            Err(error) => error.kind() != io::ErrorKind::PermissionDenied,
        };
        let namespace = if hidden { continue } else { entry(found, id) };
        let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let handle = Handle::File(path);
        if !namespace.handles.contains(&handle) {
            namespace.names.extend(file_name);
            namespace.handles.push(handle);
        }
    }
}

/// The host's namespace: pid 1's. Without privilege its number cannot be read, but whether the
/// caller is in it can: every namespace has its own inodes below `/proc/PID/net`, which anyone may
/// look at (kernel `fs/proc/proc_net.c`). Where that is hidden too, the caller's own is taken for
/// the host's, unless it has a name (nobody names the host's).
fn host(own: Option<NetnsId>, foreign: &[NetnsId]) -> Option<NetnsId> {
    if let Ok(id) = id_of(Path::new(HOST)) {
        return Some(id);
    }
    let inode = |path: &str| Path::new(path).metadata().map(|m| m.ino());
    match (inode("/proc/1/net/dev"), inode("/proc/thread-self/net/dev")) {
        (Ok(host), Ok(here)) => own.filter(|_| host == here),
        _ => own.filter(|id| !foreign.contains(id)),
    }
}

/// The namespaces that the files of a folder are bound to. A folder that does not exist has none.
fn names_in(folder: &Path, gaps: &mut Vec<Gap>) -> Vec<(PathBuf, NetnsId)> {
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return vec![],
        Err(error) => {
            let what = format!("network namespaces named in {}", folder.display());
            gaps.push(denied(
                Gap::new(what, format!("read {}: {error}", folder.display())),
                &error,
            ));
            return vec![];
        }
    };
    let mut names = Vec::new();
    for path in entries.filter_map(|entry| entry.ok().map(|e| e.path())) {
        match name(&path) {
            Ok(id) => names.push((path, id)),
            // Deleted since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let what = format!("the network namespace named {}", path.display());
                gaps.push(denied(Gap::new(what, format!("{}: {error}", path.display())), &error));
            }
        }
    }
    names.sort_unstable();
    names
}

fn denied(gap: Gap, error: &io::Error) -> Gap {
    match error.kind() {
        io::ErrorKind::PermissionDenied => gap.remedied_by(Remedy::Root),
        _ => gap,
    }
}

/// The namespace a file is bound to.
fn name(path: &Path) -> io::Result<NetnsId> {
    // Not opened: whatever else lies there might block.
    if statfs(path)?.f_type != NSFS_MAGIC {
        return Err(io::Error::other(
            "not a namespace: left behind, or bound where this mount namespace cannot see it",
        ));
    }
    id_of(path)
}

fn id_of(path: &Path) -> io::Result<NetnsId> {
    id(path.metadata()?.ino())
}

/// Namespace inodes are 32 bits (kernel `struct ns_common`).
fn id(inode: u64) -> io::Result<NetnsId> {
    u32::try_from(inode)
        .map(NetnsId)
        .map_err(|_| io::Error::other(format!("inode {inode} is not a namespace's")))
}

/// Opens a file that must lead to this namespace.
fn open_as(path: &Path, wanted: NetnsId) -> Result<OwnedFd, EnterError> {
    let failed = |source| EnterError::Open { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().and_then(|m| id(m.ino())).map_err(failed)?;
    if found != wanted {
        return Err(EnterError::Moved { path: path.to_owned(), wanted, found });
    }
    Ok(file.into())
}

/// Opens the namespace of a socket that another process holds: borrows the descriptor
/// (pidfd_getfd(2), which needs the right to trace the process) and asks it for its namespace.
fn open_of_socket(pid: Pid, fd: u32, wanted: NetnsId) -> Result<OwnedFd, EnterError> {
    /// `SIOCGSKNS` (`include/uapi/linux/sockios.h`): a descriptor of a socket's network namespace.
    const SIOCGSKNS: libc::c_ulong = 0x894c;
    let failed =
        |operation| move |source: io::Error| EnterError::Socket { operation, pid, fd, source };
    let gone = || failed("pidfd_open")(io::ErrorKind::NotFound.into());
    let process = i32::try_from(pid.0).ok().and_then(rustix::process::Pid::from_raw);
    let process = rustix::process::pidfd_open(process.ok_or_else(gone)?, PidfdFlags::empty())
        .map_err(|errno| failed("pidfd_open")(errno.into()))?;
    let number = i32::try_from(fd).map_err(|_| gone())?;
    let socket = rustix::process::pidfd_getfd(&process, number, PidfdGetfdFlags::empty())
        .map_err(|errno| failed("pidfd_getfd")(errno.into()))?;
    // SAFETY: this ioctl takes no argument and touches no memory of ours.
    #[allow(unsafe_code, reason = "ioctl(2) has no safe wrapper for this request")]
    let namespace = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS) };
    if namespace < 0 {
        return Err(failed("SIOCGSKNS")(io::Error::last_os_error()));
    }
    // SAFETY: the kernel just made this descriptor for us, and nothing else knows it.
    #[allow(unsafe_code, reason = "takes ownership of a new descriptor")]
    let namespace = unsafe { OwnedFd::from_raw_fd(namespace) };
    let file = File::from(namespace);
    let found = file.metadata().and_then(|m| id(m.ino())).map_err(failed("stat"))?;
    if found != wanted {
        let path = format!("/proc/{pid}/fd/{fd}").into();
        return Err(EnterError::Moved { path, wanted, found });
    }
    Ok(file.into())
}

/// Makes a namespace of its own for a test, which needs root; it lasts as long as the file is open.
#[cfg(test)]
pub(crate) fn made() -> File {
    let inside = || {
        #[allow(unsafe_code, reason = "unshare of a namespace has no safe wrapper")]
        // SAFETY: the thread leaves its network namespace only; it shares its descriptors as before.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
            .expect("unshare(CLONE_NEWNET): this test needs root");
        File::open(OWN).expect("open the namespace that was made")
    };
    std::thread::spawn(inside).join().expect("a thread in a namespace of its own")
}

#[cfg(test)]
mod tests;
