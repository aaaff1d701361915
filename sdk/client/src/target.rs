//! Which server to talk to, and how long to wait for it.

use std::fmt;
use std::time::Duration;

/// A server, and how to get in.
#[derive(Clone)]
pub struct Target {
    /// Its address, for example `https://127.0.0.1:8080`. `http://` means without TLS.
    pub host: String,
    /// The certificate authority that signed the server's certificate, as PEM. Needed for `https://`.
    pub ca_pem: Option<String>,
    /// The token that says who calls. `None` for a server in development mode.
    pub token: Option<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl Target {
    /// A server at `host`, without token and certificate authority.
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into(), ca_pem: None, token: None, timeouts: Timeouts::default() }
    }
}

impl fmt::Debug for Target {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.host)
            .field("has_ca", &self.ca_pem.is_some())
            .field("has_token", &self.token.is_some())
            .field("timeouts", &self.timeouts)
            .finish()
    }
}

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the answer to one call; for a stream, for its beginning.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), call: Duration::from_secs(30) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_shows_the_token() {
        let target = Target { token: Some("gofer_hunter2".into()), ..Target::new("http://x") };
        assert!(!format!("{target:?}").contains("hunter2"));
    }
}
