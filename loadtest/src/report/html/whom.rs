//! Who sees and hears whom: for each small room a square of everybody who measures and everybody who sends.

use super::text::{NOT_MEASURED, name, stay};
use crate::media::barcode::SenderId;
use crate::report::{Measured, Participant, ParticipantKind, RunReport};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// People of a room that is shown whole.
const PEOPLE_MAX: usize = 25;
/// Stays of a room that are shown.
const ROWS_MAX: usize = 25;
/// Rooms that are shown: first those in which somebody is missed.
const ROOMS_MAX: usize = 8;

/// What is known of one looking at, or listening to, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Relation {
    expected: bool,
    there: bool,
}

impl Relation {
    const fn is_missed(self) -> bool {
        self.expected && !self.there
    }
}

/// A sense: what it is called, and whom somebody perceived by it.
struct Sense {
    title: &'static str,
    verb: &'static str,
    /// Whether somebody of this kind can tell.
    has: fn(ParticipantKind) -> bool,
    of: fn(&Measured) -> Vec<(SenderId, Relation)>,
}

const SENSES: [Sense; 2] = [
    Sense {
        title: "Who sees whom",
        verb: "sees",
        // Without layouts nobody says where a bar code is to be looked for.
        has: |kind| kind == ParticipantKind::Webrtc,
        of: |measured| {
            let relation = |expected, there| Relation { expected, there };
            measured.sees.iter().map(|seen| (seen.sender, relation(seen.expected, seen.seen))).collect()
        },
    },
    Sense {
        title: "Who hears whom",
        verb: "hears",
        has: |_| true,
        of: |measured| {
            let relation = |expected, there| Relation { expected, there };
            measured.hears.iter().map(|heard| (heard.sender, relation(heard.expected, heard.heard))).collect()
        },
    },
];

/// One room: everybody in it, by bar code, and every stay that measured.
#[derive(Default)]
struct Room<'a> {
    people: BTreeMap<SenderId, &'a str>,
    stays: Vec<(&'a Participant, &'a Measured)>,
}

impl Room<'_> {
    /// How often somebody is missed.
    fn missed(&self) -> usize {
        let of = |measured| SENSES.iter().flat_map(move |sense| (sense.of)(measured));
        self.stays.iter().flat_map(|(_, measured)| of(measured)).filter(|(_, it)| it.is_missed()).count()
    }
}

/// The squares of all rooms that are small enough.
pub(super) fn whom(report: &RunReport) -> Markup {
    let mut rooms: BTreeMap<&str, Room<'_>> = BTreeMap::new();
    for participant in &report.participants {
        let room = rooms.entry(&participant.who.room).or_default();
        room.people.insert(participant.who.sender, &participant.who.name);
        room.stays.extend(participant.measured.as_ref().map(|measured| (participant, measured)));
    }
    let all = rooms.len();
    let mut shown: Vec<(&str, Room<'_>)> = rooms
        .into_iter()
        .filter(|(_, room)| room.people.len() <= PEOPLE_MAX && !room.stays.is_empty())
        .collect();
    let fitting = shown.len();
    shown.sort_by_key(|(_, room)| std::cmp::Reverse(room.missed()));
    shown.truncate(ROOMS_MAX);
    html! {
        p {
            "Rows look and listen, columns are looked at and listened to. ✓ is there; ✗ had to be there and was not; + is there "
            "and need not be; – need not be there and is not; · is oneself."
        }
        @if fitting < all {
            p.soft {
                (all - fitting) " of " (all) " rooms are left out: nobody in them measured, or more than " (PEOPLE_MAX)
                " people were in."
            }
        }
        @if shown.len() < fitting {
            p.soft {
                "The first " (shown.len()) " of " (fitting) " rooms are shown, those first in which somebody is missed."
            }
        }
        @for (alias, room) in &shown {
            h3 { "Room " (name(alias)) }
            @for sense in &SENSES { (square(sense, room)) }
            (unlisted(room))
        }
    }
}

fn square(sense: &Sense, room: &Room<'_>) -> Markup {
    let rows: Vec<_> = room.stays.iter().map(|(who, measured)| (*who, (sense.of)(measured))).collect();
    if rows.iter().all(|(_, relations)| relations.is_empty()) {
        return html! { p { (sense.title) ": " span.none { (NOT_MEASURED) } "." } };
    }
    let missed = rows.iter().flat_map(|(_, relations)| relations).filter(|(_, it)| it.is_missed()).count();
    html! {
        div.wide tabindex="0" role="group" aria-label=(sense.title) {
            table.whom {
                caption {
                    (sense.title) ": "
                    @if missed == 0 { "nobody is missed" } @else { (missed) " missed" }
                    @if rows.len() > ROWS_MAX { "; the first " (ROWS_MAX) " of " (rows.len()) " stays" }
                }
                thead {
                    tr {
                        th scope="col" { "Who " (sense.verb) }
                        @for nth in 1..=room.people.len() { th scope="col" { (nth) } }
                    }
                }
                tbody {
                    @for (participant, relations) in rows.iter().take(ROWS_MAX) {
                        tr {
                            th scope="row" {
                                (number_of(room, participant.who.sender)) " "
                                (stay(&participant.who.name, participant.who.visit))
                            }
                            @if (sense.has)(participant.who.kind) {
                                @for sender in room.people.keys() {
                                    @let of = relations.iter().find(|(of, _)| of == sender);
                                    (cell(*sender == participant.who.sender, of.map(|(_, relation)| *relation)))
                                }
                            } @else {
                                td.none colspan=(room.people.len()) { (NOT_MEASURED) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Which column somebody is.
fn number_of(room: &Room<'_>, sender: SenderId) -> usize {
    room.people.keys().take_while(|other| **other <= sender).count()
}

/// Columns that no row names.
fn unlisted(room: &Room<'_>) -> Markup {
    let has_row =
        |sender: SenderId| room.stays.iter().take(ROWS_MAX).any(|(who, _)| who.who.sender == sender);
    let others: Vec<_> = room.people.iter().filter(|(sender, _)| !has_row(**sender)).collect();
    html! {
        @if !others.is_empty() {
            p.soft {
                "Without a row: "
                @for (index, (sender, alias)) in others.iter().enumerate() {
                    @if index > 0 { ", " } (number_of(room, **sender)) " " (name(alias))
                }
                "."
            }
        }
    }
}

fn cell(is_self: bool, relation: Option<Relation>) -> Markup {
    match relation {
        _ if is_self => html! { td.own { "·" } },
        Some(Relation { there: true, expected: true }) => html! { td.good { "✓" } },
        Some(Relation { there: true, expected: false }) => html! { td { "+" } },
        Some(Relation { there: false, expected: true }) => html! { td.bad { "✗" } },
        Some(Relation { there: false, expected: false }) | None => html! { td { "–" } },
    }
}
