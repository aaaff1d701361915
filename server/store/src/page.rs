//! Pages of lists. A cursor says after which item to go on, never how many to pass over, so that
//! each item comes once however many are added meanwhile. It carries the list that it belongs to:
//! a cursor of another list is refused, never misread.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use gofer_core::problem::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::words;

/// Items of a page where the caller does not say.
pub const PAGE_LIMIT_DEFAULT: u32 = 50;
/// Most items of a page; more is lowered to this.
pub const PAGE_LIMIT_MAX: u32 = 500;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// How many items at most; none for [`PAGE_LIMIT_DEFAULT`].
    pub limit: Option<u32>,
    /// `next_cursor` of the page before; none for the first page.
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on; none where this is the last page.
    pub next_cursor: Option<String>,
    /// How many items match in all.
    pub total: u64,
}

impl PageRequest {
    /// How many items the page may hold.
    pub(crate) fn n_items(&self) -> u32 {
        self.limit.unwrap_or(PAGE_LIMIT_DEFAULT).clamp(1, PAGE_LIMIT_MAX)
    }

    /// How many rows to ask for: one more than the page holds, to know whether another follows.
    pub(crate) fn n_rows(&self) -> u32 {
        self.n_items() + 1
    }

    /// The key after which `list` goes on; none for its first page.
    pub(crate) fn after<K: DeserializeOwned>(&self, list: &str) -> Result<Option<K>, StoreError> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let foreign = || {
            Problem::invalid_field("page.cursor", cursor, "the cursor is not one that this list gave")
                .with_next("ask for the first page without a cursor, and for the same list and filter after that")
        };
        let text = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| foreign())?;
        let (of, after): (String, K) = serde_json::from_slice(&text).map_err(|_| foreign())?;
        if of == list { Ok(Some(after)) } else { Err(foreign().into()) }
    }

    /// Makes a page of `list` from the rows that were asked for.
    pub(crate) fn page<T, K: Serialize>(
        &self,
        list: &str,
        mut items: Vec<T>,
        total: u64,
        key: impl Fn(&T) -> K,
    ) -> Result<Page<T>, StoreError> {
        let n_items = usize::try_from(self.n_items()).unwrap_or(usize::MAX);
        let more = items.len() > n_items;
        items.truncate(n_items);
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => {
                let text = words::json("cursor", &(list, key(last)))?;
                Some(BASE64_URL_SAFE_NO_PAD.encode(text))
            }
            None => None,
        };
        Ok(Page { items, next_cursor, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(limit: u32, cursor: Option<String>) -> PageRequest {
        PageRequest { limit: Some(limit), cursor }
    }

    #[test]
    fn a_cursor_serves_its_own_list_only() {
        let page = request(2, None).page("abc", vec![1_u64, 2, 3], 3, |n| *n).unwrap();
        assert_eq!(page.items, [1, 2]);
        let next = request(2, page.next_cursor);
        assert_eq!(next.after::<u64>("abc").unwrap(), Some(2));
        assert!(next.after::<u64>("abd").is_err());
        assert!(next.after::<String>("abc").is_err());
        for junk in ["", "x", "####", "bnVsbA"] {
            let problem =
                request(2, Some(junk.into())).after::<u64>("abc").unwrap_err().to_problem();
            assert_eq!(problem.kind, gofer_core::problem::Kind::Invalid, "{junk:?}");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor_and_limits_are_bounded() {
        assert_eq!(
            request(3, None).page("abc", vec![1_u64, 2, 3], 3, |n| *n).unwrap().next_cursor,
            None
        );
        assert_eq!(request(0, None).n_items(), 1);
        assert_eq!(request(u32::MAX, None).n_items(), PAGE_LIMIT_MAX);
    }
}
