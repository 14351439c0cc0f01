//! A limit on everything, each with its unit and reason. Nothing from the network may make us exceed one.

use crate::media::frame::Size;
use std::time::Duration;

// Signalling.

/// Bytes of an SDP body; a browser's offer with every codec is under 12 KiB.
pub const SDP_BYTES_MAX: usize = 64 * 1024;
/// Media lines of an offer; str0m needs 126 ms for 22 of them, and a client of ours has four.
pub const SDP_MEDIA_LINES_MAX: usize = 128;
/// Media lines that we are willing to answer; the rest of a legal offer is refused with a clear error.
pub const SDP_MEDIA_LINES_ANSWERED_MAX: usize = 16;
/// Bytes of a JSON request body other than an offer.
pub const JSON_BYTES_MAX: usize = 16 * 1024;
/// Characters of a display name; a tile shows about 30.
pub const DISPLAY_NAME_CHARS_MAX: usize = 64;
/// Characters of a room's alias.
pub const ALIAS_CHARS_MAX: usize = 64;
/// Events waiting for one WebSocket before it is closed as stalled.
pub const EVENTS_QUEUED_MAX: usize = 256;
/// How long a WebSocket may take no event before it is closed.
pub const EVENTS_STALL_MAX: Duration = Duration::from_secs(10);
/// TCP connections to the API at a time: 20 000 sockets of events, and requests beside them.
pub const CONNECTIONS_MAX: usize = 24_000;
/// TCP connections of one address, unless the configuration says otherwise: a hundred people, each with a socket and four requests.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 512;

// SIP.

/// Calls by SIP at a time: a call holds up to eight of the ten thousand ports that media have by default.
pub const SIP_CALLS_MAX: usize = 1_000;
/// Bytes of a SIP message before its body; a room system's INVITE through three proxies has under 4 KiB.
pub const SIP_HEADER_BYTES_MAX: usize = 8 * 1024;
/// Lines of a SIP message before its body; the INVITE above has about 50.
pub const SIP_HEADER_LINES_MAX: usize = 128;
/// SIP transactions at a time, those that are over but still remembered (32 s) with them: 60 calls a second come and go, and
/// what is remembered of a flood stays under 64 MiB.
pub const SIP_TRANSACTIONS_MAX: usize = 8_192;
/// TCP, TLS and WebSocket connections to the SIP ports at a time on which no device is registered: every call, and some between calls. One by TLS
/// takes 34 KiB, so that strangers have 64 MiB at most.
pub const SIP_CONNECTIONS_MAX: usize = 1_800;
/// Devices that may register: a large site. Three KiB each once they have, by UDP.
pub const SIP_DEVICES_MAX: usize = 5_000;
/// Addresses at which one device is registered at a time: its telephones, and those that it had before it was restarted.
pub const SIP_BINDINGS_PER_DEVICE_MAX: usize = 4;
/// TCP, TLS and WebSocket connections on which devices are registered, apart from the others: strangers cannot take their places.
pub const SIP_DEVICE_CONNECTIONS_MAX: usize = SIP_DEVICES_MAX;
/// ICE candidates of one media line of a SIP device that are checked, the best first: interfaces, each by itself, by STUN and by TURN.
pub const SIP_ICE_CANDIDATES_MAX: usize = 16;
/// Addresses that signed checks of one media line may come from; one more is refused. A device behind a NAT that forgets is a few.
pub const SIP_ICE_SOURCES_MAX: usize = 32;
/// Fingerprints of one media line that are looked at: a certificate or two, by every hash there is.
pub const SIP_FINGERPRINTS_MAX: usize = 8;
/// Calls that the node makes at a time, or remembers for a minute to have made in vain.
pub const SIP_CALLS_OUT_MAX: usize = 200;
/// Trunks: each of those by TCP or TLS has a connection that is kept.
pub const SIP_TRUNKS_MAX: usize = 16;
/// The longest that a call of the node's may ring; RFC 3261 §16.6 has proxies wait three minutes.
pub const SIP_RING_MAX: Duration = Duration::from_secs(120);

// The house.

/// Conferences on one node.
pub const CONFERENCES_MAX: usize = 1_000;
/// Callers who enter a PIN at the same time, each with a picture that is coded for it alone.
pub const RECEPTIONS_MAX: usize = 32;
/// Participants of one conference, unless the room says less.
pub const PARTICIPANTS_MAX: usize = 200;
/// Streams (SSRCs) tracked for one peer.
pub const STREAMS_PER_PEER_MAX: usize = 16;

// Receiving.

/// Bytes of a datagram that we read or write: Ethernet's 1 500 with room for any header.
pub const DATAGRAM_BYTES_MAX: usize = 2_000;
/// Packets waiting for a gap in one video stream: 450 ms at 10 Mbit/s.
pub const REORDER_PACKETS_MAX: usize = 512;
/// How long a gap may hold a video stream before it is declared lost.
pub const REORDER_WAIT_MAX: Duration = Duration::from_millis(450);
/// Bytes of one coded picture.
pub const UNIT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Packets of one coded picture.
pub const UNIT_PACKETS_MAX: usize = 2_048;
/// Sound packets held for one stream: 1 s of 20 ms frames, with room for 10 ms ones.
pub const PLAYOUT_PACKETS_MAX: usize = 100;
/// The deepest that adaptive playout may buffer.
pub const PLAYOUT_DELAY_MAX: Duration = Duration::from_millis(400);
/// The shallowest.
pub const PLAYOUT_DELAY_MIN: Duration = Duration::from_millis(20);

// Pictures.

/// The largest picture that a decoder is given (`width * height`): 1920x1088.
pub const DECODE_AREA_MAX: u32 = 1_920 * 1_088;
/// The longest side that a decoder is given.
pub const DECODE_SIDE_MAX: u16 = 2_560;
/// The shortest side that is worth decoding.
pub const DECODE_SIDE_MIN: u16 = 16;
/// Reference frames that an H.264 stream may ask a decoder to keep.
pub const H264_REFERENCES_MAX: u32 = 16;
/// Ten times the highest level that an H.264 stream may declare.
pub const H264_LEVEL_MAX: u8 = 52;
/// Units of one source over which decode errors are counted.
pub const DECODE_ERROR_WINDOW_UNITS: u32 = 100;
/// Errors within that window that put the source into quarantine.
pub const DECODE_ERRORS_MAX: u32 = 50;
/// Units that a quarantined source's decoder ignores: ten seconds.
pub const DECODE_QUARANTINE_UNITS: u32 = 300;
/// The largest canvas.
pub const CANVAS_MAX: Size = Size::new(1_920, 1_080);
/// Coded pictures waiting for one decoder: half a second.
pub const LANE_UNITS_MAX: usize = 16;
/// Frames of one sender waiting for their tick.
pub const SLOT_FRAMES_MAX: usize = 8;
/// The longest that a frame may wait for its tick.
pub const SLOT_WAIT_MAX: Duration = Duration::from_millis(300);
/// Frames that one decoder's pool lends: slot, tile cache, canvas in hand, one being written.
pub const DECODER_FRAMES_MAX: usize = SLOT_FRAMES_MAX + 6;
/// Tiles on one canvas.
pub const TILES_MAX: usize = 25;
/// Characters of a card's title; in its size a canvas is about 30 wide, and the rest is cut.
pub const CARD_TITLE_CHARS_MAX: usize = 64;
/// Lines of a card below its title: what, when, how to get in, and one more.
pub const CARD_LINES_MAX: usize = 4;
/// Characters of one of them: an address with its scheme.
pub const CARD_LINE_CHARS_MAX: usize = 80;

// Sending.

/// Bytes of one RTP payload: 1 200 of SRTP less header, extensions and tag.
pub const PAYLOAD_BYTES_MAX: usize = 1_160;
/// A receiver whose oldest unsent packet is older than this gets no new frame.
pub const PACER_DELAY_MAX: Duration = Duration::from_millis(100);
/// The least time between two forced key frames of one encode, however many ask.
pub const KEYFRAME_INTERVAL_MIN: Duration = Duration::from_millis(500);
/// The least time between two key-frame requests to one sender.
pub const KEYFRAME_REQUEST_INTERVAL_MIN: Duration = Duration::from_millis(500);

// Sound.

/// Streams mixed at a time: the loudest, with hysteresis.
pub const MIXED_STREAMS_MAX: usize = 4;
