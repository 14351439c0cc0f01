//! What bots send, and how it is recognised again at the other end.
//!
//! - [`barcode`]: sender and frame number in the picture, and back.
//! - [`picture`], [`sound`]: what is drawn and said, as functions of sender and number.
//! - [`loops`]: both, encoded once and kept on disk.
//! - [`files`]: both, as the files that Chromium's fake devices play.
//! - [`likeness`]: how alike a received picture is to the drawn one.
//! - [`tone`]: how loud each sender is in received sound.
//! - [`beep`]: when each sender's beep begins in it.

pub mod barcode;
pub mod beep;
pub mod files;
pub mod likeness;
pub mod loops;
pub mod picture;
pub mod sound;
pub mod tone;
