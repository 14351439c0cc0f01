//! Containment: a panic inside the library ends one association, not the thread that it shares with others.
//!
//! The library's own advice (its documentation, "Panics, Errors and unwraps"): discarding the instance is safe, nothing in it is shared.
//! Costs nothing while nothing panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; `None` when it panicked. What it borrowed must be discarded then.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_contained_and_a_value_passes() {
        assert_eq!(contained(|| 7), Some(7));
        assert_eq!(contained(|| -> u8 { panic!("as a test") }), None);
    }
}
