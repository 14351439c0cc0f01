//! XML media control (RFC 5168): the body of an INFO by which devices ask for a key frame where RTCP is not agreed, or lost.
//!
//! Flow: `invitation` -> **here**. Pure. Bounds: [`BYTES_MAX`], [`DEPTH_MAX`].
//!
//! One path of element names is looked for, and names have no prefix in RFC 5168 §8's schema: a walk along the tags finds it, and knows neither
//! entities nor documents type definitions, by which XML parsers are attacked. Text that has any is no request.

/// The longest body that is read: the example of RFC 5168 §7 has 160.
const BYTES_MAX: usize = 4_096;
/// Elements within each other; the path below has four.
const DEPTH_MAX: usize = 8;
/// What asks for a key frame (RFC 5168 §7).
const PICTURE_FAST_UPDATE: [&str; 4] = ["media_control", "vc_primitive", "to_encoder", "picture_fast_update"];

/// Whether a body of `application/media_control+xml` asks for a key frame. What is not well formed asks for nothing.
pub(super) fn wants_keyframe(body: &[u8]) -> bool {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= BYTES_MAX);
    text.and_then(find).unwrap_or(false)
}

/// Walks along all tags; `None` when they do not match each other.
fn find(text: &str) -> Option<bool> {
    let mut open: Vec<&str> = Vec::with_capacity(DEPTH_MAX);
    let (mut found, mut rest) = (false, text);
    while let Some((_, after)) = rest.split_once('<') {
        let end = if after.starts_with("!--") { "-->" } else { ">" };
        let (tag, behind) = after.split_once(end)?;
        rest = behind;
        match tag.as_bytes().first()? {
            b'?' => {}
            b'!' if end == "-->" => {}
            b'!' => return None,
            b'/' => {
                let closed = open.pop()?;
                if closed != name(&tag[1..]) {
                    return None;
                }
            }
            _ => {
                if open.len() == DEPTH_MAX {
                    return None;
                }
                open.push(name(tag));
                found |= open == PICTURE_FAST_UPDATE;
                if tag.ends_with('/') {
                    open.pop();
                }
            }
        }
    }
    open.is_empty().then_some(found)
}

/// Of a tag, without its attributes.
fn name(tag: &str) -> &str {
    tag.split(|c: char| c.is_ascii_whitespace() || c == '/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 5168 §7 has it.
    const REQUEST: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\r\n<media_control>\r\n<vc_primitive>\r\n<to_encoder>\r\n\
        <picture_fast_update>\r\n</picture_fast_update>\r\n</to_encoder>\r\n</vc_primitive>\r\n</media_control>\r\n";

    fn wants(text: &str) -> bool {
        wants_keyframe(text.as_bytes())
    }

    #[test]
    fn a_request_is_found_however_it_is_written() {
        assert!(wants(REQUEST));
        let short = "<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>";
        assert!(wants(short));
        assert!(wants(&short.replace("<vc_primitive>", "<vc_primitive a=\"b\"><stream_id>7</stream_id>")));
        assert!(wants(&short.replace("<to_encoder>", "<!-- > --><to_encoder >")));
    }

    #[test]
    fn what_is_not_quite_that_asks_for_nothing() {
        assert!(wants(REQUEST), "the control");
        for (from, to) in [
            ("picture_fast_update", "picture_freeze"),
            ("<to_encoder>", "<from_encoder>"),
            ("</to_encoder>", ""),
            ("<media_control>", "<!DOCTYPE x><media_control>"),
            ("</media_control>", "</media_control"),
            ("<vc_primitive>", "<vc_primitive><x>"),
        ] {
            let other = REQUEST.replace(from, to);
            assert_ne!(other, REQUEST);
            assert!(!wants(&other), "{other}");
        }
        let general_error = "<media_control><general_error>?</general_error></media_control>";
        let deep = format!("{}{}", "<a>".repeat(9), "</a>".repeat(9));
        let long = format!("{REQUEST}{}", " ".repeat(BYTES_MAX));
        for other in ["", "<", "<>", "</a>", "<!--", "picture_fast_update", general_error, &deep, &long] {
            assert!(!wants(other), "{other}");
        }
        assert!(!wants_keyframe(&[0xff, b'<', b'a']));
    }
}
