//! Which container engine a server uses, and why. What was chosen once is kept in the data directory:
//! a server that found Docker down one morning and took the other engine would lose sight of its
//! containers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gofer_core::ids::InstanceId;
use gofer_core::ports::driver::{Driver, DriverError};
use gofer_driver_docker::{DockerDriver, DockerSettings};
use gofer_driver_embedded::{EmbeddedDriver, EmbeddedSettings, Network};

use crate::built_in::BuiltIn;
use crate::config::{Config, Scheduler};
use crate::contact;
use crate::error::StartError;

/// The file in the data directory that says which engine its containers run on.
const ENGINE_FILE: &str = "engine-kind";
/// How long Docker has to say that it is there.
const DOCKER_PATIENCE: Duration = Duration::from_secs(3);

/// A container engine, and why it is this one.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// Its driver.
    pub(crate) driver: Arc<dyn Driver>,
    /// Its kind, for the time in which it does not answer.
    pub(crate) kind: String,
    /// Why it was chosen, as half a sentence.
    pub(crate) reason: String,
}

/// Chooses the engine that the settings ask for.
///
/// # Errors
/// An engine that was asked for by name and cannot run here; with `auto`, where none can.
pub(crate) async fn choose(config: &Config, instance: &InstanceId) -> Result<Chosen, StartError> {
    let kept = kept(&config.data_dir)?;
    let (kind, driver, reason) = match (config.scheduler, kept) {
        (Scheduler::Docker, _) => (Scheduler::Docker, docker(config, instance)?, CONFIGURED),
        (Scheduler::Embedded, _) => (Scheduler::Embedded, embedded(config, instance)?, CONFIGURED),
        (Scheduler::Auto, Some(Scheduler::Docker)) => {
            (Scheduler::Docker, docker(config, instance)?, KEPT)
        }
        (Scheduler::Auto, Some(Scheduler::Embedded)) => {
            (Scheduler::Embedded, embedded(config, instance)?, KEPT)
        }
        (Scheduler::Auto, Some(Scheduler::Auto) | None) => found(config, instance).await?,
    };
    if kept.is_some_and(|kept| kept != kind) {
        tracing::warn!(
            engine = kind.word(),
            "another engine than before; containers of the former one are taken for lost"
        );
    }
    keep(&config.data_dir, kind)?;
    tracing::info!(engine = kind.word(), reason, "container engine chosen");
    let driver: Arc<dyn Driver> = Arc::new(BuiltIn::new(driver));
    Ok(Chosen { driver, kind: kind.word().to_owned(), reason: reason.to_owned() })
}

const CONFIGURED: &str = "the settings ask for it";
const KEPT: &str = "this data directory has used it before";
const ANSWERS: &str = "Docker answers";
const NO_DOCKER: &str = "no Docker engine answers";

type Found = (Scheduler, Arc<dyn Driver>, &'static str);

/// Docker where it answers, else the embedded engine.
async fn found(config: &Config, instance: &InstanceId) -> Result<Found, StartError> {
    let docker = match docker(config, instance) {
        Ok(driver) => asked(driver).await,
        Err(error) => Err(error.to_string()),
    };
    let no_docker = match docker {
        Ok(driver) => return Ok((Scheduler::Docker, driver, ANSWERS)),
        Err(why) => why,
    };
    match embedded(config, instance) {
        Ok(driver) => Ok((Scheduler::Embedded, driver, NO_DOCKER)),
        Err(embedded) => {
            Err(StartError::NoEngine { docker: no_docker, embedded: embedded.to_string() })
        }
    }
}

/// The driver, if its engine answers now.
async fn asked(driver: Arc<dyn Driver>) -> Result<Arc<dyn Driver>, String> {
    match tokio::time::timeout(DOCKER_PATIENCE, driver.info()).await {
        Ok(Ok(_info)) => Ok(driver),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!("it did not answer within {DOCKER_PATIENCE:?}")),
    }
}

fn docker(config: &Config, instance: &InstanceId) -> Result<Arc<dyn Driver>, DriverError> {
    let settings = DockerSettings {
        last_contact_ms: contact::last(&config.data_dir),
        ..DockerSettings::from_env(instance.clone())
    };
    Ok(Arc::new(DockerDriver::new(settings)?))
}

fn embedded(config: &Config, instance: &InstanceId) -> Result<Arc<dyn Driver>, StartError> {
    let program = std::env::current_exe().map_err(|source| StartError::Io {
        what: "find the program of",
        path: "this process".into(),
        source,
    })?;
    let settings = EmbeddedSettings {
        instance: instance.clone(),
        data_dir: config.data_dir.clone(),
        program,
        config_file: DockerSettings::from_env(instance.clone()).config_file,
        network: Network::default(),
    };
    Ok(Arc::new(EmbeddedDriver::open(settings)?))
}

/// The engine that this data directory has used before.
fn kept(data_dir: &Path) -> Result<Option<Scheduler>, StartError> {
    let path = data_dir.join(ENGINE_FILE);
    match std::fs::read_to_string(&path) {
        Ok(word) => Ok(Scheduler::parse(word.trim())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StartError::Io { what: "read", path, source }),
    }
}

fn keep(data_dir: &Path, kind: Scheduler) -> Result<(), StartError> {
    let path = data_dir.join(ENGINE_FILE);
    std::fs::write(&path, kind.word()).map_err(|source| StartError::Io {
        what: "write",
        path,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kept(dir.path()).unwrap(), None);
        keep(dir.path(), Scheduler::Embedded).unwrap();
        assert_eq!(kept(dir.path()).unwrap(), Some(Scheduler::Embedded));
    }
}
