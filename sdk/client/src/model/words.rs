//! Enums of the wire as words. One list gives the type, its JSON, its parser and both conversions, so
//! that a word cannot be spelled in two ways.

/// Makes an enum whose variants have the same names as those of a generated one, and a word each.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident is $wire:path {
        $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A word of a newer server, which this client does not know.
            Unknown,
        }

        impl $name {
            /// Every value that this client knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word, in upper case, as JSON has it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown => "UNKNOWN",
                }
            }

            /// The value of a word, in either case.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word().eq_ignore_ascii_case(word))
            }

            pub(crate) fn from_wire(number: i32) -> Self {
                type Wire = $wire;
                match Wire::try_from(number) {
                    $(Ok(Wire::$variant) => Self::$variant,)+
                    // Not given, or newer than this client.
                    Ok(_) | Err(_) => Self::Unknown,
                }
            }
        }

        impl From<$name> for i32 {
            fn from(value: $name) -> Self {
                type Wire = $wire;
                match value {
                    $($name::$variant => Wire::$variant as Self,)+
                    $name::Unknown => 0,
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

pub(crate) use words;
