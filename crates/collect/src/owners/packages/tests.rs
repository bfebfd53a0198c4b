use std::fs;

use proptest::prelude::*;

use super::*;

/// A host with these files, and links written as `PATH -> TARGET`.
fn check(files: &[(&str, &str)], paths: &[&str], expect: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let at = root.path().join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, at).unwrap(),
            None => fs::write(at, text).unwrap(),
        }
    }
    let part = owning(root.path(), paths);
    let mut lines: Vec<String> = part
        .items()
        .iter()
        .map(|one| {
            let name = one.name.as_deref().unwrap_or("-");
            format!("{} {name} {} {}", one.path, one.version, one.manager)
        })
        .collect();
    lines.extend(part.gaps().iter().map(|gap| format!("gap: {}: {}", gap.what, gap.why)));
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.replace(&format!("{}/", root.path().display()), "/"))
        .collect();
    assert_eq!(lines, expect);
}

const STATUS: (&str, &str) = (
    "var/lib/dpkg/status",
    "Package: nginx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.22.1-9\n\n\
     Package: nginx-common\nArchitecture: all\nVersion: 9\n\n\
     Package: libc6\nArchitecture: i386\nVersion: 2.35\n\n\
     Package: libc6\nArchitecture: amd64\nVersion: 2.36\nDescription: C\n Package: nginx\n",
);

#[test]
fn dpkg_lists() {
    let nginx = ("var/lib/dpkg/info/nginx.list", "/.\n/usr\n/usr/sbin\n/usr/sbin/nginx\n");
    let libc = ("var/lib/dpkg/info/libc6:amd64.list", "/lib/ld.so\n/lib/last-without-newline");
    let files = [
        STATUS,
        nginx,
        libc,
        ("lib", "-> usr/lib"),
        ("var/lib/dpkg/info/x.md5sums", "/usr/sbin/x\n"),
    ];
    check(&files, &["/usr/sbin/nginx"], &["/usr/sbin/nginx nginx 1.22.1-9 dpkg"]);
    check(
        &files,
        &["/usr/lib/ld.so", "/usr/sbin/ngin", "/usr/lib/last-without-newline", "/usr/sbin/x"],
        &[
            "/usr/lib/last-without-newline libc6 2.36 dpkg",
            "/usr/lib/ld.so libc6 2.36 dpkg",
            "/usr/sbin/ngin -  dpkg",
            "/usr/sbin/x -  dpkg",
        ],
    );
    check(&files, &[], &[]);
    check(&[nginx], &["/usr/sbin/nginx"], &["/usr/sbin/nginx nginx  dpkg"]);
}

#[test]
fn dpkg_diversions() {
    let files = |by: &str| {
        let diversions = format!("/usr/bin/sh\n/usr/bin/sh.distrib\n{by}\n");
        let files = [
            ("var/lib/dpkg/diversions", diversions),
            ("var/lib/dpkg/info/bash.list", "/usr/bin/sh\n".to_owned()),
            ("var/lib/dpkg/info/dash.list", "/usr/bin/sh\n".to_owned()),
        ];
        move |path: &str, expect: &str| {
            let files: Vec<_> = files.iter().map(|(at, text)| (*at, text.as_str())).collect();
            check(&files, &[path], &[expect]);
        }
    };
    files("dash")("/usr/bin/sh", "/usr/bin/sh dash  dpkg");
    files("dash")("/usr/bin/sh.distrib", "/usr/bin/sh.distrib bash  dpkg");
    files("bash")("/usr/bin/sh", "/usr/bin/sh bash  dpkg");
    files("bash")("/usr/bin/sh.distrib", "/usr/bin/sh.distrib dash  dpkg");
    // Made by the administrator: what stands there now is no package's.
    files(":")("/usr/bin/sh", "/usr/bin/sh -  dpkg");
    files(":")("/usr/bin/sh.distrib", "/usr/bin/sh.distrib bash  dpkg");
}

#[test]
fn apk_and_pacman() {
    let apk = (
        "lib/apk/db/installed",
        "C:Q1\nP:nginx\nV:1.26.2-r0\nF:usr\nF:usr/sbin\nR:nginx\na:0:0:755\n\nP:busybox\nV:1.36\nF:bin\nR:busybox\nF:\nR:init\n",
    );
    check(&[apk], &["/usr/sbin/nginx"], &["/usr/sbin/nginx nginx 1.26.2-r0 apk"]);
    check(
        &[apk],
        &["/bin/busybox", "/init"],
        &["/bin/busybox busybox 1.36 apk", "/init busybox 1.36 apk"],
    );
    check(&[apk], &["/usr/sbin/sshd"], &["/usr/sbin/sshd -  apk"]);

    let desc = ("var/lib/pacman/local/nginx-1.26-1/desc", "%NAME%\nnginx\n\n%VERSION%\n1.26-1\n\n");
    let list = (
        "var/lib/pacman/local/nginx-1.26-1/files",
        "%FILES%\nusr/\nusr/bin/\nusr/bin/nginx\n\n%BACKUP%\nusr/bin/no\n",
    );
    let version = ("var/lib/pacman/local/ALPM_DB_VERSION", "9\n");
    check(&[desc, list, version], &["/usr/bin/nginx"], &["/usr/bin/nginx nginx 1.26-1 pacman"]);
    check(&[desc, list, version], &["/usr/bin/no"], &["/usr/bin/no -  pacman"]);
    check(
        &[list],
        &["/usr/bin/nginx"],
        &["gap: packages by pacman: /var/lib/pacman/local/nginx-1.26-1/desc: names no package"],
    );
    // The one that owns the file is believed.
    check(
        &[apk, desc, list],
        &["/usr/bin/nginx", "/x"],
        &["/usr/bin/nginx nginx 1.26-1 pacman", "/x -  apk, pacman"],
    );
}

/// The database that `fixtures/README.md` describes, and what `rpm -qf` said of it.
#[test]
fn rpm() {
    let check = |place: &str, paths: &[&str], expect: &[&str]| {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(place)).unwrap();
        fs::write(root.path().join(place).join("rpmdb.sqlite"), RPMDB).unwrap();
        fs::create_dir_all(root.path().join("usr")).unwrap();
        std::os::unix::fs::symlink("usr/sbin", root.path().join("sbin")).unwrap();
        let part = owning(root.path(), paths);
        let told: Vec<String> = part
            .items()
            .iter()
            .map(|one| {
                format!("{} {} {}", one.path, one.name.as_deref().unwrap_or("-"), one.version)
            })
            .collect();
        assert_eq!(told, expect, "{:?}", part.gaps());
        assert!(part.is_complete());
    };
    for place in ["var/lib/rpm", "usr/lib/sysimage/rpm"] {
        check(place, &["/usr/sbin/fixtured"], &["/usr/sbin/fixtured whyopen-fixture 2:1.4-7"]);
    }
    check("var/lib/rpm", &["/sbin/otherd"], &["/sbin/otherd other-fixture 0.9-7"]);
    // The same name in many folders, and in one that is no package's.
    check(
        "var/lib/rpm",
        &[
            "/usr/share/fixture/d33/same",
            "/usr/share/other/fixture",
            "/usr/bin/same",
            "/same",
            "same",
        ],
        &[
            "/same - ",
            "/usr/bin/same - ",
            "/usr/share/fixture/d33/same whyopen-fixture 2:1.4-7",
            "/usr/share/other/fixture other-fixture 0.9-7",
            "same - ",
        ],
    );
}

const RPMDB: &[u8] = include_bytes!("fixtures/rpmdb.sqlite");

#[test]
fn rpm_in_formats_that_are_not_read() {
    for (file, format) in [("Packages", "Berkeley DB"), ("Packages.db", "ndb")] {
        let path = format!("var/lib/rpm/{file}");
        let gap = format!(
            "gap: packages by rpm: /{path}: a database of the format {format}, which is not read"
        );
        check(&[(&path, "x")], &["/usr/sbin/nginx"], &[&gap]);
        // dpkg knows one of them; of the other nothing can be said.
        let nginx = ("var/lib/dpkg/info/nginx.list", "/usr/sbin/nginx\n");
        let owned = "/usr/sbin/nginx nginx  dpkg";
        check(&[(&path, "x"), nginx], &["/usr/sbin/nginx"], &[owned]);
        check(&[(&path, "x"), nginx], &["/usr/sbin/nginx", "/x"], &[owned, &gap]);
    }
    check(
        &[("var/lib/rpm/rpmdb.sqlite", "SQLite")],
        &["/x"],
        &["gap: packages by rpm: /var/lib/rpm/rpmdb.sqlite: file is not a database"],
    );
}

#[test]
fn nothing_is_said_to_be_unowned_unless_all_was_read() {
    check(
        &[],
        &["/usr/sbin/nginx"],
        &["gap: packages of executables: no database of dpkg, rpm, apk or pacman is on this host"],
    );
    let nginx = ("var/lib/dpkg/info/nginx.list", "/usr/sbin/nginx\n");
    let broken = ("var/lib/dpkg/info/other.list", "-> /dev/null");
    let gap = "gap: packages by dpkg: /var/lib/dpkg/info/other.list: not a regular file";
    check(&[nginx, broken], &["/usr/sbin/nginx"], &["/usr/sbin/nginx nginx  dpkg"]);
    check(&[nginx, broken], &["/usr/sbin/x"], &[gap]);
    check(
        &[nginx, broken],
        &["/usr/sbin/nginx", "/usr/sbin/x"],
        &["/usr/sbin/nginx nginx  dpkg", gap],
    );
}

/// This machine is a Debian host: what dpkg itself says is the truth.
#[test]
fn the_dpkg_database_of_this_host() {
    let part = owning(Path::new("/"), &["/usr/bin/dpkg", "/usr/bin/bash", "/nonexistent"]);
    let names: Vec<_> = part.items().iter().map(|one| one.name.as_deref()).collect();
    assert_eq!(names, [None, Some("bash"), Some("dpkg")], "{part:?}");
    let version = std::process::Command::new("dpkg-query")
        .args(["-W", "-f", "${Version}", "bash"])
        .output()
        .unwrap();
    assert_eq!(part.items()[1].version.as_bytes(), version.stdout);
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_list(&bytes);
        fuzz_diversions(&bytes);
        fuzz_status(&bytes);
        fuzz_apk(&bytes);
        fuzz_pacman(&bytes);
    }

    #[test]
    fn any_lines(text in "([PVFR]:|%FILES%|%NAME%|Package: |Version:|/|a|\n|\n\n){0,40}") {
        fuzz_list(text.as_bytes());
        fuzz_diversions(text.as_bytes());
        fuzz_status(text.as_bytes());
        fuzz_apk(text.as_bytes());
        fuzz_pacman(text.as_bytes());
    }
}
