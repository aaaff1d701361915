//! Events.

use gofer_client::model::Event;

use super::table::Cell;
use super::{Noun, words};
use crate::look::{Look, Tone};

impl Noun for Event {
    const SCHEMA: &'static str = "event";
    const HEADER: &'static [&'static str] = &["ID", "Time", "Kind", "What"];

    fn row(&self, look: &Look) -> Vec<Cell> {
        vec![
            Cell::id(self.seq),
            Cell::plain(look.time(self.time)),
            Cell::plain(words::word(self.kind.word(), look)),
            Cell::plain(&self.text),
        ]
    }

    fn name(&self) -> String {
        self.seq.to_string()
    }
}

/// `[id] time Kind In Words: detail`, or tab-separated.
pub(crate) fn line(event: &Event, look: &Look) -> String {
    if !look.tty {
        return super::table::render(&[], &[event.row(look)], look).trim_end().to_owned();
    }
    let seq = look.paint(Tone::Id, &event.seq.to_string());
    let kind = words::title(event.kind.word());
    format!("[{seq}] {} {kind}: {}", look.time(event.time), event.text)
}
