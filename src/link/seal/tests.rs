//! The seal against everything that was ever tried on one.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::link::grant::tests::{any_grant, sample};
use crate::link::keyring::tests::key;
use crate::link::{LinkBounds, Revocation, RevocationSet};

const ORIGIN: &str = "https://media.example.com";

fn seals_of(keys: Vec<crate::link::Key>, origin: &str) -> Seals {
    Seals::new(&Keyring::new(keys).unwrap(), origin.parse().unwrap()).unwrap()
}

fn seals() -> Seals {
    seals_of(vec![key(1, KeyState::Active)], ORIGIN)
}

fn path_of(link: &Link) -> String {
    link.url().strip_prefix(ORIGIN).unwrap().to_owned()
}

fn open(seals: &Seals, path: &str) -> Result<Grant, Denial> {
    let path = LinkPath::parse(path).map_err(|_| Denial::Invalid(InvalidReason::Shape))?;
    seals.open(&path, now()).map(|opened| opened.grant().clone())
}

fn now() -> UnixTime {
    sample().issued
}

fn refused(result: Result<Grant, Denial>) -> InvalidReason {
    match result {
        Err(Denial::Invalid(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn what_was_sealed_opens_to_the_same_grant(grant in any_grant()) {
        let seals = seals();
        let link = seals.seal(&grant).unwrap();
        prop_assert_eq!(&link, &seals.seal(&grant).unwrap());
        prop_assert_eq!(open(&seals, &path_of(&link)), Ok(grant));
    }

    #[test]
    fn any_one_character_change_anywhere_in_the_path_refuses(at in any::<prop::sample::Index>(), to in any::<char>(), plain in "[a-zA-Z0-9./-]") {
        let seals = seals();
        let path = path_of(&seals.seal(&sample()).unwrap());
        let at = at.index(path.len());
        for to in [to, plain.chars().next().unwrap()] {
            let mut changed = path.clone();
            changed.replace_range(at..=at, to.encode_utf8(&mut [0; 4]));
            if changed != path {
                prop_assert!(open(&seals, &changed).is_err(), "{}", changed);
            }
        }
        let mut without = path.clone();
        without.remove(at);
        prop_assert!(open(&seals, &without).is_err(), "without {at}");
        let mut with = path.clone();
        with.insert(at, 'a');
        prop_assert!(open(&seals, &with).is_err(), "with one more at {at}");
    }
}

#[test]
fn a_seal_holds_for_its_own_origin_key_and_name_alone() {
    let link = seals().seal(&sample()).unwrap();
    let path = path_of(&link);
    let elsewhere = seals_of(vec![key(1, KeyState::Active)], "https://staging.example.com");
    assert_eq!(refused(open(&elsewhere, &path)), InvalidReason::Seal);
    let other_key = crate::link::Key { id: KeyId([1; 4]), ..key(2, KeyState::Active) };
    assert_eq!(refused(open(&seals_of(vec![other_key], ORIGIN), &path)), InvalidReason::Seal);
    let renamed = path.replace("hero", "zero");
    assert_eq!(refused(open(&seals(), &renamed)), InvalidReason::Seal);
}

#[test]
fn a_token_of_another_purpose_does_not_open() {
    let seals = seals();
    let sealing = &seals.keys[0];
    let mut sealed = Vec::new();
    sample().encode(&mut sealed);
    let name = NameSegment::of(&sample());
    let mut bound = Vec::new();
    for part in [&b"hallpass webhook"[..], &[FORMAT], &sealing.id.0, ORIGIN.as_bytes(), name.as_str().as_bytes()] {
        bound.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        bound.extend(part);
    }
    sealing.key.seal_in_place_append_tag(nonce(), Aad::from(&bound), &mut sealed).unwrap();
    sealed.splice(0..0, sealing.head());
    let path = format!("/m/{}/{}", BASE32.encode(&sealed), name.as_str());
    assert_eq!(refused(open(&seals, &path)), InvalidReason::Seal);
}

#[test]
fn the_key_decides_what_opens() {
    let until = now().plus(Duration::from_secs(60));
    let ring = |state| seals_of(vec![key(1, state), key(2, KeyState::Active)], ORIGIN);
    let path = path_of(&seals().seal(&sample()).unwrap());
    assert!(open(&ring(KeyState::Next), &path).is_ok());
    assert!(open(&ring(KeyState::Accept { until }), &path).is_ok());
    assert_eq!(refused(open(&ring(KeyState::Accept { until: now() }), &path)), InvalidReason::Key);
    assert_eq!(refused(open(&ring(KeyState::Retired), &path)), InvalidReason::Key);
    assert_eq!(refused(open(&seals_of(vec![key(2, KeyState::Active)], ORIGIN), &path)), InvalidReason::Key);
    assert_eq!(ring(KeyState::Next).active_key(), Some(KeyId([2; 4])));
}

#[test]
fn hostile_tokens_are_refused_by_their_shape() {
    let seals = seals();
    let path = path_of(&seals.seal(&sample()).unwrap());
    let (token, name) = path.strip_prefix("/m/").unwrap().split_once('/').unwrap();
    let with = |token: &str| refused(open(&seals, &format!("/m/{token}/{name}")));
    assert_eq!(with(&token.to_uppercase()), InvalidReason::Spelling);
    assert_eq!(with("a"), InvalidReason::Shape);
    assert_eq!(with(&token[..8]), InvalidReason::Seal);
    assert_eq!(with(&"a".repeat(Link::TOO_LONG)), InvalidReason::Format);
    let longest = format!("{}{}", &token[..8], "a".repeat(Link::TOO_LONG - 8));
    assert_eq!(with(&longest), InvalidReason::Seal);
    assert_eq!(with(&format!("{}a", &token[..8])), InvalidReason::Spelling);
    assert_eq!(with(&format!("{token}----")), InvalidReason::Spelling);
    assert_eq!(with("../../x"), InvalidReason::Shape);
    for other in [&token[..token.len() - 8], &format!("{token}aaaaaaaa"), &token[..token.len() - 1]] {
        assert!(matches!(with(other), InvalidReason::Spelling | InvalidReason::Seal), "{other}");
    }
    for spare in ["b", "c", "7"] {
        // The last digit of most tokens carries spare bits; a token that sets them is another spelling of the same bytes.
        let mut other = token.to_owned();
        other.pop();
        other.push_str(spare);
        if other != token {
            assert!(matches!(with(&other), InvalidReason::Spelling | InvalidReason::Seal));
        }
    }
}

#[test]
fn time_is_judged_before_revocation() {
    let seals = seals();
    let grant = sample();
    let path = path_of(&seals.seal(&grant).unwrap());
    let opened = Arc::new(seals.open(&LinkPath::parse(&path).unwrap(), now()).unwrap());
    let bounds = LinkBounds::default();
    let revoked: RevocationSet = [Revocation::Fingerprint(grant.fingerprint)].into_iter().collect();
    let judge = |time: UnixTime, set: &RevocationSet| opened.judge(time, &bounds, set).map(|_| ());
    let none = RevocationSet::default();
    let last = grant.expires.minus(Duration::from_secs(1));
    assert_eq!(judge(last, &none), Ok(()));
    assert_eq!(judge(grant.expires, &none), Err(Denial::Expired { at: grant.expires }));
    assert_eq!(judge(grant.expires, &revoked), Err(Denial::Expired { at: grant.expires }));
    assert_eq!(judge(last, &revoked), Err(Denial::Revoked(Revocation::Fingerprint(grant.fingerprint))));
    let earliest = grant.expires.minus(bounds.longest_life());
    assert_eq!(judge(earliest, &none), Ok(()));
    let early = earliest.minus(Duration::from_secs(1));
    assert_eq!(judge(early, &none), Err(Denial::Invalid(InvalidReason::TooFarAhead)));
    assert!(judge(UnixTime::MAX, &none).is_err() && judge(UnixTime::EPOCH, &none).is_err(), "clock steps do not panic");
}

#[test]
fn an_ordinary_link_is_short_and_one_that_is_too_long_is_refused_with_both_lengths() {
    let ordinary = seals().seal(&sample()).unwrap();
    assert!(ordinary.url().len() < 450, "{}", ordinary.url().len());
    let long = Grant { key: "k".repeat(1024).parse().unwrap(), ..sample() };
    let error = seals().seal(&long).unwrap_err();
    let SealError::TooLong { length, limit } = error else { panic!("{error:?}") };
    assert!(length > limit && limit == 1024);
    assert!(error.to_string().contains("1024") && error.to_string().contains(&length.to_string()));
}

#[test]
fn nothing_secret_is_printed() {
    let link = seals().seal(&sample()).unwrap();
    let said = format!("{link:?} {:?}", seals());
    assert!(!said.contains("/m/") && !said.contains("secret"), "{said}");
}
