//! Rewrites the ICE candidates of an answer, so that a bot reaches the node through its relay.
//!
//! Pure text. An answer is the node's: anything unexpected is left out, never trusted.

use std::net::SocketAddr;

/// Why an answer cannot be led through a relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// No UDP host candidate in it.
    #[error("the answer has no udp candidate that a relay could lead to")]
    NoUdpCandidate,
}

/// The answer with its one candidate at `relay`, and the node's own address behind it.
///
/// The first UDP candidate of component 1 and of the relay's address family is taken; every other candidate line
/// (TCP, further addresses) is removed, or the bot would walk past the relay.
///
/// # Errors
/// [`RewriteError`] when there is no such candidate.
pub fn lead_through(answer: &str, relay: SocketAddr) -> Result<(String, SocketAddr), RewriteError> {
    let node = answer
        .lines()
        .filter_map(udp_address)
        .find(|address| address.is_ipv4() == relay.is_ipv4())
        .ok_or(RewriteError::NoUdpCandidate)?;
    let mut rewritten = String::with_capacity(answer.len());
    for line in answer.lines().map(str::trim_end) {
        if !line.starts_with("a=candidate:") {
            rewritten.push_str(line);
        } else if udp_address(line) == Some(node) {
            let mut fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (ip, port) = (relay.ip().to_string(), relay.port().to_string());
            fields[4] = &ip;
            fields[5] = &port;
            rewritten.push_str(&fields.join(" "));
        } else {
            continue;
        }
        rewritten.push_str("\r\n");
    }
    Ok((rewritten, node))
}

/// The address of a line `a=candidate:<foundation> 1 udp <priority> <ip> <port> typ …` (RFC 8839 §5.1).
fn udp_address(line: &str) -> Option<SocketAddr> {
    let mut fields = line.strip_prefix("a=candidate:")?.split_ascii_whitespace().skip(1);
    let is_rtp_over_udp = fields.next()? == "1" && fields.next()?.eq_ignore_ascii_case("udp");
    let address = SocketAddr::new(fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    is_rtp_over_udp.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=candidate:1 1 tcp 99 10.0.0.1 4000 typ host tcptype passive\r\n\
        a=candidate:2 1 udp 100 10.0.0.1 4000 typ host\r\na=candidate:3 1 udp 90 10.0.0.2 4000 typ host\r\na=mid:0\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=candidate:2 1 UDP 100 10.0.0.1 4000 typ host\r\na=mid:1\r\n";

    #[test]
    fn the_first_udp_candidate_becomes_the_relay_and_the_others_go() {
        let relay = "127.0.0.1:5555".parse().unwrap();
        let (answer, node) = lead_through(ANSWER, relay).expect("has a candidate");
        assert_eq!(node, "10.0.0.1:4000".parse().unwrap());
        let candidates: Vec<&str> = answer.lines().filter(|l| l.starts_with("a=candidate")).collect();
        assert_eq!(
            candidates,
            [
                "a=candidate:2 1 udp 100 127.0.0.1 5555 typ host",
                "a=candidate:2 1 UDP 100 127.0.0.1 5555 typ host"
            ]
        );
        assert!(answer.contains("a=mid:1\r\n"));
    }

    #[test]
    fn an_answer_that_offers_no_way_is_refused_and_garbage_is_not_believed() {
        let relay: SocketAddr = "127.0.0.1:5555".parse().unwrap();
        for answer in [
            "",
            "a=candidate:",
            "a=candidate:1 1 udp 1 nonsense 1 typ host",
            "a=candidate:1 2 udp 1 10.0.0.1 1 typ host",
        ] {
            assert_eq!(lead_through(answer, relay).err(), Some(RewriteError::NoUdpCandidate), "{answer}");
        }
        assert!(lead_through(ANSWER, "[::1]:5555".parse().unwrap()).is_err());
    }
}
