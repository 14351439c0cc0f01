//! What an answer to a REGISTER of ours says, and when the next is due (RFC 3261 §10.2).
//!
//! Flow: `registering` -> [`Outcome::of`] -> [`Schedule::next`] -> `registering`. Pure: no clock, and chance is an argument. Bounds: [`LASTS_MAX`] for a
//! registration, [`SPACING`] to [`REFUSED_MAX`] between two requests.
//!
//! | answer | next |
//! |---|---|
//! | 2xx | a tenth of what was granted before its end, 40 s at least: enough for a request that goes unanswered (32 s) and another. Half of it where that is less |
//! | 423 | at once, for as long as it wants at least; `registering` does that, once |
//! | nothing, 408, 480, 500, 502 to 504 | 30 s, doubled each time, to half an hour (RFC 5626 §4.5) |
//! | any other | a minute, doubled each time, to an hour: a wrong password does not become right, and providers lock out who tries |
//! | with Retry-After | then, an hour at most |
//!
//! Of those pauses chance takes up to half, so that all who lost a registrar at one time do not come back at one time.

use crate::sip::registrar::fields::{Contact, Contacts, contacts};
use rsipstack::sip::{Header, HeadersExt, Response, StatusCodeKind, Uri};
use std::time::Duration;

/// The longest that a registration lasts, or is asked to.
const LASTS_MAX: Duration = Duration::from_secs(86_400);
/// Between two requests at least, whatever is granted, and however often a connection is lost.
pub(super) const SPACING: Duration = Duration::from_secs(5);
/// Before its end a registration is asked for anew.
const MARGIN_MIN: Duration = Duration::from_secs(40);
/// The first pause after a failure that may pass by itself, and the longest.
const FAILED_MIN: Duration = Duration::from_secs(30);
const FAILED_MAX: Duration = Duration::from_secs(1_800);
/// The first pause after a refusal, and the longest.
const REFUSED_MIN: Duration = Duration::from_secs(60);
const REFUSED_MAX: Duration = Duration::from_secs(3_600);

/// What became of a REGISTER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Registered, for so long.
    Granted(Duration),
    /// Not registered.
    Failed {
        /// `None`: nothing was heard, or nothing could be said.
        status: Option<u16>,
        /// What it said of when to come again (RFC 3261 §20.33).
        retry_after: Option<Duration>,
    },
}

impl Outcome {
    /// Nothing was heard.
    pub(super) const UNHEARD: Self = Self::Failed { status: None, retry_after: None };

    /// Of a final answer to a REGISTER of `ours`, for which `asked` was asked.
    pub(super) fn of(response: &Response, ours: &Uri, asked: Duration) -> Self {
        let is_2xx = response.status_code.kind() == StatusCodeKind::Successful;
        match is_2xx.then(|| granted(response, ours, asked)) {
            Some(lasts) if !lasts.is_zero() => Self::Granted(lasts.min(LASTS_MAX)),
            _ => {
                Self::Failed { status: Some(response.status_code.code()), retry_after: retry_after(response) }
            }
        }
    }
}

/// What a 423 wants at least, where it is more than was `asked` and no more than may be.
pub(super) fn least(response: &Response, asked: Duration) -> Option<Duration> {
    let least = response.min_expires_header().and_then(|header| seconds(header.value()))?;
    (response.status_code.code() == 423 && least > asked && least <= LASTS_MAX).then_some(least)
}

/// RFC 3261 §10.2.4. A registrar behind NAT may write our address anew: then that of all addresses counts which ends first.
fn granted(response: &Response, ours: &Uri, asked: Duration) -> Duration {
    let lines = response.contact_headers();
    let read = lines.iter().filter_map(|line| match contacts(line.value())? {
        Contacts::All => None,
        Contacts::Some(all) => Some(all),
    });
    let listed: Vec<Contact<'_>> = read.flatten().collect();
    let of = |contact: &Contact<'_>| contact.param("expires").and_then(seconds);
    let said = match listed.iter().find(|contact| is_same(contact.uri, ours)) {
        Some(own) => of(own),
        None => listed.iter().filter_map(of).min(),
    };
    let all = || response.expires_header().and_then(|header| seconds(header.value()));
    said.or_else(all).unwrap_or(asked)
}

/// User, host and port; parameters are the registrar's to add to.
fn is_same(uri: &str, ours: &Uri) -> bool {
    Uri::try_from(uri).is_ok_and(|uri| uri.auth == ours.auth && uri.host_with_port == ours.host_with_port)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers.iter().find_map(|header| match header {
        Header::RetryAfter(value) => Some(value.value()),
        _ => None,
    })?;
    seconds(value.split([';', '(']).next()?)
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()))
}

/// When the next REGISTER is due.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// In a row.
    failures: u32,
}

impl Schedule {
    /// Whether the last one came to nothing.
    pub(super) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// How long from now on; `chance` is from 0 to 1.
    pub(super) fn next(&mut self, outcome: Outcome, chance: f64) -> Duration {
        let (status, retry_after) = match outcome {
            Outcome::Granted(lasts) => {
                self.failures = 0;
                let margin = (lasts / 10).max(MARGIN_MIN).min(lasts / 2);
                return (lasts - margin).max(SPACING);
            }
            Outcome::Failed { status, retry_after } => (status, retry_after),
        };
        let (least, most) = match status {
            None | Some(408 | 480 | 500 | 502..=504) => (FAILED_MIN, FAILED_MAX),
            Some(_) => (REFUSED_MIN, REFUSED_MAX),
        };
        let doubled = least.saturating_mul(2_u32.saturating_pow(self.failures)).min(most);
        self.failures = self.failures.saturating_add(1);
        match retry_after {
            Some(wait) => wait.clamp(SPACING, REFUSED_MAX),
            None => doubled.mul_f64(1.0 - 0.5 * chance.clamp(0.0, 1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Duration = Duration::from_secs(3_600);

    fn response(status: &str, headers: &str) -> Response {
        let text = format!("SIP/2.0 {status}\r\n{headers}Content-Length: 0\r\n\r\n");
        Response::try_from(text.as_str()).expect("a fair response")
    }

    fn of(status: &str, headers: &str) -> Outcome {
        let ours = Uri::try_from("sip:daily@mcu.example.org:5061;transport=TLS").expect("a fair address");
        Outcome::of(&response(status, headers), &ours, ASKED)
    }

    const fn granted(seconds: u64) -> Outcome {
        Outcome::Granted(Duration::from_secs(seconds))
    }

    fn failed(status: u16, retry_after_s: Option<u64>) -> Outcome {
        Outcome::Failed { status: Some(status), retry_after: retry_after_s.map(Duration::from_secs) }
    }

    #[test]
    fn what_is_granted_is_what_the_registrar_says_of_our_address() {
        let ours = "Contact: <sip:daily@mcu.example.org:5061;transport=tls;x>";
        let other = "Contact: <sip:daily@192.0.2.1:5061>;expires=60\r\n";
        let table = [
            (format!("{other}{ours};expires=600\r\nExpires: 1800\r\n"), granted(600)),
            (format!("{other}{ours}\r\nExpires: 1800\r\n"), granted(1_800)),
            (format!("{other}{ours}\r\n"), granted(3_600)),
            (format!("{other}Contact: <sip:a@b>;expires=90\r\nExpires: 1800\r\n"), granted(60)),
            ("Contact: <sip:a@b\r\nExpires: 1800\r\n".to_owned(), granted(1_800)),
            ("Expires: soon\r\n".to_owned(), granted(3_600)),
            (String::new(), granted(3_600)),
            ("Expires: 4000000000\r\n".to_owned(), granted(86_400)),
            (format!("{ours};expires=0\r\n"), failed(200, None)),
        ];
        for (headers, expected) in table {
            assert_eq!(of("200 OK", &headers), expected, "{headers}");
        }
    }

    #[test]
    fn a_refusal_is_read_with_the_time_that_it_names() {
        assert_eq!(of("403 Forbidden", ""), failed(403, None));
        for text in ["120", " 120 (busy)", "120;duration=60"] {
            let headers = format!("Retry-After: {text}\r\n");
            assert_eq!(of("503 Service Unavailable", &headers), failed(503, Some(120)), "{text}");
        }
        assert_eq!(of("503 Service Unavailable", "Retry-After: later\r\n"), failed(503, None));
        let wants =
            |status: &str, value: &str| least(&response(status, &format!("Min-Expires: {value}\r\n")), ASKED);
        assert_eq!(wants("423 Interval Too Brief", "7200"), Some(Duration::from_secs(7_200)));
        for (status, value) in [
            ("423 Interval Too Brief", "3600"),
            ("423 Interval Too Brief", "86401"),
            ("423 Interval Too Brief", "-1"),
            ("403 Forbidden", "7200"),
        ] {
            assert_eq!(wants(status, value), None, "{status} {value}");
        }
    }

    /// The waits after each outcome of a course, in seconds.
    fn course(outcomes: &[Outcome], chance: f64) -> Vec<u64> {
        let mut schedule = Schedule::default();
        outcomes.iter().map(|outcome| schedule.next(*outcome, chance).as_secs()).collect()
    }

    #[test]
    fn a_registration_is_asked_for_anew_before_it_ends() {
        let lasts = [86_400, 3_600, 400, 120, 80, 60, 20, 4, 1].map(granted);
        assert_eq!(course(&lasts, 0.5), [77_760, 3_240, 360, 80, 40, 30, 10, 5, 5]);
    }

    #[test]
    fn whoever_is_refused_comes_back_ever_more_seldom() {
        let silent = [Outcome::UNHEARD; 8];
        assert_eq!(course(&silent, 0.0), [30, 60, 120, 240, 480, 960, 1_800, 1_800]);
        assert_eq!(course(&silent[..3], 1.0), [15, 30, 60], "chance takes half at most");
        let refused = [failed(403, None); 8];
        assert_eq!(course(&refused, 0.0), [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        let forever = course(&[failed(404, None); 100], 0.0);
        assert_eq!(forever.last(), Some(&3_600), "no overflow");
        let mended = [failed(403, None), failed(503, None), granted(3_600), failed(503, None)];
        assert_eq!(course(&mended, 0.0), [60, 60, 3_240, 30], "what is granted begins anew");
        let told = [failed(503, Some(7)), failed(480, Some(90_000)), failed(403, Some(0)), failed(503, None)];
        assert_eq!(course(&told, 0.0), [7, 3_600, 5, 240], "within bounds");
    }

    /// A day at a registrar that is away for an hour, in time that nobody waits for: it is asked as often as the table says, and no more.
    #[test]
    fn a_day_of_a_registration_in_virtual_time() {
        let (mut schedule, mut now_s, mut until_s, mut said, mut gap_s) = (Schedule::default(), 0, 0, 0, 0);
        let away = 40_000..43_600;
        while now_s < 86_400 {
            said += 1;
            let outcome = if away.contains(&now_s) {
                Outcome::UNHEARD
            } else {
                gap_s += if until_s > 0 && now_s > until_s { now_s - until_s } else { 0 };
                until_s = now_s + 600;
                granted(600)
            };
            now_s += schedule.next(outcome, 0.5).as_secs();
        }
        assert!((155..170).contains(&said), "{said} requests");
        assert!(
            (3_000..5_400).contains(&gap_s),
            "{gap_s} s without: the hour, and what the last pause takes"
        );
    }
}
