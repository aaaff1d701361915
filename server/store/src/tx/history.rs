//! Appending to the history, and cutting off its old end. Only the oldest entries ever go, and
//! never the newest: numbers are not given twice, and what is kept has no gap.

use gofer_core::history::{Entry, EntryKind, Subject};
use gofer_core::ids::EventSeq;
use gofer_core::time::Timestamp;
use rusqlite::params;

use super::Tx;
use crate::error::StoreError;
use crate::records::Progress;
use crate::words;

/// Most entries that one call prunes: about 20 ms of the writer.
const PRUNED_MAX: u64 = 5_000;

impl Tx<'_> {
    /// Opens or shuts the door for new runs of the whole server. Returns whether that changed
    /// anything.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn set_ingress(&self, open: bool, now: Timestamp) -> Result<bool, StoreError> {
        self.guarded(|| {
            let changed =
                self.write("UPDATE server SET ingress = ?1 WHERE ingress <> ?1", [open])?;
            if changed == 0 {
                return Ok(false);
            }
            let text = if open { "new runs are taken again" } else { "new runs are refused" };
            self.tell(EntryKind::IngressChanged, Subject::default(), text, now)?;
            Ok(true)
        })
    }

    /// Appends to the history. Returns the number of the last entry; none where there are none.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn append_entries(
        &self,
        entries: &[Entry],
        now: Timestamp,
    ) -> Result<Option<EventSeq>, StoreError> {
        self.guarded(|| {
            for entry in entries {
                self.append(entry, now)?;
            }
            Ok((!entries.is_empty()).then(|| self.seq.get()))
        })
    }

    /// Number of the newest history entry, 0 where there is none; that of this job included.
    #[must_use]
    pub fn newest_seq(&self) -> EventSeq {
        self.seq.get()
    }

    /// Removes entries from before that time, the oldest first and at most a portion of them. The
    /// newest entry stays, however old. An entry from after `now` was made when the clock was wrong:
    /// it is as old as the entries that follow it, and holds up none of them.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn prune_history(&self, before: Timestamp, now: Timestamp) -> Result<Progress, StoreError> {
        self.guarded(|| {
            let Some((first, last)) = self.old_entries(before, now)? else {
                return Ok(Progress::Done);
            };
            let portion = first.saturating_add(PRUNED_MAX);
            self.write("DELETE FROM events WHERE seq < ?1 AND seq <= ?2", [portion, last])?;
            Ok(if last.saturating_add(1) >= portion { Progress::More } else { Progress::Done })
        })
    }

    /// The numbers of the oldest entry and of an old one up to which all may go; none where the
    /// oldest is to be kept.
    fn old_entries(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(EventSeq, EventSeq)>, StoreError> {
        let first = self.db.oldest_seq()?;
        let mut from = first;
        loop {
            let next: Vec<(EventSeq, i64)> = self.db.rows(
                "SELECT seq, time_ms FROM events WHERE seq >= ?1 AND seq < ?2 ORDER BY seq LIMIT ?3",
                params![from, self.seq.get(), PRUNED_MAX],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let is_kept = |time: i64| (before.as_ms()..=now.as_ms()).contains(&time);
            let goes = next.iter().take_while(|(_, time)| !is_kept(*time));
            let n_going = goes.clone().count();
            if let Some((last, _)) = goes.filter(|(_, time)| *time < before.as_ms()).last() {
                return Ok(Some((first, *last)));
            }
            match next.last() {
                // A whole portion from the future: look behind it.
                Some((last, _)) if n_going == next.len() => from = last.saturating_add(1),
                Some(_) | None => return Ok(None),
            }
        }
    }

    pub(super) fn append(&self, entry: &Entry, now: Timestamp) -> Result<(), StoreError> {
        let seq = self.seq.get() + 1;
        let Entry { kind, subject, ended, reason, text } = entry;
        self.write(
            "INSERT INTO events (seq, time_ms, kind, namespace_id, pipeline_id, version, run,
               task_id, attempt, ended, reason, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                seq,
                now.as_ms(),
                words::word(kind)?,
                subject.namespace.as_ref().map(|id| id.as_str()),
                subject.pipeline.as_ref().map(|id| id.as_str()),
                subject.version,
                subject.run,
                subject.task.as_ref().map(|id| id.as_str()),
                subject.attempt,
                ended.as_ref().map(words::word).transpose()?,
                reason.as_ref().map(words::word).transpose()?,
                text,
            ],
        )?;
        self.seq.set(seq);
        Ok(())
    }
}
