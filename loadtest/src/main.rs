//! `mcu-load`: synthetic participants from the command line.
fn main() {}
