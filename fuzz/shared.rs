//! What the `fuzzing` module of every crate includes: bytes read as a script, and a corpus replayed as a test.
//!
//! Included by path, because a crate below cannot see what another compiles for its own tests only.

#![allow(dead_code, reason = "each crate includes all and uses its part")]

/// The bytes of one input, read from the front. What is missing at the end is simply not there.
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// Two bytes of length, and as many bytes of those as there are.
    pub(crate) fn piece(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u16()?);
        let (piece, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Some(piece)
    }

    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// A piece as [`Script::piece`] reads it.
pub(crate) fn piece(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a piece of an input is under 64 KiB");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// Gives `target` its seeds and everything in `fuzz/corpus/NAME`, which may not be missing or empty.
///
/// With `FUZZ_SEEDS` in the environment the seeds are written there first, so that a fuzzer can start from them.
#[cfg(test)]
pub(crate) fn replay(name: &str, target: fn(&[u8]), seeds: &[Vec<u8>]) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    assert!(!seeds.is_empty(), "{name}: nothing to start from");
    for (number, seed) in seeds.iter().enumerate() {
        println!("{name}: seed {number}");
        target(seed);
        if std::env::var_os("FUZZ_SEEDS").is_some() {
            std::fs::create_dir_all(&folder).expect("the corpus is writable");
            std::fs::write(folder.join(format!("seed-{number}")), seed).expect("the corpus is writable");
        }
    }
    let corpus = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = corpus.map(|entry| entry.expect("the corpus is readable").path()).collect();
    inputs.sort_unstable();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    for input in inputs {
        // Shown when the next line panics.
        println!("{}", input.display());
        target(&std::fs::read(&input).expect("the corpus is readable"));
    }
}
