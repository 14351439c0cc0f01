//! What the senders of a bench send: `loadtest`'s loops of talking heads, as coded pictures, as packets and as sound.
//!
//! Flow: loop library (encoded once, kept on disk) -> **here** -> floor, benches. The very streams of `mcu-load join`.

use crate::meeting::CONFERENCE;
use bytes::Bytes;
use loadtest::media::barcode::SenderId;
use loadtest::media::loops::{Library, LoopError, LoopSet, LoopSpec, Rung};
use mcu_core::id::{ParticipantId, SourceId};
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::packet::Packet;
use mcu_core::media::unit::{AccessUnit, Rotation, Sealed, UnitHeader};
use mcu_core::time::{ClockRate, FrameInterval, MediaTime, Mono};
use std::sync::Arc;
use transport::payload::Depacketizer;

/// Pictures a second.
pub const FPS: u64 = 30;

/// The rate at which pictures of a height are sent, in kbit/s: those of the reference figures.
pub const fn sent_kbps(height: u16) -> u32 {
    if height > 360 { 1_500 } else { 600 }
}

/// What person `id` sends: a talking head of `height` rows at [`sent_kbps`].
pub fn talking_head(id: u16, codec: VideoCodec, height: u16) -> LoopSpec {
    let rungs = vec![Rung { height, kbps: sent_kbps(height) }];
    LoopSpec { rungs, ..LoopSpec::talking_head(SenderId(id)).coded(codec) }
}

/// The loops that `mcu-load` keeps, in its own default place.
///
/// # Panics
/// When that folder cannot be made: nothing can be measured then.
pub fn loops() -> Library {
    Library::open(std::env::temp_dir().join("mcu-load-loops"))
        .expect("the system's folder for temporary files")
}

/// One sender's stream, over and over.
#[derive(Debug)]
pub struct Stream {
    /// Who sends it.
    pub source: SourceId,
    /// Its codec.
    pub codec: VideoCodec,
    set: Arc<LoopSet>,
    units: Vec<Option<(Bytes, bool)>>,
}

impl Stream {
    /// The stream of `spec`, at its first rung, sent by the person of its sender's number. Encodes it, for seconds, unless
    /// `library` holds it.
    ///
    /// # Errors
    /// [`LoopError`].
    pub fn new(spec: &LoopSpec, library: &Library) -> Result<Self, LoopError> {
        let set = library.get(spec)?;
        let (source, codec) = (SourceId::main(ParticipantId(u64::from(spec.sender.0))), spec.codec);
        let mut stream = Self { source, codec, set, units: Vec::new() };
        let mut depacketizer = Depacketizer::new(codec);
        let mut sequence = 0;
        for number in 0..stream.len() {
            for packet in stream.packets(number, &mut sequence, Mono::ZERO) {
                depacketizer.push(&packet);
            }
            stream.units.push(depacketizer.poll().map(|unit| (unit.data, unit.keyframe)));
        }
        Ok(stream)
    }

    /// Pictures until it begins again; the first is a key frame.
    pub fn len(&self) -> u64 {
        self.set.loops()[0].units.len() as u64
    }

    /// Never: a loop is a second long at least.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Picture `tick` as it goes into a decoder's lane; `None` where the sender's encoder left it out.
    pub fn unit(&self, tick: u64) -> Option<AccessUnit<Sealed>> {
        let (data, keyframe) = self.units[(tick % self.len()) as usize].clone()?;
        let at = FrameInterval::FPS_30.at(tick);
        let header = UnitHeader {
            conference: CONFERENCE,
            source: self.source,
            codec: self.codec,
            keyframe,
            contiguous: true,
            captured: at,
            due: at.to_mono(),
            rotation: Rotation::None,
        };
        Some(AccessUnit::seal(header, data))
    }

    /// Picture `tick` as packets, numbered on from `sequence`, arriving at `arrival`.
    pub fn packets(&self, tick: u64, sequence: &mut u64, arrival: Mono) -> Vec<Packet> {
        let timestamp = FrameInterval::FPS_30.at(tick).to_rtp(ClockRate::VIDEO);
        let Some(unit) = &self.set.loops()[0].units[(tick % self.len()) as usize] else { return Vec::new() };
        let packet = |(index, payload): (usize, &Arc<[u8]>)| {
            *sequence += 1;
            Packet {
                sequence: *sequence,
                timestamp,
                marker: unit.marker(index),
                arrival,
                audio_level_dbov: None,
                payload: Bytes::copy_from_slice(payload),
            }
        };
        unit.payloads.iter().enumerate().map(packet).collect()
    }

    /// The Opus packet of the 20 ms number `index`.
    pub fn sound(&self, index: u64) -> &Bytes {
        let sound = self.set.sound();
        &sound[(index % sound.len() as u64) as usize]
    }

    /// The moment of sound packet `index`.
    pub const fn sound_at(index: u64) -> MediaTime {
        MediaTime::from_ticks(2 * MediaTime::TEN_MS.ticks() * index as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecs::registry::{CodecFactory, NativeCodecs};
    use mcu_core::media::frame::Size;
    use mcu_core::privacy::{Ledger, Purpose};

    #[test]
    fn what_is_sent_decodes_to_pictures_of_its_size() {
        let cache = std::env::temp_dir().join(format!("benches-streams-{}", std::process::id()));
        let token = Ledger::new().issue(CONFERENCE, Purpose::Mixing);
        let library = Library::open(&cache).expect("the folder is writable");
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let spec = talking_head(3, codec, 180).lasting(2);
            let stream = Stream::new(&spec, &library).expect("a loop");
            let mut decoder = NativeCodecs.video_decoder(codec).expect("a decoder");
            let mut pictures = 0;
            // Over the end of the loop, too.
            for unit in (stream.len() - 30..stream.len() + 30).filter_map(|tick| stream.unit(tick)) {
                let unit = token.open(unit).expect("its own conference");
                if let Some(frame) =
                    decoder.decode(&unit).expect("decodes from the key frame of the second on")
                {
                    assert_eq!(frame.size(), Size::new(320, 180));
                    pictures += 1;
                }
            }
            assert!(pictures > 50, "{pictures} of 60 pictures");
        }
        let _ = std::fs::remove_dir_all(cache);
    }
}
