//! `gofer event list`.

use std::pin::pin;

use clap::Args;
use gofer_client::EventQuery;
use gofer_client::model::{Event, EventKind, Page};
use gofer_client::watch::EventUpdate;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::jsonl;
use crate::refs::Typed;
use crate::show;
use crate::show::Noun as _;
use crate::wait;

/// List events, or follow them as they happen.
///
/// `--follow --from N` goes on where an earlier one ended, without gap or repeat.
///
/// Example: gofer event list --follow --type RUN_COMPLETED
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that users type")]
pub(crate) struct List {
    /// How many to list at most
    #[arg(short, long, value_name = "N", default_value_t = 10)]
    limit: u32,
    /// List all of them
    #[arg(long, conflicts_with_all = ["limit", "follow"])]
    all: bool,
    /// From new to old
    #[arg(short, long, conflicts_with = "follow")]
    reverse: bool,
    /// Print events as they happen, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Begin with this number; for `--follow` without it: from now on
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Only events of this kind, as in RUN_COMPLETED; repeatable
    #[arg(long = "type", value_name = "KIND", value_parser = kind)]
    kinds: Vec<EventKind>,
    /// Only events of this pipeline
    #[arg(long, value_name = "PIPELINE")]
    pipeline: Option<String>,
    /// Events of all namespaces
    #[arg(long, conflicts_with = "pipeline")]
    all_namespaces: bool,
}

fn kind(word: &str) -> Result<EventKind, String> {
    EventKind::parse(word).ok_or_else(|| {
        let words: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.word()).collect();
        let near = gofer_core::problem::nearest(&word.to_uppercase(), words.iter().copied());
        match near.first() {
            Some(name) => format!("did you mean {name}?"),
            None => format!("the kinds are {}", words.join(", ")),
        }
    })
}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let pipeline = self.pipeline.as_ref().map(|word| Typed::parse(std::slice::from_ref(word)));
        let pipeline = pipeline.transpose()?.map(|typed| typed.pipeline(context)).transpose()?;
        let (namespace, pipeline) = match pipeline {
            Some(reference) => (Some(reference.namespace), Some(reference.pipeline)),
            None => {
                (Some(context.settings.namespace.clone()).filter(|_| !self.all_namespaces), None)
            }
        };
        let query = EventQuery {
            from: self.from,
            limit: Some(self.limit).filter(|_| !self.all),
            reverse: self.reverse,
            namespace,
            pipeline,
            kinds: self.kinds,
        };
        if self.follow {
            follow(context, query).await
        } else {
            list(context, query, self.all).await
        }
    }
}

async fn list(context: &mut Context, mut query: EventQuery, all: bool) -> Done {
    let client = context.client()?;
    let mut page = client.events(&query).await?;
    while all && let Some(next) = page.next_seq {
        query.from = Some(next);
        let more = client.events(&query).await?;
        if more.items.is_empty() {
            break;
        }
        page.items.extend(more.items);
        page.next_seq = more.next_seq;
    }
    if context.out.look.tty && matches!(context.out.format, Format::Table | Format::Wide) {
        page.items.iter().try_for_each(|event| print(context, event))?;
        return Ok(Exit::Ok);
    }
    let next = page.next_seq.map(|seq| seq.to_string());
    let total = page.items.len() as u64;
    context.out.list(&Page { items: page.items, next, total })?;
    Ok(Exit::Ok)
}

async fn follow(context: &mut Context, query: EventQuery) -> Done {
    let machine = jsonl::is_wanted(&context.out)?;
    let mut events = context.client()?.follow_events(query);
    let mut interrupt = pin!(wait::interrupted());
    loop {
        let update = tokio::select! {
            update = events.next() => update.transpose()?,
            () = &mut interrupt => break,
        };
        match update {
            Some(EventUpdate::Opened { instance_id, next_seq }) if machine => {
                let from = Some(next_seq.to_string());
                jsonl::first(&mut context.out, "gofer.event/v1", &instance_id, from)?;
            }
            Some(EventUpdate::Opened { .. }) => {} // people see it by the events
            Some(EventUpdate::Event(event)) if machine => {
                context.out.json_line(&event)?;
                context.out.flush()?;
            }
            Some(EventUpdate::Event(event)) => {
                print(context, &event)?;
                context.out.flush()?;
            }
            Some(EventUpdate::Lost(why)) => wait::lost(context, &why),
            None => break,
        }
    }
    let next = events.next_seq();
    if machine {
        jsonl::last(&mut context.out, "INTERRUPTED", next.map(|seq| seq.to_string()))?;
    } else if let Some(next) = next {
        context.out.say(&format!("\ngo on with --from {next}"));
    }
    Err(Failure::interrupted().already_shown())
}

fn print(context: &mut Context, event: &Event) -> Result<(), Failure> {
    if context.out.quiet || context.out.format == Format::Name {
        return context.out.line(&event.name());
    }
    let line = show::event::line(event, &context.out.look);
    context.out.line(&line)
}
