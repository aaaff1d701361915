//! Docker without Gofer: containers made as Gofer makes them, by plain calls in a row.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt as _;
use tokio::time::Instant;

pub(crate) struct RawDocker {
    docker: Docker,
}

/// A container that has ended.
pub(crate) struct Ended {
    pub(crate) id: String,
    /// Create, start and wait.
    pub(crate) took: Duration,
}

impl RawDocker {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { docker: Docker::connect_with_defaults()? })
    }

    pub(crate) async fn create(&self, command: &[&str]) -> Result<String> {
        let body = body(command);
        Ok(self.docker.create_container(None::<CreateContainerOptions>, body).await?.id)
    }

    pub(crate) async fn start(&self, id: &str) -> Result<()> {
        Ok(self.docker.start_container(id, None::<StartContainerOptions>).await?)
    }

    /// Waits for the end of a container.
    pub(crate) async fn wait(&self, id: &str) -> Result<()> {
        let mut answers = self.docker.wait_container(id, None::<WaitContainerOptions>);
        answers.next().await.context("the end of a container")??;
        Ok(())
    }

    pub(crate) async fn inspect(&self, id: &str) -> Result<()> {
        self.docker.inspect_container(id, None::<InspectContainerOptions>).await?;
        Ok(())
    }

    /// When a container ended, in milliseconds since the midnight (UTC) before.
    pub(crate) async fn ended_day_ms(&self, id: &str) -> Result<f64> {
        let found = self.docker.inspect_container(id, None::<InspectContainerOptions>).await?;
        let text = found.state.and_then(|state| state.finished_at).context("an end")?;
        let clock = text.trim_end_matches('Z').split('T').nth(1).context("a time of day")?;
        // Hours, minutes and seconds are each worth 60 of the next.
        let seconds: f64 = clock
            .split(':')
            .try_fold(0.0, |sum, part| part.parse::<f64>().map(|number| sum * 60.0 + number))?;
        Ok(seconds * 1000.0)
    }

    pub(crate) async fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        Ok(self.docker.remove_container(id, Some(options)).await?)
    }

    /// Create, start, wait.
    pub(crate) async fn cycle(&self, command: &[&str]) -> Result<Ended> {
        let begun = Instant::now();
        let id = self.create(command).await?;
        self.start(&id).await?;
        self.wait(&id).await?;
        Ok(Ended { id, took: begun.elapsed() })
    }

    /// Reads the whole log of an ended container; gives the frames and the time. Following it while
    /// it grows is no reference: at the end of the container the engine leaves the rest out.
    pub(crate) async fn read_log(&self, command: &[&str]) -> Result<(usize, Duration)> {
        let id = self.cycle(command).await?.id;
        let begun = Instant::now();
        let options = LogsOptionsBuilder::default()
            .follow(false)
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .build();
        let (mut logs, mut n_frames) = (self.docker.logs(&id, Some(options)), 0);
        while let Some(frame) = logs.next().await {
            frame?;
            n_frames += 1;
        }
        let took = begun.elapsed();
        self.remove(&id).await?;
        Ok((n_frames, took))
    }
}

/// The settings that cost time, as the driver makes them.
fn body(command: &[&str]) -> ContainerCreateBody {
    let options =
        [("mode", "blocking"), ("max-size", "1g"), ("max-file", "1"), ("compress", "false")];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
    ContainerCreateBody {
        image: Some(gofer_tests::images::BUSYBOX.to_owned()),
        cmd: Some(command.iter().map(|word| (*word).to_owned()).collect()),
        host_config: Some(HostConfig {
            pids_limit: Some(4096),
            init: Some(false),
            auto_remove: Some(false),
            restart_policy: Some(policy),
            cap_drop: Some(["NET_RAW", "MKNOD", "AUDIT_WRITE"].map(str::to_owned).to_vec()),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            log_config: Some(HostConfigLogConfig {
                typ: Some("local".to_owned()),
                config: Some(options.into_iter().map(owned).collect::<HashMap<_, _>>()),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
