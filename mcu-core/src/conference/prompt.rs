//! What the node can say by voice to people who have no client of ours.
//!
//! Flow: a decision of the conference or of the call -> **here** -> `Effect::Announce` -> the node's recordings. Thread: any.
//! Names only: how each is worded, and in which language, is the node's.

macro_rules! prompts {
    ($($prompt:ident $name:literal $meaning:literal)*) => {
        /// Something to say.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Prompt {
            $(#[doc = $meaning] $prompt,)*
        }

        impl Prompt {
            /// Every prompt, in the order of [`Self::index`].
            pub const ALL: &[Self] = &[$(Self::$prompt,)*];

            /// What its recordings are called, without folder and ending.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$prompt => $name,)*
                }
            }
        }
    };
}

prompts! {
    Welcome "welcome" "Greets whoever has called."
    EnterPin "enter-pin" "Asks for the PIN of the meeting and the hash key."
    PinWrong "pin-wrong" "The PIN opens nothing; another may be tried."
    PinWrongLast "pin-wrong-last" "The PIN opens nothing, and the call ends."
    Goodbye "goodbye" "The call ends."
    Joined "joined" "One is in the meeting from here on."
    Muted "muted" "One is not heard from here on."
    Unmuted "unmuted" "One is heard again."
    Locked "locked" "Nobody else gets in from here on."
    Unlocked "unlocked" "Whoever may, gets in again."
    GuestsMuted "guests-muted" "All guests are muted."
    NotAllowed "not-allowed" "Only a host can do what was asked for."
    Menu "menu" "What the keys do."
    LayoutChanged "layout-changed" "The picture is laid out in another way."
    ContentShown "content-shown" "What is shared is part of the picture from here on."
    ContentHidden "content-hidden" "What is shared is no part of the picture any more."
    SomebodyJoined "somebody-joined" "Somebody has come."
    SomebodyLeft "somebody-left" "Somebody has gone."
    MeetingLocked "meeting-locked" "The meeting takes nobody in, and the call ends."
    WaitingForHost "waiting-for-host" "The meeting begins when its host comes."
    MeetingEnded "meeting-ended" "The meeting is over."
    NoRoom "no-room" "All places are taken."
}

impl Prompt {
    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place_and_a_name_of_its_own() {
        for (at, prompt) in Prompt::ALL.iter().enumerate() {
            assert_eq!(prompt.index(), at);
            let fit = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(prompt.name().chars().all(fit), "{prompt:?} is a file's name");
            assert!(Prompt::ALL[..at].iter().all(|other| other.name() != prompt.name()));
        }
    }
}
