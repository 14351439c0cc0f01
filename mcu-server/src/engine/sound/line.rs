//! One distinct mix on its way to packets: its limiter, the packet it fills, and its encoders.
//!
//! Flow: a block of some mix -> **here** -> encoded packet. Thread: audio pool, owned by who owns the mix. Bound: one encoder
//! for each codec, made when it is first needed.

use codecs::opus::OpusSettings;
use codecs::registry::CodecFactory;
use codecs::sound::{FRAME_BYTES_MAX, FRAME_SAMPLES, SoundEncoder};
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::samples::{BLOCK_SAMPLES, Block};
use mixer::audio::limiter::Limiter;
use std::sync::Arc;

/// Makes encoders.
pub(super) struct Maker {
    pub(super) codecs: Arc<dyn CodecFactory>,
    pub(super) opus: OpusSettings,
}

/// An encoder, once it was needed.
pub(super) type Lazy = Option<Box<dyn SoundEncoder>>;

/// The encoders of a mix that is heard in several codecs, by [`AudioCodec::index`].
pub(super) type Encoders = [Lazy; AudioCodec::ALL.len()];

impl Maker {
    /// Encodes 20 ms with `encoder`, which is made if it was not.
    pub(super) fn encode(
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

/// What of a mix reaches over its blocks.
#[derive(Clone)]
pub(super) struct Line {
    limiter: Limiter,
    /// The packet that is being filled.
    pub(super) pcm: [f32; FRAME_SAMPLES],
}

impl Line {
    /// A line that has carried silence.
    pub(super) fn new() -> Self {
        Self { limiter: Limiter::new(), pcm: [0.0; FRAME_SAMPLES] }
    }

    /// Takes the next 10 ms, which are this half (0 or 1) of a packet.
    pub(super) fn put(&mut self, mut block: Block, half: usize) {
        self.limiter.process(&mut block);
        self.pcm[half * BLOCK_SAMPLES..][..BLOCK_SAMPLES].copy_from_slice(&block);
    }
}
