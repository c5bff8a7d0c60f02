//! Settings that take one of a few words.

/// Declares an enum whose values are written as the given words: with parsing that offers the
/// nearest word, display, serialisation and a JSON Schema.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word that stands for the value in files and in the service's API.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::inventory::decode::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::inventory::choice::unknown(text, &[$($text),+])),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($text),+] })
            }
        }

        $crate::inventory::decode::decode_from_str!($name);
    };
}
pub(crate) use choice;

use super::decode::Invalid;
use super::nearest::did_you_mean;

/// Why `text` is none of `words`. A long list isn't told where the nearest word says enough.
pub(crate) fn unknown(text: &str, words: &[&str]) -> Invalid {
    match did_you_mean(text, words.iter().copied()) {
        Some(nearest) if words.len() > 8 => {
            Invalid::new("is not one of the known values").maybe_help(Some(nearest))
        }
        nearest => Invalid::new(format!("is not one of {}", words.join(", "))).maybe_help(nearest),
    }
}
