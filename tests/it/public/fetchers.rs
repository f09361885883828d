//! Whom a good link is for: agent or network, judged on every request, with the forgeable things believed from nobody.

use hallpass::fetcher::{Mode, Require};
use serde_json::json;

use crate::kit::gateway::{BROWSER, Gateway, META, Minted, Place};

/// An address of Meta's, and one of nobody's.
const INSIDE: &str = "157.240.1.1";
const OUTSIDE: &str = "198.51.100.7";

async fn linked(place: Place) -> (Gateway, Minted) {
    place.cold_link("a.txt", b"hello").await
}

async fn status(gate: &Gateway, link: &Minted, agent: &str, lines: &[&str]) -> u16 {
    let agent = format!("User-Agent: {agent}");
    let lines: Vec<_> = [agent.as_str()].into_iter().chain(lines.iter().copied()).collect();
    let answer = gate.ask("GET", &link.path, &lines).await;
    if answer.status == 403 {
        assert_eq!(answer.problem().1, "fetcher-refused");
    }
    answer.status
}

/// This machine as a proxy that is believed.
fn behind_a_proxy() -> Place {
    Place { listen: ", trusted_proxies = [\"127.0.0.1/32\"]", ..Place::new() }
}

#[tokio::test]
async fn a_link_that_was_just_served_is_judged_as_if_it_never_was() {
    let (gate, link) = linked(Place::new()).await;
    for _ in 0..2 {
        assert_eq!(status(&gate, &link, META, &[]).await, 200);
        assert_eq!(status(&gate, &link, BROWSER, &[]).await, 403);
        assert_eq!(status(&gate, &link, META, &["Cookie: a=b"]).await, 403);
        let elsewhere = format!("GET {} HTTP/1.1\r\nHost: evil.example\r\nUser-Agent: {META}\r\n\r\n", link.path);
        assert_eq!(gate.raw(elsewhere).await.problem(), (421, "misdirected".to_owned()));
    }
    gate.revoke(json!({ "link": link.id })).await;
    assert_eq!(gate.get(&link.path).await.problem(), (410, "link-revoked".to_owned()));
}

#[tokio::test]
async fn metas_agents_are_admitted_and_others_are_not() {
    let (gate, link) = linked(Place::new()).await;
    for agent in [META, "facebookexternalhit/1.1", "FacebookExternalHit/1.1"] {
        assert_eq!(status(&gate, &link, agent, &[]).await, 200, "{agent}");
    }
    let gate = gate.cold().await;
    let asked = gate.origin_calls();
    for agent in [
        BROWSER,
        "curl/8.5.0",
        "",
        "Facebot",
        "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "x facebookexternalhit/1.1",
        "WhatsApp/2.23.20.0",
        "WhatsApp/2.2 facebookexternalhit/1.1",
        "Mozilla/5.0 (compatible; facebookexternalhit/1.1)",
        &format!("facebookexternalhit/1.1 {}", "a".repeat(9000)),
    ] {
        assert_eq!(status(&gate, &link, agent, &[]).await, 403, "{agent:.60}");
    }
    let twice = ["User-Agent: facebookexternalhit/1.1", "User-Agent: curl/8"];
    assert_eq!(gate.ask("GET", &link.path, &twice).await.problem().1, "fetcher-refused");
    assert_eq!(gate.origin_calls(), asked);
    let bare = format!("GET {} HTTP/1.1\r\nHost: media.example.com\r\n\r\n", link.path);
    assert_eq!(gate.raw(bare).await.problem().1, "fetcher-refused", "no agent at all");
}

#[tokio::test]
async fn cookies_and_credentials_are_refused_even_from_meta() {
    let (gate, link) = linked(Place::new()).await;
    for line in ["Cookie: a=b", "Cookie:", "Authorization: Bearer x", "authorization: Basic eDp5", "COOKIE: c"] {
        assert_eq!(status(&gate, &link, META, &[line]).await, 403, "{line}");
    }
    assert_eq!(gate.counted("hallpass_denials_total{reason=\"forbidden-header\"}").await, 5);
}

#[tokio::test]
async fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
    let forwarded = |value: &str| format!("X-Forwarded-For: {value}");
    let (gate, link) = linked(Place::new()).await;
    for value in [INSIDE, "157.240.1.1, 157.240.1.1", "::ffff:157.240.1.1"] {
        assert_eq!(status(&gate, &link, BROWSER, &[&forwarded(value)]).await, 403, "forged: {value}");
    }
    let (gate, link) = linked(behind_a_proxy()).await;
    for (value, expected) in [
        (INSIDE, 200),
        ("::ffff:157.240.1.1", 200),
        ("2a03:2880::1", 200),
        (OUTSIDE, 403),
        // Right to left: what a client wrote itself stands further left and is not reached.
        ("157.240.1.1, 198.51.100.7", 403),
        ("198.51.100.7, 157.240.1.1", 200),
        ("198.51.100.7, 157.240.1.1, 127.0.0.1", 200),
        ("157.240.1.1, garbage", 403),
        ("157.240.1.1, garbage, 127.0.0.1", 403),
        ("garbage", 403),
        ("", 403),
    ] {
        assert_eq!(status(&gate, &link, BROWSER, &[&forwarded(value)]).await, expected, "{value}");
    }
    assert_eq!(status(&gate, &link, BROWSER, &[]).await, 403, "the proxy itself is not Meta");
    let lines = [forwarded(INSIDE), forwarded(OUTSIDE)];
    assert_eq!(status(&gate, &link, BROWSER, &[&lines[0], &lines[1]]).await, 403, "all lines are one list");
    let lines = [forwarded(OUTSIDE), forwarded(INSIDE)];
    assert_eq!(status(&gate, &link, BROWSER, &[&lines[0], &lines[1]]).await, 200);
    for other in [
        "X-Real-IP: 157.240.1.1",
        "Forwarded: for=157.240.1.1",
        "True-Client-IP: 157.240.1.1",
        "X-Client-IP: 157.240.1.1",
    ] {
        assert_eq!(status(&gate, &link, BROWSER, &[other]).await, 403, "{other}");
    }
}

#[tokio::test]
async fn each_requirement_asks_for_what_it_says() {
    for (require, agent_only, network_only, both, neither) in [
        (Require::Any, 200, 200, 200, 403),
        (Require::All, 403, 403, 200, 403),
        (Require::Agent, 200, 403, 200, 403),
        (Require::Network, 403, 200, 200, 403),
    ] {
        let mut place = behind_a_proxy();
        place.profiles.values_mut().for_each(|profile| profile.require = require);
        let (gate, link) = linked(place).await;
        let inside = format!("X-Forwarded-For: {INSIDE}");
        let told = [
            status(&gate, &link, META, &[]).await,
            status(&gate, &link, BROWSER, &[&inside]).await,
            status(&gate, &link, META, &[&inside]).await,
            status(&gate, &link, BROWSER, &[]).await,
        ];
        assert_eq!(told, [agent_only, network_only, both, neither], "{require:?}");
    }
}

#[tokio::test]
async fn observing_admits_everybody_and_counts_whom_it_would_not() {
    let mut place = Place::new();
    place.profiles.values_mut().for_each(|profile| profile.mode = Mode::Observe);
    let (gate, link) = linked(place).await;
    assert_eq!(status(&gate, &link, BROWSER, &["Cookie: a=b"]).await, 200);
    let series =
        "hallpass_fetcher_verdicts_total{profile=\"meta\",agent=\"other\",network=\"outside\",verdict=\"observed\"}";
    assert_eq!(gate.counted(series).await, 1, "{}", gate.metrics().await);
    // A link is still needed.
    assert_eq!(gate.get("/m/bogus/a.jpg").await.status, 403);
}

#[tokio::test]
async fn refusals_are_counted_and_every_request_leaves_its_facts() {
    let (gate, link) = linked(Place::new()).await;
    status(&gate, &link, META, &["Range: bytes=0-1"]).await;
    status(&gate, &link, BROWSER, &[]).await;
    let verdict = |agent: &str, verdict: &str| {
        format!(
            "hallpass_fetcher_verdicts_total{{profile=\"meta\",agent=\"{agent}\",network=\"outside\",verdict=\"{verdict}\"}}"
        )
    };
    assert_eq!(gate.counted(&verdict("match", "admitted")).await, 1);
    assert_eq!(gate.counted(&verdict("other", "refused")).await, 1);
    assert_eq!(gate.counted("hallpass_requests_total{outcome=\"fetcher-refused\"}").await, 1);
    assert_eq!(gate.counted("hallpass_requests_total{outcome=\"served\"}").await, 1);
    assert_eq!(gate.counted("hallpass_denials_total{reason=\"agent-and-network\"}").await, 1);
    let lines = gate.access_log();
    let expect = |line: &serde_json::Value, members: serde_json::Value| {
        for (name, value) in members.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name} of {line}");
        }
    };
    expect(
        &lines[0],
        json!({"link": link.id, "store": "media", "minted_by": "billing", "status": 206, "outcome": "served", "method": "GET",
            "http": "HTTP/1.1", "range": "bytes=0-1", "agent": META, "agent_class": "match", "network": "outside",
            "client": "127.0.0.1", "bytes": 2, "completed": true}),
    );
    expect(
        &lines[1],
        json!({"link": link.id, "status": 403, "outcome": "fetcher-refused", "denial": "agent-and-network"}),
    );
    // And so does the catalog, for whoever asks after the link.
    gate.rooms.catalog.flush().await.unwrap();
    let story = gate.api("GET", &format!("/v1/links/{}", link.id), &serde_json::Value::Null).await.json();
    let fetches = story["fetches"].as_array().unwrap();
    let seen: Vec<_> =
        fetches.iter().map(|fetch| (fetch["status"].as_u64().unwrap(), fetch["bytes"].as_u64().unwrap())).collect();
    assert_eq!(seen.len(), 2, "{story}");
    assert!(seen.contains(&(206, 2)) && seen.iter().any(|(status, _)| *status == 403), "{story}");
}

#[tokio::test]
async fn a_profile_that_a_reload_took_away_admits_nobody() {
    let (gate, link) = linked(Place::new()).await;
    let asked = gate.origin_calls();
    let profiles = gate.rooms.profiles.keep();
    gate.rooms.profiles.replace(hallpass::fetcher::Profiles::new());
    assert_eq!(status(&gate, &link, META, &[]).await, 403);
    assert_eq!(gate.counted("hallpass_denials_total{reason=\"no-profile\"}").await, 1);
    assert_eq!(gate.origin_calls(), asked);
    gate.rooms.profiles.replace((*profiles).clone());
    assert_eq!(status(&gate, &link, META, &[]).await, 200);
}
