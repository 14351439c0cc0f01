//! A cursor over a payload descriptor: every read may fail, none panics.

use super::Malformed;

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = self.bytes.get(self.at).ok_or(Malformed::Truncated { bytes: self.bytes.len() })?;
        self.at += 1;
        Ok(*byte)
    }

    /// Passes over `count` bytes.
    pub(super) fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        if self.bytes.len() - self.at < count {
            return Err(Malformed::Truncated { bytes: self.bytes.len() });
        }
        self.at += count;
        Ok(())
    }

    /// What lies behind the descriptor; at least one byte.
    pub(super) fn rest(self) -> Result<&'a [u8], Malformed> {
        match &self.bytes[self.at..] {
            [] => Err(Malformed::Truncated { bytes: self.bytes.len() }),
            rest => Ok(rest),
        }
    }
}
