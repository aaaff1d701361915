//! An error for people: what failed, every broken rule with its place, what to do next.

use crate::exit::Exit;
use crate::failure::Detail;
use crate::look::{Look, Tone};

pub(crate) fn text(detail: &Detail, look: &Look) -> String {
    let mut text = format!("{} {}", look.paint(Tone::Bad, "✗"), detail.message);
    for violation in &detail.violations {
        let code = violation.code.as_ref().map(|code| format!("{code} ")).unwrap_or_default();
        let field = look.paint(Tone::Id, &violation.field);
        text.push_str(&format!("\n  {code}{field}: {}", violation.rule));
        if let Some(source) = &violation.source {
            text.push_str(&format!("\n    --> {source}"));
        }
    }
    if let [first, rest @ ..] = detail.nearest.as_slice() {
        text.push_str(&format!("\n  did you mean `{first}`"));
        rest.iter().for_each(|name| text.push_str(&format!(" or `{name}`")));
        text.push('?');
    }
    if let Some(next) = &detail.next {
        text.push_str(&format!("\n  {}: {next}", look.paint(Tone::Head, "next")));
    }
    if let Some(ms) = detail.retry_after_ms {
        text.push_str(&format!("\n  a retry may help in {}", crate::look::duration(ms)));
    }
    match (&detail.error_id, detail.exit) {
        (Some(id), _) => text.push_str(&format!("\n  report this id: {id}")),
        (None, Exit::Internal) => text.push_str("\n  this is a fault of Gofer; please report it"),
        (None, _) => {} // the user can act on every other kind
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, Violation};

    #[test]
    fn an_error_says_what_where_and_what_next() {
        let violation = Violation {
            field: "tasks[deploy].depends_on".into(),
            rule: "task `biuld` does not exist".into(),
            code: Some("G0103".into()),
            source: Some("src/main.rs:14:10".into()),
        };
        let failure = Failure::invalid("pipeline `simple` has 1 fault")
            .violations(vec![violation])
            .nearest(vec!["build".into(), "builds".into()])
            .next("fix it");
        insta::assert_snapshot!(text(failure.detail(), &Look::terminal()), @r"
        ✗ pipeline `simple` has 1 fault
          G0103 tasks[deploy].depends_on: task `biuld` does not exist
            --> src/main.rs:14:10
          did you mean `build` or `builds`?
          next: fix it
        ");
    }
}
