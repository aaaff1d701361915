//! Every container that an engine makes and starts for any server, by the engine's own events. The
//! engine repeats its latest events to whoever comes late, so a broken connection loses none as
//! long as it is short.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use bollard::Docker;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt as _;
use gofer_client::model::{FailureClass, Run};
use gofer_driver_docker::labels;
use tokio::task::JoinSet;

const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// Task and attempt.
type Key = (String, u32);

/// One event: which run's, which attempt, what was done, to which container, when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Birth {
    uid: String,
    key: Key,
    action: String,
    container: String,
    at_ns: i64,
}

/// The watcher; it ends when it is dropped.
#[derive(Debug)]
pub struct Births {
    seen: Arc<Mutex<BTreeSet<Birth>>>,
    _watching: JoinSet<()>,
}

impl Births {
    /// Begins to watch.
    #[must_use]
    pub fn watch(docker: Docker) -> Self {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let mut watching = JoinSet::new();
        watching.spawn(read(docker, Arc::clone(&seen)));
        Self { seen, _watching: watching }
    }

    /// Checks that each attempt of a run had at most one container, and that it was started at most
    /// once. Waits for the events of those that have a container id to arrive.
    ///
    /// # Errors
    /// Where an attempt had two containers or two starts.
    pub async fn were_single(&self, run: &Run) -> Result<()> {
        let mut wanted: BTreeSet<Key> = BTreeSet::new();
        for task in &run.task_runs {
            // An engine that is killed takes its last events with it.
            let had_one = task.attempts.iter().filter(|attempt| {
                attempt.container_id.is_some()
                    && attempt.failure_class != Some(FailureClass::Engine)
            });
            wanted.extend(had_one.map(|attempt| (task.task_id.clone(), attempt.number)));
        }
        super::until("the engine told of every container", async || {
            let made = self.counted(&run.uid, "create");
            Ok(wanted.iter().all(|key| made.contains_key(key)).then_some(()))
        })
        .await?;
        self.were_once(run, "create")?;
        self.were_once(run, "start")
    }

    /// Checks that no attempt of a run had two starts.
    ///
    /// # Errors
    /// Where one had.
    pub fn started_once(&self, run: &Run) -> Result<()> {
        self.were_once(run, "start")
    }

    fn were_once(&self, run: &Run, action: &str) -> Result<()> {
        for (key, containers) in self.counted(&run.uid, action) {
            let n = containers.len();
            ensure!(n == 1, "{}: {key:?} had {n} times {action}: {containers:?}", run.path);
        }
        Ok(())
    }

    /// How many containers were started for a run.
    #[must_use]
    pub fn n_started(&self, run: &Run) -> usize {
        self.counted(&run.uid, "start").len()
    }

    /// How many containers were made for a run.
    #[must_use]
    pub fn n_created(&self, run: &Run) -> usize {
        self.counted(&run.uid, "create").len()
    }

    fn counted(&self, uid: &str, action: &str) -> BTreeMap<Key, Vec<String>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counted: BTreeMap<Key, Vec<String>> = BTreeMap::new();
        for birth in seen.iter().filter(|birth| birth.uid == uid && birth.action == action) {
            counted.entry(birth.key.clone()).or_default().push(birth.container.clone());
        }
        counted
    }
}

async fn read(docker: Docker, seen: Arc<Mutex<BTreeSet<Birth>>>) {
    let filters = HashMap::from([
        ("type", vec!["container".to_owned()]),
        ("event", vec!["create".to_owned(), "start".to_owned()]),
        ("label", vec![labels::INSTANCE.to_owned()]),
    ]);
    loop {
        // Since ever: what the engine still remembers.
        let options = EventsOptionsBuilder::default().since("1").filters(&filters).build();
        let mut events = docker.events(Some(options));
        while let Some(Ok(event)) = events.next().await {
            if let Some(birth) = birth_of(event) {
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(birth);
            }
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

fn birth_of(event: EventMessage) -> Option<Birth> {
    let actor = event.actor?;
    let attributes = actor.attributes?;
    let attempt = attributes.get(labels::ATTEMPT)?.parse().ok()?;
    Some(Birth {
        uid: attributes.get(labels::RUN)?.clone(),
        key: (attributes.get(labels::TASK)?.clone(), attempt),
        action: event.action?,
        container: actor.id?,
        at_ns: event.time_nano?,
    })
}
