//! The database's formats, one step each, forward only. A step that has been released is never
//! edited, and a test holds its hash; a change is a new step. Each step is one transaction with the
//! number that says it is done, so that a crash leaves the format before or the format after.

use gofer_core::ids::InstanceId;
use gofer_core::time::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

/// The steps; the first makes format 1 of nothing.
pub(crate) const STEPS: [&str; 1] = [include_str!("migrations/0001_initial.sql")];

/// Marks a database file as ours: "Gofr".
pub(crate) const APPLICATION_ID: i32 = 0x476f_6672;

/// The namespace that is there from the beginning.
const DEFAULT_NAMESPACE: &str = "default";

/// The newest format that this program knows.
pub(crate) fn newest_format() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// Brings a database from format `from` to the newest. A new database gets its identity and its
/// first rows in the same transaction as its tables: there is none without.
pub(crate) fn migrate(
    sql: &mut Connection,
    from: u32,
    fresh_instance: &InstanceId,
    now: Timestamp,
) -> rusqlite::Result<()> {
    for (format, step) in (1_u32..).zip(STEPS) {
        if format <= from {
            continue;
        }
        let tx = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        if format == 1 {
            first_rows(&tx, fresh_instance, now)?;
        }
        tx.pragma_update(None, "user_version", format)?;
        tx.commit()?;
    }
    Ok(())
}

fn first_rows(sql: &Connection, instance: &InstanceId, now: Timestamp) -> rusqlite::Result<()> {
    sql.pragma_update(None, "application_id", APPLICATION_ID)?;
    sql.execute(
        "INSERT INTO server (only_row, instance, ingress, created_ms) VALUES (1, ?1, 1, ?2)",
        params![instance.as_str(), now.as_ms()],
    )?;
    sql.execute(
        "INSERT INTO namespaces (namespace_id, name, description, deleting, created_ms, updated_ms)
         VALUES (?1, ?1, 'where pipelines live that name no namespace', 0, ?2, ?2)",
        params![DEFAULT_NAMESPACE, now.as_ms()],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn a_released_step_is_never_edited() {
        let hashes: Vec<String> = STEPS
            .iter()
            .map(|step| Sha256::digest(step).iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        assert_eq!(hashes, ["0242a922f7a129aeb0d564d7268c373dc46a59bc6f00f328c682547e0069853b"]);
    }
}
