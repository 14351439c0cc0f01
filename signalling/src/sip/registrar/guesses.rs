//! Wrong passwords, counted as wrong PINs are at the door: of an address, and of a user, whoever tries.
//!
//! Flow: `mod` -> **here**. Pure: `now` is an argument. Bounds: those of the door's tables. The rules, and what each is for:
//! 1. An address has [`ADDRESS_FAILURES_MAX`] wrong passwords, one more every [`ADDRESS_REFILL`]; then it waits.
//! 2. A user has [`USER_FAILURES_MAX`], one more every [`USER_REFILL`], whoever tries, and whether there is such a user or not.
//! 3. Who has proved to be a user from some address is at home there: it waits for neither, but for a count of its own. So neither
//!    a stranger who guesses at a user, nor a neighbour with a wrong password behind the same NAT, keeps a device out that was in.

use crate::door::limiter::{
    ADDRESS_FAILURES_MAX, ADDRESS_REFILL, ADDRESSES_TRACKED_MAX, Buckets, ROOM_FAILURES_MAX, ROOM_REFILL,
    ROOMS_TRACKED_MAX, Source,
};
use mcu_core::time::Mono;
use std::time::Duration;

/// Wrong passwords of one user.
pub(super) const USER_FAILURES_MAX: u32 = ROOM_FAILURES_MAX;
/// How long a user waits for one more.
pub(super) const USER_REFILL: Duration = ROOM_REFILL;

/// Who tries, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// Whatever it says; at most `devices::USER_BYTES_MAX`.
    pub(super) user: &'a str,
    pub(super) from: Source,
    /// Whether this user proved itself from there before.
    pub(super) at_home: bool,
}

impl Attempt<'_> {
    fn of_user(&self) -> (String, Option<Source>) {
        (self.user.to_owned(), self.at_home.then_some(self.from))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Guesses {
    addresses: Buckets<Source>,
    users: Buckets<(String, Option<Source>)>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            addresses: Buckets::new(ADDRESS_FAILURES_MAX, ADDRESS_REFILL, ADDRESSES_TRACKED_MAX),
            users: Buckets::new(USER_FAILURES_MAX, USER_REFILL, ROOMS_TRACKED_MAX),
        }
    }
}

impl Guesses {
    /// How long to wait for the next attempt; `None`: it may be made.
    pub(super) fn wait(&self, attempt: Attempt<'_>, now: Mono) -> Option<Duration> {
        let of_address = match attempt.at_home {
            true => None,
            false => self.addresses.wait(&attempt.from, now),
        };
        of_address.max(self.users.wait(&attempt.of_user(), now))
    }

    /// Counts one that was wrong.
    pub(super) fn wrong(&mut self, attempt: Attempt<'_>, now: Mono) {
        if !attempt.at_home {
            self.addresses.take(attempt.from, 1, now);
        }
        self.users.take(attempt.of_user(), 1, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono::from_millis(1_000);

    fn of(user: &str, from: u32) -> Attempt<'_> {
        Attempt { user, from: Source::V4(from), at_home: false }
    }

    fn wrong(guesses: &mut Guesses, attempt: Attempt<'_>, times: u32) {
        for _ in 0..times {
            guesses.wrong(attempt, NOW);
        }
    }

    #[test]
    fn an_address_waits_and_the_next_does_not() {
        let mut guesses = Guesses::default();
        wrong(&mut guesses, of("a", 1), ADDRESS_FAILURES_MAX - 1);
        assert_eq!(guesses.wait(of("b", 1), NOW), None, "the control: one is left");
        wrong(&mut guesses, of("a", 1), 1);
        assert_eq!(guesses.wait(of("b", 1), NOW), Some(ADDRESS_REFILL));
        assert_eq!(guesses.wait(of("b", 1), NOW + ADDRESS_REFILL), None);
        assert_eq!(guesses.wait(of("b", 2), NOW), None, "somebody else");
    }

    #[test]
    fn a_user_waits_whoever_tries() {
        let mut guesses = Guesses::default();
        for from in 0..USER_FAILURES_MAX {
            assert_eq!(guesses.wait(of("a", from), NOW), None, "the control");
            wrong(&mut guesses, of("a", from), 1);
        }
        assert_eq!(guesses.wait(of("a", 99), NOW), Some(USER_REFILL));
        assert_eq!(guesses.wait(of("b", 99), NOW), None, "another user");
    }

    #[test]
    fn who_is_at_home_waits_for_nobody_else() {
        let mut guesses = Guesses::default();
        wrong(&mut guesses, of("a", 1), ADDRESS_FAILURES_MAX);
        for from in 0..USER_FAILURES_MAX {
            wrong(&mut guesses, of("a", from), 1);
        }
        let home = Attempt { at_home: true, ..of("a", 1) };
        assert!(guesses.wait(of("a", 1), NOW).is_some(), "the control");
        assert_eq!(guesses.wait(home, NOW), None);
        wrong(&mut guesses, home, USER_FAILURES_MAX);
        assert_eq!(guesses.wait(home, NOW), Some(USER_REFILL), "nor guesses there without end");
        assert_eq!(guesses.wait(of("b", 2), NOW), None, "which is nobody else's business");
    }
}
