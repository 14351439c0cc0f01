//! Gathers requests for key frames of one encode: at most one forced key frame per half second, however many ask.

use mcu_core::limits::KEYFRAME_INTERVAL_MIN;
use mcu_core::time::Mono;

/// The gate in front of one encoder.
#[derive(Debug, Default)]
pub struct KeyframeGate {
    wanted: bool,
    last: Option<Mono>,
    /// Requests seen.
    pub requested: u64,
    /// Key frames forced.
    pub forced: u64,
}

impl KeyframeGate {
    /// Somebody needs a key frame.
    pub fn request(&mut self) {
        self.wanted = true;
        self.requested += 1;
    }

    /// Whether the picture of `now` must be a key frame.
    pub fn is_open(&self, now: Mono) -> bool {
        self.wanted && self.last.is_none_or(|last| now.since(last) >= KEYFRAME_INTERVAL_MIN)
    }

    /// A key frame was made at `now`, forced or not.
    pub fn made(&mut self, now: Mono) {
        self.forced += u64::from(self.wanted);
        self.wanted = false;
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_requests_gives_one_key_frame_per_half_second() {
        let mut gate = KeyframeGate::default();
        let mut forced = Vec::new();
        for tick in 0..60 {
            let now = Mono::from_millis(tick * 33);
            (0..10).for_each(|_| gate.request());
            if gate.is_open(now) {
                gate.made(now);
                forced.push(now.as_millis());
            }
        }
        assert_eq!(forced, [0, 528, 1_056, 1_584]);
        assert_eq!(gate.requested, 600);
    }

    #[test]
    fn nobody_asks_nothing_is_forced() {
        let mut gate = KeyframeGate::default();
        assert!(!gate.is_open(Mono::from_millis(10_000)));
        gate.request();
        assert!(gate.is_open(Mono::from_millis(10_000)));
    }
}
