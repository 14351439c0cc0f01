//! From stays and bots' own reports to participants' entries: what each of them measured, of whom, and of whom it had to.
//!
//! Flow: `live` -> [`Passage`]s -> **here** -> [`Participant`]s. Pure: all moments are arguments, nothing is looked up.

use super::mos;
use super::participant::{
    Failure, Heard, Measured, MeasuredSource, Participant, ParticipantKind, Percentiles, Seen, Traffic, Who,
};
use crate::bot::report::{Code, Outcome, Report, Sound};
use crate::media::barcode::SenderId;
use crate::media::sound::tone_hz;
use mcu_core::id::SourceKind;
use mcu_core::time::Mono;
use std::collections::{BTreeMap, HashMap};

/// Quieter than this is not heard, in dB of full scale: bots speak at -20, coding noise lies under -60.
const HEARD_DB_MIN: f64 = -50.0;
/// So many beeps of somebody are not taken for others' by chance.
const BEEPS_MIN: u64 = 3;
/// Samples of a millisecond.
const SAMPLES_PER_MS: u64 = 48;
/// By how much somebody may have left before a receiver without being "gone meanwhile": at the end all leave at once.
const LEAVE_SLACK_MS: u64 = 1_000;
/// Whoever counted for less has to have seen and heard nobody: a tone's level takes windows, a moving picture two pictures.
const EXPECTING_MS_MIN: u64 = 2_000;

/// One stay, as it was run.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Whose.
    pub who: Who,
    /// When it set out.
    pub began: Mono,
    /// When it was over.
    pub ended: Mono,
    /// What had passed when it began to count; `None` when it never did.
    pub counting: Option<Counted>,
    /// It sends a picture all the time.
    pub shows: bool,
    /// It speaks at all.
    pub speaks: bool,
    /// It speaks all the time.
    pub speaks_always: bool,
    /// Its layout has room for everybody who shows.
    pub sees_all: bool,
    /// The mix of its room has room for everybody who speaks.
    pub hears_all: bool,
    /// The bot's report at the end.
    pub report: Report,
}

/// What had passed when counting began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// That moment.
    pub at: Mono,
    /// [`crate::bot::report::Sent::bytes`].
    pub sent_bytes: u64,
    /// [`crate::bot::report::Received::bytes`].
    pub received_bytes: u64,
    /// [`crate::bot::report::Received::picture_packets`].
    pub picture_packets: u64,
}

impl Counted {
    /// What `report` says to have passed at `at`.
    pub const fn of(report: &Report, at: Mono) -> Self {
        Self {
            at,
            sent_bytes: report.sent.bytes,
            received_bytes: report.received.bytes,
            picture_packets: report.received.picture_packets,
        }
    }
}

impl Passage {
    /// The stay of `who` from one moment to another, of whom nothing is expected and who expects nothing.
    pub fn new(who: Who, (began, ended): (Mono, Mono), counting: Option<Counted>, report: Report) -> Self {
        Self {
            who,
            began,
            ended,
            counting,
            shows: false,
            speaks: false,
            speaks_always: false,
            sees_all: false,
            hears_all: false,
            report,
        }
    }

    /// When it was connected; `None` when it never was.
    pub fn connected(&self) -> Option<Mono> {
        let passed_ms = self.report.join.connected_ms?;
        Some(self.began + std::time::Duration::from_millis(passed_ms))
    }

    /// From when its figures count.
    fn counts_from(&self) -> Option<Mono> {
        self.counting.map(|counted| counted.at).or_else(|| self.connected())
    }

    /// Whether it was in during all of what `other` counted.
    fn was_with(&self, other: &Self) -> bool {
        let (Some(connected), Some(from)) = (self.connected(), other.counts_from()) else { return false };
        let until_ms = self.ended.as_millis() + LEAVE_SLACK_MS;
        failure(&self.report.outcome).is_none()
            && connected <= from
            && until_ms >= other.ended.as_millis()
            && other.ended.since(from).as_millis() as u64 >= EXPECTING_MS_MIN
    }
}

/// Everybody's entries, in the order of the passages. `begin` is the begin of the run.
pub fn gather(passages: &[Passage], begin: Mono) -> Vec<Participant> {
    passages.iter().map(|passage| entry(passage, passages, begin)).collect()
}

fn entry(passage: &Passage, all: &[Passage], begin: Mono) -> Participant {
    let since_begin = |at: Mono| at.since(begin).as_millis() as u64;
    let is_measured = passage.report.measured;
    Participant {
        who: passage.who.clone(),
        source: if is_measured { MeasuredSource::Measured } else { MeasuredSource::Counted },
        began_ms: since_begin(passage.began),
        ended_ms: since_begin(passage.ended),
        join: passage.report.join.clone(),
        join_ms: join_ms(passage, all),
        failure: failure(&passage.report.outcome),
        traffic: traffic(passage),
        measured: passage.counting.filter(|_| is_measured).map(|counted| measured(passage, counted, all)),
        bot: passage.report.clone(),
    }
}

/// See [`Participant::join_ms`].
fn join_ms(passage: &Passage, all: &[Passage]) -> Option<u64> {
    let join = &passage.report.join;
    let waited_ms = passage.ended.since(passage.began).as_millis() as u64;
    if passage.who.kind == ParticipantKind::Whip {
        return Some(join.connected_ms.unwrap_or(waited_ms));
    }
    let others = all.iter().filter(|other| other.who.is_company_of(&passage.who));
    // From when there is something to come: an empty room is dark and silent.
    let since = |comes: fn(&Passage) -> bool, reached: Option<u64>| {
        let there = others.clone().filter(|other| comes(other)).filter_map(Passage::connected).min()?;
        (there < passage.ended).then(|| {
            reached.unwrap_or(waited_ms).saturating_sub(there.since(passage.began).as_millis() as u64)
        })
    };
    let has_picture = passage.who.kind != ParticipantKind::Phone;
    let picture = has_picture.then(|| since(|other| other.shows, join.first_picture_ms)).flatten();
    let sound = since(|other| other.speaks_always, join.first_sound_ms);
    picture.max(sound)
}

fn failure(outcome: &Outcome) -> Option<Failure> {
    match outcome.clone() {
        Outcome::Left {} => None,
        Outcome::Running {} => {
            Some(Failure { stage: "end".into(), code: None, detail: "it never came to its end".into() })
        }
        Outcome::Failed { stage, code, detail } => Some(Failure { stage, code, detail }),
        Outcome::Closed { reason } => {
            let detail = format!("the node closed the session ({reason})");
            Some(Failure { stage: "closed".into(), code: Some(reason), detail })
        }
    }
}

fn traffic(passage: &Passage) -> Traffic {
    let Report { sent, received, main, .. } = &passage.report;
    let Some(from) = passage.counts_from() else { return Traffic::default() };
    let before = passage.counting.unwrap_or(Counted {
        at: from,
        sent_bytes: 0,
        received_bytes: 0,
        picture_packets: 0,
    });
    let seconds = passage.ended.since(from).as_secs_f64();
    let kbps = |bytes: u64, before: u64| {
        (seconds > 0.0).then(|| bytes.saturating_sub(before) as f64 * 8.0 / 1_000.0 / seconds)
    };
    let lost = main.packets_lost;
    let sent_to_it = lost + received.picture_packets.saturating_sub(before.picture_packets);
    let has_loss = passage.report.measured && passage.counting.is_some() && sent_to_it > 0;
    Traffic {
        seconds,
        sent_kbps: kbps(sent.bytes, before.sent_bytes),
        received_kbps: kbps(received.bytes, before.received_bytes),
        loss_percent: has_loss.then(|| percent(lost, sent_to_it)),
        rtt_ms: received.rtt_ms,
        jitter_ms: received.jitter_ms,
    }
}

fn measured(passage: &Passage, counted: Counted, all: &[Passage]) -> Measured {
    let Report { main, sound, .. } = &passage.report;
    let others: Vec<&Passage> = all.iter().filter(|other| other.who.is_company_of(&passage.who)).collect();
    let span_ms = passage.ended.since(counted.at).as_millis() as u64;
    let sees = sees(passage, &others, span_ms);
    let hears = hears(sound, passage, &others);
    let heard = hears.iter().filter(|heard| heard.heard);
    let mouth_to_ear = heard.filter_map(|heard| heard.latency).max_by_key(|latency| latency.p95_ms);
    let (played_ms, concealed_ms) =
        (sound.samples / SAMPLES_PER_MS, sound.concealed_samples / SAMPLES_PER_MS);
    let mos = mouth_to_ear.and_then(|latency| {
        mos::mos(mos::Heard { delay_ms: latency.p50_ms as f64, played_ms, concealed_ms, gaps: sound.gaps })
    });
    let apart = sound
        .tones
        .iter()
        .filter(|tone| tone.sender != passage.who.sender)
        .filter_map(|tone| tone.av_offset_ms);
    let seen = sees.iter().filter(|seen| seen.seen);
    let worst = seen.filter_map(|seen| seen.latency).max_by_key(|latency| latency.p95_ms);
    Measured {
        fps: main.fps,
        freezes: main.freezes,
        frozen_ms: main.frozen_ms,
        frozen_percent: percent(main.frozen_ms, span_ms),
        played_ms,
        concealed_ms,
        concealed_percent: percent(sound.concealed_samples, sound.samples),
        gaps: sound.gaps,
        glass_to_glass: worst,
        psnr_db: sees.iter().filter_map(|seen| seen.psnr_db).reduce(f64::min),
        ssim: sees.iter().filter_map(|seen| seen.ssim).reduce(f64::min),
        mouth_to_ear,
        mos,
        av_offset_ms: apart.max_by(|one, other| one.abs().total_cmp(&other.abs())),
        own_voice_leak_db: own_voice_leak_db(passage, &others),
        misplaced: misplaced(passage, all),
        hears,
        sees,
    }
}

/// Of nothing at all, nothing.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// Every distinct other of the room, with whether any of its stays satisfies `holds`.
fn distinct<'a>(
    others: &[&'a Passage],
    holds: impl Fn(&Passage) -> bool,
) -> BTreeMap<SenderId, (&'a str, bool)> {
    let mut distinct = BTreeMap::new();
    for other in others {
        let entry = distinct.entry(other.who.sender).or_insert((other.who.name.as_str(), false));
        entry.1 |= holds(other);
    }
    distinct
}

fn sees(passage: &Passage, others: &[&Passage], span_ms: u64) -> Vec<Seen> {
    if passage.who.kind != ParticipantKind::Webrtc {
        // Without layouts nobody says where a bar code is to be looked for.
        return Vec::new();
    }
    let mut codes: HashMap<SenderId, Vec<&Code>> = HashMap::new();
    for code in passage.report.main.tiles.iter().flat_map(|tile| &tile.codes) {
        codes.entry(code.sender).or_default().push(code);
    }
    let expected = |other: &Passage| passage.sees_all && other.shows && other.was_with(passage);
    let about = distinct(others, expected).into_iter().map(|(sender, (name, expected))| {
        let codes = codes.get(&sender).map_or(&[][..], Vec::as_slice);
        let numbers: u64 = codes.iter().map(|code| code.numbers).sum();
        let most = codes.iter().max_by_key(|code| code.age_ms.count);
        Seen {
            name: name.to_owned(),
            sender,
            expected,
            seen: numbers > 1,
            fps: (numbers > 1 && span_ms > 0).then(|| numbers as f64 * 1_000.0 / span_ms as f64),
            freezes: codes.iter().map(|code| code.freezes).sum(),
            frozen_ms: codes.iter().map(|code| code.frozen_ms).sum(),
            latency: most.and_then(|code| Percentiles::of(&code.age_ms)),
            psnr_db: most.and_then(|code| code.psnr_db),
            ssim: most.and_then(|code| code.ssim),
        }
    });
    about.filter(|seen| seen.expected || seen.seen).collect()
}

fn hears(sound: &Sound, passage: &Passage, others: &[&Passage]) -> Vec<Heard> {
    let expected = |other: &Passage| passage.hears_all && other.speaks_always && other.was_with(passage);
    let distinct = distinct(others, expected);
    let about = sound.tones.iter().filter_map(|tone| {
        let (name, expected) = *distinct.get(&tone.sender)?;
        let latency = tone.age_ms.as_ref().and_then(Percentiles::of);
        // Of who takes turns most of the time is silence: that it came at all, its beeps tell.
        let has_beeped = latency.is_some_and(|latency| latency.count >= BEEPS_MIN);
        let heard = tone.level_db > HEARD_DB_MIN || (!expected && has_beeped);
        let (sender, level_db) = (tone.sender, tone.level_db);
        Some(Heard { name: name.to_owned(), sender, expected, heard, level_db, latency })
    });
    about.filter(|heard| heard.expected || heard.heard).collect()
}

/// See [`Measured::own_voice_leak_db`]. Somebody else of the room with the same tone makes it unmeasurable.
fn own_voice_leak_db(passage: &Passage, others: &[&Passage]) -> Option<f64> {
    let shares_tone = |other: &&Passage| tone_hz(other.who.sender) == tone_hz(passage.who.sender);
    if !passage.speaks || others.iter().any(shares_tone) {
        return None;
    }
    let own = passage.report.tone(passage.who.sender)?.level_db;
    let there = others.iter().filter(|other| other.was_with(passage));
    let levels = there.filter_map(|other| other.report.tone(passage.who.sender)).map(|tone| tone.level_db);
    let heard = levels.filter(|level| *level > HEARD_DB_MIN).reduce(f64::max)?;
    Some(own - heard)
}

/// See [`Measured::misplaced`].
fn misplaced(passage: &Passage, all: &[Passage]) -> u64 {
    // By the roster's name, which is distinct: whoever came by WHIP does not know the node's number for it.
    let senders: HashMap<&str, SenderId> =
        all.iter().map(|other| (other.who.name.as_str(), other.who.sender)).collect();
    let main = &passage.report.main;
    let tiles = main.tiles.iter().filter(|tile| tile.kind == SourceKind::Main);
    let wrong = tiles.clone().filter_map(|tile| {
        let owner = senders.get(tile.name.as_deref()?)?;
        Some(tile.codes.iter().filter(|code| code.sender != *owner).map(|code| code.reads).sum::<u64>())
    });
    // A picture that was there before its layout was read by the layout before: any of its tiles may have been another's.
    let explained = main.frames_before_layout * tiles.count() as u64;
    wrong.sum::<u64>().saturating_sub(explained)
}

#[cfg(test)]
mod tests;
