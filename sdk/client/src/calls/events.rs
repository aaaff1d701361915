//! Calls on events.

use gofer_proto::v1 as pb;
use gofer_proto::v1::event_service_client::EventServiceClient;

use super::{Client, present};
use crate::channel::Wire;
use crate::error::Result;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::model::{Event, EventKind, EventPage};

/// Which events are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Number to begin with. `None`: the oldest or, in reverse, the newest; for following: from now.
    pub from: Option<u64>,
    /// How many at most. `None`: the server's default. Not for following.
    pub limit: Option<u32>,
    /// Whether to go from new to old. Not for following.
    pub reverse: bool,
    /// Only events of this namespace. `None`: of all.
    pub namespace: Option<String>,
    /// Only events of this pipeline; needs the namespace. `None`: of all.
    pub pipeline: Option<String>,
    /// Only events of these kinds. Empty: of all.
    pub kinds: Vec<EventKind>,
}

impl Client {
    pub(crate) fn event_service(&self) -> EventServiceClient<Wire> {
        EventServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Reads one event.
    pub async fn event(&self, seq: u64) -> Result<Event> {
        let request = pb::GetEventRequest { seq };
        let answer = self.answer(self.event_service().get_event(request)).await?;
        present(answer.event, "event").map(Into::into)
    }

    /// Lists events by number.
    pub async fn events(&self, query: &EventQuery) -> Result<EventPage> {
        let request = pb::ListEventsRequest {
            from_seq: query.from,
            limit: query.limit,
            reverse: query.reverse,
            namespace_id: query.namespace.clone(),
            pipeline_id: query.pipeline.clone(),
            kinds: query.kinds.iter().map(|kind| (*kind).into()).collect(),
        };
        let answer = self.answer(self.event_service().list_events(request)).await?;
        let items = answer.events.into_iter().map(Into::into).collect();
        Ok(EventPage { items, next_seq: answer.next_seq })
    }
}
