//! The conference: who is there, what everybody sees and hears.

pub mod plan;
