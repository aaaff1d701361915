//! The server: settings, wiring, listeners, signals. It puts the parts together and holds no rule.
//! [`run`] is the life of one server process, from the lock on its data directory to the closed
//! store.

mod config;
mod contact;
mod error;
mod run;
mod signals;
mod telemetry;
mod tls;

pub use config::{Config, VARIABLES};
pub use error::StartError;
pub use run::{Running, run, start};
pub use tls::CA_FILE;
