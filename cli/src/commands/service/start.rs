//! `gofer service start`. The only file that names the server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use gofer_server::{Config, KEYS, Scheduler};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};

/// Run the server.
///
/// With `--dev-mode` it listens on this machine only, asks for no token and makes its own certificate.
/// SIGTERM stops it; containers that run go on and are adopted at the next start. Every setting can be
/// given as a GOFER_ variable or in a settings file too; flags are stronger than variables, variables than
/// the file.
///
/// Example: gofer service start --dev-mode
#[derive(Debug, Args)]
#[command(after_long_help = settings_help())]
pub(crate) struct Start {
    /// For work on one machine: loopback only, no tokens, its own certificate
    #[arg(short, long)]
    dev_mode: bool,
    /// Where to keep the data [default: /var/lib/gofer as root, else ~/.local/share/gofer]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<SocketAddr>,
    /// What to log: error, warn, info, debug, trace, or a filter [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Container engine: docker, embedded, or auto (Docker where it answers, else embedded) [default: auto]
    #[arg(long, value_name = "ENGINE", value_parser = engine)]
    engine: Option<Scheduler>,
}

impl Start {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let mut config = Config::load().map_err(|error| refused(&error))?;
        config.dev_mode = self.dev_mode;
        if let Some(dir) = self.data_dir {
            config.data_dir = dir;
        }
        if let Some(address) = self.address {
            config.address = address;
        }
        if let Some(level) = self.log_level {
            config.log_level = level;
        }
        if let Some(engine) = self.engine {
            config.scheduler = engine;
        }
        context.out.flush()?;
        gofer_server::run(config).await.map_err(|error| refused(&error))?;
        Ok(Exit::Ok)
    }
}

pub(crate) fn engine(word: &str) -> Result<Scheduler, String> {
    Scheduler::parse(word).ok_or_else(|| "it is docker, embedded or auto".to_owned())
}

/// Every variable of the environment, below the flags.
fn settings_help() -> String {
    let mut text = String::from("Settings, as variables:\n");
    for key in KEYS {
        text.push_str(&format!("  {}\n      {} [{}]\n", key.variable(), key.help, key.default));
    }
    text.push_str(
        "\nThe settings file is named by GOFER_CONFIG_PATH, else it is /etc/gofer/gofer.hcl;\n\
         `gofer service init-config` writes a sample.",
    );
    text
}

/// Why the server did not start, with every cause: the last one is the one to act on.
fn refused(error: &gofer_server::StartError) -> Failure {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        message.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    Failure::of_kind(error.kind(), message)
}
