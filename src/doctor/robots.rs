//! `robots.txt` as RFC 9309 reads it: groups, product tokens, the longest match.
//!
//! A file of half a megabyte and a path of the caller's are all it sees, so time is bounded by their product. Nothing is an error: what is not a
//! line of the format is passed over, as the RFC wants.

/// Whether a crawler may fetch a path, and which line says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Nothing forbids it.
    Allowed,
    /// A group that names the crawler forbids it, by this rule.
    ForbiddenByName(String),
    /// The group for all crawlers forbids it, by this rule.
    ForbiddenToAll(String),
}

/// What `file` says of `path` (with its query) to the crawler with this product token.
pub(super) fn permission(file: &[u8], token: &str, path: &str) -> Permission {
    let text = String::from_utf8_lossy(file);
    let records = records(text.strip_prefix('\u{feff}').unwrap_or(&text));
    let path = normal(path);
    let named = rules_for(&records, |agent| product(agent).eq_ignore_ascii_case(token));
    match named {
        Some(rules) => deciding(&rules, &path).map_or(Permission::Allowed, Permission::ForbiddenByName),
        None => rules_for(&records, |agent| agent == "*")
            .and_then(|rules| deciding(&rules, &path))
            .map_or(Permission::Allowed, Permission::ForbiddenToAll),
    }
}

/// A line that counts.
#[derive(Clone, Copy)]
enum Record<'a> {
    Agent(&'a str),
    Rule(Rule<'a>),
}

#[derive(Clone, Copy)]
struct Rule<'a> {
    allows: bool,
    pattern: &'a str,
}

/// The lines that count, in order; others, such as `Sitemap`, do not even end a group (RFC 9309 section 2.2.4).
fn records(text: &str) -> Vec<Record<'_>> {
    text.split(['\r', '\n']).filter_map(record).collect()
}

fn record(line: &str) -> Option<Record<'_>> {
    let line = line.split('#').next().unwrap_or_default();
    let (key, value) = line.split_once(':')?;
    let (key, value) = (key.trim(), value.trim());
    let rule = |allows| Record::Rule(Rule { allows, pattern: value });
    match () {
        () if key.eq_ignore_ascii_case("user-agent") => Some(Record::Agent(value)),
        () if key.eq_ignore_ascii_case("allow") => Some(rule(true)),
        () if key.eq_ignore_ascii_case("disallow") => Some(rule(false)),
        () => None,
    }
}

/// The rules of all groups with an agent that `is_meant`, joined; `None` where no group has one.
fn rules_for<'a>(records: &[Record<'a>], is_meant: impl Fn(&str) -> bool) -> Option<Vec<Rule<'a>>> {
    let mut found = None;
    let (mut is_inside, mut names_agents) = (false, false);
    for record in records {
        match *record {
            Record::Agent(agent) => {
                is_inside = is_meant(agent) || (names_agents && is_inside);
                names_agents = true;
                if is_inside {
                    found.get_or_insert_with(Vec::new);
                }
            }
            Record::Rule(rule) => {
                names_agents = false;
                if let Some(rules) = found.as_mut().filter(|_| is_inside) {
                    rules.push(rule);
                }
            }
        }
    }
    found
}

/// The token at the beginning of an agent: files say `facebookexternalhit/1.1` where the RFC wants `facebookexternalhit`.
fn product(agent: &str) -> &str {
    let end = agent.find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '_' | '-')));
    agent.get(..end.unwrap_or(agent.len())).unwrap_or_default()
}

/// The rule that forbids `path`: the longest that matches decides, and of two alike the one that allows (RFC 9309 section 2.2.2).
fn deciding(rules: &[Rule<'_>], path: &str) -> Option<String> {
    let mut strongest: Option<(usize, &Rule<'_>)> = None;
    for rule in rules.iter().filter(|rule| !rule.pattern.is_empty()) {
        let pattern = normal(rule.pattern);
        let is_stronger = strongest.is_none_or(|(length, other)| {
            pattern.len() > length || (pattern.len() == length && rule.allows && !other.allows)
        });
        if is_stronger && matches(&pattern, path) {
            strongest = Some((pattern.len(), rule));
        }
    }
    strongest.filter(|(_, rule)| !rule.allows).map(|(_, rule)| format!("Disallow: {}", rule.pattern))
}

/// Whether `pattern` matches a beginning of `path`: `*` stands for any characters, `$` at the end for the end of the path.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, is_anchored) = pattern.strip_suffix('$').map_or((pattern, false), |pattern| (pattern, true));
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return !is_anchored || rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    if is_anchored { rest.ends_with(last) } else { rest.contains(last) }
}

/// The path with one spelling for each octet: what need not be percent-encoded is not, everything beyond ASCII is (RFC 9309 section 2.2.2).
fn normal(path: &str) -> String {
    let mut spelled = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, beyond @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = beyond;
                let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or_default();
                let octet = digit(*high) << 4 | digit(*low);
                if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
                    spelled.push(char::from(octet));
                } else {
                    push_encoded(&mut spelled, octet);
                }
            }
            (octet, _) if octet.is_ascii() => spelled.push(char::from(*octet)),
            (octet, _) => push_encoded(&mut spelled, *octet),
        }
    }
    spelled
}

fn push_encoded(text: &mut String, octet: u8) {
    text.push('%');
    let digits = [octet >> 4, octet & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0'));
    text.extend(digits.map(|digit| digit.to_ascii_uppercase()));
}

/// The bytes of a file that are read: more than the 500 KiB that the RFC wants (section 2.5).
pub(super) const FILE_MAX: usize = 512 * 1024;
/// The product token of Meta's fetcher.
pub(super) const TOKEN: &str = "facebookexternalhit";

#[cfg(test)]
mod tests {
    use super::*;

    fn may(file: &str, path: &str) -> bool {
        permission(file.as_bytes(), TOKEN, path) == Permission::Allowed
    }

    /// RFC 9309 section 5.1, asked for each of its crawlers.
    const SIMPLE: &str = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n\
        User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n\
        User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\n\
        User-Agent: quxbot\n";

    #[test]
    fn the_example_of_the_rfc_reads_as_it_says() {
        for (token, path, allowed) in [
            ("other", "/publications/", true),
            ("other", "/example/x", false),
            ("other", "/a/picture.gif", false),
            ("other", "/a/picture.gif?x", true),
            ("other", "/free", true),
            ("foobot", "/", false),
            ("foobot", "/example/page.html", true),
            ("foobot", "/example/allowed.gif", true),
            ("foobot", "/example/other", false),
            ("barbot", "/example/page.html", false),
            ("barbot", "/example/allowed.gif", true),
            ("bazbot", "/example/page.html", false),
            ("bazbot", "/a/picture.gif", true),
            ("quxbot", "/example/page.html", true),
            ("QUXBOT", "/x.gif", true),
        ] {
            let found = permission(SIMPLE.as_bytes(), token, path);
            assert_eq!(found == Permission::Allowed, allowed, "{token} {path} {found:?}");
        }
    }

    #[test]
    fn the_longest_match_decides_and_a_tie_allows() {
        let longest = "User-agent: *\nDisallow: /example/page/disallowed.gif\nAllow: /example/page/\n";
        assert!(may(longest, "/example/page/x.gif"));
        assert!(!may(longest, "/example/page/disallowed.gif"));
        assert!(may("User-agent: *\nDisallow: /x\nAllow: /x\n", "/x"));
        assert!(may("User-agent: *\nAllow: /x\nDisallow: /x\n", "/x"));
        assert!(!may("User-agent: *\nAllow: /\nDisallow: /m*.mp4\n", "/m/a.mp4"));
    }

    #[test]
    fn special_characters_and_encodings_match_as_the_rfc_says() {
        for (pattern, path, forbidden) in [
            ("/foo/bar?baz=quz", "/foo/bar?baz=quz", true),
            ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar", true),
            ("/foo/bar/\u{30c4}", "/foo/bar/%E3%83%84", true),
            ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", true),
            ("/foo/bar/%62%61%7A", "/foo/bar/baz", true),
            ("/a%2fb", "/a/b", false),
            ("/path/file-with-a-%2A.html", "/path/file-with-a-%2A.html", true),
            ("/allow/this/$", "/allow/this/", true),
            ("/allow/this/$", "/allow/this/x", false),
            ("/this/*/exactly", "/this/path/exactly", true),
            ("/this/*/exactly", "/this/path/not", false),
            ("*", "/", true),
            ("/*$", "/any", true),
            ("/a*b*c$", "/a-b-b-c", true),
            ("/a*b*c$", "/a-c-b", false),
            ("/ab*b$", "/ab", false),
            ("$", "/", false),
            ("no-slash", "/no-slash", false),
            ("", "/x", false),
            ("/%", "/%", true),
            ("/%zz", "/%zz", true),
        ] {
            assert_eq!(!may(&format!("user-agent:*\ndisallow:{pattern}"), path), forbidden, "{pattern} {path}");
        }
    }

    #[test]
    fn groups_are_found_joined_and_told_apart() {
        for (file, forbidden) in [
            ("User-agent: facebookexternalhit\nDisallow: /\n\nUser-agent: *\nAllow: /\n", true),
            ("User-agent: *\nDisallow: /\n\nUser-agent: facebookexternalhit\nAllow: /\n", false),
            ("User-agent: *\nDisallow: /\n\nUser-agent: facebookexternalhit\n", false),
            ("User-agent: FacebookExternalHit/1.1\nDisallow: /", true),
            ("User-agent: facebookexternalhitter\nDisallow: /", false),
            ("User-agent: facebook\nDisallow: /", false),
            ("User-agent: a\nSitemap: https://x/\n\nUser-agent: facebookexternalhit\nDisallow: /", true),
            ("User-agent: facebookexternalhit\nAllow: /\nUser-agent: b\nDisallow: /", false),
            ("User-agent: facebookexternalhit\nAllow: /y\n\nUser-agent: facebookexternalhit\nDisallow: /x", true),
            ("\u{feff}User-agent: *\r\nDisallow: /\r\n", true),
            ("User-agent: *\rDisallow: /\r", true),
            ("User-agent: * # all\nDisallow: / # everything", true),
            ("# Disallow: /\nDisallow: /\n", false),
            ("USER-AGENT : *\nDISALLOW : /", true),
            ("<html><body>User-agent: *</body></html>", false),
            ("", false),
        ] {
            assert_eq!(!may(file, "/x/y.jpg"), forbidden, "{file:?}");
        }
    }

    #[test]
    fn who_is_forbidden_is_told() {
        let by_name = permission(b"user-agent: facebookexternalhit\ndisallow: /x", TOKEN, "/x/y");
        assert_eq!(by_name, Permission::ForbiddenByName("Disallow: /x".to_owned()));
        let to_all = permission(b"user-agent: *\ndisallow: /", TOKEN, "/x/y");
        assert_eq!(to_all, Permission::ForbiddenToAll("Disallow: /".to_owned()));
        assert_eq!(permission(b"\xff\xfe\x00:\x01", TOKEN, "/"), Permission::Allowed);
    }

    #[test]
    fn a_hostile_file_takes_no_long_time() {
        let path = format!("/{}", "a".repeat(2000));
        let line = format!("disallow: /{}b\n", "*a".repeat(900));
        let file = format!("user-agent: *\n{}", line.repeat(250));
        assert!(may(&file, &path));
    }
}
