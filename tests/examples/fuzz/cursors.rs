//! Page cursors, as text and as the JSON in them, for every list of the store.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use gofer_core::ids::{NamespaceId, PipelineId, PipelineKey, RunUid};
use gofer_core::problem::Kind;
use gofer_core::time::Timestamp;
use gofer_store::{Done, Job, Page, PageRequest, Reader, RunFilter, Store, StoreError};

use crate::hunt::kind;
use crate::samples::words;
use crate::{Target, Verdict};

/// An input is a cursor; with a `{` in front it is the JSON of one.
pub(crate) fn pages() -> Result<Target> {
    let dir = tempfile::tempdir()?;
    let mut store =
        Store::open(dir.path(), &RunUid::parse(&"1".repeat(26))?, Timestamp::from_ms(0))?;
    let job: Job = Box::new(|tx| {
        for name in ["aaa", "bbb", "ccc"] {
            // A name that breaks a rule would leave the list empty, which the samples show.
            if let Ok(id) = NamespaceId::parse(name) {
                tx.create_namespace(&id, "", "", Timestamp::from_ms(1)).ok();
            }
        }
        Done::Keep(Box::new(|_| {}))
    });
    store.run_group(vec![job])?;
    let reader = store.reader()?;
    let first = PageRequest { limit: Some(1), cursor: None };
    let cursor = reader.namespaces(None, &first)?.next_cursor.context("a second page")?;
    let json = [b"{".to_vec(), BASE64.decode(&cursor)?].concat();
    Ok(Target {
        samples: [
            vec![cursor.into_bytes(), json],
            words(&["{[\"runs\",[1,\"aaa\",1]]", "{null", "{[]"]),
        ]
        .concat(),
        words: words(&[
            "[",
            "]",
            "\"",
            "runs",
            "namespaces",
            "pipelines",
            "9223372036854775808",
            "-1",
            "null",
            ",",
            "{}",
        ]),
        feed: Box::new(move |input| {
            let _held = (&dir, &store);
            let cursor = match input.strip_prefix(b"{") {
                Some(json) => BASE64.encode(json),
                None => String::from_utf8_lossy(input).into_owned(),
            };
            feed(&reader, &PageRequest { limit: Some(2), cursor: Some(cursor) })
        }),
    })
}

fn feed(reader: &Reader, page: &PageRequest) -> Verdict {
    let namespace = NamespaceId::parse("aaa").map_err(|problem| problem.message)?;
    let pipeline = PipelineId::parse("simple").map_err(|problem| problem.message)?;
    let filter = RunFilter {
        namespace: namespace.clone(),
        pipeline: None,
        states: BTreeSet::new(),
        statuses: BTreeSet::new(),
        since: None,
    };
    let key = PipelineKey { namespace: namespace.clone(), pipeline };
    let answers = [
        answer(reader.namespaces(None, page)),
        answer(reader.pipelines(&namespace, page)),
        answer(reader.configs(&key, page)),
        answer(reader.deployments(&key, page)),
        answer(reader.runs(&filter, page)),
    ];
    answers.into_iter().try_fold(3, |sum: u64, answer| Ok(sum.rotate_left(9) ^ answer?))
}

fn answer<T>(page: Result<Page<T>, StoreError>) -> Verdict {
    match page {
        Ok(page) => Ok(kind(&"i".repeat(page.items.len()))),
        Err(error) => {
            let problem = error.to_problem();
            if matches!(problem.kind, Kind::Invalid | Kind::NotFound) {
                Ok(kind(&problem.message))
            } else {
                Err(format!("{problem:?}")) // no answer to a wrong cursor
            }
        }
    }
}
