//! What ufw loads: its script makes the chains, fills them from its files, and sets the policies
//! (ufw `src/ufw-init-functions`, `ufw_start`). The files alone are no whole ruleset, so this does
//! the same on paper.

use facts::{FirewallLoader, RulesForm, RulesetText};

/// The rulesets of both families, as iptables-save would print them.
pub(super) fn rulesets(loader: &FirewallLoader) -> Vec<RulesetText> {
    let settings = loader.files.iter().find(|file| file.form == RulesForm::Settings);
    let setting = |name: &str| {
        let lines = settings.map(|file| file.text.lines()).into_iter().flatten();
        let value = lines.rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches(['"', '\'', ' ']).to_owned()
    };
    let six = setting("IPV6").eq_ignore_ascii_case("yes");
    let policies = ["INPUT", "OUTPUT", "FORWARD"]
        .map(|hook| (hook, setting(&format!("DEFAULT_{hook}_POLICY")).to_ascii_uppercase()));
    let files = |form| {
        loader.files.iter().filter(move |file| file.form == form).map(|file| file.text.as_str())
    };
    let text = |name: &str, text| RulesetText { name: name.to_owned(), text };
    let four = text("ufw", whole("", &policies, files(RulesForm::Iptables)));
    let v6 = if six {
        whole("6", &policies, files(RulesForm::Ip6tables))
    } else {
        // Without IPv6 it lets loopback alone through.
        "# ip6tables\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n\
         -A INPUT -i lo -j ACCEPT\n-A OUTPUT -o lo -j ACCEPT\nCOMMIT\n"
            .to_owned()
    };
    vec![four, text("ufw (IPv6)", v6)]
}

/// A table while it is filled.
#[derive(Debug, Default)]
struct Table {
    /// Chains with their policy, or `-`, in order, and their rules.
    chains: Vec<(String, String, Vec<String>)>,
}

impl Table {
    fn chain(&mut self, name: &str) -> &mut (String, String, Vec<String>) {
        let at = self.chains.iter().position(|(known, ..)| known == name).unwrap_or_else(|| {
            self.chains.push((name.to_owned(), "-".to_owned(), Vec::new()));
            self.chains.len().saturating_sub(1)
        });
        // It was found or just pushed.
        #[allow(clippy::indexing_slicing, reason = "the position is one of the list's own")]
        &mut self.chains[at]
    }

    /// `:NAME POLICY`: empties a chain of the user's own that is there (iptables-restore(8), `-n`).
    fn declare(&mut self, name: &str, policy: &str) {
        let chain = self.chain(name);
        policy.clone_into(&mut chain.1);
        if policy == "-" {
            chain.2.clear();
        }
    }

    fn rule(&mut self, chain: &str, rule: &str) {
        self.chain(chain).2.push(rule.to_owned());
    }

    fn text(&self, name: &str) -> String {
        let mut text = format!("*{name}\n");
        for (chain, policy, _) in &self.chains {
            text.extend([":", chain, " ", policy, " [0:0]\n"]);
        }
        for (chain, _, rules) in &self.chains {
            for rule in rules {
                text.extend(["-A ", chain, " ", rule, "\n"]);
            }
        }
        text + "COMMIT\n"
    }
}

/// The ruleset of one family; `six` is what the names of its chains have in addition.
fn whole<'f>(
    six: &str,
    policies: &[(&str, String); 3],
    files: impl Iterator<Item = &'f str>,
) -> String {
    let mut filter = Table::default();
    let mut others: Vec<(String, Table)> = Vec::new();
    for (hook, policy) in policies {
        let low = hook.to_ascii_lowercase();
        let own = |part: &str| format!("ufw{six}-{part}-{low}");
        filter.declare(hook, "ACCEPT");
        for part in ["before-logging", "before", "after", "after-logging", "reject", "track"] {
            filter.declare(&own(part), "-");
            filter.rule(hook, &format!("-j {}", own(part)));
        }
        match policy.as_str() {
            "REJECT" => filter.rule(&own("reject"), "-j REJECT"),
            "ACCEPT" => {
                for protocol in ["tcp", "udp"] {
                    let rule = format!("-p {protocol} -m conntrack --ctstate NEW -j ACCEPT");
                    filter.rule(&own("track"), &rule);
                }
            }
            _ => {}
        }
        filter.declare(&own("skip-to-policy"), "-");
        filter.rule(&own("skip-to-policy"), &format!("-j {policy}"));
        for part in ["user", "user-logging"] {
            filter.declare(&own(part), "-");
        }
    }
    for chain in ["logging-deny", "logging-allow", "user-limit", "user-limit-accept"] {
        filter.declare(&format!("ufw{six}-{chain}"), "-");
    }
    for text in files {
        read(text, &mut filter, &mut others);
    }
    for (hook, policy) in policies {
        let low = hook.to_ascii_lowercase();
        filter.rule(&format!("ufw{six}-before-{low}"), &format!("-j ufw{six}-user-{low}"));
        filter.declare(hook, if policy == "REJECT" { "DROP" } else { policy });
    }
    let head = if six.is_empty() { "# iptables\n" } else { "# ip6tables\n" };
    let mut whole = format!("{head}{}", filter.text("filter"));
    for (name, table) in others {
        whole.push_str(&table.text(&name));
    }
    whole
}

/// Reads a file of iptables-restore(8) into the tables.
fn read(text: &str, filter: &mut Table, others: &mut Vec<(String, Table)>) {
    let mut open: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('*') {
            open = Some(name.to_owned());
            continue;
        }
        let table = match open.as_deref() {
            None => continue,
            Some("filter") => &mut *filter,
            Some(name) => {
                if !others.iter().any(|(known, _)| known == name) {
                    others.push((name.to_owned(), Table::default()));
                }
                match others.iter_mut().find(|(known, _)| known == name) {
                    Some((_, table)) => table,
                    None => continue,
                }
            }
        };
        if line == "COMMIT" {
            open = None;
        } else if let Some(declared) = line.strip_prefix(':') {
            let mut words = declared.split_whitespace();
            table.declare(words.next().unwrap_or_default(), words.next().unwrap_or("-"));
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let (chain, rule) = rule.trim_start().split_once(' ').unwrap_or((rule, ""));
            table.rule(chain, rule);
        } else if let Some(rule) = line.strip_prefix("-I ") {
            let (chain, rule) = rule.trim_start().split_once(' ').unwrap_or((rule, ""));
            table.chain(chain).2.insert(0, rule.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use facts::FirewallFile;

    use super::*;

    #[test]
    fn what_the_files_and_the_script_make_together() {
        let check = |policy: &str, user: &str, port: u16, expect: bool| {
            let file = |path: &str, form, text: &str| FirewallFile {
                path: path.to_owned(),
                form,
                text: text.to_owned(),
            };
            let before = "*filter\n:ufw-before-input - [0:0]\n:ufw-before-output - [0:0]\n\
                          :ufw-before-forward - [0:0]\n:ufw-not-local - [0:0]\n\
                          -A ufw-before-input -i lo -j ACCEPT\nCOMMIT\n";
            let user = format!("*filter\n:ufw-user-input - [0:0]\n{user}\nCOMMIT\n");
            let defaults = format!(
                "IPV6=no\nDEFAULT_INPUT_POLICY=\"{policy}\"\nDEFAULT_OUTPUT_POLICY=\"ACCEPT\"\n\
                 DEFAULT_FORWARD_POLICY=\"DROP\"\n"
            );
            let loader = FirewallLoader {
                name: "ufw".to_owned(),
                units: Vec::new(),
                enabled: Some(true),
                enabled_source: String::new(),
                files: vec![
                    file("/etc/default/ufw", RulesForm::Settings, &defaults),
                    file("/etc/ufw/before.rules", RulesForm::Iptables, before),
                    file("/etc/ufw/user.rules", RulesForm::Iptables, &user),
                ],
                unclear: Vec::new(),
            };
            let texts = rulesets(&loader);
            let question = netfilter::rules::Question {
                hook: netfilter::ir::Hook::Input,
                protocol: 6,
                port,
                source_port: None,
                family: Some(netfilter::ir::Family::Ipv4),
            };
            let first = &texts[0];
            let files = [(first.name.as_str(), first.text.as_bytes())];
            let answer = netfilter::rules::ask(&files, &question).unwrap();
            assert_eq!(!answer.families[0].must.is_empty(), expect, "{policy} {user} {port}");
        };
        let ssh = "-A ufw-user-input -p tcp --dport 22 -j ACCEPT";
        check("DROP", ssh, 22, true);
        check("DROP", ssh, 80, false);
        check("REJECT", ssh, 22, true);
        check("REJECT", ssh, 80, false);
        check("ACCEPT", ssh, 80, true);
    }
}
