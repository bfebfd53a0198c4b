use std::fs;
use std::path::Path;

use facts::{ContainerEngine, ContainerRef, Part, Remedy};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A folder with these files in it.
fn host(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

/// What was read, a line each, without the folder's own name.
fn told(root: &Path, part: &Part<Vec<Container>>) -> String {
    let mut lines = Vec::new();
    for one in part.items() {
        let mut words = vec![one.engine.name().to_owned(), one.name.clone(), one.image.clone()];
        words.extend(one.addresses.iter().map(ToString::to_string));
        words.extend(one.published.iter().map(|port| {
            let host = port.host_address.map_or("*".to_owned(), |address| address.to_string());
            format!("{} {host} {}->{}", port.protocol, port.host_port, port.container_port)
        }));
        lines.push(words.join(" "));
    }
    lines.extend(part.gaps().iter().map(|gap| format!("gap: {}: {}", gap.what, gap.why)));
    lines.join("\n").replace(&format!("{}/", root.display()), "/")
}

fn check(
    files: &[(&str, &str)],
    wanted: &[(ContainerEngine, &str)],
    published: bool,
    expect: &str,
) {
    let root = host(files);
    let wanted: Vec<ContainerRef> = wanted
        .iter()
        .map(|(engine, id)| ContainerRef { engine: *engine, id: (*id).to_owned(), pod: None })
        .collect();
    let part = collect(root.path(), &wanted, published);
    assert_eq!(told(root.path(), &part), expect);
}

const WEB: &str = r#"{"ID":"x","Name":"/web","Config":{"Image":"nginx:1.27","Env":["PASSWORD=hunter2"]},
 "State":{"Running":true,"Pid":7},"NetworkSettings":{
  "Networks":{"front":{"IPAddress":"172.18.0.2","GlobalIPv6Address":"fd00::2"},"none":null,
              "back":{"IPAddress":"","GlobalIPv6Address":""}},
  "Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],
           "53/udp":[{"HostIp":"","HostPort":"53"}],"9000/tcp":null}}}"#;

fn docker(id: &str, file: &str) -> String {
    format!("var/lib/docker/containers/{id}/{file}")
}

#[test]
fn docker_by_id_and_by_published_port() {
    let config = docker(A, "config.v2.json");
    let web = "docker web nginx:1.27 172.18.0.2 fd00::2 tcp 0.0.0.0 8080->80 tcp :: 8080->80 udp * 53->53";
    check(&[(&config, WEB)], &[(ContainerEngine::Docker, A)], false, web);
    check(&[(&config, WEB)], &[], true, web);
    check(&[(&config, WEB)], &[(ContainerEngine::Docker, A)], true, web);
    check(&[(&config, WEB)], &[], false, "");
    let stopped = WEB.replace("\"Running\":true", "\"Running\":false");
    check(&[(&config, &stopped)], &[], true, "");
    let moved = format!("srv/engine/containers/{A}/config.v2.json");
    let daemon = ("etc/docker/daemon.json", r#"{"data-root": "/srv/engine", "iptables": true}"#);
    check(&[(&moved, WEB), daemon], &[], true, web);
}

#[test]
fn docker_before_the_outcome_is_recorded() {
    let config = docker(A, "config.v2.json");
    let hostconfig = docker(A, "hostconfig.json");
    let bare = r#"{"Name":"/web","State":{"Running":true},"NetworkSettings":{"Ports":null}}"#;
    let asked = r#"{"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}}"#;
    check(
        &[(&config, bare), (&hostconfig, asked)],
        &[],
        true,
        "docker web  tcp 127.0.0.1 8080->80",
    );
    check(&[(&config, bare)], &[], true, "");
    for left_open in ["", "0", "8000-8010"] {
        let asked = asked.replace("8080", left_open);
        check(
            &[(&config, bare), (&hostconfig, &asked)],
            &[],
            true,
            &format!(
                "docker web \ngap: ports published by docker container web: \
                 /{config}: the host's port is not written there"
            ),
        );
    }
}

#[test]
fn a_wrong_file_is_named_without_its_content() {
    let good = docker(B, "config.v2.json");
    let bad = docker(A, "config.v2.json");
    let web = WEB.replace("/web", "/other");
    for (text, why) in [
        ("", "JSON that ends too early, line 1 column 0"),
        ("{\n \"Name\": \"/web\",\n hunter2", "not JSON, line 3 column 2"),
        ("{\"Name\":\n [\"hunter2\"]}", "JSON of another shape than expected, line 2 column 1"),
        (
            "{\"Name\": \"/web\", \"State\": \"hunter2\"}",
            "JSON of another shape than expected, line 1 column 35",
        ),
    ] {
        check(
            &[(&bad, text), (&good, &web)],
            &[(ContainerEngine::Docker, A)],
            true,
            &format!(
                "docker other nginx:1.27 172.18.0.2 fd00::2 tcp 0.0.0.0 8080->80 tcp :: 8080->80 udp * 53->53\n\
                 gap: name of docker container aaaaaaaaaaaa: /{bad}: {why}\n\
                 gap: ports published by docker: /{bad}: {why}"
            ),
        );
    }
}

#[test]
fn containers_storage() {
    const LIST: &str = r#"[
      {"id":"ID","names":["web"],"image":"5a2","metadata":"{\"image-name\":\"docker.io/library/nginx:latest\",\"name\":\"web\"}"},
      {"id":"00","names":null,"metadata":"{}"}]"#;
    let list = LIST.replace("ID", A);
    let bolt = |store: &str| {
        format!(
            "podman web docker.io/library/nginx:latest\n\
             gap: addresses and published ports of podman containers: /{store}/db.sql: not there \
             (podman before 4.8 keeps them in a Bolt database, which is not read)"
        )
    };
    let wanted = [(ContainerEngine::Podman, A)];
    for place in [
        "var/lib/containers/storage/overlay-containers/containers.json",
        "var/lib/containers/storage/vfs-containers/volatile-containers.json",
        "run/containers/storage/overlay-containers/volatile-containers.json",
    ] {
        let store = place.split_inclusive("storage").next().unwrap();
        check(&[(place, &list)], &wanted, false, &bolt(store));
        check(&[(place, &list)], &[], true, "");
    }
    let home = "home/ann/.local/share/containers/storage/overlay-containers/containers.json";
    let passwd = (
        "etc/passwd",
        "root:x:0:0::/root:/bin/sh\nann:x:1000:1000:,,,:/home/ann:/bin/sh\nbroken\n",
    );
    let running = ("run/user/1000/bus", "");
    let missing =
        "gap: name of podman container aaaaaaaaaaaa: no file of an engine on this host has its id";
    let in_home = bolt("home/ann/.local/share/containers/storage");
    check(&[(home, &list), passwd, running], &wanted, false, &in_home);
    check(&[(home, &list), passwd], &wanted, false, missing);
    let conf = (
        "etc/containers/storage.conf",
        "[storage]\n# graphroot = \"/no\"\ngraphroot = \"/srv/c\"\n",
    );
    check(
        &[("srv/c/overlay-containers/containers.json", &list), conf],
        &wanted,
        false,
        &bolt("srv/c"),
    );

    let pod = list.replace("\"web\"]", "\"k8s_app_shop-0_prod_2f1c_0\"]");
    let place = "var/lib/containers/storage/overlay-containers/containers.json";
    let image = "docker.io/library/nginx:latest";
    check(
        &[(place, &pod)],
        &[(ContainerEngine::Crio, A)],
        false,
        &format!("cri-o prod/shop-0/app {image}\n{}", no_addresses("cri-o")),
    );
    check(
        &[(place, "[{\"id\": 3}]")],
        &wanted,
        false,
        "gap: name of podman container aaaaaaaaaaaa: /var/lib/containers/storage/overlay-containers/containers.json: \
         JSON of another shape than expected, line 1 column 9",
    );
}

/// What is not known of containers that a network plugin connects.
fn no_addresses(engine: &str) -> String {
    format!(
        "gap: addresses of {engine} containers: \
         their network plugin keeps them, and its files are not read"
    )
}

/// See `fixtures/README.md`.
#[test]
fn podman_with_its_database() {
    let check = |id: char, expect: &str| {
        let id = id.to_string().repeat(64);
        let list = format!("[{{\"id\": \"{id}\", \"names\": [\"web\"]}}]");
        let root =
            host(&[("var/lib/containers/storage/overlay-containers/containers.json", &list)]);
        let database = root.path().join("var/lib/containers/storage/db.sql");
        fs::write(database, include_bytes!("fixtures/podman-db.sqlite")).unwrap();
        let wanted = ContainerRef { engine: ContainerEngine::Podman, id, pod: None };
        assert_eq!(told(root.path(), &collect(root.path(), &[wanted], false)), expect);
    };
    let network = "10.88.0.2 fd00::2 tcp * 8080->80 tcp * 8081->81 tcp * 8082->82 \
                   tcp 127.0.0.1 5300->53 udp 127.0.0.1 5300->53";
    let gap = "gap: addresses and published ports of podman containers: \
               /var/lib/containers/storage/db.sql";
    check('a', &format!("podman web  {network}"));
    check('b', &format!("podman web  {network}"));
    check('c', "podman web ");
    check(
        'd',
        &format!("podman web \n{gap}: JSON of another shape than expected, line 1 column 54"),
    );
    check('e', &format!("podman web \n{gap}: has no such container"));
}

#[test]
fn annotations_of_bundles() {
    let task = |namespace: &str| {
        format!("run/containerd/io.containerd.runtime.v2.task/{namespace}/{A}/config.json")
    };
    let cri = r#"{"ociVersion":"1.1.0","annotations":{"io.kubernetes.cri.container-name":"app",
      "io.kubernetes.cri.sandbox-name":"shop-0","io.kubernetes.cri.sandbox-namespace":"prod",
      "io.kubernetes.cri.image-name":"registry/app:2"}}"#;
    let wanted = [(ContainerEngine::Containerd, A)];
    let known = |line: &str| {
        let engine = line.split(' ').next().unwrap();
        format!("{line}\n{}", no_addresses(engine))
    };
    let app = known("containerd prod/shop-0/app registry/app:2");
    check(&[(&task("k8s.io"), cri)], &wanted, false, &app);
    let sandbox = cri.replace("\"io.kubernetes.cri.container-name\":\"app\",", "");
    let pod = known("containerd prod/shop-0 registry/app:2");
    check(&[(&task("k8s.io"), &sandbox)], &wanted, false, &pod);
    let nerdctl = r#"{"annotations":{"nerdctl/name":"web","nerdctl/ports":
      "[{\"HostPort\":8080,\"ContainerPort\":80,\"Protocol\":\"tcp\",\"HostIP\":\"0.0.0.0\"}]"}}"#;
    check(
        &[(&task("default"), nerdctl)],
        &[(ContainerEngine::Nerdctl, A)],
        false,
        &known("nerdctl web  tcp 0.0.0.0 8080->80"),
    );
    check(
        &[(&task("default"), &nerdctl.replace("\\\"tcp\\\"", "7"))],
        &[(ContainerEngine::Nerdctl, A)],
        false,
        &format!(
            "nerdctl web \n{}\ngap: ports published by container web: /{}: \
             the annotation nerdctl/ports is not understood",
            no_addresses("nerdctl"),
            task("default")
        ),
    );
    let crio = format!("run/containers/storage/overlay-containers/{A}/userdata/config.json");
    check(
        &[(
            &crio,
            r#"{"annotations":{"io.kubernetes.container.name":"app","io.kubernetes.pod.name":"p",
             "io.kubernetes.pod.namespace":"n","io.kubernetes.cri-o.ImageName":"i"}}"#,
        )],
        &[(ContainerEngine::Crio, A)],
        false,
        &known("cri-o n/p/app i"),
    );
}

#[test]
fn what_has_no_file_is_not_looked_for_and_what_is_missing_is_named() {
    check(&[], &[(ContainerEngine::Lxc, "web"), (ContainerEngine::Snap, "lxd.daemon")], true, "");
    check(
        &[],
        &[(ContainerEngine::Docker, "../../etc")],
        true,
        "gap: name of docker container ../../etc: its id is not one that an engine gives",
    );
    check(
        &[],
        &[(ContainerEngine::Docker, A), (ContainerEngine::Docker, A)],
        true,
        "gap: name of docker container aaaaaaaaaaaa: no file of an engine on this host has its id",
    );
}

/// Reads a folder of root as an ordinary user. The thread gives up its own rights only: the raw
/// system call, unlike the C library's, does not reach the other threads.
#[test]
fn without_root_the_remedy_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let root = host(&[(&docker(A, "config.v2.json"), WEB)]);
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let closed = root.path().join("var/lib/docker");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let path = root.path().to_owned();
    let part = std::thread::spawn(move || {
        let nobody = rustix::process::Uid::from_raw(65534);
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(nobody).unwrap();
        } else {
            fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        }
        let wanted = ContainerRef { engine: ContainerEngine::Docker, id: A.to_owned(), pod: None };
        collect(&path, &[wanted], true)
    })
    .join()
    .unwrap();
    assert_eq!(
        told(root.path(), &part),
        format!(
            "gap: name of docker container aaaaaaaaaaaa: open /{}: permission denied\n\
             gap: ports published by docker: list /var/lib/docker/containers: permission denied",
            docker(A, "config.v2.json")
        )
    );
    assert!(part.gaps().iter().all(|gap| gap.remedy == Some(Remedy::Root)));
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_docker(&bytes);
        fuzz_bundle(&bytes);
        fuzz_storage(&bytes);
        fuzz_podman(&bytes);
    }

    /// The right shape with any strings in it.
    #[test]
    fn any_strings(a in ".{0,12}", b in ".{0,12}", c in ".{0,12}") {
        let text = serde_json::json!({"Name": a, "NetworkSettings": {
            "Networks": {b.clone(): {"IPAddress": c.clone()}},
            "Ports": {a.clone(): [{"HostIp": b.clone(), "HostPort": c.clone()}]}},
            "PortBindings": {c.clone(): [{"HostIp": a.clone(), "HostPort": b.clone()}]},
            "annotations": {"nerdctl/name": a.clone(), "nerdctl/ports": b.clone()}});
        let bytes = text.to_string();
        fuzz_docker(bytes.as_bytes());
        fuzz_bundle(bytes.as_bytes());
        let list = serde_json::json!([{"id": a, "names": [format!("k8s_{b}")], "metadata": c}]);
        fuzz_storage(list.to_string().as_bytes());
    }
}
