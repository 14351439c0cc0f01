//! Tidy: what can rot without the compiler noticing: layers, names, sizes, clocks, `unsafe`, limits, and documents.
//!
//! Each check is a function from text to what is wrong with it, one line for each fault. Beside the test that runs it
//! over this repository stands a control: the same function finds a fault that was planted in a text. Reads the tree
//! and `cargo metadata --no-deps`; writes only to the target folder.

use mcu_core::hop::Hop;
use mcu_server::config::{Config, IceServer};
use mcu_server::metrics;
use mcu_server::threads::hop_times;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate may depend on. Layers: core, then four siblings that never see each other, then the node.
const LAYERS: [(&str, &[&str]); 6] = [
    ("mcu-core", &[]),
    ("codecs", &["mcu-core"]),
    ("mixer", &["mcu-core"]),
    ("transport", &["mcu-core"]),
    ("signalling", &["mcu-core"]),
    ("mcu-server", &["mcu-core", "codecs", "mixer", "transport", "signalling"]),
];
/// What stands above the node and may use all of it.
const ABOVE: [&str; 2] = ["benches", "loadtest"];

/// Names of drawers for leftovers.
const DRAWERS: [&str; 8] = ["common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"];

/// Lines of a file without its tests.
const LINES_MAX: usize = 500;

/// Where clocks may be read: by what waits, by what measures, and by the socket pump, whose clock is tokio's, which
/// its tests stop.
const CLOCKS: [&str; 4] = [
    "mcu-server/src/threads/",
    "mcu-server/src/doctor/",
    "loadtest/src/clock.rs",
    "signalling/src/ws/pump.rs",
];

/// Where `unsafe` may stand.
const UNSAFE: [&str; 5] = [
    "codecs/src/sys/",
    "mixer/src/sys/",
    "transport/src/io/",
    "mcu-server/src/threads/priority.rs",
    "benches/src/sys/",
];

/// Folders that hold nothing of ours.
const FOREIGN: [&str; 5] = ["data", "node_modules", "output", "target", "vendor"];

// Layers.

/// Dependencies between members, of any kind, that no layer allows; members of no layer.
fn broken_layers(metadata: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let packages = list(&metadata["packages"]);
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    let mut faults = Vec::new();
    for package in &packages {
        let member = name(package);
        if ABOVE.contains(&member.as_str()) {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == member) else {
            faults.push(format!("{member} belongs to no layer"));
            continue;
        };
        let used = list(&package["dependencies"]).iter().map(name).collect::<BTreeSet<_>>();
        let forbidden = used.intersection(&members).filter(|used| !allowed.contains(&used.as_str()));
        faults.extend(forbidden.map(|used| format!("{member} must not depend on {used}")));
    }
    faults
}

#[test]
fn every_crate_keeps_to_its_layer() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned());
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    assert_eq!(metadata["packages"].as_array().map(Vec::len), Some(LAYERS.len() + ABOVE.len()));
    none(broken_layers(&metadata));
}

#[test]
fn a_planted_breach_of_layers_is_found() {
    let planted = serde_json::json!({ "packages": [
        { "name": "mcu-core", "dependencies": [{ "name": "bytes" }] },
        { "name": "mixer", "dependencies": [{ "name": "mcu-core" }, { "name": "codecs", "kind": "dev" }] },
        { "name": "codecs", "dependencies": [{ "name": "mcu-core" }] },
        { "name": "loadtest", "dependencies": [{ "name": "codecs" }] },
        { "name": "extras", "dependencies": [] },
    ] });
    assert_eq!(broken_layers(&planted), ["mixer must not depend on codecs", "extras belongs to no layer"]);
}

// Tables of documents.

/// The rows below the Markdown table head that begins with `head`, as cells without back-ticks.
fn rows(markdown: &str, head: &str) -> Vec<Vec<String>> {
    let table = markdown.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let row =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    table.take_while(|line| line.starts_with('|')).map(row).collect()
}

/// Where `found` is not `expected`, entry by entry.
fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let at = |list: &[String], n: usize| list.get(n).map_or("nothing", String::as_str).to_owned();
    (0..expected.len().max(found.len()))
        .map(|n| (n, at(expected, n), at(found, n)))
        .filter(|(_, expected, found)| expected != found)
        .map(|(n, expected, found)| format!("row {}: `{found}` instead of `{expected}`", n + 1))
        .collect()
}

fn flow_faults(architecture: &str) -> Vec<String> {
    let hops = Hop::ALL.map(|hop| hop.name().to_owned());
    let written: Vec<String> =
        rows(architecture, "| # | hop |").iter().filter_map(|row| row.get(1).cloned()).collect();
    differences(&hops, &written)
}

fn metrics_faults(operations: &str) -> Vec<String> {
    let kind = |grows| if grows { "counter" } else { "gauge" };
    let plain = metrics::table()
        .map(|(name, grows, unit, help)| [name, kind(*grows), unit.as_str(), help].join(" | "));
    let timed = hop_times::TABLE.iter().map(|(name, help)| [name, "histogram", "seconds", help].join(" | "));
    let exported: Vec<String> = plain.chain(timed).collect();
    let written: Vec<String> =
        rows(operations, "| name | kind | unit | help |").iter().map(|row| row.join(" | ")).collect();
    differences(&exported, &written)
}

#[test]
fn the_flow_table_has_every_hop_in_order() {
    none(flow_faults(&read("ARCHITECTURE.md")));
}

#[test]
fn the_metrics_table_is_the_one_that_is_exported() {
    none(metrics_faults(&read("docs/OPERATIONS.md")));
}

#[test]
fn planted_differences_of_tables_are_found() {
    let architecture = read("ARCHITECTURE.md").replace("| `decode` |", "| `undecode` |");
    assert_eq!(flow_faults(&architecture), ["row 9: `undecode` instead of `decode`"]);
    assert_eq!(flow_faults("no table").len(), Hop::ALL.len());
    let operations = read("docs/OPERATIONS.md").replace("Rooms kept by this node", "Rooms");
    assert_eq!(metrics_faults(&operations).len(), 1);
    let shorter: String = read("docs/OPERATIONS.md")
        .lines()
        .filter(|line| !line.starts_with("| `mcu_peers`"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert!(!metrics_faults(&shorter).is_empty());
}

// The example configuration.

/// Every key there is, as `section.key`.
fn known_keys() -> BTreeSet<String> {
    let server =
        IceServer { urls: Vec::new(), username: None, credential: None, secret: None, credential_ttl_s: 0 };
    let mut sections = serde_json::to_value(Config::default()).expect("plain values serialise");
    sections["ice_servers"] = serde_json::to_value(server).expect("plain values serialise");
    let trunk = "[sip]\ntls_port = 1\ndangerous_unverified_peers = true\n[[sip.trunks]]\nname = \"a\"\nhost = \"b\"\ncaller_id = \"c\"\n";
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tidy-trunk.toml");
    std::fs::write(&path, trunk).expect("the target folder is writable");
    let trunk = Config::load(Some(&path)).expect("a whole trunk").sip.trunks.remove(0);
    sections["sip.trunks"] = serde_json::to_value(trunk).expect("plain values serialise");
    // A table within a section is a section.
    let sip = sections["sip"].as_object_mut().expect("a section has keys");
    let dial_out = sip.remove("dial_out").expect("it is there");
    sip.remove("trunks");
    sections["sip.dial_out"] = dial_out;
    let sections = sections.as_object().expect("the configuration has sections").iter();
    let keys = |(section, keys): (&String, &Value)| -> Vec<String> {
        let keys = keys.as_object().expect("a section has keys");
        keys.keys().map(|key| format!("{section}.{key}")).collect()
    };
    sections.flat_map(keys).collect()
}

/// A line that is commented out (`#key = …`), as opposed to a comment (`# …`), without its sign.
fn uncommented(line: &str) -> &str {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c != ' ' && c != '#')).unwrap_or(line)
}

/// Keys that are missing, that do not exist, or that no comment above explains.
fn example_faults(toml: &str, known: &BTreeSet<String>) -> Vec<String> {
    let (mut faults, mut written, mut section, mut above) = (Vec::new(), BTreeSet::new(), "", "");
    for line in toml.lines() {
        let bare = uncommented(line);
        if bare.starts_with('[') {
            section = bare.trim_matches(['[', ']']);
        } else if let Some((key, _)) = bare.split_once('=').filter(|_| !bare.starts_with('#')) {
            let key = format!("{section}.{}", key.trim());
            if !known.contains(&key) {
                faults.push(format!("{key} does not exist"));
            }
            if !above.starts_with("# ") {
                faults.push(format!("{key} has no comment above it"));
            }
            written.insert(key);
        }
        above = line;
    }
    faults.extend(known.difference(&written).map(|key| format!("{key} is missing")));
    faults
}

#[test]
fn the_example_configuration_is_whole_and_says_the_defaults() {
    let path = root().join("config/mcu.example.toml");
    assert_eq!(Config::load(Some(&path)).expect("the example is valid"), Config::default());
    none(example_faults(&read("config/mcu.example.toml"), &known_keys()));
}

#[test]
fn what_the_example_configuration_comments_out_is_valid_too() {
    let all: String =
        read("config/mcu.example.toml").lines().map(|line| uncommented(line).to_owned() + "\n").collect();
    // A trunk needs a port of the node's own.
    let all = all.replace("tls_port = 0", "tls_port = 5061");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tidy-uncommented.toml");
    std::fs::write(&path, all).expect("the target folder is writable");
    let config = Config::load(Some(&path)).expect("valid without its comment signs");
    assert!(config.tls.cert.is_some() && config.media.bind.is_some() && !config.ice_servers.is_empty());
}

#[test]
fn planted_faults_of_the_example_configuration_are_found() {
    let known: BTreeSet<String> = ["log.format", "log.level", "tls.key"].map(str::to_owned).into();
    let planted =
        "[log]\n# How much.\nlevel = \"info\"\n#[tls]\n#key = \"key.pem\"\n# Both.\n#cert = \"a.pem\"\n";
    let expected = ["tls.key has no comment above it", "tls.cert does not exist", "log.format is missing"];
    assert_eq!(example_faults(planted, &known), expected);
}

// Source text.

/// Whether a file holds nothing but tests, benches or what a fuzzer feeds.
fn is_test(path: &str) -> bool {
    let fuzzing = path.contains("/fuzzing/") || path.ends_with("/fuzzing.rs");
    path.starts_with("benches/") || path.contains("/tests/") || path.ends_with("/tests.rs") || fuzzing
}

/// A file without the module of tests at its end.
fn without_tests(text: &str) -> &str {
    const HEAD: &str = "#[cfg(test)]\nmod ";
    let is_inline =
        |at: usize| text[at + HEAD.len()..].lines().next().is_some_and(|line| line.ends_with('{'));
    let inline = text.match_indices(HEAD).map(|(at, _)| at).find(|at| is_inline(*at));
    inline.map_or(text, |at| &text[..at])
}

/// Rust without its comments, strings and characters: what is left are words of the program.
fn code_only(text: &str) -> String {
    let (mut code, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(next) = rest.chars().next() {
        let passive = comment(rest).or_else(|| string(rest)).or_else(|| character(rest));
        code.push(if passive.is_some() { ' ' } else { next });
        rest = &rest[passive.unwrap_or_else(|| next.len_utf8())..];
    }
    code
}

/// Bytes of the comment that `text` begins with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        Some(text.find('\n').unwrap_or(text.len()))
    } else if text.starts_with("/*") {
        Some(text.find("*/").map_or(text.len(), |end| end + 2))
    } else {
        None
    }
}

/// Bytes of the string literal, raw or not, that `text` begins with.
fn string(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let body = raw[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let before = text.len() - body.len();
        return Some(body.find(&end).map_or(text.len(), |at| before + at + end.len()));
    }
    let body = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = body.find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(text.len(), |at| at + 2))
}

/// Bytes of the character literal that `text` begins with; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let inner =
        if body.starts_with('\\') { 2 + body.get(2..)?.find('\'')? } else { body.chars().next()?.len_utf8() };
    body[inner..].starts_with('\'').then_some(inner + 2)
}

fn is_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// Whether a file reads a clock where none may be read.
fn reads_a_clock(path: &str, text: &str) -> bool {
    let code = code_only(without_tests(text));
    let reads = ["Instant::now", "SystemTime::now"].iter().any(|call| code.contains(call));
    reads && !is_in(path, &CLOCKS) && !is_test(path)
}

/// Whether a file has `unsafe` code where none may be.
fn is_unsafe(path: &str, text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let has = code_only(text).split(|c: char| !word(c)).any(|word| word == "unsafe");
    has && !is_in(path, &UNSAFE)
}

/// Whether a file is two things.
fn is_too_long(path: &str, text: &str) -> bool {
    !is_test(path) && without_tests(text).lines().count() > LINES_MAX
}

/// Whether a file or one of its folders is a drawer for leftovers.
fn is_a_drawer(path: &str) -> bool {
    path.split(['/', '.']).any(|part| DRAWERS.contains(&part))
}

/// Everything that is wrong with one file of source.
fn source_faults(path: &str, text: &str) -> Vec<String> {
    let rust = path.ends_with(".rs");
    let checks = [
        (is_a_drawer(path), "is named after nothing in particular"),
        (is_too_long(path, text), "has more than 500 lines without its tests"),
        (rust && reads_a_clock(path, text), "reads a clock: take `now` instead"),
        (rust && is_unsafe(path, text), "has unsafe code"),
    ];
    checks.iter().filter(|(wrong, _)| *wrong).map(|(_, what)| format!("{path} {what}")).collect()
}

#[test]
fn every_file_of_source_is_tidy() {
    let files = files(&["rs", "js", "mjs"]);
    assert!(files.len() > 200, "only {} files were looked at", files.len());
    none(files.iter().flat_map(|path| source_faults(path, &read(path))).collect());
}

#[test]
fn planted_faults_of_source_are_found() {
    let names = |path: &str, text: &str| source_faults(path, text).len();
    assert_eq!(names("mixer/src/utils/scale.rs", ""), 1);
    assert_eq!(names("web/app/helpers.js", ""), 1);
    assert_eq!(names("mixer/src/utilisation.rs", ""), 0);
    let long = "let x = 1;\n".repeat(LINES_MAX + 1);
    assert_eq!(names("web/app/long.js", &long), 1);
    assert_eq!(names("mixer/src/tests/long.rs", &long), 0);
    assert_eq!(names("mixer/src/long.rs", &format!("//! Short.\n\n#[cfg(test)]\nmod tests {{\n{long}")), 0);
    let clock = "fn f() { let now = std::time::Instant::now(); }";
    assert_eq!(names("mixer/src/clock.rs", clock), 1);
    assert_eq!(names("mcu-server/src/threads/io.rs", clock), 0);
    assert_eq!(names("mixer/src/clock.rs", "// Instant::now\nconst CALL: &str = \"Instant::now\";"), 0);
    let danger = "fn f() { unsafe { g() } }";
    assert_eq!(names("mixer/src/danger.rs", danger), 1);
    assert_eq!(names("mixer/src/sys/danger.rs", danger), 0);
    assert_eq!(names("mixer/src/danger.rs", "#![forbid(unsafe_code)]\n/* unsafe */ const U: char = 'u';"), 0);
}

#[test]
fn only_the_program_is_left_of_a_source_text() {
    let text = r###"a /* b */ "c \" d" e // f
'g' 'h: loop {} '\'' r#"i " j"# k"###;
    let words: Vec<String> = code_only(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["a", "e", "'h:", "loop", "{}", "k"]);
}

/// Constants without a doc comment, which must give unit and reason.
fn undocumented_constants(limits: &str) -> Vec<String> {
    let lines: Vec<&str> = limits.lines().collect();
    let pairs =
        lines.windows(2).filter(|pair| pair[1].starts_with("pub const") && !pair[0].starts_with("/// "));
    pairs.map(|pair| format!("no doc comment: {}", pair[1])).collect()
}

#[test]
fn every_limit_has_its_reason() {
    none(undocumented_constants(&read("mcu-core/src/limits.rs")));
}

#[test]
fn a_planted_limit_without_a_reason_is_found() {
    let planted = "/// Bytes: few.\npub const A_MAX: usize = 1;\n\npub const B_MAX: usize = 2;\n";
    assert_eq!(undocumented_constants(planted), ["no doc comment: pub const B_MAX: usize = 2;"]);
}

// Documents.

/// Paths of this repository that a document names between back-ticks (from the root) or links to (from `folder`).
fn named_paths(markdown: &str, folder: &Path) -> BTreeSet<PathBuf> {
    const TOPS: [&str; 13] = [
        "mcu-core/",
        "codecs/",
        "mixer/",
        "transport/",
        "signalling/",
        "mcu-server/",
        "loadtest/",
        "benches/",
        "web/",
        "docs/",
        "fuzz/",
        "scripts/",
        "config/",
    ];
    let quoted = markdown.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let quoted = quoted.filter(|text| is_in(text, &TOPS) && text.chars().all(plain)).map(PathBuf::from);
    let links = markdown.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let links = links.filter(|link| !link.is_empty() && !link.contains(':')).map(|link| folder.join(link));
    quoted.chain(links).collect()
}

#[test]
fn every_path_that_a_document_names_is_there() {
    let documents = files(&["md"]);
    let missing = documents.iter().flat_map(|document| {
        let folder = Path::new(document).parent().unwrap_or_else(|| Path::new("")).to_owned();
        let paths = named_paths(&read(document), &folder).into_iter();
        let gone = paths.filter(|path| !root().join(path).exists());
        gone.map(|path| format!("{document} names {}", path.display())).collect::<Vec<_>>()
    });
    none(missing.collect());
}

#[test]
fn the_paths_of_a_document_are_found() {
    let planted =
        "See `mixer/src/nowhere.rs`, [there](../x.md#part), `cargo`, <https://x.org> and [y](https://y.org).";
    let expected = ["docs/../x.md", "mixer/src/nowhere.rs"].map(PathBuf::from);
    assert_eq!(named_paths(planted, Path::new("docs")), BTreeSet::from(expected));
}

/// Queues that a source file makes and `threads`, the page about them, does not name.
fn unnamed_queues(text: &str, threads: &str) -> Vec<String> {
    let made = without_tests(text).split("Queue::new(").skip(1);
    let names = made.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    names.filter(|name| !threads.contains(&format!("`{name}`"))).map(str::to_owned).collect()
}

#[test]
fn every_queue_has_its_row() {
    let threads = read("docs/THREADS.md");
    let sources = files(&["rs"]).into_iter().filter(|path| !is_test(path) && !path.starts_with("loadtest/"));
    none(sources.flat_map(|path| unnamed_queues(&read(&path), &threads)).collect());
}

#[test]
fn a_planted_queue_is_found() {
    let made = "let a = Queue::new(\"lane\", 1);\nlet b = Queue::new(\n    \"drain\", 2);\n";
    assert_eq!(unnamed_queues(made, "| `lane` | io |"), ["drain"]);
    assert_eq!(unnamed_queues(made, "").len(), 2);
}

// Fuzzing.

/// What is wrong with the fuzz targets: each has its entry in `manifest`, a corpus, and a test in `sources` that replays it;
/// and there is no corpus of none.
fn fuzz_faults(
    targets: &BTreeSet<String>,
    corpora: &BTreeSet<String>,
    manifest: &str,
    sources: &str,
) -> Vec<String> {
    let dense: String = sources.split_whitespace().collect();
    let mut faults: Vec<String> =
        corpora.difference(targets).map(|name| format!("corpus {name} has no target")).collect();
    for name in targets {
        let checks = [
            (manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")), "is not in the manifest"),
            (corpora.contains(name), "has no corpus"),
            (dense.contains(&format!("replay(\"{name}\",{name},")), "is replayed by no test"),
        ];
        faults.extend(checks.iter().filter(|(fine, _)| !fine).map(|(_, what)| format!("{name} {what}")));
    }
    faults
}

#[test]
fn every_fuzz_target_is_built_and_replayed() {
    let entries = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(root().join(folder)).expect("the folder is readable");
        let name = |path: PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        entries.map(|entry| name(entry.expect("the folder is readable").path())).collect()
    };
    let (targets, corpora) = (entries("fuzz/fuzz_targets"), entries("fuzz/corpus"));
    assert!(targets.len() > 20, "only {} targets", targets.len());
    let fuzzing = files(&["rs"]).into_iter().filter(|path| path.contains("fuzzing"));
    let sources: String = fuzzing.map(|path| read(&path)).collect();
    none(fuzz_faults(&targets, &corpora, &read("fuzz/Cargo.toml"), &sources));
}

#[test]
fn planted_faults_of_fuzz_targets_are_found() {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let manifest = "[[bin]]\nname = \"one\"\n";
    let sources = "replay(\n    \"one\", one, &[]);";
    assert!(fuzz_faults(&names(&["one"]), &names(&["one"]), manifest, sources).is_empty());
    let expected = [
        "corpus three has no target",
        "two is not in the manifest",
        "two has no corpus",
        "two is replayed by no test",
    ];
    assert_eq!(fuzz_faults(&names(&["one", "two"]), &names(&["one", "three"]), manifest, sources), expected);
}

// The tree.

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of ours with one of these extensions, from the root, in order.
fn files(extensions: &[&str]) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is readable") {
            let path = entry.expect("the folder is readable").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !FOREIGN.contains(&name.as_str()) && !name.starts_with('.') {
                folders.push(path);
            } else if path.is_file() && extensions.iter().any(|end| name.ends_with(&format!(".{end}"))) {
                let path = path.strip_prefix(root()).expect("below the root");
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort_unstable();
    found
}

#[track_caller]
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} untidy:\n{}", faults.len(), faults.join("\n"));
}
