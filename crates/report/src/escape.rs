//! Text that is safe on a terminal.
//!
//! Process names, units, containers, interfaces and namespaces are named by whoever made them. A
//! name may hold terminal escapes, line breaks, or marks that turn the direction of writing, and so
//! forge a screen. [`Text`] takes fixed words of ours, plain numbers and addresses as they are, and
//! everything else through [`Text::host`] only, which escapes it.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use facts::{Inode, NetnsId, Pid, Port, Protocol, Uid};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Text that holds no control or invisible character, and so stays on its line.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Cow<'static, str>);

/// What prints itself without any string of the host in it.
pub trait Plain: Display + Copy {
    /// Appends it as it prints itself.
    fn append(self, to: &mut String) {
        // Writing to a string does not fail.
        let _ = write!(to, "{self}");
    }
}

macro_rules! plain {
    ($($of:ty),*) => { $(impl Plain for $of {})* };
}
plain!(u64, usize, Uid, NetnsId, Inode);
plain!(judge::finding::Severity);

// What stands in each of 200,000 lines is written without the machinery of formatting.
macro_rules! plain_quick {
    ($($of:ty, $value:ident => $number:expr;)*) => {
        $(impl Plain for $of {
            fn append(self, to: &mut String) {
                let $value = self;
                append_number($number, to);
            }
        })*
    };
}
plain_quick! {
    u8, value => value.into();
    u16, value => value.into();
    u32, value => value;
    Port, value => value.0.into();
    Pid, value => value.0;
}

impl Plain for Protocol {
    fn append(self, to: &mut String) {
        match self.ip_name() {
            Some(name) => to.push_str(name),
            None => {
                let _ = write!(to, "{self}");
            }
        }
    }
}

impl Plain for IpAddr {
    fn append(self, to: &mut String) {
        let Self::V4(address) = self else {
            let _ = write!(to, "{self}");
            return;
        };
        let [a, b, c, d] = address.octets();
        append_number(a.into(), to);
        for byte in [b, c, d] {
            to.push('.');
            append_number(byte.into(), to);
        }
    }
}

/// Appends a number in decimal digits.
fn append_number(number: u32, to: &mut String) {
    const PAIRS: &str = "\
        0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
        5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    if number >= 100 {
        append_number(number / 100, to);
    }
    let pair = (number % 100) as usize * 2;
    let from = if number < 10 { pair.saturating_add(1) } else { pair };
    to.push_str(PAIRS.get(from..pair.saturating_add(2)).unwrap_or_default());
}

impl Text {
    /// Words of ours.
    pub const fn fixed(words: &'static str) -> Self {
        Self(Cow::Borrowed(words))
    }

    /// A string that the host chose, escaped.
    pub fn host(string: &str) -> Self {
        let mut text = Self::default();
        text.push_host(string);
        text
    }

    /// How long something took, in seconds to two places.
    pub fn seconds(took: Duration) -> Self {
        Self(Cow::Owned(format!("{:.2} s", took.as_secs_f64())))
    }

    /// Adds words of ours.
    pub fn push(&mut self, words: &'static str) -> &mut Self {
        self.0.to_mut().push_str(words);
        self
    }

    /// Adds a string that the host chose, escaped.
    pub fn push_host(&mut self, string: &str) -> &mut Self {
        escape_into(string, self.0.to_mut());
        self
    }

    /// Adds a number or an address.
    pub fn push_plain(&mut self, value: impl Plain) -> &mut Self {
        value.append(self.0.to_mut());
        self
    }

    /// Adds a number in four hexadecimal digits.
    pub fn push_hex(&mut self, value: u16) -> &mut Self {
        // Writing to a string does not fail.
        let _ = write!(self.0.to_mut(), "{value:04x}");
        self
    }

    /// Adds what is safe already.
    pub fn push_text(&mut self, text: &Self) -> &mut Self {
        self.0.to_mut().push_str(&text.0);
        self
    }

    /// Adds spaces until the text is this wide.
    pub fn pad(&mut self, width: usize) -> &mut Self {
        const SPACES: &str = "                                                                ";
        let mut missing = width.saturating_sub(self.width());
        while missing > 0 {
            let some = SPACES.get(..missing).unwrap_or(SPACES);
            self.0.to_mut().push_str(some);
            missing = missing.saturating_sub(some.len());
        }
        self
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) -> &mut Self {
        self.0.to_mut().clear();
        self
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many columns of a terminal it takes.
    pub fn width(&self) -> usize {
        if self.0.is_ascii() { self.0.len() } else { self.0.width() }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, at most this wide: cut with `…` where it is wider.
    #[must_use]
    pub fn cut(&self, width: usize) -> Self {
        if self.width() <= width {
            return self.clone();
        }
        let mut room = width.saturating_sub(1);
        let mut kept = String::with_capacity(width.saturating_add('…'.len_utf8()));
        if self.0.is_ascii() {
            kept.push_str(self.0.get(..room).unwrap_or_default());
        } else {
            for c in self.0.chars() {
                let Some(rest) = room.checked_sub(c.width().unwrap_or(0)) else { break };
                room = rest;
                kept.push(c);
            }
        }
        if width > 0 {
            kept.push('…');
        }
        Self(Cow::Owned(kept))
    }

    /// The text in lines of at most this width, broken after spaces where there are any, else after
    /// the marks of an address or a list, else anywhere. A wide character in a width of 1 is the
    /// one thing that does not fit; it gets a line of its own.
    pub fn wrap(&self, width: usize) -> Vec<Self> {
        let mut lines = Vec::new();
        let mut rest = self.as_str();
        while rest.width() > width {
            let (head, tail) = rest.split_at(break_at(rest, width));
            if tail.is_empty() {
                // Only the spaces at its end were too much, or one wide character.
                rest = head.trim_end_matches(' ');
                break;
            }
            lines.push(Self(Cow::Owned(head.trim_end_matches(' ').to_owned())));
            rest = tail.trim_start_matches(' ');
        }
        if !rest.is_empty() || lines.is_empty() {
            lines.push(Self(Cow::Owned(rest.to_owned())));
        }
        lines
    }
}

/// Where to break a text that is wider than this: a byte position on a character boundary, above 0.
fn break_at(text: &str, width: usize) -> usize {
    let mut used = 0_usize;
    let (mut fits, mut space, mut mark) = (0, None, None);
    for (at, c) in text.char_indices() {
        used = used.saturating_add(c.width().unwrap_or(0));
        let end = at.saturating_add(c.len_utf8());
        if c == ' ' && at > 0 {
            // A space at the very edge is dropped with the break.
            space = Some(end);
        }
        if used > width {
            if fits == 0 {
                fits = end;
            }
            break;
        }
        fits = end;
        if matches!(c, ':' | ',' | '.' | '/' | '-') {
            mark = Some(end);
        }
    }
    space.or(mark).unwrap_or(fits)
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends a string with every character escaped that a terminal would not show as itself:
/// `\xNN` below U+0100, `\u{..}` above.
fn escape_into(string: &str, out: &mut String) {
    if string.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        out.push_str(string);
        return;
    }
    for c in string.chars() {
        let code = u32::from(c);
        // Writing to a string does not fail.
        let _ = match (is_hidden(c), code) {
            (false, _) => out.write_char(c),
            (true, ..0x100) => write!(out, "\\x{code:02x}"),
            (true, _) => write!(out, "\\u{{{code:x}}}"),
        };
    }
}

/// Whether a terminal acts on a character instead of showing it, or shows nothing: control
/// characters (C0, DEL, C1), marks of direction (Unicode UAX 9), line and paragraph separators, and
/// everything else of no width, combining characters among them.
pub(crate) fn is_hidden(c: char) -> bool {
    let directs = matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control() || directs || separates || c.width().unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names() {
        let check = |from: &str, expect: &str| assert_eq!(Text::host(from).as_str(), expect);
        check("nginx: worker", "nginx: worker");
        check("\u{1b}[2Jx", "\\x1b[2Jx");
        check("a\nb\r\tc\0", "a\\x0ab\\x0d\\x09c\\x00");
        check("\u{9b}31m", "\\x9b31m");
        check("\u{202e}txt.exe", "\\u{202e}txt.exe");
        check("naïve 日本", "naïve 日本");
        check("z\u{200b}w\u{300}", "z\\u{200b}w\\u{300}");
    }

    #[test]
    fn wrapping_and_cutting() {
        let check = |from: &str, width, expect: &[&str]| {
            let lines = Text::host(from).wrap(width);
            assert_eq!(lines.iter().map(Text::as_str).collect::<Vec<_>>(), expect);
        };
        check("one two three", 7, &["one two", "three"]);
        check("one two three", 8, &["one two", "three"]);
        check("2001:db8:1:2:3:4:5:6", 10, &["2001:db8:", "1:2:3:4:5:", "6"]);
        check("abcdefgh", 3, &["abc", "def", "gh"]);
        check("日本", 1, &["日", "本"]);
        check("", 5, &[""]);
        check("abc ", 3, &["abc"]);
        assert_eq!(Text::host("日本語").cut(4).as_str(), "日…");
        assert_eq!(Text::host("abc").cut(3).as_str(), "abc");
        assert_eq!(Text::host("abcd").cut(3).as_str(), "ab…");
    }

    proptest! {
        #[test]
        fn never_a_control_character(name in "\\PC*|.*|[\\x00-\\x9f\u{2028}\u{202e}]*") {
            let text = Text::host(&name);
            prop_assert!(!text.as_str().chars().any(is_hidden), "{text:?}");
        }

        #[test]
        fn never_wider(name in ".*", width in 2_usize..40) {
            let text = Text::host(&name);
            prop_assert!(text.cut(width).width() <= width);
            prop_assert!(text.wrap(width).iter().all(|line| line.width() <= width));
            let whole: String = text.wrap(width).iter().map(|l| l.as_str().replace(' ', "")).collect();
            prop_assert_eq!(whole, text.as_str().replace(' ', ""));
        }
    }
}
