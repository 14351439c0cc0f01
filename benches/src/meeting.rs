//! A meeting's plan, made by the node's own conference: what is decoded, which scenes and renditions there are.
//!
//! Flow: people, codec, canvas -> `mcu_core::conference::Conference` -> **here** -> floor, benches. What a meeting shares and what it
//! encodes apart is thereby never a guess of the bench's.

use mcu_core::conference::input::{Input, Joining, Line, Medium, Receives};
use mcu_core::conference::plan::MeetingPlan;
use mcu_core::conference::roster::{DisplayName, Role, Via};
use mcu_core::conference::{Conference, Effect, Settings};
use mcu_core::id::{ConferenceId, ParticipantId, SourceId};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::frame::Size;
use mcu_core::media::picture_limits::PictureLimits;
use mcu_core::time::Mono;
use std::sync::Arc;
use std::time::Duration;

/// The conference that all benches take place in.
pub const CONFERENCE: ConferenceId = ConferenceId(1);

/// What every way carries: more than the highest class can use.
const ESTIMATE_KBPS: u32 = 10_000;

/// A wide canvas of `height` rows.
pub const fn wide(height: u16) -> Size {
    Size::new((height as u32 * 16 / 9) as u16 & !1, height)
}

/// Who is there and what they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    /// How many send and receive.
    pub people: u64,
    /// With which codec.
    pub codec: VideoCodec,
    /// The canvas.
    pub canvas: Size,
    /// They paint themselves over their own tile, and so share one picture; otherwise each gets one without itself.
    pub overlay: bool,
}

impl Meeting {
    /// The plan that holds once everybody has come and nothing changes any more.
    pub fn plan(self) -> Arc<MeetingPlan> {
        let settings = Settings { canvas: self.canvas, ..Settings::new("bench", "Bench") };
        let mut now = Mono::from_millis(1_000);
        let mut conference = Conference::new(CONFERENCE, settings, now);
        let limits = PictureLimits::expected_of(self.codec);
        let line = Some(Line { codec: self.codec, limits, rtp_offset: 0 });
        let mut plan = None;
        for id in 1..=self.people {
            let participant = ParticipantId(id);
            let source = SourceId::main(participant);
            let joining = Joining {
                participant,
                name: DisplayName::parse(&format!("Bot {id}")).expect("a fair name"),
                role: Role::Guest,
                via: Via::Browser,
                overlay: self.overlay,
                invited: false,
                joined_at_unix_s: 0,
            };
            let receives = Receives { main: line, content: line, sound: Some(AudioCodec::Opus) };
            let live = |medium| Input::SourceLive { source, medium, live: true };
            let inputs = [
                Input::Join(joining),
                Input::Connected { participant, receives, secured: true },
                live(Medium::Video),
                live(Medium::Sound),
                Input::Estimate { participant, kbps: ESTIMATE_KBPS, starving: false },
            ];
            inputs.into_iter().for_each(|input| feed(&mut conference, now, input, &mut plan));
        }
        let settled = now + Duration::from_secs(10);
        while let Some(due) = conference.deadline().filter(|due| *due <= settled) {
            now = now.max(due);
            feed(&mut conference, now, Input::Tick, &mut plan);
        }
        plan.expect("whoever is connected is in some plan")
    }
}

fn feed(conference: &mut Conference, now: Mono, input: Input, plan: &mut Option<Arc<MeetingPlan>>) {
    conference.handle(now, input).expect("everybody may come");
    while let Some(effect) = conference.poll_effect() {
        if let Effect::Plan(next) = effect {
            *plan = Some(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four(overlay: bool) -> Arc<MeetingPlan> {
        Meeting { people: 4, codec: VideoCodec::Vp8, canvas: wide(720), overlay }.plan()
    }

    #[test]
    fn four_who_overlay_share_one_encode_and_four_who_cannot_have_one_each() {
        let (shared, own) = (four(true), four(false));
        assert_eq!((shared.scenes.len(), shared.renditions.len(), shared.views.len()), (1, 1, 4));
        assert_eq!((own.scenes.len(), own.renditions.len(), own.views.len()), (4, 4, 4));
        assert_eq!((shared.scenes[0].tiles.len(), own.scenes[0].tiles.len()), (4, 3));
        assert!(own.scenes.iter().flat_map(|scene| scene.tiles.iter()).all(|tile| tile.video));
        assert_eq!((own.on_stage.len(), own.sound.speakers.len(), own.sound.listeners.len()), (4, 4, 4));
    }
}
