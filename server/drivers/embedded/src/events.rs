//! What changed, as hints to look. Nothing is ever lost on the way from a shim to a reader: a reader
//! has a set of the attempts that changed since it looked last, which cannot overflow.
//!
//! ```text
//!  shim's socket ──┐
//!  shim's pidfd  ──┼─► Hub::changed ─► each reader's set ─► stream
//!  removal       ──┘
//! ```

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::stream;
use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::ports::driver::{DriverStream, EngineEvent};
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::watch;

/// Who wants to know, and what is watched already.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    readers: Mutex<Vec<(InstanceId, Weak<Reader>)>>,
    watched: Mutex<HashSet<(InstanceId, AttemptKey)>>,
}

#[derive(Debug, Default)]
struct Reader {
    changed: Mutex<BTreeSet<AttemptKey>>,
    more: Notify,
}

impl Hub {
    /// Tells the readers of this instance.
    pub(crate) fn changed(&self, instance: &InstanceId, key: &AttemptKey) {
        let mut readers = held(&self.readers);
        readers.retain(|(_, reader)| reader.strong_count() > 0);
        for (_, reader) in readers.iter().filter(|(of, _)| of == instance) {
            if let Some(reader) = reader.upgrade() {
                held(&reader.changed).insert(key.clone());
                reader.more.notify_one();
            }
        }
    }

    fn read(&self, instance: &InstanceId) -> Arc<Reader> {
        let reader = Arc::new(Reader::default());
        held(&self.readers).push((instance.clone(), Arc::downgrade(&reader)));
        reader
    }

    /// Takes on the watch over a container; none where somebody has it.
    pub(crate) fn watch(
        self: &Arc<Self>,
        instance: &InstanceId,
        key: &AttemptKey,
    ) -> Option<Watching> {
        let of = (instance.clone(), key.clone());
        held(&self.watched).insert(of.clone()).then(|| Watching { hub: Arc::clone(self), of })
    }
}

/// The watch over one container. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Watching {
    hub: Arc<Hub>,
    of: (InstanceId, AttemptKey),
}

impl Watching {
    pub(crate) fn instance(&self) -> &InstanceId {
        &self.of.0
    }

    pub(crate) fn key(&self) -> &AttemptKey {
        &self.of.1
    }

    /// Tells that the container changed.
    pub(crate) fn changed(&self) {
        self.hub.changed(&self.of.0, &self.of.1);
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        held(&self.hub.watched).remove(&self.of);
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    async fn next(&self) -> AttemptKey {
        loop {
            if let Some(key) = held(&self.changed).pop_first() {
                return key;
            }
            self.more.notified().await;
        }
    }
}

enum Phase {
    Closed(Arc<Engine>),
    Open,
    Ended,
}

/// The stream of this instance's changes. It is listened to before the containers of an earlier
/// server are looked for, and Connected is said when they are watched, so nothing falls in between.
pub(crate) fn events(engine: Arc<Engine>, instance: InstanceId) -> DriverStream<EngineEvent> {
    let reader = engine.hub().read(&instance);
    Box::pin(stream::unfold(Phase::Closed(engine), move |phase| {
        let (reader, instance) = (Arc::clone(&reader), instance.clone());
        async move {
            match phase {
                Phase::Closed(engine) => Some(match watch::adopt_all(&engine, &instance).await {
                    Ok(()) => (Ok(EngineEvent::Connected), Phase::Open),
                    Err(fault) => (Err(fault), Phase::Ended),
                }),
                Phase::Open => Some((Ok(EngineEvent::Changed(reader.next().await)), Phase::Open)),
                Phase::Ended => None,
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gofer_core::ids::{RunUid, TaskId};

    fn uid(last: char) -> RunUid {
        RunUid::parse(&format!("01j9zzzzzzzzzzzzzzzzzzzzz{last}")).unwrap()
    }

    fn key(task: &str) -> AttemptKey {
        AttemptKey { uid: uid('r'), task: TaskId::parse(task).unwrap(), attempt: 1 }
    }

    #[tokio::test]
    async fn a_slow_reader_loses_nothing_and_hears_of_each_once() {
        let hub = Arc::new(Hub::default());
        let (ours, other) = (hub.read(&uid('a')), hub.read(&uid('b')));
        for _ in 0..100_000 {
            hub.changed(&uid('a'), &key("one"));
            hub.changed(&uid('a'), &key("two"));
        }
        hub.changed(&uid('b'), &key("not_ours"));
        assert_eq!([ours.next().await, ours.next().await], [key("one"), key("two")]);
        assert_eq!(other.next().await, key("not_ours"));
        let silence = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(silence, ours.next()).await.is_err());
    }

    #[test]
    fn a_container_is_watched_once_at_a_time() {
        let hub = Arc::new(Hub::default());
        let watching = hub.watch(&uid('a'), &key("one")).unwrap();
        assert!(hub.watch(&uid('a'), &key("one")).is_none());
        assert!(hub.watch(&uid('b'), &key("one")).is_some());
        drop(watching);
        assert!(hub.watch(&uid('a'), &key("one")).is_some());
    }
}
