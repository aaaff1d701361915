//! Makes and starts the container of an attempt, once, whoever asks and however often.
//!
//! ```text
//!  look ── no folder ─────────────────► make it (a rename: one maker wins) ─► send a shim
//!    ├ created, same spec ────────────────────────────────────────────────► send a shim
//!    ├ created or refused, other spec ► take it away, look again
//!    ├ starting ──────────────────────► somebody else's shim is at it: look again
//!    ├ running, ended, lost ──────────► handle, whatever became of it: never start twice
//!    │                                  (other spec: Config fault)
//!    └ refused ───────────────────────► take it away, fault
//!
//!  shim says ── started ─► handle       exit ─► refused: take it away, fault
//!            └─ nothing  ─► look again: another shim was faster, or this one died before it began
//! ```
//!
//! A start runs in a task of its own, so a caller that goes away leaves nothing half done: the next
//! call on the same attempt waits for that task, and then finds what it made. Two servers that start
//! the same attempt send two shims; the lock in the folder lets one of them work.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use gofer_core::ports::driver::{ContainerSpec, DriverError, FaultKind, Handle};
use tokio::sync::{oneshot, watch};

use crate::adopt::Life;
use crate::engine::{self, Engine};
use crate::files::AttemptDir;
use crate::files::exit::{ExitFile, Fault, Outcome};
use crate::files::spec::EnvMessage;
use crate::look::Seen;
use crate::remove;
use crate::spawn::{self, Sent, Shim, Word};
use crate::watch::{adopt, listen};
use crate::{fault, limits, plan};

type Answer = Result<Handle, DriverError>;

/// The starts under way in this process.
#[derive(Debug, Default)]
pub(crate) struct Starts(Mutex<HashMap<AttemptDirName, watch::Receiver<()>>>);

type AttemptDirName = String;

/// One start. While it lives nobody in this process begins another of the same name.
#[derive(Debug)]
struct Flight {
    starts: Arc<Starts>,
    name: AttemptDirName,
    /// Closed when the start is over.
    _over: watch::Sender<()>,
}

impl Starts {
    /// Begins a start, or gives what closes when the one under way is over.
    fn begin(self: &Arc<Self>, name: &str) -> Result<Flight, watch::Receiver<()>> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()) {
            Entry::Occupied(under_way) => Err(under_way.get().clone()),
            Entry::Vacant(free) => {
                let (over, wait) = watch::channel(());
                free.insert(wait);
                Ok(Flight { starts: Arc::clone(self), name: name.to_owned(), _over: over })
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.starts.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// See the head of this file.
pub(crate) async fn ensure(engine: &Arc<Engine>, spec: ContainerSpec) -> Answer {
    let key = spec.key.clone();
    match tokio::time::timeout(limits::START_LIMIT, in_turn(engine, spec)).await {
        Ok(answer) => answer,
        Err(_) => {
            let limit_s = limits::START_LIMIT.as_secs();
            let message = format!(
                "could not start the container of {key}: no answer within {limit_s} seconds"
            );
            Err(DriverError::new(FaultKind::Unreachable, message))
        }
    }
}

async fn in_turn(engine: &Arc<Engine>, spec: ContainerSpec) -> Answer {
    let name = spec.container_name();
    let flight = loop {
        match engine.starts().begin(&name) {
            Ok(flight) => break flight,
            // An error is what is waited for: the sender is gone.
            Err(mut under_way) => while under_way.changed().await.is_ok() {},
        }
    };
    let (tell, answer) = oneshot::channel();
    engine.tasks().spawn(start(Arc::clone(engine), spec, flight, tell));
    answer.await.unwrap_or_else(|_| Err(fault::engine(format!("the start of {name} was cut off"))))
}

async fn start(
    engine: Arc<Engine>,
    spec: ContainerSpec,
    flight: Flight,
    tell: oneshot::Sender<Answer>,
) {
    let (answer, shim) = match Box::pin(come_up(&engine, &spec)).await {
        Ok(shim) => {
            let handle = Handle { key: spec.key.clone(), id: spec.container_name() };
            (Ok(handle), shim)
        }
        Err(fault) => (Err(fault), None),
    };
    let watching = engine.hub().watch(&spec.instance, &spec.key);
    if let (None, Some(watching), Ok(_)) = (&shim, &watching, &answer) {
        tracing::debug!(attempt = %watching.key(), "found a container that was there");
    }
    drop(flight);
    if tell.send(answer).is_err() {
        tracing::debug!(attempt = %spec.key, "nobody waits for a start any more");
    }
    match (shim, watching) {
        (Some(shim), watching) => {
            // The engine's object is not held by what outlives the start.
            drop(engine);
            listen(shim, watching).await;
        }
        (None, Some(watching)) => adopt(&engine, watching),
        (None, None) => {}
    }
}

/// What to do about an attempt.
enum Step {
    /// It was started, whatever became of it.
    Adopt,
    /// Somebody else is at it, or was a moment ago.
    Wait,
    /// It was made from other settings and never ran.
    Outdated,
    /// Its start was refused; it never ran.
    Refused(DriverError),
    /// A shim is on its way.
    Sent(Sent, EnvMessage),
}

/// Brings the container up; gives the shim where it is one of ours.
async fn come_up(engine: &Arc<Engine>, spec: &ContainerSpec) -> Result<Option<Shim>, DriverError> {
    let dir = engine.home().attempt(&spec.instance, &spec.key);
    let mut n_sent = 0;
    loop {
        let (wanted, at) = (spec.clone(), dir.clone());
        let tried = format!("start the container of {}", spec.key);
        let step = engine.blocking(&tried, move |engine| step(engine, &wanted, &at)).await?;
        match step {
            Step::Adopt => return Ok(None),
            Step::Wait => tokio::time::sleep(limits::LOOK_PAUSE).await,
            Step::Outdated => remove::unless_started(engine, &dir).await?,
            Step::Refused(fault) => {
                remove::wholly(engine, &spec.key, &dir).await?;
                return Err(fault);
            }
            Step::Sent(sent, env) => {
                n_sent += 1;
                let mut shim = speak(&tried, sent, &env).await?;
                match shim.next().await {
                    Word::Started => {
                        engine.hub().changed(&spec.instance, &spec.key);
                        return Ok(Some(shim));
                    }
                    // The next look tells what the record says.
                    Word::Exit => engine.tasks().spawn(listen(shim, None)),
                    Word::Gone => {
                        shim.reap().await;
                        tokio::time::sleep(limits::LOOK_PAUSE).await;
                    }
                }
            }
        }
        if n_sent >= limits::SHIM_TRIES_MAX {
            let end = spawn::log_end(&dir);
            let message = format!("could not {tried}: its shim left before it began: {end}");
            return Err(fault::engine(message));
        }
    }
}

async fn speak(tried: &str, sent: Sent, env: &EnvMessage) -> Result<Shim, DriverError> {
    let mut shim = Shim::listen(sent).map_err(|error| fault::of_io(tried, &error))?;
    shim.give(env).await.map_err(|error| fault::of_io(tried, &error))?;
    Ok(shim)
}

fn step(engine: &Engine, spec: &ContainerSpec, dir: &AttemptDir) -> Result<Step, DriverError> {
    let Some(Seen { spec: found, life }) = engine.look(dir)? else {
        return make(engine, spec, dir);
    };
    let same = found.as_ref().is_none_or(|found| spec.has_hash(&found.spec_hash));
    match (life, found) {
        (Life::Created, Some(found)) if same => {
            let _in_use = engine.use_images();
            let image = find(engine, spec, &found.image_id)?;
            send(engine, spec, dir, plan::environment(spec, &image.config))
        }
        (Life::Created, _) => Ok(Step::Outdated),
        (Life::Starting, _) => Ok(Step::Wait),
        (Life::Ended(exit), _) if refusal(spec, &exit).is_some() && !same => Ok(Step::Outdated),
        (Life::Running(_) | Life::Ended(_) | Life::Lost(_), _) if !same => {
            let message = format!(
                "could not run {}: the container {} was made from other settings",
                spec.key,
                spec.container_name()
            );
            Err(DriverError::new(FaultKind::Config, message))
        }
        (Life::Ended(exit), _) => Ok(refusal(spec, &exit).map_or(Step::Adopt, Step::Refused)),
        (Life::Running(_) | Life::Lost(_), _) => Ok(Step::Adopt),
    }
}

/// Makes the folder and sends the first shim.
fn make(engine: &Engine, spec: &ContainerSpec, dir: &AttemptDir) -> Result<Step, DriverError> {
    let _in_use = engine.use_images();
    let image = find(engine, spec, &spec.image)?;
    let network = engine.network().clone();
    let file = plan::spec_file(spec, (&image).into(), network, engine.home().boot_id())?;
    let made = engine
        .home()
        .make(&file)
        .map_err(|error| fault::of_io(&format!("create the container of {}", spec.key), &error))?;
    // Somebody was faster.
    if made {
        send(engine, spec, dir, plan::environment(spec, &image.config))
    } else {
        Ok(Step::Wait)
    }
}

fn find(
    engine: &Engine,
    spec: &ContainerSpec,
    image: &str,
) -> Result<gofer_images::StoredImage, DriverError> {
    match engine.store().find(image) {
        Ok(Some(image)) => Ok(image),
        Ok(None) => Err(engine::image_is_gone(&spec.key, image)),
        Err(error) => {
            let tried = format!("use image {image} for {}", spec.key);
            Err(engine::image_fault(&tried, &error))
        }
    }
}

fn send(
    engine: &Engine,
    spec: &ContainerSpec,
    dir: &AttemptDir,
    env: EnvMessage,
) -> Result<Step, DriverError> {
    let sent = spawn::send(engine.program(), dir).map_err(|error| {
        fault::of_io(&format!("start a shim for the container of {}", spec.key), &error)
    })?;
    Ok(Step::Sent(sent, env))
}

/// The fault of a start that was refused; none where the program ran.
fn refusal(spec: &ContainerSpec, exit: &ExitFile) -> Option<DriverError> {
    let Outcome::Refused { fault, message, exit_code } = &exit.outcome else { return None };
    let kind = match fault {
        Fault::Config => FaultKind::Config,
        Fault::Engine => FaultKind::Engine,
        Fault::Capacity => FaultKind::Capacity,
    };
    let message = format!("could not start the container of {}: {message}", spec.key);
    Some(DriverError { exit_code: *exit_code, ..DriverError::new(kind, message) })
}
