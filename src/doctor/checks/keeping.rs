//! How long Meta would keep the file: by the rule of today, and by that of 2022, which may still be in force somewhere.
//!
//! Today the same full URL is used again for ten minutes, whatever its head says, and another query is another asset. In 2022 `max-age`,
//! `no-cache`, `no-store`, `private` and the validators decided. A good answer is right under both.

use ::http::header::{AGE, CACHE_CONTROL, ETAG, LAST_MODIFIED};

use super::super::exchange::Answer;
use super::super::facts::Facts;
use super::super::report::{Check, Finding};

/// The rule of today.
pub(super) fn today(facts: &Facts) -> Finding {
    let answer = match facts.fetched() {
        Ok(answer) => answer,
        Err(why) => return Finding::unknown(Check::CacheToday, why),
    };
    let policy = Policy::of(answer);
    let wish = match policy.fresh {
        _ if policy.no_store => "no-store".to_owned(),
        _ if policy.no_cache => "no-cache".to_owned(),
        Some(seconds) if seconds < TEN_MINUTES => format!("max-age={seconds}"),
        _ => {
            return Finding::ok(
                Check::CacheToday,
                "Meta uses what it fetched for 10 minutes, which the answer permits",
            );
        }
    };
    Finding::warning(
        Check::CacheToday,
        format!("the answer says {wish}, but Meta uses what it fetched for 10 minutes, by the full URL"),
        "where the file may change under its URL, give every change a URL of its own (a version in the path or query); where it never changes, say so: `Cache-Control: public, max-age=31536000, immutable`",
    )
}

/// The rule of 2022.
pub(super) fn of_2022(facts: &Facts) -> Finding {
    let check = Check::Cache2022;
    let answer = match facts.fetched() {
        Ok(answer) => answer,
        Err(why) => return Finding::unknown(check, why),
    };
    let policy = Policy::of(answer);
    let has_validator = answer.fields.contains_key(ETAG) || answer.fields.contains_key(LAST_MODIFIED);
    let barrier = [(policy.no_store, "no-store"), (policy.no_cache, "no-cache"), (policy.private, "private")];
    if let Some((_, word)) = barrier.into_iter().find(|(is_set, _)| *is_set) {
        return Finding::warning(
            check,
            format!("the answer says {word}, so every message would fetch it again"),
            "for media that many receive, say `Cache-Control: public, max-age=...`; for anything about one person it is right as it is",
        );
    }
    match policy.fresh {
        Some(0) if !has_validator => Finding::warning(
            check,
            "the answer is stale at once and has neither ETag nor Last-Modified, so every message would fetch all of it",
            "send `Cache-Control: public, max-age=...`, and an ETag",
        ),
        Some(seconds) => Finding::ok(check, format!("fresh for {seconds} s")),
        None if has_validator => Finding::ok(check, "no max-age; validators let it be asked whether it changed"),
        None => Finding::warning(
            check,
            "there is neither Cache-Control nor ETag nor Last-Modified, so nothing says how long it may be kept",
            "send `Cache-Control: public, max-age=...` and an ETag (nginx: `expires 1d; etag on;`; S3: the object's Cache-Control metadata)",
        ),
    }
}

/// What the head says about keeping.
#[derive(Default)]
struct Policy {
    no_store: bool,
    no_cache: bool,
    private: bool,
    /// For how many seconds it is still fresh, where it says so.
    fresh: Option<u64>,
}

impl Policy {
    /// Reads `Cache-Control` (RFC 9111 section 5.2.2), all of its lines, and `Age`.
    fn of(answer: &Answer) -> Self {
        let mut policy = Self::default();
        let mut shared = None;
        let lines = answer.fields.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
        for directive in lines.flat_map(|line| line.split(',')) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let seconds = || value.trim().trim_matches('"').parse().ok();
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => policy.no_store = true,
                // With a list of fields it is about these alone.
                "no-cache" => policy.no_cache |= value.is_empty(),
                "private" => policy.private |= value.is_empty(),
                "max-age" => policy.fresh = seconds(),
                "s-maxage" => shared = seconds(),
                _ => {}
            }
        }
        let age = answer.field(&AGE).and_then(|age| age.trim().parse().ok()).unwrap_or(0);
        policy.fresh = shared.or(policy.fresh).map(|fresh| fresh.saturating_sub(age));
        policy
    }
}

const TEN_MINUTES: u64 = 600;

#[cfg(test)]
mod tests {
    use super::super::super::report::Verdict;
    use super::super::sample::sound;
    use super::*;

    #[test]
    fn both_rules_are_judged_by_the_head() {
        use Verdict::{Ok as Fine, Warning};
        let tag = ("etag", "\"1\"");
        for (fields, of_today, then) in [
            (&[("cache-control", "public, max-age=31536000, immutable")][..], Fine, Fine),
            (&[("cache-control", "public, max-age=600")], Fine, Fine),
            (&[("cache-control", "max-age=599")], Warning, Fine),
            (&[("cache-control", "max-age=86400"), ("age", "86000")], Warning, Fine),
            (&[("cache-control", "max-age=9, s-maxage=86400")], Fine, Fine),
            (&[("cache-control", "no-store")], Warning, Warning),
            (&[("cache-control", "No-Cache"), tag], Warning, Warning),
            (&[("cache-control", "no-cache=\"set-cookie\", max-age=900")], Fine, Fine),
            (&[("cache-control", "private, max-age=900")], Fine, Warning),
            (&[("cache-control", "max-age=0"), tag], Warning, Fine),
            (&[("cache-control", "max-age=0")], Warning, Warning),
            (&[("cache-control", "max-age=nonsense"), tag], Fine, Fine),
            (&[tag], Fine, Fine),
            (&[("last-modified", "Sat, 21 Nov 2026 10:20:00 GMT")], Fine, Fine),
            (&[], Fine, Warning),
        ] {
            let mut facts = sound();
            let answer = facts.get.as_mut().unwrap().as_mut().unwrap();
            for name in ["cache-control", "etag", "last-modified"] {
                answer.fields.remove(name);
            }
            for (name, value) in fields {
                answer.fields.insert(*name, value.parse().unwrap());
            }
            assert_eq!((today(&facts).verdict, of_2022(&facts).verdict), (of_today, then), "{fields:?}");
        }
    }
}
