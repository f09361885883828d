//! How one value is read: durations, sizes, numbers, addresses, words.
//!
//! Every reader either gives the value as meant or says in words what would be right. No text here repeats what was written.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use toml::Value;

/// A value as meant, or what is wrong with the one written.
pub(super) type Reading<T> = Result<T, String>;

/// A text that is not empty and has no control characters.
pub(super) fn text(value: &Value) -> Reading<&str> {
    match value.as_str() {
        Some("") => Err("is empty".to_owned()),
        Some(text) if text.chars().any(char::is_control) => Err("has control characters in it".to_owned()),
        Some(text) => Ok(text),
        None => Err("is a text; write it in quotes".to_owned()),
    }
}

/// The same, owned.
pub(super) fn owned(value: &Value) -> Reading<String> {
    text(value).map(str::to_owned)
}

/// A text that its own type reads.
pub(super) fn parsed<T: FromStr<Err: Display>>(value: &Value) -> Reading<T> {
    text(value)?.parse().map_err(|fault: T::Err| fault.to_string())
}

/// `true` or `false`.
pub(super) fn flag(value: &Value) -> Reading<bool> {
    value.as_bool().ok_or_else(|| "is true or false, without quotes".to_owned())
}

/// A whole number within bounds.
pub(super) fn count<T>(bounds: RangeInclusive<T>) -> impl Fn(&Value) -> Reading<T>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    move |value| {
        let number = value.as_integer().and_then(|number| T::try_from(number).ok());
        let within = number.filter(|number| bounds.contains(number));
        within.ok_or_else(|| format!("is a number from {} to {}", bounds.start(), bounds.end()))
    }
}

/// A span of time within bounds, such as `"20m"` or `"1h 30m"`.
pub(super) fn duration(bounds: RangeInclusive<Duration>) -> impl Fn(&Value) -> Reading<Duration> {
    move |value| {
        let read = value.as_str().and_then(|text| humantime::parse_duration(text).ok());
        read.filter(|span| bounds.contains(span)).ok_or_else(|| {
            let [low, high] = [*bounds.start(), *bounds.end()].map(humantime::format_duration);
            format!("is a time from {low} to {high}, with its unit and in quotes, such as \"90s\" or \"20m\"")
        })
    }
}

/// The same, without parts of a second: links are written in whole ones.
pub(super) fn whole_seconds(bounds: RangeInclusive<Duration>) -> impl Fn(&Value) -> Reading<Duration> {
    let read = duration(bounds);
    move |value| match read(value)? {
        span if span.subsec_nanos() == 0 => Ok(span),
        _ => Err("is in whole seconds".to_owned()),
    }
}

/// A number of bytes within bounds, such as `"512MiB"`; `MB` is decimal. A number without a unit is bytes.
pub(super) fn size(bounds: RangeInclusive<u64>) -> impl Fn(&Value) -> Reading<u64> {
    move |value| {
        let bytes = match value {
            Value::Integer(bytes) => u64::try_from(*bytes).ok(),
            Value::String(text) => text.parse().ok().map(|ByteSize(bytes)| bytes),
            _ => None,
        };
        bytes.filter(|bytes| bounds.contains(bytes)).ok_or_else(|| {
            let [low, high] = [*bounds.start(), *bounds.end()].map(ByteSize);
            format!("is a size from {low} to {high}, such as \"512MiB\"")
        })
    }
}

/// An address to listen on.
pub(super) fn address(value: &Value) -> Reading<SocketAddr> {
    let read = value.as_str().and_then(|text| text.parse().ok());
    read.ok_or_else(|| "is an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".to_owned())
}

/// A network, or a single address.
pub(super) fn network(value: &Value) -> Reading<IpNet> {
    let text = value.as_str().unwrap_or_default();
    let read = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let read = read.ok_or_else(|| "is a network, such as \"10.0.0.0/8\" or \"fd00::/8\"".to_owned())?;
    if read.addr() == read.network() {
        Ok(read)
    } else {
        Err(format!("has bits after its prefix; did you mean {}?", read.trunc()))
    }
}

/// One of these words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Value) -> Reading<T> {
    move |value| {
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, meant)| *meant).ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            format!("is one of {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Value {
        text.parse().unwrap()
    }

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn times_need_their_unit_and_keep_to_their_bounds() {
        let read = duration(secs(1)..=secs(3600));
        assert_eq!(read(&of("'20m'")), Ok(secs(1200)));
        assert_eq!(read(&of("'1h'")), Ok(secs(3600)));
        for bad in ["20", "'20'", "''", "'0s'", "'61m'", "'1s 3 weeks'", "'999999999999999999999y'", "true", "'-1s'"] {
            let said = read(&of(bad)).unwrap_err();
            assert_eq!(
                said, "is a time from 1s to 1h, with its unit and in quotes, such as \"90s\" or \"20m\"",
                "{bad}"
            );
        }
    }

    #[test]
    fn sizes_are_binary_or_decimal_and_keep_to_their_bounds() {
        let read = size(1..=1 << 40);
        for (text, bytes) in [("'512MiB'", 512 << 20), ("'5MB'", 5_000_000), ("4096", 4096), ("'1.5 KiB'", 1536)] {
            assert_eq!(read(&of(text)), Ok(bytes), "{text}");
        }
        for bad in ["-1", "0", "'2TiB'", "'much'", "''", "1.5", "'99999999999999999999EiB'", "'ü'"] {
            assert!(read(&of(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_and_networks_are_read() {
        assert!(address(&of("'[::1]:80'")).is_ok());
        for bad in ["'127.0.0.1'", "'localhost:80'", "80", "'127.0.0.1:99999'"] {
            assert!(address(&of(bad)).is_err(), "{bad}");
        }
        assert_eq!(network(&of("'10.0.0.1'")).unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network(&of("'fd00::/8'")).unwrap().to_string(), "fd00::/8");
        assert_eq!(network(&of("'10.0.0.1/8'")).unwrap_err(), "has bits after its prefix; did you mean 10.0.0.0/8?");
        for bad in ["'10.0.0.0/33'", "'*'", "''", "7"] {
            assert!(network(&of(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_and_numbers_name_what_is_allowed() {
        let read = choice(&[("text", 1), ("json", 2)]);
        assert_eq!(read(&of("'json'")), Ok(2));
        assert_eq!(read(&of("'xml'")).unwrap_err(), "is one of \"text\", \"json\"");
        assert_eq!(count(1..=8_u32)(&of("9")).unwrap_err(), "is a number from 1 to 8");
        assert_eq!(count(1..=8_u32)(&of("-1")).unwrap_err(), "is a number from 1 to 8");
        assert_eq!(text(&of("'a\\nb'")), Ok("a\\nb"));
        assert!(text(&of("\"a\\nb\"")).is_err());
    }
}
