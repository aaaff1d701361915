//! How much a pipeline may hold, and why that much.

/// Most tasks in a pipeline. Every run holds a task run for each of them in memory.
pub const TASKS_MAX: usize = 1_000;
/// Most bytes of a whole draft, as [`Draft::n_bytes`](super::Draft::n_bytes) counts them: about the
/// largest message that the API takes.
pub const DRAFT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest name of a pipeline, in characters: one line of a list.
pub const NAME_CHARS_MAX: usize = 128;
/// Longest description, in bytes: a page, not a book.
pub const DESCRIPTION_BYTES_MAX: usize = 16 * 1024;
/// Longest image reference, in bytes: registry, name (255), tag (128) and digest fit.
pub const IMAGE_BYTES_MAX: usize = 1_024;
/// Longest single argument or `NAME=value` of a process, in bytes, with its closing NUL: Linux
/// refuses a longer one (`MAX_ARG_STRLEN`).
pub const ARGUMENT_BYTES_MAX: usize = 128 * 1024;
/// Most bytes of all variables, and of all arguments, of a task: together they stay within the
/// 2 MiB that Linux gives to both when the stack limit is the usual 8 MiB.
pub const ARGUMENTS_BYTES_MAX: usize = 1024 * 1024;
/// Longest time limit, in milliseconds: 30 days; jobs are meant to be short.
pub const TIMEOUT_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;
/// Most retries of a task.
pub const RETRIES_MAX: u64 = 100;
/// Largest back-off factor.
pub const RETRY_FACTOR_MAX: f64 = 100.0;
/// Longest wait before a retry, in milliseconds: a day.
pub const RETRY_WAIT_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Most CPU of a task, in thousandths: a thousand CPUs.
pub const CPU_MILLI_MAX: u64 = 1_000_000;
/// Least memory of a task, in bytes: Docker refuses less than 6 MiB.
pub const MEMORY_BYTES_MIN: u64 = 6 * 1024 * 1024;
/// Most memory of a task, in bytes: engines take a signed number, and 1 PiB is beyond any machine.
pub const MEMORY_BYTES_MAX: u64 = 1 << 50;
/// Largest user or group number: engines refuse more than 31 bits.
pub const USER_NUMBER_MAX: u64 = i32::MAX as u64;
/// Longest user or group name, in bytes.
pub const USER_BYTES_MAX: usize = 64;
/// Longest path, in bytes (`PATH_MAX`).
pub const PATH_BYTES_MAX: usize = 4_096;
/// Most labels of a task.
pub const LABELS_MAX: usize = 64;
/// Longest key of a label, in bytes.
pub const LABEL_KEY_BYTES_MAX: usize = 128;
/// Longest value of a label, in bytes.
pub const LABEL_VALUE_BYTES_MAX: usize = 1_024;
/// Longest user name or password of a registry, in bytes: tokens of some clouds have 4 KiB.
pub const CREDENTIAL_BYTES_MAX: usize = 16 * 1024;
/// Largest parallelism of a pipeline.
pub const PARALLELISM_MAX: u32 = 1_000_000;
/// Most faults that one check reports; the last one says how many more there are.
pub const FAULTS_MAX: usize = 1_000;
/// Most cycles that one check reports: a dense graph has more cycles than anyone can read.
pub const CYCLES_MAX: usize = 10;
