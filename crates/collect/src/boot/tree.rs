//! Reading files below a root folder, following symbolic links inside it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use facts::{Gap, Remedy};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// The largest file that is read, in bytes: a hundred times a large crontab or unit file.
const FILE_LIMIT: u64 = 1 << 20;

/// The most entries of one folder that are read.
const ENTRY_LIMIT: usize = 20_000;

/// A file system that is laid out like that of a host. What could not be read is noted.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    /// The root's descriptor; none: the root is our own.
    folder: Option<OwnedFd>,
    gaps: RefCell<BTreeSet<Gap>>,
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: EntryKind,
}

/// What an entry is, without following a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EntryKind {
    File,
    Folder,
    Link,
    Other,
}

/// What is at a path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// This.
    There(FileType, Stat),
    /// Nothing.
    Absent,
    /// That could not be found out.
    Unknown,
}

impl Kind {
    /// What is there; none if nothing is, as far as known.
    pub(super) fn there(self) -> Option<(FileType, Stat)> {
        if let Self::There(kind, stat) = self { Some((kind, stat)) } else { None }
    }
}

impl Tree {
    /// The tree below `root`, which is `/` or a folder that is laid out like it.
    pub(super) fn open(root: &Path) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = root == Path::new("/");
        let folder = (!own).then(|| rustix::fs::open(root, flags, Mode::empty()).ok()).flatten();
        let gaps = RefCell::default();
        let tree = Self { root: root.to_owned(), folder, gaps };
        if !own && tree.folder.is_none() {
            tree.note("what starts at boot", "open", "/", Errno::NOENT);
        }
        tree
    }

    /// What could not be read so far.
    pub(super) fn gaps(self) -> Vec<Gap> {
        self.gaps.into_inner().into_iter().collect()
    }

    /// Adds to what could not be read.
    pub(super) fn gap(&self, gap: Gap) {
        self.gaps.borrow_mut().insert(gap);
    }

    fn note(&self, what: &str, operation: &str, path: &str, error: Errno) {
        let reason = crate::owners::files::reason(&io::Error::from(error));
        let gap = Gap::new(what, format!("{operation} {path}: {reason}"));
        let denied = matches!(error, Errno::ACCESS | Errno::PERM);
        self.gap(if denied { gap.remedied_by(Remedy::Root) } else { gap });
    }

    /// Opens a path of the tree, following links inside it.
    fn descriptor(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        match &self.folder {
            None if self.root == Path::new("/") => rustix::fs::open(path, flags, Mode::empty()),
            None => Err(Errno::NOENT),
            Some(root) => {
                let path = path.trim_start_matches('/');
                let path = if path.is_empty() { "." } else { path };
                rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
            }
        }
    }

    /// What a path is after following links; none if there is nothing, or an error.
    fn stat(&self, path: &str) -> Result<Option<Stat>, Errno> {
        match self.descriptor(path, OFlags::PATH) {
            Ok(fd) => rustix::fs::fstat(fd).map(Some),
            Err(error) if is_absent(error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a path is, following links.
    pub(super) fn kind(&self, path: &str) -> Kind {
        match self.stat(path) {
            Ok(Some(stat)) => Kind::There(FileType::from_raw_mode(stat.st_mode), stat),
            Ok(None) => Kind::Absent,
            Err(_) => Kind::Unknown,
        }
    }

    /// Whether there is something at a path; none if that could not be found out.
    pub(super) fn exists(&self, path: &str) -> Option<bool> {
        self.stat(path).ok().map(|stat| stat.is_some())
    }

    /// Reads a regular file, following links; none if there is none, or after noting what is
    /// missing with it.
    pub(super) fn read(&self, path: &str, what: &str) -> Option<Vec<u8>> {
        match self.try_read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.note(what, "read", path, error);
                None
            }
        }
    }

    /// Reads a regular file; none if there is none or something else is there.
    pub(super) fn try_read(&self, path: &str) -> Result<Option<Vec<u8>>, Errno> {
        // Not waiting for a writer of a FIFO that stands in the file's place.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = match self.descriptor(path, flags) {
            Ok(fd) => fd,
            Err(error) if is_absent(error) || error == Errno::NXIO => return Ok(None),
            Err(error) => return Err(error),
        };
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let expected = u64::try_from(stat.st_size).unwrap_or(0).min(FILE_LIMIT);
        let mut bytes =
            Vec::with_capacity(usize::try_from(expected).unwrap_or(0).saturating_add(1));
        let read = File::from(fd).take(FILE_LIMIT + 1).read_to_end(&mut bytes);
        read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        if bytes.len() as u64 > FILE_LIMIT { Err(Errno::FBIG) } else { Ok(Some(bytes)) }
    }

    /// Whether a regular file begins with these bytes.
    pub(super) fn starts_with(&self, path: &str, bytes: &[u8]) -> bool {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Ok(fd) = self.descriptor(path, flags) else { return false };
        let mut first = [0; 4];
        let Some(wanted) = first.get_mut(..bytes.len()) else { return false };
        let is_file = rustix::fs::fstat(&fd)
            .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::RegularFile);
        is_file && rustix::io::read(&fd, &mut *wanted).is_ok() && wanted == bytes
    }

    /// The entries of a folder, sorted; none if there is no such folder, or after noting what is
    /// missing with it.
    pub(super) fn list(&self, path: &str, what: &str) -> Option<Vec<Entry>> {
        match self.try_list(path) {
            Ok(entries) => entries,
            Err(error) => {
                self.note(what, "list", path, error);
                None
            }
        }
    }

    fn try_list(&self, path: &str) -> Result<Option<Vec<Entry>>, Errno> {
        let fd = match self.descriptor(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(fd) => fd,
            Err(error) if is_absent(error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::new(fd)?.take(ENTRY_LIMIT) {
            let entry = entry?;
            // Names that are not UTF-8 are no unit's, and no script's that is run.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::RegularFile => EntryKind::File,
                FileType::Directory => EntryKind::Folder,
                FileType::Symlink => EntryKind::Link,
                // A file system that does not tell: a link would be missed, so look.
                FileType::Unknown => self.kind_of(path, name),
                _ => EntryKind::Other,
            };
            entries.push(Entry { name: name.to_owned(), kind });
        }
        entries.sort_unstable();
        Ok(Some(entries))
    }

    /// Whether a folder can be listed, or is known to be absent.
    pub(super) fn can_list(&self, path: &str) -> bool {
        self.try_list(path).is_ok()
    }

    fn kind_of(&self, folder: &str, name: &str) -> EntryKind {
        let path = format!("{folder}/{name}");
        if self.link(&path).is_some() {
            return EntryKind::Link;
        }
        match self.kind(&path).there().map(|(kind, _)| kind) {
            Some(FileType::RegularFile) => EntryKind::File,
            Some(FileType::Directory) => EntryKind::Folder,
            _ => EntryKind::Other,
        }
    }

    /// Where a symbolic link leads, as it is written; none if it is none.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        let fd = self.descriptor(path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let target = rustix::fs::readlinkat(fd, "", Vec::new()).ok()?;
        target.into_string().ok()
    }
}

fn is_absent(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_inside_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("usr/lib")).unwrap();
        std::fs::write(at("usr/lib/file"), "inside").unwrap();
        symlink("usr/lib", at("lib")).unwrap();
        symlink("/usr/lib/file", at("absolute")).unwrap();
        symlink("../../../../lib/file", at("climbing")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let tree = Tree::open(folder.path());
        let check = |path: &str, expect: Option<&str>| {
            let found = tree.read(path, "x").map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(found.as_deref(), expect, "{path}");
            assert_eq!(tree.exists(path), Some(expect.is_some() || path == "/lib"), "{path}");
        };
        check("/lib/file", Some("inside"));
        check("/absolute", Some("inside"));
        check("/climbing", Some("inside"));
        check("/loop", None);
        check("/none/file", None);
        check("/lib", None);
        assert_eq!(tree.link("/lib").as_deref(), Some("usr/lib"));
        assert_eq!(tree.link("/usr"), None);
        let names: Vec<_> = tree.list("/", "x").unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["absolute", "climbing", "lib", "loop", "usr"]);
        assert_eq!(tree.gaps(), []);
    }
}
