//! One receiver's video line: continuous RTP numbers whichever rendition it is given, and `DropToKeyframe`.
//!
//! Flow: `PacketizedUnit` -> [`RenditionSwitch::offer`] -> packets with this receiver's sequence numbers, timestamp
//! and VP8 picture numbers. Thread: io. A receiver that misses one picture gets nothing of that rendition until
//! its next key frame, and asks for one; the others never notice. The old rendition runs on until then.

use crate::payload::{PacketizedUnit, Vp8Numbers};
use mcu_core::id::RenditionId;
use mcu_core::time::{ClockRate, MediaTime};
use str0m::rtp::Vp8Patch;

/// Where the packets of one unit go in the receiver's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Unwrapped sequence number of payload 0; payload `i` has this plus `i`.
    pub first_sequence: u64,
    /// RTP timestamp of all of them.
    pub timestamp: u32,
    /// Applies to each payload; `None` when the codec is not VP8.
    pub vp8_patch: Option<Vp8Patch>,
    /// What the patch writes, for peers that write it themselves.
    pub vp8_numbers: Option<Vp8Numbers>,
}

/// Why a unit is not for this receiver now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Neither the rendition it gets nor the one it moves to.
    OtherRendition,
    /// Its way is full (see `rate::PacerGate`); until the next key frame it gets nothing.
    WayFull,
    /// It missed something, or moves here: only a key frame will do.
    AwaitsKeyframe,
    /// Not later than what was sent already; a receiver's timestamps only grow.
    NotNewer,
}

/// What to do with an offered unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Write it.
    Send(Placed),
    /// Drop it, for this receiver only.
    Hold(Held),
}

/// The numbers and the state of one receiver's video line.
#[derive(Debug)]
pub struct RenditionSwitch {
    /// What it is meant to get.
    target: Option<RenditionId>,
    /// What it can decode now.
    flowing: Option<RenditionId>,
    next_sequence: u64,
    timestamp_offset: u32,
    last_at: Option<MediaTime>,
    picture_id: u16,
    tl0_pic_idx: u8,
    held: u64,
    switches: u64,
}

impl RenditionSwitch {
    /// A line that has sent nothing. Both numbers should be random (RFC 3550 §5.1); keep `first_sequence` below
    /// 2^15, so that the rollover counter starts at nought on both sides.
    pub const fn new(first_sequence: u16, timestamp_offset: u32) -> Self {
        Self {
            target: None,
            flowing: None,
            next_sequence: first_sequence as u64,
            timestamp_offset,
            last_at: None,
            picture_id: first_sequence & 0x7fff,
            tl0_pic_idx: first_sequence as u8,
            held: 0,
            switches: 0,
        }
    }

    /// Sets what the receiver is meant to get. The change happens at that rendition's next key frame. `None` stops.
    pub const fn select(&mut self, rendition: Option<RenditionId>) {
        self.target = rendition;
        if rendition.is_none() {
            self.flowing = None;
        }
    }

    /// Ends what flows: it shows another scene than the receiver was told of. Nothing is sent until the key frame of
    /// what was selected.
    pub const fn cut(&mut self) {
        self.flowing = None;
    }

    /// What the receiver is meant to get.
    pub const fn target(&self) -> Option<RenditionId> {
        self.target
    }

    /// Whether units of `rendition` are of any use to this receiver: what it gets, or what it moves to.
    pub fn concerns(&self, rendition: RenditionId) -> bool {
        self.target == Some(rendition) || self.flowing == Some(rendition)
    }

    /// The rendition that should make a key frame for this receiver, if it needs one.
    pub fn wants_keyframe(&self) -> Option<RenditionId> {
        self.target.filter(|target| self.flowing != Some(*target))
    }

    /// The receiver itself asks for a key frame (PLI, FIR): it cannot decode what comes, so send it nothing else.
    pub const fn keyframe_asked(&mut self) {
        self.flowing = None;
    }

    /// The RTP timestamp that a unit of moment `at` has at this receiver (for `layout` events).
    pub const fn timestamp(&self, at: MediaTime) -> u32 {
        at.to_rtp(ClockRate::VIDEO).wrapping_add(self.timestamp_offset)
    }

    /// Units that were dropped although the receiver was meant to get them.
    pub const fn held(&self) -> u64 {
        self.held
    }

    /// Times that another rendition took over.
    pub const fn switches(&self) -> u64 {
        self.switches
    }

    /// Decides about a unit of `rendition`; `way_full` says that this receiver's pacer is behind.
    pub fn offer(&mut self, rendition: RenditionId, unit: &PacketizedUnit, way_full: bool) -> Decision {
        match self.reason_to_hold(rendition, unit, way_full) {
            Some(Held::OtherRendition) => Decision::Hold(Held::OtherRendition),
            Some(reason) => {
                self.held += 1;
                // A missing picture breaks what follows it; one that came too late breaks it, too.
                if self.flowing == Some(rendition) {
                    self.flowing = None;
                }
                Decision::Hold(reason)
            }
            None => {
                if self.flowing != Some(rendition) {
                    self.flowing = Some(rendition);
                    self.switches += 1;
                }
                Decision::Send(self.place(unit))
            }
        }
    }

    fn reason_to_hold(&self, rendition: RenditionId, unit: &PacketizedUnit, way_full: bool) -> Option<Held> {
        let flows = self.flowing == Some(rendition);
        if !flows && self.target != Some(rendition) {
            return Some(Held::OtherRendition);
        }
        if !flows && !unit.keyframe {
            return Some(Held::AwaitsKeyframe);
        }
        if way_full {
            return Some(Held::WayFull);
        }
        // At the very tick of its key frame the new rendition may follow the old one's last picture.
        if self.last_at.is_some_and(|last| unit.at < last || (unit.at == last && flows)) {
            return Some(Held::NotNewer);
        }
        None
    }

    fn place(&mut self, unit: &PacketizedUnit) -> Placed {
        let first_sequence = self.next_sequence;
        // Two pictures of one tick, on a change of rendition: the second is a ninety-thousandth of a second later.
        let twin = u32::from(self.last_at == Some(unit.at));
        self.next_sequence += unit.payloads.len() as u64;
        self.last_at = Some(unit.at);
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        let (picture_id, tl0_pic_idx) = (self.picture_id, self.tl0_pic_idx);
        let vp8_patch = unit.vp8_patch(picture_id, tl0_pic_idx);
        Placed {
            first_sequence,
            timestamp: self.timestamp(unit.at).wrapping_add(twin),
            vp8_patch,
            vp8_numbers: vp8_patch.map(|_| Vp8Numbers { picture_id, tl0_pic_idx }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Packetizer;
    use bytes::Bytes;
    use mcu_core::media::codec::VideoCodec;
    use mcu_core::media::unit::EncodedUnit;
    use mcu_core::time::FrameInterval;
    use str0m::rtp::Vp8Descriptor;

    const HIGH: RenditionId = RenditionId(1);
    const LOW: RenditionId = RenditionId(2);

    fn unit(tick: u64, keyframe: bool) -> PacketizedUnit {
        let data = Bytes::from(vec![u8::from(!keyframe); 3_000]);
        let unit = EncodedUnit { data, keyframe, at: FrameInterval::FPS_30.at(tick) };
        Packetizer::new(VideoCodec::Vp8).expect("sent").packetize(&unit).expect("a picture")
    }

    fn sent(decision: Decision) -> Placed {
        match decision {
            Decision::Send(placed) => placed,
            Decision::Hold(why) => panic!("held: {why:?}"),
        }
    }

    #[test]
    fn numbers_go_on_whatever_is_sent() {
        let mut switch = RenditionSwitch::new(65_530, u32::MAX - 1_000);
        switch.select(Some(HIGH));
        let (mut count, mut next_sequence) = (0, 65_530_u64);
        for tick in 1..200 {
            if tick == 100 {
                switch.select(Some(LOW));
            }
            let unit = unit(tick, tick % 40 == 1);
            // Both renditions tick alike; the receiver sees one continuous stream.
            for rendition in [HIGH, LOW] {
                let Decision::Send(placed) = switch.offer(rendition, &unit, false) else {
                    continue;
                };
                count += 1;
                let twin = u32::from((tick, rendition) == (121, LOW));
                let timestamp = (u32::MAX - 1_000).wrapping_add(tick as u32 * 3_000 + twin);
                assert_eq!(
                    (placed.first_sequence, placed.timestamp),
                    (next_sequence, timestamp),
                    "tick {tick}"
                );
                next_sequence += unit.payloads.len() as u64;
                let descriptor = Vp8Descriptor::parse(&unit.payloads[0]).expect("ours");
                let number = 65_530_u64 + count;
                let patch = descriptor.patch().picture_id(number as u16 & 0x7fff).tl0_pic_idx(number as u8);
                assert_eq!(placed.vp8_patch, patch.build().ok(), "tick {tick}");
            }
        }
        // One a tick, and on the tick of the change the old one's last beside the new one's first.
        assert_eq!((count, switch.switches(), switch.held()), (200, 2, 21));
    }

    #[test]
    fn whoever_misses_a_picture_waits_for_the_next_key_frame() {
        let mut switch = RenditionSwitch::new(0, 0);
        assert_eq!(switch.wants_keyframe(), None);
        switch.select(Some(HIGH));
        assert_eq!(switch.wants_keyframe(), Some(HIGH));
        assert_eq!(switch.offer(HIGH, &unit(1, false), false), Decision::Hold(Held::AwaitsKeyframe));
        assert_eq!(switch.offer(LOW, &unit(1, true), false), Decision::Hold(Held::OtherRendition));
        assert_eq!(sent(switch.offer(HIGH, &unit(2, true), false)).first_sequence, 0);
        assert_eq!(switch.wants_keyframe(), None);
        assert_eq!(switch.offer(HIGH, &unit(3, false), true), Decision::Hold(Held::WayFull));
        assert_eq!(switch.wants_keyframe(), Some(HIGH));
        assert_eq!(switch.offer(HIGH, &unit(4, false), false), Decision::Hold(Held::AwaitsKeyframe));
        assert_eq!(switch.offer(HIGH, &unit(5, true), true), Decision::Hold(Held::WayFull));
        // No sequence number was spent on what was not sent.
        assert_eq!(sent(switch.offer(HIGH, &unit(6, true), false)).first_sequence, 3);
        assert_eq!(switch.offer(HIGH, &unit(6, false), false), Decision::Hold(Held::NotNewer));
    }

    #[test]
    fn the_old_rendition_runs_until_the_new_one_can_begin() {
        let mut switch = RenditionSwitch::new(0, 0);
        switch.select(Some(HIGH));
        sent(switch.offer(HIGH, &unit(1, true), false));
        switch.select(Some(LOW));
        sent(switch.offer(HIGH, &unit(2, false), false));
        assert_eq!(switch.offer(LOW, &unit(2, false), false), Decision::Hold(Held::AwaitsKeyframe));
        assert_eq!(switch.wants_keyframe(), Some(LOW));
        sent(switch.offer(LOW, &unit(3, true), false));
        assert_eq!(switch.offer(HIGH, &unit(4, false), false), Decision::Hold(Held::OtherRendition));
        switch.select(None);
        assert_eq!(switch.offer(LOW, &unit(4, true), false), Decision::Hold(Held::OtherRendition));
    }

    #[test]
    fn after_a_cut_nothing_is_sent_before_the_new_key_frame() {
        let mut switch = RenditionSwitch::new(0, 0);
        switch.select(Some(HIGH));
        sent(switch.offer(HIGH, &unit(1, true), false));
        switch.select(Some(LOW));
        switch.cut();
        assert_eq!(switch.offer(HIGH, &unit(2, false), false), Decision::Hold(Held::OtherRendition));
        // Not even at the tick of the change itself, where the receiver would place it by the new layout.
        assert_eq!(sent(switch.offer(LOW, &unit(2, true), false)).timestamp, 6_000);
    }
}
