//! NAL units of an access unit in Annex B (ITU-T H.264 annex B).

/// Splits an access unit into its NAL units, without start codes and trailing zeros. Bytes before the first start
/// code are not part of any.
pub fn units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(data).map(|at| &data[at + START_CODE_BYTES..]);
    std::iter::from_fn(move || {
        let nal = rest?;
        let end = start_code(nal);
        rest = end.map(|at| &nal[at + START_CODE_BYTES..]);
        let nal = &nal[..end.unwrap_or(nal.len())];
        let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
        Some(&nal[..nal.len() - zeros])
    })
}

const START_CODE_BYTES: usize = 3;

/// Where the next `00 00 01` lies.
fn start_code(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *data.get(at..at + START_CODE_BYTES)? {
            [0, 0, 1] => return Some(at),
            // Neither of the next two positions can start one either.
            [_, _, last] if last > 1 => at += 3,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_start_codes_split_and_trailing_zeros_go() {
        let data = [9, 0, 0, 0, 1, 7, 8, 0, 0, 1, 5, 0, 0, 3, 1, 0, 0, 0, 1, 0, 0, 1];
        let found: Vec<&[u8]> = units(&data).collect();
        assert_eq!(found, [&[7, 8][..], &[5, 0, 0, 3, 1], &[], &[]]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
    }
}
