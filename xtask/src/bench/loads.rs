//! The hosts to measure on, from a small one to the largest that administrators have.

use testbed::LoadShape;

use super::rules;

/// A load with its name.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) shape: LoadShape,
    /// The packet filter, if it has one.
    pub(crate) rules: Option<fn() -> String>,
}

/// All of them.
pub(crate) const LOADS: &[Scene] = &[
    Scene {
        name: "idle",
        what: "1 listener, 1 process",
        shape: LoadShape {
            groups: 1,
            processes: 1,
            listeners: 1,
            connections: 0,
            files: 0,
            open: false,
        },
        rules: None,
    },
    Scene {
        name: "a",
        what: "50 listeners, 100 processes",
        shape: LoadShape {
            groups: 50,
            processes: 2,
            listeners: 1,
            connections: 0,
            files: 0,
            open: false,
        },
        rules: None,
    },
    Scene {
        name: "b",
        what: "2,000 listeners, 500 processes in groups of 5: 10,000 descriptors of listeners",
        shape: LoadShape {
            groups: 100,
            processes: 5,
            listeners: 20,
            connections: 0,
            files: 0,
            open: false,
        },
        rules: None,
    },
    Scene {
        name: "c",
        what: "20,000 sockets, 8,000 of them listeners, 2,000 processes, 104,000 descriptors",
        shape: LoadShape {
            groups: 400,
            processes: 5,
            listeners: 20,
            connections: 3,
            files: 24,
            open: false,
        },
        rules: None,
    },
    Scene {
        name: "d",
        what: "10 listeners, 200,000 established sockets, 20 processes",
        shape: LoadShape {
            groups: 10,
            processes: 2,
            listeners: 1,
            connections: 5000,
            files: 0,
            open: false,
        },
        rules: None,
    },
    Scene {
        name: "rules",
        what: "200 listeners, 10,000 rules of nftables, a set of 50,000 prefixes",
        shape: LoadShape {
            groups: 40,
            processes: 2,
            listeners: 5,
            connections: 0,
            files: 0,
            open: true,
        },
        rules: Some(rules::ruleset),
    },
];
