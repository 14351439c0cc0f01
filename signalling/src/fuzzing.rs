//! What the fuzzer feeds: for each parser of this crate a function from any bytes to assertions that must hold.
//!
//! Compiled for tests, which replay `fuzz/corpus`, and with `--cfg fuzzing` for the targets of `fuzz/`; never shipped.

#[path = "../../fuzz/shared.rs"]
mod shared;

use crate::api::rooms::new_room;
use crate::auth::{AdminToken, BEARER_BYTES_MAX, Tokens, bearer};
use crate::command::Control;
use crate::guard::same_origin;
use crate::model::{JoinBody, LayoutChange, MuteChange, OfferBody, RoomChange, RoomCreation};
use crate::room::{Alias, Pin, RoomTitle};
use crate::sdp::{MID_CHARS_MAX, precheck};
use crate::secret::Secret;
use crate::sip::address::{Dialled, dialled};
use crate::sip::framing::{Frame, FrameError, Framer, alone};
use crate::sip::registrar::digest::Credentials;
use crate::sip::registrar::fields::{Contacts, contacts};
use crate::state::{ApiState, Clock, RouterOptions};
use crate::whip;
use crate::ws::pump::ClientWord;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use mcu_core::conference::input::StateChange;
use mcu_core::conference::roster::{DisplayName, Via};
use mcu_core::limits::{
    ALIAS_CHARS_MAX, PARTICIPANTS_MAX, SDP_BYTES_MAX, SDP_MEDIA_LINES_ANSWERED_MAX, SIP_HEADER_BYTES_MAX,
};
use mcu_core::time::Mono;
use serde::de::DeserializeOwned;
use shared::Script;
use std::sync::LazyLock;

const KEY: [u8; 32] = [7; 32];
const NOW_UNIX_S: u64 = 1_800_000_000;

/// An offer's text: the outline of what passes is within the limits.
pub fn sdp_outline(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(outline) = precheck(text) else { return };
    assert!((1..=SDP_MEDIA_LINES_ANSWERED_MAX).contains(&outline.media_lines()));
    let mids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("a=mid:")).collect();
    assert!(mids.len() <= outline.media_lines());
    assert!(mids.iter().all(|mid| outline.has_mid(mid) && (1..=MID_CHARS_MAX).contains(&mid.len())));
}

/// What a client says on its socket: read, written and read again it is the same.
pub fn client_word(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(ClientWord::State(change)) = serde_json::from_str(text) {
        let written = serde_json::to_string(&change).expect("plain values serialise");
        assert_eq!(serde_json::from_str::<StateChange>(&written).ok(), Some(change));
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// A body of the API, the first byte saying of which endpoint, as far as its handler parses it.
pub fn api_body(data: &[u8]) {
    let Some((endpoint, body)) = data.split_first() else { return };
    match endpoint % 6 {
        0 => {
            let Some(Ok(room)) = read::<RoomCreation>(body).map(|body| new_room(&body, 50)) else { return };
            assert!(!room.alias.is_reserved() && room.alias.as_str().len() <= ALIAS_CHARS_MAX);
            assert!(!room.host_pin.matches(room.guest_pin.secret().expose()), "one PIN, one role");
            assert!((1..=PARTICIPANTS_MAX as u32).contains(&room.participants_max));
        }
        1 => {
            let Some(body) = read::<JoinBody>(body) else { return };
            assert!(!format!("{body:?}").contains("sekret"), "names and PINs are not for logs");
            let _ = DisplayName::parse(body.display_name.expose());
        }
        2 => {
            let Some(OfferBody { sdp, lines: Some(lines) }) = read(body) else { return };
            if precheck(&sdp).is_ok_and(|outline| outline.check(&lines).is_ok()) {
                assert!(lines.len() <= SDP_MEDIA_LINES_ANSWERED_MAX, "each line has one role at most");
            }
        }
        3 => drop(read::<RoomChange>(body)),
        4 => drop(read::<MuteChange>(body)),
        _ => drop(read::<LayoutChange>(body)),
    }
}

/// A word for a room: what is taken keeps its rules, and is taken again.
pub fn room_words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(alias) = Alias::parse(&text) {
        assert_eq!(alias.as_str(), text);
        assert!((1..=ALIAS_CHARS_MAX).contains(&alias.as_str().len()));
        let path: Result<Uri, _> = format!("/m/{alias}").parse();
        assert!(path.is_ok_and(|path| path.path() == format!("/m/{alias}")), "an alias is a path as it is");
    }
    if let Ok(pin) = Pin::parse(&text) {
        assert!(pin.matches(&text) && text.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(!pin.matches(&format!("{text}0")) && !pin.matches(&text[1..]));
        assert!(!format!("{pin:?}").contains(&*text), "a PIN is not for logs");
    }
    if let Ok(title) = RoomTitle::parse(&text) {
        assert_eq!(RoomTitle::parse(title.as_str()).as_ref(), Ok(&title));
    }
}

/// An `Authorization` header: a bearer is short, and speaks for somebody only if this key signed it.
pub fn bearer_token(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let Ok(token) = bearer(&headers) else { return };
    assert!((1..=BEARER_BYTES_MAX).contains(&token.len()));
    assert!(Tokens::from_key(&[8; 32]).verify(token, NOW_UNIX_S).is_err(), "another key signed nothing");
    let tokens = Tokens::from_key(&KEY);
    if let Ok(who) = tokens.verify(token, NOW_UNIX_S) {
        let again = tokens.issue(&who, NOW_UNIX_S);
        assert_eq!(tokens.verify(again.expose(), NOW_UNIX_S), Ok(who));
    }
}

/// `Origin`, `Host` and the address of a request that opens a socket, as pieces.
pub fn origin(data: &[u8]) {
    let mut script = Script::new(data);
    let mut headers = HeaderMap::new();
    let mut header = |name: HeaderName| {
        let text = script.piece().filter(|text| !text.is_empty())?;
        let value = HeaderValue::from_bytes(text).ok()?;
        headers.insert(name, value);
        Some(text.to_vec())
    };
    let (origin, host) = (header(ORIGIN), header(HOST));
    let Ok(uri) = Uri::try_from(script.rest()) else { return };
    let configured = "https://app.example.org".to_owned();
    let allowed = same_origin(&headers, &uri, std::slice::from_ref(&configured));
    let Some(origin) = origin else { return assert!(allowed, "no browser") };
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes().to_vec());
    let own = authority.or(host).is_some_and(|host| {
        [&b"https://"[..], b"http://"]
            .iter()
            .any(|scheme| origin.eq_ignore_ascii_case(&[scheme, &host[..]].concat()))
    });
    assert!(!allowed || own || origin == configured.as_bytes(), "a page of somebody else");
}

fn state() -> &'static ApiState {
    static STATE: LazyLock<ApiState> = LazyLock::new(|| {
        let clock = Clock::new(|| Mono::ZERO, || NOW_UNIX_S);
        let admin = AdminToken::from_text(Secret::new("admin".into()));
        let options = RouterOptions::new(Tokens::from_key(&KEY), admin, clock, "test");
        ApiState::new(Control::channel(1).0, options)
    });
    &STATE
}

/// A WHIP session's alias, resource and bearer as pieces: what opens is what we made for that bearer, letter by letter.
pub fn stream_resource(data: &[u8]) {
    let mut script = Script::new(data);
    let mut text = || script.piece().and_then(|piece| std::str::from_utf8(piece).ok());
    let (Some(alias), Some(id), Some(token)) = (text(), text(), text()) else { return };
    for via in [Via::Whip, Via::Whep] {
        let Some(who) = whip::open(state(), via, alias, id, token) else { continue };
        let path = whip::resource(state(), via, &who, token);
        assert!(path.ends_with(&format!("/{alias}/{id}")), "{path}");
        assert_eq!(whip::open(state(), via, alias, id, &format!("{token}x")), None, "another bearer's");
    }
}

/// The user part of a dialled address: always a room's name or nobody's, and what it stands for reads the same again.
pub fn sip_address(data: &[u8]) {
    let user = String::from_utf8_lossy(data);
    let Dialled { alias, pin } = dialled(&user);
    let pin = pin.expose();
    assert!(Alias::parse(alias.as_str()) == Ok(alias.clone()) && pin.len() <= user.len());
    if Pin::parse(pin).is_ok() {
        let again = dialled(&format!("{alias}.{pin}"));
        assert!(again.alias == alias && again.pin.matches(pin));
        assert!(
            !format!("{again:?}").contains(&**pin) || alias.as_str().contains(&**pin),
            "a PIN is not for logs"
        );
    }
}

/// A stream of SIP messages, the first byte saying in which pieces it comes: the pieces change nothing of what it holds.
pub fn sip_frames(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else { return };
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut framer = Framer::default();
        let mut frames = Vec::new();
        for piece in pieces {
            framer.push(piece);
            loop {
                match framer.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    };
    let (frames, error) = read(&mut std::iter::once(stream));
    assert_eq!(read(&mut stream.chunks(usize::from(*piece) + 1)), (frames.clone(), error));
    for frame in frames {
        let Frame::Message(message) = frame else { continue };
        assert!(message.len() <= SIP_HEADER_BYTES_MAX + SDP_BYTES_MAX);
        assert_eq!(read(&mut std::iter::once(&message[..])), (vec![Frame::Message(message.clone())], None));
    }
    // What is one message by itself is one in a stream, but for a length that it had no more room to say.
    if let Ok(Some(frame)) = alone(stream.to_vec().into()) {
        let (frames, error) = match &frame {
            Frame::Message(message) => read(&mut std::iter::once(&message[..])),
            Frame::Ping => read(&mut std::iter::once(stream)),
        };
        assert!(frames == [frame] || error == Some(FrameError::HeaderTooLarge));
    }
}

/// Contact and Authorization of a REGISTER, as pieces: what is taken of them stands in them, whole, and reads the same alone.
pub fn sip_registration(data: &[u8]) {
    let mut script = Script::new(data);
    let mut text = || script.piece().and_then(|piece| std::str::from_utf8(piece).ok());
    let (Some(contact), Some(authorization)) = (text(), text()) else { return };
    if let Some(Contacts::Some(all)) = contacts(contact) {
        for one in all {
            assert!(
                contact.contains(one.uri)
                    && !one.uri.contains(|c: char| " <>\"".contains(c) || c.is_control())
            );
            let alone = format!("<{}>", one.uri);
            let Some(Contacts::Some(again)) = contacts(&alone) else { panic!("{alone} was taken before") };
            assert!(again.len() == 1 && again[0].uri == one.uri && again[0].params.is_empty());
        }
    }
    if let Some((realm, said)) = Credentials::parse(authorization) {
        for part in [realm, said.username, said.nonce] {
            assert!(authorization.contains(part) && !part.contains(['"', '\\']));
        }
        assert!(!said.fit("0", "REGISTER"), "a hash of nothing");
    }
}

#[cfg(test)]
mod tests {
    use super::shared::{piece, replay};
    use super::*;
    use crate::command::Identity;
    use mcu_core::conference::roster::Role;
    use mcu_core::id::{ConferenceId, ParticipantId};

    fn texts(list: &[&str]) -> Vec<Vec<u8>> {
        list.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    fn pieces(list: &[&str]) -> Vec<u8> {
        list.iter().flat_map(|text| piece(text.as_bytes())).collect()
    }

    fn who() -> Identity {
        let alias = Alias::parse("daily").expect("a fair alias");
        Identity { participant: ParticipantId(0x1f), conference: ConferenceId(7), role: Role::Host, alias }
    }

    #[test]
    fn sdp_outline_corpus() {
        let browser = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n";
        let twice = "v=0\nm=audio 9 X 0\na=mid:0\nm=audio 9 X 0\na=mid:0\n";
        let many = format!("v=0\r\n{}", "m=audio 9 X 0\r\n".repeat(17));
        replay("sdp_outline", sdp_outline, &texts(&[browser, twice, &many]));
    }

    #[test]
    fn client_word_corpus() {
        let seeds = [
            r#"{"type":"state","muted":true,"camera":false,"sharing":true,"layout":"grid","overlay":true}"#,
            r#"{"type":"stats","freezes":3,"fps":30}"#,
            r#"{"type":"state","layout":"speaker"}"#,
        ];
        replay("client_word", client_word, &texts(&seeds));
    }

    #[test]
    fn api_body_corpus() {
        let bodies = [
            r#"{"name":"Daily","alias":"daily-42","host_pin":"271828","guest_pin":"314159","participants_max":20}"#,
            r#"{"display_name":"sekret","pin":"sekret","overlay":true}"#,
            r#"{"sdp":"v=0\r\nm=audio 9 X 0\r\na=mid:0\r\n","lines":{"0":"main"}}"#,
            r#"{"name":"Daily","guest_pin":"1234","participants_max":200}"#,
            r#"{"muted":true}"#,
            r#"{"layout":"auto"}"#,
        ];
        let seeds: Vec<_> = (0..).zip(bodies).map(|(n, body)| [&[n][..], body.as_bytes()].concat()).collect();
        replay("api_body", api_body, &seeds);
    }

    #[test]
    fn room_words_corpus() {
        let seeds = ["daily-42", "271828", "Tea Room", "échø", "٣٤٥٦", "-", "echo", "12345678901234567890"];
        replay("room_words", room_words, &texts(&seeds));
    }

    #[test]
    fn sip_address_corpus() {
        let seeds =
            ["daily.271828", "Daily-42", "d%61ily%2e0000", "echo", "%", ".1234", "a.1.2", "+15551234"];
        replay("sip_address", sip_address, &texts(&seeds));
    }

    #[test]
    fn sip_frames_corpus() {
        let one = "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP x\r\nContent-Length: 3\r\n\r\nabc";
        let seeds = [
            format!("\x00{one}{one}"),
            format!("\x07\r\n\r\n\r\n{one}\r\n"),
            "\x01A b SIP/2.0\r\nl: 0\r\nl: 1\r\n\r\n".to_owned(),
            "\x02A b SIP/2.0\r\nl: 99999\r\n\r\n".to_owned(),
        ];
        replay("sip_frames", sip_frames, &seeds.map(String::into_bytes));
    }

    #[test]
    fn sip_registration_corpus() {
        let digest = "Digest username=\"room-1\", realm=\"mcu\", nonce=\"1.1.x\", uri=\"sip:mcu.example.org\", algorithm=";
        let sha =
            format!("{digest}SHA-256, qop=auth, nc=00000001, cnonce=\"a\", response=\"{}\"", "0".repeat(64));
        let md5 =
            format!("{digest}MD5,qop=\"auth\" , nc=0000000a,cnonce=\"\",response=\"{}\"", "f".repeat(32));
        let pairs = [
            ("<sip:room@192.0.2.1:5060;ob>;+sip.instance=\"<urn:uuid:0>\";reg-id=1;expires=60", sha.as_str()),
            ("\"Room, \\\"1\\\"\" <sips:a@[2001:db8::1]>, sip:c@d;q=0.5", md5.as_str()),
            ("*", "Digest username=\"a\\\"\""),
            ("<sip:a@b", "digest =,,"),
        ];
        let seeds = pairs.map(|(contact, authorization)| pieces(&[contact, authorization]));
        replay("sip_registration", sip_registration, &seeds);
    }

    #[test]
    fn bearer_token_corpus() {
        let ours = Tokens::from_key(&KEY).issue(&who(), NOW_UNIX_S);
        // {"alg":"none"} and no signature.
        let none = "bearer eyJhbGciOiJub25lIn0.eyJhdWQiOiJtY3UtcGFydGljaXBhbnQifQ.";
        replay(
            "bearer_token",
            bearer_token,
            &texts(&[&format!("Bearer {}", ours.expose()), none, "Basic YTpi", "bearer 271828 "]),
        );
    }

    #[test]
    fn origin_corpus() {
        let seeds = [
            [pieces(&["https://mcu.example.org", "mcu.example.org"]), b"/api/v1/events".to_vec()].concat(),
            [pieces(&["https://evil.example", "mcu.example.org:8443"]), b"/".to_vec()].concat(),
            [pieces(&["http://a", ""]), b"http://a/".to_vec()].concat(),
            [pieces(&["https://app.example.org", "b"]), b"*".to_vec()].concat(),
        ];
        replay("origin", origin, &seeds);
    }

    #[test]
    fn stream_resource_corpus() {
        let path = whip::resource(state(), Via::Whip, &who(), "271828");
        let id = path.rsplit('/').next().expect("a path");
        assert_eq!(whip::open(state(), Via::Whip, "daily", id, "271828"), Some(who()), "the control");
        replay(
            "stream_resource",
            stream_resource,
            &[pieces(&["daily", id, "271828"]), pieces(&["x", "1-2-h-", ""])],
        );
    }
}
