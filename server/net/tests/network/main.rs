//! The networks, tried for real. Run as root: each test makes network namespaces of its own, one of
//! which is its host, and the machine's own network is never touched.

// `cfg(test)` is always on here; it tells the lints that all of this is tests.
#[cfg(test)]
mod bridge;
#[cfg(test)]
mod firewall;
#[cfg(test)]
mod ground;
