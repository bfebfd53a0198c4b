use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use super::*;

/// See `fixtures/README.md`.
const RECORDED: &[u8] = include_bytes!("fixtures/systemd-252.bin");

/// The units that were asked about in the recording.
const ASKED: [&str; 4] = ["dbus.service", "init.scope", "nonexistent.service", "a b.service"];

/// The type of a message that is no answer.
const SIGNAL: u8 = 4;

/// What a peer does with a connection.
type Behaviour = fn(&mut UnixStream);

/// Asks a peer that behaves in this way about units, within 300 ms. Gives a line for each unit and
/// gap, without the folder's own name.
fn ask(socket: &str, behaviour: Behaviour, wanted: &[&str], socket_units: bool) -> Vec<String> {
    let run = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(run.path().join("systemd/system")).unwrap();
    std::fs::create_dir_all(run.path().join("dbus")).unwrap();
    let listener = UnixListener::bind(run.path().join(socket)).unwrap();
    // Ends with the test's process: some behaviours never end.
    thread::spawn(move || {
        for stream in listener.incoming() {
            behaviour(&mut stream.unwrap());
        }
    });
    let begin = Instant::now();
    let part = units_at(run.path(), wanted, socket_units, Duration::from_millis(300));
    assert!(begin.elapsed() < Duration::from_secs(2), "the limit holds");
    told(run.path(), &part)
}

fn told(run: &Path, part: &Part<Vec<SystemdUnit>>) -> Vec<String> {
    let unit = |unit: &SystemdUnit| {
        format!(
            "{}: {} {} {} [{}] {} {} {:?}",
            unit.name,
            unit.load_state,
            unit.active_state,
            unit.sub_state,
            unit.file_state,
            unit.triggers.join(","),
            unit.triggered_by.join(","),
            unit.listen,
        )
    };
    let gap = |gap: &Gap| format!("gap: {}: {}", gap.what, gap.why);
    let lines = part.items().iter().map(unit).chain(part.gaps().iter().map(gap));
    lines.map(|line| line.replace(&format!("{}/", run.display()), "/run/")).collect()
}

/// The recorded messages: the answers in the order of their calls, and signals between them.
fn recorded() -> Vec<Vec<u8>> {
    let greeting = RECORDED.windows(3).position(|three| three == b"\r\nl").unwrap() + 2;
    let mut rest = &RECORDED[greeting..];
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let (message, tail) = rest.split_at(length(rest));
        messages.push(message.to_vec());
        rest = tail;
    }
    messages
}

/// The little-endian number at this place of a message.
fn number(message: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(message[at..at + 4].try_into().unwrap())
}

/// The length of the message that begins with these bytes: its body's at 4, its fields' at 12.
fn length(head: &[u8]) -> usize {
    let [body, fields] = [4, 12].map(|at| number(head, at) as usize);
    16 + fields.next_multiple_of(8) + body
}

/// Where an answer has the serial of its call: the value of the field 5, of type `u`.
fn serial_at(answer: &[u8]) -> usize {
    answer.windows(4).position(|four| four == b"\x05\x01u\0").unwrap() + 4
}

/// The next call.
fn call(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut call = vec![0; 16];
    stream.read_exact(&mut call).ok()?;
    call.resize(length(&call), 0);
    stream.read_exact(&mut call[16..]).unwrap();
    Some(call)
}

/// Lets a client in.
fn welcome(stream: &mut UnixStream) {
    let mut lines = Vec::new();
    while !lines.ends_with(b"BEGIN\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        lines.extend_from_slice(&byte);
    }
    assert!(lines.starts_with(b"\0AUTH EXTERNAL "), "{lines:?}");
    stream.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n").unwrap();
}

/// Gives the recorded answer to each call in turn, up to so many bytes in all.
fn answer(stream: &mut UnixStream, destination: Option<&[u8]>, mut bytes: usize) {
    for mut message in recorded() {
        if message[1] != SIGNAL {
            let Some(call) = call(stream) else { return };
            assert_eq!(call[2], 0x2, "the flag NO_AUTO_START, and no other");
            if let Some(name) = destination {
                assert!(call.windows(name.len()).any(|part| part == name));
            }
            let at = serial_at(&message);
            message[at..at + 4].copy_from_slice(&call[8..12]);
        }
        message.truncate(bytes);
        bytes -= message.len();
        stream.write_all(&message).unwrap();
    }
}

fn play_recording(stream: &mut UnixStream) {
    welcome(stream);
    answer(stream, None, usize::MAX);
    wait_for_the_end(stream);
}

/// The same as a bus, which greets first and passes calls on.
fn play_recording_as_a_bus(stream: &mut UnixStream) {
    welcome(stream);
    let hello = call(stream).unwrap();
    assert!(hello.windows(6).any(|part| part == b"Hello\0"));
    let serial = number(&hello, 8).try_into().unwrap();
    let hello = zbus::Message::method_call("/", "Hello").serial(serial).build(&()).unwrap();
    let name = zbus::Message::method_return(&hello.header()).build(&":1.7").unwrap();
    stream.write_all(name.data()).unwrap();
    answer(stream, Some(b"\x06\x01s\0\x18\0\0\0org.freedesktop.systemd1\0"), usize::MAX);
    wait_for_the_end(stream);
}

/// The recording without its last kilobyte.
fn play_a_part(stream: &mut UnixStream) {
    welcome(stream);
    let bytes: usize = recorded().iter().map(Vec::len).sum();
    answer(stream, None, bytes - 1000);
}

fn play_a_part_and_wait(stream: &mut UnixStream) {
    play_a_part(stream);
    wait_for_the_end(stream);
}

fn wait_for_the_end(stream: &mut UnixStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

fn drip(stream: &mut UnixStream) {
    while stream.write_all(b"D").is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
}

fn close(_: &mut UnixStream) {}

fn refuse(stream: &mut UnixStream) {
    stream.write_all(b"REJECTED EXTERNAL\r\n").unwrap();
    wait_for_the_end(stream);
}

fn talk_nonsense(stream: &mut UnixStream) {
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
    wait_for_the_end(stream);
}

fn name_itself_wrongly(stream: &mut UnixStream) {
    stream.write_all(b"OK 1234\r\n").unwrap();
    wait_for_the_end(stream);
}

fn begin_with_an_empty_line(stream: &mut UnixStream) {
    stream.write_all(b"\nOK\r\n").unwrap();
    wait_for_the_end(stream);
}

fn let_in_and_talk_nonsense(stream: &mut UnixStream) {
    welcome(stream);
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
    wait_for_the_end(stream);
}

fn let_in_and_be_silent(stream: &mut UnixStream) {
    welcome(stream);
    wait_for_the_end(stream);
}

fn let_in_and_drip(stream: &mut UnixStream) {
    welcome(stream);
    for byte in b"l\x02\x01\x01\0\x10\0\0\x01\0\0\0\0\0\0\0".iter().chain(&[0; 4096]) {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn let_in_and_close(stream: &mut UnixStream) {
    welcome(stream);
}

fn talk_without_end(stream: &mut UnixStream) {
    while stream.write_all(&[b'x'; 4096]).is_ok() {}
}

#[test]
fn a_recorded_answer() {
    let expect = [
        "dbus.service: loaded active running [static]  dbus.socket []",
        "dbus.socket: loaded active running [static] dbus.service  [(\"Stream\", \"/run/dbus/system_bus_socket\")]",
        "init.scope: loaded active running []   []",
        "nonexistent.service: not-found inactive dead []   []",
        "systemd-initctl.socket: loaded active listening [static] systemd-initctl.service  [(\"FIFO\", \"/run/initctl\")]",
        "systemd-journald-dev-log.socket: loaded active running [static] systemd-journald.service  [(\"Datagram\", \"/run/systemd/journal/dev-log\")]",
        "systemd-journald.socket: loaded active running [static] systemd-journald.service  [(\"Datagram\", \"/run/systemd/journal/socket\"), (\"Stream\", \"/run/systemd/journal/stdout\")]",
        "gap: unit a b.service: org.freedesktop.DBus.Error.InvalidArgs: Unit name a b.service is neither a valid invocation ID nor unit name.",
    ];
    assert_eq!(ask("systemd/private", play_recording, &ASKED, true), expect);
    assert_eq!(ask("dbus/system_bus_socket", play_recording_as_a_bus, &ASKED, true), expect);
}

#[test]
fn answers_that_came_in_time_are_kept() {
    let check = |behaviour: Behaviour, why: &str| {
        let part = ask("systemd/private", behaviour, &ASKED, true);
        let (gaps, units): (Vec<_>, Vec<_>) =
            part.iter().partition(|line| line.starts_with("gap: "));
        assert_eq!(units.len(), 5, "{part:#?}");
        assert_eq!(
            *gaps[0],
            format!(
                "gap: units systemd-journald-dev-log.socket and systemd-journald.socket: {why}"
            )
        );
        let refusal = "gap: unit a b.service: org.freedesktop.DBus.Error.InvalidArgs";
        assert!(gaps[1].starts_with(refusal));
    };
    check(play_a_part_and_wait, "systemd did not answer within 0.3 s");
    check(play_a_part, "systemd closed the connection");
}

#[test]
fn a_peer_that_does_not_answer_costs_no_more_than_the_limit() {
    let check = |behaviour: Behaviour, expect: &str| {
        for socket in ["systemd/private", "dbus/system_bus_socket"] {
            let expect = format!("gap: unit ssh.service: {expect}");
            assert_eq!(ask(socket, behaviour, &["ssh.service"], true), [expect]);
        }
    };
    check(wait_for_the_end, "systemd did not answer within 0.3 s");
    check(drip, "systemd did not answer within 0.3 s");
    check(talk_without_end, "systemd did not answer within 0.3 s");
    check(let_in_and_be_silent, "systemd did not answer within 0.3 s");
    check(let_in_and_drip, "systemd did not answer within 0.3 s");
}

#[test]
fn a_peer_that_is_no_systemd() {
    let check = |behaviour: Behaviour, expect: &str| {
        let told = ask("dbus/system_bus_socket", behaviour, &["ssh.service"], true);
        assert_eq!(told, [format!("gap: unit ssh.service: {expect}")]);
    };
    check(close, "systemd closed the connection");
    check(let_in_and_close, "systemd closed the connection");
    check(
        refuse,
        "the bus refused us: EXTERNAL rejected by the server. Accepted mechanisms: [EXTERNAL]",
    );
    check(talk_nonsense, "the bus refused us: Unknown command: HTTP/1.1 400 Bad Request");
    check(name_itself_wrongly, "what the bus sent is not understood: Invalid GUID");
    check(begin_with_an_empty_line, "talk to the bus: an empty first line");
    check(let_in_and_talk_nonsense, "what the bus sent is not understood: incorrect endian");
    // What goes wrong with systemd itself is tried again on the bus, which is not there.
    assert_eq!(
        ask("systemd/private", refuse, &["ssh.service"], false),
        [
            "gap: unit ssh.service: connect to /run/dbus/system_bus_socket: no such file or directory"
        ]
    );
}

/// `connect` itself waits while the queue of the listener is full.
#[test]
fn a_peer_that_does_not_accept() {
    let run = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(run.path().join("systemd/system")).unwrap();
    let path = run.path().join("systemd/private");
    let address = rustix::net::SocketAddrUnix::new(&path).unwrap();
    let new = || {
        let kind = rustix::net::SocketType::STREAM;
        rustix::net::socket(rustix::net::AddressFamily::UNIX, kind, None).unwrap()
    };
    let listener = new();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let filler = new();
    rustix::net::connect(&filler, &address).unwrap();
    let part = units_at(run.path(), &["a.service"], false, Duration::from_millis(200));
    let expect = "gap: unit a.service: systemd did not answer within 0.2 s";
    assert_eq!(told(run.path(), &part), [expect]);
}

#[test]
fn a_host_without_systemd() {
    let run = tempfile::tempdir().unwrap();
    let check = |wanted: &[&str], socket_units, expect: &str| {
        let part = units_at(run.path(), wanted, socket_units, Duration::from_secs(2));
        assert_eq!(told(run.path(), &part).join("\n"), expect);
        assert_eq!(part.is_complete(), expect.is_empty());
    };
    check(&[], false, "");
    check(&[], true, "");
    check(&["a.service"], false, "gap: unit a.service: systemd does not run here");
    check(&["a", "b"], true, "gap: units a and b: systemd does not run here");
    check(&["a", "b", "c"], true, "gap: units a, b and 1 more: systemd does not run here");
    check(&["a", "b", "c", "d"], true, "gap: units a, b and 2 more: systemd does not run here");
}

/// Asks as an ordinary user: the thread alone gives up root, by the raw system call.
#[test]
fn without_root_the_bus_is_asked() {
    use std::os::unix::fs::PermissionsExt;
    let run = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(run.path().join("systemd/system")).unwrap();
    std::fs::set_permissions(run.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let private = run.path().join("systemd/private");
    let _listener = UnixListener::bind(&private).unwrap();
    std::fs::set_permissions(&private, PermissionsExt::from_mode(0o000)).unwrap();
    let path = run.path().to_owned();
    let part = thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        }
        units_at(&path, &["a.service"], false, Duration::from_millis(200))
    });
    let part = part.join().unwrap();
    assert_eq!(
        told(run.path(), &part),
        ["gap: unit a.service: connect to /run/dbus/system_bus_socket: no such file or directory \
          (and systemd's own socket is open to root only)"]
    );
    assert_eq!(part.gaps()[0].remedy, Some(Remedy::Root));
}

#[test]
fn object_paths() {
    let check = |name: &str, expect: &str| {
        assert_eq!(object_path(name), format!("/org/freedesktop/systemd1/unit/{expect}"));
    };
    check("ssh.service", "ssh_2eservice");
    check("user@1000.service", "user_401000_2eservice");
    check("9p-ö.mount", "_39p_2d_c3_b6_2emount");
}
