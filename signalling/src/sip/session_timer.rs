//! Session timers (RFC 4028), as the called side and, where the other wants one, as the calling side: whether a call still lives, asked for every few minutes.
//!
//! Flow: headers of an INVITE or UPDATE -> **here** -> headers of its 2xx, and when to do what. Pure: every moment is an
//! argument. Bounds: [`INTERVAL_MIN`], [`INTERVAL_MAX`].
//!
//! We never propose a timer: RTP tells us when somebody is gone. One that is asked for is agreed to, with the caller as the one who
//! refreshes wherever it can (§9, table 2). Where we have to refresh, we do it by UPDATE without a body (§7.4), which changes
//! nothing; with a caller that does not take UPDATE there is no timer, as with any callee that has none.

use mcu_core::time::Mono;
use rsipstack::sip::{Header, HeadersExt, MinSE, Request, Require, Response, SessionExpires};
use std::time::Duration;

/// The shortest interval (§4): shorter ones are asked for again, with a 422.
pub(super) const INTERVAL_MIN: Duration = Duration::from_secs(90);
/// The longest; whoever asks for more gets this. A day.
pub(super) const INTERVAL_MAX: Duration = Duration::from_secs(86_400);
/// How long before its end a session that nobody refreshed is given up (§10), or a third of the interval where that is less.
const MARGIN: Duration = Duration::from_secs(32);

/// The interval asked for is shorter than [`INTERVAL_MIN`], or no interval at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// To be answered 422 with `Min-SE`.
    TooSmall,
    /// To be answered 400.
    Malformed,
}

/// Who keeps the session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refresher {
    /// The other side.
    Theirs,
    /// We.
    Ours,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask whether the other side is there.
    Refresh,
    /// It is not: end the call.
    Expired,
}

/// An agreed timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionTimer {
    interval: Duration,
    refresher: Refresher,
    /// Of the last request or response that refreshed it.
    refreshed_at: Mono,
    /// A refresh of ours is on its way.
    asked: bool,
}

impl SessionTimer {
    /// What comes of the headers of a request that may set up or refresh a session; no timer when it asks for none.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) fn agree(request: &Request, now: Mono) -> Result<Option<Self>, Refused> {
        let Some(asked) = request.session_expires_header() else { return Ok(None) };
        let mut parts = asked.value().split(';').map(str::trim);
        let seconds = parts.next().and_then(|text| text.parse::<u32>().ok()).ok_or(Refused::Malformed)?;
        let interval = Duration::from_secs(seconds.into());
        if interval < INTERVAL_MIN {
            return Err(Refused::TooSmall);
        }
        let refresher = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("refresher").then(|| value.trim().to_ascii_lowercase())
        });
        let can = request.header_contains_token("Supported", "timer")
            || request.header_contains_token("Require", "timer");
        let refresher = match refresher.as_deref() {
            Some("uas") => Refresher::Ours,
            Some("uac") | None if can => Refresher::Theirs,
            Some("uac") | None => Refresher::Ours,
            Some(_) => return Err(Refused::Malformed),
        };
        if refresher == Refresher::Ours && !takes_update(request) {
            return Ok(None);
        }
        // Never under the caller's own least (§9), which a proxy may have raised.
        let least = least_of(request).ok_or(Refused::Malformed)?;
        let interval = interval.min(INTERVAL_MAX.max(least));
        Ok(Some(Self { interval, refresher, refreshed_at: now, asked: false }))
    }

    /// What comes of the headers of a 2xx to an INVITE of ours (§7.2), in which we asked for nothing and did not say that we could refresh: a
    /// timer that the other side keeps; ours to keep, where it says so all the same and takes UPDATE; else none.
    pub(super) fn granted(response: &Response, now: Mono) -> Option<Self> {
        let asked = response.session_expires_header()?;
        let mut parts = asked.value().split(';').map(str::trim);
        let interval = Duration::from_secs(parts.next()?.parse::<u32>().ok()?.into());
        let ours = parts.any(|part| part.replace(' ', "").eq_ignore_ascii_case("refresher=uac"));
        let refresher = if ours { Refresher::Ours } else { Refresher::Theirs };
        let fair = interval >= INTERVAL_MIN && (!ours || takes_update(response));
        fair.then(|| Self {
            interval: interval.min(INTERVAL_MAX),
            refresher,
            refreshed_at: now,
            asked: false,
        })
    }

    /// For the 2xx: the interval, who refreshes, and that the caller must do so where it is the one (§9).
    pub(super) fn headers(self) -> Vec<Header> {
        let seconds = self.interval.as_secs();
        match self.refresher {
            Refresher::Theirs => vec![
                SessionExpires::new(format!("{seconds};refresher=uac")).into(),
                Require::new("timer").into(),
            ],
            Refresher::Ours => vec![SessionExpires::new(format!("{seconds};refresher=uas")).into()],
        }
    }

    /// For a refresh of ours, in which we are the one who asks (§7.4).
    pub(super) fn refresh_headers(self) -> Vec<Header> {
        let seconds = self.interval.as_secs();
        vec![
            SessionExpires::new(format!("{seconds};refresher=uac")).into(),
            rsipstack::sip::Supported::new("timer").into(),
        ]
    }

    /// When there is something to do.
    pub(super) fn deadline(self) -> Mono {
        match self.refresher {
            Refresher::Ours if !self.asked => self.refreshed_at + self.interval / 2,
            _ => self.refreshed_at + self.interval.saturating_sub(MARGIN.min(self.interval / 3)),
        }
    }

    /// What that is, once its time has come. A refresh is asked for once; its answer comes by [`Self::refreshed`].
    pub(super) fn due(&mut self, now: Mono) -> Option<Due> {
        if now < self.deadline() {
            None
        } else if self.refresher == Refresher::Ours && !self.asked {
            self.asked = true;
            Some(Due::Refresh)
        } else {
            Some(Due::Expired)
        }
    }

    /// A refresh of ours was answered with a 2xx.
    pub(super) const fn refreshed(&mut self, now: Mono) {
        self.refreshed_at = now;
        self.asked = false;
    }
}

/// For the 422.
pub(super) fn least() -> Header {
    MinSE::new(INTERVAL_MIN.as_secs().to_string()).into()
}

/// The caller's own least interval, zero without one; `None` when it is no number.
fn least_of(request: &Request) -> Option<Duration> {
    let Some(value) = request.header_value("Min-SE") else { return Some(Duration::ZERO) };
    let seconds = value.split(';').next()?.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

fn takes_update(message: &impl HeadersExt) -> bool {
    let names_update = |header: &Header| {
        matches!(header, Header::Allow(_))
            && header.value().split(',').any(|method| method.trim().eq_ignore_ascii_case("UPDATE"))
    };
    message.headers().iter().any(names_update)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Mono = Mono::from_millis(1_000);

    fn request(headers: &str) -> Request {
        let text = format!("INVITE sip:daily@mcu.example.org SIP/2.0\r\nContent-Length: 0\r\n{headers}\r\n");
        Request::try_from(text.as_str()).expect("a fair request")
    }

    fn agree(headers: &str) -> Result<Option<SessionTimer>, Refused> {
        SessionTimer::agree(&request(headers), START)
    }

    fn agreed(headers: &str) -> SessionTimer {
        agree(headers).expect("a fair timer").expect("a timer")
    }

    fn texts(headers: &[Header]) -> Vec<String> {
        headers.iter().map(ToString::to_string).collect()
    }

    fn after(seconds: u64) -> Mono {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn the_caller_refreshes_where_it_can() {
        let timer = agreed("Session-Expires: 1800\r\nSupported: 100rel, timer\r\n");
        assert_eq!(texts(&timer.headers()), ["Session-Expires: 1800;refresher=uac", "Require: timer"]);
        let named = agreed("x: 90 ;refresher=uac\r\nSupported: timer\r\n");
        assert_eq!(texts(&named.headers())[0], "Session-Expires: 90;refresher=uac");
    }

    #[test]
    fn we_refresh_by_update_where_we_have_to() {
        let timer =
            agreed("Session-Expires: 600;refresher=uas\r\nSupported: timer\r\nAllow: INVITE, UPDATE\r\n");
        assert_eq!(texts(&timer.headers()), ["Session-Expires: 600;refresher=uas"]);
        assert_eq!(texts(&timer.refresh_headers())[0], "Session-Expires: 600;refresher=uac");
        assert!(
            agreed("Session-Expires: 600\r\nAllow: UPDATE\r\n").refresher == Refresher::Ours,
            "a proxy asked"
        );
        assert_eq!(agree("Session-Expires: 600\r\nAllow: INVITE\r\n"), Ok(None), "no way to refresh");
        assert_eq!(agree("Allow: UPDATE\r\n"), Ok(None), "nobody asks");
    }

    #[test]
    fn a_timer_in_an_answer_is_theirs_to_keep_or_ours_where_update_is_taken() {
        let granted = |headers: &str| {
            let text = format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
            let response = Response::try_from(text.as_str()).expect("a fair response");
            SessionTimer::granted(&response, START).map(|timer| (timer.interval.as_secs(), timer.refresher))
        };
        assert_eq!(granted(""), None);
        assert_eq!(granted("Session-Expires: 1800;refresher=uas\r\n"), Some((1_800, Refresher::Theirs)));
        assert_eq!(
            granted("Session-Expires: 1800 ; Refresher = UAC\r\nAllow: UPDATE\r\n"),
            Some((1_800, Refresher::Ours))
        );
        assert_eq!(granted("Session-Expires: 1800;refresher=uac\r\nAllow: INVITE\r\n"), None);
        for odd in ["soon", "-1", "89", ""] {
            assert_eq!(granted(&format!("Session-Expires: {odd};refresher=uas\r\n")), None, "{odd}");
        }
    }

    #[test]
    fn intervals_have_their_bounds() {
        let supported = "Supported: timer\r\n";
        for short in ["0", "89"] {
            assert_eq!(agree(&format!("Session-Expires: {short}\r\n{supported}")), Err(Refused::TooSmall));
        }
        for odd in ["", "x", "-1", "99999999999", "600;refresher=me"] {
            assert_eq!(
                agree(&format!("Session-Expires: {odd}\r\n{supported}")),
                Err(Refused::Malformed),
                "{odd}"
            );
        }
        assert_eq!(
            agree(&format!("Session-Expires: 600\r\nMin-SE: x\r\n{supported}")),
            Err(Refused::Malformed)
        );
        let huge = agreed(&format!("Session-Expires: 4000000000\r\n{supported}"));
        assert_eq!(huge.interval, INTERVAL_MAX);
        let raised = agreed(&format!("Session-Expires: 90000\r\nMin-SE: 89000\r\n{supported}"));
        assert_eq!(raised.interval, Duration::from_secs(89_000));
    }

    #[test]
    fn a_session_that_nobody_refreshes_ends_a_little_before_its_time() {
        let mut timer = agreed("Session-Expires: 1800\r\nSupported: timer\r\n");
        assert_eq!((timer.deadline(), timer.due(after(1_767))), (after(1_768), None));
        assert_eq!(timer.due(after(1_768)), Some(Due::Expired));
        assert_eq!(agreed("Session-Expires: 90\r\nSupported: timer\r\n").deadline(), after(60));
    }

    #[test]
    fn our_refresh_is_asked_for_once_and_its_answer_begins_the_time_anew() {
        let mut timer = agreed("Session-Expires: 600;refresher=uas\r\nAllow: UPDATE\r\n");
        assert_eq!((timer.due(after(299)), timer.due(after(300))), (None, Some(Due::Refresh)));
        assert_eq!((timer.due(after(301)), timer.deadline()), (None, after(568)));
        timer.refreshed(after(302));
        assert_eq!(timer.due(after(601)), None, "the control: it was answered");
        assert_eq!(timer.due(after(602)), Some(Due::Refresh));
        assert_eq!(timer.due(after(302 + 568)), Some(Due::Expired), "and this one was not");
    }
}
