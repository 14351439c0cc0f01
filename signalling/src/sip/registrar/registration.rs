//! What a REGISTER asks (RFC 3261 §10.3): which addresses are to be registered, for how long, and which no more.
//!
//! Flow: a request whose sender is known -> [`Registration::read`] -> `bindings`. Pure. Bounds: `limits::SIP_BINDINGS_PER_DEVICE_MAX`
//! addresses, [`CONTACT_BYTES_MAX`] each, [`AGENT_CHARS_MAX`], [`INSTANCE_BYTES_MAX`].
//!
//! Where an address leads is nobody's business here: a device is called by the way that its REGISTER came by, and its address only
//! fills the request. So a proxy in between, which wants to be passed by name (`Path`), is refused.

use super::super::answer::{Answer, missing_extensions};
use super::fields::{Contact, Contacts, contacts};
use mcu_core::limits::SIP_BINDINGS_PER_DEVICE_MAX;
use rsipstack::sip::{CSeq, Header, HeadersExt, MinExpires, Request, Scheme, StatusCode, Uri, Warning};
use std::time::Duration;

/// Bytes of one address.
const CONTACT_BYTES_MAX: usize = 512;
/// Bytes of a Call-ID, and of an instance: those of devices have under 100.
const INSTANCE_BYTES_MAX: usize = 256;
/// Characters that are kept of what a device calls itself.
const AGENT_CHARS_MAX: usize = 64;
/// The shortest time to register for: 5 000 devices that come so often are 83 requests a second.
pub const EXPIRES_MIN: Duration = Duration::from_secs(60);

/// For how long devices register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Who says nothing.
    pub usual: Duration,
    /// Who asks for more.
    pub longest: Duration,
}

/// Which device of how many that answer to one name (RFC 5626 §4.1), and which of its ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) way: u32,
}

/// One address to be registered, or with nought seconds, no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// As the device wrote it.
    pub(super) contact: String,
    pub(super) instance: Option<Instance>,
    pub(super) expires: Duration,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing but which addresses there are.
    What,
    /// That there be none.
    Nothing,
    /// Each of these.
    Each(Vec<Wish>),
}

/// A whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) asked: Asked,
    /// With `seq`, which of two requests is the later one.
    pub(super) call_id: String,
    pub(super) seq: u32,
    /// What the device calls itself, as far as it can be shown.
    pub(super) agent: String,
}

impl Registration {
    /// Reads a REGISTER.
    ///
    /// # Errors
    /// 400 for what contradicts itself, 420 for a proxy in between or an extension, 423 for too short a time, 439 for outbound by a proxy.
    pub(super) fn read(request: &Request, terms: Terms) -> Result<Self, Answer> {
        let malformed = |_| Answer::malformed();
        let mut missing = missing_extensions(request.headers.iter());
        missing.retain(|tag| !tag.eq_ignore_ascii_case("outbound"));
        if !request.path_headers().is_empty() {
            missing.push("path".to_owned());
        }
        if !missing.is_empty() {
            return Err(Answer::unsupported(&missing));
        }
        let call_id = request.call_id_header().map_err(malformed)?.value();
        if call_id.len() > INSTANCE_BYTES_MAX {
            return Err(Answer::malformed());
        }
        let agent = request.user_agent_header().map_or("", |agent| agent.value());
        Ok(Self {
            asked: asked(request, terms)?,
            call_id: call_id.to_owned(),
            seq: request.cseq_header().and_then(CSeq::seq).map_err(malformed)?,
            agent: agent
                .chars()
                .filter(|c| c.is_ascii_graphic() || *c == ' ')
                .take(AGENT_CHARS_MAX)
                .collect(),
        })
    }
}

fn asked(request: &Request, terms: Terms) -> Result<Asked, Answer> {
    let all = request.expires_header().map(|expires| expires.value().trim());
    let lines = request.contact_headers();
    let mut wishes = Vec::new();
    for line in &lines {
        match contacts(line.value()).ok_or_else(Answer::malformed)? {
            // RFC 3261 §10.3, 6.
            Contacts::All if lines.len() == 1 && all == Some("0") => return Ok(Asked::Nothing),
            Contacts::All => return Err(Answer::malformed()),
            Contacts::Some(contacts) => wishes.extend(contacts),
        }
    }
    if wishes.is_empty() {
        return Ok(Asked::What);
    }
    if wishes.len() > SIP_BINDINGS_PER_DEVICE_MAX {
        let text = format!("399 mcu \"at most {SIP_BINDINGS_PER_DEVICE_MAX} addresses\"");
        return Err(Answer::new(StatusCode::Forbidden).with(Warning::new(text)));
    }
    let outbound = request.header_contains_token("Supported", "outbound");
    let wish = |contact: Contact<'_>| -> Result<Wish, Answer> {
        let uri = Uri::try_from(contact.uri).map_err(|_| Answer::malformed())?;
        let fits = contact.uri.len() <= CONTACT_BYTES_MAX;
        if !fits || !matches!(uri.scheme, Some(Scheme::Sip | Scheme::Sips)) {
            return Err(Answer::malformed());
        }
        let instance = match (contact.param("+sip.instance"), contact.param("reg-id")) {
            (Some(id), Some(way)) if outbound => Some(instance(request, id, way)?),
            _ => None,
        };
        let expires = expires(contact.param("expires").or(all), terms)?;
        Ok(Wish { contact: contact.uri.to_owned(), instance, expires })
    };
    wishes.into_iter().map(wish).collect::<Result<_, _>>().map(Asked::Each)
}

/// RFC 5626 §6: a registrar that the request did not come to directly cannot tell the flow of its device.
fn instance(request: &Request, id: &str, way: &str) -> Result<Instance, Answer> {
    let hops = request.headers.iter().filter(|header| matches!(header, Header::Via(_))).count();
    if hops > 1 || request.has_multiple_vias() {
        return Err(Answer::new(StatusCode::FirstHopLacksOutboundSupport));
    }
    let way = way.parse().ok().filter(|way| *way > 0).ok_or_else(Answer::malformed)?;
    if id.len() > INSTANCE_BYTES_MAX {
        return Err(Answer::malformed());
    }
    Ok(Instance { id: id.to_owned(), way })
}

/// RFC 3261 §10.2.1.1, §10.3: what is no number is as if it had not been said.
fn expires(said: Option<&str>, terms: Terms) -> Result<Duration, Answer> {
    let span = said.and_then(|text| text.parse::<u32>().ok()).map(|s| Duration::from_secs(s.into()));
    match span {
        None => Ok(terms.usual),
        Some(Duration::ZERO) => Ok(Duration::ZERO),
        Some(span) if span < EXPIRES_MIN => Err(Answer::new(StatusCode::IntervalTooBrief)
            .with(MinExpires::new(EXPIRES_MIN.as_secs().to_string()))),
        Some(span) => Ok(span.min(terms.longest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { usual: Duration::from_secs(600), longest: Duration::from_secs(3_600) };

    fn read(headers: &str) -> Result<Registration, (u16, String)> {
        let text = format!(
            "REGISTER sip:mcu.example.org SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKa\r\n\
             From: <sip:room-1@b>;tag=1\r\nTo: <sip:room-1@b>\r\nCall-ID: a@b\r\nCSeq: 7 REGISTER\r\n{headers}\r\n"
        );
        let request = Request::try_from(text.as_str()).expect("a fair request");
        Registration::read(&request, TERMS).map_err(|answer| {
            let header = answer.headers.first().map(ToString::to_string).unwrap_or_default();
            (answer.status.code(), header)
        })
    }

    fn wishes(headers: &str) -> Vec<(String, u64)> {
        match read(headers).expect("fair").asked {
            Asked::Each(all) => all.into_iter().map(|wish| (wish.contact, wish.expires.as_secs())).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_are_registered_for_as_long_as_they_say_within_the_terms() {
        let contact = |contact: &str, expires: &str| wishes(&format!("Contact: {contact}\r\n{expires}"));
        let one = |seconds| vec![("sip:a@b".to_owned(), seconds)];
        assert_eq!(contact("<sip:a@b>", ""), one(600), "what is usual");
        assert_eq!(contact("<sip:a@b>", "Expires: 60\r\n"), one(60), "the least");
        assert_eq!(contact("<sip:a@b>", "Expires: 90000\r\n"), one(3_600), "the most");
        assert_eq!(contact("<sip:a@b>", "Expires: soon\r\n"), one(600), "no number");
        assert_eq!(contact("<sip:a@b>;expires=120", "Expires: 60\r\n"), one(120), "its own first");
        assert_eq!(contact("<sip:a@b>;expires=0", "Expires: 60\r\n"), one(0));
        let two = "Contact: <sip:a@b>, sip:c@d;expires=0\r\nm: <sip:e@f;transport=tcp>\r\n";
        let texts: Vec<_> = wishes(two).into_iter().map(|(contact, _)| contact).collect();
        assert_eq!(texts, ["sip:a@b", "sip:c@d", "sip:e@f;transport=tcp"]);
        for brief in ["Expires: 59\r\nContact: <sip:a@b>\r\n", "Contact: <sip:a@b>;expires=1\r\n"] {
            assert_eq!(read(brief), Err((423, "Min-Expires: 60".to_owned())));
        }
    }

    #[test]
    fn a_star_is_everything_alone_and_at_nought() {
        assert_eq!(read("").expect("fair").asked, Asked::What);
        assert_eq!(read("Contact: *\r\nExpires: 0\r\n").expect("fair").asked, Asked::Nothing);
        for odd in [
            "Contact: *\r\n",
            "Contact: *\r\nExpires: 60\r\n",
            "Contact: *\r\nContact: <sip:a@b>\r\nExpires: 0\r\n",
            "Contact: *, <sip:a@b>\r\nExpires: 0\r\n",
            "Contact: <mailto:a@b>\r\n",
            "Contact: <sip:a@b\r\n",
            &format!("Contact: <sip:{}@b>\r\n", "a".repeat(CONTACT_BYTES_MAX)),
        ] {
            assert_eq!(read(odd).map_err(|(status, _)| status), Err(400), "{odd}");
        }
        let many = |count: usize| (0..count).map(|n| format!("Contact: <sip:{n}@b>\r\n")).collect::<String>();
        assert_eq!(wishes(&many(SIP_BINDINGS_PER_DEVICE_MAX)).len(), SIP_BINDINGS_PER_DEVICE_MAX);
        assert_eq!(read(&many(SIP_BINDINGS_PER_DEVICE_MAX + 1)).map_err(|(status, _)| status), Err(403));
    }

    #[test]
    fn outbound_is_taken_of_who_comes_directly_and_a_path_of_nobody() {
        let contact = "Contact: <sip:a@b;ob>;reg-id=2;+sip.instance=\"<urn:uuid:0>\"\r\n";
        let instance = |headers: &str| match read(&format!("{contact}{headers}")).map(|read| read.asked) {
            Ok(Asked::Each(mut all)) => Ok(all.pop().and_then(|wish| wish.instance)),
            Ok(_) => panic!("an address"),
            Err((status, _)) => Err(status),
        };
        let expected = Instance { id: "<urn:uuid:0>".to_owned(), way: 2 };
        assert_eq!(instance("Supported: path, outbound\r\n"), Ok(Some(expected)));
        assert_eq!(instance(""), Ok(None), "nobody asked");
        let proxy = "Via: SIP/2.0/TLS 192.0.2.2;branch=z9hG4bKb\r\n";
        assert_eq!(instance(&format!("Supported: outbound\r\n{proxy}")), Err(439));
        assert_eq!(instance(proxy), Ok(None), "the control");
        assert_eq!(read("Path: <sip:p;lr>\r\n"), Err((420, "Unsupported: path".to_owned())));
        assert_eq!(read("Require: gruu, outbound\r\n"), Err((420, "Unsupported: gruu".to_owned())));
        assert!(read("Require: outbound\r\n").is_ok());
    }

    #[test]
    fn a_device_is_called_what_can_be_shown_of_what_it_says() {
        let agent = |said: &str| read(&format!("User-Agent: {said}\r\n")).expect("fair").agent;
        assert_eq!(agent("baresip v1.0.0 (x86_64/linux)"), "baresip v1.0.0 (x86_64/linux)");
        assert_eq!(agent("a\u{202e}\u{7f}b"), "ab");
        assert_eq!(agent(&"x".repeat(1_000)).len(), AGENT_CHARS_MAX);
        assert_eq!(read("").expect("fair").agent, "");
    }
}
