//! The embedded engine: [`gofer_core::ports::driver::Driver`] without a daemon. Each container has a
//! small process of its own, the *shim*, which is this very program and outlives the server. Server
//! and shim say everything to each other by the files of the attempt; whoever dies, the other goes on.
//!
//! ```text
//!  EmbeddedDriver ─ ensure ─ spawn ───────────► shim_main ─ shim ─ launch ─► the task's program
//!     │  inspect  events  logs  signal  remove      │
//!     └─ look ─ adopt ────────── files ─────────────┘   spec started lock shim log exit
//!                home  bells  process  cgroup            what both sides stand on
//!        images  pull  probe  plan  limits  fault        what only the server needs
//! ```
//!
//! At most one container per attempt needs no memory in the server: the lock and the marker in the
//! attempt's folder see to it, whoever asks, however often, from however many servers. A container
//! is never said to have ended well unless its shim wrote down that it did.

mod adopt;
mod bells;
mod cgroup;
mod driver;
mod engine;
mod ensure;
mod events;
mod fault;
mod files;
mod home;
mod images;
mod inspect;
mod launch;
mod limits;
mod logs;
mod look;
mod plan;
mod probe;
mod process;
mod pull;
mod remove;
mod shim;
mod signal;
mod spawn;
mod watch;

use std::path::PathBuf;

use gofer_core::ids::InstanceId;
use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_images::Store;

pub use crate::driver::EmbeddedDriver;
pub use crate::probe::{Cgroups, Machine, Unfit};
pub use crate::shim::shim_main;
pub use crate::spawn::SHIM_ARGUMENT;

use crate::engine::{Engine, Parts};
use crate::home::Home;
use crate::spawn::Program;

/// What the embedded engine needs to know.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// Whose containers it makes and looks at.
    pub instance: InstanceId,
    /// The server's data directory; everything of the engine lies in `engine` below it.
    pub data_dir: PathBuf,
    /// The program that is a shim when it is called with [`SHIM_ARGUMENT`]: `gofer` itself.
    pub program: PathBuf,
    /// Docker's `config.json` of the user, for registries the task gives no credentials for.
    pub config_file: Option<PathBuf>,
    /// How containers are connected.
    pub network: Network,
}

/// How containers are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Not at all: each has loopback and nothing else.
    #[default]
    None,
    /// To the machine's own network, with all that listens there.
    Host,
}

impl EmbeddedDriver {
    /// Opens the engine in a data directory, on a machine that can run it. Blocks for as long as it
    /// takes to copy the program once.
    ///
    /// # Errors
    /// [`FaultKind::Config`] with what is missing and what to do, where this machine cannot run the
    /// engine; other kinds where the data directory cannot be used.
    pub fn open(settings: EmbeddedSettings) -> Result<Self, DriverError> {
        let EmbeddedSettings { instance, data_dir, program, config_file, network } = settings;
        let tried = format!("open the embedded engine in {}", data_dir.display());
        let of_io = |error| fault::of_io(&tried, &error);
        let home = Home::open(&data_dir).map_err(of_io)?;
        let machine = Machine::probe(&home.scratch())
            .map_err(|unfit| DriverError::new(FaultKind::Config, unfit.to_string()))?;
        let store =
            Store::open(&home.images()).map_err(|error| engine::image_fault(&tried, &error))?;
        let what = format!("copy the program {} for shims", program.display());
        let program = Program::seal(&program).map_err(|error| fault::of_io(&what, &error))?;
        home.sweep().map_err(of_io)?;
        let network = match network {
            Network::None => files::spec::Network::None,
            Network::Host => files::spec::Network::Host,
        };
        Ok(Self::new(
            Engine::new(Parts { home, store, config_file, program, machine, network }),
            instance,
        ))
    }
}
