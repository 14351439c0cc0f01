//! Registry: the one door through which the node makes codecs.
//!
//! `mcu-server` holds an `Arc<dyn CodecFactory>`: [`NativeCodecs`] in the product, a synthetic one in a whole
//! meeting simulated in virtual time. Thread: any. Holds no codec; what it makes belongs to the caller.

use crate::decode::{DecodeError, LibavDecoder, VideoDecoder};
use crate::encode::{EncodeError, EncoderSettings, H264Backend, VideoEncoder};
use crate::h264::encode::OpenH264Encoder;
use crate::h264::x264::X264Encoder;
use crate::opus::{OpusDecoder, OpusEncoder, OpusSettings};
use crate::sound::{SoundDecodeError, SoundDecoder, SoundEncodeError, SoundEncoder};
use crate::telephone::{G722, PCMA, PCMU, TelephoneDecoder, TelephoneEncoder};
use crate::vp8::encode::Vp8Encoder;
use mcu_core::media::codec::{AudioCodec, VideoCodec};

/// Makes codecs.
pub trait CodecFactory: Send + Sync {
    /// A decoder with no history: its first unit must be a key frame.
    ///
    /// # Errors
    /// [`DecodeError::Open`] when the library has no such decoder.
    fn video_decoder(&self, codec: VideoCodec) -> Result<Box<dyn VideoDecoder>, DecodeError>;

    /// An encoder whose first picture becomes a key frame.
    ///
    /// # Errors
    /// [`EncodeError`] when a setting is out of range or the library refuses it.
    fn video_encoder(&self, settings: &EncoderSettings) -> Result<Box<dyn VideoEncoder>, EncodeError>;

    /// A decoder to 48 kHz mono.
    ///
    /// # Errors
    /// [`SoundDecodeError`] when the library refuses.
    fn sound_decoder(&self, codec: AudioCodec) -> Result<Box<dyn SoundDecoder>, SoundDecodeError>;

    /// An encoder of 48 kHz mono; `opus` is what there is to set, should it be Opus.
    ///
    /// # Errors
    /// [`SoundEncodeError`] when a setting is out of range or the library refuses it.
    fn sound_encoder(
        &self,
        codec: AudioCodec,
        opus: &OpusSettings,
    ) -> Result<Box<dyn SoundEncoder>, SoundEncodeError>;
}

/// The codecs of the product: FFmpeg, libvpx, openh264, x264, libopus.
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeCodecs;

impl CodecFactory for NativeCodecs {
    fn video_decoder(&self, codec: VideoCodec) -> Result<Box<dyn VideoDecoder>, DecodeError> {
        Ok(Box::new(LibavDecoder::new(codec)?))
    }

    fn video_encoder(&self, settings: &EncoderSettings) -> Result<Box<dyn VideoEncoder>, EncodeError> {
        match (settings.codec, settings.h264) {
            (VideoCodec::Vp8, _) => Ok(Box::new(Vp8Encoder::new(settings)?)),
            (VideoCodec::H264, H264Backend::OpenH264) => Ok(Box::new(OpenH264Encoder::new(settings)?)),
            (VideoCodec::H264, H264Backend::X264) => Ok(Box::new(X264Encoder::new(settings)?)),
            (codec @ VideoCodec::Vp9, _) => Err(EncodeError::Codec { codec }),
        }
    }

    fn sound_decoder(&self, codec: AudioCodec) -> Result<Box<dyn SoundDecoder>, SoundDecodeError> {
        Ok(match codec {
            AudioCodec::Opus => Box::new(OpusDecoder::new()?),
            AudioCodec::G722 => Box::new(TelephoneDecoder::new(G722)?),
            AudioCodec::Pcmu => Box::new(TelephoneDecoder::new(PCMU)?),
            AudioCodec::Pcma => Box::new(TelephoneDecoder::new(PCMA)?),
        })
    }

    fn sound_encoder(
        &self,
        codec: AudioCodec,
        opus: &OpusSettings,
    ) -> Result<Box<dyn SoundEncoder>, SoundEncodeError> {
        Ok(match codec {
            AudioCodec::Opus => Box::new(OpusEncoder::new(opus)?),
            AudioCodec::G722 => Box::new(TelephoneEncoder::new(G722)?),
            AudioCodec::Pcmu => Box::new(TelephoneEncoder::new(PCMU)?),
            AudioCodec::Pcma => Box::new(TelephoneEncoder::new(PCMA)?),
        })
    }
}
