//! Floor control server (RFC 8855 §13) for one device: the meeting's content floor as its BFCP connection tells it.
//!
//! Flow: bytes of a device -> [`FloorServer::take`] -> [`Asked`] -> the meeting; who holds the floor -> [`FloorServer::tell`] -> bytes. Sans-I/O:
//! drain [`FloorServer::poll`] after every call, then sleep until [`FloorServer::next_timeout`]. Bounds: one floor request of the device, one
//! answer kept, [`NOTICES_MAX`] notices waiting, each sent [`SENDS_MAX`] times.
//!
//! There is one floor, of which the meeting decides; nothing is decided here. A device knows nothing of the others: whoever else holds the
//! floor has one number, [`SOMEBODY`]. Conference and user are numbers that nobody guesses, since over UDP nothing else tells a device from
//! somebody who writes its address on a datagram.

use super::message::{
    ATTRIBUTE_TYPE_MAX, Attribute, ErrorCode, Header, Message, ParseError, Primitive, Status, Writer,
};
use mcu_core::time::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// T1 (§8.3.1): the first wait for an acknowledgement over an unreliable transport; each further one is twice as long.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(500);
/// How often a notice is sent before the device is taken not to listen.
const SENDS_MAX: u32 = 4;
/// T2 (§8.3.2): for how long a request that comes again gets the answer that it got.
const ANSWER_KEPT: Duration = Duration::from_secs(10);
/// Notices that wait while one is not acknowledged; the oldest goes, for the newest says what is true.
const NOTICES_MAX: usize = 8;
/// The floor request, and the user, of everybody else.
const SOMEBODY: u16 = u16::MAX;

/// The numbers that a device is told in SDP (RFC 8856 §5.3, §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// `confid`.
    pub(super) conference: u32,
    /// `userid`.
    pub(super) user: u16,
    /// `floorid`.
    pub(super) floor: u16,
}

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// TCP, TLS: what is sent arrives, in order (§6.1).
    Reliable,
    /// UDP: requests are acknowledged, or sent again (§6.2).
    Unreliable,
}

/// Who shares, as one device sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) enum Holder {
    Nobody,
    /// The device.
    Device,
    /// Anybody else.
    Somebody,
}

/// What a device asks of the meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) enum Asked {
    /// To share: answered by [`FloorServer::tell`], or [`FloorServer::refuse`].
    Take,
    /// To share no more.
    Release,
}

/// What the device is told without having asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    /// Where its request stands.
    Request(u16, Status),
    /// Who holds the floor, as it is when this is sent.
    Floor,
}

/// A notice under way.
#[derive(Debug)]
struct Sent {
    transaction: u16,
    bytes: Vec<u8>,
    sends: u32,
    again_at: Mono,
}

/// The answer to the last request, and of which it was.
#[derive(Debug)]
struct Answered {
    primitive: u8,
    transaction: u16,
    bytes: Vec<u8>,
    at: Mono,
}

/// The floor for one device.
#[derive(Debug)]
pub(super) struct FloorServer {
    numbers: Numbers,
    transport: Transport,
    /// As the device speaks.
    version: u8,
    /// Its floor request, `Pending` or `Granted`.
    request: Option<(u16, Status)>,
    requests: u16,
    holder: Holder,
    /// It asked to be told of the floor (§13.5).
    watches: bool,
    transactions: u16,
    notices: VecDeque<Notice>,
    sent: Option<Sent>,
    answered: Option<Answered>,
    outgoing: VecDeque<Vec<u8>>,
    /// Messages that were not for us, or none at all.
    pub(super) dropped: u64,
    /// Notices that were never acknowledged.
    unheard: u64,
}

impl FloorServer {
    /// A device that has asked for nothing yet, of a meeting in which nobody shares.
    pub(super) fn new(numbers: Numbers) -> Self {
        Self {
            numbers,
            transport: Transport::Unreliable,
            version: 2,
            request: None,
            requests: 0,
            holder: Holder::Nobody,
            watches: false,
            transactions: 0,
            notices: VecDeque::new(),
            sent: None,
            answered: None,
            outgoing: VecDeque::new(),
            dropped: 0,
            unheard: 0,
        }
    }

    /// Takes one message, which came by `transport`: what follows goes as the device's last message came.
    pub(super) fn take(&mut self, now: Mono, transport: Transport, bytes: &[u8]) -> Option<Asked> {
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(ParseError::NoHeader) => {
                self.dropped += 1;
                return None;
            }
            Err(ParseError::Wrong { header, why }) => {
                self.refuse_message(header, why);
                return None;
            }
        };
        let header = message.header;
        if header.conference != self.numbers.conference || header.user != self.numbers.user {
            let known = header.conference == self.numbers.conference;
            let why = if known { ErrorCode::NoSuchUser } else { ErrorCode::NoSuchConference };
            self.refuse_message(header, why);
            return None;
        }
        self.version = header.version;
        self.travel(transport);
        if self.is_acknowledgement(now, header) {
            return None;
        }
        if let Some(again) = self.answered_before(now, header) {
            self.outgoing.push_back(again);
            return None;
        }
        if !message.unknown.is_empty() {
            let types: Vec<u8> = message.unknown.iter().map(|kind| kind << 1).collect();
            self.error(now, header, ErrorCode::UnknownMandatoryAttribute, &types);
            return None;
        }
        self.follow(now, &message)
    }

    /// The meeting's floor is with `holder`.
    pub(super) fn tell(&mut self, now: Mono, holder: Holder) {
        match self.request {
            Some((id, Status::Pending)) if holder == Holder::Device => self.stand(now, id, Status::Granted),
            Some((id, Status::Granted)) if holder != Holder::Device => self.stand(now, id, Status::Revoked),
            _ => {}
        }
        let changed = self.holder != holder;
        self.holder = holder;
        if changed && self.watches {
            self.notify(now, Notice::Floor);
        }
    }

    /// The meeting lets the device not share.
    pub(super) fn refuse(&mut self, now: Mono) {
        if let Some((id, Status::Pending)) = self.request {
            self.stand(now, id, Status::Denied);
        }
    }

    /// The next message for the device.
    pub(super) fn poll(&mut self, now: Mono) -> Option<Vec<u8>> {
        self.send_again(now);
        self.outgoing.pop_front()
    }

    /// When [`Self::poll`] has something without anything happening.
    pub(super) fn next_timeout(&self) -> Option<Mono> {
        self.sent.as_ref().map(|sent| sent.again_at)
    }

    /// A device that comes anew by a connection waits for no datagram of before.
    fn travel(&mut self, transport: Transport) {
        if self.transport != transport {
            self.transport = transport;
            (self.sent, self.answered) = (None, None);
            self.notices.clear();
        }
    }

    fn follow(&mut self, now: Mono, message: &Message) -> Option<Asked> {
        let header = message.header;
        let stranger = message.floors.iter().any(|floor| *floor != self.numbers.floor);
        match Primitive::numbered(header.primitive) {
            None => self.error(now, header, ErrorCode::UnknownPrimitive, &[]),
            Some(Primitive::FloorRequest | Primitive::FloorQuery) if stranger => {
                self.error(now, header, ErrorCode::InvalidFloor, &[]);
            }
            Some(Primitive::FloorRequest) => return self.floor_request(now, message),
            Some(Primitive::FloorRelease) => return self.floor_release(now, message),
            Some(Primitive::FloorRequestQuery) => match self.request {
                Some((id, status)) if message.request == Some(id) => {
                    self.answer_request(now, header, id, status)
                }
                _ => self.error(now, header, ErrorCode::NoSuchFloorRequest, &[]),
            },
            Some(Primitive::UserQuery) => {
                let user = self.numbers.user;
                if message.beneficiary.is_some_and(|asked| asked != user) {
                    self.error(now, header, ErrorCode::Unauthorized, &[]);
                } else {
                    let (floor, request) = (self.numbers.floor, self.request);
                    self.answer(now, header, Primitive::UserStatus, |writer| match request {
                        Some((id, status)) => information(writer, id, floor, status, user),
                        None => writer,
                    });
                }
            }
            Some(Primitive::FloorQuery) => {
                // §13.5.1: without a floor it wants to know of none any more.
                self.watches = !message.floors.is_empty();
                let status = self.floor_status();
                self.answer(now, header, Primitive::FloorStatus, status);
            }
            Some(Primitive::ChairAction) => self.error(now, header, ErrorCode::Unauthorized, &[]),
            Some(Primitive::Hello) => self.answer(now, header, Primitive::HelloAck, |writer| {
                let primitives = Primitive::ALL.map(|known| known as u8);
                let attributes: Vec<u8> = (1..=ATTRIBUTE_TYPE_MAX).map(|kind| kind << 1).collect();
                writer
                    .attribute(Attribute::SupportedPrimitives, &primitives)
                    .attribute(Attribute::SupportedAttributes, &attributes)
            }),
            Some(Primitive::Goodbye) => {
                self.answer(now, header, Primitive::GoodbyeAck, |writer| writer);
                self.watches = false;
                return self.request.take().map(|_| Asked::Release);
            }
            // What servers say.
            Some(_) => self.dropped += 1,
        }
        None
    }

    fn floor_request(&mut self, now: Mono, message: &Message) -> Option<Asked> {
        let header = message.header;
        if message.floors.is_empty() {
            self.error(now, header, ErrorCode::Unparsable, &[]);
            return None;
        }
        if message.beneficiary.is_some_and(|user| user != self.numbers.user) {
            self.error(now, header, ErrorCode::Unauthorized, &[]);
            return None;
        }
        // A device that forgot its request, as after a new connection, is told where that stands.
        if let Some((id, status)) = self.request {
            self.answer_request(now, header, id, status);
            return None;
        }
        self.requests = if self.requests + 1 == SOMEBODY { 1 } else { self.requests + 1 };
        self.request = Some((self.requests, Status::Pending));
        self.answer_request(now, header, self.requests, Status::Pending);
        Some(Asked::Take)
    }

    fn floor_release(&mut self, now: Mono, message: &Message) -> Option<Asked> {
        let header = message.header;
        let Some((id, status)) = self.request.filter(|(id, _)| message.request == Some(*id)) else {
            self.error(now, header, ErrorCode::NoSuchFloorRequest, &[]);
            return None;
        };
        let ended = if status == Status::Granted { Status::Released } else { Status::Cancelled };
        self.request = None;
        self.answer_request(now, header, id, ended);
        Some(Asked::Release)
    }

    /// The device's request stands otherwise now, and it is told so.
    fn stand(&mut self, now: Mono, id: u16, status: Status) {
        self.request = (status == Status::Granted).then_some((id, status));
        self.notify(now, Notice::Request(id, status));
    }

    fn answer_request(&mut self, now: Mono, header: Header, id: u16, status: Status) {
        let Numbers { floor, user, .. } = self.numbers;
        self.answer(now, header, Primitive::FloorRequestStatus, |writer| {
            information(writer, id, floor, status, user)
        });
    }

    fn floor_status(&self) -> impl FnOnce(Writer) -> Writer + use<> {
        let Numbers { floor, user, .. } = self.numbers;
        let (holder, id) = (self.holder, self.request.map_or(0, |(id, _)| id));
        move |writer| {
            let writer = writer.attribute(Attribute::FloorId, &floor.to_be_bytes());
            match holder {
                Holder::Nobody => writer,
                Holder::Device => information(writer, id, floor, Status::Granted, user),
                Holder::Somebody => information(writer, SOMEBODY, floor, Status::Granted, SOMEBODY),
            }
        }
    }

    fn error(&mut self, now: Mono, header: Header, why: ErrorCode, details: &[u8]) {
        let mut value = vec![why as u8];
        value.extend_from_slice(details);
        self.answer(now, header, Primitive::Error, |writer| writer.attribute(Attribute::ErrorCode, &value));
    }

    /// What cannot be read, or is for somebody else: the error is said and not kept, so that no stranger takes the place of
    /// an answer to the device. An error is never answered with one, nor is what only answers.
    fn refuse_message(&mut self, header: Header, why: ErrorCode) {
        self.dropped += 1;
        if !header.response && header.primitive != Primitive::Error as u8 {
            let say = |writer: Writer| writer.attribute(Attribute::ErrorCode, &[why as u8]);
            let bytes = say(Writer::new(self.answering(header), Primitive::Error)).finish();
            self.outgoing.push_back(bytes);
        }
    }

    fn answer(&mut self, now: Mono, asked: Header, primitive: Primitive, say: impl FnOnce(Writer) -> Writer) {
        let bytes = say(Writer::new(self.answering(asked), primitive)).finish();
        if self.transport == Transport::Unreliable {
            let Header { primitive, transaction, .. } = asked;
            self.answered = Some(Answered { primitive, transaction, bytes: bytes.clone(), at: now });
        }
        self.outgoing.push_back(bytes);
    }

    /// The header of an answer; a version that we do not speak is answered in one that we do.
    fn answering(&self, asked: Header) -> Header {
        let version = if matches!(asked.version, 1 | 2) { asked.version } else { self.version };
        Header { version, response: self.transport == Transport::Unreliable && version == 2, ..asked }
    }

    fn answered_before(&self, now: Mono, header: Header) -> Option<Vec<u8>> {
        let last = self.answered.as_ref()?;
        let same = last.primitive == header.primitive && last.transaction == header.transaction;
        (same && now.since(last.at) < ANSWER_KEPT).then(|| last.bytes.clone())
    }

    /// Drafts before RFC 8855 number their acknowledgements otherwise; all have the number of what they acknowledge.
    fn is_acknowledgement(&mut self, now: Mono, header: Header) -> bool {
        let acknowledges = header.response
            || matches!(
                Primitive::numbered(header.primitive),
                Some(Primitive::FloorRequestStatusAck | Primitive::FloorStatusAck)
            );
        if acknowledges && self.sent.as_ref().is_some_and(|sent| sent.transaction == header.transaction) {
            self.sent = None;
            self.send_next(now);
        }
        acknowledges
    }

    fn notify(&mut self, now: Mono, notice: Notice) {
        if self.transport == Transport::Reliable {
            let bytes = self.notice(notice, 0);
            return self.outgoing.push_back(bytes);
        }
        if notice == Notice::Floor && self.notices.contains(&notice) {
            return;
        }
        if self.notices.len() == NOTICES_MAX {
            self.notices.pop_front();
            self.unheard += 1;
        }
        self.notices.push_back(notice);
        self.send_next(now);
    }

    /// One at a time (§8.3): the next waits until the device has heard this one, or does not listen.
    fn send_next(&mut self, now: Mono) {
        if self.sent.is_some() {
            return;
        }
        let Some(notice) = self.notices.pop_front() else { return };
        self.transactions = self.transactions.checked_add(1).unwrap_or(1);
        let bytes = self.notice(notice, self.transactions);
        self.outgoing.push_back(bytes.clone());
        self.sent = Some(Sent {
            transaction: self.transactions,
            bytes,
            sends: 1,
            again_at: now + ACKNOWLEDGED_WITHIN,
        });
    }

    fn send_again(&mut self, now: Mono) {
        let Some(sent) = self.sent.as_mut().filter(|sent| sent.again_at <= now) else { return };
        if sent.sends == SENDS_MAX {
            self.unheard += 1;
            self.sent = None;
            return self.send_next(now);
        }
        sent.again_at = now + ACKNOWLEDGED_WITHIN * 2_u32.pow(sent.sends);
        sent.sends += 1;
        self.outgoing.push_back(sent.bytes.clone());
    }

    /// `transaction` is 0 where nothing is acknowledged (§8.2).
    fn notice(&self, notice: Notice, transaction: u16) -> Vec<u8> {
        let Numbers { conference, user, floor } = self.numbers;
        let (version, response, primitive) = (self.version, false, 0);
        let header = Header { version, response, primitive, conference, transaction, user };
        match notice {
            Notice::Request(id, status) => {
                information(Writer::new(header, Primitive::FloorRequestStatus), id, floor, status, user)
                    .finish()
            }
            Notice::Floor => self.floor_status()(Writer::new(header, Primitive::FloorStatus)).finish(),
        }
    }
}

/// FLOOR-REQUEST-INFORMATION (§5.2.15).
fn information(writer: Writer, id: u16, floor: u16, status: Status, user: u16) -> Writer {
    writer.group(Attribute::FloorRequestInformation, id, |writer| {
        writer
            .group(Attribute::OverallRequestStatus, id, |writer| {
                writer.attribute(Attribute::RequestStatus, &[status as u8, 0])
            })
            .group(Attribute::FloorRequestStatus, floor, |writer| writer)
            .group(Attribute::BeneficiaryInformation, user, |writer| writer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Numbers = Numbers { conference: 0xABCD_0123, user: 77, floor: 5 };
    const AT: Mono = Mono::from_millis(1_000);

    fn after(millis: u64) -> Mono {
        Mono::from_millis(1_000 + millis)
    }

    /// A server, and what a device says to it by one transport.
    struct Device {
        server: FloorServer,
        transport: Transport,
    }

    impl Device {
        fn take(&mut self, now: Mono, bytes: &[u8]) -> Option<Asked> {
            self.server.take(now, self.transport, bytes)
        }
    }

    fn device(transport: Transport) -> Device {
        Device { server: FloorServer::new(NUMBERS), transport }
    }

    /// What a device of `transport` says in transaction `transaction`.
    fn said(
        transport: Transport,
        primitive: Primitive,
        transaction: u16,
        attributes: &[(Attribute, u16)],
    ) -> Vec<u8> {
        let version = if transport == Transport::Reliable { 1 } else { 2 };
        let Numbers { conference, user, .. } = NUMBERS;
        let header = Header { version, response: false, primitive: 0, conference, transaction, user };
        let writer = Writer::new(header, primitive);
        let write = |writer: Writer, (kind, number): &(Attribute, u16)| {
            writer.attribute(*kind, &number.to_be_bytes())
        };
        attributes.iter().fold(writer, write).finish()
    }

    fn drain(server: &mut FloorServer, now: Mono) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| server.poll(now)).collect()
    }

    /// Primitive, transaction, number of the floor request and REQUEST-STATUS, along §5.2.15's figure.
    fn told(bytes: &[u8]) -> (Primitive, u16, Option<(u16, u8)>) {
        let header = Message::parse(bytes).unwrap().header;
        let information = bytes.windows(2).position(|head| head[0] == 15 << 1 | 1);
        let request =
            information.map(|at| (u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]), bytes[at + 10]));
        (Primitive::numbered(header.primitive).unwrap(), header.transaction, request)
    }

    fn request(transport: Transport, transaction: u16) -> Vec<u8> {
        said(transport, Primitive::FloorRequest, transaction, &[(Attribute::FloorId, 5)])
    }

    #[test]
    fn a_floor_is_asked_for_granted_taken_away_and_asked_for_again() {
        let mut device = device(Transport::Reliable);
        assert_eq!(device.take(AT, &request(Transport::Reliable, 1)), Some(Asked::Take));
        let said_back = drain(&mut device.server, AT);
        assert_eq!(told(&said_back[0]), (Primitive::FloorRequestStatus, 1, Some((1, Status::Pending as u8))));
        device.server.tell(AT, Holder::Device);
        let granted = drain(&mut device.server, AT);
        assert_eq!(told(&granted[0]), (Primitive::FloorRequestStatus, 0, Some((1, Status::Granted as u8))));
        device.server.tell(AT, Holder::Somebody);
        let revoked = drain(&mut device.server, AT);
        assert_eq!(told(&revoked[0]).2, Some((1, Status::Revoked as u8)));
        assert_eq!(device.take(AT, &request(Transport::Reliable, 2)), Some(Asked::Take));
        device.server.refuse(AT);
        let answers = drain(&mut device.server, AT);
        assert_eq!(told(&answers[1]).2, Some((2, Status::Denied as u8)));
        assert_eq!(device.server.next_timeout(), None, "nothing is sent again by TCP");
    }

    #[test]
    fn a_floor_is_given_back_or_not_waited_for() {
        let mut device = device(Transport::Reliable);
        let release = |transaction, id| {
            said(
                Transport::Reliable,
                Primitive::FloorRelease,
                transaction,
                &[(Attribute::FloorRequestId, id)],
            )
        };
        device.take(AT, &request(Transport::Reliable, 1));
        assert_eq!(device.take(AT, &release(2, 9)), None, "somebody else's request");
        assert_eq!(device.take(AT, &release(3, 1)), Some(Asked::Release));
        device.take(AT, &request(Transport::Reliable, 4));
        device.server.tell(AT, Holder::Device);
        assert_eq!(device.take(AT, &release(5, 2)), Some(Asked::Release));
        device.server.tell(AT, Holder::Nobody);
        let all = drain(&mut device.server, AT);
        let statuses: Vec<_> = all.iter().map(|bytes| told(bytes).2.map(|(_, status)| status)).collect();
        let [pending, granted, cancelled, released] =
            [Status::Pending, Status::Granted, Status::Cancelled, Status::Released]
                .map(|status| Some(status as u8));
        assert_eq!(statuses, [pending, None, cancelled, pending, granted, released]);
        assert_eq!(told(&all[1]).0, Primitive::Error);
    }

    #[test]
    fn whoever_watches_is_told_of_every_change() {
        let mut device = device(Transport::Reliable);
        device.server.tell(AT, Holder::Somebody);
        assert!(drain(&mut device.server, AT).is_empty(), "it has not asked");
        let query = said(Transport::Reliable, Primitive::FloorQuery, 1, &[(Attribute::FloorId, 5)]);
        device.take(AT, &query);
        device.server.tell(AT, Holder::Nobody);
        device.server.tell(AT, Holder::Nobody);
        let told: Vec<_> = drain(&mut device.server, AT).iter().map(|bytes| told(bytes)).collect();
        assert_eq!(
            told,
            [
                (Primitive::FloorStatus, 1, Some((SOMEBODY, Status::Granted as u8))),
                (Primitive::FloorStatus, 0, None),
            ]
        );
        device.take(AT, &said(Transport::Reliable, Primitive::FloorQuery, 2, &[]));
        drain(&mut device.server, AT);
        device.server.tell(AT, Holder::Somebody);
        assert!(drain(&mut device.server, AT).is_empty(), "it wants to know no more");
    }

    #[test]
    fn over_udp_notices_wait_for_their_acknowledgement() {
        let mut device = device(Transport::Unreliable);
        device.take(AT, &request(Transport::Unreliable, 1));
        device.take(AT, &said(Transport::Unreliable, Primitive::FloorQuery, 2, &[(Attribute::FloorId, 5)]));
        device.server.tell(AT, Holder::Device);
        let sent = drain(&mut device.server, AT);
        assert_eq!(sent.len(), 3, "two answers and one notice: the other waits");
        assert!(sent[..2].iter().all(|bytes| bytes[0] == 0x50) && sent[2][0] == 0x40, "R on answers alone");
        let notice = told(&sent[2]);
        assert_eq!(notice, (Primitive::FloorRequestStatus, 1, Some((1, Status::Granted as u8))));
        assert!(drain(&mut device.server, after(499)).is_empty());
        assert_eq!(drain(&mut device.server, after(500)), [sent[2].clone()], "sent again");
        let acknowledged =
            |transaction| said(Transport::Unreliable, Primitive::FloorRequestStatusAck, transaction, &[]);
        device.take(after(600), &acknowledged(9));
        assert!(drain(&mut device.server, after(600)).is_empty(), "of something else");
        device.take(after(600), &acknowledged(1));
        assert_eq!(told(&drain(&mut device.server, after(600))[0]).0, Primitive::FloorStatus);
        let mut resent = 0;
        while let Some(at) = device.server.next_timeout() {
            resent += drain(&mut device.server, at).len();
        }
        assert_eq!((resent, device.server.unheard), (3, 1));
    }

    #[test]
    fn a_request_that_comes_again_is_one_request() {
        let mut device = device(Transport::Unreliable);
        assert_eq!(device.take(AT, &request(Transport::Unreliable, 1)), Some(Asked::Take));
        assert_eq!(device.take(after(500), &request(Transport::Unreliable, 1)), None);
        let answers = drain(&mut device.server, after(500));
        assert_eq!(answers[0], answers[1]);
        let release =
            said(Transport::Unreliable, Primitive::FloorRelease, 2, &[(Attribute::FloorRequestId, 1)]);
        assert_eq!(device.take(after(600), &release), Some(Asked::Release));
        assert_eq!(device.take(after(700), &release), None);
        assert_eq!(
            device.take(after(20_000), &request(Transport::Unreliable, 1)),
            Some(Asked::Take),
            "long after"
        );
    }

    #[test]
    fn strangers_and_nonsense_change_nothing() {
        let mut device = device(Transport::Unreliable);
        let mut guessed = request(Transport::Unreliable, 1);
        guessed[7] ^= 1;
        assert_eq!(device.take(AT, &guessed), None);
        let mut other = request(Transport::Unreliable, 1);
        other[11] ^= 1;
        assert_eq!(device.take(AT, &other), None);
        assert_eq!(device.take(AT, b"x"), None);
        assert_eq!(device.take(AT, &said(Transport::Unreliable, Primitive::FloorStatus, 1, &[])), None);
        assert_eq!(device.server.dropped, 4);
        let errors = drain(&mut device.server, AT);
        assert_eq!(
            errors.iter().map(|bytes| bytes[14]).collect::<Vec<_>>(),
            [1, 2],
            "no such conference, no such user"
        );
        // In the device's name, and yet not followed.
        let wrong_floor = said(Transport::Unreliable, Primitive::FloorRequest, 2, &[(Attribute::FloorId, 6)]);
        let for_another = said(
            Transport::Unreliable,
            Primitive::FloorRequest,
            3,
            &[(Attribute::FloorId, 5), (Attribute::BeneficiaryId, 78)],
        );
        let chair = said(Transport::Unreliable, Primitive::ChairAction, 4, &[]);
        for bytes in [wrong_floor, for_another, chair] {
            assert_eq!(device.take(AT, &bytes), None);
        }
        let errors = drain(&mut device.server, AT);
        assert_eq!(errors.iter().map(|bytes| bytes[14]).collect::<Vec<_>>(), [6, 5, 5]);
        assert_eq!(device.take(AT, &request(Transport::Unreliable, 5)), Some(Asked::Take), "the control");
    }

    /// Both sides in the words of libre: `web/tests/meeting/content/messages.c` makes the file, and `content.test.js` sees that it is that.
    #[test]
    fn answers_and_notices_are_those_of_another_implementation_byte_for_byte() {
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let bytes = |hex: &str| hex.as_bytes().chunks(2).map(byte).collect::<Vec<u8>>();
        for (version, transport) in [("1", Transport::Reliable), ("2", Transport::Unreliable)] {
            let mut server = FloorServer::new(Numbers { conference: 0x0102_0304, user: 9, floor: 5 });
            let mut compared = 0;
            for line in include_str!("conversation.txt").lines().filter(|line| line.starts_with(version)) {
                match line[2..].split_once(' ').unwrap() {
                    (">", hex) => drop(server.take(AT, transport, &bytes(hex))),
                    ("<", hex) => {
                        assert_eq!(server.poll(AT), Some(bytes(hex)), "{line}");
                        compared += 1;
                    }
                    (_, "device") => server.tell(AT, Holder::Device),
                    (_, "somebody") => server.tell(AT, Holder::Somebody),
                    _ => panic!("{line}"),
                }
            }
            assert_eq!((compared, server.poll(AT)), (11, None));
        }
    }

    #[test]
    fn a_device_that_leaves_gives_the_floor_back() {
        let mut device = device(Transport::Reliable);
        let hello = said(Transport::Reliable, Primitive::Hello, 1, &[]);
        device.take(AT, &hello);
        assert_eq!(told(&drain(&mut device.server, AT)[0]).0, Primitive::HelloAck);
        let goodbye = said(Transport::Reliable, Primitive::Goodbye, 2, &[]);
        assert_eq!(device.take(AT, &goodbye), None, "it has nothing to give back");
        device.take(AT, &request(Transport::Reliable, 3));
        device.server.tell(AT, Holder::Device);
        assert_eq!(
            device.take(AT, &said(Transport::Reliable, Primitive::Goodbye, 4, &[])),
            Some(Asked::Release)
        );
        assert_eq!(told(drain(&mut device.server, AT).last().unwrap()).0, Primitive::GoodbyeAck);
    }
}
