//! What a host's socket is told of the calls that its room makes: whom the node calls, and what becomes of each.
//!
//! Flow: `sip::outbound`, whose book has news -> [`RoomCalls`] -> `pump`. Thread: the server's runtime, within the socket's task. Bounds:
//! `limits::SIP_CALLS_OUT_MAX` calls in an event, and none queued: whoever is slow is told what is so by then. Control takes no part; who is
//! in the meeting by a call is its business, and comes by the roster.

use crate::api::calls::listed;
use crate::command::Identity;
use crate::event::EventText;
use crate::model::OutgoingCall;
use crate::room::Alias;
use crate::sip::outbound::{Reach, reach};
use crate::state::ApiState;
use mcu_core::conference::roster::Role;
use serde::Serialize;
use std::future::pending;
use tokio::sync::watch;

/// The event, as `docs/API.md` spells it.
#[derive(Serialize)]
#[serde(tag = "type", rename = "calls")]
struct CallsEvent<'a> {
    domains: &'a [String],
    prefixes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    device_host: Option<&'a str>,
    calls: Vec<OutgoingCall>,
}

/// See the module.
pub(crate) struct RoomCalls {
    state: ApiState,
    room: Alias,
    reach: Reach,
    news: watch::Receiver<()>,
    told: Option<EventText>,
}

impl RoomCalls {
    /// Of the room of `who`; `None` for a guest, and where the node calls nobody.
    pub(crate) fn of(state: &ApiState, who: &Identity) -> Option<Self> {
        if who.role != Role::Host {
            return None;
        }
        let (reach, news) = reach(state)?;
        Some(Self { state: state.clone(), room: who.alias.clone(), reach, news, told: None })
    }

    /// What is so, at once; and then again whenever it is something else. Nothing is lost by dropping this before it is ready.
    pub(crate) async fn next(&mut self) -> EventText {
        loop {
            if self.told.is_some() && self.news.changed().await.is_err() {
                // SIP is off, and nothing more becomes of any call.
                return pending().await;
            }
            let event = self.event();
            // News may be of another room.
            if self.told.as_ref() != Some(&event) {
                self.told = Some(event.clone());
                return event;
            }
        }
    }

    fn event(&self) -> EventText {
        let Reach { domains, prefixes, device_host } = &self.reach;
        let calls = listed(&self.state, &self.room);
        let event = CallsEvent { domains, prefixes, device_host: device_host.as_deref(), calls };
        EventText::written(serde_json::to_string(&event).expect("it has text keys and no fallible parts"))
    }
}
