//! Which device is registered where (RFC 3261 §10.3, 7): a table of addresses, each with the way that it came by and its end.
//!
//! Flow: `mod` -> **here**. Pure: `now` is an argument, and a way is whatever `mod` makes of one. Bounds: the devices that there are
//! (`limits::SIP_DEVICES_MAX`) times `limits::SIP_BINDINGS_PER_DEVICE_MAX`; one more of a device takes the place of its oldest, as a
//! device that was restarted seldom says goodbye.

use super::registration::{Asked, Instance, Registration, Wish};
use mcu_core::limits::SIP_BINDINGS_PER_DEVICE_MAX;
use mcu_core::time::Mono;
use std::collections::BTreeMap;
use std::time::Duration;

/// An address at which a device is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding<W> {
    /// As the device wrote it.
    pub(super) contact: String,
    pub(super) instance: Option<Instance>,
    /// What the device calls itself.
    pub(super) agent: String,
    /// Unix seconds at which it came, however often it has come again since.
    pub(super) since_unix_s: u64,
    pub(super) expires_at: Mono,
    /// Where calls to it go.
    pub(super) way: W,
    call_id: String,
    seq: u32,
}

impl<W> Binding<W> {
    /// Until it ends.
    pub(super) const fn expires_in(&self, now: Mono) -> Duration {
        self.expires_at.since(now)
    }

    fn is(&self, wish: &Wish) -> bool {
        match (&self.instance, &wish.instance) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.contact == wish.contact,
        }
    }

    /// RFC 3261 §10.3: of one Call-ID, the higher number is the later request.
    fn is_before(&self, registration: &Registration) -> bool {
        self.call_id != registration.call_id || self.seq < registration.seq
    }
}

/// A request that was overtaken by a later one; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overtaken;

/// See the module.
#[derive(Debug)]
pub(super) struct Bindings<W> {
    /// Oldest first; no list is empty.
    by_user: BTreeMap<String, Vec<Binding<W>>>,
}

impl<W> Default for Bindings<W> {
    fn default() -> Self {
        Self { by_user: BTreeMap::new() }
    }
}

impl<W: Clone> Bindings<W> {
    /// Does what is asked for `user`, wholly or not at all.
    ///
    /// # Errors
    /// [`Overtaken`].
    pub(super) fn change(
        &mut self,
        user: &str,
        registration: &Registration,
        way: &W,
        (now, unix_s): (Mono, u64),
    ) -> Result<(), Overtaken> {
        let wishes = match &registration.asked {
            Asked::What => return Ok(()),
            Asked::Nothing => {
                if !self.of(user, now).all(|binding| binding.is_before(registration)) {
                    return Err(Overtaken);
                }
                self.by_user.remove(user);
                return Ok(());
            }
            Asked::Each(wishes) => wishes,
        };
        let overtaken = |wish: &Wish| self.of(user, now).any(|it| it.is(wish) && !it.is_before(registration));
        if wishes.iter().any(overtaken) {
            return Err(Overtaken);
        }
        let mut bindings = self.by_user.remove(user).unwrap_or_default();
        bindings.retain(|binding| binding.expires_at > now);
        for wish in wishes {
            let known = bindings.iter().position(|binding| binding.is(wish)).map(|at| bindings.remove(at));
            if wish.expires.is_zero() {
                continue;
            }
            if bindings.len() >= SIP_BINDINGS_PER_DEVICE_MAX {
                bindings.remove(0);
            }
            bindings.push(Binding {
                contact: wish.contact.clone(),
                instance: wish.instance.clone(),
                agent: registration.agent.clone(),
                since_unix_s: known.map_or(unix_s, |known| known.since_unix_s),
                expires_at: now + wish.expires,
                way: way.clone(),
                call_id: registration.call_id.clone(),
                seq: registration.seq,
            });
        }
        if !bindings.is_empty() {
            self.by_user.insert(user.to_owned(), bindings);
        }
        Ok(())
    }
}

impl<W> Bindings<W> {
    /// The addresses of a device, newest first.
    pub(super) fn of(&self, user: &str, now: Mono) -> impl Iterator<Item = &Binding<W>> {
        let all = self.by_user.get(user).map_or(&[][..], Vec::as_slice);
        all.iter().rev().filter(move |binding| binding.expires_at > now)
    }

    /// Forgets what has expired.
    pub(super) fn sweep(&mut self, now: Mono) {
        self.retain(|binding| binding.expires_at > now);
    }

    /// Forgets what came by a way that is gone.
    pub(super) fn close(&mut self, is_gone: impl Fn(&W) -> bool) {
        self.retain(|binding| !is_gone(&binding.way));
    }

    /// Devices that are registered at least once.
    pub(super) fn devices(&self) -> usize {
        self.by_user.len()
    }

    fn retain(&mut self, keep: impl Fn(&Binding<W>) -> bool) {
        self.by_user.retain(|_, bindings| {
            bindings.retain(&keep);
            !bindings.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::limits::SIP_DEVICES_MAX;

    const NOW: Mono = Mono::from_millis(1_000);

    fn wish(contact: &str, seconds: u64) -> Wish {
        Wish { contact: contact.to_owned(), instance: None, expires: Duration::from_secs(seconds) }
    }

    fn asks(asked: Asked, call_id: &str, seq: u32) -> Registration {
        Registration { asked, call_id: call_id.to_owned(), seq, agent: "phone".to_owned() }
    }

    /// Registers `room` at addresses, by way number `way`.
    fn register(table: &mut Bindings<u32>, wishes: &[Wish], seq: u32, way: u32) -> Result<(), Overtaken> {
        table.change("room", &asks(Asked::Each(wishes.to_vec()), "a", seq), &way, (NOW, u64::from(seq)))
    }

    fn found(table: &Bindings<u32>, now: Mono) -> Vec<(&str, u32)> {
        table.of("room", now).map(|binding| (binding.contact.as_str(), binding.way)).collect()
    }

    #[test]
    fn an_address_comes_is_said_again_and_goes() {
        let mut table = Bindings::default();
        register(&mut table, &[wish("x", 60), wish("y", 120)], 1, 1).expect("new");
        assert_eq!(found(&table, NOW), [("y", 1), ("x", 1)], "newest first");
        register(&mut table, &[wish("x", 60)], 2, 2).expect("later");
        assert_eq!(found(&table, NOW), [("x", 2), ("y", 1)], "by its new way");
        assert_eq!(
            table.of("room", NOW).next().map(|binding| binding.since_unix_s),
            Some(1),
            "since it came"
        );
        let minute = NOW + Duration::from_secs(60);
        assert_eq!(found(&table, minute), [("y", 1)], "it has expired");
        table.sweep(minute);
        assert_eq!((table.by_user["room"].len(), table.devices()), (1, 1));
        register(&mut table, &[wish("y", 0), wish("z", 0)], 3, 1)
            .expect("one that is there, and one that is not");
        assert_eq!((found(&table, NOW), table.devices()), (vec![], 0));
    }

    #[test]
    fn a_request_that_was_overtaken_changes_nothing() {
        let mut table = Bindings::default();
        register(&mut table, &[wish("x", 60)], 5, 1).expect("new");
        for seq in [4, 5] {
            assert_eq!(register(&mut table, &[wish("y", 60), wish("x", 0)], seq, 2), Err(Overtaken));
            let nothing = asks(Asked::Nothing, "a", seq);
            assert_eq!(table.change("room", &nothing, &2, (NOW, 0)), Err(Overtaken));
        }
        assert_eq!(found(&table, NOW), [("x", 1)], "wholly or not at all");
        table.change("room", &asks(Asked::What, "a", 1), &9, (NOW, 0)).expect("a question has no order");
        let other = asks(Asked::Each(vec![wish("x", 60)]), "b", 1);
        table.change("room", &other, &3, (NOW, 0)).expect("of another Call-ID: after a restart");
        assert_eq!(found(&table, NOW), [("x", 3)]);
        table.change("room", &asks(Asked::Nothing, "b", 2), &3, (NOW, 0)).expect("the last");
        assert_eq!(table.devices(), 0);
    }

    #[test]
    fn an_instance_has_one_address_for_each_of_its_ways() {
        let mut table = Bindings::default();
        let of = |contact: &str, way| Wish {
            instance: Some(Instance { id: "<urn:uuid:0>".to_owned(), way }),
            ..wish(contact, 60)
        };
        register(&mut table, &[of("x:1", 1)], 1, 1).expect("new");
        register(&mut table, &[of("x:2", 1)], 2, 2).expect("from another port, after a restart");
        register(&mut table, &[of("x:3", 2)], 3, 3).expect("its second way");
        assert_eq!(found(&table, NOW), [("x:3", 3), ("x:2", 2)]);
        table.close(|way| *way == 3);
        assert_eq!(found(&table, NOW), [("x:2", 2)], "a way that closes takes its address with it");
    }

    #[test]
    fn tables_stay_within_their_bounds() {
        let mut table = Bindings::default();
        for seq in 1..100 {
            register(&mut table, &[wish(&format!("x:{seq}"), 60)], seq, seq).expect("later");
        }
        let newest: Vec<_> = found(&table, NOW).into_iter().map(|(_, way)| way).collect();
        assert_eq!(newest, [99, 98, 97, 96], "the oldest have gone");
        for number in 0..SIP_DEVICES_MAX {
            let asked = asks(Asked::Each(vec![wish("x", 60)]), "a", 1);
            table.change(&number.to_string(), &asked, &0, (NOW, 0)).expect("new");
        }
        assert_eq!(table.devices(), SIP_DEVICES_MAX + 1);
        table.sweep(NOW + Duration::from_secs(60));
        assert!(table.by_user.is_empty());
    }
}
