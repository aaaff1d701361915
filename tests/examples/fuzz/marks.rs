//! The checks of log files, computed from their description and not with the crate's code: so that
//! the fuzzer can make pieces whose check is right and whose content lies.

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const HEADER_BYTES: usize = 24;
const RECORD_BYTES: usize = 68;
const FRAME_HEAD_BYTES: usize = 17;

fn hash(seed: u64, parts: &[&[u8]]) -> u64 {
    let step = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(FACTOR);
        product ^ (product >> 32)
    };
    let mut hash = step(FACTOR, seed);
    for part in parts {
        for piece in part.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            hash = step(hash, u64::from_le_bytes(word));
        }
    }
    hash
}

fn check(seed: u64, parts: &[&[u8]]) -> [u8; 4] {
    (hash(seed, parts) as u32).to_le_bytes()
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Makes the checks of a data file right: of its header, of the frames that its lengths lead to, and
/// of what may be a seal at its end.
pub(crate) fn mend_data(file: &mut [u8]) {
    let Some(log_id) = mend_header(file) else { return };
    let mut at = HEADER_BYTES;
    while let Some(n_bytes) = mend_piece(file, log_id, at) {
        at += FRAME_HEAD_BYTES + n_bytes;
    }
    if let Some(last) = file.last_chunk::<4>() {
        let n_bytes = u32::from_le_bytes(*last) as usize;
        if let Some(at) = file.len().checked_sub(n_bytes) {
            mend_piece(file, log_id, at);
        }
    }
}

/// Makes the checks of an index right: of its header, and of each record.
pub(crate) fn mend_index(file: &mut [u8]) {
    let Some(log_id) = mend_header(file) else { return };
    for (number, record) in file[HEADER_BYTES..].chunks_exact_mut(RECORD_BYTES).enumerate() {
        let values = RECORD_BYTES - 4;
        let check = check(log_id, &[&(number as u64).to_le_bytes(), &record[..values]]);
        record[values..].copy_from_slice(&check);
    }
}

/// A token that says this offset, with a check that fits.
pub(crate) fn mend_token(token: &mut [u8]) {
    if let (21, Some(log_id)) = (token.len(), number(token, 1)) {
        let check = check(log_id, &[&[1], &token[9..17]]);
        token[17..].copy_from_slice(&check);
    }
}

fn mend_header(file: &mut [u8]) -> Option<u64> {
    let log_id = number(file, 12)?;
    let check = check(0, &[file.get(..20)?]);
    file.get_mut(20..HEADER_BYTES)?.copy_from_slice(&check);
    Some(log_id)
}

/// Makes the check of one frame or seal right; gives the length of its data.
fn mend_piece(file: &mut [u8], log_id: u64, at: usize) -> Option<usize> {
    let head = file.get(at..at.checked_add(FRAME_HEAD_BYTES)?)?;
    let (kind, length, time) = (head[0], head[1..5].to_vec(), head[5..13].to_vec());
    let n_bytes = u32::from_le_bytes(*length.first_chunk()?) as usize;
    let data = file.get(at + FRAME_HEAD_BYTES..(at + FRAME_HEAD_BYTES).checked_add(n_bytes)?)?;
    let offset = (at as u64).to_le_bytes();
    let check = check(log_id, &[&offset, &[kind], &length, &time, data]);
    file.get_mut(at + 13..at + FRAME_HEAD_BYTES)?.copy_from_slice(&check);
    Some(n_bytes)
}
