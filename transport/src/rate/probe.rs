//! What rate to tell the estimator that we could use, so that it probes for the next class and not for the moon.
//!
//! An estimator probes only up to what is desired; desired far above what will be sent costs padding for nothing.

/// What to hand to the bandwidth estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Desired {
    /// Kept up by padding if need be: what is being sent now.
    pub minimum_kbps: u32,
    /// Probed for.
    pub desired_kbps: u32,
}

/// Decides the desired rate of one receiver, and says so only when it changed enough to matter.
#[derive(Debug, Default)]
pub struct ProbePolicy {
    said: Option<Desired>,
}

impl ProbePolicy {
    /// What to tell the estimator, if it differs from what it was told last. `sending_kbps` is the bitrate of the
    /// receiver's rendition, `next_kbps` what the class above needs (`None` at the top), `sound_kbps` what goes
    /// beside it. The headroom of a quarter lets a class change happen without squeezing what is there already.
    pub fn desired(&mut self, sending_kbps: u32, next_kbps: Option<u32>, sound_kbps: u32) -> Option<Desired> {
        let wanted = next_kbps.unwrap_or(sending_kbps).max(sending_kbps).saturating_add(sound_kbps);
        let now = Desired { minimum_kbps: 0, desired_kbps: wanted.saturating_add(wanted / 4) };
        let far = self.said.is_none_or(|said| {
            said.minimum_kbps != now.minimum_kbps
                || said.desired_kbps.abs_diff(now.desired_kbps) > said.desired_kbps / 20
        });
        if !far {
            return None;
        }
        self.said = Some(now);
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_class_is_probed_for_and_small_changes_are_not_repeated() {
        let mut policy = ProbePolicy::default();
        assert_eq!(
            policy.desired(300, Some(1_500), 100),
            Some(Desired { minimum_kbps: 0, desired_kbps: 2_000 })
        );
        assert_eq!(policy.desired(310, Some(1_550), 100), None);
        assert_eq!(policy.desired(1_500, None, 100).map(|d| d.desired_kbps), None);
        assert_eq!(policy.desired(1_000, None, 100).map(|d| d.desired_kbps), Some(1_375));
        assert_eq!(policy.desired(u32::MAX, Some(u32::MAX), 1).map(|d| d.desired_kbps), Some(u32::MAX));
    }
}
