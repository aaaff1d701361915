//! What is true of a container now, in the port's words.

use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::ports::driver::{DriverError, Exit, Handle, Listed, Observed, container_name};

use crate::adopt::{Life, Lost};
use crate::engine::Engine;
use crate::fault;
use crate::files::exit::{ExitFile, Fault, Outcome};

/// The exit code of a container that could not be started, where the fault names none.
const REFUSED_CODE: i32 = 128;

/// The exit code of a container whose end nobody saw. It says nothing, and is marked so.
const LOST_CODE: i32 = 255;

pub(crate) fn inspect(
    engine: &Engine,
    instance: &InstanceId,
    key: &AttemptKey,
) -> Result<Observed, DriverError> {
    let Some(seen) = engine.look(&engine.home().attempt(instance, key))? else {
        return Ok(Observed::Absent);
    };
    let handle = handle(instance, key);
    Ok(match seen.life {
        // Who sees this ensures, and waits for the start under way.
        Life::Created | Life::Starting => Observed::Created(handle),
        Life::Running(shim) => Observed::Running { handle, since_ms: shim.started_ms },
        Life::Ended(exit) => Observed::Exited { handle, exit: exit_of(&exit) },
        Life::Lost(lost) => Observed::Exited { handle, exit: exit_of_lost(&lost) },
    })
}

pub(crate) fn list(engine: &Engine, instance: &InstanceId) -> Result<Vec<Listed>, DriverError> {
    let tried = format!("list the containers of instance {instance}");
    let keys = engine.home().attempts_of(instance).map_err(|error| fault::of_io(&tried, &error))?;
    let mut listed = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(seen) = engine.look(&engine.home().attempt(instance, &key))? else { continue };
        let running = match seen.life {
            Life::Starting | Life::Running(_) => true,
            Life::Created | Life::Ended(_) | Life::Lost(_) => false,
        };
        listed.push(Listed { handle: handle(instance, &key), running });
    }
    Ok(listed)
}

pub(crate) fn handle(instance: &InstanceId, key: &AttemptKey) -> Handle {
    Handle { key: key.clone(), id: container_name(instance, key) }
}

fn exit_of(file: &ExitFile) -> Exit {
    let (code, interrupted) = match &file.outcome {
        Outcome::Exited { code } => (*code, false),
        Outcome::Signalled { signal } => (128 + signal, false),
        Outcome::Refused { fault, exit_code, .. } => {
            (exit_code.unwrap_or(REFUSED_CODE), *fault != Fault::Config)
        }
    };
    Exit {
        code,
        // A job that lost a child and ended well by itself has not failed for want of memory.
        oom: file.oom_kills > 0 && code != 0,
        interrupted,
        started_ms: file.started_ms,
        ended_ms: file.ended_ms.max(file.started_ms.unwrap_or(i64::MIN)),
    }
}

fn exit_of_lost(lost: &Lost) -> Exit {
    Exit {
        code: LOST_CODE,
        oom: false,
        interrupted: true,
        started_ms: lost.started_ms,
        ended_ms: lost.last_sign_ms.max(lost.started_ms.unwrap_or(i64::MIN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(outcome: Outcome, oom_kills: u64) -> ExitFile {
        ExitFile {
            v: 1,
            outcome,
            oom_kills,
            started_ms: Some(2_000),
            ended_ms: 1_999,
            cpu_us: None,
            memory_peak_bytes: None,
        }
    }

    #[track_caller]
    fn check(outcome: Outcome, oom_kills: u64, code: i32, oom: bool, interrupted: bool) {
        let exit = exit_of(&file(outcome, oom_kills));
        assert_eq!((exit.code, exit.oom, exit.interrupted), (code, oom, interrupted));
        assert_eq!((exit.started_ms, exit.ended_ms), (Some(2_000), 2_000));
    }

    #[test]
    fn every_outcome_has_its_exit() {
        check(Outcome::Exited { code: 57 }, 0, 57, false, false);
        check(Outcome::Signalled { signal: 9 }, 0, 137, false, false);
        check(Outcome::Signalled { signal: 9 }, 1, 137, true, false);
        check(Outcome::Exited { code: 0 }, 1, 0, false, false);
        let refused =
            |fault, exit_code| Outcome::Refused { fault, message: String::new(), exit_code };
        check(refused(Fault::Config, Some(127)), 0, 127, false, false);
        check(refused(Fault::Config, None), 0, 128, false, false);
        check(refused(Fault::Engine, None), 0, 128, false, true);
        check(refused(Fault::Capacity, None), 0, 128, false, true);
    }

    #[test]
    fn a_lost_container_is_never_the_tasks_doing() {
        let lost = Lost { started_ms: Some(5), last_sign_ms: 4, cgroup: None };
        let exit = exit_of_lost(&lost);
        assert!(exit.interrupted && exit.code != 0);
        assert_eq!((exit.started_ms, exit.ended_ms), (Some(5), 5));
    }
}
