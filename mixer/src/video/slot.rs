//! Hop `slot`: the frames of one sender, waiting for their tick.
//!
//! Flow: decode lane (its own thread) -> queue -> **here** -> `scale`. Thread: the conference's tick, which owns
//! the slot; the decode lane only ever touches the queue. Bound: [`QUEUE_FRAMES`] in the queue and
//! `limits::SLOT_FRAMES_MAX` here, no frame longer than `limits::SLOT_WAIT_MAX`.
//! Never waits and never reads a clock; a sender that stops leaves its last picture standing.

use mcu_core::limits::{SLOT_FRAMES_MAX, SLOT_WAIT_MAX};
use mcu_core::media::frame::Frame;
use mcu_core::queue::Queue;
use mcu_core::time::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// How many frames the queue into a slot should hold: what a sender of 60 frames per second makes between ticks.
/// With a full slot, the shown frame, the tile cache's and the one being decoded: `limits::DECODER_FRAMES_MAX`.
pub const QUEUE_FRAMES: usize = 3;

/// A decoded frame and its moment.
#[derive(Debug, Clone)]
pub struct SlotFrame {
    /// The picture.
    pub frame: Frame,
    /// When it is to be shown, as the sender's sound says (design law 3).
    pub due: Mono,
}

/// What a sender looks like at one tick.
#[derive(Debug, Clone, Copy)]
pub struct SlotView<'a> {
    /// The picture to show; `None` before the first one.
    pub frame: Option<&'a Frame>,
    /// Whether it is another picture than at the tick before.
    pub fresh: bool,
    /// How long ago it was due. Grows while the tile is frozen.
    pub age: Duration,
}

/// What happened to the frames of one slot since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotCounters {
    /// Frames shown at some tick.
    pub shown: u64,
    /// Frames never shown: a newer one was due at the same tick, or they came after a later one.
    pub skipped: u64,
    /// Frames shown before they were due, because they had waited too long or too many waited.
    pub overdue: u64,
}

#[derive(Debug)]
struct Waiting {
    frame: Frame,
    due: Mono,
    /// The tick at which it was first seen.
    since: Mono,
}

/// The consumer's side of one sender's pictures.
#[derive(Debug)]
pub struct Slot {
    queue: Queue<SlotFrame>,
    waiting: VecDeque<Waiting>,
    shown: Option<Frame>,
    /// When the shown frame was due, or was shown if that was earlier.
    shown_due: Mono,
    counters: SlotCounters,
}

impl Slot {
    /// A slot fed by `queue`, which should hold [`QUEUE_FRAMES`].
    pub fn new(queue: Queue<SlotFrame>) -> Self {
        Self {
            queue,
            waiting: VecDeque::with_capacity(SLOT_FRAMES_MAX),
            shown: None,
            shown_due: Mono::ZERO,
            counters: SlotCounters::default(),
        }
    }

    /// The newest frame that is due by `now`, else the one shown before. `now` must not go backwards.
    pub fn take(&mut self, now: Mono) -> SlotView<'_> {
        let mut next = None;
        loop {
            self.fill(now);
            let crowded = self.waiting.len() == SLOT_FRAMES_MAX && !self.queue.is_empty();
            let Some(first) = self.waiting.front() else { break };
            if !crowded && first.due > now && now.since(first.since) < SLOT_WAIT_MAX {
                break;
            }
            self.advance(&mut next, now);
        }
        let fresh = next.is_some();
        if let Some(frame) = next {
            self.counters.shown += 1;
            self.shown = Some(frame);
        }
        SlotView { frame: self.shown.as_ref(), fresh, age: now.since(self.shown_due) }
    }

    /// Takes the oldest waiting frame as the candidate to be shown, unless it lies before what was shown.
    fn advance(&mut self, next: &mut Option<Frame>, now: Mono) {
        let Some(waiting) = self.waiting.pop_front() else { return };
        let backwards = waiting.due < self.shown_due && (self.shown.is_some() || next.is_some());
        if backwards {
            self.counters.skipped += 1;
            return;
        }
        self.counters.overdue += u64::from(waiting.due > now);
        // A frame from a mad future must not make every sane one after it "backwards".
        self.shown_due = waiting.due.min(now);
        if next.replace(waiting.frame).is_some() {
            self.counters.skipped += 1;
        }
    }

    /// Forgets every picture: the source has stopped, and what comes next is another beginning.
    pub fn clear(&mut self) {
        while self.queue.pop().is_some() {}
        self.waiting.clear();
        self.shown = None;
        self.shown_due = Mono::ZERO;
    }

    /// Whether a frame waits that is due by `deadline`: what a tick waits for before it composes.
    pub fn is_ready(&mut self, now: Mono, deadline: Mono) -> bool {
        self.fill(now);
        self.waiting.iter().any(|waiting| waiting.due <= deadline)
    }

    /// Moves what has arrived out of the queue, as far as there is room.
    fn fill(&mut self, now: Mono) {
        while self.waiting.len() < SLOT_FRAMES_MAX {
            let Some(SlotFrame { frame, due }) = self.queue.pop() else { return };
            self.waiting.push_back(Waiting { frame, due, since: now });
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> SlotCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::media::frame::{FramePool, Size};

    /// A sender whose frames are told apart by their luma.
    struct Sender {
        pool: FramePool,
        queue: Queue<SlotFrame>,
    }

    impl Sender {
        fn new() -> (Self, Slot) {
            let queue = Queue::new("slot", QUEUE_FRAMES);
            (Self { pool: FramePool::new("test", 32), queue: queue.clone() }, Slot::new(queue))
        }

        fn send(&self, mark: u8, due_ms: u64) {
            let mut frame = self.pool.get(Size::new(16, 16)).expect("the pool has room");
            frame.fill([mark, 128, 128]);
            self.queue.push_newest(SlotFrame { frame: frame.freeze(), due: Mono::from_millis(due_ms) });
        }
    }

    fn mark(view: SlotView<'_>) -> Option<u8> {
        view.frame.map(|frame| frame.planes()[0].data[0])
    }

    /// One tick: what has arrived before it as (mark, due), when it is, and what must be seen.
    struct Tick {
        arrived: &'static [(u8, u64)],
        at_ms: u64,
        seen: Option<u8>,
        fresh: bool,
        age_ms: u64,
    }

    const fn tick(
        arrived: &'static [(u8, u64)],
        at_ms: u64,
        seen: Option<u8>,
        fresh: bool,
        age_ms: u64,
    ) -> Tick {
        Tick { arrived, at_ms, seen, fresh, age_ms }
    }

    fn play(name: &str, ticks: &[Tick]) -> SlotCounters {
        let (sender, mut slot) = Sender::new();
        for tick in ticks {
            for (mark, due_ms) in tick.arrived {
                sender.send(*mark, *due_ms);
            }
            let view = slot.take(Mono::from_millis(tick.at_ms));
            let (fresh, age) = (view.fresh, view.age.as_millis());
            let got = (mark(view), fresh, if tick.seen.is_some() { age } else { 0 });
            assert_eq!(got, (tick.seen, tick.fresh, tick.age_ms.into()), "{name}, tick at {} ms", tick.at_ms);
        }
        slot.counters()
    }

    #[test]
    fn frames_are_shown_when_they_are_due() {
        let counters = play(
            "steady",
            &[
                tick(&[], 0, None, false, 0),
                tick(&[(1, 100)], 33, None, false, 0),
                tick(&[(2, 133)], 100, Some(1), true, 0),
                tick(&[], 133, Some(2), true, 0),
                tick(&[], 166, Some(2), false, 33),
                tick(&[], 199, Some(2), false, 66),
            ],
        );
        assert_eq!(counters, SlotCounters { shown: 2, skipped: 0, overdue: 0 });
    }

    #[test]
    fn the_newest_due_frame_wins_and_time_never_runs_backwards() {
        let counters = play(
            "burst",
            &[
                tick(&[(1, 10), (2, 20), (3, 60)], 50, Some(2), true, 30),
                tick(&[(4, 15)], 55, Some(2), false, 35),
                tick(&[(5, 61)], 66, Some(5), true, 5),
            ],
        );
        assert_eq!(counters, SlotCounters { shown: 2, skipped: 3, overdue: 0 });
    }

    #[test]
    fn nobody_waits_longer_than_the_limit_and_sanity_returns() {
        let counters = play(
            "a due time in a mad future",
            &[
                tick(&[(1, 3_600_000)], 0, None, false, 0),
                tick(&[(2, 3_600_033)], 150, None, false, 0),
                tick(&[], 299, None, false, 0),
                tick(&[], 300, Some(1), true, 0),
                tick(&[], 449, Some(1), false, 149),
                tick(&[], 450, Some(2), true, 0),
                tick(&[(3, 480)], 483, Some(3), true, 3),
            ],
        );
        assert_eq!(counters, SlotCounters { shown: 3, skipped: 0, overdue: 2 });
    }

    #[test]
    fn a_full_slot_shows_its_oldest_rather_than_losing_the_newest() {
        let (sender, mut slot) = Sender::new();
        for index in 0..4_u8 {
            for part in 0..3 {
                sender.send(10 * index + part, 9_000);
            }
            slot.take(Mono::from_millis(u64::from(index) + 1));
        }
        // Twelve came, eight may wait: four had to go early, of which one was seen.
        assert_eq!(slot.counters(), SlotCounters { shown: 2, skipped: 2, overdue: 4 });
        assert_eq!((sender.pool.frames_out(), sender.queue.dropped()), (SLOT_FRAMES_MAX + 1, 0));
    }

    #[test]
    fn after_clear_nothing_old_is_seen_and_an_earlier_line_of_time_may_begin() {
        let (sender, mut slot) = Sender::new();
        sender.send(1, 500);
        assert_eq!(mark(slot.take(Mono::from_millis(500))), Some(1));
        sender.send(2, 533);
        slot.clear();
        assert_eq!((mark(slot.take(Mono::from_millis(600))), sender.pool.frames_out()), (None, 0));
        sender.send(3, 100);
        assert_eq!(mark(slot.take(Mono::from_millis(633))), Some(3));
    }

    #[test]
    fn a_tick_can_ask_whether_it_should_wait() {
        let (sender, mut slot) = Sender::new();
        sender.send(1, 70);
        let now = Mono::from_millis(60);
        assert!(!slot.is_ready(now, Mono::from_millis(66)));
        assert!(slot.is_ready(now, Mono::from_millis(70)));
        assert_eq!(mark(slot.take(now)), None, "asking shows nothing");
    }
}
