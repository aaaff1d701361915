//! Places in the author's source text. Every builder call that a fault may point at is marked
//! `#[track_caller]` and asks [`here`] before it does anything else.

use std::panic::Location;

use gofer_proto::sdk::v1 as pb;

/// The place of the builder call that is being made: the file as the compiler names it, which for
/// cargo is relative to the project or its workspace.
#[track_caller]
pub(crate) fn here() -> pb::Source {
    let location = Location::caller();
    pb::Source {
        file: location.file().to_owned(),
        line: location.line(),
        column: Some(location.column()),
        end_line: None,
    }
}

/// The place as editors read it, `file:line:column`.
pub(crate) fn shown(place: &pb::Source) -> String {
    let file = crate::text::printable(&place.file);
    match place.column {
        Some(column) => format!("{file}:{}:{column}", place.line),
        None => format!("{file}:{}", place.line),
    }
}
