//! Those who own things: an attempt hears a stronger order while it carries a weaker one out, a run
//! that is settled needs no owner to be looked at, and a follower that is dropped in the middle of
//! its work still knows its place.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use gofer_client::Cancel;
use gofer_client::model::{RunRef, RunStatus};
use gofer_core::ids::{NamespaceId, PipelineId, PipelineKey, RunKey};
use gofer_engine::{RunLogFollow, TaggedFrame};
use gofer_tests::fake::Program;

use super::spy::Order;
use super::support::{House, key_of, lines, simple, soon, until};

fn run_key(run: &RunRef) -> RunKey {
    let namespace = NamespaceId::parse(&run.pipeline.namespace).unwrap();
    let pipeline = PipelineId::parse(&run.pipeline.pipeline).unwrap();
    RunKey { pipeline: PipelineKey { namespace, pipeline }, run: run.run }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_does_not_wait_for_the_answer_to_a_stop() {
    let house = House::up().await;
    house.fake.program("held", Program::forever());
    let run = house.start_new(simple("stubborn", "held")).await;
    let key = key_of(&house.wait_running(&run, "work").await, "work", 1);
    house.spy.let_stops_hang();
    let cancel = |force| Cancel { force, ..Cancel::default() };
    house.client.cancel_run(&run, cancel(false)).await.unwrap();
    let stop = Order::Stop(key.clone());
    until("the stop is under way", async || house.spy.orders().contains(&stop).then_some(())).await;
    house.client.cancel_run(&run, cancel(true)).await.unwrap();
    house.ends(&run, RunStatus::Cancelled).await;
    assert_eq!(house.spy.orders().iter().filter(|order| **order == stop).count(), 1);
    assert!(house.spy.orders().contains(&Order::Kill(key)));
    house.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_a_settled_run_makes_no_owner() {
    let house = House::up().await;
    let run = house.start_new(simple("quick", "quick")).await;
    house.settles(&run).await;
    let key = run_key(&run);
    for _ in 0..50 {
        let watch = house.server.engine().watch_run(&key).await.unwrap();
        assert!(watch.run.borrow().is_settled());
        assert!(watch.run.has_changed().is_err(), "somebody owns a run that is over");
    }
}

/// What the rest of a followed run gives.
async fn rest(follow: &mut RunLogFollow, bytes: &mut Vec<u8>) {
    while let Some((frames, _cursor)) = soon("the log", follow.next()).await.unwrap() {
        take(bytes, &frames);
    }
}

fn take(bytes: &mut Vec<u8>, frames: &[TaggedFrame]) {
    bytes.extend(frames.iter().flat_map(|tagged| tagged.frame.frame.data.to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_dropped_while_it_opens_a_log_goes_on_from_its_place() {
    /// More than one step of a follower gives, so that there is a place in the middle.
    const N_LINES: u32 = 20_000;
    let house = House::up().await;
    let (program, bytes) = lines(N_LINES, Duration::ZERO);
    house.fake.program("talks", program);
    let run = house.start_new(simple("talks", "talks")).await;
    house.settles(&run).await;
    let (key, engine) = (run_key(&run), house.server.engine());
    let mut first = engine.follow_run_logs(key.clone(), vec![], None, &[]).await.unwrap();
    let (frames, cursor) = first.next().await.unwrap().unwrap();
    let mut begin = Vec::new();
    take(&mut begin, &frames);
    assert!(begin.len() < bytes.len(), "one step gave all of it");

    for n_polls in 1..12 {
        let mut follow = engine.follow_run_logs(key.clone(), vec![], None, &cursor).await.unwrap();
        let mut read = begin.clone();
        {
            let mut next = pin!(follow.next());
            for _ in 0..n_polls {
                if let Poll::Ready(given) = poll!(next.as_mut()) {
                    take(&mut read, &given.unwrap().unwrap().0);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        rest(&mut follow, &mut read).await;
        assert!(read == bytes, "dropped after {n_polls} polls: {} of {}", read.len(), bytes.len());
    }
}
