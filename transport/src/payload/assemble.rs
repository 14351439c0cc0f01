//! The part of depacketizing that all formats share: which packets make one picture, and whether all are there.
//!
//! Flow: `Depacketizer` -> **here** -> a [`Format`], which alone knows the payload's bytes. Thread: io.
//! Bound: `limits::UNIT_BYTES_MAX` and `limits::UNIT_PACKETS_MAX` per picture, two finished pictures waiting.

use super::{Assembled, DepacketizeCounters, Malformed};
use bytes::{Bytes, BytesMut};
use mcu_core::limits::{UNIT_BYTES_MAX, UNIT_PACKETS_MAX};
use mcu_core::media::packet::Packet;

/// Missing packets up to which consecutive picture ids prove that no picture went with them: less than the 128
/// pictures after which a 7-bit id comes round.
const GAP_PACKETS_BRIDGED_MAX: u64 = 64;

/// What one payload added to its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing that is kept: an upper spatial layer, a delimiter.
    Nothing,
    /// A piece of the picture.
    Piece {
        /// The payload says that the picture begins here.
        starts: bool,
        /// The payload says that the picture ends here, whatever the marker bit says.
        ends: bool,
        /// The payload says that this is a key frame.
        keyframe: bool,
        /// The picture's id and the number of ids, where the format has one.
        picture: Option<PictureId>,
    },
}

/// A picture id that counts up by one with each picture and comes round at `modulus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureId {
    pub(super) value: u16,
    pub(super) modulus: u16,
}

impl PictureId {
    const fn follows(self, earlier: Self) -> bool {
        self.modulus == earlier.modulus && self.value == (earlier.value + 1) % self.modulus
    }
}

/// What a picture turned out to be when its last packet was in.
pub(super) enum Finish {
    /// A picture.
    Picture { data: Bytes, keyframe: bool },
    /// No picture by itself (parameter sets alone).
    Nothing,
}

/// A payload format: parses one payload at a time and appends what decoders want.
pub(super) trait Format: Default {
    /// Appends the content of `payload` to `unit`.
    fn append(&mut self, payload: &[u8], unit: &mut BytesMut) -> Result<Part, Malformed>;
    /// Called when all packets of a picture are in; takes its bytes out of `unit`.
    fn finish(&mut self, unit: &mut BytesMut, keyframe: bool) -> Finish;
    /// Forgets what it held of an unfinished picture.
    fn abandon(&mut self);
}

/// A picture that is rarely exceeded: with less room than this left, the next one gets a new block.
const UNIT_BYTES_USUAL: usize = 16 << 10;
/// Pictures are cut from blocks of this size, so that one allocation serves a dozen of them; a block goes when the last
/// decoder is through with the last picture in it.
const BLOCK_BYTES: usize = 64 << 10;

#[derive(Debug)]
struct Open {
    timestamp: u32,
    packets: usize,
    /// A piece was appended.
    begun: bool,
    broken: bool,
    keyframe: bool,
    picture: Option<PictureId>,
}

/// Collects the packets of one picture at a time.
#[derive(Debug)]
pub(super) struct Assembler<F> {
    format: F,
    unit: BytesMut,
    open: Option<Open>,
    ready: [Option<Assembled>; 2],
    /// Something since the last finished picture is missing.
    hole: bool,
    gap_packets: u64,
    last_picture: Option<PictureId>,
    counters: DepacketizeCounters,
}

impl<F: Format> Default for Assembler<F> {
    fn default() -> Self {
        Self {
            format: F::default(),
            unit: BytesMut::new(),
            open: None,
            ready: [None, None],
            hole: true,
            gap_packets: 0,
            last_picture: None,
            counters: DepacketizeCounters::default(),
        }
    }
}

impl<F: Format> Assembler<F> {
    pub(super) fn push(&mut self, packet: &Packet) {
        if packet.payload.is_empty() {
            return; // padding keeps the sequence numbers going, nothing else
        }
        if self.open.as_ref().is_some_and(|open| open.timestamp != packet.timestamp) {
            // No marker, but the next picture begins: nothing is missing, so this one is whole.
            self.close();
        }
        let open = self.open.get_or_insert(Open {
            timestamp: packet.timestamp,
            packets: 0,
            begun: false,
            broken: false,
            keyframe: false,
            picture: None,
        });
        if open.packets == 0 && self.unit.capacity() < UNIT_BYTES_USUAL {
            self.unit.reserve(BLOCK_BYTES);
        }
        open.packets += 1;
        let mut ended = packet.marker;
        if !open.broken {
            ended |= self.append(&packet.payload);
        }
        if ended {
            self.close();
        }
    }

    /// Appends a payload to the open picture; true when the payload says that it was the last.
    fn append(&mut self, payload: &[u8]) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        match self.format.append(payload, &mut self.unit) {
            Ok(Part::Nothing) => return false,
            Ok(Part::Piece { starts, ends, keyframe, picture }) => {
                open.broken |= !open.begun && !starts;
                open.begun = true;
                open.keyframe |= keyframe;
                open.picture = open.picture.or(picture);
                if self.unit.len() <= UNIT_BYTES_MAX && open.packets <= UNIT_PACKETS_MAX {
                    return ends;
                }
                self.counters.oversized += 1;
                self.unit = BytesMut::new();
            }
            Err(_) => self.counters.malformed += 1,
        }
        open.broken = true;
        false
    }

    pub(super) fn lost(&mut self, count: u64) {
        self.hole = true;
        self.gap_packets = self.gap_packets.saturating_add(count);
        if let Some(open) = &mut self.open {
            open.broken = true;
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        if open.broken {
            self.counters.incomplete += 1;
            self.hole = true;
            self.unit.clear();
            self.format.abandon();
            return;
        }
        if !open.begun {
            return; // upper layers of a picture whose base is already out
        }
        let Finish::Picture { data, keyframe } = self.format.finish(&mut self.unit, open.keyframe) else {
            return;
        };
        let bridged = self.gap_packets <= GAP_PACKETS_BRIDGED_MAX
            && matches!((self.last_picture, open.picture), (Some(last), Some(this)) if this.follows(last));
        let unit = Assembled { data, keyframe, contiguous: !self.hole || bridged, timestamp: open.timestamp };
        self.hole = false;
        self.gap_packets = 0;
        self.last_picture = open.picture;
        if let Some(slot) = self.ready.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(unit);
        } else {
            // The caller did not poll: keep what is older, and say that this one is missing.
            self.hole = true;
            self.counters.incomplete += 1;
        }
    }

    pub(super) fn poll(&mut self) -> Option<Assembled> {
        let unit = self.ready[0].take();
        self.ready.swap(0, 1);
        unit
    }

    pub(super) const fn counters(&self) -> DepacketizeCounters {
        self.counters
    }
}
