//! `mcu-load scenarios`: lists the presets, or prints one as the TOML to begin one's own with.

use clap::Args;
use loadtest::scenario::{Scenario, presets};

#[derive(Debug, Args)]
pub(crate) struct ScenariosArguments {
    /// Print this one's TOML
    name: Option<String>,
}

/// What is to be printed; `Err` with what there is, where there is no such preset.
pub(crate) fn text(arguments: &ScenariosArguments) -> Result<String, String> {
    let names: Vec<&str> = presets::PRESETS.iter().map(|(name, _)| *name).collect();
    match &arguments.name {
        Some(name) => presets::find(name)
            .map(str::to_owned)
            .ok_or_else(|| format!("no preset is called {name}; there are {}", names.join(", "))),
        None => {
            let line = |(name, text): &presets::Preset| {
                let about = Scenario::parse(text, name).map(|scenario| scenario.about);
                format!("{name:<21} {}\n", about.expect("a test parses every preset"))
            };
            Ok(presets::PRESETS.iter().map(line).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_listed_and_printed_and_others_are_refused() {
        let of = |name: Option<&str>| text(&ScenariosArguments { name: name.map(str::to_owned) });
        let list = of(None).expect("lists");
        assert_eq!(list.lines().count(), presets::PRESETS.len());
        assert_eq!(of(Some("smoke")).as_deref().ok(), presets::find("smoke"));
        assert!(of(Some("smkoe")).expect_err("no such preset").contains("many-rooms"));
    }
}
