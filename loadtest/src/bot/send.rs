//! Which picture of which loop is sent next: obeys the clock, key-frame requests, size, rate and pause.
//!
//! Flow: `life` (requests, estimates) -> **here** -> `peer`. Pure: takes `now`. Pictures are due on a grid of 1/30 s; a grid
//! point that has passed by more than a picture is skipped, not made up for. A change of loop, a skipped picture
//! and a resumption all go on at a key frame, as a decoder needs it. The node's wish for fewer pictures per second
//! is met by the choice of rung alone: single pictures cannot be left out of a loop without a key frame.

use crate::media::loops::{Loop, LoopSet};
use mcu_core::media::frame::Size;
use mcu_core::time::{FrameInterval, MediaTime, Mono};
use std::sync::Arc;
use transport::payload::PacketizedUnit;

/// Part of the estimate that pictures may take, in per cent: the rest is sound and headroom.
const ESTIMATE_PERCENT: u32 = 85;

/// What the player decided for one grid point.
#[derive(Debug)]
pub struct Play<'a> {
    /// The picture's number.
    pub number: u16,
    /// How large it is.
    pub size: Size,
    /// Its packets.
    pub unit: &'a PacketizedUnit,
    /// Its moment on the sender's grid.
    pub at: MediaTime,
    /// When it was due.
    pub due: Mono,
}

/// Counts of one player.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlayCounters {
    /// Grid points at which nothing was sent though a picture was wanted.
    pub skipped: u64,
    /// Changes of rung.
    pub changes: u64,
}

/// Plays one sender's loops.
#[derive(Debug)]
pub struct LoopPlayer {
    set: Arc<LoopSet>,
    start: Mono,
    /// The next grid point.
    tick: u64,
    rung: usize,
    next: u16,
    height_max: u16,
    request_kbps: u32,
    estimate_kbps: u32,
    is_paused: bool,
    needs_keyframe: bool,
    counters: PlayCounters,
}

impl LoopPlayer {
    /// Plays `set` from `now` on, beginning with the best rung for `kbps`.
    pub fn new(set: Arc<LoopSet>, now: Mono, kbps: u32) -> Self {
        let rung = set.best(u16::MAX, kbps);
        Self {
            set,
            start: now,
            tick: 0,
            rung,
            next: 0,
            height_max: u16::MAX,
            request_kbps: u32::MAX,
            estimate_kbps: kbps,
            is_paused: false,
            needs_keyframe: true,
            counters: PlayCounters::default(),
        }
    }

    /// PLI or FIR: the next picture is a key frame.
    pub fn request_keyframe(&mut self) {
        self.needs_keyframe = true;
    }

    /// What the node can use.
    pub fn request(&mut self, height: u16, kbps: u32, is_paused: bool) {
        self.height_max = height;
        self.request_kbps = kbps;
        self.needs_keyframe |= self.is_paused && !is_paused;
        self.is_paused = is_paused;
    }

    /// What the way carries.
    pub fn set_estimate(&mut self, kbps: u32) {
        self.estimate_kbps = kbps;
    }

    /// The rung being played; `None` while paused.
    pub fn current(&self) -> Option<&Loop> {
        (!self.is_paused).then(|| &self.set.loops()[self.rung])
    }

    /// Counts so far.
    pub fn counters(&self) -> PlayCounters {
        self.counters
    }

    /// When [`Self::play`] is due next.
    pub fn next_due(&self) -> Mono {
        self.due(self.tick)
    }

    fn due(&self, tick: u64) -> Mono {
        self.start + FrameInterval::FPS_30.at(tick).to_duration()
    }

    /// The picture for the grid point that is due at `now`, if one is to be sent. `is_blocked`: the transport
    /// cannot take it.
    pub fn play(&mut self, now: Mono, is_blocked: bool) -> Option<Play<'_>> {
        if self.due(self.tick) > now {
            return None;
        }
        // Late by whole pictures: they are gone, and the decoder needs a key frame after the hole.
        while self.due(self.tick + 1) <= now {
            self.step(true);
        }
        let tick = self.tick;
        if self.is_paused || is_blocked {
            self.step(!self.is_paused);
            return None;
        }
        self.choose();
        let number = self.next;
        self.step(false);
        let (at, due) = (FrameInterval::FPS_30.at(tick), self.due(tick));
        let playing = &self.set.loops()[self.rung];
        let unit = playing.units[usize::from(number)].as_ref()?;
        Some(Play { number, size: playing.rung.size(), unit, at, due })
    }

    /// Goes on by one grid point and picture.
    fn step(&mut self, is_skipped: bool) {
        self.tick += 1;
        self.next = (self.next + 1) % self.set.loops()[self.rung].units.len() as u16;
        if is_skipped {
            self.counters.skipped += 1;
            self.needs_keyframe = true;
        }
    }

    /// Settles rung and number of the next picture. A cheaper rung is taken at once, by a jump to its next key
    /// frame; a better one at a key frame that comes anyway.
    fn choose(&mut self) {
        let kbps = self.request_kbps.min(self.estimate_kbps.saturating_mul(ESTIMATE_PERCENT) / 100);
        let best = self.set.best(self.height_max, kbps);
        let is_key = |rung: usize, number: u16| self.set.loops()[rung].keyframe_from(number) == number;
        let is_change =
            best < self.rung || (best > self.rung && (self.needs_keyframe || is_key(best, self.next)));
        if is_change {
            self.rung = best;
            self.counters.changes += 1;
        }
        if is_change || self.needs_keyframe {
            self.next = self.set.loops()[self.rung].keyframe_from(self.next);
            self.needs_keyframe = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::barcode::SenderId;
    use crate::media::loops::{Library, LoopSpec, Rung};
    use std::sync::LazyLock;

    static SET: LazyLock<Arc<LoopSet>> = LazyLock::new(|| {
        let directory = std::env::temp_dir().join(format!("loadtest-send-{}", std::process::id()));
        let rungs = vec![
            Rung { height: 180, kbps: 100 },
            Rung { height: 180, kbps: 200 },
            Rung { height: 360, kbps: 400 },
        ];
        let spec = LoopSpec { seconds: 3, rungs, ..LoopSpec::talking_head(SenderId(4)) };
        let set = Library::open(&directory).unwrap().get(&spec).unwrap();
        let _ = std::fs::remove_dir_all(directory);
        set
    });

    /// Plays grid points `from..to`, `blocked` or not; returns (number, keyframe, rung) of what was sent.
    fn play(player: &mut LoopPlayer, from: u64, to: u64, blocked: bool) -> Vec<(u16, bool, usize)> {
        (from..to)
            .filter_map(|tick| {
                let now = Mono::ZERO + FrameInterval::FPS_30.at(tick).to_duration();
                let sent = player.play(now, blocked).map(|play| (play.number, play.unit.keyframe));
                sent.map(|(number, key)| (number, key, player.rung))
            })
            .collect()
    }

    fn player(kbps: u32) -> LoopPlayer {
        LoopPlayer::new(Arc::clone(&SET), Mono::ZERO, kbps)
    }

    #[test]
    fn numbers_go_round_and_rtp_moments_never_turn_back() {
        let mut player = player(10_000);
        let numbers: Vec<u16> = play(&mut player, 0, 180, false).iter().map(|(n, ..)| *n).collect();
        assert!(numbers.len() > 160, "the encoder skips few");
        assert!(numbers.windows(2).all(|w| w[1] > w[0] || w[1] < 5));
        assert_eq!(player.next_due(), Mono::ZERO + FrameInterval::FPS_30.at(180).to_duration());
    }

    #[test]
    fn a_request_brings_a_key_frame_with_the_very_next_picture() {
        let mut player = player(10_000);
        play(&mut player, 0, 10, false);
        player.request_keyframe();
        assert_eq!(play(&mut player, 10, 12, false)[..1], [(30, true, 2)]);
        // Once: the one after is a delta frame again.
        assert!(!play(&mut player, 12, 13, false)[0].1);
    }

    #[test]
    fn a_squeeze_goes_down_at_once_and_comes_up_at_a_key_frame() {
        let mut player = player(10_000);
        play(&mut player, 0, 10, false);
        player.set_estimate(250);
        assert_eq!(play(&mut player, 10, 11, false), [(30, true, 1)]);
        player.set_estimate(10_000);
        let after = play(&mut player, 11, 60, false);
        let up = after.iter().position(|(.., rung)| *rung == 2).expect("comes up");
        assert_eq!(after[up], (60, true, 2));
        assert!(after[..up].iter().all(|(_, key, rung)| !key && *rung == 1));
        assert_eq!(player.counters().changes, 2);
    }

    #[test]
    fn size_and_rate_requests_choose_the_rung_and_pausing_stops() {
        let mut player = player(10_000);
        player.request(180, 5_000, false);
        assert_eq!(play(&mut player, 0, 1, false), [(0, true, 1)]);
        player.request(720, 100, false);
        assert_eq!(play(&mut player, 1, 2, false), [(30, true, 0)]);
        player.request(720, 5_000, true);
        assert_eq!((play(&mut player, 2, 40, false), player.current().is_none()), (vec![], true));
        player.request(720, 5_000, false);
        assert!(play(&mut player, 40, 41, false)[0].1, "resumes with a key frame");
        assert_eq!(player.counters().skipped, 0, "a pause skips nothing");
    }

    #[test]
    fn a_full_pacer_skips_and_goes_on_at_a_key_frame() {
        let mut player = player(10_000);
        play(&mut player, 0, 5, false);
        assert_eq!(play(&mut player, 5, 8, true), []);
        assert_eq!(play(&mut player, 8, 9, false), [(30, true, 2)]);
        assert_eq!(player.counters().skipped, 3);
    }

    #[test]
    fn a_late_player_does_not_catch_up_in_a_burst() {
        let mut player = player(10_000);
        play(&mut player, 0, 5, false);
        let late = play(&mut player, 14, 15, false);
        assert_eq!((late.len(), late[0].1), (1, true));
        assert_eq!((player.counters().skipped, player.tick), (9, 15));
    }
}
