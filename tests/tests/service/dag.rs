//! What a parent's end means for its children: the whole table, in one run.

use gofer_client::Cancel;
use gofer_client::model::{Reason, RunStatus, TaskRunState, TaskRunStatus, Waiting};
use gofer_proto::sdk::v1::RequiredStatus as Need;
use gofer_tests::fake::Program;

use super::support::{House, after, pipeline, task, task_of};

const PARENTS: [(&str, TaskRunStatus); 4] = [
    ("good", TaskRunStatus::Successful),
    ("bad", TaskRunStatus::Failed),
    ("cancelled", TaskRunStatus::Cancelled),
    ("skipped", TaskRunStatus::Skipped),
];
const NEEDS: [(&str, Need); 3] =
    [("any", Need::Any), ("success", Need::Success), ("failure", Need::Failure)];

/// The table: which ends of a parent satisfy which need.
fn is_satisfied(status: TaskRunStatus, need: Need) -> bool {
    use TaskRunStatus::{Failed, Skipped, Successful};
    match need {
        Need::Any => matches!(status, Successful | Failed | Skipped),
        Need::Success => status == Successful,
        Need::Failure => status == Failed,
        Need::Unspecified => unreachable!("not in the table"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_of_a_parent_meets_every_need() {
    let house = House::up().await;
    house.fake.program("fails", Program::exit(1));
    house.fake.program("held", Program::forever());
    let mut tasks = vec![
        task("good", "quick"),
        task("bad", "fails"),
        task("cancelled", "held"),
        after(task("skipped", "quick"), "bad", Need::Success),
    ];
    for (parent, _) in PARENTS {
        for (word, need) in NEEDS {
            tasks.push(after(task(&format!("{parent}_{word}"), "quick"), parent, need));
        }
    }
    let run = house.start_new(pipeline("table", tasks)).await;
    let before = house.wait_running(&run, "cancelled").await;
    let waiting = task_of(&before, "cancelled_any");
    assert_eq!(waiting.state, TaskRunState::Waiting);
    let Some(Waiting::Parents { parents }) = &waiting.waiting else { panic!("{waiting:#?}") };
    assert_eq!((parents[0].task_id.as_str(), parents[0].status), ("cancelled", None));
    house.client.cancel_task_run(&run.task("cancelled"), Cancel::default()).await.unwrap();
    let done = house.ends(&run, RunStatus::Cancelled).await;
    for (parent, status) in PARENTS {
        assert_eq!(task_of(&done, parent).status, Some(status), "{parent}");
        for (word, need) in NEEDS {
            let child = task_of(&done, &format!("{parent}_{word}"));
            if is_satisfied(status, need) {
                assert_eq!(child.status, Some(TaskRunStatus::Successful), "{child:#?}");
                continue;
            }
            assert_eq!(child.status, Some(TaskRunStatus::Skipped), "{child:#?}");
            assert_eq!(child.reason, Some(Reason::FailedPrecondition));
            assert_eq!(child.attempts, []);
            let text = child.reason_text.clone().unwrap_or_default();
            for part in [parent, status.word(), &word.to_uppercase()] {
                assert!(text.contains(part), "{text:?} does not name {part}");
            }
        }
    }
    house.nothing_is_left().await;
}

async fn check_tally(house: &House, id: &str, images: &[&str], want: RunStatus) {
    let tasks = images.iter().enumerate().map(|(n, image)| task(&format!("task{n}"), image));
    let run = house.start_new(pipeline(id, tasks.collect())).await;
    house.ends(&run, want).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failed_task_run_fails_the_run_and_a_skip_alone_does_not() {
    let house = House::up().await;
    house.fake.program("fails", Program::exit(9));
    check_tally(&house, "all_good", &["quick", "quick"], RunStatus::Successful).await;
    check_tally(&house, "one_bad", &["quick", "fails", "quick"], RunStatus::Failed).await;
    let tasks = vec![task("good", "quick"), after(task("never", "quick"), "good", Need::Failure)];
    let run = house.start_new(pipeline("a_skip", tasks)).await;
    let done = house.ends(&run, RunStatus::Successful).await;
    assert_eq!(task_of(&done, "never").status, Some(TaskRunStatus::Skipped));
    assert_eq!((done.reason, done.next_step), (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_parent_that_does_not_fit_decides_though_others_still_run() {
    let house = House::up().await;
    house.fake.program("fails", Program::exit(1));
    house.fake.program("held", Program::forever().on_term(0));
    let child = after(task("child", "quick"), "held", Need::Success);
    let child = after(child, "bad", Need::Success);
    let run = house
        .start_new(pipeline("early", vec![task("held", "held"), task("bad", "fails"), child]))
        .await;
    let now = house
        .wait(&run, "with its child skipped", |run| task_of(run, "child").status.is_some())
        .await;
    assert_eq!(task_of(&now, "child").status, Some(TaskRunStatus::Skipped));
    let held = house.wait_running(&run, "held").await;
    house.fake.finish(&super::support::key_of(&held, "held", 1), 0);
    house.ends(&run, RunStatus::Failed).await;
}
