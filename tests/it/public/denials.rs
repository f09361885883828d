//! Links that are not believed: one face for all that did not open, the order of judgement, and not one call to a store.

use std::time::Duration;

use hallpass::link::{Grant, Keyring, LinkPath, PublicOrigin, Seals};
use hallpass::value::Clock;
use serde_json::{Value, json};

use crate::kit::gateway::{BROWSER, Gateway, Minted, ORIGIN, Place};

/// A gateway with a held clock, a link to what does not lie in memory, and what the store was asked until now.
async fn minted() -> (Gateway, Minted, usize) {
    let (gate, link) = Place::held().cold_link("promo/hero.txt", b"the minted bytes").await;
    let asked = gate.origin_calls();
    (gate, link, asked)
}

/// What `link` says, read with the gateway's own keys.
fn opened(gate: &Gateway, link: &Minted) -> Grant {
    let (seals, now) = (gate.rooms.seals.keep(), gate.rooms.clock.now());
    let path = LinkPath::parse(&link.path).unwrap();
    seals.open(&path, now).unwrap().grant().clone()
}

/// The path of a link for `grant`, sealed for this origin by these keys.
fn sealed(keyring: &Keyring, origin: &str, grant: &Grant) -> String {
    let origin: PublicOrigin = origin.parse().unwrap();
    let seals = Seals::new(keyring, origin.clone()).unwrap();
    seals.seal(grant).unwrap().url().strip_prefix(origin.as_str()).unwrap().to_owned()
}

#[tokio::test]
async fn everything_that_does_not_open_has_one_face() {
    let (gate, link, asked) = minted().await;
    let grant = opened(&gate, &link);
    let (token, name) = (link.token(), link.name());
    let stranger = Keyring::generate(gate.rooms.clock.now()).unwrap();
    let days = Duration::from_secs(7 * 24 * 3600);
    let far = Grant { expires: gate.rooms.clock.now().plus(days), ..grant.clone() };
    let tail = |tail: &str| format!("/m/{token}{tail}/{name}");
    let causes = [
        ("a bad seal", format!("/m/{}/{name}", changed(token, token.len() / 2, 'a', 'b'))),
        ("an unknown key", sealed(&stranger, ORIGIN, &grant)),
        ("another name", format!("/m/{token}/other.{}", name.split_once('.').unwrap().1)),
        ("another extension", format!("/m/{token}/{}", name.replace(".txt", ".exe"))),
        ("another origin", sealed(&gate.place.keyring, "https://staging.example.com", &grant)),
        ("too far ahead", sealed(&gate.place.keyring, ORIGIN, &far)),
        ("an unknown format", format!("/m/{}/{name}", changed(token, 0, 'b', 'c'))),
        ("upper case", format!("/m/{}/{name}", token.to_uppercase())),
        ("padding", tail("=")),
        ("a tail", tail("a")),
        ("a longer tail", tail("aaaaaaaa")),
        ("cut short", format!("/m/{}/{name}", &token[..token.len() - 8])),
        ("a head alone", format!("/m/{}/{name}", &token[..8])),
        ("an empty token", format!("/m//{name}")),
        ("no name", format!("/m/{token}")),
        ("an empty name", format!("/m/{token}/")),
        ("a further segment", format!("/m/{token}/{name}/x")),
        ("nothing", "/m/".to_owned()),
        ("a short text", "/m/a/b.jpg".to_owned()),
        ("a long text", format!("/m/{}/{name}", "a".repeat(5000))),
        ("a path for a key id", format!("/m/..-..-x/{name}")),
    ];
    let face = gate.get(&causes[0].1).await.face();
    for (cause, path) in &causes {
        let answer = gate.get(path).await;
        assert_eq!(answer.problem(), (403, "link-invalid".to_owned()), "{cause}");
        assert_eq!(answer.face(), face, "{cause}");
        let head = gate.ask("HEAD", path, &[]).await;
        assert_eq!((&head.status_line, head.block()), (&face.0, face.1.clone()), "{cause}");
    }
    assert_eq!(gate.origin_calls(), asked, "no store was asked");
    assert_eq!(gate.get(&link.path).await.status, 200, "and the link itself works");
}

/// `text` with another character at `at`.
fn changed(text: &str, at: usize, one: char, other: char) -> String {
    let with = if text[at..].starts_with(one) { other } else { one };
    text.chars().enumerate().map(|(n, c)| if n == at { with } else { c }).collect()
}

#[tokio::test]
async fn a_changed_character_anywhere_in_the_path_refuses() {
    let (gate, link, asked) = minted().await;
    let mut wire = gate.public().await;
    let mut tried = 0;
    for at in "/m/".len()..link.path.len() {
        for with in ['a', '7', 'A', '1'] {
            let path: String = link.path.chars().enumerate().map(|(n, c)| if n == at { with } else { c }).collect();
            if path == link.path {
                continue;
            }
            wire.send(crate::kit::gateway::request("GET", &path, &[])).await;
            let answer = wire.answer().await;
            assert_eq!(answer.status, 403, "{with} at {at} of {}", link.path);
            tried += 1;
        }
    }
    assert!(tried > 500);
    assert_eq!(gate.origin_calls(), asked);
}

#[tokio::test]
async fn a_link_ends_at_its_expiry_to_the_second_however_hot_its_bytes_are() {
    let (gate, link, _) = minted().await;
    for _ in 0..3 {
        assert_eq!(gate.get(&link.path).await.status, 200);
    }
    let asked = gate.origin_calls();
    gate.place.clock.set(link.expires.minus(Duration::from_secs(1)));
    assert_eq!(gate.get(&link.path).await.status, 200, "the last second");
    assert_eq!(gate.origin_calls(), asked, "its bytes are hot");
    over(&gate, &link).await;
    gate.place.clock.set(link.expires.minus(Duration::from_secs(1)));
    assert_eq!(gate.get(&link.path).await.status, 200, "a clock that was set back");
    // Nor is a store asked for what is cold.
    over(&gate.cold().await, &link).await;
}

/// From its expiry on the link is over for every request, and no store hears of it.
async fn over(gate: &Gateway, link: &Minted) {
    let asked = gate.origin_calls();
    for after in [0, 1, 3600, 400 * 24 * 3600] {
        gate.place.clock.set(link.expires.plus(Duration::from_secs(after)));
        for lines in [&[][..], &["Range: bytes=0-0"], &["If-None-Match: *"], &["If-Match: \"x\""]] {
            let answer = gate.ask("GET", &link.path, lines).await;
            assert_eq!(answer.problem(), (410, "link-expired".to_owned()), "{after} s after, {lines:?}");
        }
    }
    assert_eq!(gate.origin_calls(), asked);
}

#[tokio::test]
async fn the_longest_life_is_enforced_by_whoever_opens_and_not_only_at_the_mint() {
    let (gate, link, asked) = minted().await;
    let (now, grant) = (gate.rooms.clock.now(), opened(&gate, &link));
    let longest = gate.rooms.bounds.ttl_max().as_secs() + 60;
    for (life, status) in [(longest, 200), (longest + 1, 403), (24 * 3600, 403)] {
        let expires = now.plus(Duration::from_secs(life));
        let path = sealed(&gate.place.keyring, ORIGIN, &Grant { expires, ..grant.clone() });
        let answer = gate.get(&path).await;
        assert_eq!(answer.status, status, "{life} s");
    }
    assert_eq!(gate.origin_calls(), asked + 1);
}

#[tokio::test]
async fn judgement_goes_seal_time_revocation_profile_bytes() {
    let (gate, text) = Place::held().cold_link("a.txt", b"hello").await;
    let asked = gate.origin_calls();
    let browser = format!("User-Agent: {BROWSER}");
    let both = [browser.as_str(), "Range: bytes=99-"];
    // Profile before bytes.
    let refused = gate.ask("GET", &text.path, &both).await;
    assert_eq!(refused.problem(), (403, "fetcher-refused".to_owned()));
    assert_eq!(gate.ask("GET", &text.path, &["Range: bytes=99-"]).await.problem().1, "range-unsatisfiable");
    // Revocation before profile.
    assert_eq!(gate.api("DELETE", &format!("/v1/links/{}", text.id), &Value::Null).await.status, 200);
    assert_eq!(gate.ask("GET", &text.path, &both).await.problem(), (410, "link-revoked".to_owned()));
    // Time before revocation.
    gate.place.clock.set(text.expires);
    assert_eq!(gate.ask("GET", &text.path, &both).await.problem(), (410, "link-expired".to_owned()));
    // Seal before time.
    let at = text.path.len() - 3;
    let bad = changed(&text.path, at, 'a', 'b');
    assert_eq!(gate.ask("GET", &bad, &both).await.problem(), (403, "link-invalid".to_owned()));
    assert_eq!(gate.origin_calls(), asked);
}

#[tokio::test]
async fn a_link_of_a_key_that_is_gone_or_only_accepted_is_judged_by_the_keyring_in_force() {
    let (gate, link, _) = minted().await;
    let now = gate.rooms.clock.now();
    let life = gate.rooms.bounds.longest_life();
    let (next, _) = gate.place.keyring.rotate(now, Duration::ZERO, life).unwrap();
    let (rotated, _) = next.rotate(now, Duration::ZERO, life).unwrap();
    for keyring in [&next, &rotated] {
        gate.rooms.seals.replace(Seals::new(keyring, ORIGIN.parse().unwrap()).unwrap());
        assert_eq!(gate.get(&link.path).await.status, 200, "a rotation loses no link");
    }
    let second = gate.mint(json!({ "key": "promo/hero.txt" })).await;
    assert_ne!(second.url, link.url, "the new key seals");
    gate.rooms.seals.replace(Seals::new(&gate.place.keyring, ORIGIN.parse().unwrap()).unwrap());
    assert_eq!(gate.get(&second.path).await.problem().1, "link-invalid");
    assert_eq!(gate.get(&link.path).await.status, 200);
    let stranger = Keyring::generate(now).unwrap();
    gate.rooms.seals.replace(Seals::new(&stranger, ORIGIN.parse().unwrap()).unwrap());
    assert_eq!(gate.get(&link.path).await.problem().1, "link-invalid");
}

#[tokio::test]
async fn every_cause_is_counted_by_its_own_name_and_logged_without_the_path() {
    let (gate, link, _) = minted().await;
    let grant = opened(&gate, &link);
    let stranger = Keyring::generate(gate.rooms.clock.now()).unwrap();
    let day = Duration::from_secs(24 * 3600);
    let far = Grant { expires: gate.rooms.clock.now().plus(day), ..grant.clone() };
    let (token, name) = (link.token(), link.name());
    for (reason, path) in [
        ("shape", "/m/".to_owned()),
        ("spelling", format!("/m/{}/{name}", token.to_uppercase())),
        ("format", format!("/m/{}/{name}", changed(token, 0, 'b', 'c'))),
        ("key", sealed(&stranger, ORIGIN, &grant)),
        ("seal", format!("/m/{token}/x{name}")),
        ("too-far-ahead", sealed(&gate.place.keyring, ORIGIN, &far)),
    ] {
        let series = format!("hallpass_denials_total{{reason=\"{reason}\"}}");
        assert_eq!(gate.counted(&series).await, 0, "{reason}");
        assert_eq!(gate.get(&path).await.status, 403);
        assert_eq!(gate.counted(&series).await, 1, "{reason}");
        let logged = gate.access_log().pop().unwrap();
        assert_eq!((&logged["status"], &logged["denial"]), (&json!(403), &json!(reason)), "{logged}");
        let logged = logged.to_string();
        assert!(!logged.contains(&token[..20]) && !logged.contains("/m/"), "{logged}");
    }
    assert_eq!(gate.counted("hallpass_requests_total{outcome=\"link-invalid\"}").await, 6);
}

#[tokio::test]
async fn a_flood_of_bogus_tokens_is_counted_whole_and_logged_thinly() {
    let (gate, link, asked) = minted().await;
    let mut wire = gate.public().await;
    for n in 0..300 {
        wire.send(crate::kit::gateway::request("GET", &format!("/m/bogus{n}/{}", link.name()), &[])).await;
        assert_eq!(wire.answer().await.status, 403);
    }
    assert_eq!(gate.counted("hallpass_requests_total{outcome=\"link-invalid\"}").await, 300);
    assert_eq!(gate.access_log().len(), 10, "the held clock stands within one second");
    gate.place.clock.advance(Duration::from_secs(10));
    gate.get("/m/x/y.jpg").await;
    assert_eq!(gate.access_log().pop().unwrap()["suppressed"], 290);
    assert_eq!(gate.origin_calls(), asked);
}

#[tokio::test]
async fn a_mint_by_a_clock_that_runs_far_ahead_makes_no_link_that_works() {
    let (gate, _, _) = minted().await;
    let ahead = Clock::held_at(gate.rooms.clock.now().plus(Duration::from_secs(3600)));
    let request = hallpass::mint::MintRequest::new(
        "media".parse().unwrap(),
        "promo/hero.txt".parse().unwrap(),
        "meta".parse().unwrap(),
    );
    let minted = gate.rooms.minter.by(ahead).mint(&"billing".parse().unwrap(), &request).await.unwrap();
    let path = minted.link.url().strip_prefix(ORIGIN).unwrap();
    assert_eq!(gate.get(path).await.problem().1, "link-invalid");
}
