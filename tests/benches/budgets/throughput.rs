//! Starts of runs per second: 16 clients, each with a connection of its own and one call at a time.
//! The runs stay PENDING behind one that never ends, so that nothing but starting is measured.

use anyhow::Result;
use gofer_client::Client;
use gofer_proto::sdk::v1 as sdk;
use gofer_tests::fake::{FakeEngine, Program};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Size;
use crate::report::{Rate, Report, Row};
use crate::scene::{self, Scene, task};

const N_CLIENTS: usize = 16;
const N_BLOCKS: usize = 3;

pub(crate) async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let fake = FakeEngine::new();
    fake.program("held", Program::forever());
    let mut scene = Scene::fake(&fake).await?;
    let pipeline = sdk::Pipeline {
        id: "queue".to_owned(),
        parallelism: Some(1),
        tasks: vec![task("work", "held")],
        ..sdk::Pipeline::default()
    };
    let pipeline = scene::deploy(&scene.client, pipeline).await?;
    scene.client.start_run(scene::start_run(&pipeline)).await?;
    let clients: Result<Vec<Client>> = (0..N_CLIENTS).map(|_| scene.another_client()).collect();
    let (clients, n_calls) = (clients?, size.of(500));
    let (mut starts, mut calls) = (Rate::default(), Rate::default());
    for block in 0..=N_BLOCKS {
        let pipeline = &pipeline;
        let (start, call) = (
            all(&clients, n_calls, |client| {
                let start = scene::start_run(pipeline);
                async move { client.start_run(start).await.map(drop) }
            })
            .await?,
            all(&clients, n_calls, |client| async move { client.ingress().await.map(drop) })
                .await?,
        );
        // The first block opens the connections.
        if block > 0 {
            starts.add(N_CLIENTS * n_calls, start);
            calls.add(N_CLIENTS * n_calls, call);
        }
    }
    report.row(Row {
        what: "StartRun, 16 clients, runs kept PENDING",
        measured: starts.to_string(),
        reference: format!("GetIngress, the same clients: {calls}"),
        ratio: Some(starts.per_s() / calls.per_s()),
        budget: "≥ 2000/s",
        met: Some(starts.per_s() >= 2000.0),
    });
    scene.down().await;
    Ok(())
}

/// Lets every client make so many calls in a row; gives the time until the last is answered.
async fn all<F>(
    clients: &[Client],
    n_calls: usize,
    call: impl Fn(Client) -> F + Clone,
) -> Result<std::time::Duration>
where
    F: Future<Output = gofer_client::Result<()>> + Send + 'static,
{
    let begun = Instant::now();
    let mut rows = JoinSet::new();
    for client in clients {
        let calls: Vec<F> = (0..n_calls).map(|_| call(client.clone())).collect();
        rows.spawn(async move {
            for call in calls {
                call.await?;
            }
            Ok::<(), gofer_client::ClientError>(())
        });
    }
    while let Some(ended) = rows.join_next().await {
        ended??;
    }
    Ok(begun.elapsed())
}
