//! Reading `whyopen why TARGET -o json`.

use serde_json::Value;

use crate::seen::{Seen, WHYOPEN};

/// Why rows are open.
pub(crate) struct Explained {
    pub(crate) rows: Vec<Value>,
}

impl Seen {
    /// What is said of a target.
    #[track_caller]
    pub(crate) fn why(&self, target: &str) -> Explained {
        let done = self.host.run(&[WHYOPEN, "why", target, "-o", "json"]).unwrap();
        assert_eq!(done.status, Some(0), "{done:?}");
        let json: Value = serde_json::from_str(&done.stdout).unwrap();
        let rows = json["sockets"].as_array().unwrap().clone();
        assert!(!rows.is_empty(), "{json:#}");
        Explained { rows }
    }

    /// The same for people: the detail screen and the long form.
    pub(crate) fn prose(&self, target: &str) -> String {
        let short = self.run(&[WHYOPEN, target, "--width", "96"]);
        short + &self.run(&[WHYOPEN, "why", target, "--width", "96"])
    }
}

impl Explained {
    /// The service of the base that all rows are recognised as.
    #[track_caller]
    pub(crate) fn service(&self) -> &str {
        let all: Vec<&Value> = self.rows.iter().map(|row| &row["why"]["service"]).collect();
        assert!(all.iter().all(|service| *service == all[0]), "{all:#?}");
        all[0].as_str().unwrap_or("unknown")
    }

    /// The verdict whether something needs it, the same for all rows.
    #[track_caller]
    pub(crate) fn in_use(&self) -> &str {
        let all: Vec<&Value> =
            self.rows.iter().map(|row| &row["why"]["in_use"]["verdict"]).collect();
        assert!(all.iter().all(|verdict| *verdict == all[0]), "{all:#?}");
        all[0].as_str().unwrap()
    }

    /// Fails unless that is the verdict whether something needs it.
    #[track_caller]
    pub(crate) fn is_in_use(&self, verdict: &str) {
        let because = &self.rows[0]["why"]["in_use"]["because"];
        assert_eq!(self.in_use(), verdict, "{because:#}");
    }

    /// Fails unless a sentence about the first row, in this list, contains the text; returns it.
    #[track_caller]
    pub(crate) fn says(&self, list: &str, text: &str) -> &Value {
        let all = match list {
            "because" => &self.rows[0]["why"]["in_use"]["because"],
            list => &self.rows[0]["why"][list],
        };
        let found = all.as_array().unwrap().iter().find(|one| one.to_string().contains(text));
        found.unwrap_or_else(|| panic!("nothing says {text:?}: {all:#}"))
    }
}
