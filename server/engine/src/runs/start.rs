//! Starting an attempt's container: variables, image, create and start. Only the pull can be
//! given up in the middle; from the create on, the engine's answer is awaited, so that a stop
//! knows what there is to stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_core::placeholder;
use gofer_core::ports::driver::{
    ContainerSpec, DriverError, FaultKind, Handle, Observed, ProgressSink, PullRequest,
    PulledImage, RegistryLogin,
};
use gofer_core::run::{Fact, PullTimes, StartFailure};

use super::attempt::{Attempt, Life, class_of};
use super::live::LiveAttempt;
use crate::engine_state::is_unreachable;
use crate::failpoint;

/// Why an attempt came to nothing before its container was made.
enum NoStart {
    /// A stop was wanted first.
    Stopped,
    /// It failed.
    Failed(StartFailure),
}

impl Attempt {
    /// Starts a container that was never asked for.
    pub(super) async fn start(&mut self) -> Life {
        match self.pulled_spec().await {
            Ok(()) => self.start_container().await,
            Err(NoStart::Stopped) => {
                self.tell_vanished().await;
                Life::Over
            }
            Err(NoStart::Failed(failure)) => self.tell_failed(failure).await,
        }
    }

    /// Starts a container that may have been asked for before a restart: what is there counts.
    pub(super) async fn start_again(&mut self) -> Life {
        match self.inspect().await {
            Observed::Absent => self.start().await,
            // It never ran: a refusal, not an exit. Asking again tells which.
            Observed::Exited { exit, .. } if exit.started_ms.is_none() => {
                self.start_container().await
            }
            Observed::Created(_) | Observed::Running { .. } | Observed::Exited { .. } => {
                Life::MayRun
            }
        }
    }

    /// Creates and starts the container, or finds that it is there.
    pub(super) async fn start_container(&mut self) -> Life {
        let spec = match self.container_spec() {
            Ok(spec) => spec,
            Err(failure) => return self.tell_failed(failure).await,
        };
        let mut n_tries = 0;
        loop {
            let driver = Arc::clone(&self.shared.driver);
            match driver.ensure(spec.clone()).await {
                Ok(handle) => {
                    failpoint::hit("attempt.ensured");
                    self.shared.engine_is_up();
                    return self.came_up(handle);
                }
                Err(error) if is_unreachable(&error) => {
                    self.shared.engine_is_unknown(&error);
                    if self.want.borrow().stop.is_some() {
                        return Life::MayRun; // the watch finds out what there is to stop
                    }
                    self.shared.engine.back_off(n_tries).await;
                    n_tries += 1;
                }
                Err(error) => return self.tell_failed(failure_of(&error)).await,
            }
        }
    }

    fn came_up(&mut self, handle: Handle) -> Life {
        self.container = Some(handle);
        Life::MayRun
    }

    async fn tell_failed(&self, failure: StartFailure) -> Life {
        let (task, attempt) = self.names();
        self.tell(Fact::StartFailed { task, attempt, failure }).await;
        Life::Over
    }

    /// Makes the image available.
    async fn pulled_spec(&mut self) -> Result<(), NoStart> {
        let login = self.registry_login().map_err(NoStart::Failed)?;
        let request = PullRequest {
            image: self.task.image.clone(),
            policy: self.task.pull_policy,
            auth: login,
        };
        let began = self.shared.clock.now();
        let pulled = self.pull(&request).await;
        self.live.send_modify(|board| {
            board.remove(&self.key.task);
        });
        let image = pulled?;
        failpoint::hit("attempt.pulled");
        self.origin.digest = image.digest;
        self.origin.pull = Some(PullTimes { began, ended: self.shared.clock.now() });
        Ok(())
    }

    async fn pull(&mut self, request: &PullRequest) -> Result<PulledImage, NoStart> {
        let driver = Arc::clone(&self.shared.driver);
        let mut n_tries = 0;
        loop {
            let pull = driver.pull(request.clone(), self.progress_sink());
            let pulled = tokio::select! {
                () = self.stop_wanted() => return Err(NoStart::Stopped),
                pulled = pull => pulled,
            };
            match pulled {
                Ok(image) => {
                    self.shared.engine_is_up();
                    return Ok(image);
                }
                Err(error) if is_unreachable(&error) => {
                    self.shared.engine_is_unknown(&error);
                    tokio::select! {
                        () = self.stop_wanted() => return Err(NoStart::Stopped),
                        () = self.shared.engine.back_off(n_tries) => n_tries += 1,
                    }
                }
                Err(error) => return Err(NoStart::Failed(failure_of(&error))),
            }
        }
    }

    /// Waits until a stop is wanted; for ever where the owner is gone, which ends this task anyway.
    async fn stop_wanted(&self) {
        let mut want = self.want.clone();
        if want.wait_for(|want| want.stop.is_some()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn progress_sink(&self) -> ProgressSink {
        let (live, task, image) =
            (Arc::clone(&self.live), self.key.task.clone(), self.task.image.clone());
        Arc::new(move |progress| {
            live.send_modify(|board| {
                board.insert(task.clone(), LiveAttempt::Pulling { image: image.clone(), progress });
            });
        })
    }

    fn container_spec(&self) -> Result<ContainerSpec, StartFailure> {
        let spec = ContainerSpec {
            instance: self.shared.instance.clone(),
            key: self.key.clone(),
            image: self.task.image.clone(),
            entrypoint: self.task.entrypoint.clone(),
            command: self.task.command.clone(),
            env: self.environment()?,
            user: self.task.user.clone(),
            workdir: self.task.workdir.clone(),
            cpu_milli: self.task.cpu_milli,
            memory_bytes: self.task.memory_bytes,
            pids_max: self.shared.config.pids_max,
            labels: self.task.labels.clone(),
        };
        self.shared.driver.validate(&spec).map_err(|error| failure_of(&error))?;
        Ok(spec)
    }

    /// The variables of the container with their placeholders resolved. A resolved value goes into
    /// the container's environment and nowhere else.
    fn environment(&self) -> Result<BTreeMap<String, String>, StartFailure> {
        let merged = self.shared.task_variables(&self.spec, &self.task, self.key.attempt);
        let mut environment = BTreeMap::new();
        for variable in merged {
            let value = self.resolve(&variable.value)?;
            environment.insert(variable.key, value);
        }
        Ok(environment)
    }

    fn registry_login(&self) -> Result<Option<RegistryLogin>, StartFailure> {
        let Some(auth) = &self.task.registry_auth else { return Ok(None) };
        let (username, password) = (self.resolve(&auth.username)?, self.resolve(&auth.password)?);
        Ok(Some(RegistryLogin { username, password }))
    }

    fn resolve(&self, text: &str) -> Result<String, StartFailure> {
        let pieces = placeholder::parse(text).map_err(|faults| precondition(&faults))?;
        let resolved = placeholder::resolve_all(&pieces, &self.spec.key, &*self.shared.resolver);
        let resolved = resolved.map_err(|missing| precondition(&missing))?;
        Ok(resolved.expose().to_owned())
    }
}

/// A variable or credential that cannot be had: another attempt would not go better.
fn precondition(causes: &[impl ToString]) -> StartFailure {
    let texts: Vec<String> = causes.iter().map(ToString::to_string).collect();
    let class = class_of(FaultKind::Config);
    StartFailure { class, text: texts.join("; "), retryable: false, exit_code: None }
}

fn failure_of(error: &DriverError) -> StartFailure {
    StartFailure {
        class: class_of(error.kind),
        text: error.message.clone(),
        retryable: error.retryable,
        exit_code: error.exit_code,
    }
}
