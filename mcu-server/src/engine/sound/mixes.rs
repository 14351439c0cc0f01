//! Who hears what: one shared mix for everybody who is not heard, a mix of one's own for everybody who is.
//!
//! Flow: sum and ears -> **here** -> packets. Two blocks make one packet of 20 ms. Somebody who becomes audible in the
//! middle of a packet has heard the shared mix in its first half, which until then was the same sound.

use super::ear::Ear;
use codecs::opus::{FRAME_BYTES_MAX, FRAME_SAMPLES, OpusSettings, SoundEncoder};
use codecs::registry::CodecFactory;
use mcu_core::id::ParticipantId;
use mcu_core::media::samples::{BLOCK_SAMPLES, Block, SILENCE};
use mixer::audio::limiter::Limiter;
use mixer::audio::mix;
use std::sync::Arc;

/// A personal mix that nobody needed for this many packets is forgotten: ten seconds.
const IDLE_PACKETS_MAX: u32 = 500;

/// One packet's worth of every distinct mix.
pub(super) struct Encoded {
    /// For everybody who is not heard.
    pub(super) shared: Option<Arc<[u8]>>,
    /// For each who is.
    pub(super) personal: Vec<(ParticipantId, Arc<[u8]>)>,
    /// Mixes that could not be encoded.
    pub(super) errors: u32,
}

/// One distinct mix on its way to a packet.
struct Line {
    limiter: Limiter,
    pcm: [f32; FRAME_SAMPLES],
    encoder: Option<Box<dyn SoundEncoder>>,
}

/// A mix without its listener's own sound.
struct Personal {
    listener: ParticipantId,
    line: Line,
    /// Its listener was audible in some block of this packet.
    used: bool,
    idle_packets: u32,
}

/// Every mix of one conference.
pub(super) struct Mixes {
    codecs: Arc<dyn CodecFactory>,
    opus: OpusSettings,
    shared: Line,
    personal: Vec<Personal>,
}

impl Line {
    fn new() -> Self {
        Self { limiter: Limiter::new(), pcm: [0.0; FRAME_SAMPLES], encoder: None }
    }

    fn put(&mut self, mut block: Block, half: usize) {
        self.limiter.process(&mut block);
        self.pcm[half * BLOCK_SAMPLES..][..BLOCK_SAMPLES].copy_from_slice(&block);
    }

    fn encode(&mut self, codecs: &dyn CodecFactory, opus: &OpusSettings) -> Result<Arc<[u8]>, ()> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(codecs.sound_encoder(opus).map_err(|_| ())?),
        };
        let mut packet = [0; FRAME_BYTES_MAX];
        let bytes = encoder.encode(&self.pcm, &mut packet).map_err(|_| ())?;
        Ok(Arc::from(&packet[..bytes]))
    }
}

impl Mixes {
    pub(super) fn new(codecs: Arc<dyn CodecFactory>, opus: OpusSettings) -> Self {
        Self { codecs, opus, shared: Line::new(), personal: Vec::new() }
    }

    /// Forgets the mixes of whoever listens no more.
    pub(super) fn keep_only(&mut self, listeners: &[ParticipantId]) {
        self.personal.retain(|personal| listeners.contains(&personal.listener));
    }

    /// Takes the next 10 ms, which are this half (0 or 1) of a packet: the sum of everybody audible, and who they are.
    pub(super) fn block(&mut self, half: usize, sum: &Block, ears: &[Ear], listeners: &[ParticipantId]) {
        if half == 0 {
            self.personal.iter_mut().for_each(|personal| personal.used = false);
        }
        for ear in ears.iter().filter(|ear| ear.heard().is_some()) {
            let listener = ear.source.participant;
            if listeners.contains(&listener) {
                self.open(listener, half);
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
    fn open(&mut self, listener: ParticipantId, half: usize) {
        let at = match self.personal.iter().position(|personal| personal.listener == listener) {
            Some(at) => at,
            None => {
                let line = Line::new();
                self.personal.push(Personal { listener, line, used: false, idle_packets: IDLE_PACKETS_MAX });
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

    /// Encodes the two blocks taken last, once per distinct mix that somebody hears.
    pub(super) fn encode(&mut self, listeners: &[ParticipantId]) -> Encoded {
        let mut encoded = Encoded { shared: None, personal: Vec::new(), errors: 0 };
        let used = self.personal.iter().filter(|personal| personal.used).count();
        if listeners.len() > used {
            match self.shared.encode(&*self.codecs, &self.opus) {
                Ok(packet) => encoded.shared = Some(packet),
                Err(()) => encoded.errors += 1,
            }
        }
        for personal in &mut self.personal {
            if !personal.used {
                personal.idle_packets += 1;
                continue;
            }
            personal.idle_packets = 0;
            match personal.line.encode(&*self.codecs, &self.opus) {
                Ok(packet) => encoded.personal.push((personal.listener, packet)),
                Err(()) => encoded.errors += 1,
            }
        }
        self.personal.retain(|personal| personal.idle_packets <= IDLE_PACKETS_MAX);
        encoded
    }
}
