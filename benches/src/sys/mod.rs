//! The two things that measuring needs and safe Rust has not: the processor-time clock, and an allocator that counts.

#![allow(unsafe_code)]

pub mod counting;
pub mod cpu;
