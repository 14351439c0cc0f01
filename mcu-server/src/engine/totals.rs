//! What the media of all meetings has counted since the node started.
//!
//! Written by io threads and jobs where the event is seen (what happens to every packet is gathered there and added once
//! a second), read once a second for `/metrics`. One list makes the counters and their metrics: neither can be without the
//! other.

use metrics::Unit;
use std::sync::atomic::{AtomicU64, Ordering};

/// Name, whether it only grows by whole numbers, unit, help.
pub type Row = (&'static str, bool, Unit, &'static str);

/// A count that only grows, shared by many writers.
#[derive(Debug, Default)]
pub struct Total(AtomicU64);

impl Total {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        if count > 0 {
            self.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Adds one.
    pub fn one(&self) {
        self.add(1);
    }

    /// What was counted until now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! totals {
    ($($field:ident $name:literal $help:literal)*) => {
        /// What the media of all meetings has counted since the start.
        #[derive(Debug, Default)]
        pub struct MediaTotals {
            $(#[doc = $help] pub $field: Total,)*
        }

        impl MediaTotals {
            /// Their metrics.
            pub const TABLE: &[Row] = &[$(($name, true, Unit::Count, $help),)*];

            /// Name and count of each, in the table's order.
            pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($name, self.$field.get()),)*].into_iter()
            }
        }
    };
}

totals! {
    standstills "mcu_standstills_total"
        "Times that a thread or a pool of media did nothing for two seconds though it had to: the log says which"
    datagrams_refused "mcu_datagrams_refused_total"
        "Datagrams at a peer's address that do not authenticate, cannot be read, or come from where that peer's media may not come from"
    packets_lost "mcu_video_packets_lost_total"
        "Video packets that neither came nor were resent in time"
    packets_late "mcu_video_packets_late_total"
        "Video packets that came too late or twice"
    keyframes_asked "mcu_keyframes_asked_total"
        "Key frames asked of senders"
    units_dropped "mcu_units_dropped_total"
        "Coded pictures not decoded: the decoder was behind, or waits for a key frame"
    decoded "mcu_pictures_decoded_total"
        "Pictures decoded"
    decode_errors "mcu_decode_errors_total"
        "Coded pictures that could not be decoded or were refused for their size"
    slots_skipped "mcu_pictures_skipped_total"
        "Decoded pictures never shown: a newer one was due at the same tick"
    tiles_kept "mcu_tiles_kept_total"
        "Tiles that kept their last picture for a tick because no frame was free to scale into"
    canvases_missing "mcu_canvases_missing_total"
        "Scenes that kept their last picture for a tick because no canvas was free"
    renditions_refused "mcu_renditions_refused_total"
        "Encodes that could not be started"
    encoded "mcu_pictures_encoded_total"
        "Pictures encoded"
    encodes_late "mcu_encodes_late_total"
        "Pictures not encoded because the one before was still being encoded"
    encodes_dropped "mcu_encodes_dropped_total"
        "Pictures that an encoder left out to keep its rate"
    encode_errors "mcu_encode_errors_total"
        "Pictures that an encoder or packetizer refused"
    keyframes "mcu_keyframes_total"
        "Key frames encoded"
    pictures_held "mcu_pictures_held_total"
        "Pictures not sent to one receiver: its way was full, or it waits for a key frame"
    pictures_starved "mcu_pictures_starved_total"
        "Pictures among them that were far above what the way carries, until the receiver moved to a lower class"
    estimates_restarted "mcu_estimates_restarted_total"
        "Bandwidth estimates restarted higher after a squeeze"
    sound_lost "mcu_sound_blocks_lost_total"
        "Sound blocks never mixed: the job came more than 100 ms late"
    sound_encoded "mcu_sound_packets_encoded_total"
        "Sound packets encoded: one for each distinct mix and codec"
    announcements_dropped "mcu_announcements_dropped_total"
        "Announcements that somebody did not hear, having four to hear already"
    sound_errors "mcu_sound_codec_errors_total"
        "Times that a sound decoder or encoder refused"
    sound_samples "mcu_sound_samples_total"
        "Samples of sound played out, 48000 a second for each stream that is heard"
    sound_concealed "mcu_sound_samples_concealed_total"
        "Samples among them that were made up because the packet had not come"
    sound_removed "mcu_sound_samples_removed_total"
        "Samples of streams taken out to shorten their delay"
    sound_inserted "mcu_sound_samples_inserted_total"
        "Samples put into streams to lengthen their delay"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_total_has_a_metric_of_its_own_and_reads_what_was_added() {
        let totals = MediaTotals::default();
        totals.decoded.one();
        totals.decoded.add(2);
        totals.keyframes.add(0);
        let names: BTreeSet<&str> = MediaTotals::TABLE.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names.len(), MediaTotals::TABLE.len());
        let read: Vec<_> = totals.read().filter(|(_, count)| *count > 0).collect();
        assert_eq!(read, [("mcu_pictures_decoded_total", 3)]);
    }
}
