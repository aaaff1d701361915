//! What callers may ask of runs. Each call goes on to its end though its caller may go away, and
//! is answered after the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gofer_core::ids::{PipelineKey, RunId, RunKey, RunUid, Version};
use gofer_core::problem::{Kind, Problem};
use gofer_core::run::{Actor, Force, Request, RunPolicy, Scope};
use gofer_store::{PageRequest, RunFilter, RunSummary, StartRun, Started, StateKind};
use ulid::Ulid;

use crate::dispatch::Message;
use crate::engine::{Engine, Shared};
use crate::failpoint;
use crate::limits::{DISK_RESERVE_BYTES, FULL_RETRY_MS, LOOKS_MAX, LOOKS_RETRY_MS};

/// A run to start.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// The pipeline.
    pub pipeline: PipelineKey,
    /// The version; none for the live one.
    pub version: Option<Version>,
    /// The run's own variables, checked.
    pub variables: BTreeMap<String, String>,
    /// Makes a repeated call give the same run.
    pub idempotency_key: Option<String>,
    /// Who starts it.
    pub by: Actor,
    /// Why; may be empty.
    pub reason: String,
}

/// A run to repeat.
#[derive(Debug, Clone)]
pub struct RetryRequest {
    /// The run.
    pub run: RunKey,
    /// Who repeats it.
    pub by: Actor,
    /// Why; may be empty.
    pub reason: String,
}

/// A run, or one task run of it, to cancel.
#[derive(Debug, Clone)]
pub struct CancelRequest {
    /// The run.
    pub run: RunKey,
    /// How much of it.
    pub scope: Scope,
    /// Whether to kill at once.
    pub force: Force,
    /// Who asks.
    pub by: Actor,
    /// Why; may be empty.
    pub reason: String,
}

impl Engine {
    /// Starts a run: answers when it is committed as PENDING, never waits for a slot.
    ///
    /// # Errors
    /// NotFound; Rejected where ingress is off, the pipeline disabled or nothing deployed; Full.
    pub async fn start_run(&self, request: StartRequest) -> Result<Started, Problem> {
        let order = self.shared.order_of(request);
        self.start_order(order).await
    }

    /// Says what [`Engine::start_run`] would answer, and starts nothing.
    ///
    /// # Errors
    /// The same.
    pub async fn rehearse_start(&self, request: StartRequest) -> Result<Started, Problem> {
        let (order, now) = (self.shared.order_of(request), self.shared.clock.now());
        self.shared.writer.rehearse(move |tx| tx.start_run(&order, now)).await
    }

    /// Starts a new run with the version and variables of an old one.
    ///
    /// # Errors
    /// As [`Engine::start_run`].
    pub async fn retry_run(&self, request: RetryRequest) -> Result<Started, Problem> {
        let old = self.shared.stored_run(&request.run).await?;
        let mut order = self.shared.order_of(StartRequest {
            pipeline: request.run.pipeline.clone(),
            version: Some(old.spec.version),
            variables: old.spec.variables.clone(),
            idempotency_key: None,
            by: request.by,
            reason: request.reason,
        });
        order.retry_of = Some(request.run.run);
        self.start_order(order).await
    }

    async fn start_order(&self, order: StartRun) -> Result<Started, Problem> {
        if let Err(full) = self.shared.check_room() {
            return self.started_before(order).await?.ok_or(full);
        }
        let shared = Arc::clone(&self.shared);
        self.detached("start run", async move {
            failpoint::hit("start_run.before_commit");
            let now = shared.clock.now();
            // Queued in the order of the commits, which is that of their numbers.
            let dispatch = shared.dispatch.clone();
            let queue = move |started: &Started| {
                if !started.existing {
                    dispatch.tell_from_thread(Message::Queue(Box::new(started.run.clone())));
                }
            };
            let started =
                shared.writer.call_then(move |tx| tx.start_run(&order, now), queue).await?;
            failpoint::hit("start_run.committed");
            if !started.existing {
                shared.feed.grew();
            }
            Ok(started)
        })
        .await
    }

    /// The run of an earlier order with the same idempotency key: a repeat needs no room.
    async fn started_before(&self, order: StartRun) -> Result<Option<Started>, Problem> {
        if order.idempotency_key.is_none() {
            return Ok(None);
        }
        let now = self.shared.clock.now();
        let known = self.shared.writer.rehearse(move |tx| tx.start_run(&order, now)).await?;
        Ok(known.existing.then_some(known))
    }

    /// Cancels a run or a task run. Asking twice is fine; a second ask may add force.
    ///
    /// # Errors
    /// NotFound; Rejected where it has ended already, and not by a cancel.
    pub async fn cancel(&self, request: CancelRequest) -> Result<(), Problem> {
        let shared = Arc::clone(&self.shared);
        self.detached("cancel", async move { shared.cancel(request).await }).await
    }

    /// Cancels all runs of a pipeline that have not ended. Returns their numbers.
    ///
    /// # Errors
    /// NotFound.
    pub async fn cancel_all(
        &self,
        pipeline: PipelineKey,
        force: Force,
        by: Actor,
        reason: String,
    ) -> Result<Vec<RunId>, Problem> {
        let shared = Arc::clone(&self.shared);
        self.detached("cancel all", async move {
            shared
                .readers
                .read({
                    let pipeline = pipeline.clone();
                    move |reader| reader.pipeline(&pipeline)
                })
                .await?;
            shared.cancel_all(&pipeline, force, &by, &reason).await
        })
        .await
    }
}

impl Shared {
    /// Refuses new runs while the disk is nearly full: the rest of it belongs to the runs that go on.
    fn check_room(&self) -> Result<(), Problem> {
        let free = self.logs.free_bytes();
        if free.is_none_or(|free| free >= DISK_RESERVE_BYTES) {
            return Ok(());
        }
        let text = format!(
            "the server's disk has less than {} MiB left; new runs wait until there is room",
            DISK_RESERVE_BYTES / (1024 * 1024)
        );
        let mut problem = Problem::new(Kind::Full, "DISK_FULL", text)
            .with_next("make room on the server's disk, then start the run again");
        problem.retry_after_ms = Some(FULL_RETRY_MS);
        Err(problem)
    }

    fn order_of(&self, request: StartRequest) -> StartRun {
        let config = &self.config;
        StartRun {
            key: request.pipeline,
            version: request.version,
            variables: request.variables,
            idempotency_key: request.idempotency_key,
            initiator: request.by,
            reason: request.reason,
            retry_of: None,
            uid: fresh_uid(),
            policy: RunPolicy {
                stop_grace_ms: config.task_run_stop_timeout_ms,
                infra_retries: config.infra_retries,
                infra_delay_ms: config.infra_delay_ms,
                task_timeout_ms_max: config.task_timeout_ms_max,
                parallelism: None,
            },
            server_parallelism: config.run_parallelism_limit,
        }
    }

    async fn cancel(self: &Arc<Self>, request: CancelRequest) -> Result<(), Problem> {
        for _ in 0..LOOKS_MAX {
            let handle = self.dispatch.find(&request.run).await?;
            let cancel = Request::Cancel {
                scope: request.scope.clone(),
                force: request.force,
                by: request.by.clone(),
                reason: request.reason.clone(),
            };
            if let Some(answer) = handle.request(cancel, self.clock.now()).await {
                return answer;
            }
        }
        Err(Problem::unavailable(
            format!("run {} moved on too often to be cancelled", request.run),
            LOOKS_RETRY_MS,
        ))
    }

    /// Cancels what has not ended; a run that ends meanwhile is no fault.
    pub(crate) async fn cancel_all(
        self: &Arc<Self>,
        pipeline: &PipelineKey,
        force: Force,
        by: &Actor,
        reason: &str,
    ) -> Result<Vec<RunId>, Problem> {
        let mut cancelled = Vec::new();
        for run in self.unfinished_runs(pipeline).await? {
            let request = CancelRequest {
                run: run.clone(),
                scope: Scope::Run,
                force,
                by: by.clone(),
                reason: reason.to_owned(),
            };
            match self.cancel(request).await {
                Ok(()) => cancelled.push(run.run),
                Err(problem) if matches!(problem.kind, Kind::Rejected | Kind::NotFound) => {}
                Err(problem) => return Err(problem),
            }
        }
        Ok(cancelled)
    }

    /// The runs of a pipeline that have not ended, newest first: those that wait go before the
    /// ones that hold slots, so that none is admitted only to be cancelled.
    pub(crate) async fn unfinished_runs(
        &self,
        pipeline: &PipelineKey,
    ) -> Result<Vec<RunKey>, Problem> {
        let states = [StateKind::Pending, StateKind::Running].into();
        let runs = self.runs_of(pipeline, states).await?;
        Ok(runs.into_iter().map(|summary| summary.key).collect())
    }

    /// All runs of a pipeline in these states, newest first; no states for any.
    pub(crate) async fn runs_of(
        &self,
        pipeline: &PipelineKey,
        states: BTreeSet<StateKind>,
    ) -> Result<Vec<RunSummary>, Problem> {
        let filter = RunFilter {
            namespace: pipeline.namespace.clone(),
            pipeline: Some(pipeline.pipeline.clone()),
            states,
            statuses: BTreeSet::new(),
            since: None,
        };
        let mut runs = Vec::new();
        let mut page = PageRequest { limit: Some(gofer_store::PAGE_LIMIT_MAX), cursor: None };
        loop {
            let (wanted, request) = (filter.clone(), page.clone());
            let found = self.readers.read(move |reader| reader.runs(&wanted, &request)).await?;
            runs.extend(found.items);
            if found.next_cursor.is_none() {
                return Ok(runs);
            }
            page.cursor = found.next_cursor;
        }
    }
}

fn fresh_uid() -> RunUid {
    let text = Ulid::generate().to_string().to_lowercase();
    // A ULID is 26 characters of Crockford's base 32: always a run uid.
    RunUid::parse(&text).unwrap_or_else(|_impossible| fresh_uid())
}
