//! A match or target with its options, as words: whether read from its text, or from its structure
//! in the kernel (`xt`). What it means is in `matches` and `targets`.

use std::fmt::Display;

/// An option with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opt {
    pub(crate) name: String,
    pub(crate) negated: bool,
    pub(crate) values: Vec<String>,
}

impl Opt {
    /// An option without a value.
    pub(crate) fn bare(name: &str) -> Self {
        Self { name: name.to_owned(), negated: false, values: Vec::new() }
    }

    /// An option with one value.
    pub(crate) fn new(name: &str, value: impl Display) -> Self {
        Self { name: name.to_owned(), negated: false, values: vec![value.to_string()] }
    }

    /// The opposite, if asked for.
    pub(crate) fn negate_if(mut self, negate: bool) -> Self {
        self.negated ^= negate;
        self
    }

    /// The option's only value.
    pub(crate) fn value(&self) -> Option<&str> {
        match self.values.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// As iptables-save prints it.
    pub(crate) fn text(&self) -> String {
        let mut text = if self.negated { format!("! {}", self.name) } else { self.name.clone() };
        for value in &self.values {
            text.push(' ');
            text.push_str(&quoted(value));
        }
        text
    }
}

/// Quoted where a word would not be read as one (iptables: libxtables/xtables.c,
/// xtables_save_string).
fn quoted(value: &str) -> String {
    let special = |letter| "\"'\\|&;<>()$`*".contains(letter);
    let is_plain = |letter: char| !letter.is_whitespace() && !special(letter);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for letter in value.chars() {
        if matches!(letter, '"' | '\'' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
    text
}

/// A match (`-m name`) or target (`-j name`) with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) name: String,
    pub(crate) options: Vec<Opt>,
}

impl Extension {
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), options: Vec::new() }
    }

    /// The option of this name.
    pub(crate) fn option(&self, name: &str) -> Option<&Opt> {
        self.options.iter().find(|option| option.name == name)
    }

    /// As iptables-save prints it, after `-m` or `-j`.
    pub(crate) fn text(&self) -> String {
        let mut text = self.name.clone();
        for option in &self.options {
            text.push(' ');
            text.push_str(&option.text());
        }
        text
    }
}
