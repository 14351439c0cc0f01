//! Rooms: made, listed, changed and deleted by the administrator.

use super::field;
use crate::auth::AdminAuth;
use crate::command::{Command, NewRoom, RoomPatch};
use crate::extract::{JsonBody, JsonLimit, RoomPath};
use crate::model::{Room, RoomChange, RoomCreation, Rooms};
use crate::problem::{ApiError, Problem};
use crate::room::{Alias, Pin, RoomTitle};
use crate::secret::Secret;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mcu_core::limits::PARTICIPANTS_MAX;

impl JsonLimit for RoomCreation {}
impl JsonLimit for RoomChange {}

/// Makes a room. Missing PINs and a missing alias are made at random.
#[utoipa::path(post, path = "/api/v1/rooms", tag = "rooms", security(("admin" = [])), request_body = RoomCreation, responses(
    (status = 201, body = Room),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn create(
    _: AdminAuth,
    State(state): State<ApiState>,
    JsonBody(body): JsonBody<RoomCreation>,
) -> Result<(StatusCode, Json<Room>), ApiError> {
    let room = new_room(&body, state.participants_max)?;
    let room = state.control.ask(|reply| Command::CreateRoom { room, reply }).await?;
    Ok((StatusCode::CREATED, Json(room)))
}

/// All rooms.
#[utoipa::path(get, path = "/api/v1/rooms", tag = "rooms", security(("admin" = [])), responses(
    (status = 200, body = Rooms),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(_: AdminAuth, State(state): State<ApiState>) -> Result<Json<Rooms>, ApiError> {
    let rooms = state.control.ask(|reply| Command::ListRooms { reply }).await?;
    Ok(Json(Rooms { rooms }))
}

/// One room.
#[utoipa::path(get, path = "/api/v1/rooms/{alias}", tag = "rooms", security(("admin" = [])), params(("alias" = String, Path)), responses(
    (status = 200, body = Room),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn get(
    _: AdminAuth,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
) -> Result<Json<Room>, ApiError> {
    state.control.ask(|reply| Command::GetRoom { alias, reply }).await.map(Json)
}

/// Changes a room; what is missing stays as it is.
#[utoipa::path(patch, path = "/api/v1/rooms/{alias}", tag = "rooms", security(("admin" = [])), params(("alias" = String, Path)), request_body = RoomChange, responses(
    (status = 200, body = Room),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn patch(
    _: AdminAuth,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
    JsonBody(body): JsonBody<RoomChange>,
) -> Result<Json<Room>, ApiError> {
    let patch = RoomPatch {
        name: body.name.as_deref().map(|name| field("name", RoomTitle::parse(name))).transpose()?,
        host_pin: pin("host_pin", body.host_pin.as_ref())?,
        guest_pin: pin("guest_pin", body.guest_pin.as_ref())?,
        participants_max: body.participants_max.map(participants_max).transpose()?,
    };
    if let (Some(host), Some(guest)) = (&patch.host_pin, &patch.guest_pin) {
        distinct(host, guest)?;
    }
    state.control.ask(|reply| Command::PatchRoom { alias, patch, reply }).await.map(Json)
}

/// Ends the meeting and forgets the room.
#[utoipa::path(delete, path = "/api/v1/rooms/{alias}", tag = "rooms", security(("admin" = [])), params(("alias" = String, Path)), responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn delete(
    _: AdminAuth,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
) -> Result<StatusCode, ApiError> {
    state.control.ask(|reply| Command::DeleteRoom { alias, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn new_room(body: &RoomCreation, participants_default: u32) -> Result<NewRoom, ApiError> {
    let mut rng = rand::rng();
    let alias = match &body.alias {
        Some(text) => field("alias", Alias::parse(text))?,
        None => Alias::random(&mut rng),
    };
    if alias.is_reserved() {
        return Err(ApiError::Conflict("the alias is taken".into()));
    }
    let given = [pin("host_pin", body.host_pin.as_ref())?, pin("guest_pin", body.guest_pin.as_ref())?];
    let (host_pin, guest_pin) = match given {
        [Some(host), Some(guest)] => {
            distinct(&host, &guest)?;
            (host, guest)
        }
        [Some(host), None] => {
            let guest = other_than(&host, &mut rng);
            (host, guest)
        }
        [None, guest] => {
            let guest = guest.unwrap_or_else(|| Pin::random(&mut rng));
            (other_than(&guest, &mut rng), guest)
        }
    };
    Ok(NewRoom {
        name: field("name", RoomTitle::parse(&body.name))?,
        alias,
        host_pin,
        guest_pin,
        participants_max: body.participants_max.map_or(Ok(participants_default), participants_max)?,
    })
}

fn pin(name: &str, text: Option<&Secret<String>>) -> Result<Option<Pin>, ApiError> {
    text.map(|text| field(name, Pin::parse(text.expose()))).transpose()
}

/// A random PIN that is not this one.
fn other_than(taken: &Pin, rng: &mut impl rand::Rng) -> Pin {
    loop {
        let pin = Pin::random(rng);
        if !pin.matches(taken.secret().expose()) {
            return pin;
        }
    }
}

/// One PIN for both roles would make every guest a host.
fn distinct(host: &Pin, guest: &Pin) -> Result<(), ApiError> {
    if host.matches(guest.secret().expose()) {
        return Err(ApiError::bad_request("guest_pin: must differ from host_pin"));
    }
    Ok(())
}

fn participants_max(count: u32) -> Result<u32, ApiError> {
    if (1..=PARTICIPANTS_MAX as u32).contains(&count) {
        Ok(count)
    } else {
        Err(ApiError::bad_request(format_args!("participants_max: must be 1 to {PARTICIPANTS_MAX}")))
    }
}
