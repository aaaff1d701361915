//! The engine as others see it, and what its parts share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gofer_core::history::{Entry, EntryKind, Subject};
use gofer_core::ids::{InstanceId, RunKey};
use gofer_core::pipeline::TaskConfig;
use gofer_core::placeholder::Resolver;
use gofer_core::ports::Clock;
use gofer_core::ports::driver::{Driver, DriverError};
use gofer_core::problem::Problem;
use gofer_core::run::{Run, RunSpec};
use gofer_core::variables::{self, SystemFacts, Variable};
use gofer_store::Store;
use tokio::sync::oneshot;

use crate::config::EngineConfig;
use crate::dispatch::{Dispatch, Dispatcher};
use crate::engine_state::{Contact, EngineState, EngineWatch};
use crate::expiry::Expiry;
use crate::feed::Feed;
use crate::limits::RETRY_MS;
use crate::logs::Logs;
use crate::readers::Readers;
use crate::runs::Looks;
use crate::tasks::{TaskKind, Tasks};
use crate::writer::Writer;
use crate::{reconcile, recovery};

/// What an engine is made of.
#[derive(Debug)]
pub struct EngineParts {
    /// The open store.
    pub store: Store,
    /// The folder of the logs.
    pub log_dir: PathBuf,
    /// The container engine.
    pub driver: Arc<dyn Driver>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What resolves placeholders when a task starts.
    pub resolver: Arc<dyn Resolver>,
    /// The settings.
    pub config: EngineConfig,
}

/// A handle to the engine; cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// What the engine's parts share: handles to owners, nothing that anybody may change.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tasks: Tasks,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) feed: Feed,
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) engine: EngineWatch,
    pub(crate) looks: Looks,
    pub(crate) logs: Logs,
    pub(crate) instance: InstanceId,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) config: EngineConfig,
    pub(crate) dispatch: Dispatch,
    pub(crate) expiry: Expiry,
}

impl Engine {
    /// Starts the engine and goes on with whatever it finds unfinished. The receiver tells when
    /// the store is closed, after [`Engine::shut_down`] and the drop of the last handle.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn start(parts: EngineParts) -> Result<(Self, oneshot::Receiver<()>), Problem> {
        let instance = parts.store.instance().clone();
        let readers: Result<Vec<_>, _> =
            (0..Readers::wanted()).map(|_| parts.store.reader()).collect();
        let readers = Readers::new(readers.map_err(|error| error.to_problem())?);
        let (writer, closed) = Writer::start(parts.store).map_err(|error| {
            Problem::internal(format!("could not start the store's thread: {error}"))
        })?;
        let tasks = Tasks::new();
        let (dispatch, messages) = Dispatch::new(tasks.clone());
        let (expiry, ended_runs) = Expiry::new();
        let shared = Arc::new(Shared {
            tasks,
            clock: Arc::clone(&parts.clock),
            writer,
            readers,
            feed: Feed::new(),
            driver: parts.driver,
            engine: EngineWatch::new(parts.clock.now()),
            looks: Looks::default(),
            logs: Logs::new(parts.log_dir),
            instance,
            resolver: parts.resolver,
            config: parts.config,
            dispatch,
            expiry,
        });
        Dispatcher::spawn(&shared, messages);
        recovery::recover(&shared).await?;
        reconcile::spawn(&shared);
        crate::expiry::spawn(&shared, ended_runs);
        Ok((Self { shared }, closed))
    }

    /// This data directory's identity.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.shared.instance
    }

    /// What is known of the container engine.
    #[must_use]
    pub fn engine_state(&self) -> EngineState {
        self.shared.engine.get()
    }

    /// The driver, for those who want to know who the engine is.
    #[must_use]
    pub fn driver(&self) -> &Arc<dyn Driver> {
        &self.shared.driver
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.shared.config
    }

    /// Stops in stages: no new work, then the owners of runs, then the watch over containers and
    /// the copying of logs. Containers go on and will be found again. Returns the names of tasks
    /// that did not end within `limit`.
    pub async fn shut_down(&self, limit: Duration) -> Vec<String> {
        self.shared.tasks.shut_down(limit).await
    }

    /// Resolves when the engine begins to stop: streams end then.
    pub async fn stopping(&self) {
        self.shared.tasks.stopping().cancelled().await;
    }

    /// Does something to its end though the caller may go away in the middle.
    pub(crate) async fn detached<T, F>(&self, name: &'static str, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let stopping = || Problem::unavailable("the server is shutting down", RETRY_MS);
        if self.shared.tasks.stopping().is_cancelled() {
            return Err(stopping());
        }
        let (tell, answer) = oneshot::channel();
        self.shared.tasks.spawn(TaskKind::Call, name, async move {
            if tell.send(work.await).is_err() {
                tracing::debug!(call = name, "the caller went away; the call was finished");
            }
        });
        answer.await.map_err(|_ended| stopping())?
    }
}

impl Shared {
    /// A run from the store.
    pub(crate) async fn stored_run(&self, key: &RunKey) -> Result<Run, Problem> {
        let key = key.clone();
        self.readers.read(move |reader| reader.run(&key)).await
    }

    /// A task's variables with their sources, placeholders unresolved.
    pub(crate) fn task_variables(
        &self,
        spec: &RunSpec,
        task: &TaskConfig,
        attempt: u32,
    ) -> Vec<Variable> {
        let system = variables::system_variables(&SystemFacts {
            run: &spec.key,
            task: &task.id,
            image: &task.image,
            attempt,
            host: &self.config.advertised_host,
        });
        variables::merge(&task.variables, &spec.variables, &system)
    }

    /// A call met an engine that does not answer.
    pub(crate) fn engine_is_unknown(self: &Arc<Self>, error: &DriverError) {
        if self.engine.is_unknown(error, self.clock.now()) {
            tracing::warn!(%error, "the container engine does not answer; nothing fails meanwhile");
            self.note_engine(
                EntryKind::EngineLost,
                format!("the container engine does not answer: {error}"),
            );
        }
    }

    /// The engine answered.
    pub(crate) fn engine_is_up(self: &Arc<Self>) {
        match self.engine.is_up() {
            Contact::Usual => {}
            Contact::First => tracing::debug!("the container engine answered for the first time"),
            Contact::Again => {
                let text = "the container engine answers again";
                tracing::info!("{text}");
                self.note_engine(EntryKind::EngineBack, text.to_owned());
            }
        }
    }

    fn note_engine(self: &Arc<Self>, kind: EntryKind, text: String) {
        let shared = Arc::clone(self);
        self.tasks.spawn(TaskKind::Background, "note the engine's state", async move {
            let (entry, now) = (Entry::new(kind, Subject::default(), text), shared.clock.now());
            let noted = shared.writer.call(move |tx| tx.append_entries(&[entry], now)).await;
            match noted {
                Ok(_seq) => shared.feed.grew(),
                Err(problem) => tracing::warn!(%problem, "could not note the engine's state"),
            }
        });
    }
}
