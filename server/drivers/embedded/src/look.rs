//! Reads the files of an attempt, in the order that [`crate::adopt`] needs. A file that is empty or
//! torn counts as missing: whoever writes one renames it into place, so only a power cut tears it.
//! A file of a later release is no guess: it is an error, and nothing is touched.

use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::adopt::{self, Boot, Life, Lock, View};
use crate::files::spec::SpecFile;
use crate::files::{self, AttemptDir, VERSION};

/// An attempt's folder, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What it was made from; none where a power cut tore the file.
    pub(crate) spec: Option<SpecFile>,
    /// What became of it.
    pub(crate) life: Life,
}

/// Looks at the attempt; none where there is no such folder.
pub(crate) fn look(dir: &AttemptDir, boot_id: &str) -> io::Result<Option<Seen>> {
    let Some(spec) = read::<SpecFile>(&dir.spec())? else {
        // Folders come and go whole, so a missing file means a missing folder, or a torn one.
        if !dir.path().try_exists()? {
            return Ok(None);
        }
        let view = view_of(dir, Boot::Another)?;
        return Ok(Some(Seen { spec: None, life: adopt::judge(view) }));
    };
    let boot = if spec.boot_id == boot_id { Boot::This } else { Boot::Another };
    let life = adopt::judge(view_of(dir, boot)?);
    if life == Life::Created && !dir.path().try_exists()? {
        return Ok(None);
    }
    Ok(Some(Seen { spec: Some(spec), life }))
}

fn view_of(dir: &AttemptDir, boot: Boot) -> io::Result<View> {
    let started = dir.started().try_exists()?;
    let lock = match files::lock::is_busy(&dir.lock())? {
        true => Lock::Busy,
        false => Lock::Free,
    };
    let exit = read(&dir.exit())?;
    let shim = read(&dir.shim())?;
    let last_sign_ms = match (&exit, lock) {
        (None, Lock::Free) => last_sign_ms(dir),
        (Some(_), _) | (None, Lock::Busy) => 0,
    };
    Ok(View { boot, started, lock, shim, exit, last_sign_ms })
}

/// When anything of the attempt was written last.
fn last_sign_ms(dir: &AttemptDir) -> i64 {
    let written = [dir.spec(), dir.started(), dir.shim(), dir.log()].map(|file| {
        let time = fs::metadata(file).and_then(|metadata| metadata.modified()).ok()?;
        i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    });
    written.into_iter().flatten().max().unwrap_or_default()
}

/// Reads one file of ours; none where it is missing, empty or torn.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => parse(path, &bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> io::Result<Option<T>> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }
    if let Ok(Versioned { v }) = serde_json::from_slice(bytes)
        && v > VERSION
    {
        let message = format!(
            "{} is of version {v}, which a later release wrote; this one reads up to {VERSION}",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    match serde_json::from_slice(bytes) {
        Ok(file) => Ok(Some(file)),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a file is torn; it counts as missing");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::exit::{ExitFile, Outcome};

    const EXIT: &str = r#"{"v":1,"outcome":{"kind":"exited","code":3},"oom_kills":0,"started_ms":1,"ended_ms":2,"cpu_us":null,"memory_peak_bytes":null}"#;

    fn exit_of(text: &str) -> io::Result<Option<ExitFile>> {
        parse(Path::new("exit.json"), text.as_bytes())
    }

    #[test]
    fn a_whole_file_is_read() {
        let exit = exit_of(EXIT).unwrap().unwrap();
        assert_eq!(exit.outcome, Outcome::Exited { code: 3 });
    }

    #[test]
    fn a_file_that_is_torn_at_any_byte_counts_as_missing() {
        for n_bytes in 0..EXIT.len() {
            assert_eq!(exit_of(&EXIT[..n_bytes]).unwrap(), None, "torn after {n_bytes} bytes");
        }
        assert_eq!(exit_of(&"\0".repeat(200)).unwrap(), None);
    }

    #[test]
    fn a_file_of_a_later_release_is_an_error_and_says_so() {
        let error = exit_of(&EXIT.replace("\"v\":1", "\"v\":2")).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
        let error = exit_of(r#"{"v":7,"all":"new"}"#).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn a_field_that_a_later_minor_release_added_is_passed_over() {
        let more = EXIT.replace("\"v\":1", "\"v\":1,\"more\":true");
        assert!(exit_of(&more).unwrap().is_some());
    }
}
