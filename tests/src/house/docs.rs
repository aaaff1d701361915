//! Do the documents tell the truth? Links lead somewhere, paths in backticks exist, the book's table
//! of contents is whole, every crate is on the map, and each `gofer` command line in a fenced block
//! is one that the binary takes.

use std::path::{Path, PathBuf};

use super::markdown::{self, Document};
use super::{Fault, files, layers, shown};

/// Text in backticks that starts like this is a path in the repository.
const TOP_LEVEL: &[&str] =
    &["proto/", "server/", "tui/", "cli/", "sdk/", "extensions/", "docs/", "tests/", ".ci/"];
/// Fenced blocks of these languages are typed into a shell.
const SHELLS: &[&str] = &["console", "sh", "bash", "shell"];

/// One `gofer` command line found in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The document and the line.
    pub place: String,
    /// The arguments after `gofer`.
    pub arguments: Vec<String>,
}

/// All documents under `root`, parsed.
pub fn documents(root: &Path) -> anyhow::Result<Vec<(PathBuf, Document)>> {
    files(root, "md")?
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path)?;
            Ok((path, markdown::parse(&text)))
        })
        .collect()
}

/// Links and paths that lead nowhere, and pages that the book forgot.
pub fn faults(root: &Path) -> anyhow::Result<Vec<Fault>> {
    let documents = documents(root)?;
    let mut faults = Vec::new();
    for (path, document) in &documents {
        let place = shown(root, path);
        for (number, target) in &document.links {
            faults.extend(link_fault(path, document, target).map(|text| {
                Fault::new(format!("{place}:{number}"), format!("link to `{target}`: {text}"))
            }));
        }
        for (number, code) in &document.code {
            for named in paths_named(code).into_iter().filter(|p| !holds_something(&root.join(p))) {
                faults.push(Fault::new(
                    format!("{place}:{number}"),
                    format!("no such path: `{named}`"),
                ));
            }
        }
    }
    faults.extend(book_faults(root, &documents));
    Ok(faults)
}

/// Crates of the workspace that the architecture page does not name.
pub fn map_faults(root: &Path, members: &[layers::Member]) -> anyhow::Result<Vec<Fault>> {
    let page = root.join("docs/architecture.md");
    let document = markdown::parse(&std::fs::read_to_string(&page)?);
    let named = |name: &str| document.code.iter().any(|(_, code)| code == name);
    Ok(members
        .iter()
        .filter(|m| !m.folder.contains("/examples/") && !named(&m.name))
        .map(|m| {
            Fault::new("docs/architecture.md", format!("does not name the crate `{}`", m.name))
        })
        .collect())
}

fn link_fault(page: &Path, document: &Document, target: &str) -> Option<String> {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let has = |anchors: &[String]| anchor.is_empty() || anchors.iter().any(|a| a == anchor);
    if file.is_empty() {
        return (!has(&document.anchors)).then(|| "no such heading on this page".to_owned());
    }
    let path = page.parent()?.join(file);
    if !holds_something(&path) {
        return Some("no such file".to_owned());
    }
    if anchor.is_empty() || path.extension().is_none_or(|e| e != "md") {
        return None;
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            (!has(&markdown::parse(&text).anchors)).then(|| "no such heading there".to_owned())
        }
        Err(error) => Some(error.to_string()),
    }
}

/// A folder with nothing in it is in nobody's clone.
fn holds_something(path: &Path) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.is_file(),
    }
}

/// The paths that a piece of code in backticks names: none, one, or those of its `{a,b}`. Text with
/// `<name>`, `*` or `…` in it is a pattern, of which the folders before the pattern must exist.
pub fn paths_named(code: &str) -> Vec<String> {
    if !TOP_LEVEL.iter().any(|top| code.starts_with(top)) || code.contains(char::is_whitespace) {
        return Vec::new();
    }
    let solid = code.find(['<', '*', '…']).and_then(|at| code.get(..at));
    if let Some(solid) = solid {
        let folder = solid.rsplit_once('/').map_or(solid, |(folder, _)| folder);
        return vec![folder.to_owned()];
    }
    let parts = code.split_once('{').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once('}')?;
        Some(inside.split(',').map(|part| format!("{before}{}{after}", part.trim())).collect())
    });
    parts.unwrap_or_else(|| vec![code.to_owned()])
}

fn book_faults(root: &Path, documents: &[(PathBuf, Document)]) -> Vec<Fault> {
    let docs = root.join("docs");
    let summary = docs.join("SUMMARY.md");
    let Some((_, contents)) = documents.iter().find(|(path, _)| *path == summary) else {
        return vec![Fault::new("docs/SUMMARY.md", "the book has no table of contents")];
    };
    documents
        .iter()
        .filter(|(path, _)| path.starts_with(&docs) && *path != summary)
        .map(|(path, _)| shown(&docs, path))
        .filter(|page| !contents.links.iter().any(|(_, target)| target == page))
        .map(|page| Fault::new("docs/SUMMARY.md", format!("does not list `{page}`")))
        .collect()
}

/// Every `gofer …` command line in the fenced blocks of the documents.
pub fn command_lines(root: &Path, documents: &[(PathBuf, Document)]) -> Vec<CommandLine> {
    let mut found = Vec::new();
    for (path, document) in documents {
        let page = shown(root, path);
        for line in &document.fenced {
            let prompted = line.text.trim_start().strip_prefix("$ ");
            let shell = SHELLS.contains(&line.language.as_str());
            // Where a prompt is shown, the other lines are output.
            let console = line.language == "console";
            let typed = match (prompted, shell && !console) {
                (Some(typed), _) => typed,
                (None, true) => line.text.trim_start(),
                (None, false) => continue,
            };
            let place = format!("{page}:{}", line.number);
            found.extend(
                gofer_calls(typed)
                    .into_iter()
                    .map(|arguments| CommandLine { place: place.clone(), arguments }),
            );
        }
    }
    found
}

/// The calls of `gofer` in one shell line, also after `|`, `&&`, `;` and variables.
pub fn gofer_calls(line: &str) -> Vec<Vec<String>> {
    shell_words(line)
        .split(|word| matches!(word.as_str(), "|" | "&&" | "||" | ";" | "&"))
        .filter_map(|words| {
            let is_variable =
                |w: &&String| w.split_once('=').is_some_and(|(name, _)| is_variable_name(name));
            let mut words = words.iter().skip_while(is_variable);
            let program = words.next()?;
            if program.rsplit('/').next() != Some("gofer") {
                return None;
            }
            Some(words.take_while(|w| !w.starts_with(['>', '<'])).cloned().collect())
        })
        .collect()
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// Splits as a shell does, as far as documents go: quotes, comments, and operators as words.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None::<char>;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ';') => {
                words.extend(word.take());
                words.push(";".to_owned());
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The built binary, which stands beside the folder of the test programs.
pub fn binary() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let path = test.parent().and_then(Path::parent).map(|folder| folder.join("gofer"));
    match path {
        Some(path) if path.is_file() => Ok(path),
        Some(path) => anyhow::bail!(
            "{} does not exist; build it first: cargo build --workspace --bins",
            path.display()
        ),
        None => anyhow::bail!("{} lies in no build folder", test.display()),
    }
}

/// What the binary says against a command line, if anything. The call asks for help, so that clap
/// reads every word of it and nothing is done.
pub fn refusal(binary: &Path, arguments: &[String]) -> anyhow::Result<Option<String>> {
    let mut asked = arguments.to_vec();
    if asked.first().is_none_or(|first| first != "help") {
        // Words after `--` belong to somebody else.
        let end = asked.iter().position(|word| word == "--").unwrap_or(asked.len());
        asked.truncate(end);
        asked.push("--help".to_owned());
    }
    let output = std::process::Command::new(binary)
        .args(&asked)
        .stdin(std::process::Stdio::null())
        .env("NO_COLOR", "1")
        .output()?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(Some(said.lines().next().unwrap_or("it failed without a word").to_owned()))
}
