//! The code survives what a mixed picture does to it, and nothing else is ever taken for one.

use super::*;
use crate::media::picture::{self, Scenery};
use codecs::encode::EncoderSettings;
use codecs::registry::{CodecFactory, NativeCodecs};
use mcu_core::id::{ConferenceId, ParticipantId, SourceId};
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::FramePool;
use mcu_core::media::unit::{AccessUnit, Rotation, UnitHeader};
use mcu_core::privacy::{Ledger, Purpose};
use mcu_core::time::{FrameInterval, MediaTime, Mono};
use mixer::video::scale::fit_to;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn whole(size: Size) -> Rect {
    Rect { x: 0, y: 0, width: size.width, height: size.height }
}

fn source(pool: &FramePool, size: Size, code: BarCode) -> Frame {
    let mut frame = pool.get(size).unwrap();
    picture::draw(&mut frame, Scenery::TalkingHead, code.sender, code.number);
    frame.freeze()
}

fn code(sender: u16, number: u16) -> BarCode {
    BarCode { sender: SenderId(sender), number }
}

#[test]
fn every_bit_of_sender_and_number_comes_back() {
    for bit in 0..SENDER_BITS {
        let wanted = code(1 << bit, 0);
        assert_eq!(BarCode::from_cells(&wanted.cells()), Some(wanted));
    }
    for number in 0..NUMBERS {
        let wanted = code(number % 1_024, number);
        assert_eq!(BarCode::from_cells(&wanted.cells()), Some(wanted));
    }
}

#[test]
fn up_to_three_wrong_cells_are_always_noticed() {
    let right = code(693, 2_730).cells();
    let flip = |cells: &mut [[bool; SIDE]; SIDE], at: usize| cells[at / SIDE][at % SIDE] ^= true;
    for a in 0..49 {
        for b in a..49 {
            for c in b..49 {
                // Flipping one cell twice leaves the third: one wrong cell; never none.
                let mut cells = right;
                [a, b, c].into_iter().for_each(|at| flip(&mut cells, at));
                assert_eq!(BarCode::from_cells(&cells), None, "{a} {b} {c}");
            }
        }
    }
}

#[test]
fn the_mixers_scaling_and_cropping_leaves_it_readable() {
    let pool = FramePool::new("test", 8);
    let wanted = code(777, 1_234);
    for from in [Size::new(320, 180), Size::new(640, 360), Size::new(1_280, 720)] {
        let frame = source(&pool, from, wanted);
        for (width, height) in
            [(320, 180), (426, 240), (640, 360), (640, 720), (160, 90), (960, 540), (202, 360), (480, 200)]
        {
            let size = Size::new(width, height);
            let tile = fit_to(&pool, &frame, size, Fit::Cover).unwrap();
            assert_eq!(read(&tile, whole(size), Fit::Cover), Some(wanted), "{from:?} to {size:?}");
        }
        let size = Size::new(640, 640);
        let tile = fit_to(&pool, &frame, size, Fit::Contain).unwrap();
        assert_eq!(read(&tile, whole(size), Fit::Contain), Some(wanted), "{from:?} contained");
    }
}

/// Sixteen senders on one canvas, VP8 at a low rate, decoded again.
#[test]
fn sixteen_tiles_survive_vp8_at_a_low_rate() {
    const CANVAS: Size = Size::new(1_280, 720);
    let pool = FramePool::new("test", 8);
    let mut encoder =
        NativeCodecs.video_encoder(&EncoderSettings::new(VideoCodec::Vp8, CANVAS, 30, 600)).unwrap();
    let mut decoder = NativeCodecs.video_decoder(VideoCodec::Vp8).unwrap();
    let token = Ledger::default().issue(ConferenceId(1), Purpose::Mixing);
    let (mut read_well, mut bytes, mut coded) = (0, 0, 0u32);
    for number in 0..30u16 {
        let mut canvas = pool.get(CANVAS).unwrap();
        for sender in 0..16u16 {
            let tile = source(&pool, Size::new(320, 180), code(sender, number));
            paste(&mut canvas, &tile, (usize::from(sender % 4) * 320, usize::from(sender / 4) * 180));
        }
        let at = FrameInterval::FPS_30.at(u64::from(number));
        let Some(unit) = encoder.encode(&canvas.freeze(), at, false).unwrap() else { continue };
        coded += 1;
        bytes += unit.data.len();
        let header = UnitHeader {
            conference: ConferenceId(1),
            source: SourceId::main(ParticipantId(1)),
            codec: VideoCodec::Vp8,
            keyframe: unit.keyframe,
            contiguous: true,
            captured: MediaTime::ZERO,
            due: Mono::ZERO,
            rotation: Rotation::None,
        };
        let sealed = AccessUnit::seal(header, unit.data);
        let frame = decoder.decode(&token.open(sealed).unwrap()).unwrap().unwrap();
        for sender in 0..16u16 {
            let tile = Rect { x: sender % 4 * 320, y: sender / 4 * 180, width: 320, height: 180 };
            match read(&frame, tile, Fit::Cover) {
                Some(found) => {
                    assert_eq!(found, code(sender, number), "a misread");
                    read_well += 1;
                }
                None => eprintln!("unread: sender {sender}, picture {number}"),
            }
        }
    }
    eprintln!("{read_well} of {} codes read at {} kbit/s", coded * 16, bytes * 8 / 1_000);
    assert!(coded >= 10 && read_well * 100 >= coded * 16 * 99, "{read_well} of {} codes", coded * 16);
}

fn paste(canvas: &mut FrameMut, tile: &Frame, (x, y): (usize, usize)) {
    for ((mut to, from), half) in canvas.planes_mut().into_iter().zip(tile.planes()).zip([1, 2, 2]) {
        for row in 0..usize::from(from.size.height) {
            let pixels = from.row(row);
            to.row_mut(y / half + row)[x / half..][..pixels.len()].copy_from_slice(pixels);
        }
    }
}

fn luma_noise(frame: &Frame, pool: &FramePool, dice: &mut StdRng, amplitude: i16) -> Frame {
    let mut noisy = pool.get(frame.size()).unwrap();
    for (mut to, from) in noisy.planes_mut().into_iter().zip(frame.planes()) {
        for row in 0..usize::from(from.size.height) {
            for (to, from) in to.row_mut(row).iter_mut().zip(from.row(row)) {
                *to = (i16::from(*from) + dice.random_range(-amplitude..=amplitude)).clamp(0, 255) as u8;
            }
        }
    }
    noisy.freeze()
}

#[test]
fn noise_leaves_it_readable_until_it_drowns_it_and_is_never_misread() {
    let pool = FramePool::new("test", 8);
    let mut dice = StdRng::seed_from_u64(11);
    let size = Size::new(320, 180);
    for number in 0..50 {
        let wanted = code(number * 20, number);
        let frame = source(&pool, size, wanted);
        let noisy = luma_noise(&frame, &pool, &mut dice, 100);
        assert_eq!(read(&noisy, whole(size), Fit::Cover), Some(wanted));
    }
}

/// Draws `luma` of (row, column) into the cells.
fn draw_cells(pool: &FramePool, size: Size, mut luma: impl FnMut(usize, usize) -> u8) -> Frame {
    let mut frame = pool.get(size).unwrap();
    frame.fill([GREY, 128, 128]);
    let grid = Grid::in_tile(whole(size), Fit::Contain);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let across = grid.span(grid.left, column as f32, 1.0);
            fill(&mut frame, across, grid.span(grid.top, row as f32, 1.0), luma(row, column));
        }
    }
    frame.freeze()
}

#[test]
fn a_hundred_thousand_random_pictures_are_never_read() {
    let size = Size::new(84, 48);
    let pool = FramePool::new("test", 1);
    let mut dice = StdRng::seed_from_u64(20_261_121);
    for number in 0..100_000 {
        // Every second one of the hardest kind: each cell pure black or pure white.
        let is_hard = number % 2 == 0;
        let frame = draw_cells(&pool, size, |_, _| match is_hard {
            true if dice.random() => WHITE,
            true => BLACK,
            false => dice.random(),
        });
        assert_eq!(read(&frame, whole(size), Fit::Contain), None, "picture {number}");
    }
    // The same cells, when they do spell a code, are read.
    let wanted = code(5, 6);
    let cells = wanted.cells();
    let frame = draw_cells(&pool, size, |row, column| if cells[row][column] { WHITE } else { BLACK });
    assert_eq!(read(&frame, whole(size), Fit::Contain), Some(wanted));
}

#[test]
fn no_code_no_contrast_and_no_room_are_refused() {
    let pool = FramePool::new("test", 2);
    let size = Size::new(320, 180);
    let mut grey = pool.get(size).unwrap();
    grey.fill([126, 128, 128]);
    assert_eq!(read(&grey.freeze(), whole(size), Fit::Cover), None);
    let frame = source(&pool, size, code(1, 1));
    let outside = Rect { x: 200, y: 0, width: 320, height: 180 };
    assert_eq!(read(&frame, outside, Fit::Cover), None);
    let tiny = Rect { x: 0, y: 0, width: 32, height: 18 };
    assert_eq!(read(&frame, tiny, Fit::Cover), None);
}
