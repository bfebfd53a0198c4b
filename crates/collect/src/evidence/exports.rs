//! What is exported over NFS: exports(5).

use std::path::Path;

use facts::{Answer, Export, Part, Place};

use super::{config, lines, settings, shown};

/// Where exportfs(8) reads them.
const FILES: &[&str] = &["/etc/exports", "/etc/exports.d/*.exports"];

/// Reads all of them.
pub(super) fn read(root: &Path) -> Part<Answer> {
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    for path in settings::expand(root, FILES) {
        match config(&path) {
            Ok(bytes) => found.extend(parse(&bytes.unwrap_or_default(), &shown(&path))),
            Err(error) => gaps.push(error.gap("exported folders")),
        }
    }
    Part::with_gaps(Answer::Exports { found }, gaps)
}

/// One folder a line, then who may mount it; `\` at the end of a line joins it with the next.
pub(super) fn parse(bytes: &[u8], file: &str) -> Vec<Export> {
    let mut found = Vec::new();
    let mut continues = false;
    for (line, text) in lines(bytes) {
        let text = text.trim();
        let starts = !continues && !text.starts_with('#');
        continues = text.ends_with('\\');
        let path = match text.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => text.split_ascii_whitespace().next(),
        };
        if let Some(path) = path.filter(|path| starts && path.starts_with('/')) {
            let at = Place { file: file.to_owned(), line };
            found.push(Export { at, path: path.to_owned() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders() {
        let check = |text: &str, expect: &[(u32, &str)]| {
            let found = parse(text.as_bytes(), "f");
            let got: Vec<_> = found.iter().map(|e| (e.at.line, e.path.as_str())).collect();
            assert_eq!(got, expect, "{text}");
        };
        check("# /srv *(ro)\n\n", &[]);
        check("/srv 192.0.2.0/24(ro) \\\n  /not/a/folder(rw)\n/b *\n", &[(1, "/srv"), (3, "/b")]);
        check("\"/with space\" *(ro)", &[(1, "/with space")]);
    }
}
