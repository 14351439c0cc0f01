//! Scenarios that come with the program, as TOML in the binary.

/// A preset's name and text.
pub type Preset = (&'static str, &'static str);

/// All presets, the first to try first.
pub const PRESETS: [Preset; 10] = [
    ("smoke", include_str!("presets/smoke.toml")),
    ("one-room", include_str!("presets/one-room.toml")),
    ("many-rooms", include_str!("presets/many-rooms.toml")),
    ("churn", include_str!("presets/churn.toml")),
    ("join-storm", include_str!("presets/join-storm.toml")),
    ("phones", include_str!("presets/phones.toml")),
    ("soak", include_str!("presets/soak.toml")),
    ("find-capacity", include_str!("presets/find-capacity.toml")),
    ("find-capacity-speaker", include_str!("presets/find-capacity-speaker.toml")),
    ("find-capacity-rooms", include_str!("presets/find-capacity-rooms.toml")),
];

/// The text of the preset of this name.
pub fn find(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(preset, _)| *preset == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn every_preset_is_a_scenario_of_its_name_and_says_what_it_is_for() {
        for (name, text) in PRESETS {
            let scenario = Scenario::parse(text, name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((&*scenario.name, find(name)), (name, Some(text)));
            assert!(!scenario.about.is_empty(), "{name}");
            let measures =
                scenario.rooms.iter().flat_map(|room| &room.groups).any(|group| group.measuring() > 0);
            assert!(measures, "{name}: nobody would measure what its thresholds judge");
        }
        assert_eq!(find("smokes"), None);
    }
}
