//! When the container engine was last known to answer, kept in a small file. After a reboot this
//! tells which exits happened while engine and server were both going down, and say nothing about
//! their tasks. The file is not synced: an older time only makes the server more careful.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gofer_core::ports::Clock as _;
use gofer_engine::{Engine, EngineState, SystemClock};

/// How often the time is kept.
const EVERY: Duration = Duration::from_secs(5);
/// The file in the data directory.
const FILE: &str = "engine-contact";

/// The time that an earlier server kept, milliseconds since the epoch.
pub(crate) fn last(data_dir: &Path) -> Option<i64> {
    std::fs::read_to_string(data_dir.join(FILE)).ok()?.trim().parse().ok()
}

/// Keeps the time while the engine answers, for as long as the server lives.
pub(crate) async fn keep(engine: Engine, data_dir: PathBuf) {
    let file = data_dir.join(FILE);
    loop {
        // First: an engine that has not answered yet is found out within this time.
        tokio::select! {
            () = engine.stopping() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if engine.engine_state() == EngineState::Up {
            let now_ms = SystemClock.now().as_ms();
            if let Err(error) = std::fs::write(&file, now_ms.to_string()) {
                tracing::warn!(%error, "could not keep the time of the last contact with the engine");
            }
        }
    }
}
