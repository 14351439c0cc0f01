//! `mcu-load run` against a whole node, as processes: what is measured, what comes of it, and what is said when it cannot be.
//!
//! The node is this test's own program, started again (see [`be_node`]), so that it can be killed as a node can. The
//! tests take turns: each has the machine's cores to itself. What depends on how fast the machine is, is not asserted.

use loadtest::capacity::{CapacityReport, EdgeKind};
use loadtest::live::affinity::CpuList;
use loadtest::live::exit_code;
use loadtest::report::{
    EndedBy, Judgement, NodeSource, Participant, ParticipantKind, Ruling, RunReport, TargetKind, Verdict,
};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tells this program, started again, where to keep a node's files.
const NODE_FOLDER: &str = "MCU_LOAD_TEST_NODE";

static TURN: Mutex<()> = Mutex::new(());

/// A test's turn, and its folder, empty.
fn turn(name: &str) -> (MutexGuard<'static, ()>, PathBuf) {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("run-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    (turn, folder)
}

/// A port that was free a moment ago, for UDP and for TCP: below those that the kernel hands out by itself, so that no other
/// process gets it by chance, and another one each time.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| {
        UdpSocket::bind(("127.0.0.1", *port)).is_ok() && TcpListener::bind(("127.0.0.1", *port)).is_ok()
    };
    let port = || {
        (20_000 + (std::process::id() % 1_000 * 40 + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000) as u16
    };
    std::iter::repeat_with(port).take(12_000).find(is_free).expect("loopback has a free port")
}

/// Started again with a folder, this is the node of all tests; without one, the control of those that kill it.
#[test]
fn a_killed_node_is_gone() {
    if let Ok(folder) = std::env::var(NODE_FOLDER) {
        return be_node(Path::new(&folder));
    }
    let (_turn, folder) = turn("killed");
    let mut node = Node::start(&folder);
    assert!(TcpStream::connect(("127.0.0.1", node.http_port)).is_ok());
    node.kill();
    assert!(TcpStream::connect(("127.0.0.1", node.http_port)).is_err());
}

fn be_node(folder: &Path) {
    let ports = std::fs::read_to_string(folder.join("ports")).expect("written by the parent");
    let ports: Vec<u16> = ports.split(' ').map(|port| port.parse().expect("a number")).collect();
    let flags = mcu_server::cli::Serve {
        dev: true,
        bind: None,
        https_port: Some(ports[0]),
        http_port: Some(ports[1]),
        metrics_port: Some(ports[2]),
        media_port: Some(ports[3]),
        data: Some(folder.join("data")),
        config: Some(folder.join("config.toml")).filter(|path| path.exists()),
        announce: Some(folder.join("announce.json")),
    };
    let config = mcu_server::serve::configuration(&flags).expect("flags alone are a configuration");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    runtime.block_on(mcu_server::serve::serve(&flags, &config)).expect("serves until it is killed");
}

/// A running node; killed when dropped.
struct Node {
    process: Child,
    http_port: u16,
    announce: PathBuf,
}

impl Node {
    fn start(folder: &Path) -> Self {
        let ports: [u16; 4] = std::array::from_fn(|_| free_port());
        std::fs::write(folder.join("ports"), ports.map(|port| port.to_string()).join(" "))
            .expect("is writable");
        let mut process = Command::new(std::env::current_exe().expect("a test has a program"))
            .args(["--exact", "a_killed_node_is_gone", "--nocapture"])
            .env(NODE_FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts again");
        let mut lines = BufReader::new(process.stdout.take().expect("is piped")).lines();
        // Its last line: the ports are bound by then, and whoever connects waits until they are served.
        let is_up = |line: std::io::Result<String>| line.is_ok_and(|line| line.contains("This node decodes"));
        assert!(lines.any(is_up), "the node came up");
        // Whatever it prints later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let node = Self { process, http_port: ports[1], announce: folder.join("announce.json") };
        assert!(node.get("/livez", "").contains("\"ok\""));
        node
    }

    fn get(&self, path: &str, token: &str) -> String {
        self.ask("GET", path, token, "")
    }

    /// The answer, head and body, to a request with a JSON body.
    fn ask(&self, method: &str, path: &str, token: &str, json: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http_port)).expect("the node listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            self.http_port,
            json.len()
        );
        stream.write_all(request.as_bytes()).expect("is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("is text");
        answer
    }

    fn announced(&self, field: &str) -> String {
        let text = std::fs::read_to_string(&self.announce).expect("the node wrote it");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        json[field].as_str().expect("a string").to_owned()
    }

    fn kill(&mut self) {
        self.process.kill().expect("is ours");
        self.process.wait().expect("is ours");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `mcu-load`, started.
fn harness(arguments: &[&str]) -> Child {
    start(&mut Command::new(env!("CARGO_BIN_EXE_mcu-load")), arguments)
}

/// `mcu-load`, where no file can grow over 2 KiB (or 4, as shells count): writing more fails as it does on a full disk.
fn harness_without_room(arguments: &[&str]) -> Child {
    let shell = ["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_mcu-load")];
    start(Command::new("sh").args(shell), arguments)
}

fn start(program: &mut Command, arguments: &[&str]) -> Child {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("run-loops");
    program
        .arg("run")
        .args(arguments)
        .arg("--cache")
        .arg(cache)
        .env_remove("MCU_PIN")
        .env_remove("MCU_TOKEN")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built")
}

/// What `mcu-load` said, and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    error: String,
}

fn run(arguments: &[&str]) -> Said {
    said(harness(arguments))
}

fn said(child: Child) -> Said {
    let output = child.wait_with_output().expect("is ours");
    let text = |bytes| String::from_utf8(bytes).expect("says text");
    Said { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
}

/// Starts `mcu-load` and does `then` once its figures have counted for four seconds; how it ended.
fn run_until_it_counts(arguments: &[&str], then: impl FnOnce(&mut Child)) -> (ExitStatus, String) {
    let mut child = harness(arguments);
    let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    let (mut said, mut counted) = (String::new(), 0);
    for line in lines.by_ref() {
        let line = line.expect("is text");
        said += &line;
        said.push('\n');
        counted += u32::from(line.contains("counting") && line.contains("fps >="));
        if counted == 4 {
            break;
        }
    }
    assert_eq!(counted, 4, "{said}");
    then(&mut child);
    lines.for_each(|line| said += &(line.expect("is text") + "\n"));
    (child.wait().expect("is ours"), said)
}

fn report(folder: &Path) -> RunReport {
    let text = std::fs::read_to_string(folder.join("report.json")).expect("the report was written");
    serde_json::from_str(&text).expect("is a report")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the target folder has a plain name")
}

fn judgement<'a>(report: &'a RunReport, threshold: &str) -> &'a Judgement {
    report.thresholds.iter().find(|judgement| judgement.threshold == threshold).expect("is judged")
}

fn kept(report: &RunReport, thresholds: &[&str]) {
    for threshold in thresholds {
        let judgement = judgement(report, threshold);
        assert_eq!(judgement.ruling, Ruling::Kept, "{judgement:?}");
    }
}

fn by_name<'a>(report: &'a RunReport, name: &str) -> &'a Participant {
    report.participant(name, 1).unwrap_or_else(|| panic!("{name} is not in the report"))
}

#[test]
fn smoke_is_played_measured_and_reported() {
    let (_turn, folder) = turn("smoke");
    let node = Node::start(&folder);
    let files = folder.join("report");
    let said =
        run(&["smoke", "--announce", text(&node.announce), "--duration", "9", "--report-dir", text(&files)]);
    let report = report(&files);
    assert_eq!(said.code, Some(i32::from(exit_code(report.verdict))), "{}{}", said.out, said.error);
    assert!(said.out.contains("smoke: ") && said.out.contains("counting"), "{}", said.out);
    kept(&report, &["failures_max", "unseen_max", "unheard_max", "misplaced_max", "own_voice_leak_db_max"]);
    assert!(report.thresholds.iter().all(|judgement| judgement.ruling != Ruling::Unmeasured), "{report:?}");
    assert_eq!((report.ended_by, report.participants.len()), (EndedBy::Schedule, 3));
    for participant in &report.participants {
        let measured = participant.measured.as_ref().expect("all measure");
        let others = |expected: usize| [expected, expected];
        let expected = [
            measured.sees.iter().filter(|seen| seen.expected && seen.seen).count(),
            measured.hears.iter().filter(|heard| heard.expected && heard.heard).count(),
        ];
        assert_eq!(expected, others(2), "{}", participant.who.name);
        assert!(measured.glass_to_glass.is_some() && participant.traffic.received_kbps > Some(0.0));
        assert!(participant.join.first_picture_ms.is_some() && participant.traffic.jitter_ms.is_some());
        // Speech of others is heard by its beeps; sender reports say where it stands beside their pictures.
        assert!(measured.mouth_to_ear.is_some() && measured.av_offset_ms.is_some() && measured.mos.is_some());
    }
    // It was found by the port that it listens at, and is this test's child.
    assert_eq!((report.node.source, report.node.cpus.as_deref()), (Some(NodeSource::Proc), None));
    assert!(
        report.node.cpu_s > Some(0.0) && report.node.ticks > Some(0) && report.node.encoders_max > Some(0)
    );
    assert!(report.harness.sends > 0 && report.harness.cpu_s > Some(0.0));
    assert!(report.timeline.iter().any(|moment| moment.connected == 3 && moment.received_kbps > 0.0));
    for (file, holds) in [("env.json", "\"kernel\""), ("junit.xml", "name=\"unseen_max\"")] {
        let content = std::fs::read_to_string(files.join(file)).expect("was written");
        assert!(content.contains(holds), "{file}: {content}");
    }
    let secrets = ["guest_pin", "host_pin", "admin_token"].map(|field| node.announced(field));
    let written = std::fs::read_to_string(files.join("report.json")).expect("was written");
    assert!(secrets.iter().all(|secret| !written.contains(&format!("\"{secret}\""))), "secrets are nobody's");
}

#[test]
fn encoders_players_and_browsers_meet_in_a_room_made_for_them() {
    let (_turn, folder) = turn("kinds");
    let node = Node::start(&folder);
    let files = folder.join("report");
    let scenario = folder.join("kinds.toml");
    let toml = "name = \"kinds\"\nduration_s = 9\nsettle_s = 4\n[[rooms]]\nmade = true\n\
        [[rooms.groups]]\nname = \"studio\"\nkind = \"whip\"\ncount = 1\nsize = \"180p\"\ncodec = \"h264\"\n\
        [[rooms.groups]]\nname = \"player\"\nkind = \"whep\"\ncount = 1\nmeasure = \"all\"\n\
        [[rooms.groups]]\nname = \"guest\"\nkind = \"webrtc\"\ncount = 1\nsize = \"180p\"\nmeasure = 1\nnetwork = \"n0\"\n\
        [thresholds]\nunseen_max = 0\nunheard_max = 0\nmisplaced_max = 0\n";
    std::fs::write(&scenario, toml).expect("is writable");
    let announce = text(&node.announce).to_owned();
    let said = run(&[text(&scenario), "--announce", &announce, "--report-dir", text(&files)]);
    let report = report(&files);
    kept(&report, &["failures_max", "unseen_max", "unheard_max", "misplaced_max"]);
    let (studio, player, guest) =
        (by_name(&report, "studio 1"), by_name(&report, "player 1"), by_name(&report, "guest 1"));
    assert!(studio.traffic.sent_kbps > Some(0.0) && studio.measured.is_none(), "{}{}", said.out, said.error);
    let heard_by_player = &player.measured.as_ref().expect("measures").hears;
    let heard: Vec<_> =
        heard_by_player.iter().filter(|heard| heard.heard).map(|heard| &*heard.name).collect();
    assert_eq!(heard.len(), 2, "{heard_by_player:?}");
    assert!(player.measured.as_ref().is_some_and(|measured| measured.fps > Some(0.0)));
    let seen = &guest.measured.as_ref().expect("measures").sees;
    assert_eq!(
        seen.iter().map(|seen| (&*seen.name, seen.expected, seen.seen)).collect::<Vec<_>>(),
        [("studio 1", true, true)]
    );
    assert_eq!(guest.who.network.as_deref(), Some("n0"));
    assert_ne!(guest.who.room, "demo");
    // The room went with the run, and the ready meeting stayed.
    let rooms = node.get("/api/v1/rooms", &node.announced("admin_token"));
    assert!(rooms.contains("\"demo\"") && !rooms.contains(&guest.who.room), "{rooms}");
}

#[test]
fn any_server_is_played_by_its_endpoints_alone() {
    let (_turn, folder) = turn("endpoints");
    let node = Node::start(&folder);
    let scenario = folder.join("peer.toml");
    let toml = "name = \"peer\"\nduration_s = 6\nsettle_s = 2\n[[rooms]]\n[[rooms.groups]]\nname = \"studio\"\nkind = \"whip\"\n\
        count = 1\nsize = \"180p\"\ncodec = \"h264\"\n[[rooms.groups]]\nname = \"player\"\nkind = \"whep\"\ncount = 1\nmeasure = 1\n\
        [thresholds]\nunheard_max = 0\nfps_min = 1\n";
    std::fs::write(&scenario, toml).expect("is writable");
    let at = |what| format!("http://localhost:{}/{what}/demo", node.http_port);
    let (whip, whep, pin) = (at("whip"), at("whep"), node.announced("guest_pin"));
    let files = folder.join("report");
    let by_both = ["--whip", &*whip, "--whep", &*whep, "--pin", &*pin, "--report-dir", text(&files)];
    let said = run(&[&[text(&scenario)][..], &by_both].concat());
    let report = report(&files);
    kept(&report, &["failures_max", "unheard_max", "fps_min"]);
    assert_eq!(
        (said.code, report.target.kind),
        (Some(i32::from(exit_code(report.verdict))), TargetKind::Endpoints),
        "{}{}",
        said.out,
        said.error
    );
    let watched = by_name(&report, "player 1").measured.as_ref().expect("it measures");
    assert!(watched.hears.iter().any(|heard| heard.name == "studio 1" && heard.heard), "{watched:?}");

    let refused = |arguments: &[&str], why: &str| {
        let said = run(arguments);
        assert!(said.code == Some(2) && said.error.contains(why), "{:?}: {}", said.code, said.error);
    };
    refused(&["smoke", "--whip", &whip], "comes as a browser does, which takes a join link");
    refused(&[text(&scenario), "--whip", &whip], "watches by WHEP: pass --whep URL");
    refused(&[text(&scenario), "--whip", "rtmp://localhost/live"], "is not an address of WHIP or WHEP");
}

/// A node that takes calls by TLS, and by TCP in the clear, where it takes no media in the clear.
fn node_with_sip(folder: &Path) -> (Node, u16) {
    let [tls_port, tcp_port] = [free_port(), free_port()];
    let config = format!(
        "[sip]\ntls_port = {tls_port}\ndangerous_unverified_peers = true\ndangerous_tcp_port = {tcp_port}\n"
    );
    std::fs::write(folder.join("config.toml"), config).expect("is writable");
    (Node::start(folder), tcp_port)
}

#[test]
fn a_telephone_a_room_system_and_a_browser_hear_each_other() {
    let (_turn, folder) = turn("sip");
    let (node, _) = node_with_sip(&folder);
    let scenario = folder.join("sip.toml");
    let toml = "name = \"sip\"\nduration_s = 16\nsettle_s = 9\n[[rooms]]\n\
        [[rooms.groups]]\nkind = \"phone\"\ncount = 1\nmeasure = \"all\"\n\
        [[rooms.groups]]\nkind = \"sip\"\ncount = 1\ncodec = \"h264\"\nsize = \"180p\"\nnetwork = \"n0\"\nmeasure = \"all\"\n\
        [[rooms.groups]]\nname = \"guest\"\nkind = \"webrtc\"\ncount = 1\nsize = \"180p\"\nmeasure = \"all\"\n\
        [[rooms.groups]]\nname = \"quiet\"\nkind = \"phone\"\nsound = \"pcmu\"\ncount = 1\ntalk = \"never\"\n\
        [thresholds]\nunseen_max = 0\nunheard_max = 0\nown_voice_leak_db_max = -12\n";
    std::fs::write(&scenario, toml).expect("is writable");
    let files = folder.join("report");
    let said = run(&[text(&scenario), "--announce", text(&node.announce), "--report-dir", text(&files)]);
    let report = report(&files);
    assert_eq!(said.code, Some(i32::from(exit_code(report.verdict))), "{}{}", said.out, said.error);
    kept(&report, &["failures_max", "unseen_max", "unheard_max", "own_voice_leak_db_max"]);
    for name in ["phone 1", "sip 1", "guest 1"] {
        let measured = by_name(&report, name).measured.as_ref().expect("all measure");
        let heard: Vec<_> = measured.hears.iter().filter(|heard| heard.expected && heard.heard).collect();
        assert_eq!(heard.len(), 2, "{name}: {measured:?}");
        // The control: who sends silence alone is heard by nobody.
        assert!(measured.hears.iter().all(|heard| heard.name != "quiet 1"), "{name}: {measured:?}");
        assert!(measured.played_ms > 3_000 && measured.own_voice_leak_db.is_some(), "{name}: {measured:?}");
    }
    let (phone, room, guest) =
        (by_name(&report, "phone 1"), by_name(&report, "sip 1"), by_name(&report, "guest 1"));
    assert_eq!((phone.who.kind, room.who.kind), (ParticipantKind::Phone, ParticipantKind::Sip));
    assert_eq!(
        (phone.bot.received.picture_packets, phone.bot.sent.frames),
        (0, 0),
        "a telephone has no picture"
    );
    assert!(room.measured.as_ref().is_some_and(|measured| measured.fps > Some(0.0)), "{room:?}");
    let seen = &guest.measured.as_ref().expect("it measures").sees;
    assert!(seen.iter().any(|seen| seen.name == "sip 1" && seen.expected && seen.seen), "{seen:?}");
    // G.711 takes 64 kbit/s each way, whatever is said.
    assert!(phone.traffic.sent_kbps.is_some_and(|kbps| (60.0..68.0).contains(&kbps)), "{:?}", phone.traffic);
    assert!(phone.traffic.rtt_ms.is_some() && phone.traffic.jitter_ms.is_some(), "{:?}", phone.traffic);
    assert!(by_name(&report, "quiet 1").bot.sent.sound_packets > 300, "silence is sent");
    let calls = report.calls.as_ref().expect("three called");
    assert_eq!((calls.made, calls.answered, calls.refused.len()), (3, 3, 0));
    assert!(calls.set_up.is_some() && calls.first_sound.is_some(), "{calls:?}");
    assert!(said.out.contains("calls: 3 of 3 answered, INVITE to 200 p50"), "{}", said.out);
    let pin = node.announced("guest_pin");
    let written = std::fs::read_to_string(files.join("report.json")).expect("was written");
    assert!(!written.contains(&format!(".{pin}@")), "the address that was dialled is nobody's");
}

#[test]
fn a_refused_call_is_told_by_its_status_and_any_server_is_called_by_its_address() {
    let (_turn, folder) = turn("sip-refused");
    let (node, tcp_port) = node_with_sip(&folder);
    let scenario = folder.join("phone.toml");
    let toml = "name = \"phone\"\nduration_s = 3\nsettle_s = 1\n[[rooms]]\n[[rooms.groups]]\nkind = \"phone\"\n\
        sound = \"opus\"\ncount = 1\n";
    std::fs::write(&scenario, toml).expect("is writable");
    let (server, ca, pin) =
        (node.announced("sip_url"), node.announced("ca_file"), node.announced("guest_pin"));
    let wrong = if pin == "000000" { "111111" } else { "000000" };
    let dialled = |pin: &str| server.replacen("sip:", &format!("sip:demo.{pin}@"), 1);
    let call = |address: &str| {
        let files = folder.join("report");
        let said = run(&[text(&scenario), "--sip", address, "--sip-ca", &ca, "--report-dir", text(&files)]);
        (said, report(&files))
    };
    let (said, control) = call(&dialled(&pin));
    assert_eq!(
        control.calls.as_ref().map(|calls| (calls.made, calls.answered)),
        Some((1, 1)),
        "{}{}",
        said.out,
        said.error
    );
    assert_eq!((control.target.kind, &control.target.base), (TargetKind::Sip, &server));
    kept(&control, &["failures_max"]);

    let in_the_clear = format!("sip:demo.{pin}@127.0.0.1:{tcp_port};transport=tcp");
    for (address, status, told) in [
        (dialled(wrong), "403", "forbidden: no such room, or a wrong PIN"),
        (in_the_clear, "488", "without TLS, media in the clear"),
    ] {
        let (said, refused) = call(&address);
        assert_eq!(said.code, Some(1), "{}{}", said.out, said.error);
        let calls = refused.calls.as_ref().expect("it was tried");
        assert_eq!((calls.made, calls.answered, calls.refused.get(status)), (1, 0, Some(&1)), "{calls:?}");
        let failure = by_name(&refused, "phone 1").failure.as_ref().expect("it failed");
        assert_eq!((&*failure.stage, failure.code.as_deref()), ("invite", Some(&*format!("sip-{status}"))));
        assert!(failure.detail.contains(told), "{failure:?}");
    }
}

#[test]
fn what_cannot_be_run_is_said_in_one_line_with_its_exit_code() {
    let (_turn, folder) = turn("refusals");
    let node = Node::start(&folder);
    let announce = text(&node.announce).to_owned();
    let link = node.announced("join_url");
    let nowhere = format!("http://127.0.0.1:{}/m/demo", free_port());
    let file = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::write(&path, content).expect("is writable");
        text(&path).to_owned()
    };
    let group = "[[rooms]]\n[[rooms.groups]]\ncount = 1\n";
    let slip =
        file("slip.toml", &format!("name = \"slip\"\nduration_s = 9\nsed = 4\n{group}kind = \"webrtc\"\n"));
    let phone = file("phone.toml", &format!("name = \"phone\"\nduration_s = 9\n{group}kind = \"phone\"\n"));
    let nobody = format!("sip:a@127.0.0.1:{};transport=tcp", free_port());
    let plain = file("plain", "in the way of a folder");
    let wrong = if node.announced("guest_pin") == "0000" { "1111" } else { "0000" };
    for (arguments, code, holds) in [
        (vec!["smokes", "--announce", &announce], 2, "presets: smoke, one-room"),
        (vec![&slip, "--announce", &announce], 2, "line 3: unknown key `sed`; did you mean `seed`?"),
        (vec![&phone, "--announce", &announce], 2, "comes by SIP: pass --sip sip:"),
        (vec![&phone, "--sip", "sip:localhost"], 2, "--sip names nobody to call"),
        (vec![&phone, "--sip", "sip:a b@localhost"], 2, "not an address of SIP"),
        (vec![&phone, "--sip", "sip:a@localhost;transport=tls"], 2, "pass --sip-ca FILE"),
        (vec![&phone, "--sip", &nobody], 5, "cannot be reached"),
        (vec![&phone, "--sim"], 2, "comes by SIP, which virtual time does not have"),
        (vec!["smoke", "--sip", "sip:a@localhost"], 2, "does not come by SIP"),
        (
            vec!["smoke", "--announce", &announce, "--duration", "3"],
            2,
            "--duration 3 is not longer than the 4 s",
        ),
        (vec!["smoke", "--announce", &slip], 2, "is not an announce file"),
        (vec!["smoke", "--target", "http://localhost/"], 2, "is not a join URL"),
        (vec!["smoke", "--announce", &announce, "--node-pid", "4294967295"], 2, "no process 4294967295"),
        (
            vec!["smoke", "--target", "http://192.0.2.1/m/a", "--node-cpus", "0"],
            2,
            "--node-cpus needs the node",
        ),
        (vec!["smoke", "--announce", &announce, "--at", "3"], 2, "smoke searches for no capacity"),
        (vec!["smoke", "--announce", &announce, "--node-cores", "3"], 2, "smoke searches for no capacity"),
        (vec!["find-capacity", "--announce", &announce, "--at", "1"], 2, "--at 1 is not one of the 2 to 100"),
        // A node that shares its cores with the harness has a cost, and no capacity that could be told.
        (
            vec!["find-capacity", "--announce", &announce],
            2,
            "pass --node-cpus CORES and --self-cpus CORES without a core in both",
        ),
        (vec!["find-capacity", "--announce", &announce, "--node-cpus", "0"], 2, "pass --node-cpus CORES and"),
        (
            vec!["find-capacity", "--announce", &announce, "--node-cpus", "0-1", "--self-cpus", "0"],
            2,
            "without a core in both; core 0 is",
        ),
        (
            vec!["find-capacity", "--announce", &announce, "--node-cores", "2"],
            2,
            "--node-cores is for a node on",
        ),
        (
            vec!["find-capacity", "--target", &link, "--token", "t"],
            2,
            "pass --metrics URL or --announce FILE",
        ),
        (vec!["many-rooms", "--target", &link, "--pin", wrong], 2, "pass --announce FILE or --token TOKEN"),
        (
            vec!["smoke", "--target", &link],
            3,
            "this room needs a pin: pass --pin PIN, --announce FILE or MCU_PIN",
        ),
        (vec!["smoke", "--target", &nowhere], 5, "cannot be reached"),
        (vec!["smoke", "--target", &link, "--pin", wrong], 5, "join-refused"),
        (vec!["smoke", "--announce", &announce, "--report-dir", &plain], 5, "cannot write"),
        (vec!["smoke", "--announce", &announce, "--self-cpus", "1022"], 5, "kept to the cores 1022"),
    ] {
        let said = run(&arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.error);
        assert!(said.error.contains(holds), "{arguments:?}: {}", said.error);
        assert_eq!((said.error.trim_end().lines().count(), said.out.as_str()), (1, ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_costs_the_report_and_not_the_verdict() {
    let (_turn, folder) = turn("full-disk");
    let node = Node::start(&folder);
    let scenario = folder.join("alone.toml");
    let toml = "name = \"alone\"\nduration_s = 3\nsettle_s = 1\n[[rooms]]\n[[rooms.groups]]\nname = \"guest\"\n\
        kind = \"webrtc\"\ncount = 1\nsize = \"180p\"\n";
    std::fs::write(&scenario, toml).expect("is writable");
    let (whole, full) = (folder.join("whole"), folder.join("full"));
    let to = |report| [text(&scenario), "--announce", text(&node.announce), "--report-dir", text(report)];
    // The control, which also makes what is sent: there would be no room for that either.
    let control = run(&to(&whole));
    let verdict = report(&whole).verdict;
    assert_eq!(control.code, Some(i32::from(exit_code(verdict))), "{}", control.error);
    // A busy machine makes it INVALID, and nothing makes it FAIL.
    assert_ne!(verdict, Verdict::Fail, "{}", control.out);
    assert!(std::fs::metadata(whole.join("report.json")).expect("was written").len() > 4_096);

    let said = said(harness_without_room(&to(&full)));
    assert_eq!(said.code, Some(6), "{}{}", said.out, said.error);
    assert!(said.out.contains("alone: PASS") || said.out.contains("alone: INVALID"), "{}", said.out);
    assert!(
        said.error.contains("report.json") && said.error.contains("the run itself is over"),
        "{}",
        said.error
    );
    assert_eq!(said.error.trim().lines().count(), 1, "{}", said.error);
    let left: Vec<_> =
        std::fs::read_dir(&full).expect("is there").flatten().map(|file| file.file_name()).collect();
    assert!(left.iter().all(|name| name == "env.json" || name == "junit.xml"), "nothing half: {left:?}");
}

#[test]
fn a_node_that_dies_ends_the_run_and_what_was_measured_is_kept() {
    let (_turn, folder) = turn("death");
    let mut node = Node::start(&folder);
    let files = folder.join("report");
    let announce = text(&node.announce).to_owned();
    let arguments = ["smoke", "--announce", &announce, "--duration", "600", "--report-dir", text(&files)];
    let (status, said) = run_until_it_counts(&arguments, |_| node.kill());
    assert_eq!(status.code(), Some(1), "{said}");
    let report = report(&files);
    assert_eq!((report.ended_by, report.verdict), (EndedBy::Nobody, Verdict::Fail));
    assert_eq!(judgement(&report, "failures_max").failing.len(), 3, "{said}");
    for participant in &report.participants {
        assert!(participant.failure.is_some() && said.contains(&participant.who.name), "{said}");
        let measured = participant.measured.as_ref().expect("it had begun to count");
        assert!(measured.fps > Some(0.0) && measured.played_ms > 0);
    }
    // What the dead process had used by when it was last seen.
    assert!(report.node.cpu_s > Some(0.0));
}

#[test]
fn an_interrupted_run_still_writes_its_report_and_says_what_it_saw() {
    let (_turn, folder) = turn("interrupt");
    let node = Node::start(&folder);
    let files = folder.join("report");
    // In the way of one file: what can be written is, and the verdict is said all the same.
    std::fs::create_dir_all(files.join("junit.xml")).expect("is writable");
    let announce = text(&node.announce).to_owned();
    let arguments = ["smoke", "--announce", &announce, "--duration", "600", "--report-dir", text(&files)];
    let (status, said) = run_until_it_counts(&arguments, |child| {
        let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
        assert!(sent.expect("there is a shell").success());
    });
    assert_eq!(status.code(), Some(6), "{said}");
    assert!(said.contains("smoke: ") && said.contains("failures_max"), "{said}");
    let report = report(&files);
    assert_eq!((report.ended_by, report.participants.len()), (EndedBy::Interrupt, 3));
    assert!(report.participants.iter().all(|participant| participant.failure.is_none()));
    kept(&report, &["failures_max", "unseen_max", "unheard_max"]);
}

#[test]
fn the_same_scenario_is_played_in_virtual_time() {
    let (_turn, folder) = turn("virtual");
    let (files, log) = (folder.join("report"), folder.join("events.log"));
    let play = || {
        let said = run(&["smoke", "--sim", "--event-log", text(&log), "--report-dir", text(&files)]);
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.error);
        (std::fs::read(&log).expect("was written"), said.out)
    };
    let ((events, said), (again, said_again)) = (play(), play());
    assert!(events == again && events.len() > 10_000, "the same seed, byte for byte");
    let digest =
        |said: &str| said.split_once("sha256 ").map(|(_, digest)| digest.lines().next().map(str::to_owned));
    assert!(digest(&said).is_some() && digest(&said) == digest(&said_again), "{said}{said_again}");
    assert!(said.contains("smoke: PASS") && said.contains("not judged in virtual time: "), "{said}");
    let report = report(&files);
    assert_eq!((report.target.kind, report.participants.len()), (TargetKind::VirtualTime, 3));
    assert!(report.participants.iter().all(|participant| participant.failure.is_none()));
    kept(&report, &["unseen_max", "unheard_max", "misplaced_max", "own_voice_leak_db_max"]);

    let refused = |arguments: &[&str], why: &str| {
        let said = run(arguments);
        assert!(said.code == Some(2) && said.error.contains(why), "{:?}: {}", said.code, said.error);
    };
    refused(&["find-capacity", "--sim"], "with --sim, pass --at COUNT");
    refused(&["smoke", "--sim", "--target", "http://localhost/m/a"], "cannot be used with");
    refused(&["smoke", "--event-log", text(&log)], "--sim");
    let nowhere = folder.join("no/such/folder/events.log");
    let said = run(&["smoke", "--sim", "--event-log", text(&nowhere)]);
    assert!(said.code == Some(6) && said.error.contains("cannot write"), "{}", said.error);
}

/// Two cores that this test may use: one for the node, one for the harness.
fn two_cores() -> [String; 2] {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("Linux");
    let list: CpuList = line.trim().parse().expect("a list of cores");
    let [node, own, ..] = list.cores() else { panic!("to keep node and harness apart takes two cores") };
    [node.to_string(), own.to_string()]
}

/// A search at a room that lets three in: its edge is the door, which does not depend on how fast the machine is. Nobody sends
/// anything, so that a slow harness keeps up.
fn search_at_a_door_for_three(node: &Node, folder: &Path, duration_s: u32) -> PathBuf {
    let pin = node.announced("guest_pin");
    let room =
        format!("{{\"name\":\"Door\",\"alias\":\"door\",\"guest_pin\":\"{pin}\",\"participants_max\":3}}");
    let made = node.ask("POST", "/api/v1/rooms", &node.announced("admin_token"), &room);
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
    let toml = format!(
        "name = \"door\"\nduration_s = {duration_s}\nsettle_s = 1\n[ramp]\nspike = true\n[[rooms]]\nalias = \"door\"\n\
         [[rooms.groups]]\nname = \"guest\"\nkind = \"webrtc\"\ncount = 2\ncamera = false\ntalk = \"never\"\n\
         [capacity]\ngroup = \"guest\"\nfrom = 2\nmax = 6\nrepetitions = 1\n"
    );
    let scenario = folder.join("door.toml");
    std::fs::write(&scenario, toml).expect("is writable");
    scenario
}

fn capacity(files: &Path) -> CapacityReport {
    let text = std::fs::read_to_string(files.join("capacity.json")).expect("it was written");
    serde_json::from_str(&text).expect("is one")
}

#[test]
fn a_search_finds_the_edge_by_whole_runs_and_keeps_each_of_them() {
    let (_turn, folder) = turn("search");
    let node = Node::start(&folder);
    let [node_core, own_core] = two_cores();
    let scenario = search_at_a_door_for_three(&node, &folder, 2);
    let (files, announce) = (folder.join("report"), text(&node.announce).to_owned());
    let arguments = [text(&scenario), "--announce", &announce, "--report-dir", text(&files)];
    let said = run(&[&arguments[..], &["--node-cpus", &node_core, "--self-cpus", &own_core]].concat());
    assert_eq!(said.error, "", "{}", said.out);
    let found = capacity(&files);
    assert_eq!(said.code, Some(i32::from(exit_code(found.verdict))), "{}", said.out);
    let cores = &found.cores;
    assert_eq!((cores.node_cpus.as_deref(), cores.node_cores), (Some(&*node_core), Some(1)));
    assert_eq!(found.steps[0].count, 2);
    for step in &found.steps {
        // A step may be INVALID, on a machine that is busy otherwise; it never comes out as the opposite of what the door does.
        let wrong = if step.count <= 3 { Verdict::Fail } else { Verdict::Pass };
        assert_ne!(step.verdict, wrong, "{step:?}");
        let own = report(&files.join(step.folder.as_ref().expect("was written")));
        assert_eq!((own.verdict, own.scenario.participants), (step.verdict, step.people));
        assert!(own.scenario.toml.contains(&format!("--at {}", step.count)), "{}", own.scenario.toml);
        assert_eq!(own.node.cpus.as_deref(), Some(&*node_core));
        if step.verdict == Verdict::Fail {
            assert_eq!(step.broken[0].threshold, "failures_max");
            assert_eq!(step.broken[0].failing, step.count - 3, "{step:?}");
        }
        let line = format!("step {}: {} in the group \"guest\"", step.number, step.count);
        assert!(said.out.contains(&line), "{}", said.out);
    }
    if found.steps.iter().all(|step| step.verdict != Verdict::Invalid) {
        let tried: Vec<u32> = found.steps.iter().map(|step| step.count).collect();
        assert_eq!(tried, [2, 4, 3, 4]);
        assert_eq!(
            (found.verdict, found.edges[0].kind, found.edges[0].count),
            (Verdict::Pass, EdgeKind::Node, Some(3))
        );
        assert!(said.out.contains("people per core: 3\n"), "{}", said.out);
    }
    // One step of it alone is a plain run, which needs no cores of its own.
    let single = run(&[&arguments[..], &["--at", "4"]].concat());
    let own = report(&files);
    assert_eq!((own.participants.len(), own.verdict == Verdict::Pass), (4, false), "{}", single.out);
}

#[test]
fn an_interrupted_search_says_what_it_knows() {
    let (_turn, folder) = turn("search-interrupt");
    let node = Node::start(&folder);
    let [node_core, own_core] = two_cores();
    let scenario = search_at_a_door_for_three(&node, &folder, 600);
    let (files, announce) = (folder.join("report"), text(&node.announce).to_owned());
    let arguments = [text(&scenario), "--announce", &announce, "--report-dir", text(&files)];
    let mut child =
        harness(&[&arguments[..], &["--node-cpus", &node_core, "--self-cpus", &own_core]].concat());
    let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    let counts = |line: std::io::Result<String>| line.is_ok_and(|line| line.contains("counting"));
    assert!(lines.any(counts), "it came to count");
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
    assert!(sent.expect("there is a shell").success());
    let said: String = lines.map(|line| line.expect("is text") + "\n").collect();
    assert_eq!(child.wait().expect("is ours").code(), Some(4), "{said}");
    let found = capacity(&files);
    assert_eq!((found.verdict, found.capacity, found.steps.len()), (Verdict::Invalid, None, 1));
    assert_eq!((found.steps[0].ended_by, found.steps[0].count), (EndedBy::Interrupt, 2));
    assert_eq!(found.because, ["interrupted after 0 of 1 searches"]);
    assert!(said.contains("door: INVALID") && said.contains("interrupted after 0 of 1"), "{said}");
    assert_eq!(report(&files.join("steps/01-n2")).ended_by, EndedBy::Interrupt);
}
