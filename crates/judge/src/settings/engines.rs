//! Container engines that set settings when they start: Docker and kube-proxy.
//!
//! Sources: moby `libnetwork/drivers/bridge/setup_ip_forwarding.go`, `setup_ipv4.go`
//! (`setupLoopbackAddressesRouting`), dockerd(8); Kubernetes `cmd/kube-proxy/app/server_linux.go`
//! (`getConntrackMax`, `setupConntrack`), `pkg/proxy/iptables/proxier.go`, and the reference of
//! KubeProxyConfiguration v1alpha1, whose defaults are used here.

use facts::{ConfigEntry, ConfigFile, ConfigKind};

use super::boot::{Boot, Effect, Source, Stage};
use super::subject::{Subject, last};

/// Docker turns forwarding on when it starts unless it is told not to, and lets its bridge route to
/// 127.0.0.1 where no proxy of its own does that.
pub(super) fn docker(subject: &Subject<'_>, boot: &mut Boot) {
    let file = subject.files(ConfigKind::Docker).next();
    let option = |name: &str| file.and_then(|file| Some((file, last(file, None, name)?)));
    let is = |name: &str, value: &str| {
        option(name).filter(|(_, entry)| entry.value.as_deref() == Some(value))
    };
    if is("ip-forward", "false").is_some() || is("bridge", "none").is_some() {
        return;
    }
    let Some(effect) = starts(subject, "docker.service") else { return };
    let mut set = |path: &str, from: Option<(&ConfigFile, &ConfigEntry)>| {
        boot.apply(Source {
            path: path.to_owned(),
            file: from.map_or("docker.service".to_owned(), |(file, _)| file.path.clone()),
            line: from.map_or(0, |(_, entry)| entry.line),
            value: Some("1".to_owned()),
            stage: Stage::Docker,
            effect: effect.clone(),
        });
    };
    set("net/ipv4/ip_forward", None);
    if let Some(from) = is("userland-proxy", "false") {
        let path = "net/ipv4/conf/docker0/route_localnet";
        if subject.now.contains_key(path) {
            set(path, Some(from));
        }
    }
    if let Some(from) = is("ipv6", "true") {
        set("net/ipv6/conf/default/forwarding", Some(from));
        set("net/ipv6/conf/all/forwarding", Some(from));
    }
}

/// What a unit does that starts at boot, or runs now only; none for others.
fn starts(subject: &Subject<'_>, unit: &str) -> Option<Effect> {
    if subject.is_enabled(unit) {
        Some(Effect::Applies)
    } else if subject.is_active(unit) == Some(true) {
        Some(Effect::NotStarted(unit.to_owned()))
    } else {
        None
    }
}

/// Units that run kube-proxy, or the kubelet that runs it.
const KUBERNETES: [&str; 5] = [
    "kube-proxy.service",
    "kubelet.service",
    "k3s.service",
    "k3s-agent.service",
    "rke2-agent.service",
];

/// kube-proxy sets the size of the table of connections by the number of processors, and more.
pub(super) fn kube_proxy(subject: &Subject<'_>, boot: &mut Boot) {
    let file = subject.files(ConfigKind::KubeProxy).next();
    let runs = subject.snapshot.processes.items().iter().any(|p| p.comm == "kube-proxy");
    let unit = KUBERNETES.iter().find_map(|unit| Some((*unit, starts(subject, unit)?)));
    let Some((unit, effect)) = unit.filter(|_| file.is_some() || runs) else { return };
    let mut writes = Writes { file, unit, effect, boot };
    let option = |name: &str| file.and_then(|file| last(file, Some("conntrack"), name));
    // Where it is not said, or null, the default counts; 0 leaves the setting alone.
    let number = |name: &str, default: u64| match option(name).and_then(|e| e.value.as_deref()) {
        None | Some("null" | "") => Some(default),
        Some(text) => text.parse().ok(),
    };
    let line = |name: &str| option(name).map_or(0, |entry| entry.line);
    let processors = subject.state.processors.map(u64::from);
    match (number("maxPerCore", 32_768), number("min", 131_072), processors) {
        (Some(0), _, _) => {}
        (Some(each), Some(least), Some(processors)) => {
            let max = each.saturating_mul(processors).max(least);
            let line = line("maxPerCore");
            writes.write("net/netfilter/nf_conntrack_max", Some(max.to_string()), line);
        }
        _ => writes.write("net/netfilter/nf_conntrack_max", None, line("maxPerCore")),
    }
    for (name, setting, default) in [
        ("tcpEstablishedTimeout", "established", 86_400),
        ("tcpCloseWaitTimeout", "close_wait", 3_600),
    ] {
        let path = format!("net/netfilter/nf_conntrack_tcp_timeout_{setting}");
        let seconds = match option(name).and_then(|e| e.value.as_deref()) {
            None | Some("null" | "") => Some(default),
            Some(text) => seconds(text),
        };
        if seconds != Some(0) {
            writes.write(&path, seconds.map(|s| s.to_string()), line(name));
        }
    }
    let mode = file.and_then(|file| last(file, None, "mode")).and_then(|e| e.value.as_deref());
    if matches!(mode, None | Some("" | "iptables")) {
        writes.write("net/ipv4/conf/all/route_localnet", Some("1".to_owned()), 0);
    }
}

struct Writes<'w> {
    file: Option<&'w ConfigFile>,
    unit: &'static str,
    effect: Effect,
    boot: &'w mut Boot,
}

impl Writes<'_> {
    fn write(&mut self, path: &str, value: Option<String>, line: u32) {
        let effect = match (self.file, &self.effect) {
            // It may be told otherwise by its command line.
            (None, Effect::Applies) => {
                Effect::Perhaps("the options of kube-proxy were not found".to_owned())
            }
            _ if value.is_none() => Effect::Perhaps("kube-proxy sets it".to_owned()),
            (_, effect) => effect.clone(),
        };
        self.boot.apply(Source {
            path: path.to_owned(),
            file: self.file.map_or(self.unit.to_owned(), |file| file.path.clone()),
            line,
            value,
            stage: Stage::KubeProxy,
            effect,
        });
    }
}

/// `24h0m0s` (Go `time.Duration`, its whole parts) in seconds.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    if rest == "0" {
        return Some(0);
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(end)?;
        let number: u64 = number.parse().ok()?;
        let unit = tail.chars().next()?;
        let factor = match unit {
            'h' => 3_600,
            'm' if !tail.starts_with("ms") => 60,
            's' => 1,
            _ => return None,
        };
        total = total.saturating_add(number.saturating_mul(factor));
        rest = tail.get(1..)?;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations() {
        let check = |text, expect| assert_eq!(seconds(text), expect, "{text}");
        check("24h0m0s", Some(86_400));
        check("1h0m0s", Some(3_600));
        check("90s", Some(90));
        check("0s", Some(0));
        check("0", Some(0));
        check("250ms", None);
        check("h", None);
        check("", None);
        check("1h5", None);
    }
}
