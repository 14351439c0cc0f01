//! What one session of a call leaves to the next: ports, name, keys, streams and their numbers.

use super::*;

fn ports(peer: &SipPeer) -> Vec<u16> {
    peer.ports().map(|address| address.port()).collect()
}

fn origin(answer: &str) -> Vec<&str> {
    answer
        .lines()
        .find(|line| line.starts_with("o="))
        .expect("every description has one")
        .split(' ')
        .collect()
}

#[test]
fn a_line_that_stays_keeps_its_ports_and_the_session_its_name() {
    let (peer, answer) = accept(ROOM_SYSTEM);
    let all = [40_000, 40_001, 40_002, 40_003];
    assert_eq!(ports(&peer), all);
    let moved =
        ROOM_SYSTEM.replace("c=IN IP4 198.51.100.7", "c=IN IP4 198.51.100.8").replace("50000", "51000");
    let codec = ROOM_SYSTEM.replace("9 114 101 102", "8 101").replace("97 H264/90000", "97 VP8/90000");
    let silent = ROOM_SYSTEM.replace("m=video 50002", "m=video 0");
    let shared = ROOM_SYSTEM.replace("a=sendrecv", "a=sendrecv\r\na=rtcp-mux");
    for (offer, expected) in [
        (ROOM_SYSTEM.to_owned(), &all[..]),
        (ROOM_SYSTEM.replace("a=sendrecv", "a=sendonly"), &all),
        (ROOM_SYSTEM.replace("a=sendrecv", "a=inactive"), &all),
        (ROOM_SYSTEM.replace("c=IN IP4 198.51.100.7", "c=IN IP4 0.0.0.0"), &all),
        (moved, &all),
        (codec, &all),
        (silent.clone(), &all[..2]),
        (shared, &[41_000, 40_002, 40_003]),
    ] {
        let (next, told) = accept_after(Some(&peer), &offer);
        assert_eq!(ports(&next), expected, "{offer}");
        assert!(told.contains(&format!("m=audio {} RTP/SAVP", expected[0])), "{told}");
        let (before, now) = (origin(&answer), origin(&told));
        assert_eq!((before[1], before[2], now[1], now[2]), (now[1], "1", before[1], "2"));
    }
    // A picture that comes back has given its ports up meanwhile.
    let (alone, _) = accept_after(Some(&peer), &silent);
    let (back, told) = accept_after(Some(&alone), ROOM_SYSTEM);
    assert_eq!((ports(&back), origin(&told)[2]), (vec![40_000, 40_001, 41_000, 41_001], "3"));
}

#[test]
fn a_stream_of_the_device_goes_on_over_a_re_invite_with_its_roll_over_count_and_its_way() {
    let (mut first, told) = accept(ROOM_SYSTEM);
    let mut device = session(KEY, false);
    let mut sealed = |sequence| {
        let mut packet = sound(sequence, 114);
        device.protect(&mut packet).expect("sealed");
        packet
    };
    for sequence in [65_534, 65_535, 0] {
        arrive(&mut first, &sealed(sequence), "192.0.2.44:6000", 40_000, NOW);
    }
    let old = sealed(1);
    arrive(&mut first, &old, "192.0.2.44:6000", 40_000, NOW);
    assert_eq!(packets(&outputs(&mut first, NOW)).len(), 4);

    let (mut stranger, _) = accept_after(Some(&first), ROOM_SYSTEM);
    let (mut next, answer) = accept_after(Some(&first), ROOM_SYSTEM);
    assert_eq!(our_key(&answer), our_key(&told), "who stays with its key is not given a new one of ours");
    next.succeed(&mut first);
    // Before the device says anything, it is heard of where it was.
    let payload: Arc<[u8]> = Arc::from(&[9; 80][..]);
    next.send_sound(&payload, &meta(1)).expect("sent");
    let sent = transmits(outputs(&mut next, NOW)).pop().expect("a packet");
    assert_eq!(sent.destination.to_string(), "192.0.2.44:6000");
    session(&our_key(&answer), true)
        .unprotect(&mut sent.bytes.to_vec())
        .expect("a stream of its own under our key");

    let second = sealed(2);
    arrive(&mut next, &old, "192.0.2.44:6000", 40_000, NOW);
    arrive(&mut next, &second, "192.0.2.44:6000", 40_000, NOW);
    assert_eq!(
        (packets(&outputs(&mut next, NOW)).len(), next.counters().refused),
        (1, 1),
        "what was opened once is not again"
    );
    arrive(&mut stranger, &second, "192.0.2.44:6000", 40_000, NOW);
    assert!(
        packets(&outputs(&mut stranger, NOW)).is_empty(),
        "the control: who takes nothing over counts from nought"
    );
}

#[test]
fn a_device_with_a_new_key_begins_anew() {
    const OTHER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (mut first, told) = accept(ROOM_SYSTEM);
    let (mut next, answer) = accept_after(Some(&first), &ROOM_SYSTEM.replace(KEY, OTHER));
    assert_ne!(our_key(&answer), our_key(&told));
    next.succeed(&mut first);
    let mut heard = |key: &str| {
        let mut packet = sound(1, 114);
        session(key, false).protect(&mut packet).expect("sealed");
        arrive(&mut next, &packet, "198.51.100.7:50000", 40_000, NOW);
        packets(&outputs(&mut next, NOW)).len()
    };
    assert_eq!((heard(KEY), heard(OTHER)), (0, 1));
}

#[test]
fn our_stream_goes_on_over_a_re_invite_while_key_and_codec_do() {
    let payload: Arc<[u8]> = Arc::from(&[9; 80][..]);
    let (mut first, answer) = accept(ROOM_SYSTEM);
    let mut device = session(&our_key(&answer), true);
    let mut hears = |peer: &mut SipPeer, sequence| {
        peer.send_sound(&payload, &meta(sequence)).expect("sent");
        let sent = transmits(outputs(peer, NOW)).pop().expect("a packet");
        let mut bytes = sent.bytes.to_vec();
        device.unprotect(&mut bytes).ok()?;
        bytes[8..12].first_chunk().map(|ssrc| u32::from_be_bytes(*ssrc))
    };
    // Over the end of sixteen bits, so that there is a roll-over count to keep.
    let ssrc = hears(&mut first, 65_535);
    assert!(ssrc.is_some() && hears(&mut first, 65_536) == ssrc);
    let (mut next, _) = accept_after(Some(&first), ROOM_SYSTEM);
    assert_eq!(next.succeed(&mut first), [Line::MAIN_AUDIO, Line::MAIN_VIDEO]);
    assert_eq!(hears(&mut next, 65_537), ssrc);
    // The one before says goodbye of another.
    first.close(NOW);
    assert!(first.legs[0].ssrc() != next.legs[0].ssrc());
    let (mut other, _) = accept_after(Some(&next), &ROOM_SYSTEM.replace("9 114 101 102", "8 101"));
    assert_eq!(other.succeed(&mut next), [Line::MAIN_VIDEO], "the control: another codec is another stream");
    assert_ne!(hears(&mut other, 1), ssrc);
}
