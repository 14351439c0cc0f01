//! `mcu-load run --sim`: a scenario in virtual time, with the same verdict and report as against a node.
//!
//! Flow: scenario -> `sim` on a blocking thread -> event log (its digest, and a file where asked), screen, report folder -> exit code.

use crate::run::Trouble;
use crate::screen::{Screen, summary};
use aws_lc_rs::digest::{Context, SHA256};
use loadtest::clock::Clock;
use loadtest::live::exit_code;
use loadtest::report::Folder;
use loadtest::scenario::Scenario;
use loadtest::sim::{Watcher, not_judged, play};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Virtual time from one word on the screen to the next.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Takes in the event log, and says how far the run is.
struct Log {
    digest: Context,
    lines: u64,
    file: Option<BufWriter<File>>,
    /// The first that went wrong with the file.
    trouble: Option<std::io::Error>,
    screen: Arc<Screen>,
    told: Option<(usize, Duration)>,
    interrupted: Arc<AtomicBool>,
}

impl Watcher for Log {
    fn log(&mut self, lines: &str) {
        self.digest.update(lines.as_bytes());
        self.lines += lines.bytes().filter(|byte| *byte == b'\n').count() as u64;
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(lines.as_bytes())
        {
            self.trouble = Some(error);
            self.file = None;
        }
    }

    fn passed(&mut self, room: usize, rooms: usize, passed: Duration, end: Duration) -> bool {
        let is_told = self.told.is_some_and(|(told, at)| told == room && passed < at + TOLD_EVERY);
        if !is_told {
            self.told = Some((room, passed));
            let line =
                format!("room {} of {rooms}: {} s of {} s\n", room + 1, passed.as_secs(), end.as_secs());
            self.screen.living(&line);
        }
        !self.interrupted.load(Ordering::Relaxed)
    }
}

/// Plays it; the exit code of the verdict.
pub(crate) async fn simulate(
    scenario: Scenario,
    folder: Option<Folder>,
    event_log: Option<&Path>,
    mut interrupt: Pin<&mut (dyn Future<Output = ()> + Send)>,
) -> Result<u8, Trouble> {
    let unwritable =
        |source| Trouble::EventLog { path: event_log.map(Path::to_owned).unwrap_or_default(), source };
    let file = event_log.map(File::create).transpose().map_err(unwritable)?;
    let left_out = not_judged(&scenario.thresholds);
    let screen = Arc::new(Screen::new(&scenario.name));
    let interrupted = Arc::new(AtomicBool::new(false));
    let mut log = Log {
        digest: Context::new(&SHA256),
        lines: 0,
        file: file.map(BufWriter::new),
        trouble: None,
        screen: Arc::clone(&screen),
        told: None,
        interrupted: Arc::clone(&interrupted),
    };
    let clock = Clock::start();
    let begin = clock.now();
    let started_unix_ms = clock.unix_ms(begin);
    let mut playing = tokio::task::spawn_blocking(move || {
        let report = play(&scenario, started_unix_ms, &mut log);
        (report, log)
    });
    let played = tokio::select! {
        played = &mut playing => played,
        () = &mut interrupt => {
            interrupted.store(true, Ordering::Relaxed);
            playing.await
        }
    };
    let took = clock.now().since(begin);
    // A panic of the thread is a fault of this program, and has been printed.
    let (report, mut log) = played.map_err(|error| Trouble::Thread(error.to_string()))?;
    screen.clear();
    let report = report?;
    print!("{}", summary(&report));
    let digest = log.digest.finish();
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let passed = (report.ended_unix_ms - report.started_unix_ms) / 1_000;
    println!(
        "  virtual time: {passed} s in {:.1} s; event log: {} lines, sha256 {digest}",
        took.as_secs_f64(),
        log.lines
    );
    if !left_out.is_empty() {
        println!("  not judged in virtual time: {}", left_out.join(", "));
    }
    if let Some(error) = log.trouble.or_else(|| log.file.as_mut().and_then(|file| file.flush().err())) {
        return Err(unwritable(error));
    }
    if let Some(folder) = folder {
        folder.keep(&report).map_err(Trouble::Report)?;
        println!("report: {}", folder.path().join("report.html").display());
    }
    Ok(exit_code(report.verdict))
}
