//! Sets and maps of the text form, named and anonymous.

use super::super::ast::{Element, Expr, Set};
use super::super::token::Kind;
use super::{Parsed, Parser};

impl Parser<'_> {
    /// A named set or map, after its name.
    pub(super) fn set(&mut self) -> Parsed<Set> {
        let mut set = Set::default();
        self.expect("{")?;
        loop {
            self.skip_lines();
            if self.sign_is("}") {
                return Ok(set);
            }
            if self.word_is("elements") {
                self.expect("=")?;
                set.elements.extend(self.elements()?);
            } else if self.peek_word() == Some("flags") {
                let flags = self.skip_rest()?;
                set.dynamic |= flags.contains("dynamic");
                set.timeout |= flags.contains("timeout");
            } else if self.peek_word().is_some() {
                self.skip_rest()?;
            } else {
                return self.error("expected elements or \"}\"");
            }
        }
    }

    /// Parses a part in which words are values.
    pub(super) fn constant<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let before = std::mem::replace(&mut self.constants, true);
        let result = inner(self);
        self.constants = before;
        result
    }

    /// `{ key [: data], ... }`
    pub(super) fn elements(&mut self) -> Parsed<Vec<Element>> {
        self.expect("{")?;
        let mut list = Vec::new();
        loop {
            self.skip_lines();
            if self.sign_is("}") {
                return Ok(list);
            }
            let element = self.constant(Self::element)?;
            match element {
                // A set that was defined elsewhere: its elements.
                Element { key: Expr::Set(inner), data: None, .. } => list.extend(inner),
                other => list.push(other),
            }
            self.skip_lines();
            if !self.sign_is(",") && !matches!(self.kind(), Kind::Sign("}")) {
                return self.error("expected \",\" or \"}\"");
            }
        }
    }

    fn element(&mut self) -> Parsed<Element> {
        let key = if self.word_is("*") { Expr::Any } else { self.concatenation()? };
        let mut expires = false;
        // Everything between key and data is about the element itself.
        while let Kind::Word(word) | Kind::Quoted(word) = self.kind() {
            expires |= matches!(word.as_str(), "timeout" | "expires");
            self.at += 1;
        }
        self.skip_lines();
        let data = if self.sign_is(":") { Some(self.data()?) } else { None };
        Ok(Element { key, data, expires })
    }

    fn data(&mut self) -> Parsed<Expr> {
        match self.verdict()? {
            Some(verdict) => Ok(Expr::Verdict(verdict)),
            None => self.concatenation(),
        }
    }
}
