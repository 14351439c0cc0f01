//! All peers of one io thread, sans-I/O: datagrams, bursts, commands and `now` go in; datagrams and news come out.
//!
//! Flow in: `transport::io` -> demux -> `seat` -> engine intake. Flow out: engine -> [`Peers::video`] and
//! [`Peers::sound`] -> `seat` -> `transport::io`. Thread: io, which owns it. Bound: `demux::PEERS_MAX` peers.

mod downlink;
mod lines;
mod news;
mod seat;

pub use downlink::{Downlink, Verdict, WayNews};
pub use lines::{LineFeeds, PictureLine, SoundLine, index};
pub use news::{News, NewsSender, PeerNews};
pub use seat::{MovedPeer, NewPeer, Seat};

use crate::engine::fanout::ViewTable;
use crate::engine::outgoing::{SoundBurst, VideoBurst};
use crate::engine::totals::MediaTotals;
use crate::engine::{EngineInbox, PictureCommand};
use mcu_core::conference::plan::MeetingPlan;
use mcu_core::id::{ConferenceId, PeerId, RenditionId};
use mcu_core::time::Mono;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use transport::demux::{Demux, DemuxCounters, Route};
use transport::peer::{Datagram, Line, PeerEvent, PeerOutput, Transmit};

/// How often peers are looked at although nothing happened: liveness, key-frame wishes, delays.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// What control tells an io thread.
pub enum PeerCommand {
    /// A peer is this thread's from now on.
    Add(Box<NewPeer>),
    /// A peer goes on in another meeting.
    Move(Box<MovedPeer>),
    /// A peer is to be closed and forgotten.
    Remove(PeerId),
    /// A peer has said, other than by RTCP, that it needs a key frame of its main picture.
    KeyframeWanted(PeerId),
    /// A conference whose peers live here has a new plan.
    Plan(Arc<MeetingPlan>),
    /// A conference has begun; its engine listens here.
    Conference(ConferenceId, EngineInbox),
    /// A conference is over.
    ConferenceGone(ConferenceId),
}

/// One conference, as far as this thread has peers of it.
struct Meeting {
    inbox: EngineInbox,
    views: ViewTable,
    peers: Vec<PeerId>,
}

/// Everything that one io thread owns but its sockets.
pub struct Peers {
    demux: Demux,
    /// Whose the ports are that are one peer's alone.
    own_ports: HashMap<SocketAddr, PeerId>,
    /// Of those, the ones whose peer has gone.
    given_up: Vec<SocketAddr>,
    seats: BTreeMap<PeerId, Seat>,
    meetings: BTreeMap<ConferenceId, Meeting>,
    news: NewsSender,
    totals: Arc<MediaTotals>,
    touched: Vec<PeerId>,
    next_housekeeping: Mono,
}

impl Peers {
    /// None yet; news of them goes to `news`, what they count to `totals`.
    pub fn new(news: NewsSender, totals: Arc<MediaTotals>) -> Self {
        Self {
            demux: Demux::default(),
            own_ports: HashMap::new(),
            given_up: Vec::new(),
            seats: BTreeMap::new(),
            meetings: BTreeMap::new(),
            news,
            totals,
            touched: Vec::new(),
            next_housekeeping: Mono::ZERO,
        }
    }

    /// Obeys control.
    pub fn command(&mut self, command: PeerCommand, now: Mono) {
        match command {
            PeerCommand::Add(new) => self.add(*new, now),
            PeerCommand::Move(moved) => self.move_on(*moved, now),
            PeerCommand::Remove(peer) => self.remove(peer, now),
            PeerCommand::KeyframeWanted(peer) => self.keyframe_wanted(peer, now),
            PeerCommand::Plan(plan) => self.plan(plan),
            PeerCommand::Conference(conference, inbox) => {
                let meeting = Meeting { inbox, views: ViewTable::default(), peers: Vec::new() };
                self.meetings.insert(conference, meeting);
            }
            PeerCommand::ConferenceGone(conference) => {
                if let Some(meeting) = self.meetings.remove(&conference) {
                    for peer in meeting.peers {
                        self.remove(peer, now);
                    }
                }
            }
        }
    }

    fn add(&mut self, new: NewPeer, now: Mono) {
        let (peer, conference, follows) = (new.id, new.conference, new.follows);
        let mut seat = Seat::new(new);
        let registered = seat.local_ufrag().map_or(Ok(()), |ufrag| self.demux.register(ufrag, peer));
        if let Err(error) = registered {
            tracing::error!(%peer, %error, "a peer cannot be served");
            self.news.tell(seat.news(PeerNews::Closed { for_good: false }));
            return;
        }
        if let Some(before) = follows {
            // One that has closed meanwhile took its ports with it; control hears of that, too.
            let Some(before) = self.seats.get_mut(&before) else {
                self.news.tell(seat.news(PeerNews::Closed { for_good: false }));
                return;
            };
            seat.succeed(before);
        }
        self.own_ports.extend(seat.own_ports().into_iter().map(|address| (address, peer)));
        if let Some(meeting) = self.meetings.get_mut(&conference) {
            meeting.peers.push(peer);
            if let Some(plan) = meeting.views.current() {
                seat.select(plan, now);
            }
        }
        self.seats.insert(peer, seat);
        self.touched.push(peer);
    }

    fn move_on(&mut self, moved: MovedPeer, now: Mono) {
        let MovedPeer { id, participant, conference, .. } = moved;
        let Some(seat) = self.seats.get_mut(&id) else {
            // It closed meanwhile, and said so where it was.
            let what = PeerNews::Closed { for_good: false };
            return self.news.tell(News { peer: id, participant, conference, what });
        };
        if let Some(before) = self.meetings.get_mut(&seat.conference) {
            before.peers.retain(|other| *other != id);
        }
        seat.move_on(moved);
        if let Some(meeting) = self.meetings.get_mut(&conference) {
            meeting.peers.push(id);
            if let Some(plan) = meeting.views.current() {
                seat.select(plan, now);
            }
        }
        self.touched.push(id);
    }

    fn remove(&mut self, peer: PeerId, now: Mono) {
        // Its goodbye leaves with the next drain, and the seat with it.
        if let Some(seat) = self.seats.get_mut(&peer) {
            seat.close(now);
            self.touched.push(peer);
        }
    }

    fn keyframe_wanted(&mut self, peer: PeerId, now: Mono) {
        let Some(seat) = self.seats.get_mut(&peer) else { return };
        let event = PeerEvent::KeyframeRequested { line: Line::MAIN_VIDEO };
        let wants = seat.event(event, now, &self.news);
        if let (Some(rendition), Some(meeting)) = (wants, self.meetings.get(&seat.conference)) {
            want_keyframe(&meeting.inbox, rendition);
        }
    }

    fn forget(&mut self, peer: PeerId) {
        self.demux.remove(peer);
        let Some(seat) = self.seats.remove(&peer) else { return };
        for address in seat.own_ports() {
            // Unless a session that follows in the same call has it now.
            if self.own_ports.get(&address) == Some(&peer) {
                self.own_ports.remove(&address);
                self.given_up.push(address);
            }
        }
        if let Some(meeting) = self.meetings.get_mut(&seat.conference) {
            meeting.peers.retain(|other| *other != peer);
        }
    }

    fn plan(&mut self, plan: Arc<MeetingPlan>) {
        if let Some(meeting) = self.meetings.get_mut(&plan.conference) {
            meeting.views.plan(plan);
        }
    }

    /// Takes one datagram from the network; true when it was some peer's.
    pub fn datagram(&mut self, datagram: Datagram<'_>, now: Mono) -> bool {
        let own = self.own_ports.get(&datagram.destination).copied();
        let peer = match own.map_or_else(|| self.demux.route(&datagram), Route::Peer) {
            Route::Peer(peer) => peer,
            Route::Claims(peer) => {
                let Some(seat) = self.seats.get_mut(&peer) else { return false };
                let vouched =
                    seat.authenticates(&datagram) && self.demux.admit(peer, datagram.proto, datagram.source);
                if !vouched {
                    return false;
                }
                peer
            }
            Route::Nobody => return false,
        };
        let Some(seat) = self.seats.get_mut(&peer) else { return false };
        seat.datagram(&datagram, now);
        self.touched.push(peer);
        true
    }

    /// The ports that nobody needs any more, since the last call.
    pub fn take_given_up(&mut self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.given_up.drain(..)
    }

    /// Forgets a source whose TCP connection has closed.
    pub fn disconnected(&mut self, proto: transport::peer::Proto, source: std::net::SocketAddr) {
        self.demux.forget(proto, source);
    }

    /// Sends one picture to everybody who gets it.
    pub fn video(&mut self, burst: &Arc<VideoBurst>, now: Mono) {
        let Some(meeting) = self.meetings.get_mut(&burst.conference) else { return };
        if let Some(plan) = meeting.views.advance(burst.tick) {
            for peer in &meeting.peers {
                if let Some(seat) = self.seats.get_mut(peer) {
                    seat.select(&plan, now);
                }
            }
        }
        let mut wanted = false;
        for peer in &meeting.peers {
            if let Some(seat) = self.seats.get_mut(peer)
                && let Some(wants_keyframe) = seat.send_video(burst, now)
            {
                wanted |= wants_keyframe;
                self.touched.push(*peer);
            }
        }
        if wanted {
            want_keyframe(&meeting.inbox, burst.rendition);
        }
    }

    /// Sends 20 ms of sound to everybody who listens.
    pub fn sound(&mut self, burst: &SoundBurst, now: Mono) {
        let Some(meeting) = self.meetings.get(&burst.conference) else { return };
        for peer in &meeting.peers {
            if let Some(seat) = self.seats.get_mut(peer)
                && seat.send_sound(burst, now)
            {
                self.touched.push(*peer);
            }
        }
    }

    /// Does what is due at `now`.
    pub fn timeout(&mut self, now: Mono) {
        let housekeeping = self.next_housekeeping <= now;
        if housekeeping {
            self.next_housekeeping = now + HOUSEKEEPING;
        }
        for (peer, seat) in &mut self.seats {
            if housekeeping {
                seat.housekeep(now, &self.news, &self.totals);
            }
            if seat.timeout(now) || housekeeping {
                self.touched.push(*peer);
            }
        }
    }

    /// When [`timeout`](Self::timeout) is to be called; `None` without peers.
    pub fn deadline(&self) -> Option<Mono> {
        let next = self.seats.values().filter_map(Seat::deadline).min()?;
        Some(next.min(self.next_housekeeping))
    }

    /// Hands everything that peers want sent to `send`, and their news to control.
    pub fn drain(&mut self, now: Mono, send: &mut dyn FnMut(&Transmit)) {
        self.touched.sort_unstable();
        self.touched.dedup();
        for peer in std::mem::take(&mut self.touched) {
            let Some(seat) = self.seats.get_mut(&peer) else { continue };
            let inbox = self.meetings.get(&seat.conference).map(|meeting| &meeting.inbox);
            while let Some(output) = seat.poll(now) {
                match output {
                    PeerOutput::Transmit(transmit) => send(&transmit),
                    PeerOutput::Event(event) => {
                        let wants = seat.event(event, now, &self.news);
                        if let (Some(rendition), Some(inbox)) = (wants, inbox) {
                            want_keyframe(inbox, rendition);
                        }
                    }
                }
            }
            if seat.is_closed() {
                self.forget(peer);
            }
        }
    }

    /// What the demultiplexer has counted.
    pub fn demux_counters(&self) -> DemuxCounters {
        self.demux.counters()
    }

    /// How many peers there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }
}

/// A full inbox means an engine that is far behind: the receiver asks again, nothing is lost.
fn want_keyframe(inbox: &EngineInbox, rendition: RenditionId) {
    let _ = inbox.pictures.push(PictureCommand::KeyframeWanted(rendition));
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::id::ParticipantId;
    use tokio::sync::mpsc;
    use transport::peer::{LocalPorts, Proto, SipConfig, SipPeer, Standing};

    const SOUND: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8\r\n";
    const PICTURE: &str = "m=video 5002 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n";
    const NOW: Mono = Mono::from_millis(1_000);

    fn at(port: u16) -> SocketAddr {
        SocketAddr::new([10, 0, 0, 1].into(), port)
    }

    /// A leg whose new ports count from `port`.
    fn leg(id: u64, follows: Option<(u64, Standing)>, offer: &str, mut port: u16) -> (NewPeer, Standing) {
        let (follows, standing) =
            follows.map_or((None, None), |(id, standing)| (Some(PeerId(id)), Some(standing)));
        let from = [198, 51, 100, 7].into();
        let config = SipConfig {
            advertised: [203, 0, 113, 1].into(),
            from,
            plain_rtp: true,
            standing,
            ..SipConfig::default()
        };
        let mut open = |_| {
            let ports = LocalPorts { rtp: at(port), rtcp: at(port + 1) };
            port += 2;
            Ok(ports)
        };
        let (peer, _) = SipPeer::accept(&config, offer, &mut open, NOW).expect("accepted");
        let standing = peer.standing();
        let new = NewPeer {
            id: PeerId(id),
            participant: ParticipantId(1),
            conference: ConferenceId(1),
            peer: peer.into(),
            ports: Vec::new(),
            feeds: LineFeeds::default(),
            rtp_offsets: [0; 2],
            follows,
        };
        (new, standing)
    }

    fn peers() -> (Peers, mpsc::Receiver<News>) {
        let (news, heard) = NewsSender::channel(16);
        (Peers::new(news, Arc::default()), heard)
    }

    fn add(peers: &mut Peers, new: NewPeer) {
        peers.command(PeerCommand::Add(Box::new(new)), NOW);
    }

    fn given_up(peers: &mut Peers) -> Vec<u16> {
        peers.drain(NOW, &mut |_| {});
        peers.take_given_up().map(|address| address.port()).collect()
    }

    fn is_ours(peers: &mut Peers, port: u16) -> bool {
        let source = "198.51.100.7:5000".parse().expect("an address");
        let bytes = &[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 1][..];
        peers.datagram(Datagram { proto: Proto::Udp, source, destination: at(port), bytes }, NOW)
    }

    #[test]
    fn ports_go_from_a_session_to_the_one_that_follows_and_what_it_leaves_is_given_up() {
        let (mut peers, _heard) = peers();
        let (first, standing) = leg(1, None, &format!("{SOUND}{PICTURE}"), 40_000);
        add(&mut peers, first);
        assert!(is_ours(&mut peers, 40_000) && is_ours(&mut peers, 40_002));
        let (next, _) = leg(2, Some((1, standing)), SOUND, 41_000);
        add(&mut peers, next);
        peers.command(PeerCommand::Remove(PeerId(1)), NOW);
        assert_eq!((given_up(&mut peers), peers.len()), (vec![40_002, 40_003], 1));
        assert!(is_ours(&mut peers, 40_000) && !is_ours(&mut peers, 40_002));
        peers.command(PeerCommand::Remove(PeerId(2)), NOW);
        assert_eq!(given_up(&mut peers), [40_000, 40_001], "the control: in the end they are");
    }

    #[test]
    fn who_follows_a_session_that_has_ended_is_told_to_be_gone() {
        let (mut peers, mut heard) = peers();
        let (_, standing) = leg(1, None, SOUND, 40_000);
        let (next, _) = leg(2, Some((1, standing)), SOUND, 41_000);
        add(&mut peers, next);
        let news = heard.try_recv().expect("news");
        assert!(
            matches!(news, News { peer: PeerId(2), what: PeerNews::Closed { for_good: false }, .. }),
            "{news:?}"
        );
        assert!(peers.is_empty());
    }
}
