//! The shape of the source files: short, opened by a sentence on why they exist, nothing left for
//! later, no lint switched off in passing. (Clippy holds the length of functions.)

use std::path::Path;

use super::{Fault, files, shown};

/// A file longer than this has more than one reason to change.
pub const LINES_MAX: usize = 600;

/// What may not stand in a source file, and what to do instead. Cut in two, so that this file does
/// not find itself.
const BANNED: &[(&str, &str)] = &[
    (concat!("todo", "!"), "write it, or leave the door out"),
    (concat!("unimpl", "emented!"), "write it, or leave the door out"),
    (concat!("FIX", "ME"), "fix it, or file an issue"),
    (concat!("XX", "X"), "say in a sentence what is the matter"),
    (concat!("#[ig", "nore"), "a test that does not run holds nothing; repair or delete it"),
    (concat!("#[al", "low("), "write #[expect(.., reason = \"the proof\")]"),
    (concat!("#![al", "low("), "write #![expect(.., reason = \"the proof\")]"),
];

/// The crate that holds the generated code, which no lint can improve.
const WITHOUT_LINTS: &str = "proto/src/";

/// The faults of all Rust files under `root`.
pub fn faults(root: &Path) -> anyhow::Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for path in files(root, "rs")? {
        let text = std::fs::read_to_string(&path)?;
        faults.extend(faults_of(&shown(root, &path), &text));
    }
    Ok(faults)
}

/// The faults of one file; `place` is its path in the repository.
pub fn faults_of(place: &str, text: &str) -> Vec<Fault> {
    if is_generated(text) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let n_lines = text.lines().count();
    if n_lines > LINES_MAX {
        faults.push(Fault::new(
            place,
            format!("has {n_lines} lines; {LINES_MAX} are the most: give each reason its own file"),
        ));
    }
    let holds_generated = place.starts_with(WITHOUT_LINTS);
    let in_source = place.starts_with("src/") || place.contains("/src/");
    if in_source && !text.starts_with("//!") {
        faults.push(Fault::new(
            place,
            "does not open with `//!`: say why it exists, who talks to it, what must never happen",
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for (word, instead) in BANNED {
            let lint = word.contains(concat!("al", "low("));
            if contains_word(line, word) && !(lint && holds_generated) {
                faults
                    .push(Fault::new(format!("{place}:{number}"), format!("`{word}`: {instead}")));
            }
        }
        if !holds_generated && line.contains("cfg_attr") && line.contains(concat!("al", "low(")) {
            faults.push(Fault::new(
                format!("{place}:{number}"),
                "a lint switched off: write #[expect(.., reason = \"the proof\")]",
            ));
        }
    }
    faults
}

fn is_generated(text: &str) -> bool {
    text.lines().take(3).any(|line| line.starts_with("//") && line.contains("@generated"))
}

/// Does `word` stand in `line` with no letter or digit on either side of it?
fn contains_word(line: &str, word: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    let starts_as_word = word.starts_with(char::is_alphanumeric);
    let ends_as_word = word.ends_with(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|s| s.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|s| s.chars().next());
        (!starts_as_word || edge(before)) && (!ends_as_word || edge(after))
    })
}
