//! The rooms of a run: those that are there, and those made for it by the admin API and deleted after it.
//!
//! Flow: `Entrance`, schedule -> **here** -> `crew` takes each room's target. Bound: the scenario's rooms.

use super::RunError;
use super::entrance::Entrance;
use crate::bot::signal::{self, SignalError};
use crate::bot::target::Target;
use crate::scenario::schedule::Schedule;
use crate::scenario::{Place, Scenario};
use mcu_core::limits::PARTICIPANTS_MAX;
use serde::Deserialize;

/// Where each room of a schedule is.
#[derive(Debug)]
pub(super) struct Rooms {
    entrance: Entrance,
    /// By the schedule's index.
    targets: Vec<Target>,
    /// Aliases of those that were made.
    made: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Made {
    alias: String,
    guest_pin: String,
}

impl Rooms {
    /// Finds or makes every room. When one cannot be made, those made before are deleted again.
    pub(super) async fn open(
        entrance: &Entrance,
        scenario: &Scenario,
        schedule: &Schedule,
    ) -> Result<Self, RunError> {
        let mut rooms = Self { entrance: entrance.clone(), targets: Vec::new(), made: Vec::new() };
        for planned in &schedule.rooms {
            let there = entrance.target().clone();
            let target = match &scenario.rooms[planned.kind].place {
                Place::Target => there,
                Place::Alias(alias) => Target { alias: alias.clone(), ..there },
                Place::Made(_) => match rooms.make(scenario, planned.number).await {
                    Ok(made) => {
                        rooms.made.push(made.alias.clone());
                        Target { alias: made.alias, pin: made.guest_pin, ..there }
                    }
                    Err(error) => {
                        rooms.close().await;
                        return Err(error);
                    }
                },
            };
            rooms.targets.push(target);
        }
        Ok(rooms)
    }

    pub(super) fn target(&self, room: usize) -> &Target {
        &self.targets[room]
    }

    async fn make(&self, scenario: &Scenario, number: u32) -> Result<Made, RunError> {
        let token = self.entrance.admin_token().ok_or(RunError::NeedsToken)?;
        let target = self.entrance.target();
        let client = signal::client(target.ca_pem.as_deref()).map_err(RunError::Refused)?;
        let name = format!("{} {}", scenario.name, number + 1);
        let request = client.post(signal::endpoint(target, "api/v1/rooms")).bearer_auth(token);
        // As many as any room takes: what the node carries is asked, not what it is set to let in.
        let room = serde_json::json!({ "name": name, "participants_max": PARTICIPANTS_MAX });
        let response = signal::send("rooms", request.json(&room)).await;
        let body = signal::body("rooms", response.map_err(RunError::Refused)?).await;
        let parsed = serde_json::from_slice(&body.map_err(RunError::Refused)?);
        parsed.map_err(|error| {
            RunError::Refused(SignalError::Answer { step: "rooms", detail: error.to_string() })
        })
    }

    /// Deletes what was made. Best effort: a node that is gone has no rooms to delete.
    pub(super) async fn close(self) {
        let (Some(token), target) = (self.entrance.admin_token(), self.entrance.target()) else { return };
        let Ok(client) = signal::client(target.ca_pem.as_deref()) else { return };
        for alias in &self.made {
            let url = signal::endpoint(target, &format!("api/v1/rooms/{alias}"));
            let _ = signal::send("rooms", client.delete(url).bearer_auth(token)).await;
        }
    }
}
