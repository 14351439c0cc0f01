use super::text::NOT_MEASURED;
use super::*;
use crate::report::{Moment, Participant};
use roxmltree::{Document, Node};
use std::collections::BTreeSet;

fn example() -> RunReport {
    serde_json::from_str(include_str!("../../../tests/fixtures/report.json")).expect("the example parses")
}

fn environment() -> Environment {
    Environment { load_average: None, ..Environment::read() }
}

/// The page as XML: it is written so that only its empty elements, all in the head, are not XML.
fn xml(page: &str) -> String {
    let page = page.strip_prefix("<!DOCTYPE html>").expect("begins as HTML does");
    let mut xml = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once("<meta") {
        xml += before;
        rest = tag.split_once('>').expect("the element ends").1;
    }
    xml + rest
}

fn parsed(xml: &str) -> Document<'_> {
    Document::parse(xml).unwrap_or_else(|error| panic!("{error}:\n{xml}"))
}

/// All text of some elements, spaces as one; what stands in a cell or line of its own is apart from the one before.
fn text_of(node: Node<'_, '_>) -> String {
    let mut text = String::new();
    for node in node.descendants() {
        match node.tag_name().name() {
            "td" | "th" | "li" | "p" | "text" | "figcaption" | "caption" => text.push(' '),
            _ => text += node.text().filter(|_| node.is_text()).unwrap_or_default(),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The row of a table that begins with `head`.
fn row(document: &Document<'_>, head: &str) -> String {
    let rows = document.descendants().filter(|node| node.has_tag_name("tr"));
    let mut found = rows.map(text_of).filter(|row| row.starts_with(head));
    found.next().unwrap_or_else(|| panic!("there is no row {head:?}"))
}

#[test]
fn the_example_is_a_whole_page_in_order() {
    let page = html(&example(), Some(&environment()));
    let xml = xml(&page);
    let document = parsed(&xml);
    let elements = |name: &'static str| document.descendants().filter(move |node| node.has_tag_name(name));
    assert_eq!(elements("h1").map(text_of).collect::<Vec<_>>(), ["example: FAIL"]);
    let titles: Vec<String> = elements("h2").map(text_of).collect();
    assert_eq!(titles, SECTIONS.map(|(_, title)| title));
    // Headings never skip a level.
    let levels: Vec<u32> = document
        .descendants()
        .filter_map(|node| node.tag_name().name().strip_prefix('h')?.parse().ok())
        .collect();
    assert!(levels[0] == 1 && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    for link in elements("a") {
        let anchor =
            link.attribute("href").and_then(|href| href.strip_prefix('#')).expect("stays on the page");
        assert!(document.descendants().any(|node| node.attribute("id") == Some(anchor)), "{anchor}");
    }
    let tables: Vec<Node<'_, '_>> = elements("table").collect();
    assert!(tables.len() >= 8);
    for table in tables {
        assert!(
            table.children().next().is_some_and(|first| first.has_tag_name("caption")),
            "{}",
            text_of(table)
        );
        assert!(
            table.descendants().filter(|node| node.has_tag_name("th")).all(|th| th.has_attribute("scope"))
        );
    }
    // Six plots over time, latency, the way in; each with a title and a caption.
    let pictures: Vec<Node<'_, '_>> = elements("svg").collect();
    assert_eq!(pictures.len(), 8);
    for picture in pictures {
        assert_eq!(picture.attribute("role"), Some("img"));
        let title = picture.children().find(|node| node.is_element()).expect("is not empty");
        assert!(title.has_tag_name("title") && !text_of(title).is_empty());
        assert!(!picture.descendants().any(|node| {
            node.attributes()
                .any(|attribute| attribute.value().contains("NaN") || attribute.value().contains("inf"))
        }));
    }
    assert_eq!(elements("figure").filter(|figure| !has(*figure, "figcaption")).count(), 0);
}

fn has(node: Node<'_, '_>, name: &str) -> bool {
    node.descendants().any(|node| node.has_tag_name(name))
}

#[test]
fn the_page_says_what_the_report_says() {
    let report = example();
    let page = html(&report, Some(&environment()));
    let xml = xml(&page);
    let document = parsed(&xml);
    let all = text_of(document.root_element());
    assert!(report.because.iter().all(|because| all.contains(because)), "{all}");
    assert!(
        row(&document, "freezes_max").contains("✗ broken 4 freezes at most 3 freezes traveller 1: 4 freezes")
    );
    assert!(row(&document, "fps_min").contains("✓ kept 26 fps at least 24 fps traveller 1"));
    assert!(row(&document, "Glass to glass, p95").ends_with("p95 244 ms 245 ms 245 ms guest 1 3 of 5"));
    assert!(row(&document, "Node: CPU-seconds per participant-second").ends_with("0.1844"));
    assert!(row(&document, "Node: late ticks").ends_with("1 of 453"));
    assert!(row(&document, "traveller 1 demo WebRTC n5").contains("26.0 4 12.0 not measured 2.4"));
    assert!(row(&document, "studio 1 demo WHIP direct").contains("not measured: counts packets only"));
    assert!(all.contains("Figures count from 6.8 s on") && all.contains("name = \"example\""));
    assert!(all.contains("Who sees whom: nobody is missed") && all.contains("limit of p95"));
}

#[test]
fn a_missed_one_is_shown_and_counted() {
    let mut report = example();
    let measured = report.participants[0].measured.as_mut().expect("guest 1 measures");
    measured.sees[1].seen = false;
    measured.hears[0].expected = false;
    let page = html(&report, None);
    let xml = xml(&page);
    let document = parsed(&xml);
    assert_eq!(row(&document, "1 guest 1"), "1 guest 1 · ✓ ✗ ✓ –", "does not see the third");
    let heard = document.descendants().filter(|node| node.has_tag_name("tr")).map(text_of);
    let heard: Vec<String> = heard.filter(|row| row.starts_with("1 guest 1")).collect();
    assert_eq!(heard[1], "1 guest 1 · ✓ ✓ + –", "hears the fourth, who need not be heard");
    let all = text_of(document.root_element());
    assert!(
        all.contains("Who sees whom: 1 missed") && all.contains("Who hears whom: nobody is missed"),
        "{all}"
    );
    assert!(all.contains("Without a row: 4 studio 1"), "{all}");
    // A player is told of no layouts: that it saw nobody would be said of somebody who could have.
    assert_eq!(row(&document, "5 player 1"), "5 player 1 not measured");
}

#[test]
fn hostile_names_and_texts_stay_text_and_nothing_is_loaded() {
    const HOSTILE: &str = "</svg><script src=http://evil/>&\"'\u{1b}\u{0}";
    let mut report = example();
    let kinds = |document: &Document<'_>| -> BTreeSet<String> {
        document.descendants().map(|node| node.tag_name().name().to_owned()).collect()
    };
    let harmless = kinds(&parsed(&xml(&html(&report, Some(&environment())))));
    for participant in &mut report.participants {
        let named = |before: &str| format!("{HOSTILE}{before}");
        participant.who.name = named(&participant.who.name);
        participant.who.network = participant.who.network.as_ref().map(|network| named(network));
        participant.who.room = HOSTILE.into();
        for seen in participant.measured.iter_mut().flat_map(|measured| &mut measured.sees) {
            seen.name = named(&seen.name);
        }
    }
    for judgement in &mut report.thresholds {
        (judgement.threshold, judgement.unit) = (format!("{HOSTILE}{}", judgement.threshold), HOSTILE.into());
        for excess in judgement.failing.iter_mut().chain(&mut judgement.worst) {
            (excess.participant, excess.detail) = (HOSTILE.into(), Some(HOSTILE.into()));
        }
    }
    report.because = vec![HOSTILE.into()];
    (report.scenario.name, report.target.base) = (HOSTILE.into(), HOSTILE.into());
    report.scenario.toml = format!("about = \"{HOSTILE}\"\n{}", report.scenario.toml);
    (report.versions.harness, report.versions.node) = (HOSTILE.into(), Some(HOSTILE.into()));
    (report.node.cpus, report.harness.cpus) = (Some(HOSTILE.into()), Some(HOSTILE.into()));
    let mut environment = environment();
    (environment.cpu, environment.commit) = (Some(HOSTILE.into()), Some(HOSTILE.into()));
    let page = html(&report, Some(&environment));
    let xml = xml(&page);
    let document = parsed(&xml);
    let all = text_of(document.root_element());
    assert!(all.matches("</svg><script src=http://evil/>&\"'").count() > 40, "it is there, as text");
    assert!(!page.contains("<script") && !page.contains(['\u{1b}', '\u{0}']));
    assert!(kinds(&document).is_subset(&harmless), "{:?}", kinds(&document));
    for attribute in document.descendants().flat_map(|node| node.attributes()) {
        let (name, value) = (attribute.name(), attribute.value());
        assert!(!name.starts_with("on") && name != "src" && name != "style", "{name}");
        assert!(!value.contains("//") && (name != "href" || value.starts_with('#')), "{name}={value}");
    }
    assert!(
        page.contains(&format!("content=\"{POLICY}\""))
            && !STYLE.contains("url(")
            && !STYLE.contains("@import")
    );
}

/// A report of a run in which nobody measured anything and nobody could look at the node.
fn unmeasured() -> RunReport {
    let mut report = example();
    (report.node, report.harness) = Default::default();
    report.versions.node = None;
    report.thresholds.truncate(2);
    for judgement in &mut report.thresholds {
        judgement.ruling = crate::report::Ruling::Unmeasured;
        judgement.worst = None;
    }
    for participant in &mut report.participants {
        (participant.measured, participant.join_ms) = (None, None);
        participant.traffic = Default::default();
        participant.join = Default::default();
    }
    for moment in &mut report.timeline {
        *moment = Moment { at_ms: moment.at_ms, connected: moment.connected, ..Moment::default() };
    }
    report
}

#[test]
fn what_was_not_measured_is_said_and_is_never_zero() {
    let page = html(&unmeasured(), None);
    let xml = xml(&page);
    let document = parsed(&xml);
    for head in [
        "Join",
        "Glass to glass, p95",
        "Pictures per second",
        "Freezes",
        "Frozen",
        "Concealed sound",
        "Node: CPU-seconds per participant-second",
        "Node: memory at the most",
        "Node: late ticks",
        "Node: encoders at the most",
        "Harness: how late it sent, p99",
        "Harness: its cores busy, mean",
        "Version of the node",
        "join_ms_max ?",
    ] {
        assert!(row(&document, head).contains(NOT_MEASURED), "{}", row(&document, head));
    }
    let all = text_of(document.root_element());
    assert!(all.contains("Processor: not measured") && all.contains("nobody in them measured"), "{all}");
    assert!(all.contains("env.json, which tells the machine, was not beside the report"));
    // Only people and traffic were seen over time.
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("svg")).count(), 2);
}

#[test]
fn a_run_without_people_or_seconds_is_a_page_too() {
    let mut report = example();
    (report.participants, report.timeline, report.thresholds) = Default::default();
    report.scenario.toml = "not a scenario".into();
    let page = html(&report, None);
    let xml = xml(&page);
    let all = text_of(parsed(&xml).root_element());
    assert!(all.contains("The scenario sets none") && all.contains("Nobody got in"), "{all}");
    assert!(all.contains("ended before its first second"), "{all}");
}

/// `count` people, in rooms of `in_room`, all of whom see and hear everybody.
fn crowd(count: usize, in_room: usize) -> RunReport {
    let mut report = example();
    let model: Participant = report.participants.remove(0);
    let name = |nth: usize| format!("somebody with a long name {nth}");
    report.participants = (0..count)
        .map(|nth| {
            let mut participant = model.clone();
            let room = nth / in_room;
            participant.who.sender = crate::media::barcode::SenderId(nth as u16);
            (participant.who.name, participant.who.room) = (name(nth), format!("room {room}"));
            let measured = participant.measured.as_mut().expect("guest 1 measures");
            let (sees, hears) = (measured.sees[0].clone(), measured.hears[0].clone());
            let others = (room * in_room..(room + 1) * in_room).filter(|other| *other != nth);
            for other in others {
                let sender = crate::media::barcode::SenderId(other as u16);
                measured.sees.push(crate::report::Seen { name: name(other), sender, ..sees.clone() });
                measured.hears.push(crate::report::Heard { name: name(other), sender, ..hears.clone() });
            }
            participant
        })
        .collect();
    let moment = report.timeline[10].clone();
    report.timeline = (0..3_600).map(|second| Moment { at_ms: second * 1_000, ..moment.clone() }).collect();
    report
}

#[test]
fn the_largest_run_is_a_usable_file_that_says_what_it_leaves_out() {
    for in_room in [25, 30] {
        let page = html(&crowd(900, in_room), Some(&environment()));
        assert!(page.len() < 2_000_000, "{} bytes", page.len());
        let xml = xml(&page);
        let document = parsed(&xml);
        let all = text_of(document.root_element());
        assert!(all.contains("The worst 40 of 900 are shown"), "a picture has forty rows");
        let squares = all.matches("Who sees whom: nobody is missed").count();
        if in_room == 25 {
            assert!(all.contains("The first 8 of 36 rooms are shown") && squares == 8, "{squares}");
        } else {
            assert!(all.contains("30 of 30 rooms are left out") && squares == 0, "{squares}");
        }
        let rows = document.descendants().filter(|node| node.attribute("class") == Some("people"));
        assert_eq!(
            rows.flat_map(|table| table.descendants()).filter(|node| node.has_tag_name("tr")).count(),
            901
        );
    }
    let many = html(&crowd(2_000, 25), None);
    assert!(many.contains("1000 of 2000 are shown") && many.len() < 2_000_000, "{} bytes", many.len());
}
