//! The floor: what a meeting's codecs and kernels cost by themselves, in one thread, with nothing around them.
//!
//! The same streams through the same decoders, scaler, composer, encoders and Opus as in the node, for exactly the scenes
//! and renditions that the node's conference plans; no network, no encryption, no queues, no waiting, and nothing that
//! only judges sound (levels, gain, playout). Time is processor time, told apart by part.

use crate::meeting::Meeting;
use crate::streams::{FPS, Stream};
use crate::sys::cpu::process_cpu;
use codecs::decode::VideoDecoder;
use codecs::encode::{EncoderSettings, VideoEncoder};
use codecs::opus::OpusSettings;
use codecs::registry::{CodecFactory, NativeCodecs};
use codecs::sound::{FRAME_BYTES_MAX, FRAME_SAMPLES, SoundDecoder, SoundEncoder};
use mcu_core::conference::plan::{MeetingPlan, Scene};
use mcu_core::limits::{MIXED_STREAMS_MAX, TILES_MAX};
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::frame::{Frame, FramePool, Size};
use mcu_core::media::samples::{BLOCK_SAMPLES, Block, SILENCE};
use mcu_core::privacy::{Ledger, Plaintext, Purpose};
use mcu_core::time::{FrameInterval, MediaTime};
use mixer::audio::limiter::Limiter;
use mixer::audio::mix;
use mixer::video::compose::Composer;
use mixer::video::overlay::Overlay;
use mixer::video::scale::{TileCache, TilePicture};
use mixer::video::text::Typeface;
use std::sync::Arc;
use std::time::Duration;

/// Canvases of one scene, as the node has them.
const CANVASES_PER_SCENE: usize = 8;

/// What time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Coded pictures to frames.
    Decode,
    /// Frames to tiles.
    Scale,
    /// Tiles to canvases.
    Compose,
    /// Canvases to coded pictures.
    Encode,
    /// Opus, both ways.
    Opus,
    /// Sums, mix-minus, limiter.
    Mix,
}

impl Part {
    /// Every part, in the order of the flow.
    pub const ALL: [Self; 6] =
        [Self::Decode, Self::Scale, Self::Compose, Self::Encode, Self::Opus, Self::Mix];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Scale => "scale",
            Self::Compose => "compose",
            Self::Encode => "encode",
            Self::Opus => "opus",
            Self::Mix => "mix",
        }
    }
}

/// Splits processor time into parts: all that passed since the lap before belongs to the part of this lap.
#[derive(Debug)]
struct Laps {
    last: Duration,
    spent: [Duration; Part::ALL.len()],
}

impl Laps {
    fn start() -> Self {
        Self { last: process_cpu(), spent: [Duration::ZERO; Part::ALL.len()] }
    }

    fn lap(&mut self, part: Part) {
        let now = process_cpu();
        self.spent[part as usize] += now - self.last;
        self.last = now;
    }
}

/// What was done, and what it cost.
#[derive(Debug, Clone)]
pub struct Cost {
    /// Processor time by part, in the order of [`Part::ALL`].
    pub spent: [Duration; Part::ALL.len()],
    /// Media that was worked through, times people.
    pub participant_s: f64,
    /// Pictures decoded.
    pub decoded: u64,
    /// Tiles scaled.
    pub scaled: u64,
    /// Pictures encoded.
    pub encoded: u64,
    /// Bytes of them.
    pub encoded_bytes: u64,
    /// Renditions that were encoded.
    pub renditions: usize,
    /// Distinct mixes that were encoded.
    pub ears: usize,
}

impl Cost {
    /// Processor seconds per participant-second of one part.
    pub fn part(&self, part: Part) -> f64 {
        self.spent[part as usize].as_secs_f64() / self.participant_s
    }

    /// Processor seconds per participant-second of all parts.
    pub fn total(&self) -> f64 {
        Part::ALL.iter().map(|part| self.part(*part)).sum()
    }
}

/// One sender's decoder.
struct Sender<'a> {
    stream: &'a Stream,
    video: Box<dyn VideoDecoder>,
    sound: Box<dyn SoundDecoder>,
    shown: Option<Frame>,
    blocks: [Block; 2],
}

/// One rendition's encoder.
struct Rendition {
    scene: usize,
    size: Size,
    encoder: Box<dyn VideoEncoder>,
}

/// One distinct mix.
struct Ear {
    /// Whose own sound is left out; `None` for the mix of those who are not heard.
    without: Option<usize>,
    limiter: Limiter,
    pcm: [f32; FRAME_SAMPLES],
    encoder: Box<dyn SoundEncoder>,
}

/// A meeting's work, ready to be done tick by tick.
pub struct Floor<'a> {
    plan: Arc<MeetingPlan>,
    token: Plaintext,
    senders: Vec<Sender<'a>>,
    tiles: TileCache,
    overlay: Overlay,
    composers: Vec<Composer>,
    renditions: Vec<Rendition>,
    ears: Vec<Ear>,
    /// The next sound packet.
    sound: u64,
    laps: Laps,
    cost: Cost,
}

impl<'a> Floor<'a> {
    /// The work of `meeting`, whose people send `streams`. Each rendition aims at `kbps`.
    ///
    /// # Panics
    /// When a codec cannot be made: there is nothing to measure then.
    pub fn new(meeting: Meeting, streams: &'a [Stream], kbps: u32) -> Self {
        let plan = meeting.plan();
        let sender = |stream| Sender {
            stream,
            video: NativeCodecs.video_decoder(meeting.codec).expect("a decoder"),
            sound: NativeCodecs.sound_decoder(AudioCodec::Opus).expect("a decoder"),
            shown: None,
            blocks: [SILENCE; 2],
        };
        let mut overlay = Overlay::new(&Typeface::system());
        plan.scenes.iter().for_each(|scene| overlay.prepare(&scene.tiles));
        let renditions: Vec<_> =
            plan.renditions.iter().map(|planned| rendition(&plan, planned, kbps)).collect();
        let ears: Vec<_> = ears(streams.len()).map(ear).collect();
        let cost = Cost {
            spent: [Duration::ZERO; Part::ALL.len()],
            participant_s: 0.0,
            decoded: 0,
            scaled: 0,
            encoded: 0,
            encoded_bytes: 0,
            renditions: renditions.len(),
            ears: ears.len(),
        };
        Self {
            token: Ledger::new().issue(plan.conference, Purpose::Mixing),
            senders: streams.iter().map(sender).collect(),
            tiles: TileCache::new(FramePool::new("tiles", 2 * TILES_MAX + 1)),
            overlay,
            composers: plan
                .scenes
                .iter()
                .map(|_| Composer::new(FramePool::new("canvas", CANVASES_PER_SCENE)))
                .collect(),
            renditions,
            ears,
            plan,
            sound: 0,
            laps: Laps::start(),
            cost,
        }
    }

    /// Does `seconds` of media after `warm_up_s` that do not count, and says what that cost.
    pub fn run(mut self, warm_up_s: u64, seconds: u64) -> Cost {
        for tick in 0..warm_up_s * FPS {
            self.tick(tick);
        }
        let Cost { renditions, ears, .. } = self.cost;
        self.cost = Cost { decoded: 0, encoded: 0, encoded_bytes: 0, renditions, ears, ..self.cost };
        let scaled = self.tiles.scaled();
        self.laps = Laps::start();
        for tick in warm_up_s * FPS..(warm_up_s + seconds) * FPS {
            self.tick(tick);
        }
        Cost {
            spent: self.laps.spent,
            participant_s: (self.senders.len() as u64 * seconds) as f64,
            scaled: self.tiles.scaled() - scaled,
            ..self.cost
        }
    }

    fn tick(&mut self, tick: u64) {
        let at = FrameInterval::FPS_30.at(tick);
        self.decode(tick);
        let scenes: Vec<_> = self.plan.scenes.clone();
        let pictures: Vec<_> = scenes.iter().map(|scene| self.scale(scene)).collect();
        self.tiles.end_tick();
        self.laps.lap(Part::Scale);
        let canvases: Vec<Frame> = scenes
            .iter()
            .zip(&pictures)
            .enumerate()
            .map(|(n, (scene, tiles))| self.compose(n, scene, tiles))
            .collect();
        self.laps.lap(Part::Compose);
        self.encode(&canvases, at);
        while Stream::sound_at(self.sound) <= at {
            self.hear(self.sound);
            self.sound += 1;
        }
    }

    fn decode(&mut self, tick: u64) {
        for sender in &mut self.senders {
            let Some(unit) = sender.stream.unit(tick) else { continue };
            let unit = self.token.open(unit).expect("of this conference");
            if let Some(frame) = sender.video.decode(&unit).expect("our own encoder's picture") {
                sender.shown = Some(frame);
                self.cost.decoded += 1;
            }
        }
        self.laps.lap(Part::Decode);
    }

    fn scale(&mut self, scene: &Scene) -> Vec<Option<TilePicture>> {
        let Self { senders, tiles, .. } = self;
        let picture = |tile: &mcu_core::conference::plan::Tile| {
            let sender = senders.iter().find(|sender| sender.stream.source == tile.source)?;
            let size = Size::new(tile.rect.width, tile.rect.height);
            Some(
                tiles
                    .tile(tile.source, sender.shown.as_ref()?, size, tile.fit)
                    .expect("the pool is large enough"),
            )
        };
        scene.tiles.iter().map(picture).collect()
    }

    fn compose(&mut self, number: usize, scene: &Scene, tiles: &[Option<TilePicture>]) -> Frame {
        let composed = self.composers[number].compose(scene, tiles, &mut self.overlay);
        composed.expect("nobody holds old canvases").canvas
    }

    fn encode(&mut self, canvases: &[Frame], at: MediaTime) {
        for rendition in &mut self.renditions {
            let canvas = &canvases[rendition.scene];
            assert_eq!(canvas.size(), rendition.size, "ways that carry everything get whole canvases");
            if let Some(unit) = rendition.encoder.encode(canvas, at, false).expect("a canvas of its size") {
                self.cost.encoded += 1;
                self.cost.encoded_bytes += unit.data.len() as u64;
            }
        }
        self.laps.lap(Part::Encode);
    }

    /// Twenty milliseconds of sound: decoded, mixed for each distinct set of ears, encoded.
    fn hear(&mut self, index: u64) {
        for sender in &mut self.senders {
            let mut pcm = [0.0; FRAME_SAMPLES];
            sender.sound.decode(sender.stream.sound(index), &mut pcm).expect("our own encoder's packet");
            for (block, half) in sender.blocks.iter_mut().zip(pcm.chunks_exact(BLOCK_SAMPLES)) {
                block.copy_from_slice(half);
            }
        }
        self.laps.lap(Part::Opus);
        let audible = &self.senders[..self.senders.len().min(MIXED_STREAMS_MAX)];
        for half in 0..2 {
            let mut sum = SILENCE;
            audible.iter().for_each(|sender| mix::add(&mut sum, &sender.blocks[half]));
            for ear in &mut self.ears {
                let mut mixed = sum;
                if let Some(own) = ear.without {
                    mix::minus(&mut mixed, &sum, &audible[own].blocks[half]);
                }
                ear.limiter.process(&mut mixed);
                ear.pcm[half * BLOCK_SAMPLES..][..BLOCK_SAMPLES].copy_from_slice(&mixed);
            }
        }
        self.laps.lap(Part::Mix);
        for ear in &mut self.ears {
            let mut packet = [0; FRAME_BYTES_MAX];
            ear.encoder.encode(&ear.pcm, &mut packet).expect("a packet");
        }
        self.laps.lap(Part::Opus);
    }
}

fn rendition(plan: &MeetingPlan, planned: &mcu_core::conference::plan::Rendition, kbps: u32) -> Rendition {
    let fps = planned.interval.fps_rounded();
    let settings = EncoderSettings::new(planned.codec, planned.size, fps, kbps);
    let scene = plan.scenes.iter().position(|scene| scene.id == planned.scene);
    Rendition {
        scene: scene.expect("a rendition is of a scene of its plan"),
        size: planned.size,
        encoder: NativeCodecs.video_encoder(&settings).expect("an encoder"),
    }
}

/// The distinct sets of ears of a meeting where everybody speaks: one for each who is mixed, one for all the rest.
fn ears(people: usize) -> impl Iterator<Item = Option<usize>> {
    let mixed = people.min(MIXED_STREAMS_MAX);
    (0..mixed).map(Some).chain((people > mixed).then_some(None))
}

fn ear(without: Option<usize>) -> Ear {
    Ear {
        without,
        limiter: Limiter::new(),
        pcm: [0.0; FRAME_SAMPLES],
        encoder: NativeCodecs.sound_encoder(AudioCodec::Opus, &OpusSettings::default()).expect("an encoder"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meeting::wide;
    use crate::streams::talking_head;
    use loadtest::media::loops::Library;
    use mcu_core::media::codec::VideoCodec;

    #[test]
    fn one_ear_for_each_who_is_mixed_and_one_for_the_rest() {
        assert_eq!(ears(3).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
        assert_eq!(ears(9).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn the_floor_does_all_the_work_of_its_meeting_and_no_more() {
        let cache = std::env::temp_dir().join(format!("benches-floor-{}", std::process::id()));
        let library = Library::open(&cache).expect("the folder is writable");
        let spec = |id| talking_head(id, VideoCodec::Vp8, 180).lasting(2);
        let stream = |id| Stream::new(&spec(id), &library).expect("a loop");
        let streams: Vec<_> = (1..=4).map(stream).collect();
        for (overlay, renditions) in [(true, 1), (false, 4)] {
            let meeting = Meeting { people: 4, codec: VideoCodec::Vp8, canvas: wide(360), overlay };
            let cost = Floor::new(meeting, &streams, 400).run(1, 1);
            assert_eq!((cost.renditions, cost.ears, cost.participant_s), (renditions, 4, 4.0));
            let pictures =
                (0..4).map(|n| (30..60).filter(|tick| streams[n].unit(*tick).is_some()).count() as u64);
            assert_eq!(cost.decoded, pictures.sum::<u64>());
            // Tiles are shared by scenes, and of the size that was sent: nothing is scaled twice, or for one.
            assert_eq!(cost.scaled, cost.decoded);
            let expected = 30 * renditions as u64;
            assert!((expected * 2 / 3..=expected).contains(&cost.encoded), "{} of {expected}", cost.encoded);
            assert!(Part::ALL.iter().all(|part| cost.part(*part) > 0.0) && cost.total() < 10.0);
        }
        let _ = std::fs::remove_dir_all(cache);
    }
}
