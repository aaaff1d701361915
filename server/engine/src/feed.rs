//! Tells watchers that the history has grown. Only a number travels: whoever follows reads the
//! entries themselves from the store, so a slow follower costs nobody anything and misses nothing.

use std::sync::Arc;

use tokio::sync::watch;

/// A level: something was committed.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    commits: Arc<watch::Sender<u64>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { commits: Arc::new(watch::Sender::new(0)) }
    }

    /// Something that wrote history was committed.
    pub(crate) fn grew(&self) {
        self.commits.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// A receiver that is told of each growth from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }
}
