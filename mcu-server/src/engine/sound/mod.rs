//! The sound half of a conference's engine: every 10 ms, from packets to one mix per distinct set of ears.
//!
//! Flow: packet queues -> `ear` (playout buffer, decode, gain, level) -> ranking -> sum -> `mixes` (mix-minus, `announcer`,
//! limiter, encode) -> outlet. Thread: audio pool, one job per conference and beat, never skipped: a late job makes
//! up for the blocks it missed. Bound: `CATCH_UP_BLOCKS_MAX` blocks at once; what lies further back is counted lost.

mod announcer;
mod decoders;
mod ear;
mod echo;
mod line;
mod mixes;

use super::outgoing::Outlet;
use super::totals::MediaTotals;
use super::{SoundCommand, intake::SoundFeed};
use codecs::opus::OpusSettings;
use codecs::registry::CodecFactory;
use ear::Ear;
use echo::Echo;
use mcu_core::conference::input::Loudness;
use mcu_core::conference::mixing::{Ranking, StreamLevel};
use mcu_core::conference::plan::SoundPlan;
use mcu_core::id::{ConferenceId, SourceId};
use mcu_core::media::samples::SILENCE;
use mcu_core::privacy::Plaintext;
use mcu_core::queue::Queue;
use mcu_core::time::{MediaTime, Mono};
use mixer::audio::mix;
use mixes::Mixes;
use std::sync::Arc;

/// Blocks made up for after a late beat; a longer gap (a suspended machine) is skipped.
const CATCH_UP_BLOCKS_MAX: u64 = 10;

/// Blocks of one packet, which begins with a block whose number is a multiple of it.
const PACKET_BLOCKS: u64 = 2;

/// Blocks between two countings of what playout buffers had to make up: a second.
const COUNT_BLOCKS: u64 = 100;

/// Blocks between two loudness reports to the conference.
const REPORT_BLOCKS: u64 = 3;

/// The sound of one conference.
pub struct SoundEngine {
    conference: ConferenceId,
    /// Holding it is what allows decoding; given back when the engine is dropped.
    token: Arc<Plaintext>,
    inbox: Queue<SoundCommand>,
    codecs: Arc<dyn CodecFactory>,
    outlet: Arc<dyn Outlet>,
    plan: SoundPlan,
    ears: Vec<Ear>,
    levels: Vec<StreamLevel>,
    ranking: Ranking,
    mixes: Mixes,
    echo: Option<Echo>,
    next_block: Option<u64>,
    totals: Arc<MediaTotals>,
}

impl SoundEngine {
    /// The sound of the conference that `token` opens; silent until told of plan and sources. With `echo` everybody
    /// hears everybody, oneself included, a second later.
    pub fn new(
        token: Arc<Plaintext>,
        inbox: Queue<SoundCommand>,
        codecs: Arc<dyn CodecFactory>,
        opus: OpusSettings,
        outlet: Arc<dyn Outlet>,
        totals: Arc<MediaTotals>,
        echo: bool,
    ) -> Self {
        Self {
            conference: token.conference(),
            token,
            inbox,
            mixes: Mixes::new(Arc::clone(&codecs), opus),
            codecs,
            outlet,
            plan: SoundPlan::default(),
            ears: Vec::new(),
            levels: Vec::new(),
            ranking: Ranking::new(),
            echo: echo.then(Echo::default),
            next_block: None,
            totals,
        }
    }

    /// Mixes every 10 ms block that is due by `now`.
    pub fn run(&mut self, now: Mono) {
        self.obey();
        let current = (MediaTime::from_mono(now).ticks() / MediaTime::TEN_MS.ticks()) as u64;
        // Wherever sound begins, it begins with a whole packet.
        let whole = |block: u64| block - block % PACKET_BLOCKS;
        let mut block = self.next_block.unwrap_or_else(|| whole(current));
        if current.saturating_sub(block) >= CATCH_UP_BLOCKS_MAX {
            let skipped_to = whole(current - 1);
            self.totals.sound_lost.add(skipped_to - block);
            block = skipped_to;
        }
        while block <= current {
            self.mix(block);
            block += 1;
        }
        self.next_block = Some(block);
    }

    fn obey(&mut self) {
        while let Some(command) = self.inbox.pop() {
            match command {
                SoundCommand::Plan(plan) => {
                    self.plan.clone_from(&plan.sound);
                    self.mixes.listeners_changed(&self.plan.listeners);
                }
                SoundCommand::Source(source, feed) => self.listen_to(source, feed),
                SoundCommand::SourceGone(source) => self.ears.retain(|ear| ear.source != source),
                SoundCommand::Announce { to, sound } => {
                    let missed = self.mixes.announce(to, &sound, &self.plan.listeners);
                    self.totals.announcements_dropped.add(missed);
                }
                SoundCommand::Hush(participant) => self.mixes.hush(participant),
            }
        }
    }

    fn listen_to(&mut self, source: SourceId, feed: SoundFeed) {
        self.ears.retain(|ear| ear.source != source);
        self.ears.push(Ear::new(source, feed, Arc::clone(&self.codecs)));
    }

    /// One block: pull, rank, sum, and what everybody hears of it.
    fn mix(&mut self, block: u64) {
        debug_assert_eq!(self.token.conference(), self.conference, "media is opened by its own token only");
        let at = MediaTime::from_ticks(MediaTime::TEN_MS.ticks() * block as i64);
        let now = at.to_mono();

        self.levels.clear();
        for ear in &mut self.ears {
            ear.take_packets(now);
            let mixed = self.ranking.mixed().contains(&ear.source);
            ear.pull(now, mixed);
            if self.plan.speakers.contains(&ear.source) {
                self.levels.push(ear.level());
            }
        }
        let audible = self.ranking.update(now, &self.levels);

        let mut sum = SILENCE;
        for ear in &mut self.ears {
            ear.fade(audible.contains(&ear.source));
            if let Some(own) = ear.heard() {
                mix::add(&mut sum, own);
            }
        }
        let half = (block % PACKET_BLOCKS) as usize;
        match &mut self.echo {
            Some(echo) => self.mixes.block(half, &echo.delay(&sum), &[], &self.plan.listeners),
            None => self.mixes.block(half, &sum, &self.ears, &self.plan.listeners),
        }
        if block.is_multiple_of(REPORT_BLOCKS) && !audible.is_empty() {
            self.outlet.loudness(self.conference, Loudness::of(&self.levels));
        }
        if block % PACKET_BLOCKS == PACKET_BLOCKS - 1 {
            self.send(at);
        }
        if block.is_multiple_of(COUNT_BLOCKS) {
            self.ears.iter_mut().for_each(|ear| ear.count(&self.totals));
        }
    }

    /// Encodes and sends the 20 ms that end with the block of `at`.
    fn send(&mut self, at: MediaTime) {
        let start = at - MediaTime::TEN_MS;
        let encoded = self.mixes.encode(&self.plan.listeners);
        self.totals.sound_errors.add(u64::from(encoded.errors));
        self.totals.sound_encoded.add(u64::from(encoded.packets));
        if encoded.packets == 0 {
            return;
        }
        self.outlet.sound(super::outgoing::SoundBurst {
            conference: self.conference,
            at: start,
            wallclock: start.to_mono(),
            shared: encoded.shared,
            personal: encoded.personal,
        });
    }
}

#[cfg(test)]
mod tests;
