//! A video codec without pictures: a unit holds the colours of 40 x 22 cells of the canvas, run by run, and is filled
//! up to the length that its rate asks for, so that rates, queues and pacers have something to do.
//!
//! A picture that is not a key frame decodes only after the one before it. Behind VP8's payload format, whose one
//! demand (the lowest bit of the first byte says what is no key frame) a unit meets.

use bytes::Bytes;
use codecs::decode::{DecodeError, VideoDecoder};
use codecs::encode::{EncodeError, EncoderSettings, VideoEncoder};
use codecs::opus::OpusSettings;
use codecs::registry::CodecFactory;
use codecs::sound::{SoundDecodeError, SoundDecoder, SoundEncodeError, SoundEncoder};
use mcu_core::limits;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::frame::{Frame, FrameMut, FramePool, Size};
use mcu_core::media::unit::{AccessUnit, Clear, EncodedUnit};
use mcu_core::time::MediaTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Cells across.
pub(super) const COLUMNS: usize = 40;
/// Cells down.
pub(super) const ROWS: usize = 22;
/// Flags, magic, stream, number, width, height, body length, checksum.
const HEADER_BYTES: usize = 22;
/// What every unit has after its first byte.
const MAGIC: &[u8; 3] = b"SIM";
/// A picture that is the one before again costs this part of a mean one.
const UNCHANGED_PART: usize = 8;

type Colour = [u8; 3];
type Row = [Colour; COLUMNS];

/// The cells of one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mosaic {
    pub(super) size: Size,
    rows: Vec<Row>,
}

impl Mosaic {
    /// One colour all over.
    pub(super) fn plain(size: Size, colour: Colour) -> Self {
        Self { size, rows: vec![[colour; COLUMNS]; ROWS] }
    }

    /// The colours in the middle of each cell.
    fn of(frame: &Frame) -> Self {
        let [y, u, v] = frame.planes();
        let size = frame.size();
        let middle = |at: usize, cells: usize, side: u16| (2 * at + 1) * usize::from(side) / (2 * cells);
        let row = |r: usize| -> Row {
            let down = middle(r, ROWS, size.height);
            let (luma, u, v) = (y.row(down), u.row(down / 2), v.row(down / 2));
            std::array::from_fn(|c| {
                let across = middle(c, COLUMNS, size.width);
                [luma[across], u[across / 2], v[across / 2]]
            })
        };
        Self { size, rows: (0..ROWS).map(row).collect() }
    }

    /// The colour at `(x, y)` of a canvas of `canvas` pixels, whatever size was coded.
    pub(super) fn at(&self, x: u16, y: u16, canvas: Size) -> Colour {
        let cell = |at: u16, cells: usize, side: u16| {
            (usize::from(at) * cells / usize::from(side.max(1))).min(cells - 1)
        };
        self.rows[cell(y, ROWS, canvas.height)][cell(x, COLUMNS, canvas.width)]
    }

    /// Runs of rows, each as runs of cells.
    fn write(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64);
        for same in self.rows.chunk_by(|a, b| a == b) {
            let runs: Vec<&[Colour]> = same[0].chunk_by(|a, b| a == b).collect();
            body.extend([same.len() as u8, runs.len() as u8]);
            for run in runs {
                body.push(run.len() as u8);
                body.extend(run[0]);
            }
        }
        body
    }

    fn read(size: Size, mut body: &[u8]) -> Option<Self> {
        let mut rows = Vec::with_capacity(ROWS);
        while let Some((&[repeats, runs], rest)) = body.split_first_chunk::<2>() {
            body = rest;
            let (mut row, mut filled): (Row, usize) = ([[0; 3]; COLUMNS], 0);
            for _ in 0..runs {
                let (&[len, y, u, v], rest) = body.split_first_chunk::<4>()?;
                body = rest;
                row.get_mut(filled..filled + usize::from(len))?.fill([y, u, v]);
                filled += usize::from(len);
            }
            if filled != COLUMNS || rows.len() + usize::from(repeats) > ROWS {
                return None;
            }
            rows.extend(std::iter::repeat_n(row, usize::from(repeats)));
        }
        (rows.len() == ROWS && body.is_empty()).then_some(Self { size, rows })
    }

    fn paint(&self, frame: &mut FrameMut) {
        for (plane, mut pixels) in frame.planes_mut().into_iter().enumerate() {
            let (width, height) = (usize::from(pixels.size.width), usize::from(pixels.size.height));
            for y in 0..height {
                let (cells, row) = (&self.rows[y * ROWS / height], pixels.row_mut(y));
                let mut from = 0;
                for run in cells.chunk_by(|a, b| a == b) {
                    // The first pixel that is beyond the run's last cell.
                    let cell = run.len() + from;
                    let pixel = |cell: usize| (cell * width).div_ceil(COLUMNS);
                    row[pixel(from)..pixel(cell)].fill(run[0][plane]);
                    from = cell;
                }
            }
        }
    }
}

/// Writes the units of one stream.
#[derive(Debug)]
pub(super) struct Writer {
    stream: u32,
    number: u32,
    before: Vec<u8>,
    keyframe_means: usize,
}

impl Writer {
    /// A stream whose key frames are as long as `keyframe_means` mean units.
    pub(super) const fn new(stream: u32, keyframe_means: u32) -> Self {
        Self { stream, number: 0, before: Vec::new(), keyframe_means: keyframe_means as usize }
    }

    /// The next unit: as long as `kbps` at `fps` asks for, and up to a third more or less.
    pub(super) fn unit(&mut self, mosaic: &Mosaic, keyframe: bool, kbps: u32, fps: u32) -> Bytes {
        self.number += 1;
        let keyframe = keyframe || self.number == 1;
        let body = mosaic.write();
        let mean = (kbps * 125 / fps.max(1)) as usize;
        let swing = 70 + (self.number.wrapping_mul(0x9e37_79b9) >> 16) as usize % 61;
        let wanted = match (keyframe, body == self.before) {
            (true, _) => mean * self.keyframe_means,
            (false, true) => mean / UNCHANGED_PART,
            (false, false) => mean * swing / 100,
        };
        let mut unit = Vec::with_capacity(wanted.max(HEADER_BYTES + body.len()));
        unit.push(u8::from(!keyframe));
        unit.extend(MAGIC);
        unit.extend(self.stream.to_be_bytes());
        unit.extend(self.number.to_be_bytes());
        unit.extend(mosaic.size.width.to_be_bytes());
        unit.extend(mosaic.size.height.to_be_bytes());
        unit.extend((body.len() as u16).to_be_bytes());
        let sum = checksum(&unit, &body);
        unit.extend(sum.to_be_bytes());
        unit.extend(&body);
        unit.resize(unit.len().max(wanted), 0);
        self.before = body;
        unit.into()
    }
}

/// What a decoder of one stream remembers: the last picture that it could follow.
#[derive(Debug, Default)]
pub(super) struct Reader {
    last: Option<(u32, u32)>,
}

impl Reader {
    /// Decodes a unit.
    pub(super) fn unit(&mut self, unit: &[u8]) -> Result<Mosaic, DecodeError> {
        let Some((keyframe, stream, number, mosaic)) = parse(unit) else {
            self.last = None;
            return Err(DecodeError::Corrupt { code: -1 });
        };
        if !keyframe && self.last != Some((stream, number - 1)) {
            self.last = None;
            return Err(DecodeError::NeedsKeyframe);
        }
        self.last = Some((stream, number));
        Ok(mosaic)
    }
}

fn parse(unit: &[u8]) -> Option<(bool, u32, u32, Mosaic)> {
    let (header, rest) = unit.split_at_checked(HEADER_BYTES)?;
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
    let body = rest.get(..usize::from(half(16)))?;
    let intact = header[1..4] == MAGIC[..] && word(18) == checksum(&header[..18], body) && word(8) > 0;
    let size = Size::new(half(12), half(14));
    let mosaic = if intact { Mosaic::read(size, body) } else { None };
    mosaic.map(|mosaic| (header[0] & 1 == 0, word(4), word(8), mosaic))
}

/// FNV-1a.
fn checksum(header: &[u8], body: &[u8]) -> u32 {
    header
        .iter()
        .chain(body)
        .fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// What a factory has made.
#[derive(Debug, Default)]
pub struct Census {
    /// Video encoders made since the start.
    pub made: AtomicU32,
    /// Video encoders at work.
    pub live: AtomicU32,
    /// Pictures encoded.
    pub pictures: AtomicU64,
    /// Mixes encoded.
    pub mixes: AtomicU64,
}

/// Makes the codecs of a simulated node.
#[derive(Debug, Default)]
pub(super) struct SimCodecs {
    pub(super) census: Arc<Census>,
}

impl CodecFactory for SimCodecs {
    fn video_decoder(&self, _: VideoCodec) -> Result<Box<dyn VideoDecoder>, DecodeError> {
        let pool = FramePool::new("decoder", limits::DECODER_FRAMES_MAX);
        Ok(Box::new(SimDecoder { reader: Reader::default(), pool }))
    }

    fn video_encoder(&self, settings: &EncoderSettings) -> Result<Box<dyn VideoEncoder>, EncodeError> {
        settings.check()?;
        let stream = 1_000_000 + self.census.made.fetch_add(1, Ordering::Relaxed);
        self.census.live.fetch_add(1, Ordering::Relaxed);
        let census = Arc::clone(&self.census);
        Ok(Box::new(SimEncoder {
            settings: *settings,
            writer: Writer::new(stream, settings.keyframe_mean_frames_max),
            census,
        }))
    }

    fn sound_decoder(&self, _: AudioCodec) -> Result<Box<dyn SoundDecoder>, SoundDecodeError> {
        Ok(Box::<super::tones::ToneDecoder>::default())
    }

    fn sound_encoder(
        &self,
        _: AudioCodec,
        _: &OpusSettings,
    ) -> Result<Box<dyn SoundEncoder>, SoundEncodeError> {
        Ok(Box::new(super::tones::ToneEncoder::new(Arc::clone(&self.census))))
    }
}

#[derive(Debug)]
struct SimDecoder {
    reader: Reader,
    pool: FramePool,
}

impl VideoDecoder for SimDecoder {
    fn decode(&mut self, unit: &AccessUnit<Clear>) -> Result<Option<Frame>, DecodeError> {
        let mosaic = self.reader.unit(unit.data())?;
        let mut frame = self.pool.get(mosaic.size)?;
        mosaic.paint(&mut frame);
        Ok(Some(frame.freeze()))
    }
}

#[derive(Debug)]
struct SimEncoder {
    settings: EncoderSettings,
    writer: Writer,
    census: Arc<Census>,
}

impl Drop for SimEncoder {
    fn drop(&mut self) {
        self.census.live.fetch_sub(1, Ordering::Relaxed);
    }
}

impl VideoEncoder for SimEncoder {
    fn encode(
        &mut self,
        picture: &Frame,
        at: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<EncodedUnit>, EncodeError> {
        if picture.size() != self.settings.size {
            return Err(EncodeError::Size { expected: self.settings.size, got: picture.size() });
        }
        self.census.pictures.fetch_add(1, Ordering::Relaxed);
        let (kbps, fps) = (self.settings.bitrate_kbps, self.settings.fps);
        let data = self.writer.unit(&Mosaic::of(picture), force_keyframe, kbps, fps);
        Ok(Some(EncodedUnit { keyframe: data[0] & 1 == 0, data, at }))
    }

    fn set_bitrate(&mut self, kbps: u32) -> Result<(), EncodeError> {
        self.settings.bitrate_kbps = kbps;
        self.settings.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(320, 180);

    #[test]
    fn a_canvas_comes_back_and_only_after_the_one_before_it() {
        let mut frame = FramePool::new("test", 1).get(SIZE).expect("one is free");
        frame.fill([50, 60, 70]);
        for y in 80..100 {
            frame.planes_mut()[0].row_mut(y)[160..].fill(200);
        }
        let mosaic = Mosaic::of(&frame.freeze());
        assert_eq!(mosaic.at(300, 90, SIZE), [200, 60, 70]);
        let (mut writer, mut reader) = (Writer::new(7, 4), Reader::default());
        let units: Vec<Bytes> = (0..4).map(|n| writer.unit(&mosaic, n == 3, 500, 30)).collect();
        assert_eq!(reader.unit(&units[0]), Ok(mosaic.clone()));
        assert_eq!(reader.unit(&units[2]), Err(DecodeError::NeedsKeyframe));
        assert_eq!(reader.unit(&units[1]), Err(DecodeError::NeedsKeyframe), "nothing mends but a key frame");
        assert_eq!(reader.unit(&units[3]), Ok(mosaic));
        assert_eq!(
            (units[0].len(), units[1].len()),
            (4 * 2_083, 2_083 / 8),
            "a key frame, and an unchanged one"
        );
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let unit = Writer::new(1, 4).unit(&Mosaic::plain(SIZE, [1, 2, 3]), true, 10, 30);
        for bit in 8..(HEADER_BYTES + 5) * 8 {
            let mut broken = unit.to_vec();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Reader::default().unit(&broken), Err(DecodeError::Corrupt { code: -1 }), "bit {bit}");
        }
    }
}
