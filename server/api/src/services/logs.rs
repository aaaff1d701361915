//! Logs: pages, and what comes.

use gofer_core::problem::Problem;
use gofer_engine::records::{PageLimits, Start};
use gofer_engine::{FollowItem, LogFollow, LogQuery, PageFrom, RunLogFollow};
use gofer_proto::v1 as pb;
use pb::log_service_server::LogService;
use tonic::{Request, Response, Status};

use super::Services;
use crate::convert::logs;
use crate::parse;
use crate::status::status;
use crate::stream::{Answers, Broken, Feeder, fed_by};

/// Lines of a page where the caller does not say.
const PAGE_LINES_DEFAULT: u32 = 1000;
/// Lines of a page at most.
const PAGE_LINES_MAX: u32 = 10_000;
/// Lines of the tail of a run at most: they are merged in memory.
const TAIL_LINES_MAX: u64 = 10_000;
/// Bytes of a page: safely below the 4 MiB that most clients take as one message.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

#[tonic::async_trait]
impl LogService for Services {
    type FollowLogStream = Answers<pb::FollowLogResponse>;
    type FollowRunLogsStream = Answers<pb::FollowRunLogsResponse>;

    async fn read_log(
        &self,
        request: Request<pb::ReadLogRequest>,
    ) -> Result<Response<pb::ReadLogResponse>, Status> {
        let page = self.read_page(request.into_inner()).await.map_err(status)?;
        Ok(Response::new(pb::ReadLogResponse { page: Some(page) }))
    }

    async fn follow_log(
        &self,
        request: Request<pb::FollowLogRequest>,
    ) -> Result<Response<Self::FollowLogStream>, Status> {
        let follow = self.follow(request.into_inner()).await.map_err(status)?;
        let engine = self.engine.clone();
        Ok(Response::new(fed_by(|feeder| feed_log(engine, follow, feeder))))
    }

    async fn follow_run_logs(
        &self,
        request: Request<pb::FollowRunLogsRequest>,
    ) -> Result<Response<Self::FollowRunLogsStream>, Status> {
        let follow = self.follow_run(request.into_inner()).await.map_err(status)?;
        let engine = self.engine.clone();
        Ok(Response::new(fed_by(|feeder| feed_run_logs(engine, follow, feeder))))
    }

    async fn delete_log(
        &self,
        request: Request<pb::DeleteLogRequest>,
    ) -> Result<Response<pb::DeleteLogResponse>, Status> {
        let request = request.into_inner();
        let query = query(
            (&request.namespace_id, &request.pipeline_id, request.run_id),
            &request.task_id,
            request.attempt,
        )
        .map_err(status)?;
        let log_bytes =
            self.engine.delete_log(&query, super::mode(request.dry_run)).await.map_err(status)?;
        let report = pb::DeletionReport { log_bytes, ..pb::DeletionReport::default() };
        Ok(Response::new(pb::DeleteLogResponse { report: Some(report) }))
    }
}

fn query(
    (namespace_id, pipeline_id, run_id): (&str, &str, u64),
    task_id: &str,
    attempt: Option<u32>,
) -> Result<LogQuery, Problem> {
    if attempt == Some(0) {
        return Err(Problem::invalid_field("attempt", "0", "attempts are numbered from 1"));
    }
    let run = parse::run(namespace_id, pipeline_id, run_id)?;
    Ok(LogQuery { run, task: parse::task(task_id)?, attempt })
}

impl Services {
    async fn read_page(&self, request: pb::ReadLogRequest) -> Result<pb::LogPage, Problem> {
        use pb::read_log_request::Start as From;
        let run = (request.namespace_id.as_str(), request.pipeline_id.as_str(), request.run_id);
        let query = query(run, &request.task_id, request.attempt)?;
        let start = match request.start {
            None => PageFrom::Start(Start::Line(0)),
            Some(From::FromLine(line)) => PageFrom::Start(Start::Line(line)),
            Some(From::TailLines(n)) => PageFrom::Start(Start::Tail(n)),
            Some(From::Cursor(bytes)) => PageFrom::Cursor(bytes.to_vec()),
        };
        let lines = request.max_lines.unwrap_or(PAGE_LINES_DEFAULT).clamp(1, PAGE_LINES_MAX);
        let limits = PageLimits { lines_max: u64::from(lines), bytes_max: PAGE_BYTES_MAX };
        self.engine.read_log(&query, start, limits).await.map(logs::page)
    }

    async fn follow(&self, request: pb::FollowLogRequest) -> Result<LogFollow, Problem> {
        use pb::follow_log_request::Start as From;
        let run = (request.namespace_id.as_str(), request.pipeline_id.as_str(), request.run_id);
        let query = query(run, &request.task_id, request.attempt)?;
        let (start, cursor) = match request.start {
            None => (Start::Line(0), None),
            Some(From::FromLine(line)) => (Start::Line(line), None),
            Some(From::TailLines(n)) => (Start::Tail(n), None),
            Some(From::Cursor(bytes)) => (Start::Line(0), Some(bytes.to_vec())),
        };
        self.engine.follow_log(query, start, cursor).await
    }

    async fn follow_run(&self, request: pb::FollowRunLogsRequest) -> Result<RunLogFollow, Problem> {
        use pb::follow_run_logs_request::Start as From;
        let run = parse::run(&request.namespace_id, &request.pipeline_id, request.run_id)?;
        let tasks =
            request.task_ids.iter().map(|id| parse::task(id)).collect::<Result<Vec<_>, _>>()?;
        let (tail, cursor) = match &request.start {
            None => (None, &[][..]),
            Some(From::TailLines(n)) => (Some((*n).min(TAIL_LINES_MAX)), &[][..]),
            Some(From::Cursor(bytes)) => (None, &bytes[..]),
        };
        self.engine.follow_run_logs(run, tasks, tail, cursor).await
    }
}

async fn feed_log(
    engine: gofer_engine::Engine,
    mut follow: LogFollow,
    feeder: Feeder<pb::FollowLogResponse>,
) -> Result<(), Broken> {
    use pb::follow_log_response::Item;
    loop {
        let next = tokio::select! {
            () = engine.stopping() => {
                let item = Some(Item::End(stopping()));
                return Ok(feeder.send(pb::FollowLogResponse { item }).await?);
            }
            next = follow.next() => next?,
        };
        let (item, last) = match next {
            FollowItem::Batch(batch) => {
                let batch = pb::LogBatch {
                    frames: batch.frames.into_iter().map(logs::frame).collect(),
                    cursor: batch.next.to_bytes().to_vec().into(),
                    attempt: follow.attempt().unwrap_or(0),
                };
                (Item::Batch(batch), false)
            }
            FollowItem::End(summary) => (Item::End(logs::end(summary)), true),
        };
        feeder.send(pb::FollowLogResponse { item: Some(item) }).await?;
        if last {
            return Ok(());
        }
    }
}

async fn feed_run_logs(
    engine: gofer_engine::Engine,
    mut follow: RunLogFollow,
    feeder: Feeder<pb::FollowRunLogsResponse>,
) -> Result<(), Broken> {
    use pb::follow_run_logs_response::Item;
    loop {
        let next = tokio::select! {
            () = engine.stopping() => {
                let item = Some(Item::End(stopping()));
                return Ok(feeder.send(pb::FollowRunLogsResponse { item }).await?);
            }
            next = follow.next() => next?,
        };
        let (item, last) = match next {
            Some((frames, cursor)) => {
                let frames = frames.into_iter().map(logs::tagged).collect();
                (Item::Batch(pb::RunLogBatch { frames, cursor: cursor.into() }), false)
            }
            None => (Item::End(whole()), true),
        };
        feeder.send(pb::FollowRunLogsResponse { item: Some(item) }).await?;
        if last {
            return Ok(());
        }
    }
}

fn whole() -> pb::LogEnd {
    pb::LogEnd { reason: pb::LogEndReason::Sealed.into(), state: None, text: None }
}

fn stopping() -> pb::LogEnd {
    let text = Some("the server is stopping; follow again from the cursor".to_owned());
    pb::LogEnd { reason: pb::LogEndReason::ServerStopping.into(), state: None, text }
}
