//! Finds where to go on at the engine. The engine is asked for all frames from a whole second S on,
//! and some of them are passed over by count. That is exact if all stored frames before some place
//! are earlier than S and all from there on are not: then the engine leaves out exactly the former,
//! and the latter are as many as are passed over.
//!
//! ```text
//!   times   8.9  9.1  9.0 │ 10.2  10.1  11.7  13.0          newest - 2 s = 11.0
//!                         S = 10, skip = 4                  (S = 11 would do too: skip = 2)
//! ```
//! S is no later than two seconds before the newest time, and no later than the last frame of a line
//! that is still open: a driver that mends lines must see that line again.
//!
//! The search walks over index gaps from the newest to the oldest and scans only a gap that the
//! border of a second may lie in: one or two, unless the clock was set back.

use gofer_core::log::{Cursor, Stream};

use crate::error::LogError;
use crate::files::LogFile;
use crate::format::Record;
use crate::index::Index;
use crate::limits::{DISORDER_NS_MAX, WALK_RECORDS};
use crate::place::{LineFrame, Place};
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
    /// The border lies at no later time.
    border_max_ns: i64,
}

impl Search<'_> {
    pub(crate) fn cursor(&self) -> Result<Cursor, LogError> {
        let Tail { place, marker } = self.tail;
        let settled_ns = marker.latest_ns.saturating_sub(DISORDER_NS_MAX);
        let border_max_ns = settled_ns.min(self.open_line_ns()?);
        let mut earliest_ns = marker.gap_earliest_ns;
        let mut earliest_after_ns = i64::MAX;
        let found = self.walk(|record, begin, end_offset| {
            let latest_before_ns = record.map(|record| record.latest_ns);
            let gap = Gap { begin, end_offset, latest_before_ns, earliest_after_ns, border_max_ns };
            earliest_after_ns = earliest_after_ns.min(earliest_ns);
            earliest_ns = record.map_or(i64::MAX, |record| record.gap_earliest_ns);
            self.in_gap(&gap)
        })?;
        // All frames again is slow, and right.
        Ok(found.unwrap_or(Cursor { since_s: 0, skip: place.frames }))
    }

    /// The time of the last frame of a line that is open; of two such lines the earlier. Whoever hands
    /// out the engine's frames may have to see that one again to know how the line goes on.
    fn open_line_ns(&self) -> Result<i64, LogError> {
        let Place { open_stdout, open_stderr, .. } = self.tail.place;
        let lines = [(Stream::Stdout, open_stdout), (Stream::Stderr, open_stderr)];
        let mut left: Vec<Stream> =
            lines.iter().filter(|(_, line)| line.is_some()).map(|(stream, _)| *stream).collect();
        let mut earliest_ns = i64::MAX;
        if left.is_empty() {
            return Ok(earliest_ns);
        }
        let found = self.walk(|_, begin, end_offset| {
            let heads = self.heads(begin, end_offset)?;
            left.retain(|stream| {
                let last = heads.iter().rev().find(|(of, _)| of == stream);
                earliest_ns = last.map_or(earliest_ns, |(_, time_ns)| earliest_ns.min(*time_ns));
                last.is_none()
            });
            Ok(left.is_empty().then_some(earliest_ns))
        })?;
        Ok(found.unwrap_or(i64::MIN))
    }

    /// Looks at the gaps from the newest to the oldest, each with the record that it begins at, until
    /// what is looked for is found. `None`: it is in no gap, or a record is damaged, so that nothing
    /// is known of the gaps before it.
    fn walk<T>(
        &self,
        mut look: impl FnMut(Option<&Record>, Place, u64) -> Result<Option<T>, LogError>,
    ) -> Result<Option<T>, LogError> {
        let mut end_offset = self.tail.place.file_offset;
        let mut n_left = self.tail.marker.n_records;
        while n_left > 0 {
            let first = n_left.saturating_sub(WALK_RECORDS);
            for record in self.index.records(first, n_left)?.into_iter().rev() {
                let Some(record) = record else { return Ok(None) };
                if let Some(found) = look(Some(&record), record.place, end_offset)? {
                    return Ok(Some(found));
                }
                end_offset = record.place.file_offset;
            }
            n_left = first;
        }
        look(None, Place::ORIGIN, end_offset)
    }

    /// The newest second whose border lies in this gap.
    fn in_gap(&self, gap: &Gap) -> Result<Option<Cursor>, LogError> {
        if gap.second(gap.latest_before_ns, gap.earliest_after_ns).is_none() {
            return Ok(None);
        }
        let heads = self.heads(gap.begin, gap.end_offset)?;
        let times: Vec<i64> = heads.into_iter().map(|(_, time_ns)| time_ns).collect();
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
            if let Some(since_s) = gap.second(latest_ns, earliest_ns) {
                let skip = self.tail.place.frames.saturating_sub(n_before);
                found = Some(Cursor { since_s, skip });
            }
            latest_ns = Some(latest_ns.map_or(*time_ns, |latest| latest.max(*time_ns)));
            n_before = n_before.saturating_add(1);
        }
        Ok(found)
    }

    /// The streams and times of some frames.
    fn heads(&self, begin: Place, end_offset: u64) -> Result<Vec<(Stream, i64)>, LogError> {
        let mut scan = Scan::new(self.data, self.log_id, begin, end_offset);
        let mut heads = Vec::new();
        loop {
            let offset = scan.place().file_offset;
            match scan.next()? {
                Item::Frame(LineFrame { frame, .. }) => heads.push((frame.stream, frame.time_ns)),
                Item::End => return Ok(heads),
                Item::Bad(what) => return Err(self.data.corrupt(offset, what)),
            }
        }
    }
}

impl Gap {
    /// The newest whole second that is later than `latest_before_ns`, and not later than
    /// `earliest_after_ns` and the latest border. Seconds begin at 1, because 0 means no limit.
    fn second(&self, latest_before_ns: Option<i64>, earliest_after_ns: i64) -> Option<i64> {
        let since_s = self.border_max_ns.min(earliest_after_ns).div_euclid(SECOND_NS);
        let is_later =
            latest_before_ns.is_none_or(|latest| since_s.saturating_mul(SECOND_NS) > latest);
        (since_s >= 1 && is_later).then_some(since_s)
    }
}
