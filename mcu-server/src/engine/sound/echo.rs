//! The echo test: what one says comes back a second later.

use mcu_core::media::samples::{Block, SILENCE};

/// Blocks of delay: one second.
const DELAY_BLOCKS: usize = 100;

/// A second of sound on its way back.
pub(super) struct Echo {
    ring: Vec<Block>,
    at: usize,
}

impl Default for Echo {
    fn default() -> Self {
        Self { ring: vec![SILENCE; DELAY_BLOCKS], at: 0 }
    }
}

impl Echo {
    /// Takes a block in, and gives out the one of a second ago.
    pub(super) fn delay(&mut self, block: &Block) -> Block {
        let old = std::mem::replace(&mut self.ring[self.at], *block);
        self.at = (self.at + 1) % DELAY_BLOCKS;
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_after_a_second_and_only_then() {
        let mut echo = Echo::default();
        let click = [0.5; 480];
        assert!(echo.delay(&click) == SILENCE);
        for _ in 0..DELAY_BLOCKS - 1 {
            assert!(echo.delay(&SILENCE) == SILENCE);
        }
        assert!(echo.delay(&SILENCE) == click);
    }
}
