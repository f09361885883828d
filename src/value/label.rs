//! Short names that we give to things of our own: stores, clients and fetcher profiles.
//!
//! They appear in settings, metric labels, records and logs, so their alphabet is harmless in all of them.

use std::fmt;
use std::str::FromStr;

/// Why a text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} names are {min} to {max} characters of a-z, 0-9 and '-'")]
pub struct BadLabel {
    what: &'static str,
    min: usize,
    max: usize,
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $what:literal, $min:literal ..= $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadLabel;

            fn from_str(text: &str) -> Result<Self, BadLabel> {
                let fits = ($min..=$max).contains(&text.len());
                if fits && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadLabel { what: $what, min: $min, max: $max })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

label!(
    /// The name of a store: three characters at least, so that it can never be the `m` of `/m/...`.
    StoreName, "store", 3..=40
);
label!(
    /// The name of a client: one of our own systems that may mint.
    ClientName, "client", 1..=40
);
label!(
    /// The name of a fetcher profile.
    ProfileName, "fetcher profile", 1..=40
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_alphabet_and_length() {
        for good in ["abc", "media-eu-1", "000", &"a".repeat(40)] {
            assert_eq!(good.parse::<StoreName>().unwrap().as_str(), good);
        }
        for bad in ["", "m", "ab", "Media", "a b", "a_b", "a/b", "größe", "a\n1", &"a".repeat(41)] {
            assert!(bad.parse::<StoreName>().is_err(), "{bad:?}");
        }
        let said = "M".parse::<ClientName>().unwrap_err().to_string();
        assert_eq!(said, "client names are 1 to 40 characters of a-z, 0-9 and '-'");
    }
}
