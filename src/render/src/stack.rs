//! A stack that no template can exhaust.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// The engine's parser and compiler recurse once per operator, and a stack overflow would end the whole
/// process, which for a node's daemon is everybody's. A template has at most some 2,000 tokens, each of which
/// takes about a kibibyte of stack in a debug build, so this is eight times what can be needed. It is address
/// space: only pages that are touched cost memory.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Runs `work` on such a stack. None if there is no thread to be had, or `work` panicked.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("esi-templates".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(work)).ok())
            .ok()?
            .join()
            .ok()?
    })
}
