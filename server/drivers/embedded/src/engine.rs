//! What all deeds of the driver share: the folder, the images, the program for shims, who watches
//! what. One object for all drivers in a process on one data directory; dropping it stops the
//! watching, and no container.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gofer_core::ids::AttemptKey;
use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_images::{ErrorKind, ImageError, Store};
use tokio::task::JoinSet;

use crate::bells::Bells;
use crate::ensure::Starts;
use crate::events::Hub;
use crate::fault;
use crate::files::AttemptDir;
use crate::files::spec::Network;
use crate::home::Home;
use crate::logs::Marks;
use crate::look::{self, Seen};
use crate::probe::Machine;
use crate::spawn::Program;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Engine {
    home: Home,
    store: Store,
    config_file: Option<PathBuf>,
    program: Program,
    machine: Machine,
    network: Network,
    bells: Bells,
    hub: Arc<Hub>,
    starts: Arc<Starts>,
    marks: Marks,
    /// Held for reading from the moment an image is looked up until the attempt's folder names it;
    /// a prune holds it for writing.
    images: RwLock<()>,
    tasks: Tasks,
}

/// What an engine is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) home: Home,
    pub(crate) store: Store,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) program: Program,
    pub(crate) machine: Machine,
    pub(crate) network: Network,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { home, store, config_file, program, machine, network } = parts;
        Arc::new(Self {
            home,
            store,
            config_file,
            program,
            machine,
            network,
            bells: Bells::hang(),
            hub: Arc::default(),
            starts: Arc::default(),
            marks: Marks::default(),
            images: RwLock::default(),
            tasks: Tasks::default(),
        })
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Docker's `config.json` of the user.
    pub(crate) fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn bells(&self) -> &Bells {
        &self.bells
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn starts(&self) -> &Arc<Starts> {
        &self.starts
    }

    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Nothing is pruned while this is held.
    pub(crate) fn use_images(&self) -> RwLockReadGuard<'_, ()> {
        self.images.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// No container is made while this is held.
    pub(crate) fn own_images(&self) -> RwLockWriteGuard<'_, ()> {
        self.images.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at an attempt's folder; none where there is none.
    pub(crate) fn look(&self, dir: &AttemptDir) -> Result<Option<Seen>, DriverError> {
        let path = dir.path().display();
        look::look(dir, self.home.boot_id())
            .map_err(|error| fault::of_io(&format!("look at {path}"), &error))
    }

    /// Does something that blocks on a thread for that. It runs to its end even where the caller
    /// goes away.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        tried: &str,
        act: impl FnOnce(&Self) -> Result<T, DriverError> + Send + 'static,
    ) -> Result<T, DriverError> {
        let engine = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || act(&engine)).await;
        done.map_err(|error| fault::of_join(tried, &error))?
    }
}

/// The driver's own tasks. They end with the engine's object.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended {
                tracing::debug!(%error, "a task of the embedded engine was cut off");
            }
        }
        tasks.spawn(task);
    }
}

/// The fault of a container whose image cannot be used.
pub(crate) fn image_fault(tried: &str, error: &ImageError) -> DriverError {
    let (kind, retryable) = match error.kind {
        ErrorKind::Missing | ErrorKind::Damaged | ErrorKind::Refused | ErrorKind::Unsupported => {
            (FaultKind::Image, false)
        }
        ErrorKind::NoSpace => (FaultKind::Capacity, true),
        ErrorKind::Io => (FaultKind::Engine, true),
    };
    let message = format!("could not {tried}: {error}");
    DriverError { retryable, ..DriverError::new(kind, message) }
}

/// The fault of an image that is not there.
pub(crate) fn image_is_gone(key: &AttemptKey, image: &str) -> DriverError {
    // It was there when it was pulled; somebody pruned it. The next pull brings it back.
    let message = format!(
        "could not create the container of {key}, its image is gone from the engine: no image {image}"
    );
    DriverError { retryable: true, ..DriverError::new(FaultKind::Image, message) }
}
