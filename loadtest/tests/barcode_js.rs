//! The JavaScript reader of bar codes reads what the Rust one reads, and refuses what it refuses.
//!
//! Pictures go to node as RGBA, as a browser's canvas would give them. Needs `node`; where it is missing the test
//! says SKIPPED, and fails when `CI=true`.

use loadtest::media::barcode::{self, BarCode, SenderId};
use loadtest::media::picture::{self, Scenery};
use mcu_core::conference::plan::{Fit, Rect};
use mcu_core::media::frame::{Frame, FramePool, Size};
use std::path::Path;
use std::process::Command;

const SIZE: Size = Size::new(640, 360);

/// Prints one JSON line per (picture, tile), read from raw RGBA.
const SCRIPT: &str = r"
import { readFileSync } from 'node:fs';
const [module, raw, width, height, tiles] = process.argv.slice(2);
const { readImageData } = await import(module);
const bytes = readFileSync(raw);
const frame = width * height * 4;
for (let at = 0; at < bytes.length; at += frame) {
  const data = new Uint8ClampedArray(bytes.buffer, bytes.byteOffset + at, frame);
  const image = { data, width: Number(width), height: Number(height) };
  for (const { tile, contain } of JSON.parse(tiles)) console.log(JSON.stringify(readImageData(image, tile, contain)));
}
";

fn rgba(frame: &Frame) -> Vec<u8> {
    let [y, u, v] = frame.planes();
    let mut out = Vec::new();
    for row in 0..usize::from(y.size.height) {
        for column in 0..usize::from(y.size.width) {
            let luma = 1.164 * (f32::from(y.row(row)[column]) - 16.0);
            let cb = f32::from(u.row(row / 2)[column / 2]) - 128.0;
            let cr = f32::from(v.row(row / 2)[column / 2]) - 128.0;
            let rgb = [luma + 1.596 * cr, luma - 0.392 * cb - 0.813 * cr, luma + 2.017 * cb];
            out.extend(rgb.map(|c| c.clamp(0.0, 255.0) as u8));
            out.push(255);
        }
    }
    out
}

#[test]
fn node_reads_and_refuses_what_rust_does() {
    if Command::new("node").arg("--version").output().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "node is needed");
        eprintln!("SKIPPED: node is not installed");
        return;
    }
    let tile = |x, y, width, height| Rect { x, y, width, height };
    let whole = tile(0, 0, 640, 360);
    // The whole picture both ways, an upright part of the middle as covered, and a place where no code is.
    let tiles = [
        (whole, Fit::Contain),
        (whole, Fit::Cover),
        (tile(220, 0, 200, 360), Fit::Cover),
        (tile(0, 0, 320, 180), Fit::Cover),
    ];
    let pool = FramePool::new("test", 8);
    let mut raw = Vec::new();
    let mut expected = Vec::new();
    for (sender, number) in [(0, 0), (1, 1), (700, 599), (1_023, 4_095), (512, 2_048)] {
        for scenery in [Scenery::TalkingHead, Scenery::Slides] {
            let mut frame = pool.get(SIZE).unwrap();
            picture::draw(&mut frame, scenery, SenderId(sender), number);
            let frame = frame.freeze();
            raw.extend(rgba(&frame));
            expected.extend(tiles.map(|(rect, fit)| barcode::read(&frame, rect, fit)));
        }
    }
    let readable = expected.iter().flatten().count();
    assert_eq!(readable, 30, "Rust reads three tiles of four of ten pictures");

    let scratch = std::env::temp_dir().join(format!("loadtest-barcode-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let (script, pictures) = (scratch.join("read.mjs"), scratch.join("pictures.rgba"));
    std::fs::write(&script, SCRIPT).unwrap();
    std::fs::write(&pictures, raw).unwrap();
    let tiles: Vec<_> = tiles
        .iter()
        .map(|(rect, fit)| serde_json::json!({"tile": rect, "contain": *fit == Fit::Contain}))
        .collect();
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/barcode.mjs");
    let output = Command::new("node")
        .arg(&script)
        .args([module.as_path(), &pictures])
        .args(["640", "360", &serde_json::to_string(&tiles).unwrap()])
        .output()
        .unwrap();
    std::fs::remove_dir_all(&scratch).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Vec<Option<BarCode>> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let field = |name: &str| value.get(name).and_then(serde_json::Value::as_u64);
            let (sender, number) = field("sender").zip(field("number"))?;
            Some(BarCode { sender: SenderId(sender as u16), number: number as u16 })
        })
        .collect();
    assert_eq!(read, expected);
}
