//! Reading files that others wrote, some of them ordinary users, while we may be root.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use facts::{Gap, Remedy};
use rustix::fs::{Mode, OFlags};

/// Why a file could not be read, naming the operation and the file.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The operating system refused.
    #[error("{operation} {}: {}", path.display(), reason(source))]
    Io {
        /// `open`, `read`, `list`.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// A pipe, a device or a folder stands in its place.
    #[error("{}: not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// It is larger than any file of its kind.
    #[error("{}: larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// It was read and is not what it should be.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        what: String,
    },
}

impl FileError {
    /// An error of the operating system.
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_owned(), source: Arc::new(source) }
    }

    /// A file whose content is wrong.
    pub(crate) fn malformed(path: &Path, what: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), what: what.into() }
    }

    /// A file that is not the JSON it should be. Names the place and never quotes the content, which
    /// may hold secrets.
    pub(crate) fn json(path: &Path, error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Data => "JSON of another shape than expected",
            serde_json::error::Category::Eof => "JSON that ends too early",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not JSON",
        };
        Self::malformed(path, format!("{what}, line {} column {}", error.line(), error.column()))
    }

    /// Whether more privileges would help.
    fn is_denied(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// The gap that this error leaves.
    pub(crate) fn gap(&self, what: impl Into<String>) -> Gap {
        let gap = Gap::new(what, self.to_string());
        if self.is_denied() { gap.remedied_by(Remedy::Root) } else { gap }
    }
}

/// An error in the words of the system, without its number: `permission denied`.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" (os error").map_or(text.as_str(), |(words, _)| words);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Whether an error says that there is no such file.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Opens a regular file for reading; none if there is none.
///
/// Does not wait (a FIFO in a user's folder would wait for a writer for ever) and does not follow a
/// symbolic link in the last place.
pub(crate) fn open(path: &Path) -> Result<Option<File>, FileError> {
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file: OwnedFd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => {
            return Err(FileError::NotRegular(path.to_owned()));
        }
        Err(errno) => {
            let error = io::Error::from(errno);
            return if is_absent(&error) {
                Ok(None)
            } else {
                Err(FileError::io("open", path, error))
            };
        }
    };
    let file = File::from(file);
    let metadata = file.metadata().map_err(|error| FileError::io("stat", path, error))?;
    if metadata.is_file() { Ok(Some(file)) } else { Err(FileError::NotRegular(path.to_owned())) }
}

/// Reads a regular file of at most `limit` bytes; none if there is none.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    let mut bytes = Vec::new();
    Ok(read_into(path, limit, &mut bytes)?.then_some(bytes))
}

/// Reads a regular file of at most `limit` bytes in place of what is in `bytes`; false if there is
/// none. For reading many files through one buffer.
pub(crate) fn read_into(path: &Path, limit: u64, bytes: &mut Vec<u8>) -> Result<bool, FileError> {
    bytes.clear();
    let Some(file) = open(path)? else { return Ok(false) };
    file.take(limit + 1).read_to_end(bytes).map_err(|error| FileError::io("read", path, error))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(true)
}

/// The names in a folder, sorted; none if there is no such folder.
pub(crate) fn list(path: &Path) -> Result<Option<Vec<std::ffi::OsString>>, FileError> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(FileError::io("list", path, error)),
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| FileError::io("list", path, error))?;
    names.sort_unstable();
    Ok(Some(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_plain_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "12345").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let check = |name: &str, limit: u64, expect: &str| {
            let found = match read(&at(name), limit) {
                Ok(Some(bytes)) => format!("{} bytes", bytes.len()),
                Ok(None) => "absent".to_owned(),
                Err(error) => error.to_string().replace(folder.path().to_str().unwrap(), ""),
            };
            assert_eq!(found, expect, "{name}");
        };
        check("file", 5, "5 bytes");
        check("file", 4, "/file: larger than 4 bytes");
        check("none", 4, "absent");
        check("file/none", 4, "absent");
        check("link", 5, "/link: not a regular file");
        check("fifo", 5, "/fifo: not a regular file");
        check("", 5, "/: not a regular file");
    }

    #[test]
    fn errors_read_like_prose() {
        let error = FileError::io(
            "open",
            Path::new("/var/lib/docker"),
            io::Error::from_raw_os_error(libc::EACCES),
        );
        let gap = error.gap("docker containers");
        assert_eq!(gap.why, "open /var/lib/docker: permission denied");
        assert_eq!(gap.remedy, Some(Remedy::Root));
    }
}
