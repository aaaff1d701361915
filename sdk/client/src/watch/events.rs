//! Events as they happen. After a loss the stream goes on with the number after the last one, so none
//! is missed and none comes twice.

use std::collections::VecDeque;

use gofer_proto::v1 as pb;

use super::{Follow, Opening, Resuming, Took};
use crate::error::{ClientError, ErrorKind, Result};
use crate::model::Event;
use crate::{Client, EventQuery};

/// One thing that a stream of events tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventUpdate {
    /// The stream is open; this server speaks, and goes on with this number.
    Opened {
        /// Id of the server's data directory.
        instance_id: String,
        /// The number to come next, at the earliest.
        next_seq: u64,
    },
    /// An event.
    Event(Event),
    /// The connection was lost, for this reason; it is tried again.
    Lost(String),
}

/// A stream of events.
#[derive(Debug)]
pub struct EventFollow(Resuming<Events>);

struct Events {
    query: EventQuery,
    /// The server whose numbers these are.
    instance: Option<String>,
    next_seq: Option<u64>,
}

impl Client {
    /// Follows events from [`EventQuery::from`] on, for ever. `limit` and `reverse` are not used.
    #[must_use]
    pub fn follow_events(&self, query: EventQuery) -> EventFollow {
        let next_seq = query.from;
        EventFollow(Resuming::new(self.clone(), Events { query, instance: None, next_seq }))
    }
}

impl EventFollow {
    /// The next update; `None` after an error. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Result<EventUpdate>> {
        self.0.next().await
    }

    /// The number to go on with. `None`: nothing is known yet.
    #[must_use]
    pub fn next_seq(&self) -> Option<u64> {
        self.0.follow.next_seq
    }
}

impl Follow for Events {
    type Message = pb::FollowEventsResponse;
    type Item = EventUpdate;

    fn open(&self, client: Client) -> Opening<Self::Message> {
        let request = pb::FollowEventsRequest {
            from_seq: self.next_seq,
            namespace_id: self.query.namespace.clone(),
            pipeline_id: self.query.pipeline.clone(),
            kinds: self.query.kinds.iter().map(|kind| (*kind).into()).collect(),
        };
        Box::pin(async move { client.answer(client.event_service().follow_events(request)).await })
    }

    fn take(&mut self, message: Self::Message, items: &mut VecDeque<EventUpdate>) -> Result<Took> {
        match &self.instance {
            None => {
                let instance_id = message.instance_id.clone();
                self.instance = Some(instance_id.clone());
                let first = message.events.first().map_or(message.next_seq, |event| event.seq);
                items.push_back(EventUpdate::Opened { instance_id, next_seq: first });
            }
            Some(instance) if *instance != message.instance_id => {
                return Err(ClientError::new(
                    ErrorKind::Conflict,
                    "OTHER_INSTANCE",
                    "the server holds other data than before, so its numbers mean other events",
                ));
            }
            Some(_) => {}
        }
        let reached = self.next_seq.unwrap_or(0);
        let fresh = message.events.into_iter().filter(|event| event.seq >= reached);
        items.extend(fresh.map(|event| EventUpdate::Event(event.into())));
        self.next_seq = Some(message.next_seq.max(reached));
        Ok(Took::More)
    }

    fn lost(error: &ClientError) -> EventUpdate {
        EventUpdate::Lost(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(instance: &str, seqs: &[u64], next_seq: u64) -> pb::FollowEventsResponse {
        let events = seqs.iter().map(|seq| pb::Event { seq: *seq, ..Default::default() }).collect();
        pb::FollowEventsResponse { instance_id: instance.into(), events, next_seq }
    }

    #[test]
    fn a_resumed_stream_repeats_nothing_and_never_goes_back() {
        let mut follow = Events { query: EventQuery::default(), instance: None, next_seq: None };
        let mut items = VecDeque::new();
        follow.take(message("a", &[7, 8], 9), &mut items).unwrap();
        follow.take(message("a", &[8, 9], 10), &mut items).unwrap();
        follow.take(message("a", &[], 4), &mut items).unwrap();
        let seqs: Vec<u64> = items
            .iter()
            .filter_map(|item| match item {
                EventUpdate::Event(event) => Some(event.seq),
                EventUpdate::Opened { .. } | EventUpdate::Lost(_) => None,
            })
            .collect();
        assert_eq!(seqs, [7, 8, 9]);
        assert_eq!(follow.next_seq, Some(10));
        let error = follow.take(message("b", &[], 1), &mut items).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Conflict);
    }
}
