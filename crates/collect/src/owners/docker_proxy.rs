//! The command line of `docker-proxy`, which holds the host's side of a published port.
//!
//! Docker starts one per published port and address (moby `cmd/docker-proxy/main_linux.go` declares
//! its flags with Go's `flag` package: one dash or two, `-name value` or `-name=value`). The port
//! is the container's, not docker's.

use std::net::IpAddr;

use facts::Port;

/// The container's address and port to which a `docker-proxy` forwards; none if `args` is not such
/// a command line.
///
/// `args` begins with the program's name, as in `/proc/PID/cmdline`.
pub fn target(args: &[String]) -> Option<(IpAddr, Port)> {
    let (program, flags) = args.split_first()?;
    if program.rsplit('/').next() != Some("docker-proxy") {
        return None;
    }
    let address = flag(flags, "container-ip")?.parse().ok()?;
    let port = flag(flags, "container-port")?.parse().ok()?;
    (port != 0).then_some((address, Port(port)))
}

/// The value of a flag; the last one counts, as in Go.
fn flag<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let mut found = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(bare) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else { break };
        match bare.split_once('=') {
            Some((key, value)) if key == name => found = Some(value),
            Some(_) => {}
            // Its one flag without a value.
            None if bare == "use-listen-fd" => {}
            None => {
                let value = args.next()?;
                if bare == name {
                    found = Some(value.as_str());
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Checks a command line written with spaces against `ADDRESS PORT`, or `-` for none.
    fn check(line: &str, expect: &str) {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let found = target(&args);
        let found = found.map_or("-".to_owned(), |(address, port)| format!("{address} {port}"));
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn command_lines() {
        check(
            "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80",
            "172.17.0.2 80",
        );
        check(
            "/usr/sbin/docker-proxy -proto udp -host-ip :: -host-port 53 -container-ip fd00::2 -container-port 53 -use-listen-fd",
            "fd00::2 53",
        );
        check(
            "docker-proxy --use-listen-fd --container-ip=10.0.0.9 --container-port=443",
            "10.0.0.9 443",
        );
        check("docker-proxy -container-ip 10.0.0.9", "-");
        check("docker-proxy -container-ip 10.0.0.9 -container-port", "-");
        check("docker-proxy -container-ip 10.0.0.9 -container-port 0", "-");
        check("docker-proxy -container-ip 10.0.0.9 -container-port 65536", "-");
        check("docker-proxy -container-ip web -container-port 80", "-");
        check("nginx -container-ip 10.0.0.9 -container-port 80", "-");
        check("", "-");
    }

    proptest! {
        #[test]
        fn any_arguments(args in proptest::collection::vec(".{0,20}", 0..8)) {
            let _ = target(&args);
        }
    }
}
