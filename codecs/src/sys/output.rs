//! Where encoders put their bytes: one growing buffer, cut into units that share it.

use bytes::{Bytes, BytesMut};

/// Bytes reserved at a time: about a second of video at 1.5 Mbit/s.
const CHUNK_BYTES: usize = 192 * 1024;

/// A chunk that coded units are cut from; taken up again once every unit of it is gone.
#[derive(Debug, Default)]
pub(crate) struct Output(BytesMut);

impl Output {
    /// Makes room for `bytes` and appends them to the unit being written.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            self.0.reserve(bytes.len().max(CHUNK_BYTES));
        }
        self.0.extend_from_slice(bytes);
    }

    /// Ends the unit. Empty when nothing was appended.
    pub(crate) fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }
}
