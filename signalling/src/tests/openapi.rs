//! The OpenAPI document and the router agree, both ways; the mirrored schemas agree with the real words.

use super::*;
use crate::api;
use crate::schema;
use mcu_core::conference::input::StateChange;
use serde::Serialize;
use std::collections::BTreeSet;

async fn document() -> Value {
    House::new().call("GET", "/api/openapi.json", "", Value::Null).await.json()
}

#[tokio::test(start_paused = true)]
async fn every_route_is_documented_and_every_documented_route_is_there() {
    let document = document().await;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let paths = document["paths"].as_object().expect("paths");
    let documented: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    let lists = [api::routes(), api::streaming_routes(), api::health_routes()];
    let served: BTreeSet<&str> = lists.iter().flatten().map(|(path, _)| *path).collect();
    assert_eq!(documented, served);
    let house = House::new();
    for (path, operations) in paths {
        let uri = path.replace("{alias}", "daily").replace("{id}", "1").replace("{resource}", "x");
        let answer = house.call("PROPFIND", &uri, "", Value::Null).await;
        answer.is_problem(405, "method-not-allowed");
        let allow = answer.headers["allow"].to_str().expect("text").to_ascii_lowercase();
        let allowed: BTreeSet<&str> = allow.split(',').filter(|method| *method != "head").collect();
        let operations: BTreeSet<&str> =
            operations.as_object().expect("operations").keys().map(String::as_str).collect();
        assert_eq!(allowed, operations, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_reference_leads_somewhere() {
    let document = document().await;
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            into.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| collect(value, into));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        _ => (),
    }
}

#[tokio::test(start_paused = true)]
async fn mirrored_schemas_have_the_fields_of_the_real_words() {
    let document = document().await;
    let change = StateChange {
        muted: Some(true),
        camera: Some(true),
        sharing: Some(true),
        layout: Some(LayoutChoice::Grid),
        overlay: Some(true),
    };
    let label = RoomName { name: "Daily".into(), alias: "daily".into() };
    let real = [
        ("Participant", serde_json::to_value(entry(1))),
        ("StateChange", serde_json::to_value(change)),
        ("RoomLabel", serde_json::to_value(label)),
        ("Room", serde_json::to_value(room())),
    ];
    for (name, value) in real {
        let value = value.expect("plain data");
        let schema = &document["components"]["schemas"][name]["properties"];
        let keys =
            |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(schema), keys(&value), "{name}");
    }
}

#[test]
fn mirrored_enums_are_spelled_like_the_real_ones() {
    fn same(mirror: impl Serialize, real: impl Serialize) {
        let text = |value: serde_json::Result<String>| value.expect("plain data");
        assert_eq!(text(serde_json::to_string(&mirror)), text(serde_json::to_string(&real)));
    }
    use mcu_core::id::SourceKind;
    same([schema::Role::Host, schema::Role::Guest], [Role::Host, Role::Guest]);
    same([schema::Via::Browser, schema::Via::Whip, schema::Via::Whep], [Via::Browser, Via::Whip, Via::Whep]);
    same(
        [schema::LayoutChoice::Auto, schema::LayoutChoice::Grid, schema::LayoutChoice::Speaker],
        [LayoutChoice::Auto, LayoutChoice::Grid, LayoutChoice::Speaker],
    );
    same([schema::SourceKind::Main, schema::SourceKind::Content], [SourceKind::Main, SourceKind::Content]);
    same(
        [schema::Access::EndToEnd, schema::Access::NodeDecrypted, schema::Access::InTheClear],
        [ContentAccess::EndToEnd, ContentAccess::NodeDecrypted, ContentAccess::InTheClear],
    );
}
