//! Rules that hold whatever happens: chance inputs, played twice.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Enter { who: u64, via: Via, overlay: bool, content: bool },
    Leave(u64),
    Connect { who: u64, h264: bool, content: bool },
    Disconnect(u64),
    Live { who: u64, content: bool, live: bool },
    State { who: u64, change: StateChange },
    Mute(u64),
    Swap(u64, u64),
    Speak { who: u64, other: u64, dbov: f32 },
    Estimate { who: u64, kbps: u32, starving: bool },
}

fn any_change() -> impl Strategy<Value = StateChange> {
    let layout = prop_oneof![Just(LayoutChoice::Auto), Just(LayoutChoice::Grid), Just(LayoutChoice::Speaker)];
    let flag = || prop::option::weighted(0.3, any::<bool>());
    (flag(), flag(), flag(), prop::option::weighted(0.3, layout), flag()).prop_map(
        |(muted, camera, sharing, layout, overlay)| StateChange { muted, camera, sharing, layout, overlay },
    )
}

fn any_op() -> impl Strategy<Value = Op> {
    let who = || 1_u64..=7;
    let via = prop_oneof![4 => Just(Via::Browser), 1 => Just(Via::Whip), 1 => Just(Via::Whep)];
    prop_oneof![
        4 => (who(), via, any::<bool>(), any::<bool>())
            .prop_map(|(who, via, overlay, content)| Op::Enter { who, via, overlay, content }),
        1 => who().prop_map(Op::Leave),
        1 => (who(), any::<bool>(), any::<bool>())
            .prop_map(|(who, h264, content)| Op::Connect { who, h264, content }),
        1 => who().prop_map(Op::Disconnect),
        3 => (who(), any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(who, content, live)| Op::Live { who, content, live }),
        4 => (who(), any_change()).prop_map(|(who, change)| Op::State { who, change }),
        1 => who().prop_map(Op::Mute),
        1 => (who(), who()).prop_map(|(one, other)| Op::Swap(one, other)),
        4 => (who(), who(), -60.0_f32..0.0).prop_map(|(who, other, dbov)| Op::Speak { who, other, dbov }),
        2 => (who(), 0_u32..3_000, any::<bool>())
            .prop_map(|(who, kbps, starving)| Op::Estimate { who, kbps, starving }),
    ]
}

/// Does what `op` says; that some of it is refused is part of the game.
fn perform(meeting: &mut Meeting, op: &Op) {
    let _ = match *op {
        Op::Enter { who, via, overlay, content } => {
            if meeting.join(p(who), via, overlay).is_ok() {
                let receives = receives(p(who), content);
                let _ = meeting.connect(p(who), receives, content);
            }
            Ok(())
        }
        Op::Leave(who) => meeting.give(Input::Leave { participant: p(who), reason: ClosingReason::Left }),
        Op::Connect { who, h264, content } => {
            let codec = if h264 { VideoCodec::H264 } else { VideoCodec::Vp8 };
            let main = Some(line(p(who), SourceKind::Main, codec));
            let content = content.then(|| line(p(who), SourceKind::Content, codec));
            let sound = Some(AudioCodec::Opus);
            meeting.connect(p(who), Receives { main, content, sound }, !h264)
        }
        Op::Disconnect(who) => meeting.give(Input::Disconnected { participant: p(who) }),
        Op::Live { who, content, live } => {
            let kind = if content { SourceKind::Content } else { SourceKind::Main };
            let source = SourceId { participant: p(who), kind };
            meeting.give(Input::SourceLive { source, medium: Medium::Video, live })
        }
        Op::State { who, change } => meeting.state(p(who), change),
        Op::Mute(who) => meeting.give(Input::Mute { participant: p(who), by: MutedBy::Admin }),
        Op::Swap(one, other) => meeting.give(Input::SwapSeats { one: p(one), other: p(other) }),
        Op::Speak { who, other, dbov } => {
            for _ in 0..30 {
                let levels = [(who, dbov), (other, -30.0)];
                let levels = levels.map(|(n, dbov)| StreamLevel::measured(SourceId::main(p(n)), dbov));
                let _ = meeting.give(Input::Loudness(Loudness::of(&levels)));
                meeting.run_for(20);
            }
            Ok(())
        }
        Op::Estimate { who, kbps, starving } => {
            meeting.give(Input::Estimate { participant: p(who), kbps, starving })
        }
    };
}

fn play(ops: &[(u64, Op)]) -> Meeting {
    let mut meeting = Meeting::new();
    // Two who are never sent away, so that the meeting does not end with the first leave.
    (8..=9).for_each(|n| meeting.enter(p(n), Via::Browser, n == 8, n == 8));
    for (gap_ms, op) in ops {
        meeting.run_for(*gap_ms);
        perform(&mut meeting, op);
    }
    meeting.run_for(10_000);
    meeting
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// `Meeting::drain` checks every rule at every plan.
    #[test]
    fn the_rules_hold_whatever_happens_and_it_happens_the_same_way_twice(
        ops in prop::collection::vec((prop_oneof![8 => 0_u64..300, 1 => 0_u64..70_000], any_op()), 1..80),
    ) {
        let (once, again) = (play(&ops), play(&ops));
        prop_assert_eq!(format!("{:?}", once.log), format!("{:?}", again.log));
        // At most twenty plans in any second, but for the last one of all.
        let plans: Vec<Mono> = once.log.iter()
            .filter(|(_, effect)| matches!(effect, Effect::Plan(plan) if !plan.sound.listeners.is_empty()))
            .map(|(at, _)| *at)
            .collect();
        prop_assert!(plans.windows(21).all(|window| window[20].since(window[0]) >= Duration::from_secs(1)));
    }
}
