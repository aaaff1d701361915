//! The gRPC services: parse what comes in, ask the engine, put the answer into messages. No rule
//! stands here, and no handler does the work: the engine's owners do, so a client that goes away
//! tears nothing. `status.rs` is the only place in the house that builds a `Status`.

mod caller;
mod convert;
mod parse;
mod services;
mod status;
mod stream;
mod unreadable;
mod upload;

pub use services::{ServerFacts, Services};
