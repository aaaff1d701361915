//! The settings file: HCL, read by the table of [`super::keys`]. An unknown key or a wrong type is
//! an error with its place; nothing is passed over in silence.

use std::path::Path;

use gofer_core::problem::nearest;
use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::parser::parse_body;
use hcl_edit::structure::{Attribute, Body, Structure};

use super::given::{Given, Origin};
use super::keys::{self, KEYS, Key, Kind};
use crate::error::StartError;

/// Reads the file at `path`.
///
/// # Errors
/// Where it cannot be read, is no HCL, or holds a key or a type that is not in the table.
pub(super) fn read(path: &Path) -> Result<Vec<Given>, StartError> {
    let text = std::fs::read_to_string(path).map_err(|source| StartError::Io {
        what: "read the settings file",
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Given>, StartError> {
    let body = parse_body(text).map_err(|error| {
        let at = error.location();
        let place = format!("{}:{}:{}", path.display(), at.line(), at.column());
        StartError::Setting { place, rule: error.message().to_owned() }
    })?;
    let mut found = Vec::new();
    Walk { path, text, found: &mut found }.body("", &body)?;
    Ok(found)
}

/// One pass over the file.
struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    found: &'a mut Vec<Given>,
}

impl Walk<'_> {
    fn body(&mut self, prefix: &str, body: &Body) -> Result<(), StartError> {
        for structure in body {
            match structure {
                Structure::Attribute(attribute) => self.attribute(prefix, attribute)?,
                Structure::Block(block) => {
                    let line = self.line_of(block.span());
                    let inner = format!("{prefix}{}.", block.ident.as_str());
                    if !KEYS.iter().any(|key| key.path.starts_with(&inner)) {
                        return Err(self.unknown(line, inner.trim_end_matches('.')));
                    }
                    self.body(&inner, &block.body)?;
                }
            }
        }
        Ok(())
    }

    fn attribute(&mut self, prefix: &str, attribute: &Attribute) -> Result<(), StartError> {
        let line = self.line_of(attribute.span());
        let name = format!("{prefix}{}", attribute.key.as_str());
        let key = keys::find(&name).ok_or_else(|| self.unknown(line, &name))?;
        let value = text_of(key, &attribute.value).ok_or_else(|| StartError::Setting {
            place: self.place(line),
            rule: format!("`{name}` must be {}", wanted(key.kind)),
        })?;
        self.found.push(Given { key, value, origin: Origin::File { place: self.place(line) } });
        Ok(())
    }

    fn unknown(&self, line: usize, name: &str) -> StartError {
        let near = nearest(name, KEYS.iter().map(|key| key.path));
        let next = near.first().map_or_else(
            || "`gofer service init-config` writes a sample with all keys".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        StartError::Setting {
            place: self.place(line),
            rule: format!("unknown key `{name}`; {next}"),
        }
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    fn line_of(&self, span: Option<std::ops::Range<usize>>) -> usize {
        let before = span.and_then(|span| self.text.get(..span.start)).unwrap_or_default();
        before.matches('\n').count() + 1
    }
}

/// The value as the environment would say it; none where its type is wrong.
fn text_of(key: &Key, value: &Expression) -> Option<String> {
    match (key.kind, value) {
        (Kind::Number, Expression::Number(number)) => Some(number.value().to_string()),
        (Kind::Text | Kind::Duration | Kind::Choice(_), value) => value.as_str().map(str::to_owned),
        (Kind::Number, _) => None,
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "a whole number",
        Kind::Duration => "a length of time in double quotes, for example \"5m\"",
        Kind::Text | Kind::Choice(_) => "a text in double quotes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<&[(&str, &str)], &str>) {
        let got = parse(Path::new("gofer.hcl"), text);
        match (got, want) {
            (Ok(got), Ok(want)) => {
                let got: Vec<_> = got.iter().map(|g| (g.key.path, g.value.as_str())).collect();
                assert_eq!(got, want, "{text}");
            }
            (Err(got), Err(want)) => assert_eq!(got.to_string(), want, "{text}"),
            (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn keys_and_blocks_are_read_and_anything_else_is_refused_with_its_place() {
        check("", Ok(&[]));
        check(
            "run_parallelism_limit = 7\nscheduler {\n  engine = \"embedded\"\n}\n",
            Ok(&[("run_parallelism_limit", "7"), ("scheduler.engine", "embedded")]),
        );
        check(
            "# one\nlog_levl = \"info\"\n",
            Err("gofer.hcl:2: unknown key `log_levl`; did you mean `log_level`?"),
        );
        check(
            "scheduler {\n  engin = \"docker\"\n}\n",
            Err("gofer.hcl:2: unknown key `scheduler.engin`; did you mean `scheduler.engine`?"),
        );
        check(
            "wurzelbehandlung {\n}\n",
            Err(
                "gofer.hcl:1: unknown key `wurzelbehandlung`; `gofer service init-config` writes a sample with all keys",
            ),
        );
        check(
            "run_parallelism_limit = \"7\"",
            Err("gofer.hcl:1: `run_parallelism_limit` must be a whole number"),
        );
        check("log_level = 7", Err("gofer.hcl:1: `log_level` must be a text in double quotes"));
    }

    #[test]
    fn what_is_no_hcl_is_refused_with_line_and_column() {
        let fault = parse(Path::new("gofer.hcl"), "log_level = \"info\"\nserver {").unwrap_err();
        assert!(fault.to_string().starts_with("gofer.hcl:2:"), "{fault}");
    }
}
