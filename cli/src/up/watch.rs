//! `up --watch`: save the file, and the new version is live.
//!
//! ```text
//!  wait for a change ─> settle ─> same contents? ─yes─> wait
//!        ^                          │ no
//!        │                        build ──change meanwhile──> stop it, build again
//!        │                          │ done, and the inputs are still the same
//!        ├──────── publish ─────────┘
//!        │            │ with --run: start a run
//!        └── follow it, until it ends or other contents overtake it
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gofer_client::program::Program;
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::publish::{Halted, Options, Published, publish};
use super::source::Group;
use super::{Source, build, inputs};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::wait::interrupted;

/// How long nothing must happen before a change counts: one save is several events.
const SETTLE: Duration = Duration::from_millis(30);
/// The longest that a change waits for others.
const SETTLE_MAX: Duration = Duration::from_millis(300);
/// So many builds in a row are stopped by changes; then one may finish, or nobody sees a result.
const STOPS_MAX: u32 = 3;
/// When to try again to publish while the server is away.
const RETRY: Duration = Duration::from_secs(2);

/// Tells that something below a folder changed.
struct Changes {
    root: PathBuf,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    /// What was removed or renamed: another folder of that name has to be watched anew.
    gone: Gone,
    /// Holds at most one mark: "something changed".
    marks: Receiver<()>,
}

/// Paths, told by the watcher's own thread.
type Gone = Arc<Mutex<BTreeSet<PathBuf>>>;

impl Changes {
    fn new(root: &Path) -> Result<Self, Failure> {
        let (mark, marks) = channel(1);
        let below = root.to_path_buf();
        let gone = Gone::default();
        let goes = Arc::clone(&gone);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if is_change(&below, &event) {
                let paths = went(&below, &event);
                goes.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
                // A full channel holds the mark already.
                mark.try_send(()).ok();
            }
        });
        let watcher = watcher.map_err(|error| Failure::internal("watch files", &error))?;
        let watched = BTreeSet::new();
        Ok(Self { root: root.to_path_buf(), watcher, watched, gone, marks })
    }

    /// The hash of the inputs now. New folders are watched from here on.
    fn hash(&mut self) -> Result<String, Failure> {
        self.forget_gone();
        loop {
            let (hash, mut folders) = inputs::read(&self.root);
            folders.retain(|folder| !self.watched.contains(folder));
            let n_before = self.watched.len();
            for folder in folders {
                self.watch(folder)?;
            }
            if self.watched.is_empty() {
                let message = format!("{} is gone, and so is its folder", self.root.display());
                return Err(Failure::not_found(message));
            }
            if self.watched.len() == n_before {
                return Ok(hash);
            }
            // Read again: what came before a folder was watched came unseen.
        }
    }

    fn watch(&mut self, folder: PathBuf) -> Result<(), Failure> {
        match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(folder);
                Ok(())
            }
            Err(_) if !folder.exists() => Ok(()), // gone between the look and the watch
            Err(error) => Err(Failure::internal(&format!("watch {}", folder.display()), &error)),
        }
    }

    fn forget_gone(&mut self) {
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        self.watched.retain(|folder| {
            folder.exists() && !folder.ancestors().any(|above| gone.contains(above))
        });
    }

    /// Comes back when something changed and then was quiet.
    async fn settled(&mut self) {
        self.marks.recv().await;
        let end = Instant::now() + SETTLE_MAX;
        while let Ok(Ok(Some(()))) = timeout_at(end, timeout(SETTLE, self.marks.recv())).await {}
    }
}

fn is_change(root: &Path, event: &notify::Result<notify::Event>) -> bool {
    match event {
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
        Ok(event) => {
            event.need_rescan()
                || event.paths.iter().any(|path| !inputs::is_ignored_below(root, path))
        }
        // Better one look too many than a change unseen.
        Err(_) => true,
    }
}

/// What is no longer there under its name. After an overflow that may be anything.
fn went(root: &Path, event: &notify::Result<notify::Event>) -> Vec<PathBuf> {
    match event {
        Ok(event) if event.need_rescan() => vec![root.to_path_buf()],
        Ok(event) => match event.kind {
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => event.paths.clone(),
            EventKind::Any
            | EventKind::Access(_)
            | EventKind::Create(_)
            | EventKind::Modify(
                ModifyKind::Any | ModifyKind::Data(_) | ModifyKind::Metadata(_) | ModifyKind::Other,
            )
            | EventKind::Other => Vec::new(),
        },
        Err(_) => vec![root.to_path_buf()],
    }
}

/// What follows a deployment: a run, perhaps.
pub(crate) trait AfterDeploy {
    /// Begins it. Changes do not interrupt this: whatever was begun is known afterwards.
    async fn begin(
        &mut self,
        context: &mut Context,
        published: &[Published],
    ) -> Result<(), Failure>;
    /// Goes along with it until it ends, or until Ctrl-C. Dropped when it is overtaken.
    async fn follow(&mut self, context: &mut Context) -> Done;
    /// The inputs are others now than those that were deployed.
    async fn overtaken(&mut self, context: &mut Context);
}

/// What one cycle came to.
enum Cycle {
    /// It is over; wait for a change.
    Over,
    /// Something changed meanwhile.
    Again,
    /// The server is away.
    Later,
    Interrupted,
}

/// Watches until Ctrl-C, which is the good end.
pub(crate) async fn watch(
    context: &mut Context,
    source: &Source,
    options: &Options,
    after: &mut impl AfterDeploy,
) -> Done {
    let Some(root) = source.watched() else {
        return Err(Failure::invalid("standard input cannot be watched"));
    };
    let mut changes = Changes::new(&root)?;
    let mut watching = Watching { source, options, live: None, seen: None };
    let mut interrupt = pin!(interrupted());
    context.out.say(&format!("watching {}; Ctrl-C ends it", root.display()));
    loop {
        let cycle = watching.cycle(context, &mut changes, interrupt.as_mut(), after).await?;
        match cycle {
            Cycle::Interrupted => break,
            Cycle::Again => {}
            Cycle::Over => tokio::select! {
                () = changes.settled() => {}
                () = interrupt.as_mut() => break,
            },
            Cycle::Later => tokio::select! {
                () = changes.settled() => {}
                () = sleep(RETRY) => {}
                () = interrupt.as_mut() => break,
            },
        }
    }
    context.out.say("\nno longer watching; the server stays as it is");
    Ok(Exit::Ok)
}

struct Watching<'a> {
    source: &'a Source,
    options: &'a Options,
    /// What is live by this watch, as text.
    live: Option<String>,
    /// The inputs that a cycle ended with.
    seen: Option<String>,
}

impl Watching<'_> {
    async fn cycle(
        &mut self,
        context: &mut Context,
        changes: &mut Changes,
        mut interrupt: Pin<&mut impl Future<Output = ()>>,
        after: &mut impl AfterDeploy,
    ) -> Result<Cycle, Failure> {
        let begun = Instant::now();
        let hash = changes.hash()?;
        if self.seen.as_ref() == Some(&hash) {
            return Ok(Cycle::Over);
        }
        let built = tokio::select! {
            built = self.build(context, changes) => built?,
            () = interrupt.as_mut() => return Ok(Cycle::Interrupted),
        };
        let (program, hash) = match built {
            (Ok(program), hash) => (program, hash),
            (Err(failure), hash) => {
                self.seen = Some(hash);
                self.say_broken(context, &failure, 0);
                return Ok(Cycle::Over);
            }
        };
        if changes.hash()? != hash {
            return Ok(Cycle::Again);
        }
        let published = tokio::select! {
            published = publish(context, &program, self.options) => published,
            () = interrupt.as_mut() => return Ok(Cycle::Interrupted),
        };
        let published = match published {
            Ok(published) => published,
            Err(Halted { published, failure }) => {
                let away = failure.detail().exit == Exit::Unavailable;
                self.say_published(context, &published, begun)?;
                self.say_broken(context, &failure, published.len());
                // A refusal stays one until something changes.
                self.seen = Some(hash).filter(|_| !away);
                return Ok(if away { Cycle::Later } else { Cycle::Over });
            }
        };
        self.seen = Some(hash);
        self.say_published(context, &published, begun)?;
        if !published.iter().any(|one| one.went_live) {
            return Ok(Cycle::Over);
        }
        let begun = tokio::select! {
            begun = after.begin(context, &published) => begun,
            () = interrupt.as_mut() => return Ok(Cycle::Interrupted),
        };
        if let Err(failure) = begun {
            self.say_live(context, &failure);
            return Ok(Cycle::Again);
        }
        self.follow(context, changes, after).await
    }

    /// Goes along with what follows a deployment. A save that changes nothing does not end it.
    async fn follow(
        &self,
        context: &mut Context,
        changes: &mut Changes,
        after: &mut impl AfterDeploy,
    ) -> Result<Cycle, Failure> {
        let done = {
            let mut following = pin!(after.follow(context));
            loop {
                tokio::select! {
                    done = following.as_mut() => break Some(done),
                    () = changes.settled() => {
                        if self.seen.as_ref() != Some(&changes.hash()?) {
                            break None;
                        }
                    }
                }
            }
        };
        match done {
            None => after.overtaken(context).await,
            Some(Ok(Exit::Interrupted)) => return Ok(Cycle::Interrupted),
            Some(Ok(_)) => {} // the outcome of a run was told; the watch goes on
            Some(Err(failure)) => self.say_live(context, &failure),
        }
        // A look, not a wait: a change may have come while the end was taken in.
        Ok(Cycle::Again)
    }

    /// Builds until a build was not overtaken by a change, and says for which inputs it holds.
    async fn build(
        &self,
        context: &mut Context,
        changes: &mut Changes,
    ) -> Result<(Result<Program, Failure>, String), Failure> {
        let mut n_stops = 0;
        'again: loop {
            let hash = changes.hash()?;
            let mut building = pin!(build(context, self.source, Group::Own));
            loop {
                tokio::select! {
                    program = building.as_mut() => return Ok((program, hash)),
                    () = changes.settled(), if n_stops < STOPS_MAX => {
                        if changes.hash()? != hash {
                            n_stops += 1;
                            continue 'again; // dropping the build stops the compiler
                        }
                    }
                }
            }
        }
    }

    /// Tells why nothing went live, or nothing more than was told of before.
    fn say_broken(&self, context: &mut Context, failure: &Failure, n_published: usize) {
        say_failure(context, failure);
        let live = self.live.as_deref().unwrap_or("what was live");
        let came = match n_published {
            0 => format!("not deployed · {live} stays live"),
            _ => "the rest was not deployed".to_owned(),
        };
        context.out.say(&format!("{} ✗ {came}", clock(context)));
    }

    /// Tells of a failure after the deployment.
    fn say_live(&self, context: &mut Context, failure: &Failure) {
        say_failure(context, failure);
        let live = self.live.as_deref().unwrap_or("the new version");
        context.out.say(&format!("{} {live} is live all the same", clock(context)));
    }

    fn say_published(
        &mut self,
        context: &mut Context,
        published: &[Published],
        begun: Instant,
    ) -> Result<(), Failure> {
        let took = begun.elapsed().as_secs_f64();
        for one in published {
            if one.live {
                self.live = Some(format!("v{}", one.version));
            }
            if context.out.format.is_machine() {
                context.out.json_line(one)?;
            } else {
                let text = one.sentence(self.options.mode);
                context.out.line(&format!("{} {text} ({took:.2}s)", clock(context)))?;
            }
        }
        context.out.flush()
    }
}

fn say_failure(context: &mut Context, failure: &Failure) {
    let detail = failure.detail();
    if !detail.shown {
        let look = context.out.look.clone();
        context.out.warn(&crate::show::failure::text(detail, &look));
    }
}

fn clock(context: &Context) -> String {
    let now = jiff::Timestamp::from_millisecond(context.out.look.now().as_ms());
    now.map(|now| now.to_zoned(context.out.look.zone.clone()).strftime("%H:%M:%S").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind};

    use super::*;

    fn event(kind: EventKind, path: &str) -> notify::Result<notify::Event> {
        Ok(notify::Event::new(kind).add_path(PathBuf::from(path)))
    }

    #[test]
    fn reading_a_file_and_writing_build_output_are_no_changes() {
        let root = Path::new("/p");
        let create = EventKind::Create(CreateKind::File);
        assert!(!is_change(root, &event(EventKind::Access(AccessKind::Any), "/p/src/main.rs")));
        assert!(!is_change(root, &event(create, "/p/target/x")));
        assert!(!is_change(root, &event(create, "/p/.git/index")));
        assert!(is_change(root, &event(create, "/p/src/main.rs")));
    }

    #[test]
    fn one_save_of_an_editor_is_one_change() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            std::fs::write(root.join("a"), "1").unwrap();
            let mut changes = Changes::new(&root).unwrap();
            let before = changes.hash().unwrap();
            // Written beside it and renamed over it, as editors do.
            std::fs::write(root.join("b"), "2").unwrap();
            std::fs::rename(root.join("b"), root.join("a")).unwrap();
            let limit = Duration::from_secs(10);
            timeout(limit, changes.settled()).await.unwrap();
            assert_ne!(changes.hash().unwrap(), before);
            let quiet = timeout(Duration::from_millis(200), changes.settled()).await;
            assert!(quiet.is_err(), "one save came twice");
        });
    }

    #[test]
    fn a_watch_of_what_is_gone_with_its_folder_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("inner/program");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "1").unwrap();
        let mut changes = Changes::new(&file).unwrap();
        let before = changes.hash().unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_ne!(changes.hash().unwrap(), before, "the file may come back");
        std::fs::remove_dir(file.parent().unwrap()).unwrap();
        assert_eq!(changes.hash().unwrap_err().detail().exit, Exit::NotFound);
    }

    #[test]
    fn a_folder_that_was_replaced_is_still_watched() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (source, file) = (root.join("src"), root.join("src/deep/main.rs"));
        let make = || {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "1").unwrap();
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let settled = async |changes: &mut Changes| {
                timeout(Duration::from_secs(10), changes.settled()).await.unwrap();
                changes.hash().unwrap()
            };
            make();
            let mut changes = Changes::new(&root).unwrap();
            let before = changes.hash().unwrap();
            for how in ["removed", "moved away"] {
                if how == "removed" {
                    std::fs::remove_dir_all(&source).unwrap();
                } else {
                    std::fs::rename(&source, folder.path().join(".old")).unwrap();
                }
                make();
                assert_eq!(settled(&mut changes).await, before, "the same contents again");
                while timeout(SETTLE_MAX, changes.settled()).await.is_ok() {
                    changes.hash().unwrap();
                }
                std::fs::write(&file, how).unwrap();
                assert_ne!(settled(&mut changes).await, before, "{how}: nobody looks any more");
                std::fs::write(&file, "1").unwrap();
                assert_eq!(settled(&mut changes).await, before);
            }
        });
    }
}
