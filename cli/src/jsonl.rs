//! Streams for programs: one JSON object on each line. The first says what it is, who speaks and from
//! where; the last says why nothing more comes.

use serde::Serialize;

use crate::args::Format;
use crate::failure::Failure;
use crate::out::Out;

/// The first line of a stream.
#[derive(Debug, Serialize)]
struct First<'a> {
    schema: &'a str,
    server: &'a str,
    from: Option<String>,
}

/// The last line of a stream.
#[derive(Debug, Serialize)]
struct Last<'a> {
    end: &'a str,
    /// What to give to `--from` to go on, where that is possible.
    next: Option<String>,
}

/// Whether a stream goes to a program. One document cannot hold a stream, so those formats are refused.
pub(crate) fn is_wanted(out: &Out) -> Result<bool, Failure> {
    match out.format {
        Format::Jsonl => Ok(true),
        Format::Table | Format::Wide | Format::Name | Format::Raw => Ok(false),
        Format::Json | Format::Yaml => {
            Err(Failure::invalid("a stream has no end, so it cannot be one document")
                .next("take `-o jsonl`: one object on each line"))
        }
    }
}

pub(crate) fn first(
    out: &mut Out,
    schema: &str,
    server: &str,
    from: Option<String>,
) -> Result<(), Failure> {
    out.json_line(&First { schema, server, from })?;
    out.flush()
}

pub(crate) fn last(out: &mut Out, end: &str, next: Option<String>) -> Result<(), Failure> {
    out.json_line(&Last { end, next })?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::Look;
    use crate::out::capture;

    #[test]
    fn a_stream_says_what_it_is_and_why_it_ended() {
        let (mut out, data, _) = capture::out(Look::pipe(), Format::Jsonl);
        first(&mut out, "gofer.event/v1", "01J", Some("7".into())).unwrap();
        last(&mut out, "INTERRUPTED", Some("9".into())).unwrap();
        assert_eq!(
            data.text(),
            "{\"schema\":\"gofer.event/v1\",\"server\":\"01J\",\"from\":\"7\"}\n\
             {\"end\":\"INTERRUPTED\",\"next\":\"9\"}\n"
        );
    }

    #[test]
    fn a_stream_as_one_document_is_refused_and_names_what_works() {
        let (out, _, _) = capture::out(Look::pipe(), Format::Json);
        let failure = is_wanted(&out).unwrap_err();
        assert!(failure.detail().next.as_ref().unwrap().contains("jsonl"));
    }
}
