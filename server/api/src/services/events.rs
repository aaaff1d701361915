//! The history: pages, and what comes. A follower reads the store from its number on, and waits
//! for the store to grow; nothing is queued for it, so it can neither miss nor repeat an entry.

use gofer_core::ids::EventSeq;
use gofer_core::problem::Problem;
use gofer_engine::Engine;
use gofer_engine::records::{EntryFilter, Order, PAGE_LIMIT_MAX};
use gofer_proto::v1 as pb;
use pb::event_service_server::EventService;
use tonic::{Request, Response, Status};

use super::Services;
use crate::convert::events;
use crate::parse;
use crate::status::status;
use crate::stream::{Answers, Broken, Feeder, fed_by};

#[tonic::async_trait]
impl EventService for Services {
    type FollowEventsStream = Answers<pb::FollowEventsResponse>;

    async fn get_event(
        &self,
        request: Request<pb::GetEventRequest>,
    ) -> Result<Response<pb::GetEventResponse>, Status> {
        let seq = request.into_inner().seq;
        if seq == 0 || i64::try_from(seq).is_err() {
            return Err(status(Problem::not_found(format!("event {seq}"), Vec::new())));
        }
        let record = self.engine.read(move |reader| reader.entry(seq)).await.map_err(status)?;
        Ok(Response::new(pb::GetEventResponse { event: Some(events::event(record)) }))
    }

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let answer = self.list(request.into_inner()).await.map_err(status)?;
        Ok(Response::new(answer))
    }

    async fn follow_events(
        &self,
        request: Request<pb::FollowEventsRequest>,
    ) -> Result<Response<Self::FollowEventsStream>, Status> {
        let request = request.into_inner();
        let filter =
            filter(request.namespace_id.as_deref(), request.pipeline_id.as_deref(), &request.kinds)
                .map_err(status)?;
        let engine = self.engine.clone();
        let growth = engine.history_growth();
        let from = match request.from_seq {
            Some(seq) => bounded(seq).map_err(status)?,
            None => self.engine.read(|reader| reader.newest_seq()).await.map_err(status)? + 1,
        };
        let following = |feeder| Following { engine, filter, from, growth, feeder }.feed();
        Ok(Response::new(fed_by(following)))
    }
}

impl Services {
    async fn list(
        &self,
        request: pb::ListEventsRequest,
    ) -> Result<pb::ListEventsResponse, Problem> {
        let filter = filter(
            request.namespace_id.as_deref(),
            request.pipeline_id.as_deref(),
            &request.kinds,
        )?;
        let from = request.from_seq.map(bounded).transpose()?;
        let limit = request.limit.unwrap_or(100).clamp(1, PAGE_LIMIT_MAX);
        let order = if request.reverse { Order::NewestFirst } else { Order::OldestFirst };
        let records =
            self.engine.read(move |reader| reader.entries(&filter, from, limit, order)).await?;
        let full = records.len() == limit as usize;
        let next_seq = records.last().filter(|_| full).and_then(|last| match order {
            Order::OldestFirst => Some(last.seq + 1),
            Order::NewestFirst => last.seq.checked_sub(1).filter(|seq| *seq > 0),
        });
        Ok(pb::ListEventsResponse {
            events: records.into_iter().map(events::event).collect(),
            next_seq,
        })
    }
}

/// Numbers beyond the store's integers are beyond every entry.
fn bounded(seq: EventSeq) -> Result<EventSeq, Problem> {
    if i64::try_from(seq).is_err() {
        return Err(Problem::invalid_field(
            "from_seq",
            "…",
            format!("from_seq {seq} is larger than any event's number"),
        ));
    }
    Ok(seq)
}

fn filter(
    namespace: Option<&str>,
    pipeline: Option<&str>,
    kinds: &[i32],
) -> Result<EntryFilter, Problem> {
    let namespaces = match namespace {
        Some(id) => Some([parse::namespace(id)?].into()),
        None => None,
    };
    let pipeline = pipeline.map(gofer_core::ids::PipelineId::parse).transpose()?;
    Ok(EntryFilter { namespaces, pipeline, kinds: events::kinds(kinds)? })
}

struct Following {
    engine: Engine,
    filter: EntryFilter,
    from: EventSeq,
    growth: tokio::sync::watch::Receiver<u64>,
    feeder: Feeder<pb::FollowEventsResponse>,
}

impl Following {
    async fn feed(mut self) -> Result<(), Broken> {
        let mut first = true;
        loop {
            self.growth.borrow_and_update();
            let more = self.send_what_is_there(first).await?;
            first = false;
            if more {
                continue;
            }
            tokio::select! {
                () = self.engine.stopping() => return Ok(()),
                changed = self.growth.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Sends a portion; true where there may be more. The newest number is read before the
    /// entries, so that a filter that lets nothing pass moves on as well.
    async fn send_what_is_there(&mut self, even_if_empty: bool) -> Result<bool, Broken> {
        let (filter, from) = (self.filter.clone(), self.from);
        let (newest, records) = self
            .engine
            .read(move |reader| {
                let newest = reader.newest_seq()?;
                let records =
                    reader.entries(&filter, Some(from), PAGE_LIMIT_MAX, Order::OldestFirst)?;
                Ok((newest, records))
            })
            .await?;
        let full = records.len() == PAGE_LIMIT_MAX as usize;
        let last = records.last().map(|record| record.seq);
        self.from = match (full, last) {
            (true, Some(last)) => last + 1,
            (_, last) => self.from.max(newest + 1).max(last.map_or(0, |last| last + 1)),
        };
        if records.is_empty() && !even_if_empty {
            return Ok(false);
        }
        let message = pb::FollowEventsResponse {
            instance_id: self.engine.instance().to_string(),
            events: records.into_iter().map(events::event).collect(),
            next_seq: self.from,
        };
        self.feeder.send(message).await?;
        Ok(full)
    }
}
