//! References as they are typed: words in a row (`simple 1 build`) or one path
//! (`namespace:simple/1/build`), and selectors such as `@latest` in place of a run id.

use gofer_client::model::{PipelineRef, RunRef, RunState, RunStatus, TaskRunRef};
use gofer_client::{Client, RunQuery};

use crate::context::Context;
use crate::failure::Failure;

/// A reference as it was typed, of one to three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Typed {
    namespace: Option<String>,
    pipeline: String,
    run: Option<Selector>,
    task: Option<String>,
}

/// Which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selector {
    Id(u64),
    /// The newest, or so many before it.
    Latest(u32),
    /// The newest that failed.
    Failed,
    /// The newest that has not ended.
    Running,
    /// The newest that was successful.
    Ok,
}

/// How far `@latest~N` reaches: runs that one page of a list can hold, less the latest.
const BACK_MAX: u32 = 499;

impl Selector {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::invalid(format!("`{text}` is not a run"))
                .next("write its number, or @latest, @latest~1, @failed, @running or @ok")
        };
        let too_far = || {
            Failure::invalid(format!(
                "`{text}` is too far back, the farthest is @latest~{BACK_MAX}"
            ))
            .next("write the number of the run; `gofer run list PIPELINE` shows them")
        };
        match text {
            "@latest" => Ok(Self::Latest(0)),
            "@failed" => Ok(Self::Failed),
            "@running" => Ok(Self::Running),
            "@ok" => Ok(Self::Ok),
            _ => match text.strip_prefix("@latest~") {
                Some(back) => match back.parse() {
                    Ok(back) if back <= BACK_MAX => Ok(Self::Latest(back)),
                    Ok(_) => Err(too_far()),
                    Err(_) => Err(wrong()),
                },
                None => match text.parse() {
                    Ok(0) | Err(_) => Err(wrong()),
                    Ok(id) => Ok(Self::Id(id)),
                },
            },
        }
    }
}

impl Typed {
    /// One reference out of the words of a command line.
    pub(crate) fn parse(words: &[String]) -> Result<Self, Failure> {
        let joined = words.join("/");
        let (namespace, path) = match joined.split_once(':') {
            Some((namespace, path)) => (Some(namespace.to_owned()), path),
            None => (None, joined.as_str()),
        };
        let mut parts = path.split('/');
        let mut part = || parts.next().map(str::to_owned);
        let (pipeline, run, task, more) = (part(), part(), part(), part());
        let is_empty = |part: &Option<String>| part.as_ref().is_some_and(String::is_empty);
        let broken = more.is_some()
            || namespace.as_ref().is_some_and(String::is_empty)
            || [&pipeline, &run, &task].into_iter().any(is_empty);
        match pipeline {
            Some(pipeline) if !broken => Ok(Self {
                namespace,
                pipeline,
                run: run.as_deref().map(Selector::parse).transpose()?,
                task,
            }),
            Some(_) | None => Err(Failure::invalid(format!("`{joined}` is not a reference"))
                .next("write PIPELINE RUN TASK, or [NAMESPACE:]PIPELINE/RUN/TASK")),
        }
    }

    /// Several references: paths, or pairs of a pipeline and a run.
    pub(crate) fn parse_runs(words: &[String]) -> Result<Vec<Self>, Failure> {
        let mut all = Vec::new();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let one = if word.contains('/') {
                vec![word.clone()]
            } else {
                [Some(word), rest.next()].into_iter().flatten().cloned().collect()
            };
            all.push(Self::parse(&one)?);
        }
        Ok(all)
    }

    pub(crate) fn has_task(&self) -> bool {
        self.task.is_some()
    }

    /// The pipeline, which must be all that was typed.
    pub(crate) fn pipeline(&self, context: &Context) -> Result<PipelineRef, Failure> {
        if self.run.is_some() {
            return Err(Failure::invalid("a pipeline is asked for here, not a run")
                .next(format!("write only `{}`", self.pipeline)));
        }
        Ok(self.pipeline_part(context))
    }

    fn pipeline_part(&self, context: &Context) -> PipelineRef {
        let namespace = self.namespace.as_ref().unwrap_or(&context.settings.namespace);
        PipelineRef::new(namespace, &self.pipeline)
    }

    /// The run. A selector is looked up on the server, and what it means is told.
    pub(crate) async fn run(&self, context: &mut Context) -> Result<RunRef, Failure> {
        if let Some(task) = &self.task {
            return Err(Failure::invalid(format!(
                "a run is asked for here, not the task `{task}`"
            )));
        }
        self.run_part(context).await
    }

    /// The task of a run.
    pub(crate) async fn task_run(&self, context: &mut Context) -> Result<TaskRunRef, Failure> {
        let Some(task) = &self.task else {
            return Err(Failure::invalid("a task run is asked for here, and no task is named")
                .next(format!("write `{} RUN TASK`", self.pipeline)));
        };
        Ok(self.run_part(context).await?.task(task))
    }

    async fn run_part(&self, context: &mut Context) -> Result<RunRef, Failure> {
        let pipeline = self.pipeline_part(context);
        let Some(selector) = self.run else {
            let name = &self.pipeline;
            return Err(Failure::invalid(format!("which run of `{name}`?"))
                .next(format!("write `{name} 1`, or `{name} @latest`")));
        };
        if let Selector::Id(id) = selector {
            return Ok(pipeline.run(id));
        }
        let client = context.client()?;
        let run = select(&client, &pipeline, selector).await?;
        if context.out.stderr_is_terminal {
            context.out.say(&format!("run {run}"));
        }
        Ok(run)
    }
}

async fn select(
    client: &Client,
    pipeline: &PipelineRef,
    selector: Selector,
) -> Result<RunRef, Failure> {
    let mut query = RunQuery {
        namespace: pipeline.namespace.clone(),
        pipeline: Some(pipeline.pipeline.clone()),
        ..RunQuery::default()
    };
    let mut back = 0;
    let what = match selector {
        Selector::Id(id) => return Ok(pipeline.run(id)),
        Selector::Latest(n) => {
            back = n;
            "such run"
        }
        Selector::Failed => {
            query.statuses = vec![RunStatus::Failed];
            "failed run"
        }
        Selector::Running => {
            query.states = vec![RunState::Pending, RunState::Running];
            "active run"
        }
        Selector::Ok => {
            query.statuses = vec![RunStatus::Successful];
            "successful run"
        }
    };
    query.page.limit = Some(back.saturating_add(1));
    let page = client.runs(&query).await?;
    let index = usize::try_from(back).unwrap_or(usize::MAX);
    page.items.get(index).map(gofer_client::model::Run::reference).ok_or_else(|| {
        Failure::not_found(format!("pipeline `{}` has no {what}", pipeline.pipeline))
            .next(format!("`gofer run list {}` shows its runs", pipeline.pipeline))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[track_caller]
    fn same(one: &str, other: &str) {
        assert_eq!(Typed::parse(&words(one)).unwrap(), Typed::parse(&words(other)).unwrap());
    }

    #[test]
    fn words_and_paths_mean_the_same() {
        same("simple 1 build", "simple/1/build");
        same("simple 1", "simple/1");
        same("ns1:simple @latest", "ns1:simple/@latest");
    }

    #[test]
    fn selectors_are_read() {
        let rows = [
            ("7", Selector::Id(7)),
            ("@latest", Selector::Latest(0)),
            ("@latest~2", Selector::Latest(2)),
            ("@latest~499", Selector::Latest(499)),
            ("@failed", Selector::Failed),
            ("@running", Selector::Running),
            ("@ok", Selector::Ok),
        ];
        for (text, want) in rows {
            assert_eq!(Selector::parse(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for wrong in ["simple/0", "simple/x", "simple//build", ":simple", "", "a/1/b/c", "a/@new"] {
            assert!(Typed::parse(&words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_too_far_back_is_not_called_unknown() {
        let failure = Selector::parse("@latest~500").unwrap_err();
        assert!(failure.detail().message.contains("too far back"), "{failure:?}");
        assert!(Selector::parse("@latest~x").unwrap_err().detail().message.contains("not a run"));
    }

    #[test]
    fn several_runs_are_paths_or_pairs() {
        let all = Typed::parse_runs(&words("simple/1 other 2 ns1:third/@ok")).unwrap();
        let names: Vec<_> = all.iter().map(|typed| typed.pipeline.as_str()).collect();
        assert_eq!(names, ["simple", "other", "third"]);
        assert_eq!(all[1].run, Some(Selector::Id(2)));
    }
}
