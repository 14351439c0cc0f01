//! Who hears what: one shared mix for everybody who is not heard, a mix of one's own for everybody who is, and one for all
//! who hear the same announcement.
//!
//! Flow: sum, ears and announcements -> **here** -> packets. Two blocks make one packet of 20 ms. The shared mix is encoded
//! once for each codec in which somebody hears it, a mix of one's own in the codec of its listener. Somebody who becomes
//! audible in the middle of a packet has heard the shared mix in its first half, which until then was the same sound.

use super::super::outgoing::{PersonalPacket, SharedPackets};
use super::announcer::Announcer;
use super::ear::Ear;
use super::line::{Encoders, Lazy, Line, Maker};
use codecs::opus::OpusSettings;
use codecs::registry::CodecFactory;
use mcu_core::conference::To;
use mcu_core::conference::plan::Listener;
use mcu_core::id::ParticipantId;
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::samples::{Block, SILENCE};
use mixer::audio::mix;
use std::sync::Arc;

/// A personal mix that nobody needed for this many packets is forgotten: ten seconds.
const IDLE_PACKETS_MAX: u32 = 500;

/// One packet's worth of every distinct mix.
pub(super) struct Encoded {
    /// For everybody who is not heard.
    pub(super) shared: SharedPackets,
    /// For each who is, and for each to whom something is said.
    pub(super) personal: Vec<PersonalPacket>,
    /// Packets that were made for them all.
    pub(super) packets: u32,
    /// Mixes that could not be encoded.
    pub(super) errors: u32,
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
    shared_encoders: Encoders,
    personal: Vec<Personal>,
    announcer: Announcer,
}

impl Mixes {
    pub(super) fn new(codecs: Arc<dyn CodecFactory>, opus: OpusSettings) -> Self {
        Self {
            maker: Maker { codecs, opus },
            shared: Line::new(),
            shared_encoders: Encoders::default(),
            personal: Vec::new(),
            announcer: Announcer::default(),
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
        self.announcer.listeners_changed(listeners);
    }

    /// Says `sound`, 48 kHz mono, to some; returns how many miss it, having too much to hear already.
    pub(super) fn announce(&mut self, to: To, sound: &Arc<[f32]>, listeners: &[Listener]) -> u64 {
        self.announcer.announce(to, sound, listeners)
    }

    /// Says nothing more to `participant`.
    pub(super) fn hush(&mut self, participant: ParticipantId) {
        self.announcer.hush(participant);
    }

    /// Takes the next 10 ms, which are this half (0 or 1) of a packet: the sum of everybody audible, and who they are.
    pub(super) fn block(&mut self, half: usize, sum: &Block, ears: &[Ear], listeners: &[Listener]) {
        if half == 0 {
            self.personal.iter_mut().for_each(|personal| personal.used = false);
            self.announcer.turn(&self.shared);
        }
        self.announcer.speak(half);
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
            if let Some(voice) = self.announcer.voice_of(personal.listener) {
                voice.lay_over(&mut others);
            }
            personal.line.put(others, half);
        }
        self.announcer.put(sum, half);
        self.shared.put(*sum, half);
    }

    /// Makes sure that `listener` has a mix of its own for this packet, in step with what it heard before.
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
            // It heard another mix until now: go on from the limiter's state and this packet's first half.
            let heard = self.announcer.voice_of(participant).map_or(&self.shared, |voice| &voice.line);
            personal.line.clone_from(heard);
        }
    }

    /// Encodes the two blocks taken last: once per distinct mix and codec that somebody hears.
    pub(super) fn encode(&mut self, listeners: &[Listener]) -> Encoded {
        let (shared, personal) = (SharedPackets::default(), Vec::new());
        let mut encoded = Encoded { shared, personal, packets: 0, errors: 0 };
        let mut sharing = [0_usize; AudioCodec::ALL.len()];
        listeners.iter().for_each(|listener| sharing[listener.codec.index()] += 1);
        let mut leave = |codec: AudioCodec| {
            let sharing = &mut sharing[codec.index()];
            *sharing = sharing.saturating_sub(1);
        };
        self.encode_voices(&mut encoded, &mut leave);
        self.encode_personal(&mut encoded, &mut leave);
        for codec in AudioCodec::ALL.into_iter().filter(|codec| sharing[codec.index()] > 0) {
            let encoder = &mut self.shared_encoders[codec.index()];
            let packet = self.maker.encode(encoder, codec, &self.shared.pcm);
            encoded.shared[codec.index()] = encoded.count(packet);
        }
        encoded
    }

    /// What is said to those who are not heard. Each of them leaves the shared mix.
    fn encode_voices(&mut self, encoded: &mut Encoded, leave: &mut impl FnMut(AudioCodec)) {
        let is_heard = |id| self.personal.iter().any(|personal| personal.used && personal.listener == id);
        for (voice, hearers) in self.announcer.voices_mut() {
            let mut packets = [const { None }; AudioCodec::ALL.len()];
            for (listener, codec) in hearers.filter(|(id, _)| !is_heard(*id)) {
                leave(codec);
                let packet: &mut Option<Option<Arc<[u8]>>> = &mut packets[codec.index()];
                let encoder = &mut voice.encoders[codec.index()];
                let pcm = &voice.line.pcm;
                let packet =
                    packet.get_or_insert_with(|| encoded.count(self.maker.encode(encoder, codec, pcm)));
                let Some(payload) = packet.clone() else { continue };
                encoded.personal.push(PersonalPacket { listener, codec, payload });
            }
        }
    }

    /// What those hear who are heard. Each of them leaves the shared mix.
    fn encode_personal(&mut self, encoded: &mut Encoded, leave: &mut impl FnMut(AudioCodec)) {
        for personal in &mut self.personal {
            if !personal.used {
                personal.idle_packets += 1;
                continue;
            }
            personal.idle_packets = 0;
            let Personal { listener, codec, .. } = *personal;
            leave(codec);
            let packet = self.maker.encode(&mut personal.encoder, codec, &personal.line.pcm);
            if let Some(payload) = encoded.count(packet) {
                encoded.personal.push(PersonalPacket { listener, codec, payload });
            }
        }
        self.personal.retain(|personal| personal.idle_packets <= IDLE_PACKETS_MAX);
    }
}

impl Encoded {
    /// A packet that was made, or an error more.
    fn count(&mut self, packet: Result<Arc<[u8]>, ()>) -> Option<Arc<[u8]>> {
        match &packet {
            Ok(_) => self.packets += 1,
            Err(()) => self.errors += 1,
        }
        packet.ok()
    }
}
