//! What a permanent configuration lets in.

use facts::{FirewallFile, RulesForm};
use netfilter::ir::{Family, Hook};

use super::*;

const SERVICES: [(&str, &str); 4] = [
    (
        "/usr/lib/firewalld/services/ssh.xml",
        "<service><short>SSH</short><port protocol=\"tcp\" port=\"22\"/></service>",
    ),
    (
        "/usr/lib/firewalld/services/web.xml",
        "<service><include service=\"http\"/><port protocol=\"udp\" port=\"443\"/></service>",
    ),
    (
        "/etc/firewalld/services/http.xml",
        "<service><port protocol=\"tcp\" port=\"80\"/><port protocol=\"tcp\" port=\"8000-8010\"/></service>",
    ),
    (
        "/usr/lib/firewalld/policies/allow-host-ipv6.xml",
        "<policy target=\"CONTINUE\" priority=\"-15000\"><ingress-zone name=\"ANY\"/>\
         <egress-zone name=\"HOST\"/><rule family=\"ipv6\"><icmp-type \
         name=\"neighbour-solicitation\"/><accept/></rule></policy>",
    ),
];

fn loader(public: &str, more: &[(&str, &str)]) -> FirewallLoader {
    let file = |path: &str, text: &str| FirewallFile {
        path: path.to_owned(),
        form: match path.strip_suffix(".xml") {
            Some(_) => RulesForm::Firewalld,
            None => RulesForm::Settings,
        },
        text: text.to_owned(),
    };
    let main = "# the daemon's\nDefaultZone=public\nIPv6_rpfilter=no\n";
    let mut files = vec![
        file("/etc/firewalld/firewalld.conf", main),
        file("/etc/firewalld/zones/public.xml", public),
    ];
    files.extend(SERVICES.iter().chain(more).map(|(path, text)| file(path, text)));
    FirewallLoader {
        name: "firewalld".to_owned(),
        units: Vec::new(),
        enabled: None,
        enabled_source: String::new(),
        files,
        unclear: Vec::new(),
    }
}

/// Which IPv4 sources must be let in, as the first and last addresses of their ranges.
#[track_caller]
fn check(public: &str, more: &[(&str, &str)], port: u16, expect: &[(&str, &str)]) {
    let (text, unclear) = ruleset(&loader(public, more));
    assert_eq!(unclear, [""; 0], "{public}");
    let question = netfilter::rules::Question {
        hook: Hook::Input,
        protocol: 6,
        port,
        source_port: None,
        family: Some(Family::Ipv4),
    };
    let answer = netfilter::rules::ask(&[(&text.name, text.text.as_bytes())], &question);
    let answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", text.text));
    let found = &answer.families[0];
    let ranges: Vec<_> = found.must.iter().map(|[a, b]| (a.as_str(), b.as_str())).collect();
    assert_eq!(ranges, expect, "{public} {port}\n{}", text.text);
}

const ALL: &[(&str, &str)] = &[("0.0.0.0", "255.255.255.255")];

#[test]
fn what_the_default_zone_lets_in() {
    let zone = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<zone><service name=\"ssh\"/>\
                <service name=\"web\"/><port port=\"9000\" protocol=\"tcp\"/><forward/></zone>";
    check(zone, &[], 22, ALL);
    check(zone, &[], 80, ALL);
    check(zone, &[], 8005, ALL);
    check(zone, &[], 9000, ALL);
    check(zone, &[], 9001, &[]);
    check("<zone target=\"ACCEPT\"/>", &[], 9001, ALL);
    check("<zone target=\"DROP\"><service name=\"ssh\"/></zone>", &[], 22, ALL);
    check("<zone><protocol value=\"tcp\"/></zone>", &[], 9001, ALL);
}

#[test]
fn rich_rules() {
    let inner = &[("192.0.2.0", "192.0.2.255")];
    let outer: &[(&str, &str)] = &[("0.0.0.0", "192.0.1.255"), ("192.0.3.0", "255.255.255.255")];
    let rule = |more: &str, action: &str| {
        format!(
            "<zone><service name=\"ssh\"/><rule {more}><source address=\"192.0.2.7/24\"/>{action}\
             </rule></zone>"
        )
    };
    let reject = "<service name=\"ssh\"/><reject type=\"icmp-port-unreachable\"/>";
    check(&rule("family=\"ipv4\"", reject), &[], 22, outer);
    check(&rule("", "<port port=\"9000\" protocol=\"tcp\"/><accept/>"), &[], 9000, inner);
    check(&rule("", "<accept/>"), &[], 9000, inner);
    // A rule that comes late, behind what lets everyone in.
    check(&rule("priority=\"5\"", reject), &[], 22, ALL);
    check(&rule("priority=\"-5\"", "<drop/>"), &[], 22, outer);
    // Only so often: for nobody certainly.
    check(&rule("", "<accept><limit value=\"5/m\"/></accept>"), &[], 9000, &[]);
    check(&rule("", "<log prefix=\"x\"/>"), &[], 9000, &[]);
    let not =
        "<zone><rule><source address=\"192.0.2.0/24\" invert=\"True\"/><accept/></rule></zone>";
    check(not, &[], 9000, outer);
}

#[test]
fn zones_by_source_and_interface() {
    let trusted = (
        "/etc/firewalld/zones/trusted.xml",
        "<zone target=\"ACCEPT\"><source address=\"ipset:friends\"/></zone>",
    );
    let set = (
        "/etc/firewalld/ipsets/friends.xml",
        "<ipset type=\"hash:net\"><entry>192.0.2.0/24</entry><entry>2001:db8::/32</entry></ipset>",
    );
    check("<zone/>", &[trusted, set], 9000, &[("192.0.2.0", "192.0.2.255")]);
    // Whichever interface it is: some are not of the zone.
    let work = (
        "/etc/firewalld/zones/work.xml",
        "<zone target=\"ACCEPT\"><interface name=\"eth0\"/></zone>",
    );
    check("<zone/>", &[work], 9000, &[]);
    let profile = ("/etc/NetworkManager/system-connections/a", "interface=eth1\nzone=work\n");
    check("<zone target=\"ACCEPT\"/>", &[work, profile], 9000, ALL);
}

#[test]
fn ports_that_lead_elsewhere() {
    let forward = "<zone><forward-port port=\"80\" protocol=\"tcp\" to-port=\"8080\"/></zone>";
    let (text, unclear) = ruleset(&loader(forward, &[]));
    assert_eq!(unclear, [""; 0]);
    assert!(
        text.text.contains("meta nfproto ipv4 tcp dport 80 redirect to :8080"),
        "{}",
        text.text
    );
}

#[test]
fn what_is_not_understood_is_named() {
    let check = |public: &str, more: &[(&str, &str)], expect: &str| {
        let (text, unclear) = ruleset(&loader(public, more));
        assert!(unclear.iter().any(|note| note.contains(expect)), "{unclear:?} {expect}");
        // Whatever it says, it is a table.
        netfilter::rules::load(&[("x", text.text.as_bytes())]).unwrap();
    };
    check("<zone><service name=\"none\"/></zone>", &[], "service none was not read");
    check("<zone><frob/></zone>", &[], "<frob> is not known");
    check("<zone frob=\"1\"/>", &[], "frob of <zone> is not known");
    check("<zone target=\"FROB\"/>", &[], "target FROB");
    check("<zone><icmp-block-inversion/></zone>", &[], "<icmp-block-inversion> is not known");
    check("<zone", &[], "/etc/firewalld/zones/public.xml: ");
    check("<!DOCTYPE a [<!ENTITY b \"c\">]><zone/>", &[], "DTD");
    check("<zone><port port=\"22 accept; }\" protocol=\"tcp\"/></zone>", &[], "22 accept");
    check("<zone><port port=\"22\" protocol=\"tcp dport 1 accept\"/></zone>", &[], "tcp dport 1");
    check("<zone><interface name=\"a&quot; accept\"/></zone>", &[], "interface a\" accept");
    check("<zone><rule><mark set=\"1\"/></rule></zone>", &[], "<mark> is not known");
    check("<zone><rule family=\"ipx\"><accept/></rule></zone>", &[], "family ipx");
    check(
        "<zone/>",
        &[("/etc/firewalld/direct.xml", "<direct><rule/></direct>")],
        "rules of its own",
    );
    let set = ("/etc/firewalld/ipsets/x.xml", "<ipset type=\"hash:mac\"/>");
    check("<zone/>", &[set], "a set of the type hash:mac");
    let circle = ("/etc/firewalld/services/c.xml", "<service><include service=\"c\"/></service>");
    check("<zone><service name=\"c\"/></zone>", &[circle], "service c was not read");
}
