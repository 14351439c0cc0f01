//! The two kinds of time: [`Mono`] says *when*, [`MediaTime`] says *what moment of media*.
//!
//! Neither reads a clock; threads convert `std::time::Instant` to [`Mono`] at the edge and pass it inwards.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Nanoseconds on the node's monotonic clock, counted from the start of the node (or of a simulation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(u64);

impl Mono {
    /// The start of the node.
    pub const ZERO: Self = Self(0);

    /// A moment `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A moment `millis` milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Time passed since `earlier`, zero when `earlier` lies in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` before this one, not before the start.
    pub const fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_nanos() as u64))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_nanos() as u64))
    }
}

impl AddAssign<Duration> for Mono {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

/// Ticks per second of [`MediaTime`]: the least rate in which 48, 90, 16 and 8 kHz, 10 ms, and 25, 30 and
/// 29.97 frames per second are all whole numbers.
pub const MEDIA_TICKS_PER_SECOND: i64 = 720_000;

/// A clock rate of a media format, in hertz. Only rates that divide [`MEDIA_TICKS_PER_SECOND`] exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClockRate(u32);

impl ClockRate {
    /// Every video payload format.
    pub const VIDEO: Self = Self(90_000);
    /// Opus (RFC 7587 §4.1) and the mixer.
    pub const OPUS: Self = Self(48_000);
    /// Wide-band speech.
    pub const WIDE: Self = Self(16_000);
    /// G.711, and G.722 as RFC 3551 §4.5.2 misnames it.
    pub const NARROW: Self = Self(8_000);

    /// The rate in hertz.
    pub const fn hz(self) -> u32 {
        self.0
    }

    const fn ticks(self) -> i64 {
        MEDIA_TICKS_PER_SECOND / self.0 as i64
    }
}

/// A moment of media in units of 1/720 000 s. Zero means nothing by itself: only differences within one
/// stream, or a mapping to [`Mono`], do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The zero of the scale.
    pub const ZERO: Self = Self(0);
    /// Ten milliseconds, the step of the sound clock.
    pub const TEN_MS: Self = Self(MEDIA_TICKS_PER_SECOND / 100);

    /// From 1/720 000 s.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// In 1/720 000 s.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// From an unwrapped RTP timestamp of clock `rate`. Saturates far outside any session's length.
    pub const fn from_rtp(timestamp: i64, rate: ClockRate) -> Self {
        Self(timestamp.saturating_mul(rate.ticks()))
    }

    /// The low 32 bits of this moment in clock `rate`, as an RTP timestamp without its random offset.
    pub const fn to_rtp(self, rate: ClockRate) -> u32 {
        self.0.div_euclid(rate.ticks()) as u32
    }

    /// The moment on the media scale whose zero is [`Mono::ZERO`], rounded down.
    pub const fn from_mono(at: Mono) -> Self {
        // 720 000 / 10^9 = 9 / 12 500, exact in i128 and within i64 for 400 000 years.
        Self((at.0 as i128 * 9 / 12_500) as i64)
    }

    /// The [`Mono`] of a moment on that scale, rounded up, so that `from_mono(to_mono(t)) == t` for `t >= 0`.
    pub const fn to_mono(self) -> Mono {
        if self.0 <= 0 {
            return Mono::ZERO;
        }
        Mono(((self.0 as i128 * 12_500 + 8) / 9) as u64)
    }

    /// The span as a [`Duration`], zero when negative, rounded up to whole nanoseconds.
    pub const fn to_duration(self) -> Duration {
        Duration::from_nanos(self.to_mono().0)
    }
}

impl Add for MediaTime {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for MediaTime {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A frame rate as ticks of [`MediaTime`] per frame, so that every rate the node offers is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameInterval(u32);

impl FrameInterval {
    /// 30 frames per second.
    pub const FPS_30: Self = Self(24_000);
    /// 15 frames per second.
    pub const FPS_15: Self = Self(48_000);

    /// The length of one frame.
    pub const fn span(self) -> MediaTime {
        MediaTime(self.0 as i64)
    }

    /// The interval of every `ticks`-th frame of this grid.
    pub const fn times(self, ticks: u32) -> Self {
        Self(self.0 * ticks)
    }

    /// The moment of frame `index` of the grid that starts at zero.
    pub const fn at(self, index: u64) -> MediaTime {
        MediaTime(self.0 as i64 * index as i64)
    }

    /// The index of the first frame at or after `at`.
    pub const fn index_from(self, at: MediaTime) -> u64 {
        if at.0 <= 0 {
            return 0;
        }
        ((at.0 + self.0 as i64 - 1) / self.0 as i64) as u64
    }

    /// Frames per second, rounded to the nearest whole number.
    pub const fn fps_rounded(self) -> u32 {
        ((MEDIA_TICKS_PER_SECOND as u32) + self.0 / 2) / self.0
    }
}

/// Unwraps 32-bit RTP timestamps of one stream into a growing 64-bit line.
///
/// A step of up to half the range either way is taken as that step (RFC 3550 §5.1 timestamps wrap).
#[derive(Debug, Clone, Copy, Default)]
pub struct TimestampLine {
    last: Option<i64>,
}

impl TimestampLine {
    /// A line that has seen nothing.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// The unwrapped value of `timestamp`, which becomes the point that the next one is compared with.
    pub fn unwrap(&mut self, timestamp: u32) -> i64 {
        let value = match self.last {
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32) as i32),
            None => i64::from(timestamp),
        };
        self.last = Some(value);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_time_is_exact_for_every_rate_we_use() {
        assert_eq!(MediaTime::from_rtp(90_000, ClockRate::VIDEO).ticks(), MEDIA_TICKS_PER_SECOND);
        assert_eq!(MediaTime::from_rtp(480, ClockRate::OPUS), MediaTime::TEN_MS);
        assert_eq!(FrameInterval::FPS_30.at(30), MediaTime::from_ticks(MEDIA_TICKS_PER_SECOND));
        assert_eq!(FrameInterval::FPS_30.at(7).to_rtp(ClockRate::VIDEO), 21_000);
        assert_eq!(FrameInterval::FPS_30.fps_rounded(), 30);
    }

    #[test]
    fn mono_and_media_time_round_trip() {
        for ticks in [0, 1, 7, 24_000, 24_001, 720_000 * 86_400] {
            let at = MediaTime::from_ticks(ticks);
            assert_eq!(MediaTime::from_mono(at.to_mono()), at);
        }
    }

    #[test]
    fn frame_index_rounds_up() {
        let grid = FrameInterval::FPS_30;
        assert_eq!(grid.index_from(MediaTime::ZERO), 0);
        assert_eq!(grid.index_from(MediaTime::from_ticks(1)), 1);
        assert_eq!(grid.index_from(MediaTime::from_ticks(24_000)), 1);
    }

    #[test]
    fn timestamps_unwrap_both_ways() {
        let mut line = TimestampLine::new();
        assert_eq!(line.unwrap(u32::MAX - 1), i64::from(u32::MAX) - 1);
        assert_eq!(line.unwrap(3), i64::from(u32::MAX) + 4);
        assert_eq!(line.unwrap(u32::MAX), i64::from(u32::MAX));
    }
}
