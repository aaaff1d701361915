//! The progress of a pull: the bytes of all layers that have to be fetched, as one sum that never
//! falls.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gofer_core::ports::driver::{ProgressSink, PullProgress};
use gofer_images::Descriptor;

use super::limits;

/// Counts, and tells the sink.
pub(super) struct Tally<'a> {
    sink: &'a ProgressSink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_layer: HashMap<String, PullProgress>,
    told: Option<PullProgress>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(sink: &'a ProgressSink) -> Self {
        Self { sink, state: Mutex::default() }
    }

    /// These have to be fetched, too.
    pub(super) fn expect(&self, layers: &[Descriptor]) {
        let mut state = self.state();
        for layer in layers {
            state.by_layer.entry(layer.digest.clone()).or_default().total_bytes = layer.size;
        }
        self.tell(&mut state, Told::Always);
    }

    /// So much of a layer is here. A transfer that begins anew counts again from where it was.
    pub(super) fn reached(&self, digest: &str, n_bytes: u64) {
        let mut state = self.state();
        let Some(layer) = state.by_layer.get_mut(digest) else { return };
        layer.current_bytes = layer.current_bytes.max(n_bytes.min(layer.total_bytes));
        let told = if layer.current_bytes == layer.total_bytes { Told::Always } else { Told::Now };
        self.tell(&mut state, told);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &mut State, when: Told) {
        let sum =
            state.by_layer.values().fold(PullProgress::default(), |sum, layer| PullProgress {
                current_bytes: sum.current_bytes.saturating_add(layer.current_bytes),
                total_bytes: sum.total_bytes.saturating_add(layer.total_bytes),
            });
        let last = state.told.map_or(0, |told| told.current_bytes);
        let is_step = sum.current_bytes >= last.saturating_add(limits::TELL_EVERY_BYTES);
        let is_due = match when {
            Told::Always => state.told != Some(sum),
            Told::Now => is_step || (last == 0 && sum.current_bytes > 0),
        };
        if is_due && sum.total_bytes > 0 {
            state.told = Some(sum);
            // With the lock held, so that the sums come in their order.
            (self.sink)(sum);
        }
    }
}

/// When a new sum is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Always,
    /// Where it is a step on.
    Now,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn layer(digest: &str, size: u64) -> Descriptor {
        let text = format!(r#"{{"digest":"{digest}","size":{size}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_sum_is_over_all_layers_comes_in_steps_and_never_falls() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let sink: ProgressSink = Arc::new(move |now| {
            heard.lock().unwrap().push((now.current_bytes, now.total_bytes));
        });
        let tally = Tally::new(&sink);
        tally.expect(&[]);
        tally.expect(&[layer("a", 200_000), layer("b", 100)]);
        tally.reached("a", 10);
        tally.reached("a", 20); // too little to tell
        tally.reached("a", 70_000);
        tally.reached("a", 5); // it began anew
        tally.reached("b", 100);
        tally.reached("b", 100);
        tally.reached("unknown", 1);
        tally.reached("a", 900_000); // more than there is
        let all = 200_100;
        let want = [(0, all), (10, all), (70_000, all), (70_100, all), (all, all)];
        assert_eq!(*told.lock().unwrap(), want);
    }
}
