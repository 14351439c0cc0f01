//! Hop `slot`: a frame a tick, in by the queue and out when it is due.

use super::Case;
use crate::meeting::wide;
use crate::streams::FPS;
use mcu_core::hop::Hop;
use mcu_core::media::frame::{Frame, FramePool};
use mcu_core::queue::Queue;
use mcu_core::time::FrameInterval;
use mixer::video::slot::{QUEUE_FRAMES, Slot, SlotFrame};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new(Hop::Slot, "a frame a tick", (FPS, "frame"), || {
        let pool = FramePool::new("bench", 4);
        let frame = || pool.get(wide(180)).expect("the pool has room").freeze();
        let frames: [Frame; 4] = std::array::from_fn(|_| frame());
        let queue = Queue::new("slot", QUEUE_FRAMES);
        let mut slot = Slot::new(queue.clone());
        let mut tick = 0_u64;
        move || {
            for _ in 0..FPS {
                tick += 1;
                let now = FrameInterval::FPS_30.at(tick).to_mono();
                queue
                    .push_newest(SlotFrame { frame: frames[tick as usize % frames.len()].clone(), due: now });
                assert!(slot.take(now).fresh);
            }
        }
    })]
}
