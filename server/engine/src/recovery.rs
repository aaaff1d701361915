//! The start of a server: every run that is not settled gets its place or its owner back, and
//! deletions that were begun are finished. A first start does the same and finds nothing.

use std::sync::Arc;

use gofer_core::problem::Problem;

use crate::deletion;
use crate::dispatch::Message;
use crate::engine::Shared;

/// Takes up whatever the last server left.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<(), Problem> {
    let runs = shared.readers.read(gofer_store::Reader::active_runs).await?;
    if !runs.is_empty() {
        tracing::info!(n_runs = runs.len(), "going on with unfinished runs");
    }
    // Oldest first, so that queues keep their order.
    for run in runs {
        shared.dispatch.tell(Message::Recovered(Box::new(run))).await;
    }
    deletion::take_up(shared).await
}
