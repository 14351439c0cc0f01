//! Sizes of pictures, as the command line names them.

use clap::ValueEnum;

/// The largest picture that somebody sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SizeName {
    #[value(name = "180p")]
    P180,
    #[value(name = "360p")]
    P360,
    #[value(name = "720p")]
    P720,
}

impl SizeName {
    /// In rows.
    pub(crate) const fn height(self) -> u16 {
        match self {
            Self::P180 => 180,
            Self::P360 => 360,
            Self::P720 => 720,
        }
    }
}
