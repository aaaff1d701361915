//! Takes a container away, running or not.
//!
//! ```text
//!  mark it started ─► no shim that comes late begins anything
//!  kill what runs  ─► take the lock, which the shim gives back with its last breath
//!  rename the folder into the trash ─► gone ─► delete it in the background
//! ```

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gofer_core::ids::AttemptKey;
use gofer_core::ports::driver::DriverError;
use rustix::process::Signal;

use crate::adopt::Life;
use crate::cgroup::Cgroup;
use crate::engine::Engine;
use crate::files::AttemptDir;
use crate::{fault, files, home, limits, process};

/// Takes the container away, whatever it does; gone already is fine.
pub(crate) async fn wholly(
    engine: &Arc<Engine>,
    key: &AttemptKey,
    dir: &AttemptDir,
) -> Result<(), DriverError> {
    let tried = format!("remove the container of {key}");
    let taken = async {
        loop {
            let at = dir.clone();
            let what = tried.clone();
            match engine.blocking(&tried, move |engine| take(engine, &what, &at)).await? {
                Taken::Away(graves) => return Ok(graves),
                Taken::NotYet => tokio::time::sleep(limits::LOOK_PAUSE).await,
            }
        }
    };
    match tokio::time::timeout(limits::REMOVE_LIMIT, taken).await {
        Ok(taken) => {
            empty(engine, taken?);
            engine.marks().forget(dir);
            Ok(())
        }
        Err(_) => Err(fault::engine(format!("could not {tried}: it does not end"))),
    }
}

/// Takes a container away that nobody has started, for good; one that somebody has stays.
pub(crate) async fn unless_started(
    engine: &Arc<Engine>,
    dir: &AttemptDir,
) -> Result<(), DriverError> {
    let at = dir.clone();
    let tried = format!("clear away {}", dir.path().display());
    let what = tried.clone();
    let grave = engine
        .blocking(&tried, move |engine| {
            let is_over = || {
                let seen = engine.look(&at)?;
                Ok(seen.is_none_or(|seen| matches!(seen.life, Life::Ended(_))))
            };
            let of = |error| fault::of_io(&what, &error);
            if !mark(&at).map_err(of)? && !is_over()? {
                return Ok(None);
            }
            // A shim that comes late holds the lock until it has seen the mark.
            for _ in 0..limits::LATE_SHIM_LOOKS_MAX {
                if let Some(_lock) = files::lock::take(&at.lock()).map_err(of)? {
                    return engine.home().bury(&at).map_err(of);
                }
                std::thread::sleep(limits::LOOK_PAUSE);
            }
            Err(fault::engine(format!("could not {what}: its shim does not leave")))
        })
        .await?;
    empty(engine, grave);
    Ok(())
}

enum Taken {
    Away(Option<PathBuf>),
    NotYet,
}

fn take(engine: &Engine, tried: &str, dir: &AttemptDir) -> Result<Taken, DriverError> {
    let of = |error| fault::of_io(tried, &error);
    let Some(seen) = engine.look(dir)? else { return Ok(Taken::Away(None)) };
    match mark(dir) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Taken::Away(None)),
        Err(error) => return Err(of(error)),
    }
    if let Life::Running(shim) = &seen.life {
        process::signal(shim.container, Signal::KILL).map_err(of)?;
    }
    let lock = match files::lock::take(&dir.lock()) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Ok(Taken::NotYet),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Taken::Away(None)),
        Err(error) => return Err(of(error)),
    };
    // A shim that was killed has left the control groups that it would have deleted, and perhaps,
    // for a moment, what is in them. It may have been killed just now, whatever was seen before.
    if let (true, Some(name)) = (seen.life != Life::Created, dir.path().file_name()) {
        let group = Cgroup::of(&name.to_string_lossy());
        group.kill_all().and_then(|()| group.remove()).map_err(of)?;
    }
    let grave = engine.home().bury(dir).map_err(of)?;
    drop(lock);
    Ok(Taken::Away(grave))
}

/// Marks the attempt as started; false where it was.
fn mark(dir: &AttemptDir) -> io::Result<bool> {
    match File::options().write(true).create_new(true).open(dir.started()) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes what was taken away; what is not deleted by the end of this server, the next one does.
fn empty(engine: &Arc<Engine>, grave: Option<PathBuf>) {
    let Some(grave) = grave else { return };
    engine.tasks().spawn(async move {
        let path = grave.clone();
        match tokio::task::spawn_blocking(move || home::delete(&grave)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(path = %path.display(), %error, "could not delete what a container left");
            }
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "a deletion was cut off");
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Parts;
    use crate::files::spec::{Network, SpecFile};
    use crate::home::Home;
    use crate::probe::{Cgroups, Machine};
    use crate::spawn::Program;
    use gofer_core::ids::{RunUid, TaskId};
    use std::path::Path;

    fn engine(data: &Path) -> Arc<Engine> {
        let home = Home::open(data).unwrap();
        let machine = Machine {
            kernel: String::new(),
            cgroups: Cgroups::V1,
            no_memory_limit: None,
            no_cpu_limit: None,
        };
        Engine::new(Parts {
            store: gofer_images::Store::open(&home.images()).unwrap(),
            home,
            config_file: None,
            program: Program::seal(Path::new("/bin/true")).unwrap(),
            machine,
            network: Network::None,
        })
    }

    fn made(engine: &Engine) -> AttemptDir {
        let uid = RunUid::parse("01j9zzzzzzzzzzzzzzzzzzzzzz").unwrap();
        let key = AttemptKey { uid: uid.clone(), task: TaskId::parse("task").unwrap(), attempt: 1 };
        let spec = SpecFile::for_tests(uid, key, engine.home().boot_id());
        assert!(engine.home().make(&spec).unwrap());
        engine.home().attempt(&spec.instance, &spec.key)
    }

    /// A shim that opened the lock before the folder went would otherwise begin in the trash.
    #[test]
    fn what_never_ran_is_marked_before_it_goes() {
        let data = tempfile::tempdir().unwrap();
        let engine = engine(data.path());
        let dir = made(&engine);
        let Taken::Away(Some(grave)) = take(&engine, "take", &dir).unwrap() else {
            panic!("it stays")
        };
        assert!(grave.join("started").exists() && !dir.path().exists());
        assert!(matches!(take(&engine, "take", &dir).unwrap(), Taken::Away(None)));
    }

    #[test]
    fn nothing_goes_under_a_living_shim() {
        let data = tempfile::tempdir().unwrap();
        let engine = engine(data.path());
        let dir = made(&engine);
        let shim = files::lock::take(&dir.lock()).unwrap().unwrap();
        assert!(matches!(take(&engine, "take", &dir).unwrap(), Taken::NotYet));
        assert!(dir.path().exists());
        drop(shim);
        assert!(matches!(take(&engine, "take", &dir).unwrap(), Taken::Away(Some(_))));
    }

    #[tokio::test]
    async fn a_start_that_was_faster_keeps_its_folder() {
        let data = tempfile::tempdir().unwrap();
        let engine = engine(data.path());
        let dir = made(&engine);
        assert!(mark(&dir).unwrap());
        unless_started(&engine, &dir).await.unwrap();
        assert!(dir.path().exists());
        std::fs::remove_file(dir.started()).unwrap();
        unless_started(&engine, &dir).await.unwrap();
        assert!(!dir.path().exists());
    }
}
