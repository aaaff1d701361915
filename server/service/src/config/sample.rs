//! A settings file to begin with: every key with its meaning and its default, all as comments, so
//! that the file changes nothing until a line of it is used.

use std::fmt::Write as _;

use super::keys::{KEYS, Key, Kind};

/// The text of the sample.
#[must_use]
pub fn sample() -> String {
    let mut text = String::from(
        "// Settings of the Gofer server. Each key can be given as a variable too, which is stronger:\n\
         // GOFER_, the key in capitals, two underscores for each block (GOFER_SCHEDULER__ENGINE).\n\
         // The file is found by GOFER_CONFIG_PATH, else at /etc/gofer/gofer.hcl.\n",
    );
    let mut block = "";
    for key in KEYS {
        let (of, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if of != block {
            if !block.is_empty() {
                text.push_str("// }\n");
            }
            write_line(&mut text, format_args!("\n// {of} {{"));
            block = of;
        }
        let indent = if of.is_empty() { "" } else { "  " };
        write_line(&mut text, format_args!("{indent}// {}", key.help));
        write_line(&mut text, format_args!("//{indent} {name} = {}", shown(key)));
    }
    if !block.is_empty() {
        text.push_str("// }\n");
    }
    text
}

/// The default as it would stand in the file.
fn shown(key: &Key) -> String {
    match key.kind {
        Kind::Number => key.default.to_owned(),
        Kind::Text | Kind::Duration | Kind::Choice(_) => format!("\"{}\"", key.default),
    }
}

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_shows_every_key_and_is_a_settings_file_once_its_lines_are_used() {
        let sample = sample();
        insta::assert_snapshot!(sample);
        let is_setting = |line: &&str| {
            let line = line.trim_start_matches("//").trim();
            line.contains(" = ") || line.ends_with('{') || line == "}"
        };
        let used: Vec<&str> =
            sample.lines().filter(is_setting).map(|line| line.trim_start_matches("//")).collect();
        let body = hcl_edit::parser::parse_body(&used.join("\n")).unwrap();
        assert!(body.has_blocks("scheduler") && body.has_attribute("log_level"), "{used:?}");
    }
}
