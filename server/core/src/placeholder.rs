//! Placeholders: the places in a value where the content of a secret or an object goes in when the
//! task starts. Validation parses them so that a slip is a fault of the pipeline and not of its
//! hundredth run; the engine resolves them through [`Resolver`] and hands the result to the driver
//! only. A resolved value must never be stored, logged or sent through the API.
//!
//! ```text
//!  value  = { text | word "{{" key "}}" }
//!  word   = pipeline_secret | global_secret | secret | pipeline_object | run_object
//! ```
//!
//! The word is all letters, digits and underscores directly before the `{{`. A `{{` with no word
//! before it is text, so that `${{ x }}` and the like pass. There is no escape.

use std::fmt;

use crate::ids::RunKey;
use crate::pipeline::{characters, unfit};
use crate::problem::nearest;

/// Shortest key of a secret or object, in characters.
pub const KEY_CHARS_MIN: usize = 3;
/// Longest key of a secret or object, in characters.
pub const KEY_CHARS_MAX: usize = 256;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlaceholderKind {
    /// A secret of the pipeline.
    PipelineSecret,
    /// A global secret that the namespace may read.
    GlobalSecret,
    /// The pipeline's secret of that key; where there is none, the global one.
    Secret,
    /// An object of the pipeline.
    PipelineObject,
    /// An object of the run.
    RunObject,
}

impl PlaceholderKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::PipelineSecret,
        Self::GlobalSecret,
        Self::Secret,
        Self::PipelineObject,
        Self::RunObject,
    ];

    /// The word before the `{{`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PipelineSecret => "pipeline_secret",
            Self::GlobalSecret => "global_secret",
            Self::Secret => "secret",
            Self::PipelineObject => "pipeline_object",
            Self::RunObject => "run_object",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for PlaceholderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A part of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that stays as it is; never empty.
    Text(String),
    /// Text to come.
    Placeholder {
        /// What it stands for.
        kind: PlaceholderKind,
        /// The key of the secret or object.
        key: String,
    },
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Placeholder { kind, key } => write!(f, "{kind}{OPEN}{key}{CLOSE}"),
        }
    }
}

/// Writes the pieces as the value that they were parsed from.
#[must_use]
pub fn render(pieces: &[Piece]) -> String {
    pieces.iter().map(Piece::to_string).collect()
}

/// What is wrong with a placeholder. `at` is the byte in the value where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceholderFault {
    /// The word before the `{{` is none of the known ones.
    Unknown {
        /// Where it begins.
        at: usize,
        /// The word.
        word: String,
    },
    /// The `}}` is missing.
    Unterminated {
        /// Where it begins.
        at: usize,
        /// What it stands for.
        kind: PlaceholderKind,
    },
    /// The key breaks the rules of keys.
    BadKey {
        /// Where it begins.
        at: usize,
        /// What it stands for.
        kind: PlaceholderKind,
        /// The broken rule.
        rule: String,
    },
}

impl PlaceholderFault {
    /// What the author can do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Unknown { word, .. } => {
                let words = PlaceholderKind::ALL.map(PlaceholderKind::word);
                Some(nearest(&start_of(word), words).first().map_or_else(
                    || format!("the placeholders are {}", words.join(", ")),
                    |word| format!("did you mean `{word}`?"),
                ))
            }
            Self::Unterminated { kind, .. } => Some(format!("write `{kind}{OPEN}key{CLOSE}`")),
            Self::BadKey { .. } => None,
        }
    }
}

impl fmt::Display for PlaceholderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { at, word } => {
                let word = start_of(word);
                write!(f, "there is no placeholder `{word}{OPEN}…{CLOSE}` (byte {at} of the value)")
            }
            Self::Unterminated { at, kind } => {
                write!(
                    f,
                    "the placeholder `{kind}{OPEN}` has no `{CLOSE}` (byte {at} of the value)"
                )
            }
            Self::BadKey { at, kind, rule } => {
                write!(f, "the placeholder `{kind}{OPEN}…{CLOSE}` (byte {at} of the value): {rule}")
            }
        }
    }
}

/// As much of a foreign text as a message repeats.
fn start_of(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 64;
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// Says whether `key` may name a secret or an object: 3 to 256 letters, digits, underscores, dots,
/// hyphens and slashes.
///
/// # Errors
/// The broken rule as a sentence, with every offending character.
pub fn check_key(key: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    if let Some(odd) = unfit(key, fits) {
        return Err(format!(
            "key `{}` holds {odd}; only letters, digits and `_`, `.`, `-`, `/` are allowed",
            start_of(key).escape_debug()
        ));
    }
    let n_chars = key.len();
    if (KEY_CHARS_MIN..=KEY_CHARS_MAX).contains(&n_chars) {
        return Ok(());
    }
    Err(format!(
        "key `{}` has {}; {KEY_CHARS_MIN} to {KEY_CHARS_MAX} are allowed",
        start_of(key),
        characters(n_chars)
    ))
}

/// Splits a value into text and placeholders. [`render`] gives the value back.
///
/// # Errors
/// Every fault in the value, in its order.
pub fn parse(value: &str) -> Result<Vec<Piece>, Vec<PlaceholderFault>> {
    let mut pieces = Pieces::default();
    let mut faults = Vec::new();
    let mut base = 0;
    let mut rest = value;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let word = last_word(before);
        if word.is_empty() {
            pieces.text(before);
            pieces.text(OPEN);
            base += before.len() + OPEN.len();
            rest = after;
            continue;
        }
        let at = base + before.len() - word.len();
        pieces.text(before.strip_suffix(word).unwrap_or(before));
        let read = read_key(at, word, after);
        rest = after.get(read.n_bytes..).unwrap_or_default();
        base += before.len() + OPEN.len() + read.n_bytes;
        match read.piece {
            Ok(piece) => pieces.list.push(piece),
            Err(fault) => faults.push(fault),
        }
    }
    pieces.text(rest);
    if faults.is_empty() { Ok(pieces.list) } else { Err(faults) }
}

/// The letters, digits and underscores at the end of a text. Letters of every script count: a
/// misspelt word must be a fault and not silently text.
fn last_word(text: &str) -> &str {
    let end = text.char_indices().rev().find(|(_, c)| !c.is_alphanumeric() && *c != '_');
    end.map_or(text, |(at, c)| text.get(at + c.len_utf8()..).unwrap_or_default())
}

/// A placeholder that was read, and how many bytes after the `{{` it took.
struct Read {
    piece: Result<Piece, PlaceholderFault>,
    n_bytes: usize,
}

/// Reads a placeholder of which `word` stood before the `{{` and `after` stands behind it.
fn read_key(at: usize, word: &str, after: &str) -> Read {
    let Some(kind) = PlaceholderKind::from_word(word) else {
        // What follows is read as text again: it may hold further placeholders.
        return Read {
            piece: Err(PlaceholderFault::Unknown { at, word: word.to_owned() }),
            n_bytes: 0,
        };
    };
    // A `}}` beyond the next `{{` belongs to a later placeholder. Looking no further also keeps the
    // reading of a hostile value linear.
    let own = after.split_once(OPEN).map_or(after, |(own, _)| own);
    let Some((key, _)) = own.split_once(CLOSE) else {
        return Read { piece: Err(PlaceholderFault::Unterminated { at, kind }), n_bytes: 0 };
    };
    let piece = check_key(key)
        .map(|()| Piece::Placeholder { kind, key: key.to_owned() })
        .map_err(|rule| PlaceholderFault::BadKey { at, kind, rule });
    Read { piece, n_bytes: key.len() + CLOSE.len() }
}

/// Pieces in the making: neighbouring texts become one, empty ones none.
#[derive(Default)]
struct Pieces {
    list: Vec<Piece>,
}

impl Pieces {
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Piece::Text(last)) = self.list.last_mut() {
            last.push_str(text);
        } else {
            self.list.push(Piece::Text(text.to_owned()));
        }
    }
}

/// A value with the content of secrets or objects in it. `Debug` never shows it and there is no
/// `Display`: whoever needs the text says so with [`Resolved::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Resolved(String);

impl Resolved {
    /// Hides a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolved(hidden)")
    }
}

/// A placeholder for which there is no content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved {
    /// What it stands for.
    pub kind: PlaceholderKind,
    /// The key that does not exist.
    pub key: String,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}` does not exist", self.kind, self.key)
    }
}

impl std::error::Error for Unresolved {}

/// Finds what placeholders stand for: the one door to secrets and objects when a task starts.
pub trait Resolver: Send + Sync + fmt::Debug {
    /// The content of the secret or object `key`, as a task of `run` may see it.
    ///
    /// # Errors
    /// [`Unresolved`] when there is no such key, or none that this run may read.
    fn resolve(
        &self,
        run: &RunKey,
        kind: PlaceholderKind,
        key: &str,
    ) -> Result<Resolved, Unresolved>;
}

/// A server without secret and object stores: no key exists.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStores;

impl Resolver for NoStores {
    fn resolve(
        &self,
        _run: &RunKey,
        kind: PlaceholderKind,
        key: &str,
    ) -> Result<Resolved, Unresolved> {
        Err(Unresolved { kind, key: key.to_owned() })
    }
}

/// Puts the content of all placeholders in place.
///
/// # Errors
/// Every placeholder without content, each once, in the order of the value.
pub fn resolve_all(
    pieces: &[Piece],
    run: &RunKey,
    resolver: &dyn Resolver,
) -> Result<Resolved, Vec<Unresolved>> {
    let mut text = String::new();
    let mut missing: Vec<Unresolved> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Placeholder { kind, key } => match resolver.resolve(run, *kind, key) {
                Ok(content) => text.push_str(content.expose()),
                Err(unresolved) if missing.contains(&unresolved) => {}
                Err(unresolved) => missing.push(unresolved),
            },
        }
    }
    if missing.is_empty() { Ok(Resolved(text)) } else { Err(missing) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{NamespaceId, PipelineId, PipelineKey};

    /// Compares pieces written as `text` and `<kind key>`, or the faults line by line.
    #[track_caller]
    fn check(value: &str, want: Result<&[&str], &[&str]>) {
        let got = parse(value)
            .map(|pieces| {
                let line = |piece: &Piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Placeholder { kind, key } => format!("<{kind} {key}>"),
                };
                pieces.iter().map(line).collect::<Vec<_>>()
            })
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>());
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{value:?}"),
            (Err(got), Err(want)) => {
                assert_eq!(got.len(), want.len(), "{value:?}: {got:?}");
                for (got, want) in got.iter().zip(want) {
                    assert!(got.contains(want), "{value:?}: {got:?} lacks {want:?}");
                }
            }
            (got, want) => panic!("{value:?}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn placeholders_stand_anywhere_and_any_number_of_times() {
        check("", Ok(&[]));
        check("plain", Ok(&["plain"]));
        check("secret{{key}}", Ok(&["<secret key>"]));
        check(
            "a pipeline_secret{{a.b-c/d}}global_secret{{xyz}} z",
            Ok(&["a ", "<pipeline_secret a.b-c/d>", "<global_secret xyz>", " z"]),
        );
        check(
            "https://u:run_object{{key}}@h/pipeline_object{{key}}",
            Ok(&["https://u:", "<run_object key>", "@h/", "<pipeline_object key>"]),
        );
        check("secret{{key}}}", Ok(&["<secret key>", "}"]));
        check("my-secret{{key}}", Ok(&["my-", "<secret key>"]));
    }

    #[test]
    fn braces_without_a_word_before_them_are_text() {
        check("{{x}}", Ok(&["{{x}}"]));
        check("${{ github.ref }} {{", Ok(&["${{ github.ref }} {{"]));
        check("{{secret{{key}}", Ok(&["{{", "<secret key>"]));
        check("secret {{key}} }}", Ok(&["secret {{key}} }}"]));
        check("{{{{{", Ok(&["{{{{{"]));
    }

    #[test]
    fn slips_are_faults() {
        check("foo{{x}}", Err(&["no placeholder `foo{{…}}` (byte 0"]));
        check("ä secrets{{key}}", Err(&["no placeholder `secrets{{…}}` (byte 3"]));
        check("my_secret{{key}}", Err(&["no placeholder `my_secret{{…}}`"]));
        check("geheimniß{{key}}", Err(&["no placeholder `geheimniß{{…}}`"]));
        check("secret{{key", Err(&["`secret{{` has no `}}` (byte 0"]));
        check("secret{{key secret{{abc}}", Err(&["`secret{{` has no `}}` (byte 0"]));
        check("secret{{}}", Err(&["key `` has 0 characters"]));
        check("secret{{ab}}", Err(&["key `ab` has 2 characters; 3 to 256"]));
        check("secret{{ key }}", Err(&["the character ' '"]));
        check(&format!("secret{{{{{}}}}}", "x".repeat(257)), Err(&["has 257 characters"]));
        check("foo{{secret{{ke}}bar{{", Err(&["`foo{{", "key `ke`", "`bar{{"]));
    }

    #[test]
    fn an_unknown_word_offers_the_nearest() {
        let faults = parse("secrets{{key}}").unwrap_err();
        assert_eq!(faults[0].help().as_deref(), Some("did you mean `secret`?"));
        let faults = parse("zzzzzzzzzzzz{{key}}").unwrap_err();
        assert!(faults[0].help().unwrap().contains("pipeline_secret, global_secret, secret"));
    }

    /// Knows one key, the one named `known`.
    #[derive(Debug)]
    struct OneKey;

    impl Resolver for OneKey {
        fn resolve(
            &self,
            _: &RunKey,
            kind: PlaceholderKind,
            key: &str,
        ) -> Result<Resolved, Unresolved> {
            if key == "known" {
                return Ok(Resolved::new("hunter2".into()));
            }
            Err(Unresolved { kind, key: key.to_owned() })
        }
    }

    fn run_key() -> RunKey {
        let namespace = NamespaceId::parse("default").unwrap();
        let pipeline = PipelineId::parse("simple").unwrap();
        RunKey { pipeline: PipelineKey { namespace, pipeline }, run: 1 }
    }

    #[test]
    fn resolving_names_every_missing_key_once_and_hides_what_it_found() {
        let pieces = parse("a secret{{known}} b").unwrap();
        let resolved = resolve_all(&pieces, &run_key(), &OneKey).unwrap();
        assert_eq!(resolved.expose(), "a hunter2 b");
        assert!(!format!("{resolved:?}").contains("hunter2"));

        let pieces =
            parse("pipeline_secret{{deploy_key}} secret{{known}} pipeline_secret{{deploy_key}}");
        let missing = resolve_all(&pieces.unwrap(), &run_key(), &OneKey).unwrap_err();
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(missing, ["pipeline_secret `deploy_key` does not exist"]);
    }

    #[test]
    fn without_stores_text_resolves_and_nothing_else() {
        let text = parse("plain").unwrap();
        assert_eq!(resolve_all(&text, &run_key(), &NoStores).unwrap().expose(), "plain");
        let known = parse("run_object{{known}}").unwrap();
        assert!(resolve_all(&known, &run_key(), &NoStores).is_err());
    }

    proptest! {
        #[test]
        fn parse_and_render_give_the_value_back(
            value in "(secret|run_object|pipeline_secret|[a-zß]|\\{\\{|\\}\\}|key|[ .\\PC]){0,12}",
        ) {
            if let Ok(pieces) = parse(&value) {
                prop_assert_eq!(render(&pieces), value);
            }
        }

        #[test]
        fn every_fault_points_at_its_word(value in "(secret|foo|\\{\\{|\\}\\}|key| |é){0,12}") {
            for fault in parse(&value).err().unwrap_or_default() {
                let (at, word) = match &fault {
                    PlaceholderFault::Unknown { at, word } => (*at, word.as_str()),
                    PlaceholderFault::Unterminated { at, kind } => (*at, kind.word()),
                    PlaceholderFault::BadKey { at, kind, .. } => (*at, kind.word()),
                };
                prop_assert!(value[at..].starts_with(&format!("{word}{{{{")), "{value:?}: {fault:?}");
            }
        }
    }
}
