//! Rooms: what is kept on disk, and which of them has a meeting running.

use crate::store::{Store, StoreError, StoredRoom};
use mcu_core::id::ConferenceId;
use signalling::room::Pin;
use std::collections::BTreeMap;

/// A room, and its meeting if one runs.
struct Room {
    stored: StoredRoom,
    meeting: Option<ConferenceId>,
}

/// Every room of the node, by alias. The store is the truth; this is its copy in memory.
pub struct Rooms {
    by_alias: BTreeMap<String, Room>,
}

/// Which of a room's two doors a PIN opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// The host's.
    Host,
    /// The guests'.
    Guest,
}

impl Rooms {
    /// Reads every room.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let rooms = store.rooms().await?;
        let by_alias =
            rooms.into_iter().map(|stored| (stored.alias.clone(), Room { stored, meeting: None })).collect();
        Ok(Self { by_alias })
    }

    /// The room with this alias.
    pub fn get(&self, alias: &str) -> Option<&StoredRoom> {
        self.by_alias.get(alias).map(|room| &room.stored)
    }

    /// Every room, in order of alias.
    pub fn iter(&self) -> impl Iterator<Item = &StoredRoom> {
        self.by_alias.values().map(|room| &room.stored)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_alias.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_alias.is_empty()
    }

    /// Adds or replaces a room.
    pub fn put(&mut self, stored: StoredRoom) {
        match self.by_alias.get_mut(&stored.alias) {
            Some(room) => room.stored = stored,
            None => {
                self.by_alias.insert(stored.alias.clone(), Room { stored, meeting: None });
            }
        }
    }

    /// Forgets a room; returns its meeting.
    pub fn remove(&mut self, alias: &str) -> Option<ConferenceId> {
        self.by_alias.remove(alias).and_then(|room| room.meeting)
    }

    /// The meeting that runs in a room.
    pub fn meeting(&self, alias: &str) -> Option<ConferenceId> {
        self.by_alias.get(alias).and_then(|room| room.meeting)
    }

    /// A meeting has begun in a room.
    pub fn meeting_begun(&mut self, alias: &str, conference: ConferenceId) {
        if let Some(room) = self.by_alias.get_mut(alias) {
            room.meeting = Some(conference);
        }
    }

    /// A meeting is over.
    pub fn meeting_over(&mut self, conference: ConferenceId) {
        for room in self.by_alias.values_mut() {
            if room.meeting == Some(conference) {
                room.meeting = None;
            }
        }
    }

    /// Which door `pin` opens. An unknown room takes the same two comparisons as a known one.
    pub fn opens(&self, alias: &str, pin: &str) -> Option<Opens> {
        // No PIN has this many digits, so nothing matches it.
        const NOBODYS: &str = "0000000000000000";
        let (host, guest) = self
            .get(alias)
            .map_or((NOBODYS, NOBODYS), |room| (room.host_pin.as_str(), room.guest_pin.as_str()));
        let same = |a: &str| signalling::secret::same(a.as_bytes(), pin.as_bytes());
        let (is_host, is_guest) = (same(host), same(guest));
        let known = self.by_alias.contains_key(alias);
        match (known, is_host, is_guest) {
            (true, true, _) => Some(Opens::Host),
            (true, false, true) => Some(Opens::Guest),
            _ => None,
        }
    }
}

/// A room with two random PINs of six digits that differ.
pub fn make_room(alias: &str, name: &str, participants_max: usize, created_at_s: u64) -> StoredRoom {
    let mut rng = rand::rng();
    let host = Pin::random(&mut rng);
    let guest = loop {
        let guest = Pin::random(&mut rng);
        if guest.secret().expose() != host.secret().expose() {
            break guest;
        }
    };
    StoredRoom {
        alias: alias.to_owned(),
        name: name.to_owned(),
        host_pin: host.secret().expose().clone(),
        guest_pin: guest.secret().expose().clone(),
        participants_max,
        created_at_s: created_at_s as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pin_opens_its_own_door_and_nothing_opens_an_unknown_room() {
        let mut rooms = Rooms { by_alias: BTreeMap::new() };
        let room = make_room("daily", "Daily", 10, 0);
        let (host, guest) = (room.host_pin.clone(), room.guest_pin.clone());
        assert_ne!(host, guest);
        rooms.put(room);
        assert_eq!(rooms.opens("daily", &host), Some(Opens::Host));
        assert_eq!(rooms.opens("daily", &guest), Some(Opens::Guest));
        assert_eq!(rooms.opens("daily", "wrong"), None);
        assert_eq!(rooms.opens("nightly", &host), None);
        assert_eq!(rooms.opens("nightly", "0000000000000000"), None);
    }
}
