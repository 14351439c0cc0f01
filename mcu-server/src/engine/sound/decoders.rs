//! The decoders of one stream of sound: one for each codec that its sender has used.
//!
//! Flow: playout buffer -> **here** -> the codec. Thread: audio pool, owned by the stream's ear. A sender may change the
//! payload type at any packet (RFC 3264 §5.1), and packets of both kinds then wait side by side: so each goes to the
//! decoder of its own codec. One that was made is kept, lest a change with every packet cost more than decoding does.
//! Bound: as many decoders as there are codecs.

use codecs::registry::CodecFactory;
use codecs::sound::{SoundDecodeError, SoundDecoder};
use mcu_core::media::codec::AudioCodec;
use std::sync::Arc;
use transport::receive::playout::{DecodeFailed, SoundDecoder as PacketDecoder};

/// What one stream is decoded with.
pub(super) struct Decoders {
    codecs: Arc<dyn CodecFactory>,
    /// By [`AudioCodec::index`]; what could not be made is not tried again.
    made: [Option<Result<Box<dyn SoundDecoder>, SoundDecodeError>>; AudioCodec::ALL.len()],
    /// The codec of the packet before.
    last: Option<AudioCodec>,
    errors: u64,
}

impl Decoders {
    /// None yet: each is made by the first packet that needs it.
    pub(super) fn new(codecs: Arc<dyn CodecFactory>) -> Self {
        Self { codecs, made: std::array::from_fn(|_| None), last: None, errors: 0 }
    }

    /// The decoder of a packet. After a change of codec it begins anew.
    fn of(&mut self, codec: AudioCodec) -> Result<&mut dyn SoundDecoder, DecodeFailed> {
        let changed = self.last.replace(codec).is_some_and(|last| last != codec);
        let (codecs, errors) = (&self.codecs, &mut self.errors);
        let made = self.made[codec.index()].get_or_insert_with(|| {
            codecs.sound_decoder(codec).inspect_err(|error| {
                *errors += 1;
                tracing::error!(codec = codec.name(), %error, "no sound decoder");
            })
        });
        let decoder = made.as_mut().map_err(|_| DecodeFailed)?;
        if changed {
            decoder.reset();
        }
        Ok(&mut **decoder)
    }

    /// Decoders that could not be made since the last time.
    pub(super) fn take_errors(&mut self) -> u64 {
        std::mem::take(&mut self.errors)
    }
}

impl PacketDecoder for Decoders {
    fn decode(&mut self, codec: AudioCodec, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeFailed> {
        self.of(codec)?.decode(payload, out).map_err(|_| DecodeFailed)
    }

    fn decode_fec(&mut self, codec: AudioCodec, next: &[u8], out: &mut [f32]) -> Result<(), DecodeFailed> {
        self.of(codec)?.decode_fec(next, out.len(), out).map(|_| ()).map_err(|_| DecodeFailed)
    }

    fn conceal(&mut self, out: &mut [f32]) -> Result<(), DecodeFailed> {
        // Goes on from what was heard last, whatever comes next.
        self.of(self.last.ok_or(DecodeFailed)?)?.conceal(out.len(), out).map(|_| ()).map_err(|_| DecodeFailed)
    }
}
