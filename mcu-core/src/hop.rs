//! The hops of a packet's way through the node: one name each, the one that `ARCHITECTURE.md` and the files' opening lines use.

/// A step of the media path, in flow order; `ARCHITECTURE.md` has the table, a test keeps the two equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hop {
    /// Kernel to datagram batch.
    Receive,
    /// Datagram to peer.
    Demux,
    /// SRTP to authenticated packet.
    Unprotect,
    /// Packets into order.
    Reorder,
    /// RTP time to media time and due time.
    Sync,
    /// Packets to access units.
    Depacketize,
    /// Units into a decoder's queue.
    Lane,
    /// Sealed unit to clear unit.
    Open,
    /// Clear unit to frame.
    Decode,
    /// Frames of one sender waiting for their tick.
    Slot,
    /// Frame to tile.
    Scale,
    /// Tiles to canvas.
    Compose,
    /// Canvas to encoded unit.
    Encode,
    /// Unit to RTP payloads.
    Packetize,
    /// Payloads to each receiver.
    Fanout,
    /// RTP to SRTP.
    Protect,
    /// Datagram batch to kernel.
    Send,
    /// The whole sound path of one conference, one job every 10 ms.
    Sound,
}

impl Hop {
    /// Every hop, in flow order.
    pub const ALL: [Self; 18] = [
        Self::Receive,
        Self::Demux,
        Self::Unprotect,
        Self::Reorder,
        Self::Sync,
        Self::Depacketize,
        Self::Lane,
        Self::Open,
        Self::Decode,
        Self::Slot,
        Self::Scale,
        Self::Compose,
        Self::Encode,
        Self::Packetize,
        Self::Fanout,
        Self::Protect,
        Self::Send,
        Self::Sound,
    ];

    /// The name, as in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Demux => "demux",
            Self::Unprotect => "unprotect",
            Self::Reorder => "reorder",
            Self::Sync => "sync",
            Self::Depacketize => "depacketize",
            Self::Lane => "lane",
            Self::Open => "open",
            Self::Decode => "decode",
            Self::Slot => "slot",
            Self::Scale => "scale",
            Self::Compose => "compose",
            Self::Encode => "encode",
            Self::Packetize => "packetize",
            Self::Fanout => "fanout",
            Self::Protect => "protect",
            Self::Send => "send",
            Self::Sound => "sound",
        }
    }
}
