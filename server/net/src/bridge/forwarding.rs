//! Whether this machine hands packets on from one link to another. Nothing leaves a bridge without
//! it, so it is turned on where it is off, and that is told: it concerns all links of the machine.

use std::fs;

use crate::error::NetError;

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// Turns it on; says if it was off. It is not turned off again, since others may rely on it by then.
pub(super) fn turn_on() -> Result<bool, NetError> {
    let was =
        fs::read_to_string(IP_FORWARD).map_err(|error| NetError::io("read", IP_FORWARD, error))?;
    if was.trim() != "0" {
        return Ok(false);
    }
    fs::write(IP_FORWARD, "1")
        .map_err(|error| NetError::io("turn on forwarding by", IP_FORWARD, error))?;
    Ok(true)
}

/// Is it on?
pub(super) fn is_on() -> bool {
    fs::read_to_string(IP_FORWARD).is_ok_and(|text| text.trim() != "0")
}
