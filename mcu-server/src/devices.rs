//! SIP devices of one's own: the file in which they stand, read once before anything listens, and the command that makes its lines.
//!
//! What the lines mean, and what stands in one: `signalling::sip::registrar::devices`. Bounds: [`FILE_BYTES_MAX`], and those there. No
//! error says anything of the content.

use crate::cli::SipDevice;
use crate::config::{Config, ConfigError, SipSection};
use crate::private::is_open_to_others;
use mcu_core::conference::roster::{DisplayName, DisplayNameError};
use rand::Rng;
use signalling::secret::Secret;
use signalling::sip::registrar::devices::{Devices, DevicesError, line};
use signalling::sip::registrar::{Algorithm, RegistrarOptions, Terms};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of the file: every line as long as one can be.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// The shortest password of one's own: whoever reads the wire may try as many as they like, elsewhere and without being counted.
const PASSWORD_BYTES_MIN: usize = 12;
/// The longest.
const PASSWORD_BYTES_MAX: usize = 256;
/// Characters of a password that is made: 120 bits.
const PASSWORD_CHARS: usize = 24;
/// Of those: none that could be read as another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Why the file gives no devices.
#[derive(Debug, thiserror::Error)]
pub enum DevicesFileError {
    /// It cannot be read.
    #[error("SIP devices {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could read it, too, and register in the devices' names.
    #[error("SIP devices {0}: others may read it; chmod 600 {0}", path.display())]
    OpenToOthers {
        /// Which.
        path: PathBuf,
    },
    /// A line that is none.
    #[error("SIP devices {}: {source}", path.display())]
    Lines {
        /// Of which file.
        path: PathBuf,
        /// Which line, and why.
        source: DevicesError,
    },
}

/// Why no line was made.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The user or the realm.
    #[error(transparent)]
    Device(#[from] DevicesError),
    /// The name.
    #[error("name: {0}")]
    Name(#[from] DisplayNameError),
    /// The password that was given.
    #[error("a password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes, on one line")]
    Password,
    /// Standard input.
    #[error("standard input: {0}")]
    Input(#[from] io::Error),
}

/// How the registrar is set up; `None` where nobody registers.
///
/// # Errors
/// [`DevicesFileError`].
pub(crate) fn registrar(section: &SipSection) -> Result<Option<RegistrarOptions>, DevicesFileError> {
    let Some(path) = section.devices_file.as_deref().filter(|_| section.is_on()) else { return Ok(None) };
    let devices = from_file(path, &section.realm)?;
    let algorithms = algorithms(section);
    let without = devices.without(algorithms);
    tracing::info!(devices = devices.len(), "SIP devices that may register");
    if without > 0 {
        tracing::warn!(devices = without, "cannot register: their lines lack the digest that is asked for");
    }
    let terms = Terms {
        usual: Duration::from_secs(section.registration_s.into()),
        longest: Duration::from_secs(section.registration_s_max.into()),
    };
    Ok(Some(RegistrarOptions { devices, terms, algorithms }))
}

/// The devices in `path`.
///
/// # Errors
/// [`DevicesFileError`].
pub(crate) fn from_file(path: &Path, realm: &str) -> Result<Devices, DevicesFileError> {
    let error = |source| DevicesFileError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(error)?;
    if is_open_to_others(&file).map_err(error)? {
        return Err(DevicesFileError::OpenToOthers { path: path.to_owned() });
    }
    let mut text = String::new();
    let bytes = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(error)?;
    if bytes as u64 > FILE_BYTES_MAX {
        return Err(error(io::ErrorKind::FileTooLarge.into()));
    }
    Devices::parse(&text, realm).map_err(|source| DevicesFileError::Lines { path: path.to_owned(), source })
}

/// `mcu sip-device`: prints a line for the file, and the password that was made for it.
///
/// # Errors
/// [`DeviceError`].
pub fn add(device: &SipDevice) -> Result<(), DeviceError> {
    let section = Config::load(device.config.as_deref())?.sip;
    let name = device.name.as_deref().map(DisplayName::parse).transpose()?;
    let password = if device.password_stdin { given(io::stdin().lock())? } else { made() };
    let mut all = Algorithm::GOOD.to_vec();
    if section.dangerous_digest_md5 {
        all.push(Algorithm::Md5);
    }
    let line = line((device.user.as_str(), name.as_ref()), &section.realm, &password, &all)?;
    println!("{}", line.expose());
    if !device.password_stdin {
        eprintln!("password {}   (shown once)", password.expose());
    }
    Ok(())
}

const fn algorithms(section: &SipSection) -> &'static [Algorithm] {
    if section.dangerous_digest_md5 { &[Algorithm::Md5] } else { &Algorithm::GOOD }
}

fn made() -> Secret<String> {
    let mut random = rand::rng();
    let letter = |_: usize| char::from(LETTERS[random.random_range(0..LETTERS.len())]);
    Secret::new((0..PASSWORD_CHARS).map(letter).collect())
}

fn given(input: impl Read) -> Result<Secret<String>, DeviceError> {
    let mut text = String::new();
    input.take(PASSWORD_BYTES_MAX as u64 + 3).read_to_string(&mut text)?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    let fits = (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len());
    if !fits || password.contains(['\r', '\n']) {
        return Err(DeviceError::Password);
    }
    Ok(Secret::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn read(name: &str, content: &str, mode: u32) -> Result<usize, DevicesFileError> {
        let path = std::env::temp_dir().join(format!("mcu-devices-{}-{name}", std::process::id()));
        crate::private::write(&path, content).expect("temporary file");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        let devices = from_file(&path, "mcu").map(|devices| devices.len());
        std::fs::remove_file(&path).expect("clean up");
        devices
    }

    #[test]
    fn a_line_that_was_made_is_read_from_a_private_file_alone() {
        let made = line(("room-1", None), "mcu", &made(), &Algorithm::GOOD).expect("a fair user");
        let text = format!("{}\n", made.expose());
        assert_eq!(read("private", &text, 0o600).expect("taken"), 1);
        let open = read("open", &text, 0o640).expect_err("open to others");
        assert!(matches!(open, DevicesFileError::OpenToOthers { .. }), "{open}");
        let odd = read("odd", "room-1:hunter2:Room 1\n", 0o600).expect_err("no hash").to_string();
        assert!(odd.contains("line 1") && !odd.contains("hunter2"), "{odd}");
        let large = read("large", &"#".repeat(FILE_BYTES_MAX as usize + 1), 0o600);
        assert!(matches!(large, Err(DevicesFileError::File { .. })));
        let missing = from_file(Path::new("/nowhere/devices"), "mcu").expect_err("no file");
        assert!(missing.to_string().contains("/nowhere/devices"), "{missing}");
    }

    #[test]
    fn a_password_is_a_line_that_is_not_guessed_at_once() {
        let given = |text: &str| given(text.as_bytes()).map(Secret::into_exposed).ok();
        assert_eq!(given("correct horse\n").as_deref(), Some("correct horse"));
        assert_eq!(given("correct horse\r\n").as_deref(), Some("correct horse"));
        let longest = "x".repeat(PASSWORD_BYTES_MAX);
        assert_eq!(given(&longest).as_deref(), Some(longest.as_str()));
        for odd in ["", "hunter2\n", "correct\nhorse\n", &format!("{longest}x")] {
            assert_eq!(given(odd), None, "{odd}");
        }
        let (one, other) = (made(), made());
        assert!(one.expose().len() == PASSWORD_CHARS && one != other);
    }

    #[test]
    fn a_node_without_sip_reads_no_file() {
        let mut section =
            SipSection { devices_file: Some("/nowhere/devices".into()), ..SipSection::default() };
        assert!(registrar(&section).is_ok_and(|options| options.is_none()));
        section.dangerous_udp_port = 5_060;
        assert!(registrar(&section).is_err(), "the control");
    }
}
