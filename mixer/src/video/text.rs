//! Text: names shaped and rasterised, whatever script they are in and whatever somebody hid in them.
//!
//! Used by overlay and avatar, when a name first shows. [`Typeface`] is loaded once per node; each conference has
//! a [`TextPainter`] of its own. A node without any font works: its tiles carry no text, and [`font_report`] says
//! so. Names are hostile: [`clean_name`] takes out what could reorder, hide or overflow, and a shaper that panics
//! costs that one text.

use crate::video::sprite::Painting;
use cosmic_text::fontdb::{self, Family, Stretch, Style, Weight};
use cosmic_text::{
    Attrs, Buffer, CacheKey, Ellipsize, EllipsizeHeightLimit, FontSystem, Metrics, Shaping, SwashCache,
    SwashContent, Wrap,
};
use mcu_core::limits::DISPLAY_NAME_CHARS_MAX;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use unicode_segmentation::UnicodeSegmentation;

/// Code points of one character as a reader sees it; families of emoji have eleven, stacked accents have hundreds.
const GRAPHEME_CHARS_MAX: usize = 12;
/// Sans-serif families to prefer, best first; what is missing falls back by script.
const FAMILIES: [&str; 5] = ["Noto Sans", "Inter", "DejaVu Sans", "Liberation Sans", "Droid Sans"];
/// Glyph images kept before the cache starts afresh: some hundreds of names.
const GLYPHS_MAX: usize = 4_096;

/// The fonts of this machine. Cloning is cheap beside loading.
#[derive(Debug, Clone)]
pub struct Typeface {
    fonts: fontdb::Database,
    family: Option<String>,
}

impl Typeface {
    /// Finds the installed fonts; reads the disk, so for the start of the node.
    pub fn system() -> Self {
        let mut fonts = fontdb::Database::new();
        fonts.load_system_fonts();
        Self::from_database(fonts)
    }

    /// No font at all: tiles without text.
    pub fn none() -> Self {
        Self::from_database(fontdb::Database::new())
    }

    fn from_database(mut fonts: fontdb::Database) -> Self {
        // Names are set in one plain style. A character that no font has makes the shaper open every face there
        // is, so the others, three of four, only cost.
        let plain = |face: &fontdb::FaceInfo| {
            face.weight == Weight::NORMAL && face.style == Style::Normal && face.stretch == Stretch::Normal
        };
        let others: Vec<_> = fonts.faces().filter(|face| !plain(face)).map(|face| face.id).collect();
        if others.len() < fonts.len() {
            others.into_iter().for_each(|id| fonts.remove_face(id));
        }
        let has =
            |name: &str| fonts.faces().any(|face| face.families.iter().any(|(family, _)| family == name));
        let first = || fonts.faces().find_map(|face| face.families.first().map(|(name, _)| name.clone()));
        let family = FAMILIES.into_iter().find(|name| has(name)).map(str::to_owned).or_else(first);
        if let Some(family) = &family {
            fonts.set_sans_serif_family(family.as_str());
        }
        Self { fonts, family }
    }
}

/// What names can be written in, for `mcu doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FontReport {
    /// Font faces found.
    pub faces: usize,
    /// The family that Latin names are set in.
    pub family: Option<String>,
    /// Scripts that some font can write, and whether it can, by English name.
    pub scripts: Vec<(&'static str, bool)>,
}

/// What the fonts of `typeface` can write. Shapes a sample of each script, so it takes some milliseconds.
pub fn font_report(typeface: &Typeface) -> FontReport {
    const SAMPLES: [(&str, &str); 8] = [
        ("Latin", "Ayşe"),
        ("Greek", "Ζωή"),
        ("Cyrillic", "Юлія"),
        ("Arabic", "ليلى"),
        ("Hebrew", "יעל"),
        ("Devanagari", "आशा"),
        ("Han and Kana", "山田さくら"),
        ("Hangul", "김민준"),
    ];
    let mut painter = TextPainter::new(typeface);
    let scripts = SAMPLES.map(|(script, sample)| {
        let written = painter.line(sample, 16.0, 1_000.0).is_some_and(|line| line.missing == 0);
        (script, written)
    });
    FontReport { faces: typeface.fonts.len(), family: typeface.family.clone(), scripts: scripts.into() }
}

/// A name as it may be shown: no control, bidi or invisible formatting characters, spaces single, characters of
/// bounded height, at most `DISPLAY_NAME_CHARS_MAX` code points.
pub fn clean_name(raw: &str) -> String {
    clean_text(raw, DISPLAY_NAME_CHARS_MAX)
}

/// The same of any text, at most `chars_max` code points.
pub(crate) fn clean_text(raw: &str, chars_max: usize) -> String {
    let mut text = String::new();
    let mut chars_len = 0;
    // Whoever sends a megabyte has the rest of it ignored before anything looks at it.
    let raw: String = raw.chars().take(8 * chars_max).filter_map(shown).collect();
    let joined = raw.split_whitespace().collect::<Vec<_>>().join(" ");
    for grapheme in joined.graphemes(true) {
        let kept: String = grapheme.chars().take(GRAPHEME_CHARS_MAX).collect();
        chars_len += kept.chars().count();
        if chars_len > chars_max {
            break;
        }
        text.push_str(&kept);
    }
    // Cut between two words, it would end in a space.
    text.truncate(text.trim_end().len());
    text
}

/// What a character of a name is shown as; `None`: it is left out.
fn shown(c: char) -> Option<char> {
    match c {
        _ if c.is_whitespace() || c.is_control() => Some(' '),
        // Soft hyphen; Arabic letter mark; Mongolian separator; zero-width space and the two direction marks;
        // embeddings, overrides and isolates; invisible operators; byte order mark; annotations; tags.
        // The two joiners U+200C and U+200D stay: Persian and Indic spelling and emoji need them.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}' => None,
        '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffc}' | '\u{e0000}'..='\u{e0fff}' => None,
        // Blank letters, used to look nameless: Hangul fillers, Braille blank.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' => Some(' '),
        // Private use and noncharacters: no two machines agree on them.
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => Some('\u{fffd}'),
        _ => Some(c),
    }
}

/// One shaped line of text.
#[derive(Debug)]
pub(crate) struct Line {
    glyphs: Vec<(CacheKey, i32, i32)>,
    /// Characters that no font can write.
    pub(crate) missing: usize,
    /// Pixels that are inked, relative to the start of the baseline: left, top, right, bottom.
    pub(crate) ink: [i32; 4],
}

impl Line {
    /// Pixels across that are inked.
    pub(crate) fn width(&self) -> i32 {
        self.ink[2] - self.ink[0]
    }
}

/// Shapes and draws text. One per conference, used by one thread at a time.
#[derive(Debug)]
pub struct TextPainter {
    typeface: Typeface,
    fonts: Option<FontSystem>,
    images: SwashCache,
    panics: u64,
}

impl TextPainter {
    /// A painter with the fonts of `typeface`.
    pub fn new(typeface: &Typeface) -> Self {
        Self { fonts: Self::open(typeface), typeface: typeface.clone(), images: SwashCache::new(), panics: 0 }
    }

    /// Texts given up because the shaper panicked on them.
    pub fn panics(&self) -> u64 {
        self.panics
    }

    /// The shaper expects a default font, so without any there is no shaper.
    fn open(typeface: &Typeface) -> Option<FontSystem> {
        let fonts = typeface.fonts.clone();
        (!fonts.is_empty()).then(|| FontSystem::new_with_locale_and_db("en-US".to_owned(), fonts))
    }

    /// Shapes one line at `size_px`, its end replaced by an ellipsis where it would be wider than `width_max`.
    /// `None` without fonts, for a text without ink, and for one that the shaper cannot take.
    pub(crate) fn line(&mut self, text: &str, size_px: f32, width_max: f32) -> Option<Line> {
        let fonts = self.fonts.as_mut()?;
        let images = &mut self.images;
        if images.image_cache.len() > GLYPHS_MAX {
            *images = SwashCache::new();
        }
        // Both are thrown away when shaping unwinds, so nobody sees them half-changed.
        let shaped = catch_unwind(AssertUnwindSafe(|| shape(fonts, images, text, size_px, width_max)));
        shaped.unwrap_or_else(|_| {
            self.panics += 1;
            self.fonts = Self::open(&self.typeface);
            self.images = SwashCache::new();
            None
        })
    }

    /// Paints a line in `rgb` so that its ink's left edge is at `left` and its baseline at `baseline`.
    pub(crate) fn paint(
        &mut self,
        line: &Line,
        painting: &mut Painting,
        left: i32,
        baseline: i32,
        rgb: [u8; 3],
    ) {
        let Some(fonts) = self.fonts.as_mut() else { return };
        for (key, x, y) in &line.glyphs {
            let Some(image) = self.images.get_image(fonts, *key) else { continue };
            let left = left - line.ink[0] + x + image.placement.left;
            let top = baseline + y - image.placement.top;
            let width = image.placement.width.max(1) as usize;
            let bytes_per_pixel = if image.content == SwashContent::Mask { 1 } else { 4 };
            for (row, top) in image.data.chunks_exact(width * bytes_per_pixel).zip(top..) {
                for (pixel, left) in row.chunks_exact(bytes_per_pixel).zip(left..) {
                    match *pixel {
                        [alpha] => painting.dab(left, top, rgb, alpha),
                        [r, g, b, alpha] => painting.dab(left, top, [r, g, b], alpha),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// The text, after a mark of its direction where it runs to the left but begins with a number or a sign: the shaper (cosmic-text
/// 0.19) leaves out whatever is of another direction than the line that it begins.
fn anchored(text: &str) -> Cow<'_, str> {
    let runs_left = |c: char| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    };
    match text.chars().position(char::is_alphabetic) {
        Some(at) if at > 0 && text.chars().nth(at).is_some_and(runs_left) => format!("\u{200f}{text}").into(),
        _ => text.into(),
    }
}

fn shape(
    fonts: &mut FontSystem,
    images: &mut SwashCache,
    text: &str,
    size_px: f32,
    width_max: f32,
) -> Option<Line> {
    let mut buffer = Buffer::new(fonts, Metrics::new(size_px, (size_px * 1.3).ceil()));
    buffer.set_size(Some(width_max), None);
    buffer.set_wrap(Wrap::None);
    buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(1)));
    buffer.set_text(&anchored(text), &Attrs::new().family(Family::SansSerif), Shaping::Advanced, None);
    buffer.shape_until_scroll(fonts, false);
    let run = buffer.layout_runs().next()?;
    let mut line = Line { glyphs: Vec::new(), missing: 0, ink: [i32::MAX, i32::MAX, i32::MIN, i32::MIN] };
    for glyph in run.glyphs {
        line.missing += usize::from(glyph.glyph_id == 0);
        let glyph = glyph.physical((0.0, 0.0), 1.0);
        let Some(image) = images.get_image(fonts, glyph.cache_key) else { continue };
        let (left, top) = (glyph.x + image.placement.left, glyph.y - image.placement.top);
        if image.placement.width > 0 && image.placement.height > 0 {
            let right = left + image.placement.width as i32;
            let bottom = top + image.placement.height as i32;
            let [l, t, r, b] = line.ink;
            line.ink = [l.min(left), t.min(top), r.max(right), b.max(bottom)];
        }
        line.glyphs.push((glyph.cache_key, glyph.x, glyph.y));
    }
    (line.ink[0] < line.ink[2]).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    #[test]
    fn a_name_keeps_its_letters_and_loses_its_tricks() {
        let long = "ab ".repeat(100);
        let tower = format!("e{}", "\u{301}".repeat(500));
        let cases = [
            ("Ayşe Yılmaz", "Ayşe Yılmaz"),
            ("  two\t \n lines\r\n", "two lines"),
            ("evil\u{202e}gpj.exe\u{2069}", "evilgpj.exe"),
            ("a\u{0}b\u{7f}c\u{85}d", "a b c d"),
            ("zero\u{200b}width\u{feff}", "zerowidth"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
            ("👩\u{200d}👩\u{200d}👧\u{200d}👦", "👩\u{200d}👩\u{200d}👧\u{200d}👦"),
            ("\u{3164}\u{2800}\u{115f}", ""),
            ("\u{e000}", "\u{fffd}"),
        ];
        for (raw, expected) in cases {
            assert_eq!(clean_name(raw), expected, "of {raw:?}");
            assert_eq!(clean_name(expected), expected, "clean stays clean");
        }
        assert_eq!(clean_name(&long).chars().count(), 64);
        let two_words = format!("{} b", "a".repeat(DISPLAY_NAME_CHARS_MAX - 1));
        assert_eq!(clean_name(&two_words), "a".repeat(DISPLAY_NAME_CHARS_MAX - 1), "cut before the space");
        assert_eq!(clean_name(&tower).chars().count(), GRAPHEME_CHARS_MAX);
        assert_eq!(clean_name(&"x".repeat(10_000_000)).len(), DISPLAY_NAME_CHARS_MAX);
    }

    #[test]
    fn any_name_at_all_is_cleaned_and_shaped_within_its_width() {
        let mut random = StdRng::seed_from_u64(0x7e47);
        let mut painter = TextPainter::new(&Typeface::system());
        // Ranges that shapers find hard: marks, joiners, right-to-left, Indic, emoji, and everything.
        let ranges = [
            0x20..0x7f,
            0x300..0x370,
            0x590..0x700,
            0x900..0xe00,
            0x2000..0x2070,
            0x1f300..0x1fa00,
            0..0x11_0000,
        ];
        let mut shaped = 0;
        for round in 0..150 {
            let length = random.random_range(0..40);
            let raw: String = (0..length)
                .filter_map(|_| {
                    let range = ranges[random.random_range(0..ranges.len())].clone();
                    char::from_u32(random.random_range(range))
                })
                .collect();
            let name = clean_name(&raw);
            assert!(name.chars().count() <= DISPLAY_NAME_CHARS_MAX);
            assert!(!name.chars().any(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')));
            let width_max = random.random_range(8.0..300.0_f32);
            if let Some(line) = painter.line(&name, 14.0, width_max) {
                shaped += 1;
                let mut painting = Painting::new(64, 24);
                painter.paint(&line, &mut painting, 4, 16, [255; 3]);
                assert!(line.width() < 600, "round {round}: {} px of {width_max} for {name:?}", line.width());
            }
        }
        assert!(shaped > 75, "the control: {shaped} were shaped");
        assert_eq!(painter.panics(), 0);
    }

    #[test]
    fn a_long_name_ends_within_its_width() {
        let mut painter = TextPainter::new(&Typeface::system());
        for name in [
            "Wolfeschlegelsteinhausenbergerdorff",
            "مستخدم باسم طويل جدا لا يتسع له المكان",
            "寿限無寿限無五劫の擦り切れ海砂利水魚",
        ] {
            let whole = painter.line(name, 16.0, 10_000.0).expect("fonts are installed").width();
            let cut = painter.line(name, 16.0, 100.0).expect("fonts are installed").width();
            assert!(whole > 150 && (60..=102).contains(&cut), "{name}: {whole} px, cut to {cut}");
        }
    }

    #[test]
    fn a_number_before_a_word_that_runs_left_is_written() {
        let mut painter = TextPainter::new(&Typeface::system());
        let mut width = |text| {
            let line = painter.line(text, 16.0, 1_000.0).expect("fonts are installed");
            assert_eq!(line.missing, 0, "{text}");
            line.width()
        };
        for (word, number) in [("ימים", "7 ימים"), ("أشخاص", "3 أشخاص"), ("دقيقة", "(15) دقيقة")]
        {
            assert!(width(number) >= width(word) + 8, "{number}");
        }
    }

    #[test]
    fn without_fonts_there_is_no_text_and_no_panic() {
        let mut painter = TextPainter::new(&Typeface::none());
        assert!(painter.line("Ada", 16.0, 100.0).is_none());
        assert_eq!(painter.panics(), 0);
    }
}
