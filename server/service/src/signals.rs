//! SIGTERM and SIGINT stop the server in order; a second one ends it at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of a server that was told twice, as shells count SIGINT.
const LEFT_AT_ONCE: i32 = 130;

/// The signals that stop a server.
#[derive(Debug)]
pub(crate) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _term = self.term.recv() => {}
            _int = self.int.recv() => {}
        }
    }

    /// Ends the process when another one comes: whoever asks twice does not want to wait.
    pub(crate) async fn leave_at_the_next(mut self) {
        self.next().await;
        std::process::exit(LEFT_AT_ONCE);
    }
}
