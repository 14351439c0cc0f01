//! FFmpeg's coders of one byte for one or two samples (G.711, G.722), by name: packets to 16-bit samples and back.
//!
//! One channel, nothing logged. The library copies what it decodes into a padded buffer of its own, and takes what it
//! encodes into from a pool.

#![allow(unsafe_code)]

use super::libav::{self, LibavError};
use ffmpeg_next::codec::{context::Context, decoder, encoder};
use ffmpeg_next::format::{Sample, sample};
use ffmpeg_next::util::frame::Audio as SoundFrame;
use ffmpeg_next::{ChannelLayout, Dictionary, Error, Packet, Rational};

/// What goes into these encoders and comes out of these decoders.
const SAMPLE: Sample = Sample::I16(sample::Type::Packed);

/// One decoder, and the sound that came out of it last.
pub(crate) struct Decoder {
    opened: decoder::Audio,
    frame: SoundFrame,
}

impl Decoder {
    pub(crate) fn open(name: &str, rate_hz: u32) -> Result<Self, LibavError> {
        libav::silence();
        let found = decoder::find_by_name(name).ok_or(Error::DecoderNotFound)?;
        let mut options = Dictionary::new();
        options.set("ch_layout", "mono");
        options.set("ar", &rate_hz.to_string());
        let opened = Context::new_with_codec(found).decoder().open_with(options)?.audio()?;
        Ok(Self { opened, frame: SoundFrame::empty() })
    }

    /// Decodes one packet.
    pub(crate) fn decode(&mut self, packet: &[u8]) -> Result<&[i16], LibavError> {
        self.opened.send_packet(&Packet::borrow(packet))?;
        self.opened.receive_frame(&mut self.frame)?;
        if self.frame.format() != SAMPLE || self.frame.channels() != 1 || self.frame.planes() != 1 {
            return Err(Error::InvalidData.into());
        }
        Ok(self.frame.plane(0))
    }
}

/// One encoder, and the buffers that it reads from and writes to.
pub(crate) struct Encoder {
    opened: encoder::Audio,
    frame: SoundFrame,
    packet: Packet,
}

impl Encoder {
    /// An encoder of packets of `samples`.
    pub(crate) fn open(name: &str, rate_hz: u32, samples: usize) -> Result<Self, LibavError> {
        libav::silence();
        let found = encoder::find_by_name(name).ok_or(Error::EncoderNotFound)?;
        let mut audio = Context::new_with_codec(found).encoder().audio()?;
        audio.set_rate(rate_hz as i32);
        audio.set_format(SAMPLE);
        audio.set_channel_layout(ChannelLayout::MONO);
        audio.set_time_base(Rational::new(1, rate_hz as i32));
        let opened = audio.open()?;
        let mut frame = SoundFrame::new(SAMPLE, samples, ChannelLayout::MONO);
        frame.set_rate(rate_hz);
        Ok(Self { opened, frame, packet: Packet::empty() })
    }

    /// Encodes one packet of as many samples as were said.
    pub(crate) fn encode(&mut self, pcm: &[i16]) -> Result<&[u8], LibavError> {
        // SAFETY: the frame was allocated by `SoundFrame::new` and is exclusively ours; the call only replaces its
        // buffer by a copy when the library still holds on to it.
        let code = unsafe { ffmpeg_next::ffi::av_frame_make_writable(self.frame.as_mut_ptr()) };
        if code < 0 {
            return Err(LibavError(code));
        }
        let samples = self.frame.plane_mut::<i16>(0);
        if samples.len() != pcm.len() {
            return Err(Error::InvalidData.into());
        }
        samples.copy_from_slice(pcm);
        self.opened.send_frame(&self.frame)?;
        self.opened.receive_packet(&mut self.packet)?;
        Ok(self.packet.data().unwrap_or_default())
    }
}
