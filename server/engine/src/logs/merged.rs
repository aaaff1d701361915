//! Following all logs of a run as one. What is there already comes in true time order over all
//! tasks; what comes live is ordered within what has arrived. The cursor holds a place in every
//! log, so a follower that went away goes on without a gap and without a repeat.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gofer_core::ids::{AttemptNumber, RunKey, TaskId};
use gofer_core::log::LogState;
use gofer_core::problem::{Kind, Problem};
use gofer_core::run::Run;
use gofer_logs::{LineFrame, LogReader, Position, Progress, Start, Tag, merge_by_time};
use tokio::sync::watch;

use super::blocking;
use super::query::{LogQuery, removed};
use crate::engine::{Engine, Shared};
use crate::limits::{FOLLOW_BYTES_MAX, MERGED_BYTES_MAX, MERGED_SHARE_BYTES_MIN};
use crate::runs::RunWatch;

/// A frame and whose it is.
#[derive(Debug, Clone)]
pub struct TaggedFrame {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The frame.
    pub frame: LineFrame,
}

/// A follower of all logs of a run.
#[derive(Debug)]
pub struct RunLogFollow {
    shared: Arc<Shared>,
    run: RunKey,
    /// Only the last so many lines of what is there at the start; none once that was given out.
    tail_lines: Option<u64>,
    /// What is there at the start, as far as it may belong to those lines.
    held: VecDeque<TaggedFrame>,
    /// Only these tasks; empty for all.
    tasks: Vec<TaskId>,
    watch: RunWatch,
    /// Places from the cursor of an earlier follower, until their logs are opened.
    from: BTreeMap<Tag, Vec<u8>>,
    sources: BTreeMap<Tag, Source>,
}

/// One log of the run.
#[derive(Debug)]
struct Source {
    reader: Arc<LogReader>,
    /// After what was read.
    position: Position,
    /// After what was given out.
    given: Position,
    /// What lies between the two.
    waiting: Vec<LineFrame>,
    over: bool,
}

impl Engine {
    /// Follows all logs of a run, or those of some tasks: from the beginning, from the last
    /// `tail_lines` of all together, or from a cursor of an earlier follower.
    ///
    /// # Errors
    /// NotFound; Invalid for a foreign cursor.
    pub async fn follow_run_logs(
        &self,
        run: RunKey,
        tasks: Vec<TaskId>,
        tail_lines: Option<u64>,
        cursor: &[u8],
    ) -> Result<RunLogFollow, Problem> {
        let watch = self.shared.dispatch.find(&run).await?.watch();
        {
            let state = watch.run.borrow();
            if let Some(unknown) = tasks.iter().find(|task| state.task(task).is_none()) {
                return Err(super::query::no_such_task(&state, unknown));
            }
        }
        let from = decode_cursor(cursor)?;
        Ok(RunLogFollow {
            shared: Arc::clone(&self.shared),
            run,
            tail_lines,
            held: VecDeque::new(),
            tasks,
            watch,
            from,
            sources: BTreeMap::new(),
        })
    }
}

impl RunLogFollow {
    /// The next frames and the cursor after them; none once every log is whole and the run has
    /// ended. Waits as long as need be; may be dropped while it waits.
    ///
    /// # Errors
    /// Internal where a file cannot be read; Invalid for a cursor of another run.
    pub async fn next(&mut self) -> Result<Option<(Vec<TaggedFrame>, Vec<u8>)>, Problem> {
        loop {
            let run = Arc::clone(&self.watch.run.borrow_and_update());
            let mut openings = self.shared.logs.board.openings();
            self.open_new(&run).await?;
            let growth = self.growth(&run);
            self.read(&run).await?;
            let frames = match self.take_tail(&run) {
                Tail::Given => self.take_merged(&run),
                Tail::Reading => continue,
                Tail::Complete(frames) => frames,
            };
            if !frames.is_empty() {
                return Ok(Some((frames, self.cursor())));
            }
            if run.is_settled() && self.sources.values().all(|source| source.over) {
                return self.end(&run).map(|()| None);
            }
            tokio::select! {
                () = any_changed(growth) => {}
                _opened = openings.changed() => {}
                changed = self.watch.run.changed() => if changed.is_err() {
                    self.watch = self.shared.dispatch.find(&self.run).await?.watch();
                    self.watch.run.mark_changed();
                },
            }
        }
    }

    /// Opens the logs of attempts that have begun since the last look.
    async fn open_new(&mut self, run: &Run) -> Result<(), Problem> {
        for (task_position, task) in run.tasks.iter().enumerate() {
            if !self.is_wanted(&task.task) {
                continue;
            }
            for attempt in &task.attempts {
                let tag = Tag { task_position, attempt: attempt.number };
                let nothing = attempt
                    .collected
                    .is_some_and(|log| matches!(log.state, LogState::Removed | LogState::None));
                if nothing || self.sources.contains_key(&tag) {
                    continue;
                }
                if let Some(source) = self.open(run, &task.task, tag).await? {
                    // Only now: a follower that is dropped in the middle of the opening still knows
                    // where to go on.
                    self.from.remove(&tag);
                    self.sources.insert(tag, source);
                }
            }
        }
        Ok(())
    }

    async fn open(&self, run: &Run, task: &TaskId, tag: Tag) -> Result<Option<Source>, Problem> {
        let query =
            LogQuery { run: self.run.clone(), task: task.clone(), attempt: Some(tag.attempt) };
        let Some(found) = self.shared.find_log(run, &query)? else { return Ok(None) };
        let Some(reader) = self.shared.open_log(&found).await? else { return Ok(None) };
        let (from, tail) = (self.from.get(&tag).cloned(), self.tail_lines);
        blocking(move || {
            let position = match (from, tail) {
                (Some(bytes), _) => reader.position(&bytes)?,
                (None, Some(lines)) => reader.locate(Start::Tail(lines))?,
                (None, None) => reader.origin(),
            };
            let reader = Arc::new(reader);
            Ok(Some(Source { reader, position, given: position, waiting: Vec::new(), over: false }))
        })
        .await
    }

    /// Wakes when any open log grows.
    fn growth(&self, run: &Run) -> Vec<watch::Receiver<Option<Progress>>> {
        let open = self.sources.iter().filter(|(_, source)| !source.over);
        open.filter_map(|(tag, _)| self.progress(run, *tag)).collect()
    }

    fn progress(&self, run: &Run, tag: Tag) -> Option<watch::Receiver<Option<Progress>>> {
        let task = &run.tasks.get(tag.task_position)?.task;
        self.shared.logs.board.subscribe(&run.attempt_key(task, tag.attempt))
    }

    /// Reads on in every log that has nothing waiting.
    async fn read(&mut self, run: &Run) -> Result<(), Problem> {
        let tags: Vec<Tag> = self.sources.keys().copied().collect();
        // All of them together go into one message.
        let n_open = self.sources.values().filter(|source| !source.over).count().max(1);
        let bytes_max = (MERGED_BYTES_MAX / n_open).clamp(MERGED_SHARE_BYTES_MIN, FOLLOW_BYTES_MAX);
        for tag in tags {
            let live = self.progress(run, tag).and_then(|progress| *progress.borrow());
            let Some(source) = self.sources.get(&tag) else { continue };
            if source.over || !source.waiting.is_empty() {
                continue;
            }
            let upto = match live {
                Some(progress) => Some(progress),
                None => self.file_progress(run, tag).await?,
            };
            let Some(source) = self.sources.get_mut(&tag) else { continue };
            let Some(upto) = upto else {
                source.over = run.is_settled(); // the log was removed under the follower
                continue;
            };
            if source.position.file_offset() < upto.file_len {
                let (reader, position) = (Arc::clone(&source.reader), source.position);
                let read = move || reader.read_from(position, bytes_max, upto.file_len);
                (source.waiting, source.position) = blocking(read).await?;
            } else {
                source.over = upto.state != LogState::Open;
            }
        }
        Ok(())
    }

    /// How far a log without a writer goes; a log whose attempt is collected is over.
    async fn file_progress(&self, run: &Run, tag: Tag) -> Result<Option<Progress>, Problem> {
        let Some(task) = run.tasks.get(tag.task_position) else { return Ok(None) };
        let query =
            LogQuery { run: self.run.clone(), task: task.task.clone(), attempt: Some(tag.attempt) };
        let Some(found) = self.shared.find_log(run, &query)? else { return Ok(None) };
        // It was opened once, so it can only have been removed.
        let reader = self.shared.open_log(&found).await?.ok_or_else(|| removed(&found.key))?;
        let progress = reader.progress();
        Ok(Some(match found.collected {
            Some(summary) if progress.state == LogState::Open => {
                Progress { state: summary.state, ..progress }
            }
            Some(_) | None => progress,
        }))
    }

    /// The answer once nothing more comes: the end, or that all there was has been removed.
    fn end(&self, run: &Run) -> Result<(), Problem> {
        if !self.sources.is_empty() {
            return Ok(());
        }
        for task in run.tasks.iter().filter(|task| self.is_wanted(&task.task)) {
            let gone = task
                .attempts
                .iter()
                .find(|attempt| attempt.collected.is_some_and(|log| log.state != LogState::None));
            if let Some(attempt) = gone {
                return Err(removed(&run.attempt_key(&task.task, attempt.number)));
            }
        }
        Ok(())
    }

    fn is_wanted(&self, task: &TaskId) -> bool {
        self.tasks.is_empty() || self.tasks.contains(task)
    }

    /// Gives out what may go: up to the earliest last frame of those logs that have more to read,
    /// so that none of them can still bring an earlier one.
    fn take_merged(&mut self, run: &Run) -> Vec<TaggedFrame> {
        let horizon = self.horizon(run);
        let mut batches = Vec::new();
        for (tag, source) in &mut self.sources {
            let n_due = match horizon {
                None => source.waiting.len(),
                Some(until_ns) => {
                    let due =
                        source.waiting.iter().rposition(|frame| frame.frame.time_ns <= until_ns);
                    due.map_or(0, |last| last + 1)
                }
            };
            let due: Vec<LineFrame> = source.waiting.drain(..n_due).collect();
            if !due.is_empty() {
                source.given = due.iter().fold(source.given, |place, frame| place.after(frame));
                batches.push((*tag, due));
            }
        }
        let merged = merge_by_time(batches).into_iter();
        merged
            .filter_map(|(tag, frame)| {
                let task = run.tasks.get(tag.task_position)?.task.clone();
                Some(TaggedFrame { task, attempt: tag.attempt, frame })
            })
            .collect()
    }

    /// The last lines over all logs of what is there when the following begins. Each log was
    /// opened that many lines before its end; merged, the last of them are kept.
    fn take_tail(&mut self, run: &Run) -> Tail {
        let Some(n_lines) = self.tail_lines else { return Tail::Given };
        let all_read = self.horizon(run).is_none();
        let merged = self.take_merged(run);
        self.held.extend(merged);
        let mut n_begun = self.held.iter().filter(|tagged| !tagged.frame.continues).count();
        while n_begun > usize::try_from(n_lines).unwrap_or(usize::MAX) {
            if self.held.pop_front().is_some_and(|tagged| !tagged.frame.continues) {
                n_begun -= 1;
            }
        }
        if !all_read {
            return Tail::Reading;
        }
        self.tail_lines = None;
        Tail::Complete(self.held.drain(..).collect())
    }

    fn horizon(&self, run: &Run) -> Option<i64> {
        let behind = self.sources.iter().filter(|(tag, source)| {
            let live = self.progress(run, **tag).and_then(|progress| *progress.borrow());
            let file_len =
                live.map_or(source.reader.progress().file_len, |progress| progress.file_len);
            !source.waiting.is_empty() && source.position.file_offset() < file_len
        });
        behind
            .filter_map(|(_, source)| source.waiting.last().map(|frame| frame.frame.time_ns))
            .min()
    }

    /// The place in every log after what was given out.
    fn cursor(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, source) in &self.sources {
            push_place(&mut bytes, *tag, &source.given.to_bytes());
        }
        for (tag, place) in &self.from {
            push_place(&mut bytes, *tag, place);
        }
        bytes
    }
}

/// How far the tail of a run's logs is.
enum Tail {
    /// Nothing was asked for, or it was given out.
    Given,
    /// Some log has more to read first.
    Reading,
    /// All of it.
    Complete(Vec<TaggedFrame>),
}

/// A cursor is a list of these: task position, attempt (both u32, little-endian), place.
const PLACE_BYTES: usize = 4 + 4 + 21;

fn push_place(bytes: &mut Vec<u8>, tag: Tag, place: &[u8]) {
    let task_position = u32::try_from(tag.task_position).unwrap_or(u32::MAX);
    bytes.extend(task_position.to_le_bytes());
    bytes.extend(tag.attempt.to_le_bytes());
    bytes.extend(place);
}

fn decode_cursor(bytes: &[u8]) -> Result<BTreeMap<Tag, Vec<u8>>, Problem> {
    let foreign = || {
        Problem::new(
            Kind::Invalid,
            "INVALID_CURSOR",
            "the cursor does not belong to this run's logs",
        )
        .with_next("start again without a cursor")
    };
    let chunks = bytes.chunks_exact(PLACE_BYTES);
    if !chunks.remainder().is_empty() {
        return Err(foreign());
    }
    let mut places = BTreeMap::new();
    for chunk in chunks {
        let (task_position, rest) = chunk.split_first_chunk::<4>().ok_or_else(foreign)?;
        let (attempt, place) = rest.split_first_chunk::<4>().ok_or_else(foreign)?;
        let task_position =
            usize::try_from(u32::from_le_bytes(*task_position)).map_err(|_wide| foreign())?;
        let tag = Tag { task_position, attempt: u32::from_le_bytes(*attempt) };
        places.insert(tag, place.to_vec());
    }
    Ok(places)
}

async fn any_changed(mut logs: Vec<watch::Receiver<Option<Progress>>>) {
    let changes: Vec<_> = logs.iter_mut().map(|log| Box::pin(log.changed())).collect();
    if changes.is_empty() {
        std::future::pending::<()>().await;
    }
    drop(futures_util::future::select_all(changes).await);
}
