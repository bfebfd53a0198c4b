//! firewalld's files: firewalld.conf(5), firewalld.zone(5), firewalld.policy(5), firewalld.service(5),
//! firewalld.ipset(5).

use std::collections::BTreeMap;

use facts::{FirewallFile, FirewallLoader, RulesForm};
use roxmltree::{Document, Node};

/// Everything that is configured to be loaded.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// The zone of everything that no other zone is for.
    pub(super) default_zone: String,
    /// What becomes of IPv6 packets whose source is routed elsewhere.
    pub(super) rpfilter: ReversePath,
    pub(super) zones: Vec<Area>,
    pub(super) policies: Vec<Area>,
    pub(super) services: BTreeMap<String, Service>,
    /// Addresses by the name of their set.
    pub(super) sets: BTreeMap<String, Vec<String>>,
    /// What is not understood, each with its file.
    pub(super) unclear: Vec<String>,
}

/// `IPv6_rpfilter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReversePath {
    #[default]
    Strict,
    Loose,
    Off,
}

/// A zone or a policy.
#[derive(Debug, Default)]
pub(super) struct Area {
    pub(super) name: String,
    pub(super) file: String,
    /// `ACCEPT`, `DROP`, `%%REJECT%%`, `REJECT`, `CONTINUE`; empty: a zone's default.
    pub(super) target: String,
    pub(super) priority: i32,
    pub(super) interfaces: Vec<String>,
    pub(super) sources: Vec<Address>,
    /// Of a policy: from which zones, and to which.
    pub(super) ingress: Vec<String>,
    pub(super) egress: Vec<String>,
    pub(super) rules: Vec<Rule>,
}

/// Some addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Ip(String),
    Mac(String),
    Set(String),
}

/// A rule: a rich one, or a single element, which is let in.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) family: Option<String>,
    pub(super) priority: i32,
    pub(super) source: Option<(Address, bool)>,
    pub(super) destination: Option<(Address, bool)>,
    pub(super) element: Element,
    pub(super) action: Action,
    /// `5/m`: no more often than that.
    pub(super) limit: Option<String>,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    All,
    Service(String),
    Port {
        protocol: String,
        port: String,
    },
    SourcePort {
        protocol: String,
        port: String,
    },
    Protocol(String),
    Icmp(String),
    Forward {
        protocol: String,
        port: String,
        to_port: String,
        to_address: String,
    },
    /// Something that is about forwarded packets alone.
    Elsewhere,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Accept,
    Reject,
    Drop,
    /// It counts, logs or translates.
    Nothing,
}

/// A service.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) elements: Vec<Element>,
    pub(super) includes: Vec<String>,
    /// By family: it is about these addresses of this host.
    pub(super) destinations: Vec<(String, Address)>,
}

/// The value of a key of firewalld.conf(5).
pub(super) fn setting<'l>(loader: &'l FirewallLoader, key: &str) -> Option<&'l str> {
    let is_main = |file: &&FirewallFile| file.path.ends_with("/firewalld.conf");
    let lines = loader.files.iter().find(is_main)?.text.lines();
    let value = |line: &'l str| line.trim().strip_prefix(key)?.trim_start().strip_prefix('=');
    lines.filter_map(value).map(str::trim).next_back()
}

impl Config {
    /// Reads the files.
    pub(super) fn of(loader: &FirewallLoader) -> Self {
        let mut config = Self {
            default_zone: setting(loader, "DefaultZone").unwrap_or("public").to_owned(),
            ..Self::default()
        };
        match setting(loader, "IPv6_rpfilter").unwrap_or("yes").to_ascii_lowercase().as_str() {
            "yes" | "true" | "strict" => {}
            "loose" => config.rpfilter = ReversePath::Loose,
            // The other two are about forwarded packets.
            "no" | "false" | "strict-forward" | "loose-forward" => {
                config.rpfilter = ReversePath::Off;
            }
            other => config.unclear.push(format!("firewalld.conf: IPv6_rpfilter={other}")),
        }
        for file in loader.files.iter().filter(|file| file.form == RulesForm::Firewalld) {
            match Document::parse(&file.text) {
                Ok(document) => config.read(&file.path, document.root_element()),
                Err(error) => config.unclear.push(format!("{}: {error}", file.path)),
            }
        }
        for file in loader.files.iter().filter(|file| file.form == RulesForm::Settings) {
            config.bind(file);
        }
        if !config.zones.iter().any(|zone| zone.name == config.default_zone) {
            let zone = &config.default_zone;
            config.unclear.push(format!("the default zone {zone} was not read"));
        }
        config
    }

    /// Reads one file by its root element.
    fn read(&mut self, path: &str, root: Node<'_, '_>) {
        let name = path.rsplit('/').next().and_then(|name| name.strip_suffix(".xml"));
        let name = name.unwrap_or_default().to_owned();
        match root.tag_name().name() {
            "zone" | "policy" => {
                let area = self.area(path, name, root);
                let is_zone = root.tag_name().name() == "zone";
                if is_zone { &mut self.zones } else { &mut self.policies }.push(area);
            }
            "service" => {
                let service = self.service(path, root);
                self.services.insert(name, service);
            }
            "ipset" => self.set(path, name, root),
            "direct" => {
                if elements(root).next().is_some() {
                    self.unclear.push(format!("{path}: rules of its own are not evaluated"));
                }
            }
            other => self.not_known(path, other),
        }
    }

    fn not_known(&mut self, path: &str, element: &str) {
        self.unclear.push(format!("{path}: <{element}> is not known"));
    }

    /// Notes attributes that are not among these.
    fn only(&mut self, path: &str, node: Node<'_, '_>, known: &[&str]) {
        for attribute in node.attributes().filter(|a| !known.contains(&a.name())) {
            let (element, name) = (node.tag_name().name(), attribute.name());
            self.unclear.push(format!("{path}: {name} of <{element}> is not known"));
        }
    }

    fn area(&mut self, path: &str, name: String, root: Node<'_, '_>) -> Area {
        let known = ["name", "version", "immutable", "target", "priority"];
        self.only(path, root, &known);
        let mut area = Area {
            name,
            file: path.to_owned(),
            target: value(root, "target"),
            priority: self.priority(path, root),
            ..Area::default()
        };
        if area.target == "default" {
            area.target.clear();
        }
        // Of a zone it orders zones among each other, since firewalld 2.0.
        if root.tag_name().name() == "zone" && root.has_attribute("priority") {
            self.unclear.push(format!("{path}: zones with priorities"));
        }
        for node in elements(root) {
            match node.tag_name().name() {
                "short" | "description" => {}
                "interface" => area.interfaces.push(value(node, "name")),
                "source" => match address(node) {
                    Some(source) if !is_inverted(node) => area.sources.push(source),
                    _ => self.not_known(path, "source"),
                },
                "ingress-zone" => area.ingress.push(value(node, "name")),
                "egress-zone" => area.egress.push(value(node, "name")),
                "rule" => {
                    let rule = self.rule(path, node);
                    area.rules.extend(rule);
                }
                other => match element(node) {
                    Some(element) => {
                        let reject = other == "icmp-block";
                        area.rules.push(Rule {
                            family: None,
                            priority: 0,
                            source: None,
                            destination: None,
                            element,
                            action: if reject { Action::Reject } else { Action::Accept },
                            limit: None,
                        });
                    }
                    None => self.not_known(path, other),
                },
            }
        }
        area
    }

    fn priority(&mut self, path: &str, node: Node<'_, '_>) -> i32 {
        let Some(text) = node.attribute("priority") else { return 0 };
        text.trim().parse().unwrap_or_else(|_| {
            self.unclear.push(format!("{path}: priority {text}"));
            0
        })
    }

    /// A rich rule (firewalld.richlanguage(5)); none if it does nothing to packets.
    fn rule(&mut self, path: &str, root: Node<'_, '_>) -> Option<Rule> {
        self.only(path, root, &["family", "priority"]);
        let mut rule = Rule {
            family: root.attribute("family").map(str::to_owned),
            priority: self.priority(path, root),
            source: None,
            destination: None,
            element: Element::All,
            action: Action::Nothing,
            limit: None,
        };
        for node in elements(root) {
            let name = node.tag_name().name();
            match name {
                "log" | "nflog" | "audit" => {}
                "source" | "destination" => {
                    let Some(address) = address(node) else {
                        self.not_known(path, name);
                        continue;
                    };
                    let place =
                        if name == "source" { &mut rule.source } else { &mut rule.destination };
                    *place = Some((address, is_inverted(node)));
                }
                "accept" | "reject" | "drop" => {
                    rule.action = match name {
                        "accept" => Action::Accept,
                        "reject" => Action::Reject,
                        _ => Action::Drop,
                    };
                    let limit = elements(node).find(|n| n.has_tag_name("limit"));
                    rule.limit = limit.map(|limit| value(limit, "value"));
                }
                other => match element(node) {
                    Some(_) if rule.element != Element::All => {
                        self.unclear.push(format!("{path}: a rule about two things"));
                    }
                    Some(element) => {
                        if other == "icmp-block" {
                            rule.action = Action::Reject;
                        }
                        rule.element = element;
                    }
                    None => self.not_known(path, other),
                },
            }
        }
        let does =
            rule.action != Action::Nothing || matches!(rule.element, Element::Forward { .. });
        does.then_some(rule)
    }

    fn service(&mut self, path: &str, root: Node<'_, '_>) -> Service {
        let mut service = Service::default();
        for node in elements(root) {
            match node.tag_name().name() {
                // Helpers only follow connections that are let in.
                "short" | "description" | "module" | "helper" => {}
                "include" => service.includes.push(value(node, "service")),
                "destination" => {
                    let of = |family: &str| {
                        let address = Address::Ip(node.attribute(family)?.to_owned());
                        Some((family.to_owned(), address))
                    };
                    service.destinations.extend(["ipv4", "ipv6"].into_iter().filter_map(of));
                }
                other => match element(node) {
                    Some(element) => service.elements.push(element),
                    None => self.not_known(path, other),
                },
            }
        }
        service
    }

    fn set(&mut self, path: &str, name: String, root: Node<'_, '_>) {
        let kind = value(root, "type");
        if !matches!(kind.as_str(), "hash:ip" | "hash:net") {
            self.unclear.push(format!("{path}: a set of the type {kind}"));
        }
        let mut entries = Vec::new();
        for node in elements(root) {
            match node.tag_name().name() {
                "short" | "description" => {}
                "option" => {
                    let option = value(node, "name");
                    if !matches!(option.as_str(), "family" | "maxelem" | "hashsize") {
                        self.unclear.push(format!("{path}: a set with {option}"));
                    }
                }
                "entry" => entries.push(node.text().unwrap_or_default().trim().to_owned()),
                other => self.not_known(path, other),
            }
        }
        self.sets.insert(name, entries);
    }

    /// Puts the interface of another program's file into its zone.
    fn bind(&mut self, file: &FirewallFile) {
        let value = |key: &str| {
            file.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        };
        let (Some(interface), Some(zone)) = (value("interface"), value("zone")) else { return };
        if interface.is_empty() {
            // Then it is whichever the profile is used for; in the default zone it is anyway.
            if zone != self.default_zone {
                let path = &file.path;
                self.unclear.push(format!("{path} is for zone {zone} and names no interface"));
            }
            return;
        }
        match self.zones.iter_mut().find(|known| known.name == zone) {
            Some(known) => known.interfaces.push(interface.to_owned()),
            None => self.unclear.push(format!("{}: zone {zone} was not read", file.path)),
        }
    }
}

fn elements<'n, 'i>(node: Node<'n, 'i>) -> impl Iterator<Item = Node<'n, 'i>> {
    node.children().filter(Node::is_element)
}

/// An attribute; empty if there is none.
fn value(node: Node<'_, '_>, key: &str) -> String {
    node.attribute(key).unwrap_or_default().trim().to_owned()
}

fn is_inverted(node: Node<'_, '_>) -> bool {
    let value = value(node, "invert").to_ascii_lowercase();
    matches!(value.as_str(), "yes" | "true")
}

/// The addresses of `<source>` and `<destination>`.
fn address(node: Node<'_, '_>) -> Option<Address> {
    if let Some(set) = node.attribute("ipset") {
        return Some(Address::Set(set.to_owned()));
    }
    if let Some(mac) = node.attribute("mac") {
        return Some(Address::Mac(mac.to_owned()));
    }
    let address = node.attribute("address")?;
    Some(match address.strip_prefix("ipset:") {
        Some(set) => Address::Set(set.to_owned()),
        None => Address::Ip(address.to_owned()),
    })
}

/// What an element is about; none if it is not known.
fn element(node: Node<'_, '_>) -> Option<Element> {
    let value = |key: &str| value(node, key);
    Some(match node.tag_name().name() {
        "service" => Element::Service(value("name")),
        // Without a port it is the whole protocol.
        "port" if value("port").is_empty() => Element::Protocol(value("protocol")),
        "port" => Element::Port { protocol: value("protocol"), port: value("port") },
        "source-port" => Element::SourcePort { protocol: value("protocol"), port: value("port") },
        "protocol" => Element::Protocol(value("value")),
        "icmp-block" | "icmp-type" => Element::Icmp(value("name")),
        "forward-port" => Element::Forward {
            protocol: value("protocol"),
            port: value("port"),
            to_port: value("to-port"),
            to_address: value("to-addr"),
        },
        "masquerade" | "forward" | "tcp-mss-clamp" => Element::Elsewhere,
        _ => return None,
    })
}
