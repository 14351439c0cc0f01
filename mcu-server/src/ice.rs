//! STUN and TURN servers as clients are told about them, with time-limited credentials where a secret is configured.

use crate::config;
use aws_lc_rs::hmac;
use base64::Engine;
use mcu_core::id::ParticipantId;
use signalling::model::IceServer;
use signalling::secret::Secret;

/// The servers for one participant, at `unix_s`.
///
/// With a secret: user name `expiry:id`, password HMAC-SHA1 of it (the TURN REST convention of
/// draft-uberti-behave-turn-rest-00 §2.2, which coturn's `use-auth-secret` implements).
pub(crate) fn servers(
    configured: &[config::IceServer],
    participant: ParticipantId,
    unix_s: u64,
) -> Vec<IceServer> {
    configured
        .iter()
        .map(|server| {
            let (username, credential) = match &server.secret {
                Some(secret) => {
                    let expiry = unix_s + u64::from(server.credential_ttl_s);
                    let username = format!("{expiry}:{participant}");
                    let password = sign(secret, &username);
                    (Some(username), Some(password))
                }
                None => (server.username.clone(), server.credential.clone()),
            };
            IceServer { urls: server.urls.clone(), username, credential: credential.map(Secret::new) }
        })
        .collect()
}

fn sign(secret: &str, username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_makes_credentials_that_expire() {
        let server = config::IceServer {
            urls: vec!["turn:turn.example.org".to_owned()],
            username: None,
            credential: None,
            secret: Some("north".to_owned()),
            credential_ttl_s: 600,
        };
        let made = servers(&[server], ParticipantId(7), 1_000);
        assert_eq!(made[0].username.as_deref(), Some("1600:p7"));
        // printf 1600:p7 | openssl dgst -sha1 -hmac north -binary | base64
        let credential = made[0].credential.as_ref().map(|secret| secret.expose().clone());
        assert_eq!(credential.as_deref(), Some("7BsCiKGXYcZ+tvEbqk1zjqt8kzE="));
    }
}
