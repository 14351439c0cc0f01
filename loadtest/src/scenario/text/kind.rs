//! The kind of a group: which keys it does not have, and what it sounds like.

use super::{Page, RawGroup, RawMeasure, ScenarioError};
use crate::report::ParticipantKind;
use mcu_core::media::codec::AudioCodec;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawKind {
    Webrtc,
    Whip,
    Whep,
    Sip,
    Phone,
}

impl RawKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Webrtc => "webrtc",
            Self::Whip => "whip",
            Self::Whep => "whep",
            Self::Sip => "sip",
            Self::Phone => "phone",
        }
    }
}

/// What somebody sounds like of whom nothing is said.
pub(super) const fn sound(kind: ParticipantKind) -> AudioCodec {
    match kind {
        ParticipantKind::Phone => AudioCodec::Pcma,
        ParticipantKind::Webrtc | ParticipantKind::Whip | ParticipantKind::Whep | ParticipantKind::Sip => {
            AudioCodec::Opus
        }
    }
}

fn at<T>(key: &'static str, value: Option<&Spanned<T>>) -> Option<(&'static str, usize)> {
    value.map(|value| (key, value.span().start))
}

impl Page<'_> {
    /// The kind, if nothing is said of it that it does not do.
    pub(super) fn kind(&self, raw: &RawGroup) -> Result<ParticipantKind, ScenarioError> {
        let page = [
            at("overlay", raw.overlay.as_ref()),
            at("layout", raw.layout.as_ref()),
            at("camera", raw.camera.as_ref()),
        ];
        let pictures = [
            at("size", raw.size.as_ref()),
            at("only_kbps", raw.only_kbps.as_ref()),
            at("scenery", raw.scenery.as_ref()),
        ];
        let talk = [at("talk", raw.talk.as_ref())];
        let codec = [at("codec", raw.codec.as_ref())];
        let sound = [at("sound", raw.sound.as_ref())];
        let measures = raw.measure.as_ref().filter(|m| !matches!(m.get_ref(), RawMeasure::Some(0)));
        let measure = [at("measure", measures)];
        let by_http = "goes with kind = \"sip\" or \"phone\": the others send and hear Opus";
        let (kind, foreign, why) = match raw.kind.get_ref() {
            RawKind::Webrtc => (ParticipantKind::Webrtc, Vec::new(), ""),
            RawKind::Whip => {
                let foreign = [&page[..], &measure].concat();
                (ParticipantKind::Whip, foreign, "an encoder receives nothing and has no page")
            }
            RawKind::Whep => {
                let foreign = [&page[..], &pictures, &talk].concat();
                (ParticipantKind::Whep, foreign, "a player sends nothing and has no page")
            }
            RawKind::Sip => (ParticipantKind::Sip, page.to_vec(), "a room system has no page"),
            RawKind::Phone => {
                let foreign = [&page[..], &pictures, &codec].concat();
                (ParticipantKind::Phone, foreign, "a telephone has sound alone, and no page")
            }
        };
        let calls = matches!(kind, ParticipantKind::Sip | ParticipantKind::Phone);
        let unsaid = foreign.into_iter().flatten().map(|at| (at, why));
        let unheard = sound.into_iter().flatten().filter(|_| !calls).map(|at| (at, by_http));
        match unsaid.chain(unheard).next() {
            Some(((key, at), why)) => Err(self.refuse(at, key, why)),
            None => Ok(kind),
        }
    }
}
