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

/// A publication that went no further.
#[derive(Debug)]
pub(crate) struct Halted {
    /// What was done before. It stays done.
    pub(crate) published: Vec<Published>,
    pub(crate) failure: Failure,
}

impl From<Halted> for Failure {
    fn from(halted: Halted) -> Self {
        halted.failure
    }
}

/// Registers and deploys every pipeline of a program.
pub(crate) async fn publish(
    context: &mut Context,
    program: &Program,
    options: &Options,
) -> Result<Vec<Published>, Halted> {
    let mut published = Vec::with_capacity(program.pipelines.len());
    match all(context, program, options, &mut published).await {
        Ok(()) => Ok(published),
        Err(failure) => Err(Halted { published, failure }),
    }
}

async fn all(
    context: &mut Context,
    program: &Program,
    options: &Options,
    published: &mut Vec<Published>,
) -> Result<(), Failure> {
    let client = context.client()?;
    let origin = git::origin(options.kind, &options.folder).await;
    for declared in &program.pipelines {
        let mut registered = register(&client, declared, &origin, options).await?;
        let deployed = deploy(&client, &mut registered, options).await;
        published.push(registered); // it is registered, however the deployment went
        deployed?;
    }
    Ok(())
}

async fn register(
    client: &Client,
    declared: &Declared,
    origin: &Origin,
    options: &Options,
) -> Result<Published, Failure> {
    let namespace = &options.namespace;
    let Registered { version, changed, created_pipeline } =
        client.register_pipeline(namespace, declared, origin.clone(), options.mode).await?;
    let reference = PipelineRef::new(namespace, &declared.spec.id);
    Ok(Published {
        pipeline: reference.to_string(),
        version,
        changed,
        created_pipeline,
        live: false,
        deployment: None,
        reference,
        went_live: false,
    })
}

/// Makes a registered version live, where that is wanted.
async fn deploy(
    client: &Client,
    published: &mut Published,
    options: &Options,
) -> Result<(), Failure> {
    if !options.deploy || options.mode == Mode::DryRun {
        return Ok(());
    }
    let deploy = Deploy {
        pipeline: published.reference.clone(),
        version: published.version,
        base_version: None,
        reason: String::new(),
        mode: Mode::Commit,
    };
    let deployed = client.deploy(deploy).await?;
    published.live = true;
    published.went_live = deployed.changed;
    published.deployment = Some(deployed.deployment);
    Ok(())
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
