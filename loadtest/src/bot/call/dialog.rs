//! A dialog as the calling side keeps it (RFC 3261 §12): who it is with, and the text of our requests.
//!
//! Flow: [`Dialog::begin`] -> INVITE; its 200 -> [`Dialog::answered`]; then BYE. Pure but for random names. Requests are written as text and read by the
//! library's parser, as if they had come from elsewhere.

use super::CallError;
use super::address::{Carrier, SipAddress};
use rsipstack::sip::{CSeq, HeadersExt, Request, Response};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// What is answered (RFC 3261 §20.5).
pub(super) const ALLOWED: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE";

/// One dialog.
#[derive(Debug)]
pub(super) struct Dialog {
    carrier: Carrier,
    local: SocketAddr,
    call_id: String,
    our_tag: String,
    from: String,
    /// With the far end's tag once it has answered.
    to: String,
    /// Request-URI.
    target: String,
    /// `Route`, in order.
    routes: Vec<String>,
    their_tag: Option<String>,
    their_seq: u32,
    our_seq: u32,
    /// Of the INVITE, which a CANCEL repeats.
    branch: String,
}

fn random() -> String {
    format!("{:016x}", rand::random::<u64>())
}

impl Dialog {
    /// A call from `local` that nobody has answered, under a display name.
    pub(super) fn begin(address: &SipAddress, name: &str, local: SocketAddr) -> Self {
        let our_tag = random();
        // What would end the quotes or the line has no place in a name.
        let name: String = name.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
        let uri = address.uri();
        Self {
            carrier: address.carrier(),
            local,
            call_id: random(),
            from: format!("\"{name}\" <sip:load@{local}>;tag={our_tag}"),
            our_tag,
            to: format!("<{uri}>"),
            target: uri,
            routes: Vec::new(),
            their_tag: None,
            their_seq: 0,
            our_seq: 0,
            branch: String::new(),
        }
    }

    /// Where requests within the call reach us.
    pub(super) fn contact(&self) -> String {
        format!("<sip:load@{}{}>", self.local, self.carrier.param())
    }

    /// The next request, with an offer where there is one.
    ///
    /// # Errors
    /// [`CallError::Library`] when the library cannot read what we wrote.
    pub(super) fn request(&mut self, method: &str, sdp: Option<&str>) -> Result<Request, CallError> {
        self.our_seq += 1;
        self.branch = format!("z9hG4bK{}", random());
        self.write(method, sdp)
    }

    /// Takes the request back that was written last (RFC 3261 §9.1).
    ///
    /// # Errors
    /// As [`Self::request`].
    pub(super) fn cancel(&self) -> Result<Request, CallError> {
        self.write("CANCEL", None)
    }

    fn write(&self, method: &str, sdp: Option<&str>) -> Result<Request, CallError> {
        let Self { local, from, to, target, call_id, our_seq, branch, .. } = self;
        let via = self.carrier.in_via();
        let mut text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{via} {local};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {our_seq} {method}\r\nUser-Agent: mcu-load\r\n"
        );
        // Writing to a string cannot fail.
        for route in &self.routes {
            let _ = write!(text, "Route: {route}\r\n");
        }
        if method == "INVITE" {
            let _ = write!(text, "Contact: {}\r\nAllow: {ALLOWED}\r\n", self.contact());
        }
        if sdp.is_some() {
            text += "Content-Type: application/sdp\r\n";
        }
        let sdp = sdp.unwrap_or_default();
        let _ = write!(text, "Content-Length: {}\r\n\r\n{sdp}", sdp.len());
        Request::try_from(text.as_str()).map_err(|_| CallError::Library("a request"))
    }

    /// Takes the 200 to the INVITE (§12.1.2).
    ///
    /// # Errors
    /// [`CallError::Answer`] where nobody could be called back.
    pub(super) fn answered(&mut self, response: &Response) -> Result<(), CallError> {
        let missing = |what| move |_| CallError::Answer(what);
        let to = response.to_header().map_err(missing("no To"))?;
        let tag = to.tag().ok().flatten().ok_or(CallError::Answer("no tag in To"))?;
        self.their_tag = Some(tag.value().to_owned());
        self.to = to.value().to_owned();
        let contact = response.contact_header().map_err(missing("no Contact"))?;
        self.target =
            address_in(contact.value()).ok_or(CallError::Answer("no address in Contact"))?.to_owned();
        // The answerer's own comes last in its header, and first for whoever called.
        let routes = response.record_route_headers();
        self.routes = routes
            .iter()
            .flat_map(|routes| routes.value().split(','))
            .map(|route| route.trim().to_owned())
            .collect();
        self.routes.reverse();
        Ok(())
    }

    /// Whether a request is the next of this dialog; notes that it was.
    pub(super) fn admits(&mut self, request: &Request) -> bool {
        let tags = || {
            let ours = request.to_header().ok()?.tag().ok()??;
            let theirs = request.from_header().ok()?.tag().ok()??;
            Some((ours.value().to_owned(), theirs.value().to_owned()))
        };
        let is_ours = request.call_id_header().is_ok_and(|id| id.value() == self.call_id)
            && tags().is_some_and(|(ours, theirs)| ours == self.our_tag && Some(theirs) == self.their_tag);
        let seq = request.cseq_header().and_then(CSeq::seq).unwrap_or(0);
        let is_next = is_ours && seq > self.their_seq;
        if is_next {
            self.their_seq = seq;
        }
        is_next
    }
}

/// The address of a Contact, with its brackets or without.
fn address_in(contact: &str) -> Option<&str> {
    let address = match contact.split_once('<') {
        Some((_, rest)) => rest.split_once('>')?.0,
        None => contact.split([';', ',']).next()?.trim(),
    };
    let is_fair = address.starts_with("sip:") || address.starts_with("sips:");
    (is_fair && !address.contains(char::is_whitespace)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> SocketAddr {
        "192.0.2.7:40000".parse().expect("an address")
    }

    fn dialog() -> Dialog {
        let address = "sip:daily.314159@mcu.example.org;transport=tls".parse().expect("is one");
        Dialog::begin(&address, "Room \"1\"\r\n", local())
    }

    fn text(request: &Request) -> String {
        String::from_utf8(request.to_bytes()).expect("is text")
    }

    fn answer(dialog: &Dialog, contact: &str) -> Response {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 192.0.2.7:40000;branch=z9hG4bKx\r\nFrom: {}\r\nTo: {};tag=theirs\r\n\
             Call-ID: {}\r\nCSeq: 1 INVITE\r\n{contact}Record-Route: <sip:p1.example.org;lr>, <sip:p2.example.org;lr>\r\n\
             Content-Length: 0\r\n\r\n",
            dialog.from, dialog.to, dialog.call_id
        );
        Response::try_from(text.as_str()).expect("a fair response")
    }

    const CONTACT: &str = "Contact: <sip:daily@mcu.example.org:5061;transport=tls>\r\n";

    #[test]
    fn an_invite_says_who_calls_whom_and_what_is_offered() {
        let mut dialog = dialog();
        let invite = dialog.request("INVITE", Some("v=0\r\n")).expect("the library reads it");
        let text = text(&invite);
        for line in [
            "Max-Forwards: 70",
            "To: <sip:daily.314159@mcu.example.org:5061;transport=tls>",
            "CSeq: 1 INVITE",
            "Contact: <sip:load@192.0.2.7:40000;transport=tls>",
            "Content-Type: application/sdp",
            "Content-Length: 5",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        assert!(text.starts_with("INVITE sip:daily.314159@mcu.example.org:5061;transport="), "{text}");
        assert!(text.contains("From: \"Room 1\" <sip:load@192.0.2.7:40000>;tag="), "{text}");
        assert!(text.ends_with("\r\n\r\nv=0\r\n"), "{text}");
        let cancel = dialog.cancel().expect("the library reads it");
        let via = |request: &Request| request.via_header().expect("a Via").value().to_owned();
        assert_eq!(via(&cancel), via(&invite), "it is of the same transaction");
        assert_eq!(cancel.cseq_header().and_then(CSeq::seq).ok(), Some(1));
    }

    #[test]
    fn after_the_answer_requests_go_where_it_says_by_the_way_that_it_came() {
        let mut dialog = dialog();
        dialog.request("INVITE", None).expect("the library reads it");
        dialog.answered(&answer(&dialog, CONTACT)).expect("a dialog");
        let bye = text(&dialog.request("BYE", None).expect("the library reads it"));
        assert!(bye.starts_with("BYE sip:daily@mcu.example.org:5061;transport="), "{bye}");
        assert!(bye.contains("tag=theirs\r\n") && bye.contains("CSeq: 2 BYE\r\n"), "{bye}");
        let routes: Vec<_> = bye.lines().filter(|line| line.starts_with("Route:")).collect();
        assert_eq!(routes, ["Route: <sip:p2.example.org;lr>", "Route: <sip:p1.example.org;lr>"]);
    }

    #[test]
    fn an_answer_without_a_contact_makes_no_dialog() {
        let mut dialog = dialog();
        assert!(dialog.answered(&answer(&dialog, "")).is_err());
        assert!(dialog.answered(&answer(&dialog, "Contact: <mailto:a@b>\r\n")).is_err());
        assert!(dialog.answered(&answer(&dialog, CONTACT)).is_ok(), "the control");
    }

    #[test]
    fn only_the_next_request_of_the_other_end_is_admitted() {
        let mut dialog = dialog();
        dialog.answered(&answer(&dialog, CONTACT)).expect("a dialog");
        let (call_id, tag) = (dialog.call_id.clone(), dialog.our_tag.clone());
        let request = |call_id: &str, ours: &str, theirs: &str, seq: u32| {
            let text = format!(
                "OPTIONS sip:load@192.0.2.7:40000 SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bKy\r\nFrom: <sip:a@b>;tag={theirs}\r\n\
                 To: <sip:load@c>;tag={ours}\r\nCall-ID: {call_id}\r\nCSeq: {seq} OPTIONS\r\nContent-Length: 0\r\n\r\n"
            );
            Request::try_from(text.as_str()).expect("a fair request")
        };
        assert!(!dialog.admits(&request("other", &tag, "theirs", 1)));
        assert!(!dialog.admits(&request(&call_id, "other", "theirs", 1)));
        assert!(!dialog.admits(&request(&call_id, &tag, "other", 1)));
        assert!(dialog.admits(&request(&call_id, &tag, "theirs", 1)), "the control");
        assert!(!dialog.admits(&request(&call_id, &tag, "theirs", 1)), "once");
    }
}
