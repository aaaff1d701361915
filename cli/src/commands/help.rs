//! `gofer help`.

use clap::{Args, CommandFactory};
use gofer_core::problem::nearest;

use crate::args::Cli;
use crate::config_file;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};

/// Topics that are no commands.
const TOPICS: [&str; 4] = ["exit-codes", "json", "environment", "refs"];

/// Print help on a command, or on exit-codes, json, environment, refs.
///
/// Example: gofer help run start
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A topic, or the words of a command
    #[arg(value_name = "TOPIC")]
    words: Vec<String>,
}

impl Help {
    pub(crate) fn run(self, context: &mut Context) -> Done {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let text = match words.as_slice() {
            ["exit-codes"] => exit_codes(),
            ["json"] => JSON.to_owned(),
            ["environment"] => environment(),
            ["refs"] => REFS.to_owned(),
            words => command(words)?,
        };
        context.out.line(text.trim_end())?;
        Ok(Exit::Ok)
    }
}

fn command(words: &[&str]) -> Result<String, Failure> {
    let mut root = Cli::command();
    root.build();
    let mut found = &mut root;
    for word in words {
        let names: Vec<String> =
            found.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        let Some(sub) = found.find_subcommand_mut(word) else {
            let topics = TOPICS.iter().copied().filter(|_| words.len() == 1);
            let near = nearest(word, names.iter().map(String::as_str).chain(topics));
            return Err(Failure::not_found(format!("there is no help on `{}`", words.join(" ")))
                .nearest(near)
                .next("`gofer help` lists the commands"));
        };
        found = sub;
    }
    Ok(found.render_long_help().to_string())
}

fn exit_codes() -> String {
    let mut text = String::from("Exit codes. Never 1, never 101.\n\n");
    for exit in Exit::ALL {
        text.push_str(&format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
    }
    text.push_str(
        "\n`run wait`, `run watch`, `run start --wait` and `--follow` give the outcome of the run;\n\
         of several runs the worst. `--no-exit-status` turns that off.\n",
    );
    text
}

fn environment() -> String {
    let mut text = String::from(ENVIRONMENT);
    text.push_str("\nKeys of the settings file:\n\n");
    for (key, meaning) in config_file::keys() {
        text.push_str(&format!("  {key:<10}  {meaning}\n"));
    }
    text
}

const ENVIRONMENT: &str = "\
What the command line reads, the stronger first: flag, variable, settings file, default.

  GOFER_CLI_CONFIG     settings file; else ~/.gofer.hcl, then ~/.config/gofer.hcl
  GOFER_CLI_HOST       address of the server, https://127.0.0.1:8080
  GOFER_CLI_NAMESPACE  namespace to work in, default
  GOFER_CLI_CA_CERT    certificate authority of the server, a PEM file;
                       else tls/ca.pem in the server's data directory
  GOFER_CLI_NO_COLOR   never use colours
  GOFER_DATA_DIR       data directory of the server; else as root /var/lib/gofer,
                       else gofer in XDG_DATA_HOME or ~/.local/share
  NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM, TZ as everywhere
";

const JSON: &str = "\
`-o json` prints one document; a list is one document too; `-o jsonl` prints one on each line.

  one thing  {\"schema\":\"gofer.run/v1\", …}
  a list     {\"schema\":\"gofer.run.list/v1\",\"items\":[…],\"next\":null,\"total\":214}
  a stream   first line {\"schema\":…,\"server\":…,\"from\":…}, last line {\"end\":…,\"next\":…}
  an error   on standard error: {\"error\":{\"code\":…,\"exit_code\":…,\"message\":…, …}}

Every key is always there, `null` for none. Keys are in snake_case, enum words in upper case, times
in RFC 3339 in UTC with milliseconds, lengths of time whole milliseconds in keys ending in `_ms`,
bytes base64. `ref` can be pasted back as a reference. New keys may come at any time; anything else
only with a new schema name.

Schemas:

  gofer.namespace/v1   gofer.pipeline/v1    gofer.pipeline_config/v1  gofer.deployment/v1
  gofer.run/v1         gofer.task_run/v1    gofer.event/v1            gofer.log/v1
  gofer.run_event/v1   gofer.up/v1          gofer.deletion/v1         gofer.cancelled_runs/v1
  gofer.status/v1      gofer.version/v1     gofer.image/v1            gofer.image_pull/v1
  gofer.image_prune/v1 gofer.image_removal/v1
";

const REFS: &str = "\
Things are named by words in a row, or by one path:

  pipeline   simple              team_a:simple
  run        simple 3            team_a:simple/3
  task run   simple 3 build      team_a:simple/3/build

Without a namespace the one of `--namespace` is meant. In place of the number of a run:

  @latest    the newest run; @latest~2 is the second before it
  @failed    the newest run that failed
  @running   the newest run that has not ended
  @ok        the newest run that was successful
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_as_reviewed() {
        let texts = [exit_codes(), JSON.to_owned(), environment(), REFS.to_owned()];
        insta::assert_snapshot!(texts.join("\n########\n"));
    }

    #[test]
    fn help_on_a_command_that_is_not_there_offers_the_nearest() {
        assert!(command(&["run", "start"]).unwrap().contains("Start a run"));
        let failure = command(&["rum"]).unwrap_err();
        assert_eq!(failure.detail().nearest.first().map(String::as_str), Some("run"));
    }
}
