//! The store from outside: every operation, in the order in which an engine would use it, and what
//! must hold through failure. One binary, because each further one costs a link; only the
//! test that kills a server has its own.
//!
//! `cfg(test)` says to the linter what these modules are: it does not know a test's helpers
//! from other code otherwise.

#[cfg(test)]
mod deletion;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod history;
#[cfg(test)]
mod model;
#[cfg(test)]
mod namespaces;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod paging;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod support;
#[cfg(test)]
mod versions;
