//! Wakes those who wait for something in an attempt's folder: followers of its log, and who watches
//! the shim of an earlier server. One inotify object serves them all (a user may have 128 in all), one
//! thread reads it, and each waits on a bell of its own. Where the system has no watch left to give,
//! a bell rings by the clock instead, so nothing is ever missed, only dearer.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::sync::Notify;

use crate::limits;

/// What a bell rings for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RingsFor {
    /// More output, and the end.
    Output,
    /// The end alone.
    End,
}

/// What must be heard of: the log grew, its writer is gone, a record was renamed into place,
/// the folder went.
const EVENTS: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::ONLYDIR);

/// All bells.
#[derive(Debug)]
pub(crate) struct Bells(Option<Arc<Rope>>);

#[derive(Debug)]
struct Rope {
    inotify: OwnedFd,
    hung: Mutex<Hung>,
    n_hung: AtomicU64,
    closed: AtomicBool,
}

/// The bells by the kernel's number of the folder.
type Hung = HashMap<i32, Vec<Clapper>>;

#[derive(Debug)]
struct Clapper {
    id: u64,
    rings_for: RingsFor,
    rings: Arc<Notify>,
}

/// One waiter's bell. Dropping it takes it down.
#[derive(Debug)]
pub(crate) struct Bell {
    rings: Arc<Notify>,
    /// Whether the last wait ended with a ring.
    rang: bool,
    hangs: Option<(Arc<Rope>, i32, u64)>,
}

impl Bells {
    /// Starts the thread that rings.
    pub(crate) fn hang() -> Self {
        match Rope::new() {
            Ok(rope) => Self(Some(rope)),
            Err(error) => {
                tracing::warn!(%error, "no inotify; logs are followed by the clock");
                Self(None)
            }
        }
    }

    /// A bell for what happens in a folder from now on.
    pub(crate) fn listen(&self, folder: &Path, rings_for: RingsFor) -> Bell {
        let rings = Arc::new(Notify::new());
        let hangs = self.0.as_ref().and_then(|rope| match rope.add(folder, rings_for, &rings) {
            Ok((wd, id)) => Some((Arc::clone(rope), wd, id)),
            Err(error) => {
                tracing::debug!(folder = %folder.display(), %error, "no watch for a folder; looking by the clock");
                None
            }
        });
        Bell { rings, rang: false, hangs }
    }
}

impl Drop for Bells {
    fn drop(&mut self) {
        if let Some(rope) = &self.0
            && let Err(error) = rope.close()
        {
            tracing::warn!(%error, "the thread of an engine's bells stays");
        }
    }
}

impl Bell {
    /// Waits until something happened since the last call, or some time has passed.
    pub(crate) async fn wait(&mut self) {
        let longest = match (&self.hangs, self.rang) {
            (None, _) => limits::BELL_CLOCK,
            (Some(_), true) => limits::BELL_AFTER_RING,
            (Some(_), false) => limits::BELL_SILENCE,
        };
        self.rang = tokio::time::timeout(longest, self.rings.notified()).await.is_ok();
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if let Some((rope, wd, id)) = &self.hangs {
            rope.take_down(*wd, *id);
        }
    }
}

impl Rope {
    fn new() -> io::Result<Arc<Self>> {
        let inotify = inotify::init(CreateFlags::CLOEXEC)?;
        let rope = Arc::new(Self {
            inotify,
            hung: Mutex::default(),
            n_hung: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let pulled = Arc::clone(&rope);
        std::thread::Builder::new().name("bells".to_owned()).spawn(move || pulled.ring())?;
        Ok(rope)
    }

    fn hung(&self) -> MutexGuard<'_, Hung> {
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(
        &self,
        folder: &Path,
        rings_for: RingsFor,
        rings: &Arc<Notify>,
    ) -> io::Result<(i32, u64)> {
        let id = self.n_hung.fetch_add(1, Ordering::Relaxed);
        // The kernel gives one number for one folder, so a number must not be given back meanwhile.
        let mut hung = self.hung();
        let wd = inotify::add_watch(&self.inotify, folder, EVENTS)?;
        hung.entry(wd).or_default().push(Clapper { id, rings_for, rings: Arc::clone(rings) });
        Ok((wd, id))
    }

    fn take_down(&self, wd: i32, id: u64) {
        let mut hung = self.hung();
        let Some(bells) = hung.get_mut(&wd) else { return };
        bells.retain(|clapper| clapper.id != id);
        if !bells.is_empty() {
            return;
        }
        hung.remove(&wd);
        match inotify::remove_watch(&self.inotify, wd) {
            // The folder is gone, and its watch with it.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => tracing::debug!(%error, "could not take a watch off a folder"),
        }
    }

    /// Makes the thread end, by an event for it to read.
    fn close(&self) -> io::Result<()> {
        self.closed.store(true, Ordering::Release);
        let wd = inotify::add_watch(&self.inotify, "/", WatchFlags::DELETE_SELF)?;
        Ok(inotify::remove_watch(&self.inotify, wd)?)
    }

    fn ring(&self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => {
                    tracing::warn!(%error, "the bells are dumb; logs are followed by the clock");
                    return;
                }
            };
            let (flags, wd) = (event.events(), event.wd());
            let name = event.file_name().map(std::ffi::CStr::to_bytes);
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                self.hung().values().flatten().for_each(|clapper| clapper.rings.notify_one());
                continue;
            }
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            let hung = self.hung();
            let Some(bells) = hung.get(&wd) else { continue };
            let concerned = bells.iter().filter(|clapper| concerns(clapper.rings_for, flags, name));
            concerned.for_each(|clapper| clapper.rings.notify_one());
        }
    }
}

/// Whoever looks whether a lock is held opens and closes it, so a close counts only where the log is
/// what was closed: bells would otherwise ring each other for ever.
fn concerns(rings_for: RingsFor, flags: ReadFlags, name: Option<&[u8]>) -> bool {
    if flags.contains(ReadFlags::CLOSE_WRITE) {
        return name == Some(b"log");
    }
    rings_for == RingsFor::Output || !flags.contains(ReadFlags::MODIFY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::Write as _;
    use std::time::Duration;

    fn output(bells: &Bells, folder: &Path) -> Bell {
        bells.listen(folder, RingsFor::Output)
    }

    async fn rings(bell: &Bell) -> bool {
        tokio::time::timeout(Duration::from_millis(100), bell.rings.notified()).await.is_ok()
    }

    #[tokio::test]
    async fn a_bell_rings_for_the_log_and_not_for_a_look_at_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut log = File::create(path("log")).unwrap();
        File::create(path("lock")).unwrap();
        let bells = Bells::hang();
        let (one, two) = (output(&bells, folder.path()), output(&bells, folder.path()));
        let end = bells.listen(folder.path(), RingsFor::End);
        drop(File::options().write(true).open(path("lock")).unwrap());
        assert!(!rings(&one).await);
        log.write_all(b"x").unwrap();
        assert!(rings(&one).await && rings(&two).await);
        assert!(!rings(&end).await, "output is no end");
        drop(log);
        assert!(rings(&one).await && rings(&end).await, "the writer's end is not heard");
        drop(two);
        fs::write(path("aside"), "x").unwrap();
        assert!(rings(&one).await);
        fs::rename(path("aside"), path("exit.json")).unwrap();
        assert!(rings(&one).await && rings(&end).await, "a record is not heard");
        fs::rename(folder.path(), folder.path().with_extension("gone")).unwrap();
        assert!(rings(&one).await, "a removal is not heard");
        fs::remove_dir_all(folder.path().with_extension("gone")).unwrap();
    }

    #[tokio::test]
    async fn a_bell_that_cannot_hang_rings_by_the_clock() {
        let mut bell = output(&Bells(None), Path::new("/none"));
        bell.wait().await;
        let mut bell = output(&Bells::hang(), Path::new("/none/such"));
        bell.wait().await;
        assert!(bell.hangs.is_none());
    }

    #[test]
    fn the_thread_ends_with_its_bells() {
        let bells = Bells::hang();
        let rope = Arc::downgrade(bells.0.as_ref().unwrap());
        drop(bells);
        for _ in 0..200 {
            if rope.strong_count() == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the thread still holds its end of the rope");
    }
}
