//! A first look at an offer: is it small enough, and text of the form of SDP (RFC 8866 §5), to be worth parsing?
//!
//! Flow: offer, WHIP and WHEP handlers -> **here** -> control thread -> the transport's parser. One pass, no
//! allocation but the outline. Bounds: `limits::SDP_BYTES_MAX`, [`SDP_LINES_MAX`], [`SDP_LINE_BYTES_MAX`],
//! `limits::SDP_MEDIA_LINES_MAX`. Never judges codecs, ICE or DTLS.

use crate::model::Lines;
use crate::problem::ApiError;
use mcu_core::limits::{SDP_BYTES_MAX, SDP_MEDIA_LINES_ANSWERED_MAX, SDP_MEDIA_LINES_MAX};

/// Lines of an SDP body; a browser's offer of four media lines with every codec has about 500.
pub const SDP_LINES_MAX: usize = 4_096;
/// Bytes of one line; the longest that a browser writes is an `fmtp` of under 200.
pub const SDP_LINE_BYTES_MAX: usize = 2_048;
/// Characters of a `mid` (RFC 9143 §15.2 asks for 3 at most; browsers write 1 or 2, some tools a word).
pub const MID_CHARS_MAX: usize = 16;

/// What is wrong with an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Over `limits::SDP_BYTES_MAX`.
    #[error("the offer has {bytes} bytes, over {SDP_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Over [`SDP_LINES_MAX`].
    #[error("the offer has over {SDP_LINES_MAX} lines")]
    TooManyLines,
    /// One over [`SDP_LINE_BYTES_MAX`].
    #[error("line {line} of the offer has over {SDP_LINE_BYTES_MAX} bytes")]
    LineTooLong {
        /// Counted from 1.
        line: usize,
    },
    /// It does not begin with `v=0`.
    #[error("the offer does not begin with v=0")]
    NoVersion,
    /// Not a letter, an equals sign and text.
    #[error("line {line} of the offer is not of the form x=text")]
    NotALine {
        /// Counted from 1.
        line: usize,
    },
    /// No `m=` line.
    #[error("the offer has no media line")]
    NoMedia,
    /// Over what is parsed, or answered.
    #[error("the offer has {count} media lines; {SDP_MEDIA_LINES_ANSWERED_MAX} are answered")]
    TooManyMedia {
        /// How many, counted up to one over `limits::SDP_MEDIA_LINES_MAX`.
        count: usize,
    },
    /// Two media lines of one `mid`, or one that no `mid` can be.
    #[error("line {line} of the offer has a mid that is not a short word of its own")]
    BadMid {
        /// Counted from 1.
        line: usize,
    },
    /// `lines` names a `mid` that the offer has not.
    #[error("lines names a mid that the offer does not have")]
    UnknownMid,
}

impl From<SdpError> for ApiError {
    fn from(error: SdpError) -> Self {
        match error {
            SdpError::TooLarge { .. } => Self::TooLarge { limit_bytes: SDP_BYTES_MAX },
            other => Self::sdp_invalid(other),
        }
    }
}

/// The `mid` of each media line, in order, where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline<'a> {
    mids: Vec<Option<&'a str>>,
}

impl Outline<'_> {
    /// How many media lines.
    pub const fn media_lines(&self) -> usize {
        self.mids.len()
    }

    /// Whether a media line has this `mid`.
    pub fn has_mid(&self, mid: &str) -> bool {
        self.mids.contains(&Some(mid))
    }

    /// Whether every `mid` in `lines` is one of the offer's.
    ///
    /// # Errors
    /// [`SdpError::UnknownMid`].
    pub fn check(&self, lines: &Lines) -> Result<(), SdpError> {
        if lines.keys().all(|mid| self.has_mid(mid)) { Ok(()) } else { Err(SdpError::UnknownMid) }
    }
}

/// Looks at an offer once.
///
/// # Errors
/// [`SdpError`].
pub fn precheck(sdp: &str) -> Result<Outline<'_>, SdpError> {
    if sdp.len() > SDP_BYTES_MAX {
        return Err(SdpError::TooLarge { bytes: sdp.len() });
    }
    let mut outline = Outline::default();
    let mut media_lines = 0_usize;
    // RFC 8866 §5: lines end with CRLF; parsers should take LF alone.
    for (index, text) in sdp.lines().enumerate() {
        let line = index + 1;
        if line > SDP_LINES_MAX {
            return Err(SdpError::TooManyLines);
        }
        if text.len() > SDP_LINE_BYTES_MAX {
            return Err(SdpError::LineTooLong { line });
        }
        if line == 1 && text != "v=0" {
            return Err(SdpError::NoVersion);
        }
        let (kind, value) = split(text).ok_or(SdpError::NotALine { line })?;
        if kind == 'm' {
            media_lines += 1;
            if media_lines > SDP_MEDIA_LINES_MAX {
                break;
            }
            outline.mids.push(None);
        } else if let ('a', Some(mid)) = (kind, value.strip_prefix("mid:")) {
            let known = outline.has_mid(mid);
            let slot = outline.mids.last_mut().filter(|slot| slot.is_none() && !known && is_mid(mid));
            *slot.ok_or(SdpError::BadMid { line })? = Some(mid);
        }
    }
    match media_lines {
        0 if sdp.is_empty() => Err(SdpError::NoVersion),
        0 => Err(SdpError::NoMedia),
        count if count > SDP_MEDIA_LINES_ANSWERED_MAX => Err(SdpError::TooManyMedia { count }),
        _ => Ok(outline),
    }
}

fn split(line: &str) -> Option<(char, &str)> {
    let (kind, value) = line.split_once('=')?;
    let &[letter] = kind.as_bytes() else { return None };
    (letter.is_ascii_lowercase() && !value.chars().any(char::is_control))
        .then_some((char::from(letter), value))
}

/// RFC 8866 §9 `token`.
fn is_mid(text: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`{|}~".contains(c);
    (1..=MID_CHARS_MAX).contains(&text.len()) && text.chars().all(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";

    #[test]
    fn an_offer_of_four_lines_is_outlined() {
        let media = |n: u32| format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{n}\r\n");
        let text: String = std::iter::once(HEAD.to_owned()).chain((0..4).map(media)).collect();
        let outline = precheck(&text).expect("a fair offer");
        assert_eq!(outline.media_lines(), 4);
        assert!(outline.has_mid("3") && !outline.has_mid("4"));
        let lines = |mid: &str| Lines::from([(mid.to_owned(), mcu_core::id::SourceKind::Content)]);
        assert_eq!(outline.check(&lines("2")), Ok(()));
        assert_eq!(outline.check(&lines("4")), Err(SdpError::UnknownMid));
        assert!(precheck(&text.replace("\r\n", "\n")).is_ok(), "LF alone will do");
    }

    #[test]
    fn each_limit_has_its_error() {
        let media = "m=audio 9 X 0\r\n";
        let cases = [
            (String::new(), SdpError::NoVersion),
            ("hello".into(), SdpError::NoVersion),
            (HEAD.into(), SdpError::NoMedia),
            (format!("{HEAD}{}", media.repeat(17)), SdpError::TooManyMedia { count: 17 }),
            (
                format!("{HEAD}{}", media.repeat(500)),
                SdpError::TooManyMedia { count: SDP_MEDIA_LINES_MAX + 1 },
            ),
            (format!("{HEAD}a={}\r\n", "x".repeat(SDP_LINE_BYTES_MAX)), SdpError::LineTooLong { line: 5 }),
            (format!("{HEAD}{}", "a=x\r\n".repeat(SDP_LINES_MAX)), SdpError::TooManyLines),
            (format!("{HEAD}nonsense\r\n"), SdpError::NotALine { line: 5 }),
            (format!("{HEAD}a=x\0y\r\n"), SdpError::NotALine { line: 5 }),
            (format!("{HEAD}a=mid:0\r\n{media}"), SdpError::BadMid { line: 5 }),
            (format!("{HEAD}{media}a=mid:0\r\n{media}a=mid:0\r\n"), SdpError::BadMid { line: 8 }),
            (format!("{HEAD}{media}a=mid:a b\r\n"), SdpError::BadMid { line: 6 }),
            ("x".repeat(SDP_BYTES_MAX + 1), SdpError::TooLarge { bytes: SDP_BYTES_MAX + 1 }),
        ];
        for (text, error) in cases {
            assert_eq!(precheck(&text), Err(error));
        }
    }
}
