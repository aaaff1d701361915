//! Tables. On a terminal: no border, a blue header with a rule below it, the first column yellow. Into
//! a pipe: tab-separated, no header, nothing cut.

use unicode_width::UnicodeWidthStr;

use super::Noun;
use crate::look::{Look, Tone};

/// One field of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Plain)
    }

    pub(crate) fn id(text: impl std::fmt::Display) -> Self {
        Self::new(format!("{text}"), Tone::Id)
    }
}

/// The table of some things.
pub(crate) fn of<T: Noun>(items: &[T], look: &Look) -> String {
    let mut header = T::HEADER.to_vec();
    if look.wide {
        header.extend(T::HEADER_WIDE);
    }
    let rows: Vec<Vec<Cell>> = items.iter().map(|item| item.row(look)).collect();
    render(&header, &rows, look)
}

/// A table from its parts.
pub(crate) fn render(header: &[&str], rows: &[Vec<Cell>], look: &Look) -> String {
    if !look.tty {
        return separated(rows);
    }
    if rows.is_empty() {
        return format!("{}\n", look.paint(Tone::Dim, "none"));
    }
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.width());
            let head = header.get(column).map_or(0, |text| text.width());
            cells.chain([head]).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    let head: Vec<Cell> = header.iter().map(|word| Cell::new(*word, Tone::Head)).collect();
    let rule: Vec<Cell> = widths.iter().map(|w| Cell::new("―".repeat(*w), Tone::Head)).collect();
    for row in [&head, &rule].into_iter().chain(rows) {
        text.push_str(&line(row, &widths, look));
        text.push('\n');
    }
    text
}

fn line(row: &[Cell], widths: &[usize], look: &Look) -> String {
    let mut text = String::new();
    for (cell, width) in row.iter().zip(widths) {
        text.push_str(&look.paint(cell.tone, &cell.text));
        text.push_str(&" ".repeat(width.saturating_sub(cell.text.width()) + 2));
    }
    text.trim_end().to_owned()
}

fn separated(rows: &[Vec<Cell>]) -> String {
    let mut text = String::new();
    for row in rows {
        // A tab or a newline inside a field would make another table of it.
        let fields: Vec<String> =
            row.iter().map(|cell| cell.text.replace(['\t', '\n', '\r'], " ")).collect();
        text.push_str(&fields.join("\t"));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        vec![vec![Cell::id("a"), Cell::plain("x\ty")], vec![Cell::id("bébé"), Cell::plain("z")]]
    }

    #[test]
    fn people_get_columns() {
        let text = render(&["ID", "Name"], &rows(), &Look::terminal());
        assert_eq!(text, "ID    Name\n――――  ――――\na     x\ty\nbébé  z\n");
        assert_eq!(render(&["ID"], &[], &Look::terminal()), "none\n");
    }

    #[test]
    fn programs_get_tabs_and_no_header() {
        assert_eq!(render(&["ID", "Name"], &rows(), &Look::pipe()), "a\tx y\nbébé\tz\n");
        assert_eq!(render(&["ID"], &[], &Look::pipe()), "");
    }

    #[test]
    fn colour_does_not_move_columns() {
        let look = Look { color: true, ..Look::terminal() };
        let text = render(&["ID", "Name"], &rows(), &look);
        assert!(text.contains("\u{1b}[33mbébé\u{1b}[0m  z"), "{text:?}");
    }
}
