//! Bits, most significant first, as the headers of VP9 and H.264 have them. Never reads past the end.

use crate::guard::GuardError;

/// A reader of the bits of one header.
#[derive(Debug, Clone)]
pub(crate) struct Bits<'a> {
    rest: &'a [u8],
    current: u8,
    left: u32,
    /// Zero bytes just before the next one; counted only when `escaped`.
    zeros: u32,
    escaped: bool,
    part: &'static str,
}

impl<'a> Bits<'a> {
    /// Reads `bytes` as they are; errors will name `part`.
    pub(crate) const fn plain(bytes: &'a [u8], part: &'static str) -> Self {
        Self { rest: bytes, current: 0, left: 0, zeros: 0, escaped: false, part }
    }

    /// Reads the payload of an H.264 NAL unit, skipping emulation prevention bytes (ITU-T H.264 §7.4.1).
    pub(crate) const fn escaped(bytes: &'a [u8], part: &'static str) -> Self {
        Self { rest: bytes, current: 0, left: 0, zeros: 0, escaped: true, part }
    }

    pub(crate) const fn malformed(&self) -> GuardError {
        GuardError::Malformed { part: self.part }
    }

    fn next_byte(&mut self) -> Result<u8, GuardError> {
        let (&byte, rest) = self.rest.split_first().ok_or(GuardError::Truncated { part: self.part })?;
        self.rest = rest;
        Ok(byte)
    }

    fn load(&mut self) -> Result<(), GuardError> {
        let mut byte = self.next_byte()?;
        if self.escaped && self.zeros >= 2 {
            match byte {
                3 => {
                    self.zeros = 0;
                    byte = self.next_byte()?;
                }
                // A start code inside a NAL unit: libraries disagree about where such a unit ends.
                0..=2 => return Err(self.malformed()),
                _ => {}
            }
        }
        self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        (self.current, self.left) = (byte, 8);
        Ok(())
    }

    /// One bit as a flag.
    pub(crate) fn flag(&mut self) -> Result<bool, GuardError> {
        if self.left == 0 {
            self.load()?;
        }
        self.left -= 1;
        Ok(self.current >> self.left & 1 == 1)
    }

    /// `count` bits, at most 32, as a number.
    pub(crate) fn number(&mut self, count: u32) -> Result<u32, GuardError> {
        (0..count).try_fold(0, |value, _| Ok(value << 1 | u32::from(self.flag()?)))
    }

    /// An unsigned Exp-Golomb code (ITU-T H.264 §9.1), at most 2^32 - 2.
    pub(crate) fn golomb(&mut self) -> Result<u32, GuardError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(self.malformed());
            }
        }
        let tail = self.number(zeros)?;
        Ok((1_u32 << zeros) - 1 + tail)
    }

    /// An unsigned Exp-Golomb code that may not exceed `max`.
    pub(crate) fn golomb_to(&mut self, max: u32) -> Result<u32, GuardError> {
        let value = self.golomb()?;
        if value <= max { Ok(value) } else { Err(self.malformed()) }
    }

    /// A signed Exp-Golomb code (ITU-T H.264 §9.1.1).
    pub(crate) fn golomb_signed(&mut self) -> Result<i64, GuardError> {
        let code = i64::from(self.golomb()?);
        Ok(if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb_codes_are_those_of_the_specification() {
        // 1 010 011 00100 00101, table 9-2: 0, 1, 2, 3, 4.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::plain(&bytes, "test");
        assert_eq!([0; 5].map(|_: i32| bits.golomb()), [Ok(0), Ok(1), Ok(2), Ok(3), Ok(4)]);
        let mut bits = Bits::plain(&bytes, "test");
        assert_eq!([0; 5].map(|_: i32| bits.golomb_signed()), [Ok(0), Ok(1), Ok(-1), Ok(2), Ok(-2)]);
        let mut bits = Bits::plain(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff], "test");
        assert_eq!(bits.golomb(), Ok(u32::MAX - 1));
        let mut bits = Bits::plain(&[0, 0, 0, 0, 0xff], "test");
        assert_eq!(bits.golomb(), Err(GuardError::Malformed { part: "test" }));
    }

    #[test]
    fn emulation_prevention_is_skipped_and_start_codes_are_refused() {
        let mut bits = Bits::escaped(&[0, 0, 3, 1, 7], "test");
        assert_eq!((bits.number(24), bits.number(8)), (Ok(1), Ok(7)));
        let mut bits = Bits::plain(&[0, 0, 3, 1], "test");
        assert_eq!(bits.number(32), Ok(0x0000_0301));
        let mut bits = Bits::escaped(&[0, 0, 1, 1], "test");
        assert_eq!(bits.number(24), Err(GuardError::Malformed { part: "test" }));
    }

    #[test]
    fn the_end_is_an_error() {
        let mut bits = Bits::plain(&[0xff], "test");
        assert_eq!(bits.number(8), Ok(255));
        assert_eq!(bits.flag(), Err(GuardError::Truncated { part: "test" }));
    }
}
