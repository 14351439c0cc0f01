//! Which way a call goes, and what is said of the caller there.
//!
//! Flow: `outbound::call` -> [`Way::find`], [`Way::to_device`] -> `dialling`. Every way is the operator's: a trunk of the configuration, or where
//! a device of its own has registered from.

use super::CallRefusal;
use super::callee::Callee;
use super::digest::Credentials;
use super::trunk::Trunk;
use crate::sip::flow::Flow;
use crate::sip::registrar::Reached;
use crate::sip::switchboard::Switchboard;
use rsipstack::sip::Uri;
use std::sync::Arc;

/// As whom the node calls a device of its own.
const CALLER: &str = "meeting";

/// See the module.
pub(super) enum Way {
    /// To a device of one's own, by the way that its registration came, from the host that is given.
    Device(Box<Reached>, String),
    /// By a trunk.
    Trunk(Arc<Trunk>),
}

impl Way {
    /// The way to a device that is registered here: an address at the node's own host, of a user that has registered.
    pub(super) fn to_device(board: &Switchboard, callee: &Callee) -> Option<Self> {
        let host = board.told.host();
        let own = callee.host() == host.to_ascii_lowercase();
        let reached = own.then(|| board.state.registrar.reach(callee.user())).flatten()?;
        Some(Self::Device(Box::new(reached), host))
    }

    /// The way to somebody who may be called: the trunk with the longest prefix of a number, of several that are alike the first.
    ///
    /// # Errors
    /// [`CallRefusal::NoWay`].
    pub(super) fn find(trunks: &[Arc<Trunk>], callee: &Callee) -> Result<Self, CallRefusal> {
        let serving = trunks.iter().filter_map(|trunk| Some((trunk.serves(callee)?, trunk)));
        // Of equals `max_by_key` has the last.
        let best = serving.rev().max_by_key(|(prefix_chars, _)| *prefix_chars);
        best.map(|(_, trunk)| Self::Trunk(Arc::clone(trunk))).ok_or(CallRefusal::NoWay)
    }

    /// What a request leaves by; `None` when nothing does for now.
    pub(super) async fn flow(&self, board: &Switchboard) -> Option<Flow> {
        match self {
            Self::Device(reached, _) => Some(reached.flow.clone()).filter(Flow::is_open),
            Self::Trunk(trunk) => trunk.flow(board).await,
        }
    }

    /// The Request-URI.
    pub(super) fn target(&self, callee: &Callee) -> Uri {
        match self {
            // RFC 3261 §16.6: where the device said that it is; the request goes by its way, whatever stands there.
            Self::Device(reached, _) => reached.contact.clone(),
            Self::Trunk(_) => callee.uri(),
        }
    }

    /// User and host of `From`.
    pub(super) fn caller(&self) -> (&str, &str) {
        match self {
            Self::Device(_, host) => (CALLER, host),
            Self::Trunk(trunk) => (&trunk.options().caller_id, &trunk.options().domain),
        }
    }

    /// What is answered to a challenge.
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        match self {
            // Nobody but the operator's trunks is shown what the node's passwords make.
            Self::Device(..) => None,
            Self::Trunk(trunk) => trunk.options().credentials.as_ref(),
        }
    }
}
