//! The settings file of the command line. Unknown keys and wrong types are errors with their place and
//! the nearest key; comments stay when a key is written.

use std::path::Path;

use gofer_core::problem::nearest;
use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::parser::parse_body;
use hcl_edit::structure::{Attribute, Body, Structure};

use crate::failure::Failure;

/// Every key, its type, and what it is for.
const KEYS: &[(&str, Kind, &str)] = &[
    ("namespace", Kind::Text, "namespace to work in"),
    ("host", Kind::Text, "address of the server"),
    ("ca_cert", Kind::Text, "certificate authority of the server, a PEM file"),
    ("no_color", Kind::Bool, "never use colours"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Bool,
}

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) namespace: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) ca_cert: Option<String>,
    pub(crate) no_color: bool,
}

/// Reads the file at `path`; `None` where there is none.
pub(crate) fn load(path: &Path) -> Result<Option<File>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file("read the settings file", path, &error)),
    }
}

fn parse(path: &Path, text: &str) -> Result<File, Failure> {
    let body = read(path, text)?;
    let mut file = File::default();
    for structure in &body {
        let attribute = match structure {
            Structure::Attribute(attribute) => attribute,
            Structure::Block(block) => {
                return Err(unknown(path, line_of(text, block.span()), &block.ident));
            }
        };
        let line = line_of(text, attribute.span());
        match attribute.key.as_str() {
            "namespace" => file.namespace = Some(string(path, line, attribute)?),
            "host" => file.host = Some(string(path, line, attribute)?),
            "ca_cert" => file.ca_cert = Some(string(path, line, attribute)?),
            "no_color" => {
                let Expression::Bool(value) = &attribute.value else {
                    return Err(wrong_type(path, line, attribute, "true or false"));
                };
                file.no_color = *value.value();
            }
            key => return Err(unknown(path, line, key)),
        }
    }
    Ok(file)
}

/// Writes the key `namespace` into the file at `path`, and makes the file where there is none.
pub(crate) fn set_namespace(path: &Path, namespace: &str) -> Result<(), Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::file("read the settings file", path, &error)),
    };
    let new = with_namespace(path, &text, namespace)?;
    let failed = |error: std::io::Error| Failure::file("write the settings file", path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // A half-written file would make every later command fail.
    let draft = path.with_extension("hcl.new");
    std::fs::write(&draft, new).map_err(failed)?;
    std::fs::rename(&draft, path).map_err(failed)
}

fn with_namespace(path: &Path, text: &str, namespace: &str) -> Result<String, Failure> {
    parse(path, text)?;
    let mut body = read(path, text)?;
    let value = Expression::from(namespace);
    match body.get_attribute_mut("namespace") {
        Some(mut attribute) => {
            let decor = hcl_edit::Decorate::decor(attribute.value_mut()).clone();
            *attribute.value_mut() = hcl_edit::Decorate::decorated(value, decor);
        }
        None => {
            let ident = hcl_edit::Ident::new("namespace");
            body.push(Attribute::new(ident, value));
        }
    }
    Ok(body.to_string())
}

fn read(path: &Path, text: &str) -> Result<Body, Failure> {
    parse_body(text).map_err(|error| {
        let at = error.location();
        let place = format!("{}:{}:{}", path.display(), at.line(), at.column());
        Failure::invalid(format!("{place}: {}", error.message()))
    })
}

fn string(path: &Path, line: usize, attribute: &Attribute) -> Result<String, Failure> {
    attribute
        .value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| wrong_type(path, line, attribute, "a text in double quotes"))
}

fn wrong_type(path: &Path, line: usize, attribute: &Attribute, want: &str) -> Failure {
    let key = attribute.key.as_str();
    Failure::invalid(format!("{}:{line}: `{key}` must be {want}", path.display()))
}

fn unknown(path: &Path, line: usize, key: &str) -> Failure {
    let keys: Vec<&str> = KEYS.iter().map(|(key, _, _)| *key).collect();
    let near = nearest(key, keys.iter().copied());
    let failure = Failure::invalid(format!("{}:{line}: unknown key `{key}`", path.display()));
    let next = format!("the keys are {}", keys.join(", "));
    failure.next(next).nearest(near)
}

fn line_of(text: &str, span: Option<std::ops::Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// The keys, for `gofer help environment`.
pub(crate) fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().map(|(key, _, meaning)| (*key, *meaning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> &'static Path {
        Path::new("/c.hcl")
    }

    #[track_caller]
    fn refused(text: &str, message: &str) -> Failure {
        let failure = parse(path(), text).unwrap_err();
        assert_eq!(failure.detail().message, message);
        failure
    }

    #[test]
    fn all_keys_are_read() {
        let text =
            "namespace = \"team\"\nhost = \"https://h:1\"\nca_cert = \"/c\"\nno_color = true\n";
        let file = parse(path(), text).unwrap();
        assert_eq!(file.namespace.as_deref(), Some("team"));
        assert_eq!(file.host.as_deref(), Some("https://h:1"));
        assert!(file.no_color);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_key() {
        let failure = refused("# mine\n\nnamspace = \"x\"\n", "/c.hcl:3: unknown key `namspace`");
        assert_eq!(failure.detail().nearest, ["namespace"]);
        refused("a_block {\n}\n", "/c.hcl:1: unknown key `a_block`");
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_place() {
        refused("namespace = 3\n", "/c.hcl:1: `namespace` must be a text in double quotes");
        refused("\nno_color = \"x\"\n", "/c.hcl:2: `no_color` must be true or false");
    }

    #[test]
    fn what_is_not_hcl_is_refused_with_its_place() {
        let failure = parse(path(), "namespace = \n").unwrap_err();
        assert!(failure.detail().message.starts_with("/c.hcl:1:"), "{failure:?}");
    }

    #[test]
    fn comments_stay_when_a_key_is_written() {
        let text = "# mine\nnamespace = \"old\" # why\nhost = \"https://h:1\"\n";
        let new = with_namespace(path(), text, "fresh").unwrap();
        assert_eq!(new, text.replace("old", "fresh"));
        let added = with_namespace(path(), "# mine\n", "fresh").unwrap();
        assert!(added.contains("# mine") && added.contains("namespace = \"fresh\""), "{added}");
        assert_eq!(parse(path(), &added).unwrap().namespace.as_deref(), Some("fresh"));
    }
}
