//! Services that systemd refuses to load (systemd `src/core/service.c`, `service_verify` and
//! `service_add_extras`).

/// What of a service decides that.
#[derive(Debug, Default)]
pub(super) struct Service {
    kind: String,
    starts: usize,
    remains: bool,
    succeeds: bool,
}

impl Service {
    /// Applies a setting.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        match key {
            "Type" => value.clone_into(&mut self.kind),
            // An empty one takes back all before it.
            "ExecStart" if value.is_empty() => self.starts = 0,
            "ExecStart" => self.starts = self.starts.saturating_add(1),
            "RemainAfterExit" => self.remains = super::units::is_true(value),
            "SuccessAction" => self.succeeds = value != "none",
            _ => {}
        }
    }

    /// Why it is refused.
    pub(super) fn refused(&self) -> Option<&'static str> {
        let oneshot = self.kind == "oneshot" || (self.kind.is_empty() && self.starts == 0);
        match self.starts {
            0 if !oneshot || !(self.remains || self.succeeds) => Some("it has no ExecStart="),
            2.. if !oneshot => Some("it has more than one ExecStart="),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_refuses() {
        let check = |settings: &[(&str, &str)], expect: Option<&str>| {
            let mut service = Service::default();
            for (key, value) in settings {
                service.set(key, value);
            }
            assert_eq!(service.refused(), expect, "{settings:?}");
        };
        let none = Some("it has no ExecStart=");
        check(&[], none);
        check(&[("ExecStart", "/bin/true")], None);
        check(&[("ExecStart", "/bin/true"), ("ExecStart", "")], none);
        check(&[("Type", "oneshot"), ("RemainAfterExit", "yes")], None);
        check(&[("RemainAfterExit", "yes")], None);
        check(&[("Type", "simple"), ("RemainAfterExit", "yes")], none);
        let twice = [("ExecStart", "/bin/true"), ("ExecStart", "/bin/true")];
        check(&twice, Some("it has more than one ExecStart="));
        check(&[twice[0], twice[1], ("Type", "oneshot")], None);
        check(&[("SuccessAction", "poweroff")], None);
    }
}
