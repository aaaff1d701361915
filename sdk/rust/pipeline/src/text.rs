//! Text of the author's, made fit for a fault or a plan. Both are printed on terminals, so that a
//! name must neither move the cursor nor fill the screen.

/// Longest part of a foreign text that a sentence repeats, in characters.
const SHOWN_CHARS_MAX: usize = 64;
/// Most characters that a message lists as unfit.
const UNFIT_SHOWN_MAX: usize = 8;
/// Most characters of a name that is compared with others: no id is longer than half of it, and the
/// comparison takes the square of it.
const COMPARED_CHARS_MAX: usize = 64;

/// Whether a terminal would act on the character instead of showing it: control characters, line
/// and paragraph separators, and the marks that turn the direction of writing.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with every hidden character written as an escape.
pub(crate) fn printable(text: &str) -> String {
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

/// The name nearest to `wanted`, if any is near enough to be meant; of equals the first.
pub(crate) fn nearest<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let n_wanted = wanted.chars().count();
    if n_wanted > COMPARED_CHARS_MAX {
        return None;
    }
    let limit = n_wanted / 3 + 1;
    names
        .into_iter()
        .filter(|name| name.chars().count() <= COMPARED_CHARS_MAX)
        .map(|name| (distance(wanted, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Edit distance (Levenshtein), in characters.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (at, ca) in a.chars().enumerate() {
        let mut left = at + 1;
        let mut next = vec![left];
        for (cb, pair) in b.chars().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(ca != cb)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_shows_no_terminal_codes_and_no_endless_text() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(shorten(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(quote(&"é".repeat(65)), format!("`{}…`", "é".repeat(64)));
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
    fn only_near_names_are_offered() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("biuld", ["deploy", "build", "built"]), Some("build"));
        assert_eq!(nearest("xyz", ["build"]), None);
        assert_eq!(nearest(&"x".repeat(65), ["x"]), None);
    }
}
