//! Lines on a screen of a certain width, in colour if the caller says so.

use std::io::{self, Write};

use crate::escape::Text;

/// How a screen is made.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Its width in columns. Below 60 the views are made as for 60.
    pub width: usize,
    /// Whether it shows colour.
    pub color: bool,
}

/// The narrowest screen that the views are made for.
pub(super) const NARROWEST: usize = 60;

/// The widest: longer lines are harder to read.
pub(super) const WIDEST: usize = 96;

/// How a line looks. Nothing is told by this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As usual.
    Normal,
    /// A heading.
    Heading,
    /// Less important.
    Dim,
    /// Something wrong.
    Alert,
}

/// What separates the items of a list.
static COMMA: Text = Text::fixed(",");

/// Writes lines.
pub(super) struct Page<'w, W> {
    out: &'w mut W,
    width: usize,
    color: bool,
}

impl<'w, W: Write> Page<'w, W> {
    pub(super) fn new(out: &'w mut W, screen: Screen) -> Self {
        Self { out, width: screen.width.clamp(NARROWEST, WIDEST), color: screen.color }
    }

    /// How wide a line may be.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// An empty line.
    pub(super) fn blank(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    /// A line, without the spaces at its end.
    pub(super) fn line(&mut self, text: &Text, style: Style) -> io::Result<()> {
        let text = text.as_str().trim_end_matches(' ');
        let style = style.ansi();
        if self.color && style != anstyle::Style::new() {
            writeln!(self.out, "{style}{text}{style:#}")
        } else {
            self.out.write_all(text.as_bytes())?;
            self.out.write_all(b"\n")
        }
    }

    /// A text on as many lines as it needs: the first begins with `first`, and the others are
    /// indented as far.
    pub(super) fn paragraph(&mut self, first: &Text, text: &Text, style: Style) -> io::Result<()> {
        let indent = first.width();
        let mut line = first.clone();
        for part in text.wrap(self.width.saturating_sub(indent)) {
            line.push_text(&part);
            self.line(&line, style)?;
            line.clear().pad(indent);
        }
        Ok(())
    }

    /// A list with commas, on as many lines as it needs, without a break inside an item that fits
    /// on a line. The others are indented by two.
    pub(super) fn list(&mut self, first: &Text, items: &[Text], end: &Text) -> io::Result<()> {
        let mut line = first.clone();
        let mut fresh = true;
        for (at, item) in items.iter().enumerate() {
            let mut item = item.cut(self.width.saturating_sub(4));
            item.push_text(if at.saturating_add(1) < items.len() { &COMMA } else { end });
            let gap = usize::from(!fresh);
            if line.width().saturating_add(gap).saturating_add(item.width()) > self.width {
                self.line(&line, Style::Normal)?;
                line.clear().push("  ");
                fresh = true;
            }
            line.push(if fresh { "" } else { " " }).push_text(&item);
            fresh = false;
        }
        // The end may be what no longer fits.
        for part in line.wrap(self.width) {
            self.line(&part, Style::Normal)?;
        }
        Ok(())
    }

    /// A text on as many lines as it needs, the others indented by two.
    pub(super) fn sentence(&mut self, text: &Text) -> io::Result<()> {
        let mut lines = text.wrap(self.width.saturating_sub(2)).into_iter();
        if let Some(first) = lines.next() {
            self.line(&first, Style::Normal)?;
        }
        for part in lines {
            let mut line = Text::fixed("  ");
            line.push_text(&part);
            self.line(&line, Style::Normal)?;
        }
        Ok(())
    }
}

impl Style {
    fn ansi(self) -> anstyle::Style {
        match self {
            Self::Normal => anstyle::Style::new(),
            Self::Heading => anstyle::Style::new().bold(),
            Self::Dim => anstyle::Style::new().dimmed(),
            Self::Alert => anstyle::AnsiColor::Yellow.on_default(),
        }
    }
}
