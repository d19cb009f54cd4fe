//! A subscriber that hears nothing, for code that would log what it must not.
//!
//! It is a registered one and not [`Dispatch::none`]: with a single registered subscriber in the process, tracing asks
//! whichever is current *once* whether a line of code is of interest, and a library's lines that were first reached in
//! here would be mute everywhere.

use std::sync::LazyLock;

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber, level_filters::LevelFilter};

static SILENCE: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Silence));

/// The subscriber to run such code under.
pub(super) fn silence() -> Dispatch {
    SILENCE.clone()
}

#[derive(Debug)]
struct Silence;

impl Subscriber for Silence {
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        Interest::never()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        // Never asked for, since nothing is enabled; any number but zero is an id.
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
