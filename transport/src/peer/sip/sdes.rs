//! SDES: SRTP keys that stand in SDP (RFC 4568), which suites we take, and what the SRTP library is told of them.
//!
//! Flow: `offer` -> **here** -> `leg`. Keys are as secret as the way that SDP came by: the caller takes them from signalling
//! over TLS only. Nothing here shows a key, in `Debug` or otherwise, but [`Chosen::attribute`], which is SDP.

use super::seal::Seal;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sdp_types::{Crypto, Media, SrtpSessionParam};
use srtp::{CryptoPolicy, Session, StreamPolicy};

/// `a=crypto` lines of one medium that are looked at: a device lists four to eight.
const CRYPTO_LINES_MAX: usize = 16;
/// The longest key with its salt: AES-256 and 96 bits of salt (RFC 7714 §12).
const KEY_BYTES_MAX: usize = 44;
/// The largest tag (RFC 4568 §9.1: nine digits).
const TAG_MAX: u32 = 999_999_999;

/// Devices write keys with padding and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An SRTP crypto suite that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suite {
    /// RFC 7714.
    AeadAes256Gcm,
    /// RFC 7714.
    AeadAes128Gcm,
    /// RFC 4568 §6.2.1: what every device has.
    AesCm128HmacSha1With80,
}

impl Suite {
    /// The strongest first; AEAD also costs less a packet.
    const BY_PREFERENCE: [Self; 3] = [Self::AeadAes256Gcm, Self::AeadAes128Gcm, Self::AesCm128HmacSha1With80];

    const fn name(self) -> &'static str {
        match self {
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AesCm128HmacSha1With80 => "AES_CM_128_HMAC_SHA1_80",
        }
    }

    /// Key and salt together, as they stand in SDP.
    const fn key_bytes(self) -> usize {
        match self {
            Self::AeadAes256Gcm => KEY_BYTES_MAX,
            Self::AeadAes128Gcm => 28,
            Self::AesCm128HmacSha1With80 => 30,
        }
    }

    fn policy(self) -> CryptoPolicy {
        match self {
            Self::AeadAes256Gcm => CryptoPolicy::aes_gcm_256_16_auth(),
            Self::AeadAes128Gcm => CryptoPolicy::aes_gcm_128_16_auth(),
            Self::AesCm128HmacSha1With80 => CryptoPolicy::aes_cm_128_hmac_sha1_80(),
        }
    }
}

/// A master key with its salt.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    suite: Suite,
}

impl Key {
    fn parse(suite: Suite, text: &str) -> Option<Self> {
        let mut bytes = [0; KEY_BYTES_MAX];
        // The estimate of what decoding needs is rounded up to three bytes.
        let mut decoded = [0; KEY_BYTES_MAX + 3];
        let len = BASE64.decode_slice(text, &mut decoded).ok()?;
        if len != suite.key_bytes() {
            return None;
        }
        bytes[..len].copy_from_slice(&decoded[..len]);
        Some(Self { bytes, suite })
    }

    /// From the system's own randomness; `None` when it has none to give.
    fn random(suite: Suite) -> Option<Self> {
        let mut bytes = [0; KEY_BYTES_MAX];
        OsRng.try_fill_bytes(&mut bytes[..suite.key_bytes()]).ok()?;
        Some(Self { bytes, suite })
    }

    /// One that was agreed otherwise, its two parts by themselves. `None` when they are not as long as the suite has them.
    pub(super) fn of_parts(suite: Suite, key: &[u8], salt: &[u8]) -> Option<Self> {
        if key.len() + salt.len() != suite.key_bytes() {
            return None;
        }
        let mut bytes = [0; KEY_BYTES_MAX];
        bytes[..key.len()].copy_from_slice(key);
        bytes[key.len()..suite.key_bytes()].copy_from_slice(salt);
        Some(Self { bytes, suite })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.suite.key_bytes()]
    }

    /// Opens what is sealed with it: any stream, with a replay window each. `None` when the library refuses.
    pub(super) fn inbound(&self) -> Option<Session> {
        Session::with_inbound_template(StreamPolicy { window_size: REPLAY_WINDOW, ..self.policy() }).ok()
    }

    /// Seals with it. `None` when the library refuses.
    pub(super) fn outbound(&self) -> Option<Session> {
        Session::with_outbound_template(self.policy()).ok()
    }

    /// The value of `a=crypto`: a secret.
    fn attribute(&self, tag: u32) -> String {
        format!("{tag} {} inline:{}", self.suite.name(), BASE64.encode(self.as_bytes()))
    }

    fn policy(&self) -> StreamPolicy<'_> {
        let policy = self.suite.policy();
        StreamPolicy { rtp: policy, rtcp: policy, key: self.as_bytes(), ..StreamPolicy::default() }
    }
}

/// What was agreed for one medium: a suite, and a key for each way.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    tag: u32,
    theirs: Key,
    ours: Key,
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chosen").field("suite", &self.theirs.suite).finish_non_exhaustive()
    }
}

impl Chosen {
    /// The strongest suite of `media` that we speak, with a new key of ours. `None` when there is none, or no randomness.
    ///
    /// Lines with several keys, with a master key identifier or with session parameters that change what a packet looks like
    /// are passed over (RFC 4568 §7.1.1: an answerer takes any one that it understands).
    pub(super) fn of(media: &Media) -> Option<Self> {
        let offered: Vec<(u32, Key)> = media
            .attributes_typed::<Crypto>()
            .take(CRYPTO_LINES_MAX)
            .filter_map(|crypto| usable(&crypto.ok()?))
            .collect();
        let rank = |suite: Suite| Suite::BY_PREFERENCE.iter().position(|&liked| liked == suite);
        let (tag, theirs) = offered.into_iter().min_by_key(|(_, key)| rank(key.suite))?;
        let ours = Key::random(theirs.suite)?;
        Some(Self { tag, theirs, ours })
    }

    /// The value of the answer's `a=crypto`: a secret.
    pub(super) fn attribute(&self) -> String {
        self.ours.attribute(self.tag)
    }

    /// Stays with the key of ours that was told `before`, if the far end stays with its own: devices that change nothing take up no new key
    /// (RFC 4568 §7.1.4), baresip among them.
    pub(super) fn follow(&mut self, before: &Self) {
        if self.theirs == before.theirs {
            self.ours = before.ours.clone();
        }
    }

    /// What the far end seals with: a stream of it goes on for as long as this is the same (RFC 4568 §7.1.4).
    pub(super) const fn theirs(&self) -> &Key {
        &self.theirs
    }

    /// What the packets of the line are opened and sealed with. `None` when the library refuses.
    pub(super) fn seal(&self) -> Option<Seal> {
        Seal::srtp(&self.theirs, &self.ours)
    }
}

/// The keys of ours that an offer of ours names, one for each suite; its tags count from 1 (RFC 4568 §7.1.1).
pub(super) struct Offered([Key; Suite::BY_PREFERENCE.len()]);

impl std::fmt::Debug for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offered").finish_non_exhaustive()
    }
}

impl Offered {
    /// New ones, but for the suite that was agreed `before` in the same call; `None` when the system has no randomness to give.
    pub(super) fn after(before: Option<&Chosen>) -> Option<Self> {
        let key = |suite| {
            let kept = before.map(|before| &before.ours).filter(|ours| ours.suite == suite);
            kept.cloned().or_else(|| Key::random(suite))
        };
        let [first, second, third] = Suite::BY_PREFERENCE;
        Some(Self([key(first)?, key(second)?, key(third)?]))
    }

    /// The values of the offer's `a=crypto` lines: secrets.
    pub(super) fn attributes(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().zip(1..).map(|(key, tag)| key.attribute(tag))
    }

    /// What is agreed once the far end has `chosen` among them; `None` when that is none of them.
    pub(super) fn agreed(self, chosen: Chosen) -> Option<Chosen> {
        let (_, ours) = (1..).zip(self.0).find(|(tag, _)| *tag == chosen.tag)?;
        (ours.suite == chosen.theirs.suite).then_some(Chosen { ours, ..chosen })
    }
}

/// Packets of a stream that may come late and still be told from replays: a second at 10 Mbit/s.
const REPLAY_WINDOW: u64 = 1_024;

fn usable(crypto: &Crypto) -> Option<(u32, Key)> {
    let name = crypto.crypto_suite.as_str();
    let suite = Suite::BY_PREFERENCE.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))?;
    // A hint of the window's size changes no packet (RFC 4568 §6.3.7); everything else does.
    let plain = crypto.session_params.iter().all(|param| matches!(param, SrtpSessionParam::Wsh(_)));
    let [key] = &crypto.key_params[..] else { return None };
    if !plain || key.mki_and_length.is_some() || crypto.tag > TAG_MAX {
        return None;
    }
    Some((crypto.tag, Key::parse(suite, &key.key_and_salt)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdp_types::{MediaType, TransportProto};

    const CM: &str = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    /// 44 bytes of zeros, without the padding that base64 asks for.
    const GCM: &str = "2 AEAD_AES_256_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn media(lines: &[&str]) -> Media {
        let mut media = Media::new(MediaType::Audio, 4_000, TransportProto::RtpSavp, "0");
        lines.iter().for_each(|line| media.add_attribute_with_value("crypto", line));
        media
    }

    #[test]
    fn the_strongest_is_taken_whatever_comes_first_and_answered_by_its_tag() {
        let chosen = Chosen::of(&media(&[CM, GCM])).expect("two that we speak");
        assert!(chosen.attribute().starts_with("2 AEAD_AES_256_GCM inline:"), "{}", chosen.attribute());
        assert!(!chosen.attribute().contains("inline:AAAAAAAAAAAA"), "a key of our own");
        let only = Chosen::of(&media(&[CM])).expect("one that we speak");
        assert!(only.attribute().starts_with("1 AES_CM_128_HMAC_SHA1_80 inline:"));
        assert!(!format!("{only:?}").contains("inline"), "{only:?}");
    }

    #[test]
    fn of_our_offer_one_is_chosen_by_its_tag_and_suite() {
        let offered = || Offered::after(None).expect("randomness");
        let lines: Vec<String> = offered().attributes().collect();
        assert!(
            lines[0].starts_with("1 AEAD_AES_256_GCM inline:")
                && lines[2].starts_with("3 AES_CM_128_HMAC_SHA1_80 ")
        );
        let chosen = |line: &str| Chosen::of(&media(&[line])).expect("one that we speak");
        let keys = offered();
        let told = keys.attributes().nth(2);
        let agreed = keys.agreed(chosen(&CM.replacen('1', "3", 1))).expect("as offered");
        assert_eq!(Some(agreed.attribute()), told, "sealed with the key that the offer told");
        assert!(offered().agreed(chosen(CM)).is_none(), "the tag of another suite");
        assert!(offered().agreed(chosen(&CM.replacen('1', "4", 1))).is_none(), "a tag of none");
        assert!(!format!("{:?}", offered()).contains("inline"));
    }

    #[test]
    fn what_would_change_packets_is_passed_over() {
        let with = |suffix: &str| Chosen::of(&media(&[&format!("{CM}{suffix}")])).is_some();
        assert!(with("") && with(" WSH=128") && with("|2^20"), "the controls");
        for refused in [
            " UNENCRYPTED_SRTP",
            " UNENCRYPTED_SRTCP",
            " UNAUTHENTICATED_SRTP",
            " KDR=3",
            "|2^20|1:4",
            " FOO",
        ] {
            assert!(!with(refused), "{refused}");
        }
        let short = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJQ";
        let garbage = "1 AES_CM_128_HMAC_SHA1_80 inline:%%%%";
        let unknown = "1 F8_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        assert!([short, garbage, unknown].iter().all(|line| Chosen::of(&media(&[line])).is_none()));
    }

    #[test]
    fn two_ends_understand_each_other_in_every_suite_and_nobody_else_does() {
        for suite in Suite::BY_PREFERENCE {
            let key = |fill| Key { bytes: [fill; KEY_BYTES_MAX], suite };
            let (ours, stranger) = (key(2), key(3));
            let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
            packet.extend([0x5a; 160]);
            let plain = packet.clone();
            ours.outbound().expect("a session").protect(&mut packet).expect("sealed");
            assert_ne!(packet[12..172], plain[12..], "{suite:?}");
            let mut opened = packet.clone();
            let mut inbound = ours.inbound().expect("a session");
            inbound.unprotect(&mut opened).expect("opened");
            assert_eq!(opened, plain, "{suite:?}");
            assert!(inbound.unprotect(&mut packet.clone()).is_err(), "{suite:?}: a replay");
            assert!(stranger.inbound().expect("a session").unprotect(&mut packet).is_err(), "{suite:?}");
        }
    }
}
