//! Somebody who is in a meeting only as long as what let them in holds on: a WHIP request, a call by SIP.
//!
//! Flow: `whip`, `sip` -> **here** -> `Command::Leave`. Dropped without a word (a client that hung up, a task that
//! failed) they leave all the same.

use crate::command::{Command, Control, Identity};

/// See the module.
#[derive(Debug)]
pub(crate) struct Guest {
    control: Control,
    who: Option<Identity>,
}

impl Guest {
    /// Holds on to `who`, who has just been let in.
    pub(crate) const fn new(control: Control, who: Identity) -> Self {
        Self { control, who: Some(who) }
    }

    /// Lets go: from here on their own token keeps them.
    pub(crate) fn stay(mut self) {
        self.who = None;
    }

    /// They leave, and are gone when this returns.
    pub(crate) async fn leave(mut self) {
        if let Some(who) = self.who.clone() {
            // Gone already: the more so.
            let _ = self.control.ask(|reply| Command::Leave { who, reply }).await;
            self.who = None;
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(who) = self.who.take() {
            // Where control has no room for it, the participant goes as any does that never connects.
            self.control.tell(Command::Leave { who, reply: tokio::sync::oneshot::channel().0 });
        }
    }
}
