//! The administrator's token: the one that a file holds, or a new one for this run. Read once, before anything listens.

use crate::private::is_open_to_others;
use signalling::auth::{AdminToken, BEARER_BYTES_MAX};
use signalling::secret::Secret;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The shortest token that is taken from a file: 128 random bits as hexadecimal digits.
const TOKEN_BYTES_MIN: usize = 32;

/// Why the file gives no token.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// It cannot be read.
    #[error("admin token file {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others could read it, too.
    #[error("admin token file {0}: others may read it; chmod 600 {0}", path.display())]
    OpenToOthers {
        /// Which.
        path: PathBuf,
    },
    /// What it holds cannot be presented as a bearer token, or is guessed too easily.
    #[error(
        "admin token file {}: must hold one line of {TOKEN_BYTES_MIN} to {BEARER_BYTES_MAX} visible ASCII characters",
        path.display()
    )]
    Content {
        /// Which.
        path: PathBuf,
    },
}

/// The token in `path`, the line's end taken off.
///
/// # Errors
/// [`AdminTokenError`]; none says anything of the content.
pub(crate) fn from_file(path: &Path) -> Result<AdminToken, AdminTokenError> {
    let error = |source| AdminTokenError::File { path: path.to_owned(), source };
    let content = || AdminTokenError::Content { path: path.to_owned() };
    let file = File::open(path).map_err(error)?;
    if is_open_to_others(&file).map_err(error)? {
        return Err(AdminTokenError::OpenToOthers { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    // Room for a line's end, and for one byte more than is allowed.
    file.take(BEARER_BYTES_MAX as u64 + 3).read_to_end(&mut bytes).map_err(error)?;
    let text = String::from_utf8(bytes).map_err(|_| content())?;
    let token = text.trim_end();
    let fits = (TOKEN_BYTES_MIN..=BEARER_BYTES_MAX).contains(&token.len());
    if !fits || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(content());
    }
    Ok(AdminToken::from_text(Secret::new(token.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn read(name: &str, content: &str, mode: u32) -> Result<String, AdminTokenError> {
        let path = std::env::temp_dir().join(format!("mcu-admin-{}-{name}", std::process::id()));
        crate::private::write(&path, content).expect("temporary file");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        let token = from_file(&path).map(|token| token.secret().expose().clone());
        std::fs::remove_file(&path).expect("clean up");
        token
    }

    #[test]
    fn a_private_file_gives_its_line() {
        let token = "0123456789abcdef0123456789abcdef";
        assert_eq!(read("line", &format!("{token}\n"), 0o600).expect("taken"), token);
        assert_eq!(read("bare", token, 0o400).expect("taken"), token);
        let longest = "x".repeat(BEARER_BYTES_MAX);
        assert_eq!(read("longest", &format!("{longest}\r\n"), 0o600).expect("taken"), longest);
    }

    #[test]
    fn what_others_may_read_is_refused() {
        let token = "0123456789abcdef0123456789abcdef\n";
        for mode in [0o640, 0o604, 0o660] {
            let refused = read(&format!("mode-{mode:o}"), token, mode).expect_err("open to others");
            assert!(matches!(refused, AdminTokenError::OpenToOthers { .. }), "{refused}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_said() {
        let long = "x".repeat(BEARER_BYTES_MAX + 1);
        let cases =
            ["", "hunter2", "0123456789abcdef 0123456789abcdef", "0123456789abcdef0123456789abcdeé", &long];
        for (number, content) in cases.into_iter().enumerate() {
            let refused = read(&format!("content-{number}"), content, 0o600).expect_err("no token");
            assert!(matches!(refused, AdminTokenError::Content { .. }), "{refused}");
            assert!(content.is_empty() || !format!("{refused} {refused:?}").contains(content));
        }
        let missing = from_file(Path::new("/nowhere/token")).expect_err("no file");
        assert!(missing.to_string().contains("/nowhere/token"), "{missing}");
    }
}
