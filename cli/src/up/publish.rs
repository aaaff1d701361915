//! From a checked program to a live version.

use std::path::PathBuf;

use gofer_client::model::{Deployment, Origin, OriginKind, PipelineRef, Registered};
use gofer_client::program::{Declared, Program};
use gofer_client::{Client, Deploy, Mode};
use serde::Serialize;

use super::git;
use crate::context::Context;
use crate::failure::Failure;

/// What is done with a program.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) namespace: String,
    pub(crate) kind: OriginKind,
    /// Whether the version goes live.
    pub(crate) deploy: bool,
    /// Whether anything is done at all.
    pub(crate) mode: Mode,
    /// The folder whose git work tree tells where the program comes from.
    pub(crate) folder: PathBuf,
}

/// What came of one pipeline of a program.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each named")]
pub(crate) struct Published {
    /// Its reference.
    pub(crate) pipeline: String,
    pub(crate) version: u64,
    /// Whether a new version was made.
    pub(crate) changed: bool,
    pub(crate) created_pipeline: bool,
    /// Whether the version is live now.
    pub(crate) live: bool,
    /// The deployment that made it live. `null`: none was asked for.
    pub(crate) deployment: Option<Deployment>,
    #[serde(skip)]
    pub(crate) reference: PipelineRef,
    /// Whether another version was live before.
    #[serde(skip)]
    pub(crate) went_live: bool,
}

/// Registers and deploys every pipeline of a program.
pub(crate) async fn publish(
    context: &mut Context,
    program: &Program,
    options: &Options,
) -> Result<Vec<Published>, Failure> {
    let client = context.client()?;
    let origin = git::origin(options.kind, &options.folder).await;
    let mut all = Vec::with_capacity(program.pipelines.len());
    for declared in &program.pipelines {
        all.push(one(&client, declared, &origin, options).await?);
    }
    Ok(all)
}

async fn one(
    client: &Client,
    declared: &Declared,
    origin: &Origin,
    options: &Options,
) -> Result<Published, Failure> {
    let namespace = &options.namespace;
    let Registered { version, changed, created_pipeline } =
        client.register_pipeline(namespace, declared, origin.clone(), options.mode).await?;
    let reference = PipelineRef::new(namespace, &declared.spec.id);
    let mut published = Published {
        pipeline: reference.to_string(),
        version,
        changed,
        created_pipeline,
        live: false,
        deployment: None,
        reference: reference.clone(),
        went_live: false,
    };
    if options.deploy && options.mode == Mode::Commit {
        let deploy = Deploy {
            pipeline: reference,
            version,
            base_version: None,
            reason: String::new(),
            mode: Mode::Commit,
        };
        let deployed = client.deploy(deploy).await?;
        published.live = true;
        published.went_live = deployed.changed;
        published.deployment = Some(deployed.deployment);
    }
    Ok(published)
}

impl Published {
    /// One line on what happened: `✓ simple v2 live`, or `= same as v2`.
    pub(crate) fn sentence(&self, mode: Mode) -> String {
        let (id, version) = (&self.reference.pipeline, self.version);
        match (mode, self.changed, self.went_live) {
            (Mode::DryRun, true, _) => format!("✓ {id} would become v{version}"),
            (Mode::Commit, _, true) => format!("✓ {id} v{version} live"),
            (Mode::Commit, true, false) => format!("✓ {id} v{version} registered"),
            (Mode::DryRun, false, _) | (Mode::Commit, false, false) => {
                format!("= {id} same as v{version}")
            }
        }
    }
}
