//! The book of calls out: what becomes of each, for those who ask, and the word by which one is called off.
//!
//! Flow: `outbound::call` -> [`Book::begin`] -> [`Page`], which the call's task writes -> [`Book::list`], [`Book::news`]. Thread: any; one short lock.
//! Bound: `limits::SIP_CALLS_OUT_MAX` pages. Calls that came to nothing stay for [`KEPT`], so that whoever looks every few seconds reads
//! why; a page that its task dropped is that of a call which is over.

use super::callee::Callee;
use crate::room::Alias;
use crate::secret::Secret;
use mcu_core::conference::roster::DisplayName;
use mcu_core::id::ParticipantId;
use mcu_core::limits::SIP_CALLS_OUT_MAX;
use mcu_core::time::Mono;
use rsipstack::platform::CancellationToken;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a failure can be read.
const KEPT: Duration = Duration::from_secs(60);

/// Which call; good for one run of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId(pub(crate) u64);

/// Why a call came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Nothing leads there at the moment.
    Unreachable,
    /// It rang for as long as it may.
    NoAnswer,
    /// 486, 600.
    Busy,
    /// 603 and 403.
    Declined,
    /// 404, 410, 484, 604.
    NotFound,
    /// A 3xx, which is not followed.
    Redirected,
    /// The trunk wants other credentials, or a digest that is not allowed.
    Unauthorized,
    /// No session came of it.
    NotAcceptable,
    /// Called off.
    Cancelled,
    /// The meeting took nobody in: it is full, over, or whoever called has left it.
    NotLetIn,
    /// Any other status.
    Refused,
}

impl Reason {
    /// The API's word.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NoAnswer => "no-answer",
            Self::Busy => "busy",
            Self::Declined => "declined",
            Self::NotFound => "not-found",
            Self::Redirected => "redirected",
            Self::Unauthorized => "unauthorized",
            Self::NotAcceptable => "not-acceptable",
            Self::Cancelled => "cancelled",
            Self::NotLetIn => "not-let-in",
            Self::Refused => "refused",
        }
    }

    /// Of a final answer (RFC 3261 §21).
    const fn of(status: u16) -> Self {
        match status {
            300..=399 => Self::Redirected,
            401 | 407 => Self::Unauthorized,
            403 | 603 => Self::Declined,
            404 | 410 | 484 | 604 => Self::NotFound,
            408 | 480 => Self::NoAnswer,
            406 | 415 | 488 | 606 => Self::NotAcceptable,
            486 | 600 => Self::Busy,
            502..=504 => Self::Unreachable,
            _ => Self::Refused,
        }
    }
}

/// A call that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In a word.
    pub(crate) reason: Reason,
    /// What the far end said, if it said anything.
    pub(crate) status: Option<u16>,
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reason, status: None }
    }
}

impl Failure {
    /// For a device that had us call.
    pub(in crate::sip) fn sip_status(self) -> u16 {
        let own = || match self.reason {
            Reason::NoAnswer => 408,
            Reason::Busy | Reason::NotLetIn => 486,
            Reason::Cancelled => 487,
            Reason::NotAcceptable => 488,
            Reason::Unreachable => 503,
            _ => 500,
        };
        self.status.unwrap_or_else(own)
    }

    /// Of a final answer that is no 2xx.
    pub(in crate::sip) const fn answered(status: u16) -> Self {
        Self { reason: Reason::of(status), status: Some(status) }
    }
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// On its way.
    Calling,
    /// Somebody is being called (180, 183).
    Ringing,
    /// In the meeting.
    Answered(ParticipantId),
    /// It came to nothing.
    Failed(Failure),
    /// Of a transfer: who was to be called elsewhere is there.
    Transferred,
    /// It was answered, and has ended.
    Over,
}

/// What can be read of a call.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) id: CallId,
    pub(crate) to: Secret<String>,
    /// What others are to read of it, unless it is a transfer.
    pub(crate) name: Option<Secret<DisplayName>>,
    /// Who is being called elsewhere, where it is a transfer that somebody's device does.
    pub(crate) transfers: Option<ParticipantId>,
    pub(crate) progress: Progress,
}

struct Entry {
    room: Alias,
    to: Secret<String>,
    name: Option<Secret<DisplayName>>,
    transfers: Option<ParticipantId>,
    progress: watch::Receiver<Progress>,
    stop: CancellationToken,
    told_at: Option<Mono>,
}

#[derive(Default)]
struct Entries {
    last: u64,
    by_id: BTreeMap<CallId, Entry>,
}

/// See the module.
#[derive(Default)]
pub(in crate::sip) struct Book {
    entries: Mutex<Entries>,
    news: watch::Sender<()>,
}

/// One call's page, which its task holds as long as there is a call.
pub(in crate::sip) struct Page {
    id: CallId,
    progress: watch::Sender<Progress>,
    news: watch::Sender<()>,
    stop: CancellationToken,
}

impl Book {
    /// A page for a call that begins, of somebody by `name` or of a participant who is to be called elsewhere.
    pub(super) fn begin(
        &self,
        room: &Alias,
        to: &Callee,
        name: Option<&Secret<DisplayName>>,
        transfers: Option<ParticipantId>,
        now: Mono,
    ) -> Page {
        let mut entries = self.entries();
        entries.forget(now);
        entries.last += 1;
        let id = CallId(entries.last);
        let (progress, read) = watch::channel(Progress::Calling);
        let stop = CancellationToken::new();
        let (room, to, name) = (room.clone(), Secret::new(to.to_string()), name.cloned());
        let entry = Entry { room, to, name, transfers, progress: read, stop: stop.clone(), told_at: None };
        entries.by_id.insert(id, entry);
        drop(entries);
        self.news.send_replace(());
        Page { id, progress, news: self.news.clone(), stop }
    }

    /// Changes whenever something else can be read than before, of a call of whatever room. That a failure has been kept for long enough is no news.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// The calls of a room, in order.
    pub(super) fn list(&self, room: &Alias, now: Mono) -> Vec<Written> {
        let mut entries = self.entries();
        entries.forget(now);
        let own = entries.by_id.iter().filter(|(_, entry)| entry.room == *room);
        let written = |(id, entry): (&CallId, &Entry)| Written {
            id: *id,
            to: entry.to.clone(),
            name: entry.name.clone(),
            transfers: entry.transfers,
            progress: *entry.progress.borrow(),
        };
        own.map(written).collect()
    }

    /// Calls off a call of a room that has not been answered; who is in the meeting by it, if it has been. `None`: there is no such call.
    pub(super) fn call_off(&self, room: &Alias, id: CallId) -> Option<Option<ParticipantId>> {
        let entries = self.entries();
        let entry = entries.by_id.get(&id).filter(|entry| entry.room == *room)?;
        entry.stop.cancel();
        let progress = *entry.progress.borrow();
        Some(match progress {
            Progress::Answered(participant) => Some(participant),
            _ => None,
        })
    }

    /// Calls all of them off: the node is going.
    pub(in crate::sip) fn call_off_all(&self) {
        self.entries().by_id.values().for_each(|entry| entry.stop.cancel());
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Lets go of what nobody needs to read any more.
    fn forget(&mut self, now: Mono) {
        for entry in self.by_id.values_mut() {
            let is_told = matches!(*entry.progress.borrow(), Progress::Failed(_) | Progress::Transferred);
            if entry.told_at.is_none() && is_told {
                // Noticed late, if nobody looked: then it stays for as long from now on.
                entry.told_at = Some(now);
            }
        }
        self.by_id.retain(|_, entry| match *entry.progress.borrow() {
            Progress::Failed(_) | Progress::Transferred => {
                entry.told_at.is_none_or(|at| now.since(at) < KEPT)
            }
            Progress::Over => false,
            _ => true,
        });
        while self.by_id.len() >= SIP_CALLS_OUT_MAX {
            let failed = self.by_id.iter().find(|(_, entry)| entry.told_at.is_some()).map(|(id, _)| *id);
            let Some(oldest) = failed else { break };
            self.by_id.remove(&oldest);
        }
    }
}

impl Page {
    pub(super) const fn id(&self) -> CallId {
        self.id
    }

    /// For whoever wants to know what becomes of it.
    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(in crate::sip) fn write(&self, progress: Progress) {
        // A far end may say a hundred times that it rings.
        if self.progress.send_if_modified(|written| std::mem::replace(written, progress) != progress) {
            self.news.send_replace(());
        }
    }

    /// Whether somebody has called it off.
    pub(super) fn is_called_off(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Returns once somebody has called it off.
    pub(super) async fn called_off(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Page {
    /// A task that failed leaves no call behind that seems to go on.
    fn drop(&mut self) {
        let is_news = self.progress.send_if_modified(|progress| match progress {
            Progress::Failed(_) | Progress::Transferred | Progress::Over => false,
            Progress::Answered(_) => {
                *progress = Progress::Over;
                true
            }
            Progress::Calling | Progress::Ringing => {
                *progress = Progress::Failed(Reason::Refused.into());
                true
            }
        });
        if is_news {
            self.news.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(book: &Book, room: &str) -> Page {
        let room = Alias::parse(room).expect("a fair alias");
        let to = Callee::parse("sip:+49@trunk.example.org").expect("a fair address");
        book.begin(&room, &to, None, None, Mono::ZERO)
    }

    fn listed(book: &Book, room: &str, ms: u64) -> Vec<(u64, Progress)> {
        let room = Alias::parse(room).expect("a fair alias");
        let written = book.list(&room, Mono::from_millis(ms));
        written.into_iter().map(|written| (written.id.0, written.progress)).collect()
    }

    #[test]
    fn a_failure_can_be_read_for_a_minute_and_what_is_over_not_at_all() {
        let book = Book::default();
        let pages: Vec<Page> = (0..3).map(|_| begin(&book, "daily")).collect();
        let answered = Progress::Answered(ParticipantId(7));
        let busy = Progress::Failed(Failure::answered(486));
        pages[0].write(busy);
        pages[1].write(answered);
        let lost = Progress::Failed(Reason::Refused.into());
        assert_eq!(listed(&book, "daily", 0), [(1, busy), (2, answered), (3, Progress::Calling)]);
        assert_eq!(listed(&book, "weekly", 0), []);
        drop(pages);
        assert_eq!(listed(&book, "daily", 59_999), [(1, busy), (3, lost)], "a task that was lost is no call");
        assert_eq!(listed(&book, "daily", 60_000), [(3, lost)], "noticed later");
        assert_eq!(listed(&book, "daily", 119_999), []);
    }

    #[test]
    fn a_call_is_called_off_by_those_of_its_room() {
        let book = Book::default();
        let page = begin(&book, "daily");
        let room = |alias: &str| Alias::parse(alias).expect("a fair alias");
        assert_eq!(book.call_off(&room("weekly"), page.id()), None);
        assert!(!page.stop.is_cancelled(), "the control");
        assert_eq!(book.call_off(&room("daily"), page.id()), Some(None));
        assert!(page.stop.is_cancelled());
        page.write(Progress::Answered(ParticipantId(7)));
        assert_eq!(book.call_off(&room("daily"), page.id()), Some(Some(ParticipantId(7))));
    }

    #[test]
    fn what_can_be_read_anew_is_news_and_what_is_written_again_is_not() {
        let book = Book::default();
        let mut news = book.news();
        let mut came = || {
            let came = news.has_changed().expect("the book is there");
            news.mark_unchanged();
            came
        };
        assert!(!came(), "nothing has been written yet");
        let [rings, lost] = [begin(&book, "daily"), begin(&book, "weekly")];
        assert!(came(), "of whatever room");
        rings.write(Progress::Ringing);
        assert!(came());
        rings.write(Progress::Ringing);
        assert!(!came(), "it goes on ringing");
        drop(lost);
        assert!(came(), "its task is gone");
        rings.write(Progress::Answered(ParticipantId(7)));
        drop(rings);
        assert!(came());
    }

    #[test]
    fn the_book_holds_no_more_than_it_may_of_those_that_failed() {
        let book = Book::default();
        for _ in 0..SIP_CALLS_OUT_MAX + 10 {
            begin(&book, "daily").write(Progress::Failed(Reason::Busy.into()));
        }
        assert_eq!(book.entries().by_id.len(), SIP_CALLS_OUT_MAX);
    }
}
