//! One suite that holds every driver to the same behaviour, the fake as well: a fake that lies
//! makes all tests above it lie. A case is a function over a [`Bench`]; [`conformance_suite!`]
//! turns each into a test of its own. What only one engine can show (a restart) is tested beside the
//! suite, in that engine's test file; what only real ones can, a registry, has a suite of its own.
//!
//! To add a case: write it in the file of its theme, add its name to the list in
//! [`conformance_suite!`]; it then runs on every driver.
//!
//! [`conformance_suite!`]: crate::conformance_suite

pub mod ends;
pub mod images;
pub mod imports;
pub mod job;
pub mod logs;
pub mod registries;
pub mod starts;
pub mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use gofer_core::ids::{AttemptKey, InstanceId, RunUid, TaskId};
use gofer_core::ports::driver::{
    ContainerSpec, Driver, DriverError, Exit, FaultKind, Handle, Observed,
};

use crate::fake::Program;
use job::Job;

/// How long a case waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Tells an engine what a command does; real ones know.
pub type Teach = Arc<dyn Fn(&[String], Program) + Send + Sync>;

/// A driver under test and what a case needs around it.
#[derive(Clone)]
pub struct Bench {
    /// The driver of [`Bench::instance`].
    pub driver: Arc<dyn Driver>,
    /// Whose containers the case makes. No other case has the same.
    pub instance: InstanceId,
    /// A second server on the same engine.
    pub other: Arc<dyn Driver>,
    /// Its instance.
    pub other_instance: InstanceId,
    /// An image that is on the engine, with busybox in it.
    pub image: String,
    /// See [`Teach`].
    pub teach: Teach,
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// Runs one case, and takes away what it left, whether it held or not.
///
/// # Errors
/// What the case found.
pub async fn run<F>(bench: Bench, case: impl FnOnce(Bench) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let outcome = Box::pin(case(bench.clone())).await;
    let instances = [(&bench.driver, &bench.instance), (&bench.other, &bench.other_instance)];
    for (driver, instance) in instances {
        for listed in driver.list(instance).await? {
            driver.remove(&listed.handle).await?;
        }
        let left = driver.list(instance).await?;
        anyhow::ensure!(left.is_empty(), "containers are left: {left:?}");
    }
    outcome
}

/// An instance id that nobody else has: unique in this process by a count, among processes by
/// their number, over time by the clock of the machine.
#[must_use]
pub fn fresh_instance() -> InstanceId {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    #[expect(
        clippy::disallowed_methods,
        reason = "ids must differ from those of earlier test runs"
    )]
    let now = std::time::SystemTime::now();
    let now_us = now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let text = format!("0{:05x}{:016x}{n:04x}", std::process::id() & 0xf_ffff, now_us);
    match RunUid::parse(&text) {
        Ok(uid) => uid,
        Err(_) => unreachable!("26 hexadecimal digits are a uid"),
    }
}

impl Bench {
    /// The first attempt of a task, whose container runs `job` in this bench's image.
    ///
    /// # Errors
    /// Where `task` is no name.
    pub fn spec(&self, task: &str, job: &Job) -> Result<ContainerSpec> {
        (self.teach)(&job.command, job.program.clone());
        let key = AttemptKey { uid: fresh_instance(), task: TaskId::parse(task)?, attempt: 1 };
        Ok(ContainerSpec {
            instance: self.instance.clone(),
            key,
            image: self.image.clone(),
            entrypoint: Vec::new(),
            command: job.command.clone(),
            env: BTreeMap::from([("GOFER_TEST".to_owned(), "1".to_owned())]),
            user: None,
            workdir: None,
            cpu_milli: None,
            memory_bytes: None,
            pids_max: 64,
            labels: BTreeMap::from([("theme".to_owned(), "conformance".to_owned())]),
        })
    }

    /// Starts such a container.
    ///
    /// # Errors
    /// What the driver said.
    pub async fn start(&self, task: &str, job: &Job) -> Result<Handle> {
        Ok(self.driver.ensure(self.spec(task, job)?).await?)
    }

    /// Waits for the container's end.
    ///
    /// # Errors
    /// Where it does not come, or the container is gone.
    pub async fn exit(&self, key: &AttemptKey) -> Result<Exit> {
        let observed = self.observe(key, |seen| matches!(seen, Observed::Exited { .. })).await?;
        let Observed::Exited { exit, .. } = observed else { bail!("saw {observed:?}") };
        Ok(exit)
    }

    /// Looks at the container until `enough`.
    ///
    /// # Errors
    /// Where that does not come in time.
    pub async fn observe(
        &self,
        key: &AttemptKey,
        enough: impl Fn(&Observed) -> bool,
    ) -> Result<Observed> {
        let mut seen = self.driver.inspect(key).await?;
        let n_looks = PATIENCE.as_millis() / PAUSE.as_millis();
        for _ in 0..n_looks {
            if enough(&seen) {
                return Ok(seen);
            }
            tokio::time::sleep(PAUSE).await;
            seen = self.driver.inspect(key).await?;
        }
        bail!("after {PATIENCE:?} the container of {key} is still {seen:?}")
    }
}

/// Holds a refused call to its kind.
///
/// # Errors
/// Where it was not refused, or otherwise.
pub fn expect_fault<T: fmt::Debug>(
    got: Result<T, DriverError>,
    kind: FaultKind,
) -> Result<DriverError> {
    match got {
        Err(fault) if fault.kind == kind => Ok(fault),
        other => bail!("expected a fault of kind {kind:?}, got {other:?}"),
    }
}

/// Makes a test of each case of the suite, on the bench that `$bench` (an async function without
/// arguments, giving a `Result<Bench>`) sets up. A macro, because Rust has no other way to make
/// tests from a list. `$test` is the attribute of each.
#[macro_export]
macro_rules! conformance_suite {
    ($bench:path, $test:meta) => {
        $crate::conformance_suite! { @tests $bench, $test,
            starts: ensure_twice_gives_one_container
            starts: ensure_after_the_exit_does_not_start_again
            starts: another_spec_for_the_same_attempt_is_refused
            starts: a_command_that_is_missing_is_a_config_fault_127
            starts: a_file_that_cannot_be_executed_is_a_config_fault_126
            starts: an_unknown_user_is_a_config_fault
            starts: a_bad_working_directory_is_a_config_fault
            starts: a_refused_start_leaves_nothing_and_never_runs
            starts: a_dropped_ensure_is_finished_by_the_next_and_starts_once
            starts: settings_reach_the_container
            ends: exit_codes_come_back_as_they_are
            ends: a_container_that_never_was_is_absent
            ends: a_running_container_is_seen_running
            ends: want_of_memory_is_named
            ends: stop_lets_a_handler_choose_the_exit_code
            ends: stop_without_a_handler_changes_nothing
            ends: kill_ends_with_137
            ends: signals_to_an_ended_or_gone_container_are_fine
            ends: remove_twice_is_fine_and_leaves_it_absent
            ends: remove_takes_a_running_container
            logs: bytes_are_exact
            logs: the_two_streams_come_apart
            logs: a_line_of_a_mebibyte_comes_whole
            logs: a_container_that_says_nothing_has_an_empty_log
            logs: every_cursor_goes_on_without_loss_or_repetition
            logs: follow_sees_a_line_live_and_ends_after_the_exit
            logs: the_last_read_is_whole
            logs: the_log_of_a_gone_container_is_a_fault
            watch: events_say_connected_and_then_changed
            watch: events_of_another_instance_are_not_ours
            watch: only_our_own_containers_are_listed
            images: an_image_that_is_there_is_not_pulled
            images: never_with_a_missing_image_says_so
            images: a_container_of_a_missing_image_is_an_image_fault
            imports: an_imported_image_is_listed_and_runs
            imports: every_form_of_archive_gives_the_same_image
            imports: another_name_takes_the_place_of_the_archives_own
            imports: an_archive_that_is_none_leaves_nothing
            imports: an_archive_that_is_damaged_in_part_leaves_nothing
            imports: a_name_that_is_taken_moves_to_the_new_image
            imports: a_removed_name_is_gone_and_the_image_with_the_last
            imports: prune_takes_what_has_no_name_and_says_before_what
            imports: prune_leaves_what_a_container_needs
            imports: names_and_ids_that_are_none_are_config_faults
        }
    };
    (@tests $bench:path, $test:meta, $($theme:ident: $case:ident)*) => {
        $(
            #[$test]
            async fn $case() -> anyhow::Result<()> {
                let bench = $bench().await?;
                $crate::conformance::run(bench, $crate::conformance::$theme::$case).await
            }
        )*
    };
}
