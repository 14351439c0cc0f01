//! RFC 4571 framing: datagrams over a TCP connection, each after its 16-bit length.
//!
//! Flow: TCP bytes -> [`Deframer`] -> `demux`; datagram -> [`frame_header`] -> TCP. Thread: io.
//! Bound: `limits::DATAGRAM_BYTES_MAX` per datagram, one of them buffered. A longer length ends the connection,
//! because nothing after it can be trusted to be in step.

use mcu_core::limits::DATAGRAM_BYTES_MAX;

/// Bytes of the length field.
pub const HEADER_BYTES: usize = 2;

/// The stream cannot be read any further; the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A length over `limits::DATAGRAM_BYTES_MAX`.
    #[error("a framed datagram of {bytes} bytes is over the limit")]
    Oversized {
        /// The length it says.
        bytes: usize,
    },
}

/// The two bytes that go before `datagram` on the wire.
///
/// # Errors
/// [`FramingError::Oversized`] when the datagram is longer than the other side may send us, too.
pub const fn frame_header(datagram: &[u8]) -> Result<[u8; HEADER_BYTES], FramingError> {
    if datagram.len() > DATAGRAM_BYTES_MAX {
        return Err(FramingError::Oversized { bytes: datagram.len() });
    }
    Ok((datagram.len() as u16).to_be_bytes())
}

/// Cuts a byte stream into datagrams. Bytes may come in pieces of any length.
#[derive(Debug)]
pub struct Deframer {
    buffer: Box<[u8; HEADER_BYTES + DATAGRAM_BYTES_MAX]>,
    filled: usize,
    broken: Option<FramingError>,
}

impl Default for Deframer {
    fn default() -> Self {
        Self { buffer: Box::new([0; HEADER_BYTES + DATAGRAM_BYTES_MAX]), filled: 0, broken: None }
    }
}

impl Deframer {
    /// Takes bytes off the front of `input`, and returns a datagram once one is complete. Call until it returns
    /// `None`, which means that all of `input` was taken. An empty frame is passed over: it carries nothing.
    ///
    /// # Errors
    /// [`FramingError`], now and at every later call.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, FramingError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if self.filled >= HEADER_BYTES && self.filled == self.frame_end() {
            self.filled = 0; // what the last call returned
        }
        loop {
            self.take(input, HEADER_BYTES);
            if self.filled < HEADER_BYTES {
                return Ok(None);
            }
            let end = self.frame_end();
            if end > self.buffer.len() {
                let error = FramingError::Oversized { bytes: end - HEADER_BYTES };
                self.broken = Some(error);
                return Err(error);
            }
            self.take(input, end);
            if self.filled < end {
                return Ok(None);
            }
            if end > HEADER_BYTES {
                return Ok(Some(&self.buffer[HEADER_BYTES..end]));
            }
            self.filled = 0;
        }
    }

    const fn frame_end(&self) -> usize {
        HEADER_BYTES + u16::from_be_bytes([self.buffer[0], self.buffer[1]]) as usize
    }

    fn take(&mut self, input: &mut &[u8], until: usize) {
        let count = until.saturating_sub(self.filled).min(input.len());
        let (taken, rest) = input.split_at(count);
        self.buffer[self.filled..self.filled + count].copy_from_slice(taken);
        self.filled += count;
        *input = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_whole_however_the_stream_is_cut() {
        let datagrams: Vec<Vec<u8>> = [0_usize, 1, 2, 1_200, DATAGRAM_BYTES_MAX, 7]
            .iter()
            .map(|length| (0..*length).map(|byte| byte as u8).collect())
            .collect();
        let mut stream = Vec::new();
        for datagram in &datagrams {
            stream.extend_from_slice(&frame_header(datagram).expect("within the limit"));
            stream.extend_from_slice(datagram);
        }
        let expected: Vec<_> = datagrams.into_iter().filter(|datagram| !datagram.is_empty()).collect();
        for piece in [1, 2, 3, 1_000, stream.len()] {
            let (mut deframer, mut out) = (Deframer::default(), Vec::new());
            for mut input in stream.chunks(piece) {
                while let Some(datagram) = deframer.next(&mut input).expect("a legal stream") {
                    out.push(datagram.to_vec());
                }
                assert!(input.is_empty());
            }
            assert_eq!(out, expected, "cut every {piece} bytes");
        }
    }

    #[test]
    fn a_length_over_the_limit_ends_the_stream_for_good() {
        let mut deframer = Deframer::default();
        let length = (DATAGRAM_BYTES_MAX + 1) as u16;
        let error = FramingError::Oversized { bytes: DATAGRAM_BYTES_MAX + 1 };
        assert_eq!(deframer.next(&mut &length.to_be_bytes()[..]), Err(error));
        assert_eq!(deframer.next(&mut &[0, 1, 9][..]), Err(error));
        assert_eq!(frame_header(&vec![0; DATAGRAM_BYTES_MAX + 1]), Err(error));
    }
}
