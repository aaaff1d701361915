//! Pages of lists: the flags, and walking through all of them.

use clap::Args;
use gofer_client::model::{Page, PageRequest};

use crate::failure::Failure;

/// Flags of every list.
#[derive(Debug, Clone, Args)]
pub(super) struct Paging {
    /// How many to list at most
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
    /// List all of them
    #[arg(long, conflicts_with = "limit")]
    pub(super) all: bool,
    /// Go on where a list before ended: the `next` of its JSON
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Paging {
    /// Fetches what was asked for.
    pub(super) async fn fetch<T>(
        &self,
        get: impl AsyncFn(PageRequest) -> gofer_client::Result<Page<T>>,
    ) -> Result<Page<T>, Failure> {
        let limit = (!self.all).then_some(self.limit);
        let mut page = get(PageRequest { limit, cursor: self.cursor.clone() }).await?;
        while self.all && page.next.is_some() {
            let more = get(PageRequest { limit, cursor: page.next.take() }).await?;
            page.items.extend(more.items);
            page.next = more.next;
        }
        Ok(page)
    }
}
