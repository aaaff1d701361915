//! An error for people: what failed, every broken rule with its place, what to do next.

use crate::exit::Exit;
use crate::failure::{Detail, Violation};
use crate::look::{Look, Tone};

pub(crate) fn text(detail: &Detail, look: &Look) -> String {
    let mut text = format!("{} {}", look.paint(Tone::Bad, "✗"), detail.message);
    for violation in &detail.violations {
        text.push_str(&rule(violation, detail, look));
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

/// One broken rule. Where the message has said it in the same words, only what it adds.
fn rule(violation: &Violation, detail: &Detail, look: &Look) -> String {
    let mut head: Vec<String> = violation.code.iter().cloned().collect();
    head.push(look.paint(Tone::Id, &violation.field));
    let (said, rest) = said_already(&detail.message, &violation.rule);
    let mut text = match (said, &violation.code) {
        (false, _) => format!("\n  {}: {}", head.join(" "), violation.rule),
        (true, Some(_)) => format!("\n  {}", head.join(" ")),
        (true, None) => String::new(),
    };
    for help in violation.help.as_deref().into_iter().chain(rest) {
        text.push_str(&format!("\n    {}: {help}", look.paint(Tone::Head, "help")));
    }
    if let Some(source) = &violation.source {
        text.push_str(&format!("\n    --> {source}"));
    }
    text
}

/// Whether a message has said a rule, and what the rule goes on with: the server ends it with its help.
fn said_already<'a>(message: &str, rule: &'a str) -> (bool, Option<&'a str>) {
    if message.contains(rule) {
        return (true, None);
    }
    let mut parts = rule.match_indices("; ").filter_map(|(at, _)| rule.split_at_checked(at));
    match parts.find(|(first, _)| message.ends_with(first)) {
        Some((_, rest)) => (true, rest.strip_prefix("; ")),
        None => (false, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn an_error_says_what_where_and_what_next() {
        let violation = Violation {
            field: "tasks[deploy].depends_on".into(),
            rule: "task `biuld` does not exist".into(),
            help: None,
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
    #[test]
    fn a_sentence_is_said_once() {
        let sentence = "pipeline id `a-b` holds the character '-'";
        let violation = |rule: &str, code: Option<&str>| Violation {
            field: "id".into(),
            rule: rule.into(),
            help: None,
            code: code.map(str::to_owned),
            source: None,
        };
        let shown = |message: String, rule: &str, code| {
            let failure = Failure::invalid(message).violations(vec![violation(rule, code)]);
            text(failure.detail(), &Look::terminal())
        };
        assert_eq!(shown(sentence.to_owned(), sentence, None), format!("✗ {sentence}"));
        let message = format!("pipeline `a-b` has a fault: {sentence}");
        let with_code = shown(message.clone(), sentence, Some("G0101"));
        assert_eq!(with_code, format!("✗ {message}\n  G0101 id"));
        let with_help = shown(message.clone(), &format!("{sentence}; did you mean `a_b`?"), None);
        assert_eq!(with_help, format!("✗ {message}\n    help: did you mean `a_b`?"));
    }
}
