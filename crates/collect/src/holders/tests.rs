//! Both ways of finding holders, on real processes that these tests make; they need root.
//!
//! Children get a socket as their standard input, so that no descriptor leaks from one test into
//! the children of another.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use facts::{
    Cgroup, CgroupId, Executable, Holder, HolderMethod, Inode, NetnsId, Part, Pid, Process, Uid,
};
use rustix::thread::UnshareFlags;

use super::{Finder, Found, Method};
use crate::bpf::BpfError;

/// A child that sleeps with something as its standard input, until it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn new(program: &Path, stdin: impl Into<OwnedFd>, uid: u32) -> Self {
        let child = Command::new(program)
            .arg("1000")
            .stdin(Stdio::from(stdin.into()))
            .uid(uid)
            .spawn()
            .unwrap();
        Self(child)
    }

    fn pid(&self) -> Pid {
        Pid(self.0.id())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn own_pid() -> Pid {
    Pid(std::process::id())
}

fn sleep_program() -> &'static Path {
    Path::new("/bin/sleep")
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn inode(socket: &impl std::os::fd::AsFd) -> Inode {
    Inode(rustix::fs::fstat(socket).unwrap().st_ino)
}

fn holder(inode: Inode, pid: Pid, fd: i32) -> Holder {
    Holder { inode, pid, fd: fd.try_into().unwrap(), io_uring: false }
}

/// What BPF and `/proc` find. Their processes are compared without their cgroups: BPF tells the id,
/// `/proc` the path.
fn both(wanted: &[Inode]) -> [Found; 2] {
    let mut finder = Finder::open(Method::Fastest, false);
    assert_eq!(finder.declined(), None);
    let bpf = finder.holders(wanted);
    assert_eq!(bpf.method, HolderMethod::Bpf);
    assert!(bpf.holders.is_complete());
    let proc = Finder::open(Method::Proc, false).holders(wanted);
    assert_eq!(proc.method, HolderMethod::Proc);
    [bpf, proc]
}

/// The processes without what only one way tells.
fn common(found: &Found) -> Vec<Process> {
    let processes = found.processes.items().iter().cloned();
    processes.map(|p| Process { cgroup: None, cgroup_path: None, ..p }).collect()
}

/// Checks who holds sockets, in both ways, and that they tell the same of the processes.
fn check(wanted: &[Inode], mut expect: Vec<Holder>) -> Found {
    expect.sort_unstable();
    // Another test may be starting a program right now: between fork and exec the child holds all
    // that we hold. So a difference counts only if it lasts.
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let [bpf, proc] = both(wanted);
        let as_expected = bpf.holders.items() == expect && proc.holders.items() == expect;
        if as_expected && common(&bpf) == common(&proc) {
            return bpf;
        }
        if Instant::now() > deadline {
            assert_eq!(bpf.holders.items(), expect);
            assert_eq!(proc.holders.items(), expect);
            assert_eq!(common(&bpf), common(&proc));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The process with this pid.
fn process(found: &Found, pid: Pid) -> &Process {
    found.processes.items().iter().find(|process| process.pid == pid).unwrap()
}

/// Waits until a new process runs the program that it was told to.
fn wait_for_exec(pid: Pid, program: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::fs::read_link(format!("/proc/{pid}/exe")).unwrap() != program {
        assert!(Instant::now() < deadline, "{pid} does not run {}", program.display());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_socket_with_two_holders_of_two_users() {
    let socket = listener();
    let child = Sleeper::new(sleep_program(), socket.try_clone().unwrap(), 12_345);
    let inode = inode(&socket);
    let found = check(
        &[inode],
        vec![holder(inode, own_pid(), socket.as_raw_fd()), holder(inode, child.pid(), 0)],
    );
    let held = process(&found, child.pid());
    assert_eq!((held.parent, held.uid, held.comm.as_str()), (own_pid(), Uid(12_345), "sleep"));
    let netns = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
    assert_eq!(held.netns, Some(NetnsId(netns.try_into().unwrap())));
    // All ancestors are there, up to the first process.
    let mut next = child.pid();
    while next != Pid(1) {
        next = process(&found, next).parent;
    }
}

#[test]
fn sockets_that_are_not_wanted_are_not_told() {
    let (wanted, other) = (listener(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let fd = wanted.as_raw_fd();
    check(&[inode(&wanted)], vec![holder(inode(&wanted), own_pid(), fd)]);
    check(&[inode(&other)], vec![holder(inode(&other), own_pid(), other.as_raw_fd())]);
    check(&[], vec![]);
    check(&[Inode(0), Inode(u64::MAX)], vec![]);
}

#[test]
fn a_connected_udp_socket_is_told_and_a_connected_stream_when_asked() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.connect("127.0.0.1:9").unwrap();
    check(&[inode(&udp)], vec![holder(inode(&udp), own_pid(), udp.as_raw_fd())]);

    let server = listener();
    let client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let expect = [holder(inode(&client), own_pid(), client.as_raw_fd())];
    for (method, by) in [(Method::Fastest, HolderMethod::Bpf), (Method::Proc, HolderMethod::Proc)] {
        let found = Finder::open(method, true).holders(&[inode(&client)]);
        assert_eq!(found.method, by);
        assert!(expect.iter().all(|holder| found.holders.items().contains(holder)), "{found:?}");
    }
}

#[test]
fn a_hostile_name() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("a) S 1\n\\n (b");
    std::fs::copy(sleep_program(), &program).unwrap();
    let socket = listener();
    let inode = inode(&socket);
    let child = Sleeper::new(&program, socket, 0);
    wait_for_exec(child.pid(), &program);
    let found = check(&[inode], vec![holder(inode, child.pid(), 0)]);
    assert_eq!(process(&found, child.pid()).comm, "a) S 1\n\\n (b");
}

#[test]
fn executables_and_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("x (deleted)");
    let finder = Finder::open(Method::Proc, false);
    std::fs::copy(sleep_program(), &program).unwrap();
    let child = Sleeper::new(&program, listener(), 0);
    wait_for_exec(child.pid(), &program);
    let executable = || {
        let mut all = Vec::new();
        all.push(Process {
            pid: child.pid(),
            parent: Pid(0),
            comm: String::new(),
            uid: Uid(0),
            started_ns: 0,
            netns: None,
            cgroup: None,
            cgroup_path: None,
            executable: None,
            args: None,
        });
        assert_eq!(finder.executables(&mut all, &[child.pid()]), []);
        assert_eq!(finder.args(&mut all, &[child.pid()]), []);
        let process = all.pop().unwrap();
        assert_eq!(process.args.unwrap()[1..], ["1000"]);
        process.executable.unwrap()
    };
    let path = program.to_str().unwrap().to_owned();
    let is =
        |deleted, replaced| Executable { path: path.clone(), deleted, replaced: Some(replaced) };
    assert_eq!(executable(), is(false, false));
    std::fs::remove_file(&program).unwrap();
    assert_eq!(executable(), is(true, false));
    std::fs::copy("/bin/true", &program).unwrap();
    assert_eq!(executable(), is(true, true));
    let moved = folder.path().join("moved");
    std::fs::rename(&program, &moved).unwrap();
    assert_eq!(executable(), is(true, false));
}

/// BPF tells which processes run a file that has no name any more, and of no other that it does:
/// neither of those whose file is there, nor of threads of the kernel, which have none.
#[test]
fn stale_executables() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("x");
    std::fs::copy(sleep_program(), &program).unwrap();
    let socket = listener();
    let child = Sleeper::new(&program, socket.try_clone().unwrap(), 0);
    wait_for_exec(child.pid(), &program);
    let stale = || {
        let mut finder = Finder::open(Method::Fastest, false);
        let found = finder.holders(&[inode(&socket)]);
        assert_eq!(found.method, HolderMethod::Bpf);
        let kernel_thread = Process { pid: Pid(2), ..process(&found, child.pid()).clone() };
        let mut processes = found.processes.items().to_vec();
        processes.push(kernel_thread);
        let mut stale = finder.stale(&processes);
        stale.retain(|pid| [child.pid(), own_pid(), Pid(2)].contains(pid));
        stale
    };
    assert_eq!(stale(), []);
    std::fs::remove_file(&program).unwrap();
    assert_eq!(stale(), [child.pid()]);
}

/// A thread with a table of descriptors of its own: `/proc/PID/fd` does not show it.
#[test]
fn a_socket_that_only_one_thread_holds() {
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        unshare(UnshareFlags::FILES);
        let socket = listener();
        tell.send((inode(&socket), socket.as_raw_fd())).unwrap();
        ended.recv().unwrap_err();
    });
    let (inode, fd) = told.recv().unwrap();
    check(&[inode], vec![holder(inode, own_pid(), fd)]);
    drop(end);
    other.join().unwrap();
}

/// Also when a process holds it as well.
#[test]
fn a_socket_that_a_process_and_a_thread_hold() {
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        unshare(UnshareFlags::FILES);
        let socket = listener();
        let child = Sleeper::new(sleep_program(), socket.try_clone().unwrap(), 0);
        tell.send((inode(&socket), socket.as_raw_fd(), child.pid())).unwrap();
        ended.recv().unwrap_err();
    });
    let (inode, fd, child) = told.recv().unwrap();
    check(&[inode], vec![holder(inode, own_pid(), fd), holder(inode, child, 0)]);
    drop(end);
    other.join().unwrap();
}

/// Where the kernel does not tell which threads have descriptors of their own, all are read for a
/// socket that nobody else holds, and for others it is said that they were not.
#[test]
fn without_kcmp_threads_are_read_where_needed() {
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        unshare(UnshareFlags::FILES);
        let socket = listener();
        tell.send((inode(&socket), socket.as_raw_fd())).unwrap();
        ended.recv().unwrap_err();
    });
    let (of_thread, fd) = told.recv().unwrap();
    let nobodys = {
        let socket = listener();
        inode(&socket)
    };
    let looking = thread::spawn(move || {
        forbid_kcmp();
        let mut finder = Finder::open(Method::Proc, false);
        [finder.holders(&[of_thread]).holders, finder.holders(&[nobodys]).holders]
    });
    let [of_thread_found, of_nobody] = looking.join().unwrap();
    assert_eq!(of_thread_found.items(), [holder(of_thread, own_pid(), fd)]);
    let is_told = |found: &Part<Vec<Holder>>| {
        let what = "further holders of sockets among threads with descriptors of their own";
        found.gaps().iter().any(|gap| gap.what == what && gap.minor)
    };
    assert!(is_told(&of_thread_found) && !is_told(&of_nobody));
    drop(end);
    other.join().unwrap();
}

/// Makes kcmp(2) fail in this thread, as the filters of container engines do.
#[allow(unsafe_code, reason = "filters the calls of one thread, which ends with the test")]
fn forbid_kcmp() {
    let step = |code: u32, jf: u8, k: u32| libc::sock_filter {
        code: code.try_into().unwrap(),
        jt: 0,
        jf,
        k,
    };
    let kcmp = u32::try_from(libc::SYS_kcmp).unwrap();
    let refused = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EPERM).unwrap();
    let mut filter = [
        // The number of the call is at 0 of struct seccomp_data.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, kcmp),
        step(libc::BPF_RET | libc::BPF_K, 0, refused),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its four steps outlive the call, which copies them.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(done, 0, "PR_SET_SECCOMP: {}", io::Error::last_os_error());
}

/// A thread in a namespace of its own leads there without BPF too.
#[test]
fn a_namespace_that_only_one_thread_is_in() {
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        unshare(UnshareFlags::NEWNET);
        let id = std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
        tell.send((NetnsId(id.try_into().unwrap()), rustix::thread::gettid())).unwrap();
        ended.recv().unwrap_err();
    });
    let (netns, tid) = told.recv().unwrap();
    let mut finder = Finder::open(Method::Proc, false);
    assert!(!finder.namespaces().value().unwrap().contains_key(&netns));
    let lead = (own_pid(), tid.as_raw_nonzero().get().unsigned_abs());
    assert_eq!(finder.thread_namespaces().get(&netns), Some(&lead));
    drop(end);
    other.join().unwrap();
}

#[test]
fn a_socket_in_flight_has_no_holder() {
    use rustix::net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
        SocketType, sendmsg, socketpair,
    };
    let (from, _to) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    let socket = listener();
    let inode = inode(&socket);
    {
        let sent = [socket.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&sent)));
        sendmsg(&from, &[io::IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
    }
    drop(socket);
    check(&[inode], vec![]);
}

#[test]
fn a_socket_held_by_an_io_uring_only() {
    let socket = listener();
    let inode = inode(&socket);
    let ring = ring_with(&socket);
    drop(socket);
    let mut found = check(&[inode], vec![]);
    Finder::open(Method::Fastest, false).add_io_uring(&[inode], &mut found);
    let expect = Holder { io_uring: true, ..holder(inode, own_pid(), ring.as_raw_fd()) };
    assert_eq!(found.holders, Part::known(vec![expect]));
    process(&found, own_pid());
}

/// An io_uring with one fixed file.
#[allow(unsafe_code, reason = "neither the standard library nor rustix makes rings in one call")]
fn ring_with(socket: &TcpListener) -> OwnedFd {
    /// `IORING_REGISTER_FILES` (`include/uapi/linux/io_uring.h`).
    const IORING_REGISTER_FILES: libc::c_long = 2;
    // struct io_uring_params has 120 bytes.
    let mut params = [0_u64; 15];
    let files = [socket.as_raw_fd()];
    // SAFETY: the kernel reads and writes the parameters, and makes a descriptor for us alone.
    let ring = unsafe {
        let fd =
            libc::syscall(libc::SYS_io_uring_setup, libc::c_long::from(1), params.as_mut_ptr());
        assert!(fd >= 0, "io_uring_setup: {}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(fd.try_into().unwrap())
    };
    // SAFETY: the kernel reads one descriptor.
    let done = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            libc::c_long::from(ring.as_raw_fd()),
            IORING_REGISTER_FILES,
            files.as_ptr(),
            libc::c_long::from(1),
        )
    };
    assert_eq!(done, 0, "io_uring_register: {}", io::Error::last_os_error());
    ring
}

/// A namespace in which nothing is left but a socket.
#[test]
fn namespaces_of_processes_and_of_sockets_alone() {
    let namespace = || {
        let id = std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
        NetnsId(id.try_into().unwrap())
    };
    let own = namespace();
    let (socket, netns) = thread::spawn(move || {
        unshare(UnshareFlags::NEWNET);
        (UdpSocket::bind("0.0.0.0:0").unwrap(), namespace())
    })
    .join()
    .unwrap();
    let (child, childs) = thread::spawn(move || {
        unshare(UnshareFlags::NEWNET);
        (Sleeper::new(sleep_program(), listener_anywhere(), 0), namespace())
    })
    .join()
    .unwrap();
    let mut bpf = Finder::open(Method::Fastest, false);
    let mut proc = Finder::open(Method::Proc, false);
    for finder in [&mut bpf, &mut proc] {
        let found = finder.namespaces();
        let found = found.value().unwrap();
        assert!(found.contains_key(&own));
        assert_eq!(found.get(&childs), Some(&child.pid()));
        assert_eq!(found.get(&netns), None);
    }
    let alone = bpf.socket_namespaces();
    let fd = socket.as_raw_fd().try_into().unwrap();
    assert_eq!(alone.value().unwrap().get(&netns), Some(&(own_pid(), fd)));
    assert!(!alone.value().unwrap().contains_key(&childs));
    assert_eq!(proc.socket_namespaces().value(), None);
}

fn listener_anywhere() -> UdpSocket {
    UdpSocket::bind("0.0.0.0:0").unwrap()
}

#[allow(unsafe_code, reason = "a thread of the test's own that ends with it")]
fn unshare(what: UnshareFlags) {
    // SAFETY: with FILES, no descriptor of this thread is used by another; NEWNET concerns none.
    unsafe { rustix::thread::unshare_unsafe(what) }.unwrap();
}

#[test]
fn cgroups_by_id_and_by_path() {
    let socket = listener();
    let mut bpf = Finder::open(Method::Fastest, false);
    let mut found = bpf.holders(&[inode(&socket)]);
    let Part::Known { value } = &mut found.processes else { panic!("{found:?}") };
    let own = value.iter().position(|process| process.pid == own_pid()).unwrap();
    let expect = super::stat::cgroup_path(&std::fs::read("/proc/self/cgroup").unwrap());
    let id = value[own].cgroup.unwrap();
    // Known by a path of the unified hierarchy: nothing is read.
    let known = [Cgroup { id, path: "/known".to_owned() }];
    bpf.cgroup_paths(value, &known);
    assert_eq!(value[own].cgroup_path, None);
    // Not known, or left in its root: read from /proc.
    let proc = Finder::open(Method::Proc, false);
    for (finder, known) in [
        (&bpf, vec![Cgroup { id, path: "/".to_owned() }]),
        (&bpf, vec![]),
        (&proc, vec![Cgroup { id, path: "/".to_owned() }]),
        (&proc, vec![]),
    ] {
        for process in &mut *value {
            process.cgroup_path = None;
        }
        finder.cgroup_paths(value, &known);
        assert_eq!(value[own].cgroup_path, expect);
        // Its parent too, which need not be in the same cgroup.
        let parent = value[own].parent;
        let file = std::fs::read(format!("/proc/{parent}/cgroup")).unwrap();
        let read = value.iter().find(|process| process.pid == parent).unwrap();
        assert_eq!(read.cgroup_path, super::stat::cgroup_path(&file));
    }
    assert_ne!(id, CgroupId(0));
}

/// The same as ss(8) shows, in a namespace of our own.
#[test]
fn the_same_holders_as_ss() {
    thread::spawn(|| {
        unshare(UnshareFlags::NEWNET);
        let tcp: Vec<TcpListener> =
            (0..5).map(|_| TcpListener::bind("0.0.0.0:0").unwrap()).collect();
        let tcp6 = TcpListener::bind("[::]:0").unwrap();
        let udp = UdpSocket::bind("[::]:0").unwrap();
        let mut children = Vec::new();
        for socket in &tcp {
            for _ in 0..3 {
                children.push(Sleeper::new(sleep_program(), socket.try_clone().unwrap(), 0));
            }
        }
        let mut wanted: Vec<Inode> = tcp.iter().map(inode).collect();
        wanted.extend([inode(&tcp6), inode(&udp)]);
        wanted.sort_unstable();
        let output = Command::new("ss").arg("-Htulpne").output().unwrap();
        let shown = holders_in(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(shown.len(), 5 * 4 + 2);
        check(&wanted, shown);
    })
    .join()
    .unwrap();
}

/// Reads `users:(("sleep",pid=12,fd=0),…)` and `ino:34` of every line.
fn holders_in(text: &str) -> Vec<Holder> {
    let number = |text: &str| -> u64 {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse().unwrap()
    };
    let mut holders = Vec::new();
    for line in text.lines() {
        let inode = Inode(number(line.split("ino:").nth(1).unwrap()));
        for part in line.split("pid=").skip(1) {
            let pid = Pid(number(part).try_into().unwrap());
            let fd = number(part.split("fd=").nth(1).unwrap()).try_into().unwrap();
            holders.push(Holder { inode, pid, fd, io_uring: false });
        }
    }
    holders
}

/// What an ordinary user sees: a part, and it is said so.
#[test]
fn an_ordinary_user_gets_gaps() {
    let socket = listener();
    let inode = inode(&socket);
    // Held by a process of root alone: our own descriptors we may always see.
    let _child = Sleeper::new(sleep_program(), socket, 0);
    thread::spawn(move || {
        unshare(UnshareFlags::NEWNS);
        hide_processes();
        become_nobody();
        let mut finder = Finder::open(Method::Fastest, false);
        assert!(matches!(
            finder.declined(),
            Some(BpfError::Load { error: rustix::io::Errno::PERM, .. })
        ));
        let found = finder.holders(&[inode]);
        assert_eq!((found.method, found.holders.items()), (HolderMethod::Proc, [].as_slice()));
        let gaps: Vec<String> = found
            .holders
            .gaps()
            .iter()
            .chain(finder.namespaces().gaps())
            .chain(finder.socket_namespaces().gaps())
            .map(|gap| {
                assert_eq!(gap.remedy, Some(facts::Remedy::Root), "{gap:?}");
                format!("{}: {}", gap.what, gap.why)
            })
            .collect();
        let expect = [
            "processes of other users: /proc is mounted with hidepid=invisible",
            "network namespaces that only sockets are in: load the BPF program",
        ];
        for expect in expect {
            assert!(gaps.iter().any(|gap| gap.starts_with(expect)), "{expect}: {gaps:#?}");
        }
    })
    .join()
    .unwrap();
}

/// The same without `hidepid`: processes are seen, their descriptors are not.
#[test]
fn an_ordinary_user_is_told_of_how_many_processes_it_is_refused() {
    thread::spawn(|| {
        let socket = listener();
        become_nobody();
        let found = Finder::open(Method::Proc, false).holders(&[inode(&socket)]);
        let gaps = found.holders.gaps();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!(gaps[0].what.starts_with("holders of sockets of other users ("), "{gaps:?}");
        assert_eq!(gaps[0].remedy, Some(facts::Remedy::Root));
        // Nobody was asked about: nothing is missing.
        assert_eq!(Finder::open(Method::Proc, false).holders(&[]).holders, Part::known(vec![]));
    })
    .join()
    .unwrap();
}

/// Where `/proc` shows the processes of one pid namespace only, that others may hold a socket is a
/// gap: one to be shown if nobody in it does.
#[test]
fn another_pid_namespace_is_not_the_whole_host() {
    let (held, unheld) = (listener(), listener());
    let child = Command::new("unshare")
        .args(["-fp", "--mount-proc", "--kill-child", "sleep", "1000"])
        .stdin(Stdio::from(OwnedFd::from(held.try_clone().unwrap())))
        .spawn()
        .unwrap();
    let child = Sleeper(child);
    let find = |wanted: Inode| {
        let mut finder = Finder::open(Method::Proc, false);
        (finder.holders(&[wanted]).holders, finder.namespaces().gaps().to_vec())
    };
    let gaps = find(inode(&unheld)).0.gaps().to_vec();
    assert!(!gaps.iter().any(|gap| gap.what.contains("pid namespace")), "{gaps:?}");
    let [of_held, of_unheld] = thread::scope(|scope| {
        let look_from_there = || {
            unshare(UnshareFlags::NEWNS);
            let deadline = Instant::now() + Duration::from_secs(10);
            // We are not among the processes that are shown there.
            let is_there = || {
                std::fs::metadata("/proc/self").is_err()
                    && std::fs::read_link("/proc/1/exe").is_ok_and(|exe| exe.ends_with("sleep"))
            };
            while !is_there() {
                assert!(Instant::now() < deadline, "sleep(1) does not run");
                let path = format!("/proc/{}/ns/mnt", child.pid());
                // Once inside, this path leads nowhere.
                if let Ok(namespace) = std::fs::File::open(path) {
                    let kind = Some(rustix::thread::LinkNameSpaceType::Mount);
                    rustix::thread::move_into_link_name_space(namespace.as_fd(), kind).unwrap();
                }
                thread::sleep(Duration::from_millis(5));
            }
            [find(inode(&held)), find(inode(&unheld))]
        };
        scope.spawn(look_from_there).join().unwrap()
    });
    let check =
        |found: &(Part<Vec<Holder>>, Vec<facts::Gap>), holders: usize, minor, what: &str| {
            assert_eq!(found.0.items().len(), holders);
            let gaps: Vec<_> =
                found.0.gaps().iter().map(|gap| (gap.what.as_str(), gap.minor)).collect();
            assert_eq!(gaps, [(what, minor)]);
            let namespaces: Vec<_> = found.1.iter().map(|gap| gap.what.as_str()).collect();
            assert_eq!(namespaces, ["network namespaces of processes outside this pid namespace"]);
        };
    check(&of_held, 1, true, "further holders of sockets outside this pid namespace");
    check(&of_unheld, 0, false, "holders of sockets outside this pid namespace");
}

/// Mounts `/proc` anew, in the mount namespace of this thread, so that it hides processes.
fn hide_processes() {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).unwrap();
    mount("proc", "/proc", "proc", MountFlags::empty(), Some(c"hidepid=invisible")).unwrap();
}

/// Root without the right to trace is hidden processes from like anyone.
#[test]
fn root_without_capabilities_is_told_of_hidden_processes() {
    thread::spawn(|| {
        unshare(UnshareFlags::NEWNS);
        hide_processes();
        let hides = || {
            let gaps = Finder::open(Method::Proc, false).namespaces().gaps().to_vec();
            gaps.iter().any(|gap| gap.what == "processes of other users")
        };
        assert!(!hides());
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.effective.remove(rustix::thread::CapabilitySet::SYS_PTRACE);
        rustix::thread::set_capabilities(None, sets).unwrap();
        assert!(hides());
    })
    .join()
    .unwrap();
}

/// Gives up all privileges of this thread alone: the system call, unlike the function of the C
/// library, does not touch the other threads.
#[allow(unsafe_code, reason = "changes the credentials of one thread, which ends with the test")]
fn become_nobody() {
    let nobody: libc::c_long = 65_534;
    // SAFETY: the call takes three numbers.
    let done = unsafe { libc::syscall(libc::SYS_setresuid, nobody, nobody, nobody) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// Tables with holes: a small one, one too large to ask through, and numbers far away.
#[test]
fn tables_with_holes() {
    let socket = listener();
    let inode = inode(&socket);
    for numbers in [vec![3, 4, 5], vec![10, 11, 12], vec![5, 500, 1000]] {
        let shell: String = numbers
            .iter()
            .map(|fd| format!("exec {fd}<&0; "))
            .chain(["sleep 1000".to_owned()])
            .collect();
        let child = Command::new("/bin/bash")
            .args(["-c", &shell])
            .stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())))
            .process_group(0)
            .spawn()
            .unwrap();
        let of_sleep = |held: &Found| -> Vec<Vec<u32>> {
            let sleeps = held.processes.items().iter().filter(|p| p.comm == "sleep");
            sleeps
                .map(|sleep| {
                    let fds = held.holders.items().iter().filter(|h| h.pid == sleep.pid);
                    fds.map(|holder| holder.fd).collect()
                })
                .collect()
        };
        let mut expect: Vec<u32> = numbers.iter().map(|fd| u32::try_from(*fd).unwrap()).collect();
        expect.insert(0, 0);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let found = both(&[inode]).map(|found| of_sleep(&found));
            if found.iter().all(|sleeps| sleeps.contains(&expect)) {
                break;
            }
            assert!(Instant::now() < deadline, "{expect:?}: {found:?}");
            thread::sleep(Duration::from_millis(5));
        }
        end_group(child);
    }
}

/// Ends a child and those that it started.
fn end_group(mut child: Child) {
    let group = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    child.wait().unwrap();
}
