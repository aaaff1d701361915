//! Text from outside, made fit for a message. A fault is printed on terminals and in logs, so a
//! name in it must neither move the cursor nor fill the screen.

use std::fmt::Write as _;

/// Longest part of a foreign text that a message repeats, in characters.
const SHOWN_CHARS_MAX: usize = 64;
/// Most characters that a message lists as unfit.
const UNFIT_SHOWN_MAX: usize = 8;

/// Whether a terminal would act on the character instead of showing it: control characters, line
/// and paragraph separators, and the marks that turn the direction of writing.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with every hidden character written as an escape.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The start of a text that may be too long to print whole.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => printable(text),
        Some((end, _)) => printable(text.get(..end).unwrap_or_default()) + "…",
    }
}

/// The text in back quotes, shortened.
pub(crate) fn quote(text: &str) -> String {
    format!("`{}`", shorten(text))
}

/// The characters of a text that do not fit, each once, as the end of a sentence: `the character
/// '-'`, `the characters '-', ' '`; none where all fit.
pub(crate) fn unfit(text: &str, fits: impl Fn(char) -> bool) -> Option<String> {
    let mut odd: Vec<char> = Vec::new();
    let mut more = false;
    // Only so many are compared with each other: a hostile text may have a million.
    for c in text.chars().filter(|c| !fits(*c)) {
        match odd.len() {
            _ if odd.contains(&c) => {}
            UNFIT_SHOWN_MAX => more = true,
            _ => odd.push(c),
        }
    }
    let listed = odd.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(", ");
    match (odd.len(), more) {
        (0, _) => None,
        (1, false) => Some(format!("the character {listed}")),
        (_, false) => Some(format!("the characters {listed}")),
        (_, true) => Some(format!("the characters {listed} and others")),
    }
}

/// `1 character`, `2 characters`.
pub(crate) fn characters(n_chars: usize) -> String {
    if n_chars == 1 { "1 character".to_owned() } else { format!("{n_chars} characters") }
}

/// Names in the order of a walk, joined by arrows; the middle of a long walk is left out.
pub(super) fn arrows(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 16;
    let n_hidden = names.len().saturating_sub(SHOWN_MAX);
    let mut walk = String::new();
    for (at, name) in names.iter().enumerate() {
        // The last name closes the cycle, so it is always shown.
        let hidden = n_hidden > 0 && at >= SHOWN_MAX - 1 && at + 1 < names.len();
        if hidden && at == SHOWN_MAX - 1 {
            // Writing to a String cannot fail.
            write!(walk, " → … {n_hidden} more …").unwrap_or_default();
        }
        if !hidden {
            if at > 0 {
                walk.push_str(" → ");
            }
            walk.push_str(&shorten(name));
        }
    }
    walk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_no_terminal_codes_and_no_endless_text() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(shorten(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(shorten(&"é".repeat(65)), "é".repeat(64) + "…");
        assert_eq!(quote("x"), "`x`");
    }

    #[test]
    fn each_unfit_character_is_named_once() {
        let letters = |c: char| c.is_ascii_alphabetic();
        assert_eq!(unfit("abc", letters), None);
        assert_eq!(unfit("a-b-c", letters).unwrap(), "the character '-'");
        assert_eq!(unfit("a-b c\0", letters).unwrap(), "the characters '-', ' ', '\\0'");
        let many = unfit("0123456789", letters).unwrap();
        assert!(many.ends_with("'6', '7' and others"), "{many}");
        assert_eq!(characters(1) + &characters(0), "1 character0 characters");
    }

    #[test]
    fn a_long_walk_keeps_its_ends() {
        assert_eq!(arrows(&["a", "b", "a"]), "a → b → a");
        let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let walk = arrows(&names);
        assert!(walk.starts_with("0 → 1 → ") && walk.ends_with("14 → … 4 more … → 19"), "{walk}");
    }
}
