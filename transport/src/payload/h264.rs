//! H.264 payload format (RFC 6184), packetization modes 0 and 1: single NAL units, STAP-A and FU-A.
//!
//! Flow: `assemble` and `packetize` -> **here**. Units are in Annex B. A key frame is an access unit with an IDR
//! slice whose parameter sets are known; sets that came earlier or in packets of their own are put in front of it.

use super::Malformed;
use super::assemble::{Finish, Format, Part};
use bytes::BytesMut;
use mcu_core::limits::PAYLOAD_BYTES_MAX;
use std::sync::Arc;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Bytes of a parameter set that is remembered; real ones have 10 to 100.
const PARAMETER_SET_BYTES_MAX: usize = 1_024;

const SLICE: u8 = 1;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

const fn nal_type(header: u8) -> u8 {
    header & 0x1f
}

/// Reads NAL unit payloads, and remembers the latest parameter sets.
#[derive(Debug, Default)]
pub(super) struct H264Format {
    sps: Vec<u8>,
    pps: Vec<u8>,
    /// A fragmented NAL unit is being put together.
    fragment: bool,
    seen: Seen,
}

/// What the access unit in hand contains.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    slice: bool,
    sps: bool,
    pps: bool,
}

impl Format for H264Format {
    fn append(&mut self, payload: &[u8], unit: &mut BytesMut) -> Result<Part, Malformed> {
        let (&head, rest) = payload.split_first().ok_or(Malformed::Truncated { bytes: 0 })?;
        match nal_type(head) {
            FU_A => self.fragment(head, rest, unit),
            _ if self.fragment => Err(Malformed::FragmentOutOfPlace),
            1..=23 => Ok(self.whole(payload, unit)),
            STAP_A => self.aggregate(rest, unit),
            nal_type => Err(Malformed::NalType { nal_type }),
        }
    }

    fn finish(&mut self, unit: &mut BytesMut, keyframe: bool) -> Finish {
        let seen = std::mem::take(&mut self.seen);
        if self.fragment || !seen.slice {
            // Parameter sets in a packet of their own are remembered; half a NAL unit is of no use.
            self.fragment = false;
            unit.clear();
            return Finish::Nothing;
        }
        let known = !self.sps.is_empty() && !self.pps.is_empty();
        if keyframe && known && !(seen.sps && seen.pps) {
            let mut whole = BytesMut::with_capacity(8 + self.sps.len() + self.pps.len() + unit.len());
            for set in [&self.sps, &self.pps] {
                whole.extend_from_slice(&START_CODE);
                whole.extend_from_slice(set);
            }
            whole.extend_from_slice(unit);
            unit.clear();
            return Finish::Picture { data: whole.freeze(), keyframe: true };
        }
        let keyframe = keyframe && (known || (seen.sps && seen.pps));
        Finish::Picture { data: unit.split().freeze(), keyframe }
    }

    fn abandon(&mut self) {
        self.fragment = false;
        self.seen = Seen::default();
    }
}

impl H264Format {
    fn whole(&mut self, nal: &[u8], unit: &mut BytesMut) -> Part {
        let kind = nal_type(nal[0]);
        if kind == DELIMITER {
            return Part::Nothing;
        }
        if kind == SPS {
            remember(&mut self.sps, nal);
        } else if kind == PPS {
            remember(&mut self.pps, nal);
        }
        unit.extend_from_slice(&START_CODE);
        unit.extend_from_slice(nal);
        self.note(kind, nal.get(1).copied())
    }

    /// Notes a NAL unit that begins here, `second` being the byte after its header.
    fn note(&mut self, kind: u8, second: Option<u8>) -> Part {
        self.seen.sps |= kind == SPS;
        self.seen.pps |= kind == PPS;
        let slice = (SLICE..=IDR).contains(&kind);
        self.seen.slice |= slice;
        // first_mb_in_slice = 0 is the Exp-Golomb code `1` (ITU-T H.264 §7.3.3): the picture's first slice.
        let first_slice = slice && second.is_some_and(|byte| byte & 0x80 != 0);
        let starts = first_slice || matches!(kind, SEI | SPS | PPS);
        Part::Piece { starts, ends: false, keyframe: kind == IDR, picture: None }
    }

    fn aggregate(&mut self, mut rest: &[u8], unit: &mut BytesMut) -> Result<Part, Malformed> {
        let mut whole: Option<(bool, bool)> = None;
        while let [high, low, tail @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let nal = tail.get(..length).ok_or(Malformed::Truncated { bytes: tail.len() })?;
            rest = &tail[length..];
            match nal.first().map(|head| nal_type(*head)) {
                Some(1..=23) => {}
                Some(nal_type) => return Err(Malformed::NalType { nal_type }),
                None => continue,
            }
            if let Part::Piece { starts, keyframe, .. } = self.whole(nal, unit) {
                // What the first unit says about the start holds for the packet.
                let (first, key) = whole.unwrap_or((starts, false));
                whole = Some((first, key | keyframe));
            }
        }
        if !rest.is_empty() {
            return Err(Malformed::Truncated { bytes: rest.len() });
        }
        Ok(whole.map_or(Part::Nothing, |(starts, keyframe)| Part::Piece {
            starts,
            ends: false,
            keyframe,
            picture: None,
        }))
    }

    fn fragment(&mut self, indicator: u8, rest: &[u8], unit: &mut BytesMut) -> Result<Part, Malformed> {
        let (&header, content) = rest.split_first().ok_or(Malformed::Truncated { bytes: 1 })?;
        let (starts, ends) = (header & 0x80 != 0, header & 0x40 != 0);
        let kind = nal_type(header);
        if starts == self.fragment || (starts && ends) {
            return Err(Malformed::FragmentOutOfPlace);
        }
        if !(1..=23).contains(&kind) {
            return Err(Malformed::NalType { nal_type: kind });
        }
        self.fragment = !ends;
        if starts {
            unit.extend_from_slice(&START_CODE);
            unit.extend_from_slice(&[(indicator & 0xe0) | kind]);
            unit.extend_from_slice(content);
            return Ok(self.note(kind, content.first().copied()));
        }
        unit.extend_from_slice(content);
        Ok(Part::Piece { starts: false, ends: false, keyframe: false, picture: None })
    }
}

fn remember(set: &mut Vec<u8>, nal: &[u8]) {
    if nal.len() <= PARAMETER_SET_BYTES_MAX {
        set.clear();
        set.extend_from_slice(nal);
    }
}

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
pub(crate) fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        let here = rest?;
        let end = start_code(here).unwrap_or(here.len());
        rest = after_start_code(&here[end..]);
        let nal = &here[..end];
        let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
        Some(&nal[..nal.len() - zeros])
    })
    .filter(|nal| !nal.is_empty())
}

/// Where `00 00 01` begins.
fn start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|three| three == [0, 0, 1])
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    start_code(bytes).map(|at| &bytes[at + 3..])
}

/// Turns an access unit into payloads: parameter sets and SEI together in one STAP-A, each slice alone, and FU-A
/// for what is larger than a payload. Delimiters are left out.
pub(super) fn packetize(stream: &[u8], payloads: &mut Vec<Arc<[u8]>>) {
    let mut sets: Vec<&[u8]> = Vec::new();
    let mut sets_bytes = 1;
    for nal in nal_units(stream) {
        let kind = nal_type(nal[0]);
        if kind == DELIMITER {
            continue;
        }
        let small = matches!(kind, SEI | SPS | PPS) && 3 + nal.len() <= PAYLOAD_BYTES_MAX;
        if !small || sets_bytes + 2 + nal.len() > PAYLOAD_BYTES_MAX {
            flush(&mut sets, payloads);
            sets_bytes = 1;
        }
        if small {
            sets.push(nal);
            sets_bytes += 2 + nal.len();
        } else if nal.len() <= PAYLOAD_BYTES_MAX {
            payloads.push(Arc::from(nal));
        } else {
            fragments(nal, payloads);
        }
    }
    flush(&mut sets, payloads);
}

fn flush(sets: &mut Vec<&[u8]>, payloads: &mut Vec<Arc<[u8]>>) {
    match sets.as_slice() {
        [] => {}
        [alone] => payloads.push(Arc::from(*alone)),
        several => {
            // F is 0 and NRI is the highest of them (RFC 6184 §5.7).
            let importance = several.iter().map(|nal| nal[0] & 0x60).max().unwrap_or(0);
            let mut payload = vec![importance | STAP_A];
            for nal in several {
                // Each is under PAYLOAD_BYTES_MAX, far below what 16 bits hold.
                payload.extend_from_slice(&(nal.len() as u16).to_be_bytes());
                payload.extend_from_slice(nal);
            }
            payloads.push(Arc::from(payload));
        }
    }
    sets.clear();
}

fn fragments(nal: &[u8], payloads: &mut Vec<Arc<[u8]>>) {
    let (head, body) = (nal[0], &nal[1..]);
    let count = body.len().div_ceil(PAYLOAD_BYTES_MAX - 2);
    let mut scratch = [0_u8; PAYLOAD_BYTES_MAX];
    for (index, part) in body.chunks(body.len().div_ceil(count)).enumerate() {
        let starts = if index == 0 { 0x80 } else { 0 };
        let ends = if (index + 1) * body.len().div_ceil(count) >= body.len() { 0x40 } else { 0 };
        scratch[0] = (head & 0xe0) | FU_A;
        scratch[1] = starts | ends | nal_type(head);
        scratch[2..2 + part.len()].copy_from_slice(part);
        payloads.push(Arc::from(&scratch[..2 + part.len()]));
    }
}
