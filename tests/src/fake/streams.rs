//! The fake engine's two streams: events, which only an open listener is told, and logs, which are
//! read from the container's frames. Both break when the engine breaks its streams.

use futures_util::{StreamExt as _, stream};
use gofer_core::ids::InstanceId;
use gofer_core::log::{Cursor, Follow, Frame};
use gofer_core::ports::driver::{DriverError, DriverStream, EngineEvent, FaultKind, Handle};

use super::driver::{FakeDriver, unreachable};
use super::state::{Listener, State};

const NS_PER_S: i64 = 1_000_000_000;

/// Takes its queue off the engine when the stream is dropped.
struct Listening {
    driver: FakeDriver,
    id: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.driver.engine.look(|state| state.listeners.remove(&self.id));
    }
}

pub(super) fn events(driver: FakeDriver, instance: InstanceId) -> DriverStream<EngineEvent> {
    let open = async move {
        driver.enter().await?;
        let id = driver.engine.look(|state| {
            let id = state.fresh_id();
            state
                .listeners
                .insert(id, Listener { instance, queue: [EngineEvent::Connected].into() });
            id
        });
        Ok(Listening { driver, id })
    };
    Box::pin(stream::once(open).flat_map(|opened| {
        match opened {
            Err(fault) => stream::once(async { Err(fault) }).boxed(),
            Ok(listening) => stream::unfold(Some(listening), |listening| async move {
                let listening = listening?;
                let next = |state: &mut State| match state.listeners.get_mut(&listening.id) {
                    Some(listener) => listener.queue.pop_front().map(Some),
                    None => Some(None),
                };
                match listening.driver.engine.until(next).await {
                    Some(event) => Some((Ok(event), Some(listening))),
                    None => Some((Err(unreachable()), None)),
                }
            })
            .boxed(),
        }
    }))
}

/// Where a reader of a log stands.
struct Reader {
    driver: FakeDriver,
    handle: Handle,
    cursor: Cursor,
    follow: Follow,
    /// Frames looked at so far, the left out ones too.
    at: usize,
    skipped: u64,
    breaks: u64,
}

enum Found {
    Frame(Frame, usize),
    End,
    Broken(DriverError),
}

impl Reader {
    fn look(&self, state: &mut State) -> Option<Found> {
        if state.counts.breaks != self.breaks {
            return Some(Found::Broken(unreachable()));
        }
        let Some(one) = state.containers.values().find(|one| one.id == self.handle.id) else {
            let message =
                format!("could not read the log of {}: no such container", self.handle.key);
            return Some(Found::Broken(DriverError::new(FaultKind::Engine, message)));
        };
        if let Some(frame) = one.frames.get(self.at) {
            return Some(Found::Frame(frame.clone(), self.at + 1));
        }
        (self.follow == Follow::No || !one.is_running()).then_some(Found::End)
    }

    async fn next(mut self) -> Option<(Result<Frame, DriverError>, Option<Self>)> {
        loop {
            let engine = self.driver.engine.clone();
            match engine.until(|state| self.look(state)).await {
                Found::End => return None,
                Found::Broken(fault) => return Some((Err(fault), None)),
                Found::Frame(frame, at) => {
                    self.at = at;
                    if frame.time_ns < self.cursor.since_s.saturating_mul(NS_PER_S) {
                        continue;
                    }
                    if self.skipped < self.cursor.skip {
                        self.skipped += 1;
                        continue;
                    }
                    return Some((Ok(frame), Some(self)));
                }
            }
        }
    }
}

pub(super) fn logs(
    driver: FakeDriver,
    handle: Handle,
    cursor: Cursor,
    follow: Follow,
) -> DriverStream<Frame> {
    let open = async move {
        driver.enter().await?;
        let breaks = driver.engine.look(|state| state.counts.breaks);
        Ok(Reader { driver, handle, cursor, follow, at: 0, skipped: 0, breaks })
    };
    Box::pin(stream::once(open).flat_map(|opened| match opened {
        Err(fault) => stream::once(async { Err(fault) }).boxed(),
        Ok(reader) => stream::unfold(Some(reader), |reader| async { reader?.next().await }).boxed(),
    }))
}
