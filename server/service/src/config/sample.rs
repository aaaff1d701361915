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
            close(&mut text, block);
            write_line(&mut text, format_args!("\n// {of} {{"));
            block = of;
        }
        let indent = if of.is_empty() { "" } else { "  " };
        write_line(&mut text, format_args!("// {indent}# {} [{}]", key.help, key.default));
        write_line(&mut text, format_args!("// {indent}{name} = {}", shown(key)));
    }
    close(&mut text, block);
    text
}

/// Ends the block, where one is open.
fn close(text: &mut String, block: &str) {
    if !block.is_empty() {
        text.push_str("// }\n");
    }
}

/// The example as it would stand in the file.
fn shown(key: &Key) -> String {
    match key.kind {
        Kind::Number => key.example.to_owned(),
        Kind::Text | Kind::Duration | Kind::Choice(_) => format!("\"{}\"", key.example),
    }
}

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, file};

    #[test]
    fn the_sample_is_a_settings_file_as_it_stands_and_with_all_its_lines_used() {
        let sample = sample();
        insta::assert_snapshot!(sample);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gofer.hcl");
        std::fs::write(&path, &sample).unwrap();
        assert!(file::read(&path).unwrap().is_empty());
        // The first lines say what the file is; the slashes go from all others.
        let (_, settings) = sample.split_once("\n// #").unwrap();
        let used: Vec<&str> = settings.lines().map(|line| line.trim_start_matches("//")).collect();
        std::fs::write(&path, format!("#{}", used.join("\n"))).unwrap();
        let given = file::read(&path).unwrap();
        let paths: Vec<&str> = given.iter().map(|given| given.key.path).collect();
        assert_eq!(paths, KEYS.iter().map(|key| key.path).collect::<Vec<_>>());
        let mut config = Config::default();
        for given in &given {
            config.set(given).unwrap();
        }
    }
}
