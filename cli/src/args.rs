//! The root of the command line: the flags that every command takes.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

use crate::commands::Command;
use crate::look::TimeStyle;

/// Run short-lived jobs as containers.
///
/// Write a pipeline in a real programming language, `gofer up` it, and run it by hand or have it run.
///
/// Example:
///   gofer up ./my_pipeline
///   gofer run start simple --follow
///
/// `gofer help exit-codes`, `json`, `environment` and `refs` tell what scripts need.
#[derive(Debug, Parser)]
#[command(
    name = "gofer",
    version,
    disable_version_flag = true,
    disable_help_subcommand = true,
    propagate_version = false,
    max_term_width = 100,
    verbatim_doc_comment
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    /// Print the version of this binary
    #[arg(short = 'V', visible_short_alias = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that users type")]
pub(crate) struct Global {
    /// The namespace to work in
    #[arg(short, long, global = true, value_name = "ID")]
    pub(crate) namespace: Option<String>,
    /// How to print what was asked for
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
    /// Print only ids, one on a line
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Address of the server
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) host: Option<String>,
    /// Certificate authority of the server, a PEM file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
    /// Whether to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
    /// No colours, the same as `--color never`
    #[arg(long, global = true, hide = true)]
    pub(crate) no_color: bool,
    /// How to print times; on a terminal `relative`, else `utc`
    #[arg(long, global = true, value_enum, value_name = "STYLE")]
    pub(crate) time: Option<TimeStyle>,
    /// Never ask; fail where a question would be needed
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
    /// Answer yes to every question
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Settings file of the command line
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For people, with more columns and full times
    Wide,
    /// One JSON document
    Json,
    /// One JSON document on each line
    Jsonl,
    /// One YAML document
    Yaml,
    /// References only, one on a line
    Name,
    /// The exact bytes; logs only
    Raw,
}

impl Format {
    /// Whether a program reads the output, and errors too.
    pub(crate) fn is_machine(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl)
    }
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Also into files and pipes
    Always,
    /// Not at all
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_finds_no_fault_in_the_commands() {
        Cli::command().debug_assert();
    }

    /// The help of a command and of everything below it.
    fn collect(command: &mut clap::Command, path: &str, texts: &mut String) {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        let help = command.render_long_help().to_string();
        texts.push_str(&format!("######## {path} --help\n{help}\n"));
        for sub in command.get_subcommands_mut() {
            collect(sub, &path, texts);
        }
    }

    #[test]
    fn every_help_text_is_as_reviewed() {
        let mut command = Cli::command().term_width(90);
        command.build();
        let mut texts = String::new();
        collect(&mut command, "", &mut texts);
        insta::assert_snapshot!("help", texts);
    }
}
