//! The server: settings, wiring, listeners, signals. It puts the parts together and holds no rule.
//! [`run`] is the life of one server process, from the lock on its data directory to the closed
//! store.

mod built_in;
mod choice;
mod config;
mod contact;
mod doctor;
mod error;
mod run;
mod signals;
mod telemetry;
mod tls;

pub use config::{Config, KEYS, Key, Kind, Scheduler, sample};
pub use doctor::{Finding, Health, examine};
pub use error::StartError;
pub use gofer_driver_embedded::{SHIM_ARGUMENT, shim_main};
pub use run::{Running, run, start};
pub use tls::CA_FILE;
