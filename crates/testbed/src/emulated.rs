//! Another kernel, emulated: Debian's, which has modules, where the machine's own may have none.
//!
//! qemu runs it without hardware support, so that it works everywhere; it boots to a small file system
//! in memory in some seconds. Its first program is a shell that does what the test wants, prints, and
//! switches it off. It has no network and sees nothing of the machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Image, run};

/// Makes the file system, in `sh`.
const BUILD: &str = include_str!("emulated/build.sh");

/// The first program.
const INIT: &str = include_str!("emulated/init.sh");

/// Debian's package that depends on the newest kernel for virtual machines.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// Memory in MiB.
const MEMORY_MIB: &str = "1024";

/// How long the whole may take, in seconds. It takes ten where nothing else runs.
const LIMIT_S: &str = "300";

/// What a run printed, in the sections that the script made by `@@ NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed(String);

/// Boots the kernel once and runs `script`, with these files (path, text) and programs (path, file of
/// this machine) in its file system besides busybox, kmod, iptables-legacy and systemd-sysctl.
///
/// # Errors
/// [`Error`], with the end of what it printed where it did not come to the end of the script.
pub fn emulate(
    files: &[(&str, &str)],
    programs: &[(&str, &Path)],
    script: &str,
) -> Result<Printed, Error> {
    let kernel = kernel()?;
    let image = Image::ready()?;
    let work = tempfile::tempdir().map_err(Error::io("make a directory"))?;
    let root = work.path().join("root");
    for (path, text) in files.iter().chain(&[("/init", INIT), ("/script", script)]) {
        let target = root.join(path.trim_start_matches('/'));
        let what = || format!("write {}", target.display());
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(Error::io(what()))?;
        }
        fs::write(&target, text).map_err(Error::io(what()))?;
    }
    let mut build = vec!["sh", "-euc", BUILD, "build"];
    let paths = [&root, image.directory(), &kernel].map(|path| path.display().to_string());
    build.extend(paths.iter().map(String::as_str));
    let pairs: Vec<String> =
        programs.iter().map(|(path, file)| format!("{}:{path}", file.display())).collect();
    build.extend(pairs.iter().map(String::as_str));
    run::run(&[], &build)?.ok()?;

    let mut qemu = run::limited(LIMIT_S);
    let arguments = [
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-m",
        MEMORY_MIB,
        "-nic",
        "none",
        "-nographic",
        "-no-reboot",
        "-kernel",
        &kernel.join("vmlinuz").display().to_string(),
        "-initrd",
        &root.with_extension("cpio.gz").display().to_string(),
        "-append",
        "console=ttyS0 quiet loglevel=0 panic=-1 rdinit=/init",
    ];
    qemu.args(arguments);
    let done = run::to_end(qemu, &arguments)?;
    let text = done.stdout.replace('\r', "");
    if !text.contains("\n@@ end 0\n") {
        return Err(Error::Failed {
            command: done.command,
            status: "the script did not come to its end".to_owned(),
            stdout: end_of(&text).to_owned(),
            stderr: done.stderr,
        });
    }
    Ok(Printed(text))
}

impl Printed {
    /// What was printed in a section, without the line's end; empty where there is none.
    pub fn section(&self, name: &str) -> &str {
        let start = format!("\n@@ {name}\n");
        let rest = self.0.split_once(start.as_str()).map_or("", |(_, rest)| rest);
        rest.split("\n@@ ").next().unwrap_or_default().trim_end()
    }
}

/// The end of what was printed, for an error.
fn end_of(text: &str) -> &str {
    let start = text.char_indices().rev().nth(1500).map_or(0, |(at, _)| at);
    text.get(start..).unwrap_or_default()
}

/// The kernel and its modules, fetched once.
fn kernel() -> Result<PathBuf, Error> {
    let cache = Image::cache();
    let folder = cache.join(format!("{PACKAGE}-1"));
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&cache).map_err(Error::io(format!("create {}", cache.display())))?;
    let path = cache.join("kernel-lock");
    let lock = File::create(&path).map_err(Error::io(format!("create {}", path.display())))?;
    lock.lock().map_err(Error::io(format!("lock {}", path.display())))?;
    if !folder.is_dir() {
        let unfinished = folder.with_extension("unfinished");
        let target = unfinished.display().to_string();
        let fetch = "rm -rf \"$1\"; mkdir -p \"$1\"; cd \"$1\"; chmod 777 .\n\
                     name=$(apt-cache depends --important \"$2\" | awk '/Depends:/ { print $2; exit }')\n\
                     apt-get download \"$name\"\ndpkg-deb -x ./*.deb .\nrm ./*.deb\n\
                     mv boot/vmlinuz-* vmlinuz";
        // The environment stays, because it may name the proxy to the mirror.
        let mut command: Command = run::limited("600");
        let arguments = ["sh", "-euc", fetch, "fetch", &target, PACKAGE];
        command.args(arguments);
        run::to_end(command, &arguments)?.ok()?;
        fs::rename(&unfinished, &folder)
            .map_err(Error::io(format!("rename {}", unfinished.display())))?;
    }
    Ok(folder)
}
