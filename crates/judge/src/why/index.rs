//! Which file of the base is about a name, found without parsing the files.
//!
//! Every run that shows a list looks for the names of its holders, and few are in the base. So only
//! the lines of the table `[recognise]` are read, each of which is a list of names on one line; a
//! test holds this to what the parser finds.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::base::{FILES, File, Service};

/// What a name is the name of. In the order in which they are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// A part of the kernel.
    Kernel,
    /// A unit: the administrator, or a package, gave it.
    Unit,
    /// A package.
    Package,
    /// An executable.
    Executable,
    /// A process: it chooses its name itself.
    Comm,
}

/// Every name of every file.
static NAMES: LazyLock<HashMap<(Sort, &'static str), &'static File>> = LazyLock::new(|| {
    let of = |file: &'static File| names(file.text).map(move |name| (name, file));
    FILES.iter().flat_map(of).collect()
});

/// The service of a name.
pub(super) fn find(sort: Sort, name: &str) -> Option<&'static Service> {
    NAMES.get(&(sort, name))?.service()
}

/// The names in a file: `key = ["name", "name"]` below `[recognise]`.
pub(super) fn names(text: &'static str) -> impl Iterator<Item = (Sort, &'static str)> {
    let below = text.split("\n[recognise]\n").nth(1).unwrap_or_default();
    let lines = below.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split_once(" = ")).flat_map(|(key, list)| {
        let sort = match key {
            "units" => Some(Sort::Unit),
            "packages" => Some(Sort::Package),
            "executables" => Some(Sort::Executable),
            "comms" => Some(Sort::Comm),
            "kernel" => Some(Sort::Kernel),
            _ => None,
        };
        // Every second part is between quotes.
        let names = list.split('"').skip(1).step_by(2);
        sort.into_iter().flat_map(move |sort| names.clone().map(move |name| (sort, name)))
    })
}
