//! Reception: a meeting of one, in which a caller without our client enters the PIN of the meeting it wants by its keys.
//!
//! Flow: [`Input::Digit`](super::Input::Digit), [`Input::Refused`](super::Input::Refused), time -> **here** -> `Step`s, which the
//! conference carries out: what is said, what is shown, and the PIN to try. Thread: control. Pure. Whether a PIN is right is for the
//! door to say, which counts attempts of an address and of a room as it does for everybody; nothing here knows whether the meeting
//! exists. Bounds: `DIGITS_MAX` digits, `ATTEMPTS_MAX` attempts, `REMINDERS_MAX` reminders.

use super::card::Card;
use super::keypad::Digit;
use super::prompt::Prompt;
use crate::time::Mono;
use std::time::Duration;

/// Digits that are kept of an entry; no PIN has as many.
const DIGITS_MAX: usize = 16;
/// Wrong PINs after which the call ends.
const ATTEMPTS_MAX: u8 = 3;
/// So long without a key, and the question is asked again.
const REMINDED_AFTER: Duration = Duration::from_secs(15);
/// Questions asked again before the call ends.
const REMINDERS_MAX: u8 = 3;
/// From the last word to the end of the call: longer than it takes to say it.
const PARTING: Duration = Duration::from_secs(6);

/// What a reception shows, in the language that it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The meeting as it was dialled: whether there is one of this name is not told.
    pub title: String,
    /// Asks for the PIN.
    pub enter_pin: String,
    /// The PIN was wrong.
    pub pin_wrong: String,
}

/// Digits that somebody entered. `Debug` shows none.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Entered(String);

impl Entered {
    /// These digits.
    pub const fn new(digits: String) -> Self {
        Self(digits)
    }

    /// As entered.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Entered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Why the door did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// No such room, or a wrong PIN.
    WrongPin,
    /// The meeting takes nobody in.
    Locked,
    /// The room is full.
    Full,
    /// Too many attempts, or a node that is full or shutting down: nothing that another PIN would change.
    Unavailable,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Says no more of what it was saying.
    Hush,
    /// Says something.
    Say(Prompt),
    /// Shows this.
    Show(Card),
    /// Tries this PIN at the door.
    Try(Entered),
    /// Ends the call.
    End,
}

/// Where the caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has not connected.
    Awaited,
    /// It is asked for its PIN; asked again at this moment.
    Asked(Mono),
    /// Its PIN is being tried.
    Trying,
    /// It has been told why not; the call ends at this moment.
    Parting(Mono),
}

/// One reception.
#[derive(Debug)]
pub(super) struct Reception {
    words: Words,
    stage: Stage,
    entered: Entered,
    attempts: u8,
    reminders: u8,
}

impl Reception {
    pub(super) const fn new(words: Words) -> Self {
        Self { words, stage: Stage::Awaited, entered: Entered(String::new()), attempts: 0, reminders: 0 }
    }

    /// The caller hears and sees us, for the first time or by another path.
    pub(super) fn greet(&mut self, now: Mono) -> Vec<Step> {
        if self.stage != Stage::Awaited {
            return vec![self.card(false)];
        }
        self.stage = Stage::Asked(now + REMINDED_AFTER);
        vec![self.card(false), Step::Say(Prompt::Welcome), Step::Say(Prompt::EnterPin)]
    }

    /// A key: digits of a PIN, `#` after the last, `*` to begin anew.
    pub(super) fn press(&mut self, digit: Digit, now: Mono) -> Vec<Step> {
        let Stage::Asked(_) = self.stage else { return Vec::new() };
        self.stage = Stage::Asked(now + REMINDED_AFTER);
        self.reminders = 0;
        match digit.as_char() {
            '#' if self.entered.0.is_empty() => vec![Step::Hush, Step::Say(Prompt::EnterPin)],
            '#' => {
                self.stage = Stage::Trying;
                vec![Step::Hush, Step::Try(std::mem::take(&mut self.entered))]
            }
            '*' => {
                self.entered = Entered::default();
                vec![Step::Hush, self.card(false)]
            }
            digit @ '0'..='9' if self.entered.0.len() < DIGITS_MAX => {
                self.entered.0.push(digit);
                vec![Step::Hush, self.card(false)]
            }
            _ => Vec::new(),
        }
    }

    /// The door stayed shut.
    pub(super) fn refused(&mut self, why: Shut, now: Mono) -> Vec<Step> {
        if self.stage != Stage::Trying {
            return Vec::new();
        }
        self.attempts += u8::from(why == Shut::WrongPin);
        let last = match why {
            Shut::WrongPin if self.attempts < ATTEMPTS_MAX => {
                self.stage = Stage::Asked(now + REMINDED_AFTER);
                return vec![self.card(true), Step::Say(Prompt::PinWrong)];
            }
            Shut::WrongPin => Prompt::PinWrongLast,
            Shut::Locked => Prompt::MeetingLocked,
            Shut::Full => Prompt::NoRoom,
            Shut::Unavailable => Prompt::Goodbye,
        };
        self.part(last, now)
    }

    /// What time asks for.
    pub(super) fn tick(&mut self, now: Mono) -> Vec<Step> {
        match self.stage {
            Stage::Asked(at) if at <= now && self.reminders == REMINDERS_MAX => {
                self.part(Prompt::Goodbye, now)
            }
            Stage::Asked(at) if at <= now => {
                self.reminders += 1;
                self.stage = Stage::Asked(now + REMINDED_AFTER);
                vec![Step::Say(Prompt::EnterPin)]
            }
            Stage::Parting(at) if at <= now => vec![Step::End],
            _ => Vec::new(),
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) const fn deadline(&self) -> Option<Mono> {
        match self.stage {
            Stage::Asked(at) | Stage::Parting(at) => Some(at),
            Stage::Awaited | Stage::Trying => None,
        }
    }

    fn part(&mut self, last: Prompt, now: Mono) -> Vec<Step> {
        self.stage = Stage::Parting(now + PARTING);
        vec![Step::Hush, Step::Say(last)]
    }

    /// The question, and a star for each digit that was entered.
    fn card(&self, wrong: bool) -> Step {
        let ask = if wrong { &self.words.pin_wrong } else { &self.words.enter_pin };
        let stars = vec!["*"; self.entered.0.len()].join(" ");
        Step::Show(Card { title: self.words.title.clone(), lines: vec![ask.clone(), stars] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Caller {
        reception: Reception,
        now: Mono,
    }

    impl Caller {
        fn connected() -> (Self, Vec<Step>) {
            let words = Words { title: "daily".into(), enter_pin: "PIN?".into(), pin_wrong: "No.".into() };
            let mut caller = Self { reception: Reception::new(words), now: Mono::ZERO };
            let steps = caller.reception.greet(caller.now);
            (caller, steps)
        }

        /// Every step that follows from these keys, one second apart.
        fn press(&mut self, keys: &str) -> Vec<Step> {
            let press = |key: char| {
                self.now += Duration::from_secs(1);
                self.reception.press(Digit::parse(key).expect("a key"), self.now)
            };
            keys.chars().flat_map(press).collect()
        }

        fn refuse(&mut self, why: Shut) -> Vec<Step> {
            self.reception.refused(why, self.now)
        }

        /// Every step that time brings, until there is none left.
        fn wait(&mut self) -> Vec<Step> {
            let mut steps = Vec::new();
            while let Some(at) = self.reception.deadline() {
                self.now = at;
                steps.extend(self.reception.tick(at));
                if steps.contains(&Step::End) {
                    break;
                }
            }
            steps
        }
    }

    fn card(ask: &str, stars: &str) -> Step {
        Step::Show(Card { title: "daily".into(), lines: vec![ask.into(), stars.into()] })
    }

    fn tried(steps: &[Step]) -> Vec<&str> {
        fn digits(step: &Step) -> Option<&str> {
            match step {
                Step::Try(entered) => Some(entered.expose()),
                _ => None,
            }
        }
        steps.iter().filter_map(digits).collect()
    }

    #[test]
    fn a_caller_is_asked_sees_a_star_for_each_digit_and_has_its_pin_tried() {
        let (mut caller, greeted) = Caller::connected();
        assert_eq!(greeted, [card("PIN?", ""), Step::Say(Prompt::Welcome), Step::Say(Prompt::EnterPin)]);
        assert_eq!(caller.press("27"), [Step::Hush, card("PIN?", "*"), Step::Hush, card("PIN?", "* *")]);
        let steps = caller.press("1#");
        assert_eq!(tried(&steps), ["271"]);
        assert!(!format!("{steps:?}").contains("271"), "digits are not for logs");
        assert!(caller.press("5#").is_empty(), "while it is tried, keys do nothing");
    }

    #[test]
    fn the_star_begins_anew_and_nothing_is_not_a_pin() {
        let (mut caller, _) = Caller::connected();
        assert_eq!(caller.press("#"), [Step::Hush, Step::Say(Prompt::EnterPin)]);
        assert_eq!(tried(&caller.press("99*1234#")), ["1234"]);
        let (mut caller, _) = Caller::connected();
        let longest = "1".repeat(DIGITS_MAX);
        assert_eq!(tried(&caller.press(&format!("{longest}22#"))), [longest]);
    }

    #[test]
    fn a_wrong_pin_is_told_twice_and_the_third_ends_the_call() {
        let (mut caller, _) = Caller::connected();
        for _ in 0..2 {
            caller.press("1#");
            assert_eq!(caller.refuse(Shut::WrongPin), [card("No.", ""), Step::Say(Prompt::PinWrong)]);
        }
        assert_eq!(caller.press("2")[1], card("PIN?", "*"));
        caller.press("#");
        assert_eq!(caller.refuse(Shut::WrongPin), [Step::Hush, Step::Say(Prompt::PinWrongLast)]);
        let before = caller.now;
        assert!(caller.press("1#").is_empty());
        assert_eq!(caller.wait(), [Step::End]);
        assert_eq!(caller.now.since(before), PARTING);
    }

    #[test]
    fn what_another_pin_would_not_change_ends_the_call_at_once() {
        for (why, said) in [
            (Shut::Locked, Prompt::MeetingLocked),
            (Shut::Full, Prompt::NoRoom),
            (Shut::Unavailable, Prompt::Goodbye),
        ] {
            let (mut caller, _) = Caller::connected();
            assert!(caller.refuse(why).is_empty(), "nothing was tried");
            caller.press("1#");
            assert_eq!(caller.refuse(why), [Step::Hush, Step::Say(said)]);
            assert_eq!(caller.wait(), [Step::End]);
        }
    }

    #[test]
    fn who_says_nothing_is_reminded_and_then_let_go_and_a_key_begins_the_wait_anew() {
        let (mut caller, _) = Caller::connected();
        let reminded = [Prompt::EnterPin; REMINDERS_MAX as usize].map(Step::Say);
        let goodbye = [Step::Hush, Step::Say(Prompt::Goodbye), Step::End];
        assert_eq!(caller.wait(), [&reminded[..], &goodbye].concat());
        assert_eq!(caller.now.as_nanos(), (REMINDED_AFTER * 4 + PARTING).as_nanos() as u64);
        let (mut caller, _) = Caller::connected();
        caller.now += REMINDED_AFTER;
        caller.reception.tick(caller.now);
        caller.press("1");
        assert_eq!(caller.wait(), [&reminded[..], &goodbye].concat());
    }

    #[test]
    fn another_path_of_the_same_caller_is_not_greeted_again() {
        let (mut caller, _) = Caller::connected();
        caller.press("12");
        assert_eq!(caller.reception.greet(caller.now), [card("PIN?", "* *")]);
    }
}
