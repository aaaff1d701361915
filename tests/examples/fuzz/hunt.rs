//! Feeds one target for its time, from a thread of its own, and watches it: for panics of any
//! thread, for broken promises, and for inputs that get no answer.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::Instant;

use crate::dice::Dice;
use crate::{Target, Verdict};

/// An input without an answer for this long is a failure.
const PATIENCE: Duration = Duration::from_secs(2);
/// Setting a target up may take longer.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(60);
/// How often the feeder says that it lives.
const BEAT: Duration = Duration::from_millis(100);
/// Most samples; further news joins no more.
const SAMPLES_MAX: usize = 4096;
/// After so many failures a target is left alone.
const FAILURES_MAX: usize = 10;
/// Inputs before a panic of another thread that may have caused it.
const SUSPECTS: usize = 4;

static N_PANICS: AtomicUsize = AtomicUsize::new(0);
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Counts the panics of all threads in place of printing them.
pub(crate) fn listen_to_panics() {
    std::panic::set_hook(Box::new(|info| {
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
        N_PANICS.fetch_add(1, Ordering::SeqCst);
    }));
}

/// A hunt that is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> Result<Target>,
    pub(crate) seed: u64,
    pub(crate) time: Duration,
}

/// What a hunt came to.
#[derive(Default)]
struct Bag {
    n_execs: u64,
    n_samples: usize,
    n_failures: usize,
}

/// The input that is being fed.
type Current = Arc<Mutex<Vec<u8>>>;

/// Feeds a target and prints its line; gives the number of failures. With `input` feeds only that.
pub(crate) fn hunt(order: Order, input: Option<Vec<u8>>) -> Result<usize> {
    let current = Current::default();
    let (beats, heard) = sync_channel(1);
    let begun = Instant::now();
    let feeder = {
        let current = Arc::clone(&current);
        std::thread::Builder::new().name(order.name.to_owned()).spawn(move || {
            let mut target = (order.make)().with_context(|| format!("set {} up", order.name))?;
            let bag = feed(order, &mut target, input.as_deref(), (&current, &beats));
            drop(beats); // before the target, which may take its time to end
            bag
        })?
    };
    let mut patience = PATIENCE_AT_FIRST;
    loop {
        match heard.recv_timeout(patience) {
            Ok(()) => patience = PATIENCE + BEAT,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                // A thread cannot be ended from outside, so this ends the program.
                let input = current.lock().unwrap_or_else(PoisonError::into_inner);
                failure(order, &input, "no answer within 2 s");
                bail!("{} hangs", order.name);
            }
        }
    }
    let bag = feeder.join().map_err(|_panicked| {
        let last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        anyhow::anyhow!("the fuzzer itself panicked: {last}")
    })??;
    let rate = bag.n_execs as u128 * 1000 / begun.elapsed().as_millis().max(1);
    println!(
        "{:<14} {:>10} {:>9} {:>8} {:>8}",
        order.name, bag.n_execs, rate, bag.n_samples, bag.n_failures
    );
    Ok(bag.n_failures)
}

fn feed(
    order: Order,
    target: &mut Target,
    only: Option<&[u8]>,
    (current, beats): (&Current, &SyncSender<()>),
) -> Result<Bag> {
    let mut bag = Bag::default();
    let mut known = BTreeSet::new();
    let mut last: Vec<Vec<u8>> = Vec::new();
    let end = Instant::now() + order.time;
    let mut beat = Instant::now();
    let n_given = target.samples.len();
    let mut queue: Vec<Vec<u8>> = match only {
        Some(input) => vec![input.to_vec()],
        None => target.samples.iter().rev().cloned().collect(),
    };
    while bag.n_failures < FAILURES_MAX {
        let input = match queue.pop() {
            Some(input) => input,
            None if only.is_some() || Instant::now() >= end => break,
            None => {
                let mut dice = Dice::new(order.seed.rotate_left(32) ^ bag.n_execs);
                dice.input(&target.samples, n_given, &target.words)
            }
        };
        current.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&input);
        if beat.elapsed() > BEAT {
            beat = Instant::now();
            // A full channel has a beat in it already.
            beats.try_send(()).ok();
        }
        let before = Instant::now();
        let (verdict, whose) = try_one(target, &input);
        bag.n_execs += 1;
        match verdict {
            Ok(kind) => {
                if known.insert(kind) && target.samples.len() < SAMPLES_MAX && only.is_none() {
                    target.samples.push(input.clone());
                }
            }
            Err(what) => {
                bag.n_failures += 1;
                failure(order, &input, &what);
                let suspects = if whose == Whose::Server { last.as_slice() } else { &[] };
                for (age, suspect) in suspects.iter().rev().enumerate() {
                    println!("  {} before: {}", age + 1, hex(suspect));
                }
            }
        }
        if before.elapsed() > PATIENCE {
            bag.n_failures += 1;
            failure(order, &input, "an answer only after 2 s");
        }
        last.push(input);
        if last.len() > SUSPECTS {
            last.remove(0);
        }
    }
    bag.n_samples = target.samples.len();
    Ok(bag)
}

/// Where a failure showed. One in the server may come from an input before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Feeder,
    Server,
}

fn try_one(target: &mut Target, input: &[u8]) -> (Verdict, Whose) {
    let n_before = N_PANICS.load(Ordering::SeqCst);
    let verdict = std::panic::catch_unwind(AssertUnwindSafe(|| (target.feed)(input)));
    let whose = if verdict.is_err() { Whose::Feeder } else { Whose::Server };
    if N_PANICS.load(Ordering::SeqCst) != n_before {
        let panic = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone();
        return (Err(panic), whose);
    }
    match verdict {
        Ok(verdict) => (verdict, Whose::Feeder),
        Err(_payload) => (Err("a panic that no hook saw".to_owned()), whose),
    }
}

fn failure(order: Order, input: &[u8], what: &str) {
    println!("FAILURE of {} with seed {}: {what}\n  input: {}", order.name, order.seed, hex(input));
}

/// The kind of an answer: the letters of its text, so that places and sizes make no news.
pub(crate) fn kind(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    // What was quoted of the input makes no news either.
    for (number, part) in text.split(['`', '"', '\'']).enumerate() {
        if number % 2 == 0 {
            part.chars().filter(char::is_ascii_alphabetic).for_each(|c| c.hash(&mut hasher));
        }
    }
    hasher.finish()
}

/// The kind of an answer of many parts, whatever their order and number.
pub(crate) fn kind_of_all<T: Hash + Ord>(parts: impl IntoIterator<Item = T>) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.into_iter().collect::<BTreeSet<T>>().hash(&mut hasher);
    hasher.finish()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Ok(u8::from_str_radix(str::from_utf8(pair)?, 16)?)).collect()
}
