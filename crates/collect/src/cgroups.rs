//! Paths of cgroups by their ids.
//!
//! The id of a cgroup is the inode of its directory (kernel `fs/kernfs/dir.c`), which reading the
//! directory above tells: walking down the mount of the unified hierarchy finds the paths without
//! privileges. A directory without others below it is not opened at all: its link count, 2 and one
//! for each directory in it, says so.
//!
//! Deliberately absent: open_by_handle_at(2), which finds one path by its id but needs
//! `CAP_DAC_READ_SEARCH`, so that the walk would be needed as well.

use std::os::fd::OwnedFd;

use facts::{Cgroup, CgroupId, Gap, Part};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::mountinfo::{self, Mount};

/// How deep cgroups may be nested before the walk takes it for a mistake. systemd with user
/// sessions and containers in it has about 10; the kernel sets no limit.
const MAX_DEPTH: u32 = 128;

/// What this is called in gaps.
const WHAT: &str = "paths of cgroups";

/// The paths of these cgroups, sorted by id.
///
/// An id without a path is that of a cgroup that was removed while a socket that was made in it
/// still lives; or of one outside of the part of the hierarchy that we see, which is a gap.
pub fn paths(wanted: &[CgroupId]) -> Part<Vec<Cgroup>> {
    match mounted_at() {
        Ok(Some(point)) => paths_below(&point, wanted),
        Ok(None) => {
            let why = "no cgroup2 file system is mounted where we can see it";
            Part::unreadable(Gap::new(WHAT, why))
        }
        Err(error) => {
            let why = format!("read {}: {error}", mountinfo::PATH);
            Part::unreadable(Gap::new(WHAT, why))
        }
    }
}

/// Where the unified hierarchy can be found: where it is mounted, or where pid 1 sees it. `ip netns
/// exec` mounts another sysfs over it.
pub(crate) fn mounted_at() -> std::io::Result<Option<String>> {
    let own = mountinfo::read()?;
    if let Some(point) = mount_point(&own) {
        return Ok(Some(point.to_owned()));
    }
    let Ok(text) = std::fs::read("/proc/1/mountinfo") else { return Ok(None) };
    let of_init = mountinfo::parse(&text);
    let point = mount_point(&of_init).map(|point| format!("/proc/1/root{point}"));
    Ok(point.filter(|point| rustix::fs::access(point, rustix::fs::Access::EXEC_OK).is_ok()))
}

/// Where the unified hierarchy is mounted: the widest view of it that no later mount hides.
fn mount_point(mounts: &[Mount]) -> Option<&str> {
    let visible = |mount: &&Mount| {
        mount.kind == "cgroup2"
            && mountinfo::at(mounts, &mount.point).is_some_and(|seen| seen == *mount)
    };
    // The root of a part of the hierarchy is a longer path.
    mounts.iter().filter(visible).min_by_key(|mount| mount.root.len()).map(|m| m.point.as_str())
}

/// The paths of these cgroups in a hierarchy that is mounted here.
fn paths_below(point: &str, wanted: &[CgroupId]) -> Part<Vec<Cgroup>> {
    let opened = rustix::fs::open(point, directory(), Mode::empty())
        .and_then(|root| Ok((rustix::fs::fstat(&root)?.st_ino, rustix::fs::fstatfs(&root)?, root)));
    let (root_id, root) = match opened {
        Ok((_, kind, _)) if kind.f_type != CGROUP2_SUPER_MAGIC => {
            let why = format!("another file system is mounted over {point}");
            return Part::unreadable(Gap::new(WHAT, why));
        }
        Ok((id, _, root)) => (id, root),
        Err(error) => {
            return Part::unreadable(Gap::new(WHAT, format!("open {point}: {error}")));
        }
    };
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    wanted.retain(|id| id.0 != 0);
    // Known even from inside a part of the hierarchy: sockets of the kernel are there.
    let root_cgroup = wanted.contains(&ROOT).then(|| Cgroup { id: ROOT, path: "/".to_owned() });
    wanted.retain(|id| *id != ROOT);
    let mut walk = Walk { wanted, found: Vec::new(), path: String::new(), failed: None };
    walk.meet(CgroupId(root_id), "/");
    walk.directory(&root, MAX_DEPTH);
    let Walk { wanted: missing, mut found, failed, .. } = walk;
    found.extend(root_cgroup);
    found.sort_unstable();
    let mut gaps = Vec::new();
    if let Some(error) = failed {
        gaps.push(Gap::new(
            format!("{WHAT} ({})", missing.len()),
            format!("walk {point}: {error}"),
        ));
    } else if !missing.is_empty() && CgroupId(root_id) != ROOT {
        let why = format!("{point} shows only a part of the hierarchy");
        gaps.push(Gap::new(format!("{WHAT} ({})", missing.len()), why));
    }
    Part::with_gaps(found, gaps)
}

/// The id of the root of the hierarchy, the first that the kernel gives out
/// (`fs/kernfs/dir.c`, `kernfs_create_root`).
const ROOT: CgroupId = CgroupId(1);

/// What fstatfs(2) says of the unified hierarchy (`include/uapi/linux/magic.h`).
const CGROUP2_SUPER_MAGIC: rustix::fs::FsWord = 0x6367_7270;

/// A walk down the hierarchy.
struct Walk {
    /// Ids that were not met yet, sorted.
    wanted: Vec<CgroupId>,
    found: Vec<Cgroup>,
    /// The directory that is being read, without a slash at its end: empty for the root.
    path: String,
    /// Why a part was not read.
    failed: Option<Errno>,
}

impl Walk {
    /// Reads an open directory and those below it.
    fn directory(&mut self, dir: &OwnedFd, depth: u32) {
        if self.wanted.is_empty() {
            return;
        }
        let Some(depth) = depth.checked_sub(1) else {
            self.failed = Some(Errno::LOOP);
            return;
        };
        let above = self.path.len();
        for (id, name) in self.children(dir) {
            self.path.push('/');
            self.path.push_str(&String::from_utf8_lossy(name.as_bytes()));
            let path = self.path.clone();
            self.meet(id, &path);
            if !self.wanted.is_empty() && self.has_children(dir, &name) {
                match rustix::fs::openat(dir, name.as_c_str(), directory(), Mode::empty()) {
                    Ok(below) => self.directory(&below, depth),
                    Err(error) => self.fail(error),
                }
            }
            self.path.truncate(above);
        }
    }

    /// The directories in a directory.
    fn children(&mut self, dir: &OwnedFd) -> Vec<(CgroupId, std::ffi::CString)> {
        let mut children = Vec::new();
        let mut buffer = Vec::with_capacity(8 * 1024);
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if entry.file_type() == FileType::Directory => {
                    let name = entry.file_name();
                    // Directories may begin with a dot, but these two are not below.
                    if !matches!(name.to_bytes(), b"." | b"..") {
                        children.push((CgroupId(entry.ino()), name.to_owned()));
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    self.fail(error);
                    break;
                }
            }
        }
        children
    }

    /// Whether there are directories in this one.
    fn has_children(&mut self, dir: &OwnedFd, name: &std::ffi::CStr) -> bool {
        match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat.st_nlink > 2,
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    /// Takes note of a cgroup, if it is wanted.
    fn meet(&mut self, id: CgroupId, path: &str) {
        if let Ok(at) = self.wanted.binary_search(&id) {
            self.wanted.remove(at);
            self.found.push(Cgroup { id, path: path.to_owned() });
        }
    }

    /// Takes note of an error; a cgroup that was removed meanwhile is none.
    fn fail(&mut self, error: Errno) {
        if !matches!(error, Errno::NOENT | Errno::NODEV) {
            self.failed = Some(error);
        }
    }
}

/// How every directory here is opened.
fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    /// Checks which mount is chosen.
    fn check(mountinfo: &str, expect: Option<&str>) {
        let mounts = mountinfo::parse(mountinfo.as_bytes());
        assert_eq!(mount_point(&mounts), expect, "{mountinfo:?}");
    }

    #[test]
    fn mounts() {
        check("", None);
        check("1 0 0:1 / /sys/fs/cgroup rw - tmpfs t rw\n", None);
        check("1 0 0:1 / /sys/fs/cgroup rw - cgroup2 c rw\n", Some("/sys/fs/cgroup"));
        check(
            "1 0 0:1 / /sys/fs/cgroup rw - tmpfs t rw\n2 1 0:2 / /sys/fs/cgroup/unified rw - cgroup2 c rw\n",
            Some("/sys/fs/cgroup/unified"),
        );
        check("1 0 0:1 /../x /a rw - cgroup2 c rw\n2 0 0:1 / /b rw - cgroup2 c rw\n", Some("/b"));
        // `ip netns exec` mounts a fresh sysfs over it.
        check("1 0 0:1 / /c rw - cgroup2 c rw\n2 0 0:9 / /c rw - tmpfs t rw\n", None);
    }

    /// A cgroup of the test's own with a path of three parts below the mount; needs root.
    #[test]
    fn finds_nested_cgroups_and_stops() {
        let mounts = mountinfo::read().unwrap();
        let point = mount_point(&mounts).expect("a cgroup2 mount");
        let top = format!("{point}/whyopen-test-{}", std::process::id());
        let nested = format!("{top}/.a/b c");
        std::fs::create_dir_all(&nested).unwrap();
        let id = |path: &str| CgroupId(std::fs::metadata(path).unwrap().ino());
        let (of_top, of_nested) = (id(&top), id(&nested));
        let found = paths(&[of_nested, ROOT, of_top, CgroupId(0), CgroupId(u64::MAX)]);
        for made in [nested.clone(), format!("{top}/.a"), top.clone()] {
            std::fs::remove_dir(made).unwrap();
        }
        let below = |path: &str| path.strip_prefix(point).unwrap().to_owned();
        let mut expect = vec![
            Cgroup { id: ROOT, path: "/".to_owned() },
            Cgroup { id: of_top, path: below(&top) },
            Cgroup { id: of_nested, path: below(&nested) },
        ];
        expect.sort_unstable();
        assert_eq!(found, Part::known(expect));
    }
}
