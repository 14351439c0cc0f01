//! Trunks and the rules of calling out, from the configuration to what SIP is served with: secrets and CAs are read here, once, at the start.

use crate::config::{SipSection, TrunkKind, TrunkSection};
use crate::private::is_open_to_others;
use crate::tls::{Identity, TlsError};
use signalling::secret::Secret;
use signalling::sip::{
    Credentials, OutboundOptions, RegistrationOptions, Rules, TrunkOptions, TrunkTransport,
};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest password.
const PASSWORD_BYTES_MAX: usize = 256;

/// Why a trunk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrunkError {
    /// Its CA.
    #[error("CA of a trunk: {0}")]
    Tls(#[from] TlsError),
    /// Its password cannot be read.
    #[error("password of a trunk {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others could read it, too.
    #[error("password of a trunk {0}: others may read it; chmod 600 {0}", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// It is no password.
    #[error("password of a trunk {}: must hold one line of 1 to {PASSWORD_BYTES_MAX} characters", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// What the configuration says of calls that the node makes.
///
/// # Errors
/// [`TrunkError`]; none says anything of a password.
pub fn outbound(section: &SipSection, identity: &Identity) -> Result<OutboundOptions, TrunkError> {
    let rules = &section.dial_out;
    let trunks = section.trunks.iter().map(|trunk| options(trunk, identity)).collect::<Result<_, _>>()?;
    Ok(OutboundOptions {
        rules: Rules {
            domains: rules.domains.clone(),
            prefixes: rules.prefixes.clone(),
            calls_max: rules.calls_max,
            room_calls_per_minute: rules.room_calls_per_minute,
            calls_per_minute: rules.calls_per_minute,
            minutes_max: rules.minutes_max,
        },
        trunks,
        dns_servers: section.dns_servers.clone(),
    })
}

fn options(trunk: &TrunkSection, identity: &Identity) -> Result<TrunkOptions, TrunkError> {
    let credentials = match (&trunk.username, &trunk.password_file) {
        (Some(username), Some(file)) => Some(Credentials {
            username: username.clone(),
            password: password(file)?,
            dangerous_md5: trunk.dangerous_md5,
        }),
        _ => None,
    };
    let called = trunk.calls_to.as_ref().or(trunk.username.as_ref()).filter(|_| trunk.register);
    let registration = called.map(|user| RegistrationOptions {
        lasts: Duration::from_secs(trunk.registration_s.into()),
        user: user.clone(),
    });
    Ok(TrunkOptions {
        name: trunk.name.clone(),
        host: trunk.host.clone(),
        port: trunk.port,
        transport: match trunk.transport {
            TrunkKind::Tls => TrunkTransport::Tls(identity.trunk(trunk.ca.as_deref())?),
            TrunkKind::DangerousTcp => TrunkTransport::Tcp,
            TrunkKind::DangerousUdp => TrunkTransport::Udp,
        },
        domain: trunk.domain().to_owned(),
        prefixes: trunk.prefixes.clone(),
        caller_id: trunk.caller_id.clone(),
        credentials,
        registration,
    })
}

/// The password in `path`, the line's end taken off.
fn password(path: &Path) -> Result<Secret<String>, TrunkError> {
    let error = |source| TrunkError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(error)?;
    if is_open_to_others(&file).map_err(error)? {
        return Err(TrunkError::OpenToOthers { path: path.to_owned() });
    }
    let mut text = String::new();
    // Room for a line's end, and for one byte more than is allowed.
    file.take(PASSWORD_BYTES_MAX as u64 + 3).read_to_string(&mut text).map_err(error)?;
    let word = text.trim_end_matches(['\r', '\n']);
    if word.is_empty() || word.len() > PASSWORD_BYTES_MAX || word.contains(|c: char| c.is_control()) {
        return Err(TrunkError::Content { path: path.to_owned() });
    }
    Ok(Secret::new(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private;

    #[test]
    fn a_password_is_one_line_that_its_owner_alone_may_read() {
        let path = std::env::temp_dir().join(format!("mcu-trunk-{:?}", std::thread::current().id()));
        let read = |content: &str| {
            private::write(&path, content).expect("a temporary file");
            password(&path).map(|password| password.expose().clone())
        };
        assert_eq!(read("Circle of Life\n").expect("one line"), "Circle of Life");
        for odd in ["", "\n", "two\nlines\n", &"x".repeat(257)] {
            let text = read(odd).expect_err("no password").to_string();
            assert!(text.contains("one line"), "{text}");
        }
        assert!(read(&"x".repeat(256)).is_ok(), "the control: the longest");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        std::fs::set_permissions(&path, open).expect("our own file");
        assert!(matches!(password(&path), Err(TrunkError::OpenToOthers { .. })));
        std::fs::remove_file(&path).expect("our own file");
        assert!(matches!(password(&path), Err(TrunkError::File { .. })));
    }
}
