//! The engine's events of our containers, as one stream: hints to look, never the truth.
//!
//! Opening it takes care that nothing falls between "the caller looks" and "the stream reports".
//! The engine sends its response head before it subscribes, so a head proves nothing. Instead the
//! engine's own clock is read first and the stream asks for everything since then: what happens in
//! between is replayed. Connected is said once the request is under way and the engine answers a
//! second call beside it.

use std::collections::HashMap;
use std::pin::Pin;

use bollard::errors::Error;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::future::Either;
use futures_util::{Stream, StreamExt, future, stream};
use gofer_core::ids::InstanceId;
use gofer_core::ports::driver::{DriverError, DriverStream, EngineEvent, FaultKind};

use crate::client::Client;
use crate::{fault, inspect, labels};

const TRIED: &str = "read the engine's events";

/// What may change the state of a container of ours.
const ACTIONS: [&str; 5] = ["start", "die", "oom", "kill", "destroy"];

type Messages = Pin<Box<dyn Stream<Item = Result<EventMessage, Error>> + Send>>;

enum Phase {
    Closed,
    Open(Messages),
    Ended,
}

pub(crate) fn events(client: Client, instance: InstanceId) -> DriverStream<EngineEvent> {
    Box::pin(stream::unfold(Phase::Closed, move |phase| {
        let (client, instance) = (client.clone(), instance.clone());
        async move {
            match phase {
                Phase::Closed => Some(match open(&client, &instance).await {
                    Ok(messages) => (Ok(EngineEvent::Connected), Phase::Open(messages)),
                    Err(fault) => (Err(fault), Phase::Ended),
                }),
                Phase::Open(messages) => Some(match next(messages).await {
                    Ok((event, messages)) => (Ok(event), Phase::Open(messages)),
                    Err(fault) => {
                        client.life().lost();
                        (Err(fault), Phase::Ended)
                    }
                }),
                Phase::Ended => None,
            }
        }
    }))
}

async fn open(client: &Client, instance: &InstanceId) -> Result<Messages, DriverError> {
    let certain_ms = client.life().last_certain_ms();
    client.renew_version().await?;
    let now = inspect::engine_now(client).await?;
    client.life().settle(now, certain_ms);
    let since_ms = client.life().now_ms().unwrap_or_default();
    let mut filters = HashMap::from([("type", vec!["container".to_owned()])]);
    filters.insert("label", vec![labels::instance_filter(instance)]);
    filters.insert("event", ACTIONS.map(str::to_owned).to_vec());
    let options = EventsOptionsBuilder::default()
        .since(&format!("{}.{:03}", since_ms.div_euclid(1_000), since_ms.rem_euclid(1_000)))
        .filters(&filters)
        .build();
    let docker = client.ready().await?;
    let mut messages: Messages = Box::pin(docker.events(Some(options)));
    let beside = client.read("ping the engine", |docker| async move { docker.ping().await });
    match future::select(messages.next(), Box::pin(beside)).await {
        Either::Left((Some(Ok(first)), _)) => {
            Ok(Box::pin(stream::once(future::ready(Ok(first))).chain(messages)))
        }
        Either::Left((Some(Err(error)), _)) => Err(fault::of_call(TRIED, &error)),
        Either::Left((None, _)) => Err(ended()),
        Either::Right((pong, _)) => {
            pong?;
            Ok(messages)
        }
    }
}

/// The next event that concerns an attempt of ours.
async fn next(mut messages: Messages) -> Result<(EngineEvent, Messages), DriverError> {
    loop {
        let message = match messages.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                // A stream that breaks tells nothing of the containers, whatever broke it.
                let fault = fault::of_call(TRIED, &error);
                return Err(DriverError { kind: FaultKind::Unreachable, retryable: true, ..fault });
            }
            None => return Err(ended()),
        };
        let attributes = message.actor.and_then(|actor| actor.attributes).unwrap_or_default();
        if let Some(key) = labels::key_of(&attributes) {
            return Ok((EngineEvent::Changed(key), messages));
        }
    }
}

fn ended() -> DriverError {
    DriverError::new(
        FaultKind::Unreachable,
        format!("could not {TRIED}: the engine closed the stream"),
    )
}
