//! What the engine sends: packets made once, shared by every receiver.

use mcu_core::conference::input::Loudness;
use mcu_core::conference::plan::RateClass;
use mcu_core::id::{ConferenceId, ParticipantId, RenditionId};
use mcu_core::media::codec::AudioCodec;
use mcu_core::time::{MediaTime, Mono};
use std::sync::Arc;
use transport::payload::PacketizedUnit;

/// One coded picture of one rendition.
#[derive(Debug)]
pub struct VideoBurst {
    /// Of this conference.
    pub conference: ConferenceId,
    /// Of this encode.
    pub rendition: RenditionId,
    /// Its rate class.
    pub class: RateClass,
    /// The rate that it is encoded at.
    pub bitrate_kbps: u32,
    /// Its tick on the frame grid.
    pub tick: u64,
    /// When the tick was due; goes into sender reports.
    pub wallclock: Mono,
    /// The packets.
    pub unit: PacketizedUnit,
}

/// Twenty milliseconds of one conference's sound, for everybody.
#[derive(Debug)]
pub struct SoundBurst {
    /// Of this conference.
    pub conference: ConferenceId,
    /// Moment of its first sample on the 10 ms grid.
    pub at: MediaTime,
    /// The same moment on the clock; goes into sender reports.
    pub wallclock: Mono,
    /// What everybody hears who is not heard.
    pub shared: SharedPackets,
    /// What those hear who are heard: everything but themselves.
    pub personal: Vec<PersonalPacket>,
}

/// One packet of the shared mix in each codec, by [`AudioCodec::index`]; absent where nobody who is not heard hears in it.
pub type SharedPackets = [Option<Arc<[u8]>>; AudioCodec::ALL.len()];

/// A mix for one listener, or one of several who hear the same announcement.
#[derive(Debug)]
pub struct PersonalPacket {
    /// Whose own sound is not in it.
    pub listener: ParticipantId,
    /// How it is coded.
    pub codec: AudioCodec,
    /// The packet.
    pub payload: Arc<[u8]>,
}

impl SoundBurst {
    /// What `listener` hears in `codec`. Nothing where its own mix is of another codec, which it had until just now: the
    /// shared one would have its own voice in it.
    pub fn packet(&self, listener: ParticipantId, codec: AudioCodec) -> Option<&Arc<[u8]>> {
        match self.personal.iter().find(|personal| personal.listener == listener) {
            Some(personal) => (personal.codec == codec).then_some(&personal.payload),
            None => self.shared[codec.index()].as_ref(),
        }
    }
}

/// Where the engine's results go. Never blocks; what does not fit is dropped and counted there.
pub trait Outlet: Send + Sync {
    /// Takes one coded picture.
    fn video(&self, burst: VideoBurst);

    /// Takes 20 ms of sound.
    fn sound(&self, burst: SoundBurst);

    /// Takes how loud the streams of a conference are, for its floor.
    fn loudness(&self, conference: ConferenceId, loudness: Loudness);
}
