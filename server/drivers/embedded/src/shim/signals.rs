//! A process inherits which signals are ignored, and Rust's programs ignore SIGPIPE: a task's
//! `yes | head` would never end. Unlike an ignored signal a handled one is the default again after
//! execve, so every ignored one gets a handler that does next to nothing.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::FORBIDDEN;

/// Makes the calling process, and what it starts, ignore no signal.
pub(super) fn ignore_none() -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    let ignored = u64::from_str_radix(ignored.trim(), 16).map_err(io::Error::other)?;
    // From 32 on they are the C library's own or mean what a program makes of them.
    for signal in (1..32).filter(|signal| ignored & (1 << (signal - 1)) != 0) {
        if !FORBIDDEN.contains(&signal) {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
    }
    Ok(())
}
