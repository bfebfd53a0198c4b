//! How configuration of kernel settings is written: one parser for each syntax. They keep the lines
//! that bear on settings and leave out all others, which may hold secrets.

use facts::ConfigEntry;

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Its lines that bear on settings.
    pub(crate) entries: Vec<ConfigEntry>,
    /// Numbers of lines that are not understood.
    pub(crate) odd: Vec<u32>,
}

impl Parsed {
    fn add(&mut self, line: u32, section: &str, key: &str, value: Option<&str>) {
        self.entries.push(ConfigEntry {
            line,
            section: section.to_owned(),
            key: key.to_owned(),
            value: value.map(str::to_owned),
        });
    }
}

/// The lines of a text with their numbers, without space around them; comments and empty lines are
/// left out.
fn lines<'t>(text: &'t str, comment: &'static [char]) -> impl Iterator<Item = (u32, &'t str)> {
    (1_u32..).zip(text.lines().map(str::trim)).filter(move |(_, line)| {
        let begins = line.chars().next();
        begins.is_some_and(|first| !comment.contains(&first))
    })
}

/// A file that tells something by being there.
pub(crate) fn nothing(_text: &str) -> Parsed {
    Parsed::default()
}

/// sysctl.d(5): `key = value`, `-key = value` whose failure does not matter, `-key` that a pattern
/// must not touch. (systemd `src/sysctl/sysctl.c`, `parse_line`.)
pub(crate) fn sysctl(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in lines(text, &['#', ';']) {
        match line.split_once('=') {
            Some((key, value)) => parsed.add(number, "", key.trim(), Some(value.trim())),
            None if line.starts_with('-') => parsed.add(number, "", line, None),
            None => parsed.odd.push(number),
        }
    }
    parsed
}

/// Sections of `key=value`, those that `keep` takes.
fn sections(text: &str, keep: impl Fn(&str, &str) -> bool) -> Parsed {
    let mut parsed = Parsed::default();
    let mut section = "";
    for (number, line) in lines(text, &['#', ';']) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim();
            if keep(section, key) {
                parsed.add(number, section, key, Some(value.trim()));
            }
        }
    }
    parsed
}

/// A connection of NetworkManager (nm-settings-keyfile(5)).
pub(crate) fn profile(text: &str) -> Parsed {
    sections(text, |section, key| match section {
        "connection" => matches!(key, "id" | "uuid" | "type" | "interface-name" | "autoconnect"),
        "match" => key == "interface-name",
        "ipv4" => matches!(key, "method" | "forwarding"),
        "ipv6" => matches!(
            key,
            "method"
                | "ip6-privacy"
                | "addr-gen-mode"
                | "temp-valid-lifetime"
                | "temp-preferred-lifetime"
        ),
        _ => false,
    })
}

/// NetworkManager.conf(5).
pub(crate) fn manager(text: &str) -> Parsed {
    sections(text, |section, key| match section {
        "main" => matches!(key, "plugins" | "no-auto-default"),
        "keyfile" => key == "unmanaged-devices",
        "ifupdown" => key == "managed",
        other if other.starts_with("connection") => {
            key.starts_with("ipv6.") || key.starts_with("ipv4.") || key == "match-device"
        }
        other if other.starts_with("device") => matches!(key, "managed" | "match-device"),
        _ => false,
    })
}

/// `/run/NetworkManager/devices/INDEX` (src/core/nm-config.c, `nm_config_device_state_write`).
pub(crate) fn device(text: &str) -> Parsed {
    sections(text, |section, key| {
        section == "device" && matches!(key, "managed" | "connection-uuid" | "nm-owned")
    })
}

/// systemd.network(5) and networkd.conf(5).
pub(crate) fn network(text: &str) -> Parsed {
    sections(text, |section, key| match section {
        "Match" => true,
        "Link" => key == "Unmanaged",
        "Network" => {
            key.starts_with("IPv6")
                || key.starts_with("IPv4")
                || matches!(key, "IPForward" | "IPMasquerade" | "LinkLocalAddressing" | "DHCP")
        }
        _ => false,
    })
}

/// `/run/systemd/netif/links/INDEX` (systemd `src/network/networkd-state-file.c`).
pub(crate) fn link_state(text: &str) -> Parsed {
    variables(text, |name| matches!(name, "ADMIN_STATE" | "NETWORK_FILE"))
}

/// Variables of the files of ufw and of Red Hat's scripts.
pub(crate) fn shell(text: &str) -> Parsed {
    let mut parsed = variables(text, |name| {
        const BEGINNINGS: [&str; 6] =
            ["IPTABLES_", "IP6TABLES_", "IPT_", "IPV6", "NETWORKING", "NF_MODULES"];
        const NAMES: [&str; 4] =
            ["ENABLED", "MANAGE_BUILTINS", "FORWARD_IPV4", "CleanupModulesOnExit"];
        BEGINNINGS.iter().any(|start| name.starts_with(start)) || NAMES.contains(&name)
    });
    // The init scripts of iptables set again what matches in these files.
    for (number, line) in lines(text, &['#']).filter(|(_, line)| line.contains("fgrep")) {
        let files = line.split(['|', ' ']).filter(|word| word.starts_with("/etc/sysctl"));
        for file in files {
            parsed.add(number, "", "fgrep", Some(file));
        }
    }
    parsed
}

/// `ifcfg-INTERFACE` of Red Hat's scripts.
pub(crate) fn ifcfg(text: &str) -> Parsed {
    variables(text, |name| {
        let is_name = matches!(name, "DEVICE" | "NAME" | "ONBOOT" | "NM_CONTROLLED");
        is_name || name.starts_with("IPV6") && !name.contains("ADDR") && !name.contains("GW")
    })
}

/// Assignments of shell variables at the beginning of a line. The last one of a name counts.
fn variables(text: &str, keep: impl Fn(&str) -> bool) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in lines(text, &['#']) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.is_empty() && name.chars().all(is_name) && keep(name) {
            parsed.add(number, "", name, Some(&unquoted(value)));
        }
    }
    parsed
}

/// The value of an assignment: up to a space or comment that is not quoted, without the quotes.
fn unquoted(value: &str) -> String {
    let mut plain = String::new();
    let mut quote = None;
    let mut chars = value.trim_start().chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => plain.extend(chars.next()),
            (None, c) if c.is_whitespace() || c == '#' || c == ';' => break,
            (_, c) => plain.push(c),
        }
    }
    plain
}

/// netplan(5), which is YAML: the keys of interest, in the section of the interface they are under.
pub(crate) fn netplan(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    // The keys above the line, with their indentation.
    let mut above: Vec<(usize, &str)> = Vec::new();
    for (number, raw) in (1_u32..).zip(text.lines()) {
        let line = raw.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let indent = raw.len().saturating_sub(line.len());
        let Some((key, value)) = line.split_once(':') else { continue };
        above.retain(|(column, _)| *column < indent);
        let key = key.trim().trim_matches(['"', '\'']);
        // An interface stands below the name of its type, which stands below `network`.
        if let [(_, "network"), (_, kind)] = above.as_slice()
            && kind.ends_with('s')
        {
            parsed.add(number, key, "id", Some(kind));
        }
        if matches!(key, "ipv6-privacy" | "accept-ra" | "ipv6-address-generation" | "renderer") {
            let section = above.last().map_or("", |(_, name)| *name);
            let value = value.split(" #").next().unwrap_or_default().trim();
            parsed.add(number, section, key, Some(value.trim_matches(['"', '\''])));
        }
        above.push((indent, key));
    }
    parsed
}

/// interfaces(5): the section is `INTERFACE FAMILY METHOD`.
pub(crate) fn ifupdown(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut section = "";
    for (number, line) in lines(text, &['#']) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "iface" => {
                section = rest;
                parsed.add(number, section, "iface", Some(rest));
            }
            "auto" | "allow-hotplug" | "allow-auto" => parsed.add(number, "", "auto", Some(rest)),
            "mapping" | "source" | "source-directory" => section = "",
            "privext" | "accept_ra" | "autoconf" => parsed.add(number, section, word, Some(rest)),
            "up" | "post-up" | "pre-up" => command(&mut parsed, number, section, rest),
            _ => {}
        }
    }
    parsed
}

/// modprobe.d(5): options as `MODULE.OPTION`, and the other words with the module as their value.
pub(crate) fn modprobe(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in lines(text, &['#']) {
        let mut words = line.split_ascii_whitespace();
        let (Some(what), Some(module)) = (words.next(), words.next()) else { continue };
        let module = module.replace('-', "_");
        match what {
            "options" => {
                for option in words {
                    let (name, value) = option.split_once('=').unwrap_or((option, "1"));
                    parsed.add(number, "", &format!("{module}.{name}"), Some(value));
                }
            }
            "blacklist" => parsed.add(number, "blacklist", &module, None),
            "install" => {
                let rest: Vec<&str> = words.collect();
                let rest = rest.join(" ");
                let sets = rest.contains("sysctl") || rest.contains("/proc/sys/");
                if sets {
                    command(&mut parsed, number, &format!("install {module}"), &rest);
                } else if matches!(rest.as_str(), "/bin/true" | "/bin/false" | "/usr/bin/false") {
                    parsed.add(number, "blacklist", &module, None);
                }
            }
            _ => {}
        }
    }
    parsed
}

/// modules-load.d(5) and modules(5): the names of modules.
pub(crate) fn modules(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in lines(text, &['#', ';']) {
        let name = line.split_ascii_whitespace().next().unwrap_or_default();
        parsed.add(number, "", &name.replace('-', "_"), None);
    }
    parsed
}

/// The kernel's command line: parameters that bear on settings
/// (Documentation/admin-guide/kernel-parameters.rst).
pub(crate) fn command_line(text: &str) -> Parsed {
    const BEGINNINGS: [&str; 4] = ["sysctl.", "ipv6.", "nf_conntrack.", "modules_load="];
    const NAMES: [&str; 5] = ["selinux", "enforcing", "apparmor", "security", "lsm"];
    let mut parsed = Parsed::default();
    for word in text.split_ascii_whitespace() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        if NAMES.contains(&name) || BEGINNINGS.iter().any(|start| word.starts_with(start)) {
            parsed.add(1, "", name, value);
        }
    }
    parsed
}

/// udev(7): rules that set settings anew when a device or module appears. The section is the
/// subsystem, the key the kernel's name for it (with `!` before it: all but that), the value what is
/// set: prefixes of keys, separated by spaces; empty for all.
pub(crate) fn udev(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in lines(text, &['#']).filter(|(_, line)| line.contains("sysctl")) {
        let part = |name: &str, sign: &str| {
            let start = format!("{name}{sign}\"");
            let (_, rest) = line.split_once(start.as_str())?;
            rest.split_once('"').map(|(value, _)| value)
        };
        let Some(subsystem) = part("SUBSYSTEM", "==") else { continue };
        if part("ACTION", "==").is_some_and(|action| !action.contains("add")) {
            continue;
        }
        let kernel = match (part("KERNEL", "=="), part("KERNEL", "!=")) {
            (Some(name), _) => name.to_owned(),
            (None, Some(name)) => format!("!{name}"),
            (None, None) => "*".to_owned(),
        };
        let words: Vec<&str> = line.split(['"', ' ', ',']).collect();
        let prefixes: Vec<&str> =
            words.iter().filter_map(|word| word.strip_prefix("--prefix=")).collect();
        let anew = ["--system", "-p", "--load"];
        if line.contains("systemd-sysctl") || words.iter().any(|word| anew.contains(word)) {
            parsed.add(number, subsystem, &kernel, Some(&prefixes.join(" ")));
        } else {
            command(&mut parsed, number, "command", line);
        }
    }
    parsed
}

/// daemon.json of Docker: the options that bear on settings.
pub(crate) fn docker(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let Ok(serde_json::Value::Object(options)) = serde_json::from_str(text) else {
        if !text.trim().is_empty() {
            parsed.odd.push(1);
        }
        return parsed;
    };
    for name in ["ip-forward", "userland-proxy", "iptables", "ip6tables", "ipv6", "bridge"] {
        let Some(value) = options.get(name) else { continue };
        let quoted = format!("\"{name}\"");
        let line = (1_u32..).zip(text.lines()).find(|(_, line)| line.contains(&quoted));
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        parsed.add(line.map_or(1, |(number, _)| number), "", name, Some(&value));
    }
    parsed
}

/// KubeProxyConfiguration (kube-proxy Configuration v1alpha1), which is YAML: what it says of
/// connection tracking.
pub(crate) fn kube_proxy(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut below = false;
    for (number, raw) in (1_u32..).zip(text.lines()) {
        let line = raw.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once(':') else { continue };
        if line.len() == raw.len() {
            below = key == "conntrack";
        }
        let value = value.split(" #").next().unwrap_or_default().trim();
        let value = value.trim_matches(['"', '\'']);
        if below && line.len() < raw.len() {
            parsed.add(number, "conntrack", key, Some(value));
        } else if matches!(key, "kind" | "mode") && line.len() == raw.len() {
            parsed.add(number, "", key, Some(value));
        }
    }
    parsed
}

/// Programs that publish an address of this host.
const DYNAMIC_DNS: [&str; 8] = [
    "ddclient",
    "inadyn",
    "ddns-route53",
    "route53-ddns",
    "cloudflare-ddns",
    "ez-ipupdate",
    "nsupdate",
    "duckdns",
];

/// A script, a unit or a table of cron: commands that set a setting, or publish an address (with the
/// section `ddns` and the program's name).
pub(crate) fn commands(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in lines(text, &['#', ';']) {
        // ExecStart=-/sbin/sysctl …; what runs when it stops sets nothing at boot.
        let run = line.split_once('=').filter(|(key, _)| key.starts_with("Exec"));
        if run.is_some_and(|(key, _)| !key.starts_with("ExecStart")) {
            continue;
        }
        if line.contains("sysctl") || line.contains("/proc/sys/") {
            command(&mut parsed, number, "", run.map_or(line, |(_, run)| run));
        }
        if let Some(name) = DYNAMIC_DNS.iter().find(|name| line.contains(**name)) {
            parsed.add(number, "ddns", name, None);
        }
    }
    parsed
}

/// What one command line sets: `sysctl -w key=value`, `echo value > /proc/sys/key`. `sysctl -p FILE`
/// is kept with the section `sysctl` and the option as its key.
fn command(parsed: &mut Parsed, number: u32, section: &str, line: &str) {
    let words: Vec<&str> = line
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '\'' | '"' | '(' | ')'))
        .filter(|word| !word.is_empty())
        .collect();
    let mut in_sysctl = false;
    let mut rest = words.iter().enumerate();
    while let Some((at, word)) = rest.next() {
        let program = word.rsplit('/').next().unwrap_or(word);
        let program = program.trim_start_matches(['=', '-', '+', '!', '@']);
        if program == "sysctl" {
            in_sysctl = true;
        } else if let Some(path) = proc_path(word) {
            // The last word before the arrow, or before `tee`, is the value.
            let before = words.get(..at).unwrap_or_default();
            let value = before.iter().rev().find(|w| !matches!(**w, ">" | ">>" | "tee" | "-a"));
            let writes =
                word.contains('>') || before.iter().any(|w| matches!(*w, ">" | ">>" | "tee"));
            if let (Some(value), true) = (value, writes) {
                parsed.add(number, section, path, Some(value));
            }
            in_sysctl = false;
        } else if in_sysctl {
            match word.split_once('=') {
                Some((key, value)) if !word.starts_with('-') => {
                    parsed.add(number, section, key, Some(value));
                }
                None if matches!(*word, "-p" | "--load" | "--system") => {
                    let file = rest.clone().next().map(|(_, file)| *file);
                    if file == Some("-") {
                        // What another command prints.
                        continue;
                    }
                    let file = file.filter(|file| *word != "--system" && file.starts_with('/'));
                    parsed.add(number, "sysctl", word, file);
                }
                Some((option, file)) if option == "--load" || option == "-p" => {
                    parsed.add(number, "sysctl", "-p", Some(file));
                }
                None | Some(_) => in_sysctl = word.starts_with('-'),
            }
        }
    }
}

/// The key in `/proc/sys/net/…` or `>/proc/sys/net/…`.
fn proc_path(word: &str) -> Option<&str> {
    word.trim_start_matches('>').strip_prefix("/proc/sys/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line:section:key=value` of each entry.
    fn check(parse: fn(&str) -> Parsed, text: &str, expect: &[&str]) {
        let parsed = parse(text);
        let entries: Vec<String> = parsed
            .entries
            .iter()
            .map(|e| {
                let value = e.value.as_ref().map(|v| format!("={v}")).unwrap_or_default();
                format!("{}:{}:{}{value}", e.line, e.section, e.key)
            })
            .collect();
        assert_eq!(entries, expect, "{text}");
    }

    #[test]
    fn sysctl_files() {
        let text =
            "# a\n; b\n\nnet.ipv4.ip_forward = 1\n-net/ipv4/conf/*/rp_filter=2\n -x.y\nodd\n";
        check(
            sysctl,
            text,
            &["4::net.ipv4.ip_forward=1", "5::-net/ipv4/conf/*/rp_filter=2", "6::-x.y"],
        );
        assert_eq!(sysctl(text).odd, [7]);
        check(sysctl, "a.b = 1 # no comment\n", &["1::a.b=1 # no comment"]);
        check(sysctl, "kernel.core_pattern=|/x %P=%s", &["1::kernel.core_pattern=|/x %P=%s"]);
    }

    #[test]
    fn secrets_are_left_out() {
        let text = "[connection]\nid=home\n[wifi-security]\npsk=secret\n[ipv6]\nip6-privacy=2\n";
        check(profile, text, &["2:connection:id=home", "6:ipv6:ip6-privacy=2"]);
        let text = "PASSWORD=x\nIPV6_PRIVACY=\"rfc3041\" # y\nexport IPV6INIT=yes;\n";
        check(ifcfg, text, &["2::IPV6_PRIVACY=rfc3041", "3::IPV6INIT=yes"]);
    }

    #[test]
    fn shell_variables() {
        let text =
            "IPTABLES_SYSCTL_LOAD_LIST=\".nf_conntrack .bridge-nf\"\n  IPT_SYSCTL=/etc/x\nX=1";
        check(
            shell,
            text,
            &["1::IPTABLES_SYSCTL_LOAD_LIST=.nf_conntrack .bridge-nf", "2::IPT_SYSCTL=/etc/x"],
        );
    }

    #[test]
    fn yaml_of_netplan() {
        let text = "network:\n  version: 2\n  ethernets:\n    eth0:\n      ipv6-privacy: true # x\n    \
                    \"eth1\":\n      accept-ra: no\n";
        check(
            netplan,
            text,
            &[
                "4:eth0:id=ethernets",
                "5:eth0:ipv6-privacy=true",
                "6:eth1:id=ethernets",
                "7:eth1:accept-ra=no",
            ],
        );
    }

    #[test]
    fn stanzas_of_ifupdown() {
        let text =
            "auto eth0\niface eth0 inet6 auto\n  privext 2\n  up sysctl -w net.ipv4.ip_forward=1\n";
        check(
            ifupdown,
            text,
            &[
                "1::auto=eth0",
                "2:eth0 inet6 auto:iface=eth0 inet6 auto",
                "3:eth0 inet6 auto:privext=2",
                "4:eth0 inet6 auto:net.ipv4.ip_forward=1",
            ],
        );
    }

    #[test]
    fn modules_and_options() {
        let text =
            "options nf-conntrack hashsize=262144 acct=1\nblacklist ipv6\ninstall x /bin/true\n";
        check(
            modprobe,
            text,
            &[
                "1::nf_conntrack.hashsize=262144",
                "1::nf_conntrack.acct=1",
                "2:blacklist:ipv6",
                "3:blacklist:x",
            ],
        );
        check(modules, "nf-conntrack\n# x\n;y\n", &["1::nf_conntrack"]);
        let line =
            "BOOT_IMAGE=/x ro sysctl.net.ipv4.ip_forward=1 ipv6.disable=1 password=1 lsm=a,b";
        let expect = ["1::sysctl.net.ipv4.ip_forward=1", "1::ipv6.disable=1", "1::lsm=a,b"];
        check(command_line, line, &expect);
    }

    #[test]
    fn rules_of_udev() {
        let text = "ACTION==\"add\", SUBSYSTEM==\"net\", KERNEL!=\"lo\", RUN+=\"/lib/systemd/systemd-sysctl \
                    --prefix=/net/ipv4/conf/$name --prefix=/net/ipv6/conf/$name\"\n\
                    ACTION==\"add\", SUBSYSTEM==\"module\", KERNEL==\"nf_conntrack\", \
                    RUN+=\"/usr/lib/systemd/systemd-sysctl --prefix=/net/netfilter\"\nKERNEL==\"x\"\n\
                    SUBSYSTEM==\"module\", KERNEL==\"x\", RUN+=\"/sbin/sysctl -w a.b=1\"\n";
        check(
            udev,
            text,
            &[
                "1:net:!lo=/net/ipv4/conf/$name /net/ipv6/conf/$name",
                "2:module:nf_conntrack=/net/netfilter",
                "4:command:a.b=1",
            ],
        );
    }

    #[test]
    fn configuration_of_kube_proxy() {
        let text = "apiVersion: v1\nkind: KubeProxyConfiguration\nconntrack:\n  maxPerCore: null\n  \
                    # x\n  min: 5 # y\n  tcpEstablishedTimeout: \"24h0m0s\"\nmode: ''\niptables:\n  min: 7\n";
        check(
            kube_proxy,
            text,
            &[
                "2::kind=KubeProxyConfiguration",
                "4:conntrack:maxPerCore=null",
                "6:conntrack:min=5",
                "7:conntrack:tcpEstablishedTimeout=24h0m0s",
                "8::mode=",
            ],
        );
    }

    #[test]
    fn options_of_docker() {
        let text = "{\n \"ip-forward\": false,\n \"bridge\": \"none\"\n}";
        check(docker, text, &["2::ip-forward=false", "3::bridge=none"]);
        assert_eq!(docker("{").odd, [1]);
    }

    #[test]
    fn commands_that_set() {
        let set = |line: &str, expect: &[&str]| check(commands, line, expect);
        set("/sbin/sysctl -w net.ipv4.ip_forward=1", &["1::net.ipv4.ip_forward=1"]);
        set("ExecStart=/sbin/sysctl -q -w a.b=1 c.d=2", &["1::a.b=1", "1::c.d=2"]);
        set("ExecStartPre=-sysctl -w a.b=1", &["1::a.b=1"]);
        set("echo 1 > /proc/sys/net/ipv4/ip_forward", &["1::net/ipv4/ip_forward=1"]);
        set("echo 1 >/proc/sys/net/ipv4/ip_forward", &["1::net/ipv4/ip_forward=1"]);
        set("echo 0 | tee /proc/sys/net/a; true", &["1::net/a=0"]);
        set("cat /proc/sys/net/ipv4/ip_forward", &[]);
        set("sysctl -p /etc/x.conf", &["1:sysctl:-p=/etc/x.conf"]);
        set("sysctl --system && echo done", &["1:sysctl:--system"]);
        set("# sysctl -w a=1", &[]);
        set("if [ \"$(sysctl -n net.ipv4.ip_forward)\" = 1 ]; then", &[]);
        set("*/5 * * * * root /usr/bin/ddns-route53 run", &["1:ddns:ddns-route53"]);
    }
}
