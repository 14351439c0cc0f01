//! What io threads tell control about their peers. Never waits: control that does not keep up loses estimates and
//! statistics, which come again; that a peer has gone is also found by control's own clock.

use super::downlink::WayNews;
use mcu_core::conference::keypad::Digit;
use mcu_core::id::{ConferenceId, ParticipantId, PeerId, SourceId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use transport::peer::{Medium, PeerStats};

/// Something about one peer.
#[derive(Debug, Clone)]
pub struct News {
    /// Which.
    pub peer: PeerId,
    /// Whose.
    pub participant: ParticipantId,
    /// Where.
    pub conference: ConferenceId,
    /// What.
    pub what: PeerNews,
}

/// What there is to tell.
#[derive(Debug, Clone)]
pub enum PeerNews {
    /// Media can flow.
    Connected,
    /// The association is over.
    Closed {
        /// No other can follow: the session of a SIP device is agreed, and its media never came up.
        for_good: bool,
    },
    /// Packets of a source began to arrive, or have stopped.
    Live(SourceId, Medium, bool),
    /// Somebody pressed a key.
    Digit(Digit),
    /// What the way to the peer can carry.
    Way(WayNews),
    /// Figures of the last second.
    Stats(PeerStats),
}

/// The way to control. Cloning shares it.
#[derive(Debug, Clone)]
pub struct NewsSender {
    tx: mpsc::Sender<News>,
    dropped: Arc<AtomicU64>,
}

impl NewsSender {
    /// A way for at most `news_max` waiting, and its other end.
    pub fn channel(news_max: usize) -> (Self, mpsc::Receiver<News>) {
        let (tx, rx) = mpsc::channel(news_max);
        (Self { tx, dropped: Arc::new(AtomicU64::new(0)) }, rx)
    }

    /// Tells, or counts what could not be told.
    pub fn tell(&self, news: News) {
        if self.tx.try_send(news).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// News that were lost since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
