//! A recording: one stream of Opus in an Ogg file (RFC 7845), decoded to 48 kHz mono.
//!
//! Flow: bytes of a file -> **here** -> samples. Thread: the one that starts the node. Bound: [`BYTES_MAX`] read,
//! [`DURATION_MAX`] decoded. Nothing in the file is believed: lengths are counted while decoding.

use codecs::opus::OpusDecoder;
use codecs::sound::{PACKET_SAMPLES_MAX, SoundDecodeError, SoundDecoder};
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use ogg::{OggReadError, Packet, PacketReader};
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a recording: [`DURATION_MAX`] at 200 kbit/s.
pub const BYTES_MAX: usize = 512 * 1024;
/// The longest recording: nobody listens to more of it.
pub const DURATION_MAX: Duration = Duration::from_secs(20);

const SAMPLES_MAX: usize = SAMPLE_RATE_HZ as usize * DURATION_MAX.as_secs() as usize;

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Larger than [`BYTES_MAX`].
    #[error("{bytes} bytes, {BYTES_MAX} are allowed")]
    Bytes {
        /// What it has.
        bytes: u64,
    },
    /// Not Ogg, or damaged.
    #[error("not an Ogg file, or damaged: {0}")]
    Ogg(#[from] OggReadError),
    /// Ogg, but not one stream of Opus in one or two channels.
    #[error("not one stream of Opus, mono or stereo")]
    Format,
    /// A packet that the codec refuses.
    #[error("damaged: {0}")]
    Packet(#[from] SoundDecodeError),
    /// Longer than [`DURATION_MAX`].
    #[error("longer than {} s", DURATION_MAX.as_secs())]
    Duration,
    /// No sound in it.
    #[error("it is empty")]
    Empty,
}

/// What the first packet says (RFC 7845 §5.1).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Head {
    /// Samples to drop from the front, at 48 kHz.
    pre_skip: usize,
    /// What to multiply samples with.
    gain: f32,
}

impl Head {
    /// `None`: not Opus, of a version to come, or with more than two channels.
    fn parse(packet: &[u8]) -> Option<Self> {
        let (head, _) = packet.strip_prefix(b"OpusHead")?.split_first_chunk::<11>()?;
        let [version, channels, skip_low, skip_high, _, _, _, _, gain_low, gain_high, family] = *head;
        let is_known = version >> 4 == 0 && (1..=2).contains(&channels) && family == 0;
        let gain_db = f32::from(i16::from_le_bytes([gain_low, gain_high])) / 256.0;
        is_known.then(|| Self {
            pre_skip: usize::from(u16::from_le_bytes([skip_low, skip_high])),
            gain: 10_f32.powf(gain_db / 20.0),
        })
    }
}

/// Decodes a recording.
///
/// # Errors
/// [`RecordingError`].
pub fn decode(file: &[u8]) -> Result<Arc<[f32]>, RecordingError> {
    if file.len() > BYTES_MAX {
        return Err(RecordingError::Bytes { bytes: file.len() as u64 });
    }
    let mut packets = PacketReader::new(Cursor::new(file));
    let first = packets.read_packet()?.ok_or(RecordingError::Empty)?;
    let head = Head::parse(&first.data).ok_or(RecordingError::Format)?;
    let is_ours = |packet: &Packet| packet.stream_serial() == first.stream_serial();
    let tags = packets.read_packet()?.ok_or(RecordingError::Empty)?;
    if !is_ours(&tags) || !tags.data.starts_with(b"OpusTags") {
        return Err(RecordingError::Format);
    }
    let mut decoder = OpusDecoder::new()?;
    let (mut samples, mut piece) = (Vec::new(), vec![0.0; PACKET_SAMPLES_MAX]);
    while let Some(packet) = packets.read_packet()? {
        if !is_ours(&packet) {
            return Err(RecordingError::Format);
        }
        let len = decoder.decode(&packet.data, &mut piece)?;
        samples.extend(piece[..len].iter().map(|sample| sample * head.gain));
        if samples.len() > SAMPLES_MAX {
            return Err(RecordingError::Duration);
        }
        if packet.last_in_stream() {
            // The end is told in samples: less than the last packet holds (RFC 7845 §4.4).
            samples.truncate(usize::try_from(packet.absgp_page()).unwrap_or(usize::MAX));
        }
    }
    let spoken = samples.get(head.pre_skip..).unwrap_or_default();
    if spoken.is_empty() {
        return Err(RecordingError::Empty);
    }
    Ok(spoken.iter().map(|sample| if sample.is_finite() { *sample } else { 0.0 }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ogg::{PacketWriteEndInfo, PacketWriter};

    const RECORDING: &[u8] = include_bytes!("../../prompts/en/goodbye.opus");

    #[test]
    fn the_head_is_read_and_what_is_not_ours_refused() {
        let head = |version: u8, channels: u8, gain: [u8; 2], family: u8| {
            let mut packet = b"OpusHead".to_vec();
            packet.extend([version, channels, 0x38, 0x01, 0x80, 0xbb, 0, 0, gain[0], gain[1], family]);
            Head::parse(&packet)
        };
        assert_eq!(head(1, 1, [0, 0], 0), Some(Head { pre_skip: 312, gain: 1.0 }));
        let louder = head(1, 2, [0x05, 0x06], 0).expect("6.02 dB").gain;
        assert!((louder - 2.0).abs() < 0.01, "{louder}");
        assert_eq!([head(16, 1, [0, 0], 0), head(1, 3, [0, 0], 0), head(1, 1, [0, 0], 1)], [None; 3]);
        assert_eq!((Head::parse(b"OpusHead"), Head::parse(b"vorbis")), (None, None));
    }

    #[test]
    fn its_end_is_where_it_says() {
        let whole = decode(RECORDING).expect("ours");
        let mut packets = PacketReader::new(Cursor::new(RECORDING));
        let (mut end, mut pre_skip) = (0, 0);
        while let Some(packet) = packets.read_packet().expect("ours") {
            pre_skip = Head::parse(&packet.data).map_or(pre_skip, |head| head.pre_skip);
            end = packet.absgp_page();
        }
        assert!(pre_skip > 0 && !end.is_multiple_of(960), "the control: something is cut at both ends");
        assert_eq!(whole.len(), end as usize - pre_skip);
    }

    #[test]
    fn whatever_is_damaged_is_refused_or_heard_within_bounds() {
        for len in (0..RECORDING.len()).step_by(97) {
            if let Ok(samples) = decode(&RECORDING[..len]) {
                assert!(samples.len() <= SAMPLES_MAX);
            }
        }
        let mut refused = 0;
        for at in (0..RECORDING.len()).step_by(31) {
            let mut damaged = RECORDING.to_vec();
            damaged[at] ^= 0x55;
            refused += usize::from(decode(&damaged).is_err());
        }
        assert!(refused > 0, "pages have a check sum");
        assert!(matches!(decode(&[]), Err(RecordingError::Ogg(_))));
        assert!(matches!(decode(&vec![0; BYTES_MAX + 1]), Err(RecordingError::Bytes { .. })));
    }

    #[test]
    fn what_takes_too_long_is_refused() {
        // One packet again and again, for 26 s.
        let mut packets = PacketReader::new(Cursor::new(RECORDING));
        let mut read: Vec<Packet> = Vec::new();
        while let Some(packet) = packets.read_packet().expect("ours") {
            read.push(packet);
        }
        let mut file = Vec::new();
        let mut writer = PacketWriter::new(&mut file);
        let spoken = std::iter::repeat_n(&read[2], 1_300);
        for (n, packet) in (0..).zip(read[..2].iter().chain(spoken)) {
            let ends_page = n < 2 || n % 50 == 0;
            let info = if ends_page { PacketWriteEndInfo::EndPage } else { PacketWriteEndInfo::NormalPacket };
            writer.write_packet(packet.data.clone(), 1, info, n * 960).expect("memory");
        }
        drop(writer);
        assert!(file.len() < BYTES_MAX && matches!(decode(&file), Err(RecordingError::Duration)));
    }
}
