//! A whole node at its doors: who gave up waiting is not in the meeting.

use mcu_core::conference::roster::{DisplayName, Via};
use mcu_server::config::Config;
use mcu_server::node::Node;
use signalling::command::{Caller, Command, JoinRequest};
use signalling::room::Alias;
use signalling::secret::Secret;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use tokio::sync::oneshot;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((HERE, 0)).expect("loopback has a free port");
    socket.local_addr().expect("it is bound").port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gave_up_waiting_at_the_door_is_taken_out_again() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doors");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    Node::ready_meeting(&folder, 50).await.expect("a store");
    let mut config = Config::default();
    config.server.data_dir = folder;
    config.media.port = free_port();
    config.media.tcp = false;
    let node = Node::start(&config).await.expect("the node starts");
    let (alias, _, guest_pin) = node.ready_pins().await.expect("the ready meeting");
    let alias = Alias::parse(&alias).expect("a room's alias");

    let request = |name: &str| JoinRequest {
        alias: alias.clone(),
        display_name: Secret::new(DisplayName::parse(name).expect("a fair name")),
        pin: Secret::new(guest_pin.clone()),
        host_only: false,
        overlay: false,
        via: Via::Browser,
        from: Secret::new(HERE),
    };
    let present = async || {
        let asked = alias.clone();
        let list =
            node.control.ask(|reply| Command::ListParticipants { alias: asked, by: Caller::Admin, reply });
        let entries = list.await.expect("the room is there");
        entries.iter().map(|entry| entry.name.as_str().to_owned()).collect::<Vec<_>>()
    };
    let gives_up = |name: &str| {
        let (reply, answer) = oneshot::channel();
        drop(answer);
        node.control.tell(Command::Join { request: request(name), reply });
    };

    // Alone: the meeting that began for it is over again.
    gives_up("Nobody");
    assert_eq!(present().await, [""; 0]);
    let waits = |name: &str| {
        let request = request(name);
        node.control.ask(|reply| Command::Join { request, reply })
    };
    let ada = waits("Ada").await.expect("the control: who waits is let in");
    assert_eq!(present().await, ["Ada"]);
    gives_up("Nobody");
    assert_eq!(present().await, ["Ada"], "and stays when somebody else gives up");
    let grace = waits("Grace").await.expect("the room takes more");
    assert_eq!(
        (present().await, grace.conference),
        (vec!["Ada".to_owned(), "Grace".to_owned()], ada.conference)
    );
    node.stop().await;
}
