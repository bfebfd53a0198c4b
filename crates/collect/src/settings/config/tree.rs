//! A folder that is a host's root.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2, readlinkat,
};
use rustix::io::{Errno, read};

/// The most that is read of one file, in bytes.
const LONGEST: usize = 1 << 20;

/// The most names that are read of one folder.
const MOST_NAMES: usize = 10_000;

/// A host's root.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    own: bool,
}

impl Tree {
    /// This host's, or the folder that stands for another's.
    ///
    /// # Errors
    /// That of opening the folder.
    pub(crate) fn open(base: &Path) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: open(base, flags, Mode::empty())?, own: base == Path::new("/") })
    }

    /// Whether it is this host's.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        // openat2(2) refuses flags that O_PATH has no use for.
        let reads = if flags.contains(OFlags::PATH) {
            OFlags::empty()
        } else {
            OFlags::NONBLOCK | OFlags::NOCTTY
        };
        let flags = flags | OFlags::CLOEXEC | reads;
        if self.own {
            return openat(CWD, path, flags, Mode::empty());
        }
        // Links of another host lead to places of that host, and never out of its folder.
        let inside = path.trim_start_matches('/');
        openat2(&self.root, inside, flags, Mode::empty(), ResolveFlags::IN_ROOT)
    }

    /// The text of a file; what is not UTF-8 is replaced.
    ///
    /// # Errors
    /// `EINVAL` for what is no regular file.
    pub(crate) fn text(&self, path: &str) -> Result<String, Errno> {
        let fd = self.open_at(path, OFlags::RDONLY)?;
        let stat = fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Errno::INVAL);
        }
        let mut bytes = Vec::new();
        let mut buffer = [0_u8; 4096];
        while bytes.len() < LONGEST {
            let length = read(&fd, &mut buffer)?;
            if length == 0 {
                break;
            }
            bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// Those of opening it.
    pub(crate) fn names(&self, path: &str) -> Result<Vec<String>, Errno> {
        let folder = Dir::new(self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)?)?;
        let mut names: Vec<String> = folder
            .take(MOST_NAMES)
            .filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned))
            .filter(|name| name != "." && name != "..")
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Where a link leads to, as it is written; none for what is no link.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        let (folder, name) = path.rsplit_once('/')?;
        let folder = if folder.is_empty() { "/" } else { folder };
        let fd = self.open_at(folder, OFlags::PATH | OFlags::DIRECTORY).ok()?;
        readlinkat(&fd, name, Vec::new()).ok()?.into_string().ok()
    }

    /// Whether there is something at a path.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.open_at(path, OFlags::PATH).is_ok()
    }
}

/// Whether something is not there.
pub(crate) fn is_absent(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

/// Whether root would be let in.
pub(crate) fn is_denied(error: Errno) -> bool {
    matches!(error, Errno::ACCESS | Errno::PERM)
}
