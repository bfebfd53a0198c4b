//! Finding, naming and entering. Needs root and mount(8).

use std::os::fd::AsRawFd;

use super::*;

#[test]
fn own_namespace_needs_no_name() {
    let (namespaces, gaps) = find(&Leads::default(), true);
    assert_eq!(gaps, []);
    assert_eq!(namespaces.len(), 1);
    assert!(namespaces[0].own);
    assert_eq!(namespaces[0].id, own().unwrap());
    let caller = std::thread::current().id();
    assert_eq!(namespaces[0].enter(|| std::thread::current().id()).unwrap(), caller);
}

#[test]
fn a_plain_file_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stale"), "").unwrap();
    let same = folder.path().join("..").join(folder.path().file_name().unwrap());
    let (namespaces, gaps) = find_in(&Leads::default(), false, &[folder.path(), &same]);
    let stale = |n: &Namespace| n.names.iter().any(|name| name == "stale");
    assert!(!namespaces.iter().any(stale), "{namespaces:?}");
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].why.contains("stale: not a namespace"), "{gaps:?}");
}

/// Runs mount(8) in the calling thread's mount namespace.
fn mount(arguments: &[&str]) {
    let status = std::process::Command::new("mount").args(arguments).status();
    assert!(status.expect("run mount(8)").success(), "mount {arguments:?}");
}

#[test]
fn a_name_leads_to_its_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blue");
    std::fs::write(&path, "").unwrap();
    let namespace = made();
    let id = id(namespace.metadata().unwrap().ino()).unwrap();
    let found = std::thread::scope(|scope| {
        let bind_and_find = || {
            #[allow(unsafe_code, reason = "unshare of a namespace has no safe wrapper")]
            // SAFETY: the thread leaves its mount namespace only, not its descriptors.
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
                .expect("unshare(CLONE_NEWNS): this test needs root");
            mount(&["--make-rprivate", "/"]);
            let fd = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
            mount(&["--bind", &fd, path.to_str().unwrap()]);
            let (namespaces, gaps) = find_in(&Leads::default(), false, &[folder.path()]);
            assert_eq!(gaps, []);
            let named = namespaces.into_iter().find(|n| n.id == id).unwrap();
            let inside = named.enter(own).unwrap().unwrap();
            (named, inside)
        };
        scope.spawn(bind_and_find).join().unwrap()
    });
    assert_eq!(found.0.label(), "network namespace blue");
    assert_eq!((found.0.host, found.0.own, found.0.leader), (false, false, None));
    assert_eq!(found.1, id);
}

/// Mounted in a place that nobody knows, and one more mount hidden below another file system.
#[test]
fn a_mount_leads_to_its_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("green one"), "").unwrap();
    std::fs::create_dir(at("covered")).unwrap();
    std::fs::write(at("covered/red"), "").unwrap();
    let (seen, hidden) = (made(), made());
    let id = |file: &File| id(file.metadata().unwrap().ino()).unwrap();
    let look = || {
        #[allow(unsafe_code, reason = "unshare of a namespace has no safe wrapper")]
        // SAFETY: the thread leaves its mount namespace only, not its descriptors.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
            .expect("unshare(CLONE_NEWNS): this test needs root");
        mount(&["--make-rprivate", "/"]);
        let fd = |file: &File| format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        mount(&["--bind", &fd(&seen), &at("green one")]);
        mount(&["--bind", &fd(&hidden), &at("covered/red")]);
        mount(&["-t", "tmpfs", "none", &at("covered")]);
        let (namespaces, _) = find(&Leads::default(), false);
        let found = namespaces.iter().find(|n| n.id == id(&seen)).expect("found");
        assert_eq!(found.names, ["green one"]);
        assert_eq!(found.enter(own).unwrap().unwrap(), id(&seen));
        assert!(namespaces.iter().all(|n| n.id != id(&hidden)), "{namespaces:?}");
        assert!(find(&Leads::default(), true).0.iter().all(|n| n.own));
    };
    std::thread::scope(|scope| scope.spawn(look).join().unwrap());
}

/// One process that is said to be in a namespace.
fn process(id: NetnsId, pid: Pid) -> Leads {
    Leads { processes: BTreeMap::from([(id, pid)]), ..Leads::default() }
}

#[test]
fn a_socket_alone_leads_to_its_namespace() {
    let (id, socket) = std::thread::spawn(|| {
        #[allow(unsafe_code, reason = "unshare of a namespace has no safe wrapper")]
        // SAFETY: the thread leaves its network namespace only; it shares its descriptors as before.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
            .expect("unshare(CLONE_NEWNET): this test needs root");
        (own().unwrap(), std::net::UdpSocket::bind("0.0.0.0:0").expect("bind in it"))
    })
    .join()
    .unwrap();
    let fd = u32::try_from(socket.as_raw_fd()).unwrap();
    let check = |wanted: NetnsId, fd: u32, expect: Result<NetnsId, &str>| {
        let sockets = BTreeMap::from([(wanted, (Pid(std::process::id()), fd))]);
        let (namespaces, _) = find_in(&Leads { sockets, ..Leads::default() }, false, &[]);
        let found = namespaces.iter().find(|n| n.id == wanted).unwrap();
        match (found.enter(|| own().unwrap()), expect) {
            (Ok(inside), expect) => assert_eq!(Ok(inside), expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (Err(error), Ok(_)) => panic!("{error}"),
        }
    };
    check(id, fd, Ok(id));
    check(NetnsId(7), fd, Err("by now"));
    check(id, 1_000_000, Err("pidfd_getfd of descriptor 1000000"));
    let file = File::open("/dev/null").unwrap();
    check(id, u32::try_from(file.as_raw_fd()).unwrap(), Err("SIOCGSKNS"));
}

#[test]
fn a_process_that_ended_is_named() {
    // Above the largest pid there can be (PID_MAX_LIMIT is 2^22).
    let leads = process(NetnsId(7), Pid(4_194_305));
    let (namespaces, _) = find_in(&leads, false, &[]);
    let gone = namespaces.iter().find(|n| n.id == NetnsId(7)).unwrap();
    let error = gone.enter(|| ()).unwrap_err();
    assert!(error.to_string().starts_with("open /proc/4194305/ns/net"), "{error}");
    assert_eq!(error.remedy(), Some(Remedy::Retry));
}

#[test]
fn a_reused_pid_is_not_entered() {
    let leads = process(NetnsId(7), Pid(std::process::id()));
    let (namespaces, _) = find_in(&leads, false, &[]);
    let moved = namespaces.iter().find(|n| n.id == NetnsId(7)).unwrap();
    let error = moved.enter(|| ()).unwrap_err();
    assert!(matches!(error, EnterError::Moved { .. }), "{error}");
}

#[test]
fn a_namespace_of_its_own_is_not_the_hosts() {
    let is_host = || find(&Leads::default(), true).0[0].host;
    assert!(!enter(made().as_fd(), is_host).unwrap());
}

#[test]
fn a_thread_enters_and_the_caller_stays() {
    let before = own().unwrap();
    let fd = made();
    let inside = enter(fd.as_fd(), own).unwrap().unwrap();
    assert_ne!(inside, before);
    assert_eq!(u64::from(inside.0), fd.metadata().unwrap().ino());
    assert_eq!(own().unwrap(), before);
}
