//! Who hears what: one shared mix for everybody who is not heard, a mix of one's own for everybody who is.
//!
//! Flow: sum and ears -> **here** -> packets. Two blocks make one packet of 20 ms. The shared mix is encoded once for each
//! codec in which somebody hears it, a mix of one's own in the codec of its listener. Somebody who becomes audible in the
//! middle of a packet has heard the shared mix in its first half, which until then was the same sound.

use super::super::outgoing::{PersonalPacket, SharedPackets};
use super::ear::Ear;
use codecs::opus::OpusSettings;
use codecs::registry::CodecFactory;
use codecs::sound::{FRAME_BYTES_MAX, FRAME_SAMPLES, SoundEncoder};
use mcu_core::conference::plan::Listener;
use mcu_core::id::ParticipantId;
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::samples::{BLOCK_SAMPLES, Block, SILENCE};
use mixer::audio::limiter::Limiter;
use mixer::audio::mix;
use std::sync::Arc;

/// A personal mix that nobody needed for this many packets is forgotten: ten seconds.
const IDLE_PACKETS_MAX: u32 = 500;

/// One packet's worth of every distinct mix.
pub(super) struct Encoded {
    /// For everybody who is not heard.
    pub(super) shared: SharedPackets,
    /// For each who is.
    pub(super) personal: Vec<PersonalPacket>,
    /// Mixes that could not be encoded.
    pub(super) errors: u32,
}

/// Makes encoders.
struct Maker {
    codecs: Arc<dyn CodecFactory>,
    opus: OpusSettings,
}

/// An encoder, once it was needed.
type Lazy = Option<Box<dyn SoundEncoder>>;

/// One distinct mix on its way to a packet.
struct Line {
    limiter: Limiter,
    pcm: [f32; FRAME_SAMPLES],
}

/// A mix without its listener's own sound.
struct Personal {
    listener: ParticipantId,
    codec: AudioCodec,
    line: Line,
    encoder: Lazy,
    /// Its listener was audible in some block of this packet.
    used: bool,
    idle_packets: u32,
}

/// Every mix of one conference.
pub(super) struct Mixes {
    maker: Maker,
    shared: Line,
    /// By [`AudioCodec::index`].
    shared_encoders: [Lazy; AudioCodec::ALL.len()],
    personal: Vec<Personal>,
}

impl Maker {
    /// Encodes 20 ms with `encoder`, which is made if it was not.
    fn encode(
        &self,
        encoder: &mut Lazy,
        codec: AudioCodec,
        pcm: &[f32; FRAME_SAMPLES],
    ) -> Result<Arc<[u8]>, ()> {
        let encoder = match encoder {
            Some(encoder) => encoder,
            none => none.insert(self.codecs.sound_encoder(codec, &self.opus).map_err(|_| ())?),
        };
        let mut packet = [0; FRAME_BYTES_MAX];
        let bytes = encoder.encode(pcm, &mut packet).map_err(|_| ())?;
        Ok(Arc::from(&packet[..bytes]))
    }
}

impl Line {
    fn new() -> Self {
        Self { limiter: Limiter::new(), pcm: [0.0; FRAME_SAMPLES] }
    }

    fn put(&mut self, mut block: Block, half: usize) {
        self.limiter.process(&mut block);
        self.pcm[half * BLOCK_SAMPLES..][..BLOCK_SAMPLES].copy_from_slice(&block);
    }
}

impl Mixes {
    pub(super) fn new(codecs: Arc<dyn CodecFactory>, opus: OpusSettings) -> Self {
        Self {
            maker: Maker { codecs, opus },
            shared: Line::new(),
            shared_encoders: std::array::from_fn(|_| None),
            personal: Vec::new(),
        }
    }

    /// Forgets the mixes of whoever listens no more, and the encoders of whoever listens in another codec now.
    pub(super) fn listeners_changed(&mut self, listeners: &[Listener]) {
        self.personal.retain_mut(|personal| {
            let Some(now) = listeners.iter().find(|listener| listener.participant == personal.listener)
            else {
                return false;
            };
            if personal.codec != now.codec {
                (personal.codec, personal.encoder) = (now.codec, None);
            }
            true
        });
    }

    /// Takes the next 10 ms, which are this half (0 or 1) of a packet: the sum of everybody audible, and who they are.
    pub(super) fn block(&mut self, half: usize, sum: &Block, ears: &[Ear], listeners: &[Listener]) {
        if half == 0 {
            self.personal.iter_mut().for_each(|personal| personal.used = false);
        }
        for ear in ears.iter().filter(|ear| ear.heard().is_some()) {
            let heard = ear.source.participant;
            if let Some(listener) = listeners.iter().find(|listener| listener.participant == heard) {
                self.open(*listener, half);
            }
        }
        for personal in self.personal.iter_mut().filter(|personal| personal.used) {
            let mut own = SILENCE;
            for ear in ears.iter().filter(|ear| ear.source.participant == personal.listener) {
                #[cfg(feature = "planted-faults")]
                if super::super::faults::leaves_own_voice() {
                    continue;
                }
                if let Some(heard) = ear.heard() {
                    mix::add(&mut own, heard);
                }
            }
            let mut others = SILENCE;
            mix::minus(&mut others, sum, &own);
            personal.line.put(others, half);
        }
        self.shared.put(*sum, half);
    }

    /// Makes sure that `listener` has a mix of its own for this packet, in step with the shared one.
    fn open(&mut self, listener: Listener, half: usize) {
        let Listener { participant, codec } = listener;
        let at = match self.personal.iter().position(|personal| personal.listener == participant) {
            Some(at) => at,
            None => {
                self.personal.push(Personal {
                    listener: participant,
                    codec,
                    line: Line::new(),
                    encoder: None,
                    used: false,
                    idle_packets: IDLE_PACKETS_MAX,
                });
                self.personal.len() - 1
            }
        };
        let personal = &mut self.personal[at];
        if personal.used {
            return;
        }
        personal.used = true;
        if personal.idle_packets > 0 || half == 1 {
            // It heard the shared mix until now: go on from the limiter's state and this packet's first half.
            personal.line.limiter = self.shared.limiter.clone();
            personal.line.pcm = self.shared.pcm;
        }
    }

    /// Encodes the two blocks taken last: once per distinct mix and codec that somebody hears.
    pub(super) fn encode(&mut self, listeners: &[Listener]) -> Encoded {
        let mut encoded = Encoded { shared: SharedPackets::default(), personal: Vec::new(), errors: 0 };
        let mut sharing = [0_usize; AudioCodec::ALL.len()];
        listeners.iter().for_each(|listener| sharing[listener.codec.index()] += 1);
        for personal in self.personal.iter().filter(|personal| personal.used) {
            let sharing = &mut sharing[personal.codec.index()];
            *sharing = sharing.saturating_sub(1);
        }
        for codec in AudioCodec::ALL.into_iter().filter(|codec| sharing[codec.index()] > 0) {
            let encoder = &mut self.shared_encoders[codec.index()];
            match self.maker.encode(encoder, codec, &self.shared.pcm) {
                Ok(packet) => encoded.shared[codec.index()] = Some(packet),
                Err(()) => encoded.errors += 1,
            }
        }
        for personal in &mut self.personal {
            if !personal.used {
                personal.idle_packets += 1;
                continue;
            }
            personal.idle_packets = 0;
            let Personal { listener, codec, .. } = *personal;
            match self.maker.encode(&mut personal.encoder, codec, &personal.line.pcm) {
                Ok(payload) => encoded.personal.push(PersonalPacket { listener, codec, payload }),
                Err(()) => encoded.errors += 1,
            }
        }
        self.personal.retain(|personal| personal.idle_packets <= IDLE_PACKETS_MAX);
        encoded
    }
}
