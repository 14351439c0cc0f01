//! The devices of one's own: who may register, and the hashes of their passwords.
//!
//! Flow: a file, read at the start -> [`Devices::parse`] -> the registrar. Pure. Bound: `limits::SIP_DEVICES_MAX`. A line:
//!
//! ```text
//! room-1:SHA-256=HEX,SHA-512-256=HEX:Room 1
//! ```
//!
//! HEX is the hash of `USER:REALM:PASSWORD` (RFC 7616 §3.4.2): whoever reads it needs no password to register, so that such a file is as
//! secret as one of passwords. [`line()`] writes one. Nothing here says a hash, nor what stood in a line that cannot be read.

use super::digest::{Algorithm, Credentials};
use crate::secret::Secret;
use mcu_core::conference::roster::DisplayName;
use mcu_core::limits::SIP_DEVICES_MAX;
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of a user's name: more than extensions and rooms need, little enough to keep of strangers' guesses.
pub const USER_BYTES_MAX: usize = 32;
/// Bytes of a realm.
pub const REALM_BYTES_MAX: usize = 64;

/// Why lines are no devices. None says what stands in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DevicesError {
    /// Not of the form that `mcu sip-device` writes.
    #[error("line {line}: not USER:SHA-256=HEX,SHA-512-256=HEX:NAME; `mcu sip-device` makes such lines")]
    Malformed {
        /// From one on.
        line: usize,
    },
    /// A user who was there before.
    #[error("line {line}: its user has a line above already")]
    Twice {
        /// From one on.
        line: usize,
    },
    /// Over [`SIP_DEVICES_MAX`].
    #[error("more than {SIP_DEVICES_MAX} devices")]
    TooMany,
    /// A name that no device may have.
    #[error("a user is 1 to {USER_BYTES_MAX} of the letters a to z, digits and -_.+")]
    User,
    /// A realm with characters that end what they are quoted in.
    #[error("a realm is 1 to {REALM_BYTES_MAX} visible ASCII characters without quotes and backslashes")]
    Realm,
}

/// A device's line.
struct Device {
    name: Option<DisplayName>,
    hashes: Vec<(Algorithm, Secret<String>)>,
}

/// All devices, by their users.
pub struct Devices {
    realm: String,
    by_user: BTreeMap<String, Device>,
    /// What is compared with where there is no such user: a hash of nothing that anybody could say.
    decoy: Secret<String>,
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Devices({})", self.len())
    }
}

impl Devices {
    /// Reads the lines of a file; empty ones and those that begin with `#` are nothing. `realm` is that of the hashes.
    ///
    /// # Errors
    /// [`DevicesError`].
    pub fn parse(text: &str, realm: &str) -> Result<Self, DevicesError> {
        check_realm(realm)?;
        let mut by_user = BTreeMap::new();
        let lines = (1..).zip(text.lines().map(str::trim));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let (user, device) = device(line).ok_or(DevicesError::Malformed { line: number })?;
            if by_user.insert(user.to_owned(), device).is_some() {
                return Err(DevicesError::Twice { line: number });
            }
            if by_user.len() > SIP_DEVICES_MAX {
                return Err(DevicesError::TooMany);
            }
        }
        let decoy = Secret::new(format!("{:064x}", rand::random::<u128>()));
        Ok(Self { realm: realm.to_owned(), by_user, decoy })
    }

    /// The realm of all of them.
    pub(super) fn realm(&self) -> &str {
        &self.realm
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// How many have no hash by any of `algorithms`, and could answer no challenge of those.
    pub fn without(&self, algorithms: &[Algorithm]) -> usize {
        let lacks = |device: &&Device| !device.hashes.iter().any(|(of, _)| algorithms.contains(of));
        self.by_user.values().filter(lacks).count()
    }

    /// Whether `credentials` are those of a device of ours. Takes the same work for a user who is none.
    pub(super) fn prove(&self, credentials: &Credentials<'_>, method: &str) -> bool {
        let device = self.by_user.get(credentials.username);
        let hash = device.and_then(|device| {
            let found = device.hashes.iter().find(|(algorithm, _)| *algorithm == credentials.algorithm);
            found.map(|(_, hash)| hash)
        });
        let fits = credentials.fit(hash.unwrap_or(&self.decoy).expose(), method);
        fits && hash.is_some()
    }

    /// Users with the names that people read, in order of the users.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, Option<&DisplayName>)> {
        self.by_user.iter().map(|(user, device)| (user.as_str(), device.name.as_ref()))
    }
}

/// Makes the line of a device, by each of `algorithms`.
///
/// # Errors
/// [`DevicesError::User`], [`DevicesError::Realm`].
pub fn line(
    (user, name): (&str, Option<&DisplayName>),
    realm: &str,
    password: &Secret<String>,
    algorithms: &[Algorithm],
) -> Result<Secret<String>, DevicesError> {
    check_realm(realm)?;
    if !is_user(user) {
        return Err(DevicesError::User);
    }
    let hash = |algorithm: &Algorithm| {
        format!("{}={}", algorithm.name(), algorithm.hash(&[user, realm, password.expose()]))
    };
    let hashes: Vec<String> = algorithms.iter().map(hash).collect();
    let name = name.map_or("", DisplayName::as_str);
    Ok(Secret::new(format!("{user}:{}:{name}", hashes.join(","))))
}

/// Whether a device may have this name. Nothing in it needs an escape in an address.
pub(crate) fn is_user(text: &str) -> bool {
    let part = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_.+".contains(&c);
    (1..=USER_BYTES_MAX).contains(&text.len()) && text.bytes().all(part)
}

fn check_realm(realm: &str) -> Result<(), DevicesError> {
    let part = |c: u8| (c.is_ascii_graphic() || c == b' ') && c != b'"' && c != b'\\';
    let fits = (1..=REALM_BYTES_MAX).contains(&realm.len()) && realm.bytes().all(part);
    if fits { Ok(()) } else { Err(DevicesError::Realm) }
}

fn device(line: &str) -> Option<(&str, Device)> {
    let mut fields = line.splitn(3, ':');
    let user = fields.next().filter(|user| is_user(user))?;
    let hash = |text: &str| {
        let (name, hex) = text.split_once('=')?;
        let algorithm = Algorithm::parse(name)?;
        let fits = hex.len() == algorithm.digits() && hex.bytes().all(|c| c.is_ascii_hexdigit());
        fits.then(|| (algorithm, Secret::new(hex.to_ascii_lowercase())))
    };
    let hashes: Option<Vec<_>> = fields.next()?.split(',').map(hash).collect();
    let name = match fields.next().map(str::trim).unwrap_or_default() {
        "" => None,
        text => Some(DisplayName::parse(text).ok()?),
    };
    Some((user, Device { name, hashes: hashes? }))
}

#[cfg(test)]
mod tests {
    use super::super::digest::tests::authorization;
    use super::*;

    fn made(user: &str, name: Option<&str>) -> String {
        let name = name.map(|name| DisplayName::parse(name).expect("a fair name"));
        let password = Secret::new("secret".to_owned());
        let line = line((user, name.as_ref()), "mcu", &password, &Algorithm::ALL).expect("a fair user");
        line.into_exposed()
    }

    #[test]
    fn a_line_that_was_made_is_a_device() {
        let text = format!("# ours\n\n{}\r\n {}\n", made("room-1", Some("Room: 1")), made("phone.7", None));
        let devices = Devices::parse(&text, "mcu").expect("two devices");
        let names: Vec<_> =
            devices.names().map(|(user, name)| (user, name.map(DisplayName::as_str))).collect();
        assert_eq!(names, [("phone.7", None), ("room-1", Some("Room: 1"))]);
        for algorithm in Algorithm::ALL {
            assert_eq!(devices.without(&[algorithm]), 0);
            let proves = |user: &str, password: &str| {
                let text = authorization((user, password, "mcu"), (algorithm, "n", 1));
                devices.prove(&Credentials::parse(&text).expect("whole").1, "REGISTER")
            };
            assert!(proves("room-1", "secret"), "{algorithm:?}");
            assert!(!proves("room-1", "Secret") && !proves("room-2", "secret"), "{algorithm:?}");
        }
        let by_hand = "room-1:sha-256=5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
        let devices = Devices::parse(by_hand, "mcu").expect("a line of one's own, without a name");
        assert_eq!((devices.without(&Algorithm::GOOD), devices.without(&[Algorithm::Md5])), (0, 1));
    }

    #[test]
    fn a_line_that_is_none_is_said_by_its_number_alone() {
        let fair = made("room-1", Some("Room 1"));
        let hash = fair.split(['=', ',']).nth(1).expect("a hash").to_owned();
        let faults = [
            fair.replace("room-1:", "room 1:"),
            fair.replace("room-1:", "Room-1:"),
            fair.replace("room-1:", ":"),
            fair.replace("SHA-256", "SHA-1"),
            fair.replace(&hash, &hash[1..]),
            fair.replace(&hash, &format!("g{}", &hash[1..])),
            fair.replace(":Room 1", &format!(":{}", "x".repeat(65))),
            "room-1".to_owned(),
            "room-1::Room 1".to_owned(),
        ];
        for fault in faults {
            let error = Devices::parse(&format!("#\n{fault}"), "mcu").expect_err("no device");
            assert_eq!(error, DevicesError::Malformed { line: 2 }, "{fault}");
            assert!(!error.to_string().contains(&hash[..8]));
        }
        let twice = Devices::parse(&format!("{fair}\n{fair}"), "mcu").expect_err("one of them");
        assert_eq!(twice, DevicesError::Twice { line: 2 });
        assert!(!format!("{:?}", Devices::parse(&fair, "mcu")).contains(&hash), "no hash in a log");
        let quoted = line(("a", None), "m\"cu", &Secret::new(String::new()), &Algorithm::ALL);
        assert_eq!(quoted.err(), Some(DevicesError::Realm));
    }

    #[test]
    fn devices_have_a_limit() {
        let tail = made("x", None);
        let tail = tail.strip_prefix('x').expect("its user");
        let lines = |count: usize| (0..count).map(|n| format!("x{n}{tail}\n")).collect::<String>();
        assert_eq!(Devices::parse(&lines(SIP_DEVICES_MAX), "mcu").map(|all| all.len()), Ok(SIP_DEVICES_MAX));
        assert_eq!(
            Devices::parse(&lines(SIP_DEVICES_MAX + 1), "mcu").map(|_| ()),
            Err(DevicesError::TooMany)
        );
    }
}
