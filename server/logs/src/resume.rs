//! Finds where to go on at the engine. The engine is asked for all frames from a whole second S on,
//! and some of them are passed over by count. That is exact if all stored frames before some place
//! are earlier than S and all from there on are not: then the engine leaves out exactly the former,
//! and the latter are as many as are passed over.
//!
//! ```text
//!   times   8.9  9.1  9.0 │ 10.2  10.1  11.7  13.0          newest - 2 s = 11.0
//!                         S = 10, skip = 4                  (S = 11 would do too: skip = 2)
//! ```
//! The search walks over index gaps from the newest to the oldest and scans only a gap that the
//! border of a second may lie in: one or two, unless the clock was set back.

use gofer_core::log::Cursor;

use crate::error::LogError;
use crate::files::LogFile;
use crate::format::Record;
use crate::index::Index;
use crate::limits::{DISORDER_NS_MAX, WALK_RECORDS};
use crate::place::Place;
use crate::recover::Tail;
use crate::scan::{Item, Scan};

const SECOND_NS: i64 = 1_000_000_000;

/// The files of the log and its end.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    pub(crate) data: &'a LogFile,
    pub(crate) index: &'a Index,
    pub(crate) log_id: u64,
    pub(crate) tail: Tail,
}

/// The frames between two records, and what is known of those around them.
#[derive(Debug)]
struct Gap {
    begin: Place,
    end_offset: u64,
    /// The latest time before it; `None` at the log's beginning.
    latest_before_ns: Option<i64>,
    /// The earliest time behind it.
    earliest_after_ns: i64,
}

impl Search<'_> {
    pub(crate) fn cursor(&self) -> Result<Cursor, LogError> {
        let Tail { place, marker } = self.tail;
        let everything = Cursor { since_s: 0, skip: place.frames };
        let mut end_offset = place.file_offset;
        let mut earliest_ns = marker.gap_earliest_ns;
        let mut earliest_after_ns = i64::MAX;
        let mut n_left = marker.n_records;
        while n_left > 0 {
            let first = n_left.saturating_sub(WALK_RECORDS);
            for record in self.index.records(first, n_left)?.into_iter().rev() {
                // Without it nothing is known of the gap. All frames again is slow, and right.
                let Some(Record { place: begin, latest_ns, gap_earliest_ns }) = record else {
                    return Ok(everything);
                };
                let latest_before_ns = Some(latest_ns);
                let gap = Gap { begin, end_offset, latest_before_ns, earliest_after_ns };
                if let Some(cursor) = self.in_gap(&gap)? {
                    return Ok(cursor);
                }
                end_offset = begin.file_offset;
                earliest_after_ns = earliest_after_ns.min(earliest_ns);
                earliest_ns = gap_earliest_ns;
            }
            n_left = first;
        }
        let begin = Place::ORIGIN;
        let gap = Gap { begin, end_offset, latest_before_ns: None, earliest_after_ns };
        Ok(self.in_gap(&gap)?.unwrap_or(everything))
    }

    /// The newest second whose border lies in this gap.
    fn in_gap(&self, gap: &Gap) -> Result<Option<Cursor>, LogError> {
        if self.second(gap.latest_before_ns, gap.earliest_after_ns).is_none() {
            return Ok(None);
        }
        let times = self.times(gap)?;
        // The earliest time from each frame on, the last frame first.
        let mut earliest_ns = gap.earliest_after_ns;
        let mut earliest_from: Vec<i64> = Vec::with_capacity(times.len());
        for time_ns in times.iter().rev() {
            earliest_ns = earliest_ns.min(*time_ns);
            earliest_from.push(earliest_ns);
        }
        let mut latest_ns = gap.latest_before_ns;
        let mut found = None;
        let mut n_before = gap.begin.frames;
        for (time_ns, earliest_ns) in times.iter().zip(earliest_from.into_iter().rev()) {
            if let Some(since_s) = self.second(latest_ns, earliest_ns) {
                let skip = self.tail.place.frames.saturating_sub(n_before);
                found = Some(Cursor { since_s, skip });
            }
            latest_ns = Some(latest_ns.map_or(*time_ns, |latest| latest.max(*time_ns)));
            n_before = n_before.saturating_add(1);
        }
        Ok(found)
    }

    /// The newest whole second that is later than `latest_before_ns`, not later than
    /// `earliest_after_ns`, and far enough behind the newest time. Seconds begin at 1, because 0
    /// means no limit.
    fn second(&self, latest_before_ns: Option<i64>, earliest_after_ns: i64) -> Option<i64> {
        let settled_ns = self.tail.marker.latest_ns.saturating_sub(DISORDER_NS_MAX);
        let since_s = settled_ns.min(earliest_after_ns).div_euclid(SECOND_NS);
        let is_later =
            latest_before_ns.is_none_or(|latest| since_s.saturating_mul(SECOND_NS) > latest);
        (since_s >= 1 && is_later).then_some(since_s)
    }

    fn times(&self, gap: &Gap) -> Result<Vec<i64>, LogError> {
        let mut scan = Scan::new(self.data, self.log_id, gap.begin, gap.end_offset);
        let mut times = Vec::new();
        loop {
            let offset = scan.place().file_offset;
            match scan.next()? {
                Item::Frame(frame) => times.push(frame.frame.time_ns),
                Item::End => return Ok(times),
                Item::Bad(what) => return Err(self.data.corrupt(offset, what)),
            }
        }
    }
}
