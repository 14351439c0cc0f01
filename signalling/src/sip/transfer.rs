//! Transfer within a call (RFC 3515): a host has the device call somebody else, or a host's device asks the node to call somebody.
//!
//! ```text
//! out: API -> REFER -> 202 -> NOTIFY (sipfrag 100, 180, 200) -> BYE of ours; anything else, and the call stays as it was
//! in:  REFER of a host -> 202 -> `outbound::call` -> NOTIFY (sipfrag 100, then 200 or why not); what becomes of the call is its business
//! ```
//! Flow: `switchboard` (the API's word), `within` (REFER, NOTIFY) -> **here** -> `outbound`, which says whether anybody may be called: the
//! same rules both ways. Thread: the call's own task. Bounds: one transfer of each kind at a time in a call, [`WAIT_MAX`] for the outcome of
//! one that the device does.
//!
//! Whom to call is read as strictly as anywhere (`outbound::callee`): no headers behind a `?`, so no `Replaces` (RFC 3891).

use super::answer::Answer;
use super::call::{Call, Done};
use super::goodbye::{self, End};
use super::outbound::callee::Callee;
use super::outbound::{self, Failure, Order, Page, Progress, Reason};
use crate::command::Caller;
use crate::problem::ApiError;
use crate::secret::Secret;
use mcu_core::conference::roster::{DisplayName, Role};
use rsipstack::sip::{
    ContentType, Event, Header, HeadersExt, Method, ReferTo, Request, StatusCode, SubscriptionState,
};
use std::time::Duration;
use tokio::time::sleep;

/// How long a device may take to call somebody else: as long as a call of ours may ring, and some time to say so.
const WAIT_MAX: Duration = Duration::from_secs(180);
/// How long it rings at whomever a device has us call.
const RING: Duration = Duration::from_secs(45);
/// What others read of a number that a device has us call.
const NAMELESS: &str = "Telephone";
/// RFC 3515 §2.4.5.
const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// A host's word that a participant is to be called elsewhere.
pub(super) struct Transfer {
    pub(super) to: Callee,
    pub(super) page: Page,
}

/// A transfer that the device does.
pub(super) struct Referring {
    page: Page,
    number: u32,
}

impl Call {
    /// Has the device call somebody else.
    pub(super) fn transfer(&mut self, Transfer { to, page }: Transfer) {
        if self.referring.is_some() || self.reception.is_some() || self.admitting {
            return page.write(Progress::Failed(Reason::Refused.into()));
        }
        let headers = vec![ReferTo::new(format!("<{to}>")).into(), self.contact.clone()];
        let asked = goodbye::ask(
            &self.board,
            &mut self.dialog,
            self.flow.clone(),
            Method::Refer,
            headers,
            Vec::new(),
        );
        self.transfers_begun += 1;
        let number = self.transfers_begun;
        self.referring = Some(Referring { page, number });
        self.work.spawn(async move {
            let status = asked.await;
            if status.is_some_and(|status| (200..300).contains(&status)) {
                sleep(WAIT_MAX).await;
                return Done::NotTransferred(number, Reason::NoAnswer.into());
            }
            let failure = status.map_or_else(|| Reason::Unreachable.into(), Failure::answered);
            Done::NotTransferred(number, failure)
        });
    }

    /// The transfer of that number came to nothing, unless it has come to something meanwhile.
    pub(super) fn not_transferred(&mut self, number: u32, failure: Failure) {
        if let Some(referring) = self.referring.take_if(|referring| referring.number == number) {
            referring.page.write(Progress::Failed(failure));
        }
    }

    /// The device has hung up while it was to call somebody else: that is how most end it.
    pub(super) fn gone(&mut self, end: End) {
        if let (Some(referring), End::HungUp | End::Transferred) = (self.referring.take(), end) {
            referring.page.write(Progress::Transferred);
        }
    }

    /// What the device says of its transfer, and whether that ends the call.
    pub(super) fn notified(&mut self, request: &Request) -> (Answer, Option<End>) {
        let of_refer = |value: &str| {
            value.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("refer"))
        };
        let event = request.header_value("Event");
        if self.referring.is_none() || !event.is_some_and(|value| of_refer(&value)) {
            return (Answer::unknown_call(), None);
        }
        let over = request.header_value("Subscription-State");
        let over =
            over.is_some_and(|state| state.trim_start().to_ascii_lowercase().starts_with("terminated"));
        let end = match status(&request.body) {
            Some(200..=299) => Some(End::Transferred),
            Some(code @ 300..) => {
                self.stays(Failure::answered(code));
                None
            }
            Some(101..) if !over => {
                if let Some(referring) = &self.referring {
                    referring.page.write(Progress::Ringing);
                }
                None
            }
            // It will not say what became of it.
            _ if over => {
                self.stays(Reason::Refused.into());
                None
            }
            _ => None,
        };
        (Answer::new(StatusCode::OK), end)
    }

    fn stays(&mut self, failure: Failure) {
        if let Some(referring) = self.referring.take() {
            referring.page.write(Progress::Failed(failure));
        }
    }

    /// A device asks the node to call somebody: of a host, and only whom the API could have called.
    ///
    /// # Errors
    /// Why not: 403 of anybody else, 400 for an address that is none, 491 while another is being called, and what the rules say.
    pub(super) fn referred(&mut self, request: &Request) -> Result<(), Answer> {
        if self.reception.is_some() || self.who.role != Role::Host {
            return Err(Answer::new(StatusCode::Forbidden));
        }
        if self.calling {
            return Err(Answer::new(StatusCode::RequestPending));
        }
        let callee = refer_to(request).ok_or_else(Answer::malformed)?;
        let name = if callee.number().is_some() { NAMELESS } else { callee.user() };
        let name = DisplayName::parse(name).map_err(|_| Answer::malformed())?;
        let order = Order {
            room: self.who.alias.clone(),
            by: Caller::Host(self.who.clone()),
            callee,
            name: Secret::new(name),
            role: Role::Guest,
            ring: RING,
            keys: Secret::default(),
        };
        let (_, mut progress) =
            outbound::call(&self.board, order).map_err(|error: ApiError| Answer::from(&error))?;
        self.calling = true;
        self.work.spawn(async move {
            let rings = |progress: &Progress| matches!(progress, Progress::Calling | Progress::Ringing);
            let came = progress.wait_for(|progress| !rings(progress)).await;
            Done::Called(came.map_or(Progress::Over, |progress| *progress))
        });
        Ok(())
    }

    /// Tells the device that somebody is being called (§2.4.4: at once).
    pub(super) fn tell_trying(&mut self) {
        self.notify("100 Trying", "active;expires=180");
    }

    /// Tells the device what became of it, which ends what there is to tell.
    pub(super) fn called(&mut self, progress: Progress) {
        self.calling = false;
        let said = match progress {
            Progress::Failed(failure) => {
                let (code, word) = (failure.sip_status(), failure.reason.code());
                format!("{code} {word}")
            }
            _ => "200 OK".to_owned(),
        };
        self.notify(&said, "terminated;reason=noresource");
    }

    fn notify(&mut self, status: &str, state: &str) {
        let headers: Vec<Header> = vec![
            Event::new("refer").into(),
            SubscriptionState::new(state).into(),
            ContentType::new(SIPFRAG).into(),
            self.contact.clone(),
        ];
        let body = format!("SIP/2.0 {status}\r\n").into_bytes();
        let flow = self.flow.clone();
        let asked = goodbye::ask(&self.board, &mut self.dialog, flow, Method::Notify, headers, body);
        // Whether it hears of it changes nothing here, and the call may be over before that.
        tokio::spawn(asked);
    }
}

/// The one address of `Refer-To`, bare or in angle brackets, with a name or without, and nothing behind it.
fn refer_to(request: &Request) -> Option<Callee> {
    let mut values = request.headers.iter().filter_map(|header| match header {
        Header::ReferTo(value) => Some(value.value().trim()),
        _ => None,
    });
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let address = match value.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?,
        None => value,
    };
    Callee::parse(address).ok()
}

/// The status line that a sipfrag begins with (RFC 3420).
fn status(body: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(body).ok()?.lines().next()?;
    let code = line.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
    (100..700).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &str) -> Option<String> {
        let text = format!("REFER sip:mcu@b SIP/2.0\r\n{headers}Content-Length: 0\r\n\r\n");
        refer_to(&Request::try_from(text.as_str()).expect("a fair request")).map(|callee| callee.to_string())
    }

    #[test]
    fn whom_to_call_is_one_address_and_nothing_behind_it() {
        let fair = Some("sip:+49@t.example".to_owned());
        for headers in [
            "Refer-To: <sip:+49@t.example>\r\n",
            "r: sip:+49@t.example\r\n",
            "Refer-To: \"A. <b>\" <sip:+49@t.example>\r\n",
        ] {
            let expected = if headers.contains("<b>") { None } else { fair.clone() };
            assert_eq!(asked(headers), expected, "{headers}");
        }
        for odd in [
            "",
            "Refer-To: <sip:+49@t.example?Replaces=a%40b>\r\n",
            "Refer-To: <sip:+49@t.example;method=BYE>\r\n",
            "Refer-To: <sip:+49@t.example>;early-only\r\n",
            "Refer-To: <tel:+49>\r\n",
            "Refer-To: <sip:+49@t.example>\r\nRefer-To: <sip:+31@t.example>\r\n",
            "Refer-To: <sip:+49@t.example>, <sip:+31@t.example>\r\n",
        ] {
            assert_eq!(asked(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_fragment_says_its_status_in_its_first_line() {
        assert_eq!(status(b"SIP/2.0 200 OK\r\n"), Some(200));
        assert_eq!(status(b"SIP/2.0 180 Ringing"), Some(180));
        for odd in [&b""[..], b"200 OK", b"SIP/2.0 20", b"SIP/2.0 099 x", b"SIP/2.0 abc", b"\xff"] {
            assert_eq!(status(odd), None);
        }
    }
}
