//! The three values of knowledge about a part of the host, and the gaps between them.

use serde::{Deserialize, Serialize};

/// Something that could not be read, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gap {
    /// What is missing, as a noun phrase: "holders of sockets of other users".
    pub what: String,
    /// Why it is missing, with the failed operation and its error: "open /proc/1/fd: permission
    /// denied".
    pub why: String,
    /// What the user can do about it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// Whether it matters to few: what is missing is rare, or nobody can reach it. Views for people
    /// leave such gaps to the JSON.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub minor: bool,
}

/// What would close a [`Gap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Running as root, or with the capabilities that the operation needs.
    Root,
    /// Running again: the host changed while it was read.
    Retry,
    /// A remedy that this version does not know (from a newer snapshot).
    #[serde(other)]
    Other,
}

impl Gap {
    /// A gap without a known remedy.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), remedy: None, minor: false }
    }

    /// The same gap, as one that matters to few.
    #[must_use]
    pub fn minor(mut self) -> Self {
        self.minor = true;
        self
    }

    /// The same gap, with what would close it.
    #[must_use]
    pub fn remedied_by(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }
}

/// A part of the host as far as it is known. "Not asked" and "could not be read" never read as
/// "there is none": that is `Known` of an empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Part<T> {
    /// Nobody asked for it in this snapshot.
    #[default]
    NotAsked,
    /// Read in full.
    Known {
        /// What was read.
        value: T,
    },
    /// Read, but not all of it.
    Partial {
        /// What was read.
        value: T,
        /// What is missing from it.
        gaps: Vec<Gap>,
    },
    /// Could not be read at all.
    Unreadable {
        /// Why.
        gap: Gap,
    },
}

impl<T> Part<T> {
    /// A part read in full.
    pub fn known(value: T) -> Self {
        Self::Known { value }
    }

    /// A part read with these gaps: `Known` if there are none.
    pub fn with_gaps(value: T, gaps: Vec<Gap>) -> Self {
        if gaps.is_empty() { Self::Known { value } } else { Self::Partial { value, gaps } }
    }

    /// A part that could not be read.
    pub fn unreadable(gap: Gap) -> Self {
        Self::Unreadable { gap }
    }

    /// What was read of it, if anything was.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value } | Self::Partial { value, .. } => Some(value),
            Self::NotAsked | Self::Unreadable { .. } => None,
        }
    }

    /// What is missing from it.
    pub fn gaps(&self) -> &[Gap] {
        match self {
            Self::Partial { gaps, .. } => gaps,
            Self::Unreadable { gap } => std::slice::from_ref(gap),
            Self::NotAsked | Self::Known { .. } => &[],
        }
    }

    /// Whether absence from the value proves absence from the host.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Known { .. })
    }
}

impl<T> Part<Vec<T>> {
    /// What was read of a list; empty if nothing was. Ask [`Part::is_complete`] before concluding
    /// anything from emptiness.
    pub fn items(&self) -> &[T] {
        self.value().map_or(&[], Vec::as_slice)
    }

    /// Adds what a second look found, and what it missed.
    pub fn add(&mut self, more: Self) {
        let mut gaps = self.gaps().to_vec();
        gaps.extend_from_slice(more.gaps());
        gaps.sort_unstable();
        gaps.dedup();
        let more = match more {
            Self::Known { value } | Self::Partial { value, .. } => value,
            Self::NotAsked | Self::Unreadable { .. } => Vec::new(),
        };
        if let Self::Known { value } | Self::Partial { value, .. } = self {
            let mut value = std::mem::take(value);
            value.extend(more);
            *self = Self::with_gaps(value, gaps);
        }
    }
}
