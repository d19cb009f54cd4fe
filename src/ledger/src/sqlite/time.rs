//! The store's time: the clock's, but never backwards.

use std::sync::{Arc, Mutex, PoisonError};

use esi_core::{Clock, Timestamp};
use tokio::time::Instant;

/// Keeps the promise that the [port](crate::port) makes about time.
#[derive(Debug)]
pub(super) struct StoreTime {
    clock: Arc<dyn Clock>,
    /// The latest time that was told.
    last: Timestamp,
    /// When the clock was last not behind, by itself and by the monotonic clock.
    anchor: (Timestamp, Instant),
}

/// The time of one store, for the thread that owns it and whoever asks in between.
#[derive(Debug, Clone)]
pub(super) struct SharedTime(Arc<Mutex<StoreTime>>);

impl SharedTime {
    /// Goes on from `last`.
    pub(super) fn after(last: Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Mutex::new(StoreTime::after(last, clock))))
    }

    pub(super) fn read(&self) -> Reading {
        // A panic of a clock leaves the time as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read()
    }
}

/// One reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The store's time.
    pub(super) now: Timestamp,
    /// The clock's.
    pub(super) clock: Timestamp,
}

impl Reading {
    /// An instant by the clock, as the store's time.
    pub(super) fn translate(self, by_clock: Timestamp) -> Timestamp {
        self.now + by_clock.since(self.clock)
    }
}

impl StoreTime {
    /// Goes on from `last`.
    pub(super) fn after(last: Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last,
            anchor: (last, Instant::now()),
        }
    }

    pub(super) fn read(&mut self) -> Reading {
        let clock = self.clock.now();
        if clock >= self.last {
            self.last = clock;
            self.anchor = (clock, Instant::now());
        } else {
            let (at, since) = self.anchor;
            self.last = self.last.max(at + since.elapsed());
        }
        Reading {
            now: self.last,
            clock,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use esi_core::ManualClock;

    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    #[tokio::test(start_paused = true)]
    async fn time_goes_on_at_its_pace_while_the_clock_is_behind_and_then_follows_it_again() {
        let clock = Arc::new(ManualClock::at(second(100)));
        let mut time = StoreTime::after(second(0), Arc::clone(&clock) as Arc<dyn Clock>);
        assert_eq!(time.read().now, second(100));

        clock.set(second(40));
        assert_eq!(time.read().now, second(100));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(time.read().now, second(105));

        clock.set(second(110));
        assert_eq!(time.read().now, second(110));
    }

    #[tokio::test(start_paused = true)]
    async fn many_short_readings_lose_nothing() {
        let clock = Arc::new(ManualClock::at(second(0)));
        let mut time = StoreTime::after(second(100), clock);
        for _ in 0..10_000 {
            tokio::time::advance(Duration::from_micros(100)).await;
            time.read();
        }
        assert_eq!(time.read().now, second(101));
    }

    #[tokio::test(start_paused = true)]
    async fn an_instant_by_the_clock_keeps_its_distance_from_now() {
        let clock = Arc::new(ManualClock::at(second(40)));
        let reading = StoreTime::after(second(100), clock).read();
        assert_eq!(reading.translate(second(50)), second(110));
        assert_eq!(reading.translate(second(30)), second(100));
    }
}
