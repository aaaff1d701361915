//! The text of a script as the author meant it: a literal within a program is indented with it, and
//! that indentation is not part of the script. A `#!` must stand in the very first column.

/// The script without the indentation of the program around it. Only a text that opens with a line
/// break is such a literal; any other text is given back as it is.
pub(crate) fn unindent(text: &str) -> String {
    let Some(body) = text.strip_prefix('\n').or_else(|| text.strip_prefix("\r\n")) else {
        return text.to_owned();
    };
    let is_blank = |line: &&str| line.trim().is_empty();
    let indents = body.lines().filter(|line| !is_blank(line)).map(indent);
    let shared = indents.reduce(shared_start).unwrap_or_default();
    let lines: Vec<&str> = body
        .lines()
        .map(|line| if is_blank(&line) { "" } else { line.strip_prefix(shared).unwrap_or(line) })
        .collect();
    let script = lines.join("\n");
    match script.trim_end() {
        "" => String::new(),
        script => format!("{script}\n"),
    }
}

/// The blanks before the first word of a line.
fn indent(line: &str) -> &str {
    let end = line.find(|c| c != ' ' && c != '\t').unwrap_or(line.len());
    line.get(..end).unwrap_or_default()
}

/// The longest start that both have. Both are spaces and tabs only, one byte each.
fn shared_start<'a>(a: &'a str, b: &'a str) -> &'a str {
    let n_same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    a.get(..n_same).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(unindent(text), want, "{text:?}");
    }

    #[test]
    fn a_literal_loses_the_indentation_of_its_program() {
        check(
            "\n    #!/bin/sh\n    if x; then\n      y\n\n    fi\n    ",
            "#!/bin/sh\nif x; then\n  y\n\nfi\n",
        );
        check("\n\ta\n\t\tb", "a\n\tb\n");
        check("\n\ta\n    b\n", "\ta\n    b\n");
        check("\r\n  a\r\n  b\r\n", "a\nb\n");
        check("\n  \n ", "");
    }

    #[test]
    fn any_other_text_stays_as_it_is() {
        check("", "");
        check("  echo a\n\n   echo b  \n\n", "  echo a\n\n   echo b  \n\n");
    }
}
