//! What the tests share: the fake driver, the conformance suite that holds it and every real driver
//! to one behaviour, the images that tests run, a private registry, a private Docker engine
//! and an embedded one, a harness that starts a whole server, and the rules of the house that no compiler holds.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "this crate is test code: a panic is how a check fails"
)]

pub mod conformance;
pub mod docker_engine;
pub mod embedded;
pub mod fake;
pub mod harness;
pub mod house;
pub mod images;
pub mod registry;
pub mod stage;
pub mod world;
