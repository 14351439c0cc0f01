//! A dialog as either side keeps it (RFC 3261 §12): who it is with, which requests are next, where ours go.
//!
//! Flow: an INVITE -> [`Dialog::open`], or a 2xx to one of ours -> [`Dialog::answered`]; requests within the call -> [`Dialog::admit`];
//! [`Dialog::request`] -> a transaction of ours. Pure. Bound: [`ROUTES_MAX`].
//!
//! The library's own dialogs are not used: they send our requests wherever Contact and Record-Route of the other side point, asking
//! name servers and opening connections on the way, which is not for strangers to choose. Ours leave by the way that
//! the call's last request came by, or that we called by; Contact and Record-Route only fill Request-URI and Route.

use super::answer::Answer;
use percent_encoding::percent_decode_str;
use rsipstack::sip::typed::{Contact, Via};
use rsipstack::sip::{
    CSeq, Header, HeadersExt, MaxForwards, Method, Request, Response, Route, Scheme, StatusCode, To,
    ToTypedHeader, Uri, Version,
};

/// Proxies that stay on the way of a call which we made: each adds a line to every request of ours.
const ROUTES_MAX: usize = 16;

/// The state of one dialog. Its id is (call id, our tag, their tag).
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    call_id: String,
    our_tag: String,
    their_tag: String,
    /// `From` of our requests, with our tag.
    us: String,
    /// `To` of our requests, with their tag.
    them: String,
    /// Request-URI of our requests.
    target: Uri,
    /// `Route` of our requests, line by line.
    routes: Vec<String>,
    /// Of their last request, once there was one.
    their_seq: Option<u32>,
    our_seq: u32,
}

impl Dialog {
    /// The dialog that an INVITE begins, `our_tag` being unguessable.
    ///
    /// # Errors
    /// 400 for a header that is missing or malformed; nobody could be called back (§12.1.1).
    pub(super) fn open(invite: &Request, our_tag: &str) -> Result<Self, Answer> {
        let from = invite.from_header().map_err(malformed)?;
        let to = invite.to_header().map_err(malformed)?;
        let their_tag = from.tag().map_err(malformed)?.ok_or_else(Answer::malformed)?;
        to.typed().map_err(malformed)?;
        Ok(Self {
            call_id: invite.call_id_header().map_err(malformed)?.value().to_owned(),
            our_tag: our_tag.to_owned(),
            their_tag: their_tag.value().to_owned(),
            us: to.with_tag(our_tag.into()).value().to_owned(),
            them: from.value().to_owned(),
            target: target(invite)?,
            routes: invite.record_route_headers().iter().map(|route| route.value().to_owned()).collect(),
            their_seq: Some(invite.cseq_header().and_then(CSeq::seq).map_err(malformed)?),
            our_seq: 0,
        })
    }

    /// The dialog that a 2xx to an INVITE of ours begins (§12.1.2); `None` when it answers another one, or nobody could be reached by it.
    pub(super) fn answered(invite: &Request, response: &Response) -> Option<Self> {
        let from = invite.from_header().ok()?;
        let to = response.to_header().ok()?;
        let our_seq = invite.cseq_header().and_then(CSeq::seq).ok()?;
        let call_id = invite.call_id_header().ok()?.value();
        let ours = response.call_id_header().ok()?.value() == call_id
            && response.cseq_header().and_then(CSeq::seq).ok()? == our_seq;
        if !ours {
            return None;
        }
        let routes = response.record_route_headers();
        let mut routes: Vec<String> =
            routes.iter().flat_map(|route| elements(route.value())).map(str::to_owned).collect();
        if routes.len() > ROUTES_MAX {
            return None;
        }
        // The other way round than they came by.
        routes.reverse();
        Some(Self {
            call_id: call_id.to_owned(),
            our_tag: from.tag().ok()??.value().to_owned(),
            their_tag: to.tag().ok()??.value().to_owned(),
            us: from.value().to_owned(),
            them: to.value().to_owned(),
            target: target(response).ok()?,
            routes,
            their_seq: None,
            our_seq,
        })
    }

    /// Whether this is the same dialog.
    pub(super) fn is_with(&self, other: &Self) -> bool {
        let id = |dialog: &Self| (dialog.call_id.clone(), dialog.our_tag.clone(), dialog.their_tag.clone());
        id(self) == id(other)
    }

    /// Whether a request is the next of this dialog (§12.2.2).
    ///
    /// # Errors
    /// 481 when it belongs to another dialog, 500 when it is out of order.
    pub(super) fn admit(&mut self, request: &Request) -> Result<(), Answer> {
        let call_id = request.call_id_header().map_err(malformed)?.value();
        let their_tag = request.from_header().and_then(|from| from.tag()).map_err(malformed)?;
        let known = call_id == self.call_id
            && their_tag.is_some_and(|tag| tag.value() == self.their_tag)
            && tag_of(request).as_deref() == Some(&*self.our_tag);
        if !known {
            return Err(Answer::unknown_call());
        }
        let seq = request.cseq_header().and_then(CSeq::seq).map_err(malformed)?;
        if self.their_seq.is_some_and(|last| seq <= last) {
            return Err(Answer::new(StatusCode::ServerInternalError));
        }
        self.their_seq = Some(seq);
        Ok(())
    }

    /// Takes over the other side's new address, if the request brings one (§12.2.2, target refresh).
    ///
    /// # Errors
    /// 400 when it cannot be read.
    pub(super) fn retarget(&mut self, request: &Request) -> Result<(), Answer> {
        if request.contact_header().is_ok() {
            self.target = target(request)?;
        }
        Ok(())
    }

    /// The next request of ours (§12.2.1.1), by way of `via`.
    pub(super) fn request(&mut self, method: Method, via: Via, headers: Vec<Header>) -> Request {
        self.our_seq += 1;
        self.written(method, via, headers)
    }

    /// The ACK to the 2xx that began it, whose number is that of the INVITE (§13.2.2.4). Nothing of ours may have been asked since.
    pub(super) fn ack(&self, via: Via, headers: Vec<Header>) -> Request {
        self.written(Method::Ack, via, headers)
    }

    fn written(&self, method: Method, via: Via, headers: Vec<Header>) -> Request {
        let mut all = vec![
            Header::Via(via.into()),
            Header::From(self.us.as_str().into()),
            Header::To(self.them.as_str().into()),
            Header::CallId(self.call_id.as_str().into()),
            CSeq::new(format!("{} {method}", self.our_seq)).into(),
            MaxForwards::new("70").into(),
        ];
        all.extend(self.routes.iter().map(|route| Header::Route(Route::new(route.as_str()))));
        all.extend(headers);
        Request {
            method,
            uri: self.target.clone(),
            version: Version::V2,
            headers: all.into(),
            body: Vec::new(),
        }
    }
}

/// The tag that names us, in a request within a dialog.
pub(super) fn tag_of(request: &Request) -> Option<String> {
    let tag = request.to_header().and_then(To::tag).ok().flatten()?;
    Some(tag.value().to_owned())
}

/// Where the other side wants to be reached.
fn target(message: &impl HeadersExt) -> Result<Uri, Answer> {
    let contacts = message.typed_contact_headers().map_err(malformed)?;
    let Some(Contact { uri, .. }) = contacts.into_iter().next() else { return Err(Answer::malformed()) };
    if !matches!(uri.scheme, Some(Scheme::Sip | Scheme::Sips)) {
        return Err(Answer::malformed());
    }
    Ok(written_once(uri))
}

/// What stands between the commas of a header's value that are neither in quotes nor in angle brackets (§7.3.1).
fn elements(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    let parts = value.split(move |c: char| {
        let escape = quoted && c == '\\' && !escaped;
        match c {
            '"' if !escaped => quoted = !quoted,
            '<' if !quoted => inside = true,
            '>' if !quoted => inside = false,
            _ => {}
        }
        escaped = escape;
        c == ',' && !quoted && !inside
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// The library keeps a user part as it came and escapes it when it writes it: escapes would be escaped again.
pub(super) fn written_once(mut uri: Uri) -> Uri {
    if let Some(auth) = &mut uri.auth {
        auth.user = percent_decode_str(&auth.user).decode_utf8_lossy().into_owned();
    }
    uri
}

fn malformed(_: rsipstack::sip::Error) -> Answer {
    Answer::malformed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsipstack::sip::{HostWithPort, Transport};

    const INVITE: &str = "INVITE sip:daily@mcu.example.org SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa\r\n\
        From: \"Room \\\"1\\\"\" <sip:room@192.0.2.1>;tag=theirs\r\n\
        To: <sip:daily@mcu.example.org>\r\n\
        Call-ID: a@b\r\nCSeq: 7 INVITE\r\n\
        Contact: <sip:room%201@192.0.2.1:5070;transport=tcp>\r\n\
        Record-Route: <sip:p2.example.org;lr>, <sip:p1.example.org;lr>\r\n\
        Record-Route: <sip:p0.example.org;lr>\r\nContent-Length: 0\r\n\r\n";

    fn request(text: &str) -> Request {
        Request::try_from(text).expect("a fair request")
    }

    fn open(text: &str) -> Result<Dialog, u16> {
        Dialog::open(&request(text), "ours").map_err(|answer| answer.status.code())
    }

    fn within(changes: &[(&str, &str)]) -> Request {
        let mut text = INVITE.replace("mcu.example.org>\r\nCall", "mcu.example.org>;tag=ours\r\nCall");
        text = text.replace("7 INVITE", "8 INVITE");
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        request(&text)
    }

    #[test]
    fn our_requests_carry_the_dialog_and_name_where_the_caller_wants_to_be_reached() {
        let mut dialog = open(INVITE).expect("a dialog");
        let host = HostWithPort::try_from("192.0.2.9:5060").expect("an address");
        let via =
            Via { version: Version::V2, transport: Transport::Udp, uri: host.into(), params: Vec::new() };
        let bye = dialog.request(Method::Bye, via.clone(), Vec::new());
        let text = SipText(&bye).to_string();
        let lines = [
            "BYE sip:room%201@192.0.2.1:5070;transport=TCP SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.9:5060",
            "From: <sip:daily@mcu.example.org>;tag=ours",
            "To: \"Room \\\"1\\\"\" <sip:room@192.0.2.1>;tag=theirs",
            "Call-ID: a@b",
            "CSeq: 1 BYE",
            "Max-Forwards: 70",
            "Route: <sip:p2.example.org;lr>, <sip:p1.example.org;lr>",
            "Route: <sip:p0.example.org;lr>",
        ];
        assert!(text.starts_with(&lines.join("\r\n")), "{text}");
        assert!(
            SipText(&dialog.request(Method::Update, via, Vec::new())).to_string().contains("CSeq: 2 UPDATE")
        );
    }

    struct SipText<'a>(&'a Request);

    impl std::fmt::Display for SipText<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&String::from_utf8_lossy(&self.0.to_bytes()))
        }
    }

    const ANSWER: &str = "SIP/2.0 200 OK\r\n\
        Via: SIP/2.0/TLS 192.0.2.9:5061;branch=z9hG4bKa\r\n\
        From: <sip:mcu@trunk.example.org>;tag=ours\r\n\
        To: <sip:+49@trunk.example.org>;tag=theirs\r\n\
        Call-ID: a@b\r\nCSeq: 2 INVITE\r\n\
        Contact: \"Gate, way\" <sip:gw@192.0.2.1:5070>\r\n\
        Record-Route: <sip:p2.example.org;lr;x=a,b>, \"p\\\",1\" <sip:p1.example.org;lr>\r\n\
        Record-Route: <sip:p0.example.org;lr>\r\nContent-Length: 0\r\n\r\n";

    fn called() -> Request {
        request(
            "INVITE sip:+49@trunk.example.org SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.9:5061;branch=z9hG4bKa\r\n\
             From: <sip:mcu@trunk.example.org>;tag=ours\r\nTo: <sip:+49@trunk.example.org>\r\n\
             Call-ID: a@b\r\nCSeq: 2 INVITE\r\nContent-Length: 0\r\n\r\n",
        )
    }

    fn answered(text: &str) -> Option<Dialog> {
        Dialog::answered(&called(), &Response::try_from(text).expect("a fair response"))
    }

    #[test]
    fn who_called_has_the_route_the_other_way_round_and_acknowledges_by_the_number_of_its_invite() {
        let mut dialog = answered(ANSWER).expect("a dialog");
        let host = HostWithPort::try_from("192.0.2.9:5061").expect("an address");
        let via =
            Via { version: Version::V2, transport: Transport::Tls, uri: host.into(), params: Vec::new() };
        let said = |request: &Request| SipText(request).to_string();
        let lines = [
            "ACK sip:gw@192.0.2.1:5070 SIP/2.0",
            "Via: SIP/2.0/TLS 192.0.2.9:5061",
            "From: <sip:mcu@trunk.example.org>;tag=ours",
            "To: <sip:+49@trunk.example.org>;tag=theirs",
            "Call-ID: a@b",
            "CSeq: 2 ACK",
            "Max-Forwards: 70",
            "Route: <sip:p0.example.org;lr>",
            "Route: \"p\\\",1\" <sip:p1.example.org;lr>",
            "Route: <sip:p2.example.org;lr;x=a,b>",
        ];
        let ack = said(&dialog.ack(via.clone(), Vec::new()));
        assert!(ack.starts_with(&lines.join("\r\n")), "{ack}");
        assert!(said(&dialog.request(Method::Bye, via, Vec::new())).contains("CSeq: 3 BYE"));
        let within = |seq: u32| {
            let text = format!(
                "BYE sip:mcu@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKb\r\n\
                 From: <sip:+49@trunk.example.org>;tag=theirs\r\nTo: <sip:mcu@trunk.example.org>;tag=ours\r\n\
                 Call-ID: a@b\r\nCSeq: {seq} BYE\r\nContent-Length: 0\r\n\r\n"
            );
            request(&text)
        };
        let mut admitted = |seq| dialog.admit(&within(seq)).map_err(|answer| answer.status.code());
        assert_eq!([0, 0, 1].map(&mut admitted), [Ok(()), Err(500), Ok(())], "their numbers are their own");
    }

    #[test]
    fn a_2xx_that_is_no_answer_to_this_call_begins_nothing() {
        let routes = "Record-Route: <sip:p;lr>\r\n".repeat(ROUTES_MAX);
        for (from, to) in [
            ("a@b", "c@d"),
            ("2 INVITE", "1 INVITE"),
            (";tag=theirs", ""),
            ("Contact:", "X:"),
            ("<sip:gw@192.0.2.1:5070>", "<tel:+49>"),
            ("Record-Route: <sip:p0.example.org;lr>\r\n", routes.as_str()),
        ] {
            assert!(ANSWER.contains(from), "{from}");
            assert!(answered(&ANSWER.replace(from, to)).is_none(), "{from}");
        }
        let dialog = answered(ANSWER).expect("the control");
        let fork = answered(&ANSWER.replace("tag=theirs", "tag=others")).expect("another");
        assert!(dialog.is_with(&dialog) && !dialog.is_with(&fork));
    }

    #[test]
    fn requests_of_other_dialogs_and_of_the_past_are_refused() {
        let mut dialog = open(INVITE).expect("a dialog");
        let refused = |dialog: &mut Dialog, changes: &[(&str, &str)]| {
            dialog.admit(&within(changes)).map_err(|answer| answer.status.code())
        };
        assert_eq!(refused(&mut dialog, &[("tag=theirs", "tag=others")]), Err(481));
        assert_eq!(refused(&mut dialog, &[("a@b", "c@d")]), Err(481));
        assert_eq!(refused(&mut dialog, &[("tag=ours", "tag=yours")]), Err(481));
        assert_eq!(refused(&mut dialog, &[("8 INVITE", "7 INVITE")]), Err(500));
        assert_eq!(refused(&mut dialog, &[]), Ok(()), "the control");
        assert_eq!(refused(&mut dialog, &[]), Err(500), "once");
    }

    #[test]
    fn a_caller_moves_by_a_contact_and_stays_without_one() {
        let mut dialog = open(INVITE).expect("a dialog");
        let before = dialog.target.clone();
        let contact = "Contact: <sip:room%201@192.0.2.1:5070;transport=tcp>\r\n";
        dialog.retarget(&within(&[(contact, "")])).expect("nothing new");
        assert_eq!(dialog.target, before);
        dialog.retarget(&within(&[("192.0.2.1:5070", "192.0.2.2:5080")])).expect("an address");
        assert!(dialog.target.to_string().contains("192.0.2.2:5080"), "{}", dialog.target);
        assert!(dialog.retarget(&within(&[("sip:room%201", "mailto:room")])).is_err());
    }

    #[test]
    fn an_invite_that_nobody_could_be_called_back_from_is_refused() {
        for (from, to) in [
            (";tag=theirs", ""),
            ("Contact: <sip:room%201@192.0.2.1:5070;transport=tcp>", "X: y"),
            ("<sip:room%201@192.0.2.1:5070;transport=tcp>", "*"),
            ("Call-ID: a@b", "X: y"),
            ("7 INVITE", "INVITE"),
        ] {
            assert_eq!(open(&INVITE.replace(from, to)).map(|_| ()), Err(400), "{from}");
        }
        assert!(open(INVITE).is_ok(), "the control");
    }
}
