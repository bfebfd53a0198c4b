use facts::{Collector, Host, UnitLoad};

use super::*;

/// A tree with these files; a value that begins with `->` is a link.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let base = [("/run/systemd/system/.keep", "")];
    for (path, content) in base.iter().chain(files) {
        let path = folder.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("->") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => std::fs::write(path, content).unwrap(),
        }
    }
    folder
}

fn boot(files: &[(&str, &str)]) -> Boot {
    let folder = tree(files);
    let snapshot = Snapshot::new(Collector::default(), Host::default());
    let part = collect(folder.path(), &snapshot, true);
    assert_eq!(part.gaps(), []);
    part.value().unwrap().clone()
}

const SYSTEMD: &str = "/usr/lib/systemd/system";

#[test]
fn the_default_target() {
    let target = "/usr/lib/systemd/system/multi-user.target";
    let check = |files: &[(&str, &str)], expect: Option<(&str, &str)>| {
        let files: Vec<_> =
            [(target, "[Unit]\n")].into_iter().chain(files.iter().copied()).collect();
        let found = boot(&files).default_target;
        let found = found.as_ref().map(|t| (t.name.as_str(), t.source.as_str()));
        assert_eq!(found, expect, "{files:?}");
    };
    check(&[], None);
    let shipped = "/usr/lib/systemd/system/default.target";
    let own = "/etc/systemd/system/default.target";
    check(&[(shipped, "->multi-user.target")], Some(("multi-user.target", shipped)));
    check(
        &[(shipped, "->graphical.target"), (own, "->/lib/systemd/system/multi-user.target")],
        Some(("multi-user.target", own)),
    );
    check(
        &[
            (shipped, "->multi-user.target"),
            ("/proc/cmdline", "quiet systemd.unit=rescue.target\n"),
        ],
        Some(("rescue.target", "the kernel's command line")),
    );
    check(
        &[
            (shipped, "->multi-user.target"),
            ("/proc/cmdline", "systemd.unit=rescue.target"),
            ("/run/systemd/container", "x"),
            ("/proc/1/cmdline", "/sbin/init\0"),
        ],
        Some(("multi-user.target", shipped)),
    );
}

#[test]
fn masks_aliases_drop_ins_and_links() {
    let at = |name: &str| format!("{SYSTEMD}/{name}");
    let boot = boot(&[
        (&at("default.target"), "->m.target"),
        (&at("m.target"), "[Unit]\nWants=a.service tpl@x.service\n"),
        (&at("a.service"), "[Unit]\nRequires=b.service\n[Service]\nExecStart=-/bin/a\n"),
        (&at("b.service"), "[Unit]\n"),
        ("/etc/systemd/system/b.service", "->/dev/null"),
        (&at("c.service"), ""),
        (&at("tpl@.service"), "[Unit]\nWants=%p-%i.socket\n"),
        (&at("tpl@.service.d/x.conf"), "[Unit]\nConditionPathExists=/etc/%i\n"),
        (&at("service.d/y.conf"), "[Unit]\nOnFailure=c.service\n"),
        ("/etc/systemd/system/service.d/y.conf", "->/dev/null"),
        (&at("tpl-x.socket"), "[Socket]\nListenStream=80\n"),
        ("/etc/systemd/system/tpl-x.socket.d/l.conf", "[Socket]\nListenStream=\nListenStream=81\n"),
        ("/etc/systemd/system/m.target.wants/other.service", "->/usr/lib/systemd/system/a.service"),
        ("/run/systemd/system/m.target.wants/gone.service", "->/usr/lib/systemd/system/a.service"),
        ("/etc/systemd/system/other.service", "->a.service"),
        ("/run/systemd/transient/t.service", "[Service]\n"),
    ]);
    let unit = |name: &str| boot.units.iter().find(|u| u.name == name);
    assert_eq!(unit("b.service").unwrap().load, UnitLoad::Masked);
    assert_eq!(unit("c.service").unwrap().load, UnitLoad::Masked);
    let a = unit("a.service").unwrap();
    assert_eq!(
        (a.aliases.as_slice(), a.programs.as_slice()),
        (&["other.service".to_owned()][..], &["/bin/a".to_owned()][..])
    );
    assert!(unit("other.service").is_none());
    let tpl = unit("tpl@x.service").unwrap();
    assert_eq!(tpl.conditions[0].text, "ConditionPathExists=/etc/%i");
    assert_eq!(tpl.conditions[0].holds, Some(false));
    assert_eq!(tpl.pulls.len(), 1, "{tpl:?}");
    let socket = unit("tpl-x.socket").unwrap();
    let ports: Vec<u16> = socket.listen.iter().map(|line| line.port.0).collect();
    assert_eq!((ports.as_slice(), socket.starts.as_deref()), (&[81][..], Some("tpl-x.service")));
    let wants: Vec<&str> = unit("m.target").unwrap().pulls.iter().map(|p| p.to.as_str()).collect();
    assert_eq!(wants, ["a.service", "other.service", "tpl@x.service"]);
}

#[test]
fn a_link_of_a_runlevel_decides_whether_a_script_is_generated_again() {
    let check = |links: &[(&str, &str)], expect: usize| {
        let files = [
            ("/usr/lib/systemd/system/default.target", "->m.target"),
            ("/usr/lib/systemd/system/m.target", "[Unit]\n"),
            ("/etc/init.d/old", "#!/bin/sh\n"),
            ("/run/systemd/generator.late/old.service", "[Unit]\nSourcePath=/etc/init.d/old\n"),
            ("/run/systemd/generator.late/m.target.wants/old.service", "->../old.service"),
            ("/etc/rc3.d/K01old", "->../init.d/old"),
        ];
        let files: Vec<_> = files.iter().chain(links).copied().collect();
        let boot = boot(&files);
        let target = boot.units.iter().find(|u| u.name == "m.target").unwrap();
        assert_eq!(target.pulls.len(), expect, "{links:?}");
    };
    check(&[("/etc/rc2.d/S01old", "->../init.d/old")], 1);
    check(&[], 0);
}

#[test]
fn hostile_trees_end() {
    boot(&[
        ("/usr/lib/systemd/system/default.target", "->a.target"),
        ("/usr/lib/systemd/system/a.target", "[Unit]\nRequires=b.target\n"),
        ("/usr/lib/systemd/system/b.target", "[Unit]\nRequires=a.target b.target\n"),
        ("/etc/systemd/system/x.service", "->y.service"),
        ("/etc/systemd/system/y.service", "->x.service"),
        ("/etc/systemd/system/a.target.wants/x.service", "->nowhere"),
        ("/etc/systemd/system/a.target.d", "no folder"),
        ("/etc/crontab/folder", ""),
    ]);
}
