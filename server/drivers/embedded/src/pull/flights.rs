//! One at a time: whoever wants what another in this process is fetching waits for it, without a
//! thread, and then finds it there. Where the other one failed by no fault of its own, all who waited
//! fail with it: each would only wait for the same dead registry in turn. Between processes the
//! store's own locks do the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gofer_core::ports::driver::DriverError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The flights by what is fetched. One that nobody holds or waits for is gone.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<Option<HashMap<String, Weak<Flight>>>>);

#[derive(Debug)]
struct Flight {
    turn: Arc<Semaphore>,
    failed: Mutex<Failed>,
}

/// How often one failed, and how the last did.
#[derive(Debug, Default)]
struct Failed {
    n: u64,
    last: Option<DriverError>,
}

/// Held by the one whose turn it is.
#[derive(Debug)]
pub(super) struct Seat {
    flight: Arc<Flight>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Flights {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Waits for the turn, first come, first served.
    ///
    /// # Errors
    /// The fault of one who failed meanwhile, see [`Seat::landed`].
    pub(super) async fn board(&self, what: String) -> Result<Seat, DriverError> {
        let flight = self.flight(what);
        let n_before = flight.failed().n;
        // None only for a semaphore that was closed, and nobody closes one.
        let turn = Arc::clone(&flight.turn).acquire_owned().await.ok();
        let fault = {
            let failed = flight.failed();
            failed.last.clone().filter(|_| failed.n > n_before)
        };
        match fault {
            Some(fault) => Err(fault),
            None => Ok(Seat { flight, _turn: turn }),
        }
    }

    fn flight(&self, what: String) -> Arc<Flight> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flights = flights.get_or_insert_default();
        flights.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = flights.get(&what).and_then(Weak::upgrade) {
            return flight;
        }
        let turn = Arc::new(Semaphore::new(1));
        let flight = Arc::new(Flight { turn, failed: Mutex::default() });
        flights.insert(what, Arc::downgrade(&flight));
        flight
    }
}

impl Flight {
    fn failed(&self) -> MutexGuard<'_, Failed> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Says how it went to those who wait. A final fault is for this one alone: another has perhaps
    /// the right login.
    pub(super) fn landed<T>(self, outcome: Result<T, DriverError>) -> Result<T, DriverError> {
        if let Err(fault) = &outcome
            && fault.retryable
        {
            let mut failed = self.flight.failed();
            failed.n += 1;
            failed.last = Some(fault.clone());
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use gofer_core::ports::driver::FaultKind;

    fn board(flights: &Flights, what: &str) -> impl Future<Output = Result<Seat, DriverError>> {
        flights.board(what.to_owned())
    }

    fn fault(retryable: bool) -> Result<(), DriverError> {
        Err(DriverError { retryable, ..DriverError::new(FaultKind::Image, "x") })
    }

    #[tokio::test]
    async fn one_flies_at_a_time_and_nothing_is_left_behind() {
        let flights = Flights::new();
        let first = board(&flights, "a").await.unwrap();
        let mut second = Box::pin(board(&flights, "a"));
        assert!(second.as_mut().now_or_never().is_none());
        let other = board(&flights, "b").await.unwrap();
        first.landed(Ok(())).unwrap();
        let seat = second.await.unwrap();
        assert!(board(&flights, "a").now_or_never().is_none());
        drop((seat, other));
        drop(board(&flights, "c").await);
        drop(board(&flights, "d").await);
        assert_eq!(flights.0.lock().unwrap().as_ref().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn who_waited_for_a_hiccup_has_it_too_and_who_comes_later_tries() {
        let flights = Flights::new();
        let seat = board(&flights, "a").await.unwrap();
        let (mut b, mut c) = (Box::pin(board(&flights, "a")), Box::pin(board(&flights, "a")));
        assert!(b.as_mut().now_or_never().is_none() && c.as_mut().now_or_never().is_none());
        seat.landed(fault(true)).unwrap_err();
        assert!(b.await.is_err());
        let late = Box::pin(board(&flights, "a"));
        assert!(c.await.is_err());
        let seat = late.await.unwrap();
        // A refusal is not shared, nor is one who was dropped.
        let (mut d, mut e) = (Box::pin(board(&flights, "a")), Box::pin(board(&flights, "a")));
        assert!(d.as_mut().now_or_never().is_none() && e.as_mut().now_or_never().is_none());
        seat.landed(fault(false)).unwrap_err();
        drop(d.await.unwrap());
        e.await.unwrap();
    }
}
