//! BFCP messages (RFC 8855 §5): those that a floor control server reads and writes, and where one ends in a stream.
//!
//! Flow: bytes of a device -> [`Message::parse`] -> `server` -> [`Writer`] -> bytes. Pure. Bounds: [`BYTES_MAX`], [`FLOORS_MAX`],
//! [`UNKNOWN_MAX`]. Of RFC 4582, which older devices speak, the messages are the same; only their version differs over UDP. Fragments
//! (§5.1, F) are not taken: nothing that a device has to say to us comes near the size of a datagram.

/// The longest message that is read; a floor request with a name and a note has under 300 bytes.
pub(super) const BYTES_MAX: usize = 1_024;
/// Floors of one message that are kept: we have one.
const FLOORS_MAX: usize = 4;
/// Unknown mandatory attributes of one message that its sender is told of.
const UNKNOWN_MAX: usize = 8;
/// The common header (§5.1).
const HEADER_BYTES: usize = 12;
/// Type, M and length of an attribute (§5.2).
const ATTRIBUTE_BYTES: usize = 2;

/// What a message says (§5.1, table 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Primitive {
    FloorRequest = 1,
    FloorRelease = 2,
    FloorRequestQuery = 3,
    FloorRequestStatus = 4,
    UserQuery = 5,
    UserStatus = 6,
    FloorQuery = 7,
    FloorStatus = 8,
    ChairAction = 9,
    ChairActionAck = 10,
    Hello = 11,
    HelloAck = 12,
    Error = 13,
    FloorRequestStatusAck = 14,
    FloorStatusAck = 15,
    Goodbye = 16,
    GoodbyeAck = 17,
}

impl Primitive {
    /// In the order of their numbers, from 1.
    pub(super) const ALL: [Self; 17] = [
        Self::FloorRequest,
        Self::FloorRelease,
        Self::FloorRequestQuery,
        Self::FloorRequestStatus,
        Self::UserQuery,
        Self::UserStatus,
        Self::FloorQuery,
        Self::FloorStatus,
        Self::ChairAction,
        Self::ChairActionAck,
        Self::Hello,
        Self::HelloAck,
        Self::Error,
        Self::FloorRequestStatusAck,
        Self::FloorStatusAck,
        Self::Goodbye,
        Self::GoodbyeAck,
    ];

    /// By number; none for those that RFC 8855 does not know.
    pub(super) fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u8 == number)
    }
}

/// Types of attributes (§5.2, table 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Attribute {
    BeneficiaryId = 1,
    FloorId = 2,
    FloorRequestId = 3,
    RequestStatus = 5,
    ErrorCode = 6,
    SupportedAttributes = 10,
    SupportedPrimitives = 11,
    BeneficiaryInformation = 14,
    FloorRequestInformation = 15,
    FloorRequestStatus = 17,
    OverallRequestStatus = 18,
}

/// The highest type that RFC 8855 knows; all below are known.
pub(super) const ATTRIBUTE_TYPE_MAX: u8 = 18;

/// Where a floor request stands (§5.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Pending = 1,
    Granted = 3,
    Denied = 4,
    Cancelled = 5,
    Released = 6,
    Revoked = 7,
}

/// Why a message is not followed (§5.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ErrorCode {
    NoSuchConference = 1,
    NoSuchUser = 2,
    UnknownPrimitive = 3,
    UnknownMandatoryAttribute = 4,
    Unauthorized = 5,
    InvalidFloor = 6,
    NoSuchFloorRequest = 7,
    Unparsable = 10,
    UnsupportedVersion = 12,
    WrongLength = 13,
}

/// What every message begins with (§5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// 1 over reliable transports and of RFC 4582, 2 over unreliable ones.
    pub(super) version: u8,
    /// R: answers a request (version 2).
    pub(super) response: bool,
    /// A [`Primitive`]'s number, or one that nobody knows.
    pub(super) primitive: u8,
    pub(super) conference: u32,
    pub(super) transaction: u16,
    pub(super) user: u16,
}

/// A message, as far as a floor control server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) header: Header,
    /// FLOOR-ID, at most [`FLOORS_MAX`].
    pub(super) floors: Vec<u16>,
    /// FLOOR-REQUEST-ID.
    pub(super) request: Option<u16>,
    /// BENEFICIARY-ID: for whom the floor is asked for, when not for oneself.
    pub(super) beneficiary: Option<u16>,
    /// Types of mandatory attributes that nobody knows, at most [`UNKNOWN_MAX`].
    pub(super) unknown: Vec<u8>,
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseError {
    /// Not even a header: nothing that could be answered.
    #[error("no BFCP header")]
    NoHeader,
    /// A header, and something wrong behind it or in it.
    #[error("a BFCP message that cannot be followed: {why:?}")]
    Wrong {
        /// Whom to answer.
        header: Header,
        /// With what.
        why: ErrorCode,
    },
}

/// How long the message is that `bytes` begin with, in bytes; `None` while its header is not whole. In a stream, nothing
/// else says where a message ends, so one over [`BYTES_MAX`] ends the connection.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let words = bytes.get(2..4).map(|words| usize::from(u16::from_be_bytes([words[0], words[1]])))?;
    (bytes.len() >= HEADER_BYTES).then_some(HEADER_BYTES + words * 4)
}

/// The conference that a message is of, before anything else is known of it.
pub(super) fn conference(bytes: &[u8]) -> Option<u32> {
    bytes.get(4..8)?.try_into().ok().map(u32::from_be_bytes)
}

impl Message {
    /// Reads one whole message.
    ///
    /// # Errors
    ///
    /// What stands against it, with what is needed to say so to its sender.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let (head, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(ParseError::NoHeader)?;
        let pair = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let header = Header {
            version: head[0] >> 5,
            response: head[0] & 0x10 != 0,
            primitive: head[1],
            conference: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            transaction: pair(8),
            user: pair(10),
        };
        let wrong = |why| ParseError::Wrong { header, why };
        if !matches!(header.version, 1 | 2) {
            return Err(wrong(ErrorCode::UnsupportedVersion));
        }
        if body.len() != usize::from(pair(2)) * 4 || bytes.len() > BYTES_MAX {
            return Err(wrong(ErrorCode::WrongLength));
        }
        let fragment = head[0] & 0x08 != 0;
        if fragment {
            return Err(wrong(ErrorCode::Unparsable));
        }
        let mut message =
            Self { header, floors: Vec::new(), request: None, beneficiary: None, unknown: Vec::new() };
        message.read_attributes(body).ok_or_else(|| wrong(ErrorCode::Unparsable))?;
        Ok(message)
    }

    /// `None` when an attribute does not end where the message does, or has a length that its type cannot have.
    fn read_attributes(&mut self, mut rest: &[u8]) -> Option<()> {
        while let [first, length, ..] = *rest {
            let (kind, mandatory) = (first >> 1, first & 1 == 1);
            let value = rest.get(ATTRIBUTE_BYTES..usize::from(length))?;
            let number = || <[u8; 2]>::try_from(value).ok().map(u16::from_be_bytes);
            match kind {
                kind if kind == Attribute::FloorId as u8 => {
                    let floor = number()?;
                    if self.floors.len() < FLOORS_MAX {
                        self.floors.push(floor);
                    }
                }
                kind if kind == Attribute::FloorRequestId as u8 => self.request = Some(number()?),
                kind if kind == Attribute::BeneficiaryId as u8 => self.beneficiary = Some(number()?),
                1..=ATTRIBUTE_TYPE_MAX => {}
                kind if mandatory && self.unknown.len() < UNKNOWN_MAX => self.unknown.push(kind),
                _ => {}
            }
            // The padding belongs to the message.
            rest = rest.get(usize::from(length).next_multiple_of(4)..)?;
        }
        rest.is_empty().then_some(())
    }
}

/// Writes a message.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A message of `primitive` without attributes; of `header` are taken who and which transaction, version, and R.
    pub(super) fn new(header: Header, primitive: Primitive) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(header.version << 5 | u8::from(header.response) << 4);
        bytes.push(primitive as u8);
        bytes.extend([0, 0]);
        bytes.extend(header.conference.to_be_bytes());
        bytes.extend(header.transaction.to_be_bytes());
        bytes.extend(header.user.to_be_bytes());
        Self { bytes }
    }

    /// An attribute that must be understood.
    pub(super) fn attribute(mut self, kind: Attribute, value: &[u8]) -> Self {
        self.begin(kind, value);
        self
    }

    /// A grouped attribute (§5.2): a number, and attributes in it.
    pub(super) fn group(mut self, kind: Attribute, number: u16, inner: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.begin(kind, &number.to_be_bytes());
        let mut written = inner(self);
        // Groups are written here and hold a handful of numbers: far under the 255 bytes of a length.
        written.bytes[start + 1] = (written.bytes.len() - start) as u8;
        written
    }

    fn begin(&mut self, kind: Attribute, value: &[u8]) {
        debug_assert!(value.len() + ATTRIBUTE_BYTES <= 255);
        self.bytes.push((kind as u8) << 1 | 1);
        self.bytes.push((ATTRIBUTE_BYTES + value.len()) as u8);
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The message.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let words = ((self.bytes.len() - HEADER_BYTES) / 4) as u16;
        self.bytes[2..4].copy_from_slice(&words.to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        version: 1,
        response: false,
        primitive: 1,
        conference: 0x0102_0304,
        transaction: 7,
        user: 9,
    };

    fn request() -> Vec<u8> {
        Writer::new(HEADER, Primitive::FloorRequest).attribute(Attribute::FloorId, &[0, 5]).finish()
    }

    /// Written by hand along the figures of RFC 8855 §5.1 and §5.2.2.
    #[test]
    fn a_floor_request_is_what_the_figures_say() {
        let by_hand = [
            0x20,
            1,
            0,
            1, // version 1, FloorRequest, one word
            1,
            2,
            3,
            4, // conference
            0,
            7,
            0,
            9, // transaction, user
            2 << 1 | 1,
            4,
            0,
            5, // FLOOR-ID, mandatory, 4 bytes
        ];
        assert_eq!(request(), by_hand);
        let read = Message::parse(&by_hand).unwrap();
        assert_eq!((read.header, read.floors.as_slice()), (HEADER, &[5][..]));
        assert_eq!(length(&by_hand), Some(16));
        assert_eq!(length(&by_hand[..11]), None);
    }

    #[test]
    fn a_group_counts_what_is_in_it() {
        let inner = |writer: Writer| writer.attribute(Attribute::RequestStatus, &[Status::Granted as u8, 0]);
        let written =
            Writer::new(HEADER, Primitive::FloorStatus).group(Attribute::OverallRequestStatus, 3, inner);
        assert_eq!(written.finish()[12..], [18 << 1 | 1, 8, 0, 3, 5 << 1 | 1, 4, 3, 0]);
    }

    #[test]
    fn what_has_a_header_can_be_answered() {
        let why = |bytes: &[u8]| match Message::parse(bytes) {
            Err(ParseError::Wrong { why, .. }) => Some(why),
            Err(ParseError::NoHeader) => None,
            Ok(message) => panic!("read: {message:?}"),
        };
        let changed = |at: usize, to: u8| {
            let mut bytes = request();
            bytes[at] = to;
            bytes
        };
        assert_eq!(why(&changed(0, 0x60)), Some(ErrorCode::UnsupportedVersion));
        assert_eq!(why(&changed(0, 0x28)), Some(ErrorCode::Unparsable), "a fragment");
        assert_eq!(why(&changed(3, 2)), Some(ErrorCode::WrongLength));
        assert_eq!(
            why(&changed(13, 0)),
            Some(ErrorCode::Unparsable),
            "an attribute that ends before it begins"
        );
        assert_eq!(why(&changed(13, 5)), Some(ErrorCode::Unparsable), "one that ends behind the message");
        assert_eq!(why(&changed(13, 3)), Some(ErrorCode::Unparsable), "a number of one byte");
        assert_eq!(why(&request()[..11]), None);
        let mut long = request();
        long.resize(BYTES_MAX + 4, 0);
        let words = ((long.len() - 12) / 4) as u16;
        long[2..4].copy_from_slice(&words.to_be_bytes());
        assert_eq!(why(&long), Some(ErrorCode::WrongLength));
    }

    #[test]
    fn unknown_attributes_matter_when_they_are_mandatory() {
        let with = |first: u8| {
            let mut bytes = request();
            bytes.extend([first, 3, 0xff, 0]);
            bytes[3] = 2;
            Message::parse(&bytes).unwrap()
        };
        assert_eq!(with(100 << 1 | 1).unknown, [100]);
        assert!(with(100 << 1).unknown.is_empty());
        // USER-URI: known, of no use to us.
        assert!(with(13 << 1 | 1).unknown.is_empty());
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let (mut read, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let mut bytes = request();
            bytes.extend(request().split_off(12));
            bytes[3] = 2;
            for _ in 0..next() % 4 {
                let (at, to) = (next() % bytes.len(), next() as u8);
                bytes[at] = to;
            }
            match Message::parse(&bytes) {
                Ok(message) => read += usize::from(message.floors.len() <= FLOORS_MAX),
                Err(_) => refused += 1,
            }
        }
        assert!(read > 1_000 && refused > 1_000, "{read} read, {refused} refused");
    }
}
