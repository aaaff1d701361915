//! The logs as their callers see them: through the public surface and real files.

// `cfg(test)` is always on here; it tells the lints that helpers are tests, too.
#[cfg(test)]
mod common;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod folders;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod recovery;
