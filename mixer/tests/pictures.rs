//! Whole canvases, as people would see them, against small PNGs: grids, fits, names in three scripts, avatars,
//! marks, borders and cards. Text needs the fonts of `scripts/packages.txt`.

mod snapshot;

use mcu_core::conference::Card;
use mcu_core::conference::plan::{Fit, Rect, Scene, Tile};
use mcu_core::id::{ParticipantId, SceneId, SourceId};
use mcu_core::media::frame::{Frame, FramePool, Size};
use mcu_core::time::FrameInterval;
use mixer::video::compose::Composer;
use mixer::video::overlay::Overlay;
use mixer::video::scale::TileCache;
use mixer::video::text::{Typeface, font_report};
use snapshot::{EXACT, SCALED, TEXT, assert_picture};
use std::sync::Arc;

const SMALL: Size = Size::new(320, 180);
const LARGE: Size = Size::new(640, 360);

/// A camera's picture that nobody else's camera makes: a hue of its own, a light gradient, a white corner mark at
/// the top left, a black one at the bottom right, and a ring in the middle that shows its shape.
fn camera(person: u8, size: Size) -> Frame {
    let mut frame = FramePool::new("camera", 1).get(size).expect("one is free");
    let [mut luma, u, v] = frame.planes_mut();
    let (width, height) = (i32::from(size.width), i32::from(size.height));
    let ring = width.min(height) * 3 / 8;
    for y in 0..height {
        let row = luma.row_mut(y as usize);
        for x in 0..width {
            let (dx, dy) = (x - width / 2, y - height / 2);
            let distance = dx * dx + dy * dy;
            let corner = |x: i32, y: i32| x < width / 10 && y < height / 10;
            row[x as usize] = if corner(x, y) {
                235
            } else if corner(width - 1 - x, height - 1 - y) {
                16
            } else if distance < ring * ring && distance > (ring * 7 / 8) * (ring * 7 / 8) {
                200
            } else {
                (70 + 80 * x / width) as u8
            };
        }
    }
    let hue = [
        (90, 160),
        (160, 90),
        (100, 100),
        (160, 150),
        (128, 170),
        (80, 128),
        (170, 120),
        (128, 80),
        (140, 140),
    ];
    let (blue, red) = hue[usize::from(person - 1) % hue.len()];
    u.data.fill(blue);
    v.data.fill(red);
    frame.freeze()
}

fn tile(person: u64, rect: Rect) -> Tile {
    Tile {
        source: SourceId::main(ParticipantId(person)),
        rect,
        fit: Fit::Cover,
        video: true,
        name: "".into(),
        speaking: false,
        muted: false,
        in_the_clear: false,
    }
}

/// `columns` x `rows` places with gutters of two pixels.
fn grid(canvas: Size, columns: u16, rows: u16) -> impl Iterator<Item = Rect> {
    let (width, height) = ((canvas.width / columns) & !1, (canvas.height / rows) & !1);
    (0..columns * rows).map(move |i| Rect {
        x: i % columns * width + 2,
        y: i / columns * height + 2,
        width: width - 4,
        height: height - 4,
    })
}

/// Composes a card.
fn show_card(title: &str, lines: &[&str], typeface: &Typeface) -> Frame {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    let card = Some(Arc::new(Card { title: title.to_owned(), lines }));
    let (id, interval, tiles) = (SceneId(1), FrameInterval::FPS_30, Arc::default());
    let scene = Scene { id, canvas: LARGE, interval, tiles, card };
    let mut composer = Composer::new(FramePool::new("canvas", 2));
    composer.compose(&scene, &[], &mut Overlay::new(typeface)).expect("the pool has room").canvas
}

/// Scales and composes one scene, as a tick does.
fn show(canvas: Size, tiles: &[Tile], cameras: &[Option<Frame>], typeface: &Typeface) -> Frame {
    let interval = FrameInterval::FPS_30;
    let scene = Scene { id: SceneId(1), canvas, interval, tiles: tiles.into(), card: None };
    let mut cache = TileCache::new(FramePool::new("tiles", 32));
    let pictures: Vec<_> = tiles
        .iter()
        .zip(cameras)
        .map(|(tile, camera)| {
            let size = Size::new(tile.rect.width, tile.rect.height);
            camera
                .as_ref()
                .map(|frame| cache.tile(tile.source, frame, size, tile.fit).expect("the pool has room"))
        })
        .collect();
    let mut composer = Composer::new(FramePool::new("canvas", 2));
    composer.compose(&scene, &pictures, &mut Overlay::new(typeface)).expect("the pool has room").canvas
}

#[test]
fn grids_of_one_to_nine() {
    for (people, columns, rows) in [(1_u8, 1, 1), (2, 2, 1), (4, 2, 2), (9, 3, 3)] {
        let tiles: Vec<_> = (1..).zip(grid(SMALL, columns, rows)).map(|(id, rect)| tile(id, rect)).collect();
        let cameras: Vec<_> = (1..=people).map(|person| Some(camera(person, Size::new(640, 360)))).collect();
        let canvas = show(SMALL, &tiles, &cameras, &Typeface::none());
        assert_picture(&format!("grid-{people}"), &canvas, SCALED);
    }
}

#[test]
fn people_fill_their_tile_and_slides_are_shown_whole() {
    let shapes = [Size::new(480, 360), Size::new(360, 640), Size::new(1280, 200)];
    let places: Vec<_> = grid(SMALL, 3, 2).collect();
    let tiles: Vec<_> = (0..6)
        .map(|i| Tile { fit: if i < 3 { Fit::Cover } else { Fit::Contain }, ..tile(i as u64 + 1, places[i]) })
        .collect();
    let cameras: Vec<_> = (0..6).map(|i| Some(camera(i as u8 % 3 + 1, shapes[i % 3]))).collect();
    assert_picture("fit-cover-above-contain", &show(SMALL, &tiles, &cameras, &Typeface::none()), SCALED);
}

#[test]
fn marks_and_borders_need_no_font() {
    let places: Vec<_> = grid(SMALL, 2, 2).collect();
    let tiles = [
        Tile { speaking: true, ..tile(1, places[0]) },
        Tile { muted: true, ..tile(2, places[1]) },
        Tile { video: false, speaking: true, muted: true, ..tile(3, places[2]) },
        Tile { video: false, name: "No Font".into(), ..tile(4, places[3]) },
    ];
    // Pictures of the tiles' very size: nothing is scaled, every byte is ours.
    let size = Size::new(places[0].width, places[0].height);
    let cameras: Vec<_> = (1..=4).map(|person| Some(camera(person, size))).collect();
    assert_picture("marks-without-fonts", &show(SMALL, &tiles, &cameras, &Typeface::none()), EXACT);
}

#[test]
fn whose_media_go_in_the_clear_has_an_open_padlock() {
    let places: Vec<_> = grid(SMALL, 2, 2).collect();
    let tiles = [
        tile(1, places[0]),
        Tile { in_the_clear: true, ..tile(2, places[1]) },
        Tile { in_the_clear: true, muted: true, ..tile(3, places[2]) },
        Tile { in_the_clear: true, video: false, ..tile(4, places[3]) },
    ];
    let size = Size::new(places[0].width, places[0].height);
    let cameras: Vec<_> = (1..=4).map(|person| Some(camera(person, size))).collect();
    assert_picture("in-the-clear", &show(SMALL, &tiles, &cameras, &Typeface::none()), EXACT);
}

#[test]
fn names_in_three_scripts() {
    let names = [
        ("Ayşe Yılmaz", true, false),
        ("ليلى العامري", false, true),
        ("山田 太郎", false, false),
        ("田中 さくら", true, true),
        ("Wolfeschlegelsteinhausenbergerdorff the Elder", false, true),
        ("مستخدم باسم طويل جدا لا يتسع له المكان المخصص", false, false),
        ("evil\u{202e}gnp.exe\u{2066}\n\u{0}", false, false),
        (
            "Zalgo\u{316}\u{317}\u{318}\u{319}\u{31c}\u{31d}\u{31e}\u{31f}\u{320}\u{324}\u{325}\u{326}\u{329}",
            false,
            false,
        ),
        ("Δημήτρης Юлія אבי", false, false),
    ];
    let tiles: Vec<_> = (1..)
        .zip(grid(LARGE, 3, 3))
        .zip(names)
        .map(|((id, rect), (name, speaking, muted))| Tile {
            name: name.into(),
            speaking,
            muted,
            ..tile(id, rect)
        })
        .collect();
    let cameras: Vec<_> = (1..=9).map(|person| Some(camera(person, Size::new(640, 360)))).collect();
    assert_picture("names", &show(LARGE, &tiles, &cameras, &Typeface::system()), TEXT);
}

#[test]
fn avatars() {
    let names = [
        "Ayşe Yılmaz",
        "ليلى العامري",
        "山田 太郎",
        "Plato",
        "李",
        "",
        "élodie de la fontaine",
        "🦊 Fox",
        "Ольга Ким",
    ];
    let tiles: Vec<_> = (1..)
        .zip(grid(LARGE, 3, 3))
        .zip(names)
        .map(|((id, rect), name)| Tile { name: name.into(), video: false, ..tile(id, rect) })
        .collect();
    assert_picture("avatars", &show(LARGE, &tiles, &vec![None; 9], &Typeface::system()), TEXT);
}

#[test]
fn cards() {
    let system = Typeface::system();
    let welcome = ["Please enter the PIN of the meeting,", "then press #", "", "PIN: ••••"];
    let cards = [
        ("card", "Daily stand-up", &welcome[..]),
        ("card-arabic", "الاجتماع الأسبوعي", &["أدخل الرقم السري ثم اضغط #", "3 أشخاص في الاجتماع"]),
        ("card-han", "每周例会 ・ 週次定例会議", &["请输入会议密码,然后按 # 键"]),
        (
            "card-long",
            "The quarterly meeting of everybody who has ever had anything to do with it",
            &[
                "https://meet.example.org/m/the-quarterly-meeting-of-everybody-who-has-ever-had-anything-to-do",
            ],
        ),
        ("card-hostile", "evil\u{202e}gnp.exe\n\u{0}e\u{316}\u{317}\u{318}\u{319}\u{31c}\u{31d}", &[""; 9]),
    ];
    for (name, title, lines) in cards {
        assert_picture(name, &show_card(title, lines, &system), TEXT);
    }
    assert_picture("card-without-fonts", &show_card("No font", &["at all"], &Typeface::none()), EXACT);
}

#[test]
fn the_report_says_what_can_be_written() {
    let none = font_report(&Typeface::none());
    assert_eq!((none.faces, none.family, none.scripts.iter().any(|(_, written)| *written)), (0, None, false));
    let system = font_report(&Typeface::system());
    // The packages hold no Hangul; the report must say so or, where more is installed, may say the contrary.
    let needed = system.scripts.iter().filter(|(script, _)| *script != "Hangul");
    let missing: Vec<_> = needed.filter(|(_, written)| !written).collect();
    assert!(missing.is_empty(), "fonts are missing for {missing:?} (see scripts/packages.txt)");
    assert!(system.faces > 0 && system.family.is_some());
}
