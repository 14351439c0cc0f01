//! What senders are asked to send: no more than the largest tile that anybody else sees of them.
//!
//! Flow: the plan -> **here** -> `video_request` events. Thread: control. Bound: two requests per participant.
//! Less is asked for after 3 s, more after 0.5 s, and what was paused and is seen again at once.

use super::event::VideoRequest;
use super::plan::MeetingPlan;
use crate::id::{ParticipantId, RenditionId, SceneId, SourceId, SourceKind};
use crate::time::Mono;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long less has to be enough.
pub const LESS_AFTER: Duration = Duration::from_secs(3);
/// How long more has to be wanted.
pub const MORE_AFTER: Duration = Duration::from_millis(500);
/// What content is asked for before its first picture.
const CONTENT_FPS: u32 = 15;
const CONTENT_ROWS: u16 = 1_080;
/// Nobody is asked for a slower picture than this.
const FPS_MIN: u32 = 5;

/// What would do for one source now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Use {
    /// Rows of the largest tile.
    rows: u16,
    /// Frames per second of the fastest picture.
    fps: u32,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    sent: VideoRequest,
    /// What should be asked for instead, and since when.
    next: Option<(VideoRequest, Mono)>,
}

/// What was asked of whom.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(BTreeMap<SourceId, Asked>);

impl Requests {
    /// Compares what `plan` shows with what was asked for. `senders` are the sources that can be asked; whoever
    /// sees only itself is seen by nobody, unless `echo`. `awaited` has no tile only because its first picture is
    /// not here yet: paused, it would never come.
    pub(super) fn update(
        &mut self,
        now: Mono,
        plan: &MeetingPlan,
        senders: &[SourceId],
        awaited: Option<SourceId>,
        echo: bool,
    ) {
        let mut seen = uses(plan, echo);
        if let Some(source) = awaited {
            seen.entry(source).or_insert(Use { rows: CONTENT_ROWS, fps: CONTENT_FPS });
        }
        self.0.retain(|source, _| senders.contains(source));
        for source in senders {
            let wanted =
                request(source.kind, seen.get(source).copied().unwrap_or_default(), self.0.get(source));
            let asked = self.0.entry(*source).or_insert_with(|| {
                // Nothing was asked yet: whatever is wanted now is news, at once.
                let unsaid = VideoRequest { height: 0, ..wanted };
                Asked { sent: unsaid, next: Some((wanted, now)) }
            });
            if asked.sent.height == 0 {
                asked.next = Some((wanted, now));
            } else if asked.sent == wanted {
                asked.next = None;
            } else if asked
                .next
                .is_none_or(|(next, _)| is_more(&next, &asked.sent) != is_more(&wanted, &asked.sent))
            {
                asked.next = Some((wanted, now));
            } else if let Some((next, _)) = &mut asked.next {
                *next = wanted;
            }
        }
    }

    /// What has to be said now.
    pub(super) fn tick(&mut self, now: Mono) -> Vec<(ParticipantId, VideoRequest)> {
        let mut said = Vec::new();
        for (source, asked) in &mut self.0 {
            if asked.due().is_some_and(|due| due <= now)
                && let Some((next, _)) = asked.next.take()
            {
                asked.sent = next;
                said.push((source.participant, next));
            }
        }
        said
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.0.values().filter_map(Asked::due).min()
    }

    /// What was asked of one participant.
    pub(super) fn of(&self, id: ParticipantId) -> impl Iterator<Item = VideoRequest> {
        let range = SourceId::main(id)..=SourceId::content(id);
        self.0.range(range).map(|(_, asked)| asked.sent).filter(|sent| sent.height > 0)
    }

    /// A new path has to be asked anew.
    pub(super) fn forget(&mut self, id: ParticipantId) {
        self.0.retain(|source, _| source.participant != id);
    }
}

impl Asked {
    fn due(&self) -> Option<Mono> {
        let (next, since) = self.next?;
        let at_once = self.sent.height == 0 || (self.sent.paused && !next.paused);
        Some(match (at_once, is_more(&next, &self.sent)) {
            (true, _) => since,
            (false, true) => since + MORE_AFTER,
            (false, false) => since + LESS_AFTER,
        })
    }
}

/// Whether `one` asks for more than `other`.
fn is_more(one: &VideoRequest, other: &VideoRequest) -> bool {
    (!one.paused, one.height, one.fps) > (!other.paused, other.height, other.fps)
}

/// The request that serves a use.
fn request(kind: SourceKind, seen: Use, before: Option<&Asked>) -> VideoRequest {
    if seen.rows == 0 {
        // What is paused keeps its size: it is seen again, as likely as not, as it was.
        let sent = before.map(|asked| asked.sent).filter(|sent| sent.height > 0);
        let (height, kbps) = step(kind, 0);
        let smallest = VideoRequest { kind, height, fps: FPS_MIN, kbps, paused: true };
        return VideoRequest { paused: true, ..sent.unwrap_or(smallest) };
    }
    let (height, kbps) = step(kind, seen.rows);
    VideoRequest { kind, height, fps: seen.fps.max(FPS_MIN), kbps, paused: false }
}

/// Rows that are enough for a tile of `rows`, and the rate that they may cost.
const fn step(kind: SourceKind, rows: u16) -> (u16, u32) {
    match (kind, rows) {
        (SourceKind::Main, 0..=180) => (180, 200),
        (SourceKind::Main, 181..=360) => (360, 600),
        (SourceKind::Main, _) => (720, 1_700),
        (SourceKind::Content, 0..=720) => (720, 1_500),
        (SourceKind::Content, _) => (1_080, 2_500),
    }
}

/// The largest and fastest picture that anybody else sees of each source.
fn uses(plan: &MeetingPlan, echo: bool) -> BTreeMap<SourceId, Use> {
    let mut viewers: BTreeMap<RenditionId, Vec<ParticipantId>> = BTreeMap::new();
    plan.views.iter().for_each(|view| viewers.entry(view.rendition).or_default().push(view.participant));
    let scenes: BTreeMap<SceneId, _> = plan.scenes.iter().map(|scene| (scene.id, scene)).collect();
    let mut uses: BTreeMap<SourceId, Use> = BTreeMap::new();
    for rendition in &plan.renditions {
        let Some(scene) = scenes.get(&rendition.scene) else { continue };
        let viewers = viewers.get(&rendition.id).map_or(&[][..], Vec::as_slice);
        for tile in scene.tiles.iter() {
            if !echo && viewers.iter().all(|viewer| *viewer == tile.source.participant) {
                continue;
            }
            let rows = u32::from(tile.rect.height) * u32::from(rendition.size.height);
            let rows = rows.div_ceil(u32::from(scene.canvas.height)) as u16;
            let used = uses.entry(tile.source).or_default();
            used.rows = used.rows.max(rows);
            used.fps = used.fps.max(rendition.interval.fps_rounded());
        }
    }
    uses
}
