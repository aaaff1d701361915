//! The service as its users meet it: a whole server in this process on the fake engine, spoken to
//! over its real socket. One module for each promise; `support` is what they stand on, `spy` is the
//! driver that tells what the server did, `wire` says what no well-behaved client would say.
//! `cfg(test)` tells the linter what the modules are, which it does not see by itself.

#[cfg(test)]
mod service {
    mod attempts;
    mod bad_input;
    mod cancels;
    mod client_death;
    mod dag;
    mod deletions;
    mod errors;
    mod images;
    mod log_follows;
    mod log_pages;
    mod owners;
    mod restarts;
    mod spy;
    mod starts;
    mod support;
    mod versions;
    mod watches;
    mod wire;
}
