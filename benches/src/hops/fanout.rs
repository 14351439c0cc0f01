//! Hop `fanout`: one picture's numbers for each of a hundred receivers. What is written to a peer belongs to `protect`.

use super::{Case, stream};
use crate::meeting::CONFERENCE;
use mcu_core::hop::Hop;
use mcu_core::id::RenditionId;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::privacy::{Ledger, Purpose};
use mcu_core::time::FrameInterval;
use std::hint::black_box;
use transport::payload::{PacketizedUnit, Packetizer};
use transport::send::{Decision, RenditionSwitch};

const RECEIVERS: u16 = 100;
const RENDITION: RenditionId = RenditionId(1);

pub(super) fn cases() -> Vec<Case> {
    let case = |codec: VideoCodec| {
        let name = format!("{} to {RECEIVERS}", codec.name());
        Case::new(Hop::Fanout, name, (u64::from(RECEIVERS), "receiver"), move || fan_out(codec))
    };
    vec![case(VideoCodec::Vp8), case(VideoCodec::H264)]
}

fn fan_out(codec: VideoCodec) -> impl FnMut() {
    let stream = stream(1, codec, 720);
    let token = Ledger::new().issue(CONFERENCE, Purpose::Mixing);
    let unit = stream.unit(0).and_then(|unit| token.open(unit).ok()).expect("a loop begins with a picture");
    let mut packetizer = Packetizer::new(codec).expect("the node sends it");
    let unit = EncodedUnit { data: unit.data().clone(), keyframe: true, at: FrameInterval::FPS_30.at(0) };
    let mut unit: PacketizedUnit = packetizer.packetize(&unit).expect("a picture");
    let mut switches: Vec<_> = (0..RECEIVERS)
        .map(|n| {
            let mut switch = RenditionSwitch::new(n, u32::from(n));
            switch.select(Some(RENDITION));
            switch
        })
        .collect();
    let mut tick = 0;
    move || {
        tick += 1;
        unit.at = FrameInterval::FPS_30.at(tick);
        for switch in &mut switches {
            assert!(matches!(black_box(switch.offer(RENDITION, &unit, false)), Decision::Send(_)));
        }
    }
}
