//! The story of a followed run. States and log lines come on two ways, and either may be late; here
//! they are put into the order in which things happened: an attempt begins, then its lines, then how
//! it ended.
//!
//! ```text
//!  states ──> queue of lines ──┐   an end waits in the queue for its last log lines
//!  frames ──> held ────────────┴─> items, to be printed     frames wait for the start of their attempt
//! ```
//!
//! Nothing waits for ever: once both ways have been quiet for a moment, all goes out as it is.

use std::collections::{BTreeSet, HashMap, VecDeque};

use gofer_client::model::{
    Attempt, Run, RunLogFrame, TaskRun, TaskRunState, TaskRunStatus, Waiting,
};

use crate::look::{Look, Tone};
use crate::show::dag;

/// What is to be printed next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A line about a task.
    Talk(String),
    /// Lines of logs.
    Frames(Vec<RunLogFrame>),
}

/// An attempt of a task.
type Key = (String, u32);

/// A line that was not printed yet.
#[derive(Debug)]
struct Line {
    text: String,
    after: After,
    /// The attempt whose start it tells.
    begins: Option<Key>,
}

/// What a line waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// For the lines before it.
    Lines,
    /// For the log as well.
    Log,
}

/// What was told, and what waits to be.
#[derive(Debug, Default)]
pub(super) struct Story {
    states: HashMap<String, (TaskRunState, Option<TaskRunStatus>)>,
    begun: BTreeSet<Key>,
    failed: BTreeSet<Key>,
    queue: VecDeque<Line>,
    held: Vec<RunLogFrame>,
}

impl Story {
    /// Takes in the newest state of the run.
    pub(super) fn state(&mut self, run: &Run, look: &Look) -> Vec<Item> {
        let width = dag::id_width(&run.task_runs);
        for task in &run.task_runs {
            self.attempts(task, width, look);
            self.task(task, width, look);
        }
        let mut items = Vec::new();
        while self.queue.front().is_some_and(|line| line.after == After::Lines) {
            self.tell_next(&mut items);
        }
        let held = std::mem::take(&mut self.held);
        items.extend(self.frames(held));
        items
    }

    /// Takes in lines of logs.
    pub(super) fn frames(&mut self, frames: Vec<RunLogFrame>) -> Vec<Item> {
        let mut items = Vec::new();
        let mut ready = Vec::new();
        let mut frames = frames.into_iter();
        while let Some(frame) = frames.next() {
            let key = (frame.task_id.clone(), frame.attempt);
            if !self.begun.contains(&key) {
                self.held.push(frame);
                self.held.extend(frames);
                break;
            }
            if let Some(at) = self.queue.iter().position(|line| line.begins.as_ref() == Some(&key))
            {
                push_frames(&mut items, &mut ready);
                (0..=at).for_each(|_| self.tell_next(&mut items));
            }
            ready.push(frame);
        }
        push_frames(&mut items, &mut ready);
        items
    }

    /// All that waits, since nothing has come for a moment.
    pub(super) fn all(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        while !self.queue.is_empty() {
            self.tell_next(&mut items);
        }
        push_frames(&mut items, &mut self.held);
        items
    }

    /// Whether something waits.
    pub(super) fn is_holding(&self) -> bool {
        !self.queue.is_empty() || !self.held.is_empty()
    }

    /// Whether more lines of logs may come: not while some wait for their attempt's start.
    pub(super) fn takes_frames(&self) -> bool {
        self.held.is_empty()
    }

    /// What is new of a task's attempts: those that began, and those after which another follows.
    fn attempts(&mut self, task: &TaskRun, width: usize, look: &Look) {
        for attempt in &task.attempts {
            let key = (task.task_id.clone(), attempt.number);
            if attempt.started_at.is_some() && self.begun.insert(key.clone()) {
                let text = dag::begun(task, attempt.number, width, look);
                self.queue.push_back(Line { text, after: After::Lines, begins: Some(key.clone()) });
            }
            if let Some(text) = followed_by_another(task, attempt, look)
                && self.failed.insert(key)
            {
                let text = dag::with_sign(task, ("↻", Tone::Busy), &text, width, look);
                self.queue.push_back(Line { text, after: After::Log, begins: None });
            }
        }
    }

    /// What is new of a task's state. That it runs was told with its attempt.
    fn task(&mut self, task: &TaskRun, width: usize, look: &Look) {
        let now = (task.state, task.status);
        let before = self.states.insert(task.task_id.clone(), now);
        if before == Some(now) {
            return;
        }
        let after = match task.state {
            TaskRunState::Waiting if before.is_none() => return,
            TaskRunState::Running => return,
            // Its failed attempt says it already.
            TaskRunState::Processing if self.has_failed(task) => return,
            TaskRunState::Processing | TaskRunState::Waiting | TaskRunState::Unknown => {
                After::Lines
            }
            TaskRunState::Complete if task.started_at.is_some() => After::Log,
            TaskRunState::Complete => After::Lines,
        };
        let text = dag::line(task, width, look);
        self.queue.push_back(Line { text, after, begins: None });
    }

    fn has_failed(&self, task: &TaskRun) -> bool {
        self.failed.iter().any(|(id, _)| *id == task.task_id)
    }

    fn tell_next(&mut self, items: &mut Vec<Item>) {
        items.extend(self.queue.pop_front().map(|line| Item::Talk(line.text)));
    }
}

fn push_frames(items: &mut Vec<Item>, frames: &mut Vec<RunLogFrame>) {
    if !frames.is_empty() {
        items.push(Item::Frames(std::mem::take(frames)));
    }
}

/// Why an attempt failed after which another one follows, and when that will be. The last one's
/// failure is that of the task.
fn followed_by_another(task: &TaskRun, attempt: &Attempt, look: &Look) -> Option<String> {
    attempt.ended_at?;
    let why = attempt.failure_text.as_ref()?;
    let is_last = task.attempts.last().is_some_and(|last| last.number == attempt.number);
    let mut text = format!("attempt {} failed: {why}", attempt.number);
    match (&task.waiting, is_last) {
        (_, false) => Some(text),
        (Some(waiting @ Waiting::Backoff { .. }), true) => {
            text.push_str(&format!("; {}", dag::waiting_text(waiting, look)));
            Some(text)
        }
        (_, true) => None, // it may be the task's own end, which has a line of its own
    }
}

#[cfg(test)]
mod tests {
    use gofer_client::model::{LogFrame, LogStream, Time};

    use super::*;
    use crate::show::samples;

    fn frame(task: &str, attempt: u32, text: &str) -> RunLogFrame {
        let frame = LogFrame {
            stream: LogStream::Stdout,
            time_ns: 0,
            line: 0,
            continues: false,
            data: text.to_owned().into(),
            offset: 0,
        };
        RunLogFrame { task_id: task.into(), attempt, frame }
    }

    /// A run of one task whose attempts ended with these failures; the last one goes on.
    fn run(failures: &[&str], state: TaskRunState) -> Run {
        let sample = samples::full_task();
        let blank = Attempt {
            started_at: Some(Time::from_ms(0)),
            ended_at: None,
            failure_text: None,
            ..sample.attempts[0].clone()
        };
        let mut attempts: Vec<Attempt> = (1..)
            .zip(failures)
            .map(|(number, why)| Attempt {
                number,
                ended_at: Some(Time::from_ms(1)),
                failure_text: Some((*why).to_owned()),
                ..blank.clone()
            })
            .collect();
        let number = u32::try_from(attempts.len()).unwrap() + 1;
        attempts.push(Attempt { number, ..blank });
        let status = (state == TaskRunState::Complete).then_some(TaskRunStatus::Successful);
        let started_at = Some(Time::from_ms(0));
        let task = TaskRun {
            attempts,
            state,
            status,
            started_at,
            duration_ms: status.map(|_| 300),
            ..samples::task("build", TaskRunStatus::Successful)
        };
        Run { task_runs: vec![task], ..samples::run() }
    }

    /// The items as lines.
    fn told(items: Vec<Item>) -> Vec<String> {
        let lines = items.into_iter().flat_map(|item| match item {
            Item::Talk(text) => vec![text],
            Item::Frames(frames) => frames
                .iter()
                .map(|frame| format!("> {}", String::from_utf8_lossy(&frame.frame.data)))
                .collect(),
        });
        lines.collect()
    }

    #[test]
    fn a_line_is_printed_after_the_start_of_its_attempt() {
        let look = Look::terminal();
        let mut story = Story::default();
        assert!(told(story.frames(vec![frame("build", 1, "one")])).is_empty());
        assert!(!story.takes_frames());
        let items = story.state(&run(&[], TaskRunState::Running), &look);
        assert_eq!(told(items), ["● build  running", "> one"]);
        assert!(story.takes_frames() && !story.is_holding());
    }

    #[test]
    fn an_end_is_told_after_the_last_lines() {
        let look = Look::terminal();
        let mut story = Story::default();
        let items = story.state(&run(&[], TaskRunState::Complete), &look);
        assert_eq!(told(items), ["● build  running"]);
        assert!(story.is_holding());
        assert_eq!(told(story.frames(vec![frame("build", 1, "one")])), ["> one"]);
        assert_eq!(told(story.all()), ["✓ build  successful 300 ms"]);
        assert!(!story.is_holding());
    }

    #[test]
    fn every_attempt_is_announced_though_states_were_skipped() {
        let look = Look::terminal();
        let mut story = Story::default();
        told(story.state(&run(&[], TaskRunState::Running), &look));
        let items = story.state(&run(&["exited with code 3"; 3], TaskRunState::Running), &look);
        assert!(told(items).is_empty(), "the log of the first attempt comes first");
        assert_eq!(told(story.frames(vec![frame("build", 1, "last")])), ["> last"]);
        let items = story.frames(vec![frame("build", 2, "again")]);
        assert_eq!(
            told(items),
            [
                "↻ build  attempt 1 failed: exited with code 3",
                "● build  running (attempt 2)",
                "> again",
            ]
        );
        assert_eq!(
            told(story.all()),
            [
                "↻ build  attempt 2 failed: exited with code 3",
                "● build  running (attempt 3)",
                "↻ build  attempt 3 failed: exited with code 3",
                "● build  running (attempt 4)",
            ]
        );
    }

    #[test]
    fn a_failure_says_when_the_next_attempt_follows() {
        let look = Look::terminal();
        let mut story = Story::default();
        let mut waits = run(&["exited with code 3"], TaskRunState::Processing);
        let task = &mut waits.task_runs[0];
        task.attempts.pop();
        let soon = |ms| Time::from_ms(look.now().as_ms() + ms);
        task.waiting = Some(Waiting::Backoff { until: soon(5_000), attempt: 2 });
        told(story.state(&waits, &look));
        assert_eq!(
            told(story.all()).last().unwrap(),
            "↻ build  attempt 1 failed: exited with code 3; attempt 2 follows in 5 s"
        );
        assert_eq!(
            dag::waiting_text(&Waiting::Backoff { until: soon(10), attempt: 2 }, &look),
            "attempt 2 follows"
        );
    }

    #[test]
    fn lines_whose_start_is_never_told_go_out_all_the_same() {
        let mut story = Story::default();
        told(story.frames(vec![frame("build", 1, "one")]));
        assert_eq!(told(story.all()), ["> one"]);
    }
}
