//! When a link works: from its date on, for as long as it says, within the bounds of the settings, however hot its bytes are.

use std::time::Duration;

use super::{bad_query, code, denied, refusal};
use crate::kit::presigner::{Presigner, gate, place};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test]
async fn a_link_ends_at_its_expiry_to_the_second() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    let now = gate.rooms.clock.now();
    let link = key.wish(now, "a.txt").lasting("900").signed(&key);
    for _ in 0..3 {
        assert_eq!(gate.get(&link).await.body, b"hello");
    }
    gate.place.clock.set(now.plus(secs(899)));
    assert_eq!(gate.get(&link).await.body, b"hello", "its last second");
    let asked = gate.origin_calls();
    for after in [900, 901, 4000, 400 * 24 * 3600] {
        gate.place.clock.set(now.plus(secs(after)));
        for lines in [&[][..], &["Range: bytes=0-0"], &["If-None-Match: *"], &["User-Agent: Mozilla/5.0"]] {
            let (status, code, message) = refusal(&gate.ask("GET", &link, lines).await);
            assert_eq!(
                (status, &*code, &*message),
                (403, "AccessDenied", "Request has expired"),
                "{after} s, {lines:?}"
            );
        }
    }
    assert_eq!(gate.origin_calls(), asked);
    gate.place.clock.set(now.plus(secs(899)));
    assert_eq!(gate.get(&link).await.body, b"hello", "a clock that was set back");
}

#[tokio::test]
async fn lifetimes_have_bounds_and_none_is_clamped() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    let now = gate.rooms.clock.now();
    for (expires, works) in [
        (1, false),
        (60, false),
        (899, false),
        (900, true),
        (901, true),
        (3600, true),
        (3601, false),
        (7200, false),
        (604_800, false),
        (604_801, false),
    ] {
        let answer = gate.get(&key.wish(now, "a.txt").lasting(&expires.to_string()).signed(&key)).await;
        if works {
            assert_eq!(answer.body, b"hello", "{expires}");
            continue;
        }
        assert_eq!(code(&answer), bad_query(), "{expires}");
        let message = refusal(&answer).2;
        assert!(message.contains("900") && message.contains("3600"), "it says what may be asked for: {message}");
    }
    // Bounds come before the signature's verdict is told, so who asks for too much hears it; and a bad signature gets no better answer.
    let other = Presigner::new("stranger");
    let answer = gate.get(&other.wish(now, "a.txt").lasting("604800").signed(&other)).await;
    assert!(code(&answer) == bad_query() || code(&answer) == denied());
}

#[tokio::test]
async fn the_settings_say_how_long_links_may_live() {
    let key = Presigner::new("billing");
    let gate = place(&[&key], "expires_min = \"1m\"\nexpires_max = \"7d\"").start().await;
    gate.place.put("a.txt", b"hello");
    let now = gate.rooms.clock.now();
    for (expires, status) in [("59", 400), ("60", 200), ("604800", 200), ("604801", 400)] {
        assert_eq!(gate.get(&key.wish(now, "a.txt").lasting(expires).signed(&key)).await.status, status, "{expires}");
    }
}

#[tokio::test]
async fn no_link_ends_further_ahead_than_the_longest_life_and_a_minute() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    let now = gate.rooms.clock.now();
    for (ahead, expires, works) in [
        (0, 3600, true),
        (60, 3600, true),
        (61, 3600, false),
        (60, 900, true),
        // It would end in time, and go on after all that was issued until now is revoked.
        (61, 900, false),
        (2760, 900, false),
        (24 * 3600, 900, false),
        (3650 * 24 * 3600, 900, false),
    ] {
        let wish = key.wish(now.plus(secs(ahead)), "a.txt").lasting(&expires.to_string());
        let answer = gate.get(&wish.signed(&key)).await;
        if works {
            assert_eq!(answer.body, b"hello", "{ahead} s ahead, for {expires}");
        } else {
            assert_eq!(code(&answer), bad_query(), "{ahead} s ahead, for {expires}");
        }
    }
    // What was too far ahead is not remembered as that.
    let link = key.wish(now.plus(secs(3600)), "a.txt").signed(&key);
    assert_eq!(code(&gate.get(&link).await), bad_query());
    gate.place.clock.set(now.plus(secs(3600)));
    assert_eq!(gate.get(&link).await.body, b"hello");
}

#[tokio::test]
async fn links_at_the_ends_of_time_are_refused_and_nothing_panics() {
    let (gate, key) = gate().await;
    let good = key.wish(gate.rooms.clock.now(), "a.txt");
    for year in ["0000", "0001", "1969", "1970", "2000", "9999"] {
        for rest in ["0101T000000Z", "1231T235959Z", "0229T000000Z"] {
            let date = format!("{year}{rest}");
            let credential = good.credential.replace(&good.date[..8], &date[..8]);
            let link = crate::kit::presigner::Wish { date: date.clone(), credential, ..good.clone() }.signed(&key);
            let answer = gate.get(&link).await;
            assert!([bad_query(), denied()].contains(&code(&answer)), "{date}: {answer:?}");
        }
    }
    assert_eq!(gate.origin_calls(), 0);
}
