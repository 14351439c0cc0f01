//! Tests of whole codecs: encode, damage, decode.

mod damage;
mod lane;
mod level;
mod picture;
mod rate;
mod round_trip;
