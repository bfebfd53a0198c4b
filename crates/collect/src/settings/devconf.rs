//! What a link carries of its own settings: the two arrays in `IFLA_AF_SPEC` of `RTM_NEWLINK`, the
//! same numbers as in `/proc/sys/net/{ipv4,ipv6}/conf/LINK/*` (kernel `net/ipv4/devinet.c`,
//! `inet_fill_link_af`; `net/ipv6/addrconf.c`, `inet6_fill_ifla6_attrs`).
//!
//! One dump of the links costs less than the files of a single link, and needs no `/proc`.

use crate::netlink::{Attributes, Malformed};

/// Of `IFLA_AF_SPEC`: one attribute for each address family (`include/linux/socket.h`).
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// The array of IPv4 (`include/uapi/linux/if_link.h`).
const IFLA_INET_CONF: u16 = 1;
/// The array of IPv6.
const IFLA_INET6_CONF: u16 = 2;

/// Where the values are in the array of IPv4: `IPV4_DEVCONF_*` of `include/uapi/linux/ip.h`, less 1.
const IPV4: &[(usize, &str)] = &[
    (0, "forwarding"),
    (1, "mc_forwarding"),
    (2, "proxy_arp"),
    (3, "accept_redirects"),
    (4, "secure_redirects"),
    (5, "send_redirects"),
    (6, "shared_media"),
    (7, "rp_filter"),
    (8, "accept_source_route"),
    (9, "bootp_relay"),
    (10, "log_martians"),
    (12, "arp_filter"),
    (14, "disable_xfrm"),
    (15, "disable_policy"),
    (17, "arp_announce"),
    (18, "arp_ignore"),
    (19, "promote_secondaries"),
    (20, "arp_accept"),
    (21, "arp_notify"),
    (22, "accept_local"),
    (23, "src_valid_mark"),
    (24, "proxy_arp_pvlan"),
    (25, "route_localnet"),
    (28, "ignore_routes_with_linkdown"),
    (29, "drop_unicast_in_l2_multicast"),
    (30, "drop_gratuitous_arp"),
    (31, "bc_forwarding"),
];

/// The same of IPv6: `DEVCONF_*` of `include/uapi/linux/ipv6.h`. Those that the kernel gives in other
/// units here than in the files (times of router solicitation) are left out.
const IPV6: &[(usize, &str)] = &[
    (0, "forwarding"),
    (3, "accept_ra"),
    (4, "accept_redirects"),
    (5, "autoconf"),
    (6, "dad_transmits"),
    (7, "router_solicitations"),
    (10, "use_tempaddr"),
    (11, "temp_valid_lft"),
    (12, "temp_prefered_lft"),
    (13, "regen_max_retry"),
    (14, "max_desync_factor"),
    (15, "max_addresses"),
    (17, "accept_ra_defrtr"),
    (18, "accept_ra_pinfo"),
    (19, "accept_ra_rtr_pref"),
    (21, "accept_ra_rt_info_max_plen"),
    (22, "proxy_ndp"),
    (23, "optimistic_dad"),
    (24, "accept_source_route"),
    (25, "mc_forwarding"),
    (26, "disable_ipv6"),
    (27, "accept_dad"),
    (29, "ndisc_notify"),
    (33, "accept_ra_from_local"),
    (34, "use_optimistic"),
    (37, "use_oif_addrs_only"),
    (39, "ignore_routes_with_linkdown"),
    (40, "drop_unicast_in_l2_multicast"),
    (41, "drop_unsolicited_na"),
    (42, "keep_addr_on_down"),
    (44, "seg6_enabled"),
    (47, "addr_gen_mode"),
    (48, "disable_policy"),
    (57, "accept_untracked_na"),
    (58, "accept_ra_min_lft"),
    (59, "force_forwarding"),
];

/// The names of the values of a family, for the files of `all` and `default`, which no link carries.
pub(crate) fn names(ipv6: bool) -> impl Iterator<Item = &'static str> {
    if ipv6 { IPV6 } else { IPV4 }.iter().map(|(_, name)| *name)
}

/// The settings of the links of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interfaces {
    /// Path below `/proc/sys` and value, in the order of the links.
    pub(crate) values: Vec<(String, String)>,
    /// Why some are missing.
    pub(crate) unread: Option<String>,
}

impl Interfaces {
    /// Adds those of a link from its `IFLA_AF_SPEC`.
    pub(crate) fn add(&mut self, link: &str, af_spec: &[u8]) -> Result<(), Malformed> {
        for family in Attributes::new(af_spec) {
            let family = family?;
            let (array, folder, names) = match family.kind {
                AF_INET => (IFLA_INET_CONF, "ipv4", IPV4),
                AF_INET6 => (IFLA_INET6_CONF, "ipv6", IPV6),
                _ => continue,
            };
            for attribute in family.nested() {
                let attribute = attribute?;
                if attribute.kind != array {
                    continue;
                }
                // An older kernel's array is shorter: it does not know the values behind its end.
                let (numbers, _) = attribute.value.as_chunks::<4>();
                for (at, name) in names {
                    let Some(number) = numbers.get(*at) else { break };
                    let number = i32::from_ne_bytes(*number);
                    let path = format!("net/{folder}/conf/{link}/{name}");
                    self.values.push((path, number.to_string()));
                }
            }
        }
        Ok(())
    }
}
