//! What ends a run early: Ctrl-C and SIGTERM. Whoever is interrupted leaves cleanly and still says what was measured.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals, taken from now on.
pub(crate) struct Interrupts {
    ctrl_c: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { ctrl_c: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(crate) async fn any(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
