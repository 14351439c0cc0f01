//! The work of each hop, described once: the criterion bench times it, the program `allocations` counts what it asks for.
//!
//! One file per hop or pair of hops. A [`Case`] makes its material when it is first wanted, so that asking for one costs
//! nothing for the others.

mod arrival;
mod codecs;
mod compose;
mod datagrams;
mod demux;
mod fanout;
mod lane;
mod peer;
mod scale;
mod slot;
mod sound;

use crate::streams::{Stream, loops, talking_head};
use ::codecs::registry::{CodecFactory, NativeCodecs};
use ::codecs::sound::{SoundDecodeError, SoundDecoder, SoundEncodeError, SoundEncoder};
use ::codecs::{decode, encode, opus};
use mcu_core::hop::Hop;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::unit::{AccessUnit, Clear, EncodedUnit};

/// One piece of work, done over and over.
pub trait Work {
    /// What has to be there before each [`run`](Self::run), and is not the hop's doing.
    fn prepare(&mut self) {}
    /// The hop's work.
    fn run(&mut self);
}

/// Work that needs no preparation.
impl<F: FnMut()> Work for F {
    fn run(&mut self) {
        self();
    }
}

/// One case of one hop.
pub struct Case {
    /// Which hop.
    pub hop: Hop,
    /// What sets it apart from the hop's other cases.
    pub name: String,
    /// How many of the hop's units one run works through.
    pub count: u64,
    /// What one of them is called.
    pub unit: &'static str,
    make: Box<dyn Fn() -> Box<dyn Work>>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Case({}, {} of {})", self.id(), self.count, self.unit)
    }
}

impl Case {
    fn new<W: Work + 'static>(
        hop: Hop,
        name: impl Into<String>,
        (count, unit): (u64, &'static str),
        make: impl Fn() -> W + 'static,
    ) -> Self {
        Self { hop, name: name.into(), count, unit, make: Box::new(move || Box::new(make())) }
    }

    /// The hop's name and the case's, as criterion shows them.
    pub fn id(&self) -> String {
        format!("{}/{}", self.hop.name(), self.name)
    }

    /// Fresh work of this case. May take seconds.
    pub fn work(&self) -> Box<dyn Work> {
        (self.make)()
    }
}

/// Every case, in the order of the flow.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for add in [
        datagrams::cases,
        demux::cases,
        peer::cases,
        arrival::cases,
        lane::cases,
        codecs::cases,
        slot::cases,
        scale::cases,
        compose::cases,
        fanout::cases,
        sound::cases,
    ] {
        cases.extend(add());
    }
    cases.sort_by_key(|case| Hop::ALL.iter().position(|hop| *hop == case.hop));
    cases
}

/// Four seconds of a talking head, again and again.
fn stream(id: u16, codec: VideoCodec, height: u16) -> Stream {
    Stream::new(&talking_head(id, codec, height).lasting(4), &loops()).expect("the codec codes it")
}

/// A decoder that decodes nothing and an encoder that codes nothing: what is left is our own work around them. Sound is real.
#[derive(Debug, Clone, Copy, Default)]
struct Idle;

impl decode::VideoDecoder for Idle {
    fn decode(
        &mut self,
        _: &AccessUnit<Clear>,
    ) -> Result<Option<mcu_core::media::frame::Frame>, decode::DecodeError> {
        Ok(None)
    }
}

impl encode::VideoEncoder for Idle {
    fn encode(
        &mut self,
        _: &mcu_core::media::frame::Frame,
        _: mcu_core::time::MediaTime,
        _: bool,
    ) -> Result<Option<EncodedUnit>, encode::EncodeError> {
        Ok(None)
    }

    fn set_bitrate(&mut self, _: u32) -> Result<(), encode::EncodeError> {
        Ok(())
    }
}

impl CodecFactory for Idle {
    fn video_decoder(&self, _: VideoCodec) -> Result<Box<dyn decode::VideoDecoder>, decode::DecodeError> {
        Ok(Box::new(Self))
    }

    fn video_encoder(
        &self,
        _: &encode::EncoderSettings,
    ) -> Result<Box<dyn encode::VideoEncoder>, encode::EncodeError> {
        Ok(Box::new(Self))
    }

    fn sound_decoder(&self, codec: AudioCodec) -> Result<Box<dyn SoundDecoder>, SoundDecodeError> {
        NativeCodecs.sound_decoder(codec)
    }

    fn sound_encoder(
        &self,
        codec: AudioCodec,
        opus: &opus::OpusSettings,
    ) -> Result<Box<dyn SoundEncoder>, SoundEncodeError> {
        NativeCodecs.sound_encoder(codec, opus)
    }
}
