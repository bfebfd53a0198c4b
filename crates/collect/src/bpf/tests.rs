//! The programs on this kernel: each way tells the same. Needs root.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, RawFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// All programs that tell processes tell the same, with and without the cast that kernels before 6.2
/// lack. The first processes of a host do not come and go.
#[test]
fn every_program_tells_the_same_processes() {
    let layout = read_btf(Layout::of).unwrap();
    assert!(layout.bpf_rdonly_cast.is_some());
    let first = |loaded| {
        let mut told = Iterators { layout, connected: false, loaded }.read().unwrap();
        told.tasks.truncate(10);
        told.tasks
    };
    let apart = |cast| {
        let program = programs::tasks(&layout, cast);
        first(Loaded::Apart(load(TASKS, &program, layout.bpf_iter_task).unwrap()))
    };
    let iterators = Iterators::load(false).unwrap();
    assert!(matches!(iterators.loaded, Loaded::Together(..)));
    let together = first(iterators.loaded);
    assert_eq!(together.len(), 10);
    assert_eq!(apart(layout.bpf_rdonly_cast), together);
    assert_eq!(apart(None), together);
}

/// What a way tells of these inodes in this process.
fn ours(told: &Told, inodes: &[u64]) -> Vec<(u64, u32, NetnsId)> {
    let me = Pid(std::process::id());
    let ours = told.files.iter().filter(|f| f.pid == me && inodes.contains(&f.inode.0));
    let mut ours: Vec<_> = ours.map(|f| (f.inode.0, f.fd, f.netns)).collect();
    ours.sort_unstable();
    ours
}

/// What every way to find descriptors tells of these inodes in this process: they tell the same.
fn check(connected: bool, inodes: &[u64]) -> Vec<(u64, u32, NetnsId)> {
    let iterators = Iterators::load(connected).unwrap();
    let Loaded::Together(program, of) = &iterators.loaded else { panic!("{iterators:?}") };
    let apart = iterators.apart(&load_tasks(&iterators.layout).unwrap()).unwrap();
    let together = ours(&iterators.together(program, of).unwrap(), inodes);
    assert_eq!(together, ours(&apart, inodes));
    // One by one and several abreast, on every machine.
    for abreast in [false, true] {
        let program = descriptors::program(&iterators.layout, of, connected, abreast, Start::First);
        let program = load(FILES, &program, iterators.layout.bpf_iter_task).unwrap();
        let told = iterators.together(&program, of).unwrap();
        assert_eq!(ours(&told, inodes), together, "abreast: {abreast}");
    }
    together
}

fn inode(fd: RawFd) -> u64 {
    rustix::fs::stat(format!("/proc/self/fd/{fd}")).unwrap().st_ino
}

/// Every kind of file that is or resembles a socket.
#[test]
fn every_program_tells_the_same_descriptors() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let udp = UdpSocket::bind("[::1]:0").unwrap();
    let twice = udp.try_clone().unwrap();
    let unix = std::os::unix::net::UnixStream::pair().unwrap();
    // A descriptor of the socket's inode, but of no socket.
    let path = format!("/proc/self/fd/{}", listener.as_raw_fd());
    let by_path = rustix::fs::open(path, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty());
    let by_path = by_path.unwrap();
    let fds = [listener.as_raw_fd(), client.as_raw_fd(), udp.as_raw_fd(), twice.as_raw_fd()];
    let inodes = [fds[0], fds[1], fds[2], unix.0.as_raw_fd(), by_path.as_raw_fd()].map(inode);
    for (connected, expect) in [(false, 3), (true, 4)] {
        let told = check(connected, &inodes);
        assert_eq!(told.len(), expect, "{told:?}");
    }
}

/// A table of several stretches, with sockets at their edges and a stretch full of them.
#[test]
fn long_tables() {
    let limit = getrlimit(Resource::Nofile);
    assert!(limit.maximum.is_none_or(|most| most >= 16_384), "{limit:?}");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let stretch = i32::try_from(STRETCH).unwrap();
    let base = 2000;
    let mut wanted: Vec<i32> = (base..base + 2 * stretch).collect();
    for edge in (4..10).map(|n| n * stretch) {
        wanted.extend([edge - 1, edge]);
    }
    let copies: Vec<OwnedFd> =
        wanted.iter().map(|at| rustix::io::fcntl_dupfd_cloexec(&udp, *at).unwrap()).collect();
    let mut expect: Vec<u32> = copies.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
    expect.push(udp.as_raw_fd().cast_unsigned());
    expect.sort_unstable();
    let told = check(false, &[inode(udp.as_raw_fd())]);
    assert_eq!(told.iter().map(|told| told.1).collect::<Vec<_>>(), expect);
}

/// The verifier's words reach whoever asks why BPF is not used.
#[test]
fn a_refused_program_says_why() {
    let layout = Layout { cred_euid: 7, ..read_btf(Layout::of).unwrap() };
    let program = programs::tasks(&layout, None);
    let error = load(TASKS, &program, layout.bpf_iter_task).unwrap_err();
    let BpfError::Load { log, .. } = &error else { panic!("{error}") };
    assert!(log.contains("access beyond") || log.contains("cred"), "{log}");
    assert!(error.to_string().starts_with("load the BPF program whyopen_tasks: "), "{error}");
}

/// Records may be cut anywhere: what is left over is taken with the next bytes.
#[test]
fn records_that_are_cut() {
    let mut bytes = Vec::new();
    for number in 0..5_u8 {
        bytes.extend([0xff; 8]);
        bytes.extend([number; task_record::BYTES - 8]);
        bytes.extend([number; file_record::BYTES]);
    }
    let mut whole = Told::default();
    assert_eq!(whole.take(&bytes), bytes.len());
    assert_eq!((whole.tasks.len(), whole.files.len()), (5, 5));
    for at in 0..bytes.len() {
        let mut told = Told::default();
        let taken = told.take(&bytes[..at]);
        assert!(taken <= at && at - taken < task_record::BYTES);
        assert_eq!(told.take(&bytes[taken..]), bytes.len() - taken);
        assert_eq!(told, whole, "{at}");
    }
}
