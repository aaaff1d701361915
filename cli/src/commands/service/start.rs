//! `gofer service start`. The only file that names the server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};

/// Run the server.
///
/// With `--dev-mode` it listens on this machine only, asks for no token and makes its own certificate.
/// SIGTERM stops it; containers that run go on and are adopted at the next start. Every setting can be
/// given as a GOFER_ variable too; flags are stronger.
///
/// Example: gofer service start --dev-mode
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// For work on one machine: loopback only, no tokens, its own certificate
    #[arg(short, long)]
    dev_mode: bool,
    /// Where to keep the data
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<SocketAddr>,
    /// What to log: error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Start {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let mut config = gofer_server::Config::from_env().map_err(|error| refused(&error))?;
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
        context.out.flush()?;
        gofer_server::run(config).await.map_err(|error| refused(&error))?;
        Ok(Exit::Ok)
    }
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
