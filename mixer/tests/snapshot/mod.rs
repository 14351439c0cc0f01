//! Pictures compared as pictures: a frame against a small PNG beside the tests.
//!
//! On a difference the picture that came out lies in Cargo's folder for test output, named in the message.
//! `MIXER_SNAPSHOTS=write` takes what comes out as what is expected; look at it before committing it.

use mcu_core::media::frame::Frame;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// How much two pictures may differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    /// Per colour and pixel, of 255: rounding that differs between CPUs.
    pub(crate) step: u8,
    /// Pixels per thousand that may differ by more: edges of letters, which differ between versions of a font.
    pub(crate) pixels_permille: usize,
}

/// Kernels and geometry.
pub(crate) const EXACT: Tolerance = Tolerance { step: 0, pixels_permille: 0 };
/// Scaled pictures.
pub(crate) const SCALED: Tolerance = Tolerance { step: 4, pixels_permille: 0 };
/// Pictures with text.
pub(crate) const TEXT: Tolerance = Tolerance { step: 48, pixels_permille: 15 };

/// Fails unless `frame` looks like `tests/snapshots/{name}.png`.
pub(crate) fn assert_picture(name: &str, frame: &Frame, tolerance: Tolerance) {
    let expected_path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/{name}.png"));
    let (width, height) = (u32::from(frame.size().width), u32::from(frame.size().height));
    let actual = rgb(frame);
    if std::env::var("MIXER_SNAPSHOTS").is_ok_and(|value| value == "write") {
        write(&expected_path, &actual, width, height);
        return;
    }
    let found = read(&expected_path);
    let different = found.as_ref().map_or(usize::MAX, |(expected, w, h)| {
        if (*w, *h) == (width, height) { differing(expected, &actual, tolerance.step) } else { usize::MAX }
    });
    let allowed = (width * height) as usize * tolerance.pixels_permille / 1_000;
    if different > allowed {
        let actual_path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.actual.png"));
        write(&actual_path, &actual, width, height);
        panic!("{different} pixels differ from {}; see {}", expected_path.display(), actual_path.display());
    }
}

fn differing(expected: &[u8], actual: &[u8], step: u8) -> usize {
    let pixels = expected.chunks_exact(3).zip(actual.chunks_exact(3));
    pixels.filter(|(a, b)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > step)).count()
}

/// BT.601 limited range to RGB, in integers; for eyes, not for the product.
fn rgb(frame: &Frame) -> Vec<u8> {
    let [luma, u, v] = frame.planes();
    let mut pixels = Vec::new();
    for y in 0..usize::from(frame.size().height) {
        for x in 0..usize::from(frame.size().width) {
            let c = 298 * (i32::from(luma.row(y)[x]) - 16);
            let (d, e) = (i32::from(u.row(y / 2)[x / 2]) - 128, i32::from(v.row(y / 2)[x / 2]) - 128);
            let channels = [c + 409 * e, c - 100 * d - 208 * e, c + 516 * d];
            pixels.extend(channels.map(|channel| ((channel + 128) >> 8).clamp(0, 255) as u8));
        }
    }
    pixels
}

fn write(path: &Path, rgb: &[u8], width: u32, height: u32) {
    let file = fs::File::create(path).expect("the folder is writable");
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().expect("a header is written");
    writer.write_image_data(rgb).expect("the picture is written");
}

fn read(path: &Path) -> Option<(Vec<u8>, u32, u32)> {
    let file = BufReader::new(fs::File::open(path).ok()?);
    let mut reader = png::Decoder::new(file).read_info().ok()?;
    let mut rgb = vec![0; reader.output_buffer_size()?];
    let image = reader.next_frame(&mut rgb).ok()?;
    Some((rgb, image.width, image.height))
}

#[test]
fn a_difference_is_seen() {
    let (a, mut b) = ([100; 30], [100; 30]);
    b[4] = 103;
    b[5] = 97;
    b[29] = 104;
    assert_eq!((differing(&a, &b, 0), differing(&a, &b, 3), differing(&a, &b, 4)), (2, 1, 0));
}
