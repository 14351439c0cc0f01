//! What the node says by voice: its recordings, decoded once when it starts.
//!
//! Flow: recordings in the binary, or the operator's own files -> **here** -> `control::meeting`, which gives them to the sound
//! engine. Thread: the one that starts the node; afterwards nothing changes and everybody shares. Bound: one recording a
//! [`Prompt`], each within the limits of [`recording`]. Texts and sound lie side by side in `mcu-server/prompts/`, made by
//! `scripts/record-prompts.sh`.

pub mod recording;

use mcu_core::conference::Prompt;
use recording::RecordingError;
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(RustEmbed)]
#[folder = "prompts/"]
#[include = "*/*.opus"]
#[include = "*/*.txt"]
struct Recorded;

/// In which language the node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
}

/// Why the prompts cannot be spoken. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The folder or a file in it cannot be read.
    #[error("prompts: {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A recording that would never be heard.
    #[error("prompts: {}: there is no such prompt; docs/SIP.md lists them", path.display())]
    Unknown {
        /// Which.
        path: PathBuf,
    },
    /// No usable recording.
    #[error("prompts: {}: {source}", path.display())]
    Recording {
        /// Which.
        path: PathBuf,
        /// Why.
        source: RecordingError,
    },
    /// The binary was built without one.
    #[error("prompts: {path} is not in this build")]
    Missing {
        /// Which, from the folder of recordings.
        path: String,
    },
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::En, Self::De, Self::Fr, Self::Es];

    /// Its code (ISO 639-1), which is its folder's name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Es => "es",
        }
    }
}

/// Every prompt as sound, 48 kHz and mono, and as text.
#[derive(Debug, Clone)]
pub struct Prompts(Arc<[Spoken]>);

/// One prompt.
#[derive(Debug, Clone, Default)]
struct Spoken {
    sound: Arc<[f32]>,
    text: String,
}

impl Prompts {
    /// Words alone: each prompt is over at once.
    ///
    /// # Errors
    /// [`PromptError::Missing`].
    pub fn unspoken(language: Language) -> Result<Self, PromptError> {
        let words = Prompt::ALL
            .iter()
            .map(|prompt| Ok(Spoken { text: text(*prompt, language, None)?, ..Spoken::default() }));
        Ok(Self(words.collect::<Result<_, PromptError>>()?))
    }

    /// The recordings in `language`, those excepted for which `own_dir` holds a file `<name>.opus`; and their texts, with
    /// those of `<name>.txt` there.
    ///
    /// # Errors
    /// [`PromptError`], which names the file.
    pub fn load(language: Language, own_dir: Option<&Path>) -> Result<Self, PromptError> {
        if let Some(dir) = own_dir {
            refuse_unknown(dir)?;
        }
        let spoken = Prompt::ALL.iter().map(|prompt| {
            Ok(Spoken { sound: load(*prompt, language, own_dir)?, text: text(*prompt, language, own_dir)? })
        });
        Ok(Self(spoken.collect::<Result<_, PromptError>>()?))
    }

    /// What is heard of `prompt`.
    pub fn sound(&self, prompt: Prompt) -> &Arc<[f32]> {
        &self.0[prompt.index()].sound
    }

    /// What is read of it, where it is shown.
    pub fn text(&self, prompt: Prompt) -> &str {
        &self.0[prompt.index()].text
    }
}

/// What `prompt` says: one line.
fn text(prompt: Prompt, language: Language, own_dir: Option<&Path>) -> Result<String, PromptError> {
    let own = own_dir.map(|dir| dir.join(prompt.name()).with_extension("txt"));
    let bytes = match own.filter(|path| path.exists()) {
        Some(path) => read(&path)?,
        None => {
            let path = format!("{}/{}.txt", language.code(), prompt.name());
            Recorded::get(&path).ok_or(PromptError::Missing { path })?.data.into_owned()
        }
    };
    Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().to_owned())
}

fn load(prompt: Prompt, language: Language, own_dir: Option<&Path>) -> Result<Arc<[f32]>, PromptError> {
    let decode = |path: &Path, bytes: &[u8]| {
        recording::decode(bytes).map_err(|source| PromptError::Recording { path: path.to_owned(), source })
    };
    let own = own_dir.map(|dir| dir.join(prompt.name()).with_extension("opus"));
    if let Some(path) = own.filter(|path| path.exists()) {
        return decode(&path, &read(&path)?);
    }
    let path = format!("{}/{}.opus", language.code(), prompt.name());
    match Recorded::get(&path) {
        Some(file) => decode(Path::new(&path), &file.data),
        None => Err(PromptError::Missing { path }),
    }
}

/// Reads a file, whose size is looked at before.
fn read(path: &Path) -> Result<Vec<u8>, PromptError> {
    let failed = |source| PromptError::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > recording::BYTES_MAX as u64 {
        let source = RecordingError::Bytes { bytes };
        return Err(PromptError::Recording { path: path.to_owned(), source });
    }
    std::fs::read(path).map_err(failed)
}

/// A recording whose name is misspelt would be missed only when nobody hears it.
fn refuse_unknown(dir: &Path) -> Result<(), PromptError> {
    let failed = |source| PromptError::Read { path: dir.to_owned(), source };
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_recording = path.extension().is_some_and(|extension| extension == "opus");
        let is_known =
            Prompt::ALL.iter().any(|prompt| path.file_stem().is_some_and(|stem| stem == prompt.name()));
        if is_recording && !is_known {
            return Err(PromptError::Unknown { path });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::media::samples::SAMPLE_RATE_HZ;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts")
    }

    /// A folder of its own for a test's files.
    fn own_folder(test: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("mcu-prompts-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("temporary folder");
        dir
    }

    #[test]
    fn every_prompt_is_worded_and_recorded_in_every_language() {
        for language in Language::ALL {
            let prompts = Prompts::load(language, None).expect("all are recorded");
            for prompt in Prompt::ALL {
                let name = format!("{}/{}", language.code(), prompt.name());
                let text = std::fs::read_to_string(folder().join(&name).with_extension("txt")).expect(&name);
                assert!((5..300).contains(&text.trim().len()) && text.trim().lines().count() == 1, "{name}");
                let sound = prompts.sound(*prompt);
                let seconds = sound.len() as f64 / f64::from(SAMPLE_RATE_HZ);
                assert!((0.3..15.0).contains(&seconds), "{name} takes {seconds} s");
                let peak = sound.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
                assert!(peak < 1.0, "{name} peaks at {peak}");
                let power = sound.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
                let rms_db = 10.0 * (power / sound.len() as f64).log10();
                assert!((-32.0..-15.0).contains(&rms_db), "{name} has {rms_db} dB");
            }
        }
    }

    #[test]
    fn nothing_lies_beside_the_recordings_that_is_none() {
        let mut files = 0;
        for language in Language::ALL {
            let dir = folder().join(language.code());
            refuse_unknown(&dir).expect("all are prompts");
            files += std::fs::read_dir(dir).expect("it is there").count();
        }
        assert_eq!(files, Language::ALL.len() * Prompt::ALL.len() * 2);
    }

    #[test]
    fn a_file_of_ones_own_replaces_one_and_only_that() {
        let dir = own_folder("own");
        std::fs::copy(folder().join("de/goodbye.opus"), dir.join("goodbye.opus")).expect("copied");
        std::fs::write(dir.join("README"), "no recording, no harm").expect("written");
        let (own, german) = (Prompts::load(Language::En, Some(&dir)), Prompts::load(Language::De, None));
        let (own, german) = (own.expect("fine"), german.expect("fine"));
        let english = Prompts::load(Language::En, None).expect("fine");
        assert_eq!(own.sound(Prompt::Goodbye), german.sound(Prompt::Goodbye));
        assert_ne!(own.sound(Prompt::Goodbye), english.sound(Prompt::Goodbye));
        assert_eq!(own.sound(Prompt::Welcome), english.sound(Prompt::Welcome));
        std::fs::write(dir.join("goodbye.txt"), "Bye.\nNothing else.\n").expect("written");
        let own = Prompts::load(Language::En, Some(&dir)).expect("fine");
        assert_eq!((own.text(Prompt::Goodbye), own.text(Prompt::Welcome)), ("Bye.", "Welcome."));
    }

    #[test]
    fn a_file_that_cannot_be_heard_is_named() {
        let said = |dir: &Path| Prompts::load(Language::En, Some(dir)).expect_err("refused").to_string();
        let dir = own_folder("broken");
        std::fs::write(dir.join("menu.opus"), b"OggS, or so it says").expect("written");
        assert!(said(&dir).contains("menu.opus"), "{}", said(&dir));
        std::fs::write(dir.join("menu.opus"), vec![0; recording::BYTES_MAX + 1]).expect("written");
        assert!(said(&dir).contains("menu.opus") && said(&dir).contains("bytes"), "{}", said(&dir));
        std::fs::rename(dir.join("menu.opus"), dir.join("menü.opus")).expect("renamed");
        assert!(said(&dir).contains("menü.opus"), "{}", said(&dir));
        let nowhere = dir.join("nowhere");
        assert!(said(&nowhere).contains("nowhere"), "{}", said(&nowhere));
    }
}
