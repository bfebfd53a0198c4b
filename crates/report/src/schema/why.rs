//! Why a socket is open.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

/// Why a socket is open: what it is, who set it up, whether anything needs it, what closes it and
/// what does not.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Why<'a> {
    /// The service in the knowledge base; null if it is not in there.
    pub service: Option<&'a str>,
    /// What people call the service.
    pub name: Option<&'a str>,
    /// What this socket of it is for, as the end of "it …".
    pub purpose: Option<&'a str>,
    /// Where that is from.
    pub sources: Option<Vec<&'a str>>,
    /// By what the service was recognised; never by its port.
    pub recognised_by: Option<RecognisedBy<'a>>,
    /// What can be sent to a socket without a port; null where it has one.
    pub arrives: Option<String>,
    /// Who set it up.
    pub reasons: Vec<Statement<'a>>,
    /// Whether anything needs it.
    pub in_use: InUse<'a>,
    /// What closes it on this host, the surest first.
    pub to_close: Vec<ToClose>,
    /// What people do that does not close it on this host.
    pub not_enough: Vec<NotEnough>,
}

/// By what a service was recognised.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RecognisedBy<'a> {
    /// What the name is the name of.
    pub kind: NameKind,
    /// The name.
    pub name: &'a str,
}

/// What a name is the name of.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// A part of the kernel.
    Kernel,
    /// A unit of systemd.
    Unit,
    /// A package.
    Package,
    /// An executable.
    Executable,
    /// A process, which chooses its name itself.
    Process,
}

/// Something that is said, with where it was seen on this host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Statement<'a> {
    /// What is said.
    pub text: String,
    /// Where it was seen.
    pub evidence: Vec<Seen<'a>>,
    /// Where the general knowledge in it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
}

/// A place on this host where something was seen.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Seen<'a> {
    /// A file, a unit, or what was asked.
    pub at: Cow<'a, str>,
    /// The line in the file.
    pub line: Option<u32>,
    /// What stands there; empty where the statement says it.
    pub text: String,
}

/// Whether anything needs a socket.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InUse<'a> {
    /// The verdict.
    pub verdict: InUseVerdict,
    /// Each thing that was looked for; what was found first.
    pub because: Vec<Statement<'a>>,
}

/// Whether anything needs a socket.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InUseVerdict {
    /// Something does.
    Yes,
    /// Nothing does: everything that could was looked for.
    No,
    /// That is not known.
    Unknown,
}

/// A way to close a socket.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ToClose {
    /// `units`, `socket_unit`, `setting`, `user_unit`, `container`, `process`, `link`, `purge`,
    /// `other`.
    pub kind: &'static str,
    /// What to do.
    pub how: String,
    /// What breaks; null if that is not known.
    pub breaks: Option<String>,
    /// Whether it is still closed after a boot.
    pub after_boot: AfterClosing,
    /// What is to be known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub but: Option<&'static str>,
    /// Where this is from.
    pub source: &'static str,
}

/// Whether something that was closed is still closed after a boot.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterClosing {
    /// It is.
    Closed,
    /// It is open again.
    Open,
    /// Nothing starts it at boot.
    NotStarted,
    /// Whoever made it may make it again.
    Unknown,
}

/// Something that does not close a socket.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NotEnough {
    /// What people do.
    pub what: String,
    /// Why it does not help.
    pub because: String,
    /// Where this is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
}
