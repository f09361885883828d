//! From the path of a link of ours to a warrant: seal, time, revocation, in this order.

use std::sync::Arc;

use super::Warrant;
use super::memo::{Memo, Name};
use super::representation::Representation;
use crate::http::BadEntityTag;
use crate::link::{Denial, InvalidReason, LinkBounds, LinkPath, OpenedGrant, Revocations, Seals};
use crate::value::UnixTime;

/// Links of ours that have opened lately.
pub(super) type Links = Memo<Seals, Opened>;

/// What a path opened to.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    grant: Arc<OpenedGrant>,
    representation: Arc<Representation>,
}

/// Opens and judges the link of `path`. The memo spares the opening and nothing else.
pub(super) fn believe(
    path: &str,
    memo: &Links,
    seals: &Arc<Seals>,
    bounds: &LinkBounds,
    revocations: &Revocations,
    now: UnixTime,
) -> Result<Warrant, Denial> {
    let judged = |opened: Opened| {
        let grant = revocations.ask(|set| opened.grant.judge(now, bounds, set))?;
        Ok(Warrant::of_link(grant, opened.representation))
    };
    // The token ends in the seal's tag.
    let token = path.rsplit_once('/').map_or("", |(token, _)| token);
    if let Some(opened) = memo.recall(name(path), token, seals)
        && seals.opens_with(opened.grant.key(), now)
    {
        return judged(opened);
    }
    let opened = open(path, seals, now)?;
    let warrant = judged(opened.clone())?;
    memo.remember(name(path), token, seals, opened);
    Ok(warrant)
}

/// All of the path counts: the seal is bound to the name segment too.
const fn name(path: &str) -> Name<'_> {
    [path, "", "", ""]
}

fn open(path: &str, seals: &Seals, now: UnixTime) -> Result<Opened, Denial> {
    let path = LinkPath::parse(path).map_err(|_| Denial::Invalid(InvalidReason::Shape))?;
    let grant = Arc::new(seals.open(&path, now)?);
    // A fingerprint's hexadecimal digits are always an entity tag.
    let representation =
        Representation::of_grant(grant.grant()).map_err(|BadEntityTag| Denial::Invalid(InvalidReason::Shape))?;
    Ok(Opened { grant, representation: Arc::new(representation) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::link::{CachePolicy, Grant, KeyState, Keyring, Link, Revocation, RevocationSet};
    use crate::value::Fingerprint;

    const ORIGIN: &str = "https://media.example.com";

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    fn grant(nonce: Option<[u8; 16]>) -> Grant {
        Grant {
            store: "media".parse().unwrap(),
            key: "promo/hero.jpg".parse().unwrap(),
            version: "v1".parse().unwrap(),
            length: 5,
            last_modified: at(500),
            fingerprint: Fingerprint::of(b"hello"),
            media_type: "image/jpeg".parse().unwrap(),
            name: "hero.jpg".parse().unwrap(),
            cache: CachePolicy::Immutable,
            profile: "meta".parse().unwrap(),
            client: "billing".parse().unwrap(),
            issued: at(1000),
            expires: at(2000),
            nonce,
        }
    }

    fn path(link: &Link) -> String {
        link.url().strip_prefix(ORIGIN).unwrap().to_owned()
    }

    /// A link that is remembered, and what it is judged by.
    struct Scene {
        keyring: Keyring,
        seals: Arc<Seals>,
        bounds: LinkBounds,
        revocations: Revocations,
        memo: Links,
        path: String,
    }

    impl Scene {
        /// The key opens links until 1800, for another one is active since 1100.
        fn new() -> Self {
            let first = Keyring::generate(at(1000)).unwrap();
            let link = seals(&first).seal(&grant(None)).unwrap();
            let (second, _) = first.rotate(at(1100), Duration::ZERO, Duration::from_secs(700)).unwrap();
            let (keyring, _) = second.rotate(at(1100), Duration::ZERO, Duration::from_secs(700)).unwrap();
            let seals = seals(&keyring);
            let (revocations, memo, path) = (Revocations::default(), Links::new(), path(&link));
            let scene = Self { keyring, seals, bounds: LinkBounds::default(), revocations, memo, path };
            assert!(scene.ask(1200).is_ok() && scene.is_remembered());
            scene
        }

        fn ask(&self, now: u64) -> Result<Warrant, Denial> {
            self.ask_for(&self.path, now)
        }

        fn ask_for(&self, path: &str, now: u64) -> Result<Warrant, Denial> {
            believe(path, &self.memo, &self.seals, &self.bounds, &self.revocations, at(now))
        }

        fn remembered(&self) -> Option<Opened> {
            let (token, _) = self.path.rsplit_once('/').unwrap();
            self.memo.recall(name(&self.path), token, &self.seals)
        }

        fn is_remembered(&self) -> bool {
            self.remembered().is_some()
        }
    }

    fn seals(keyring: &Keyring) -> Arc<Seals> {
        Arc::new(Seals::new(keyring, ORIGIN.parse().unwrap()).unwrap())
    }

    #[test]
    fn what_is_remembered_is_judged_anew_each_time() {
        let scene = Scene::new();
        let before = scene.ask(1799).unwrap();
        assert_eq!((before.store().as_str(), before.key().as_str()), ("media", "promo/hero.jpg"));
        assert_eq!(scene.ask(1800).unwrap_err(), Denial::Invalid(InvalidReason::Key), "its key is retired");
        assert_eq!(scene.ask(1799).unwrap().id(), before.id());
        let key = scene.remembered().unwrap().grant.key();
        for revocation in [
            Revocation::Link(before.id()),
            Revocation::Object("media".parse().unwrap(), "promo/hero.jpg".parse().unwrap()),
            Revocation::Fingerprint(Fingerprint::of(b"hello")),
            Revocation::Key(key),
            Revocation::Client("billing".parse().unwrap()),
            Revocation::IssuedBefore(at(1001)),
        ] {
            scene.revocations.insert(revocation.clone());
            assert_eq!(scene.ask(1200).unwrap_err(), Denial::Revoked(revocation));
            scene.revocations.replace(RevocationSet::default());
            assert!(scene.ask(1200).is_ok(), "it was lifted");
        }
    }

    #[test]
    fn what_is_remembered_expires() {
        let mut scene = Scene::new();
        // A key that is still good when the link is not.
        scene.seals = seals(&Keyring::generate(at(1000)).unwrap());
        scene.path = path(&scene.seals.seal(&grant(None)).unwrap());
        assert!(scene.ask(1999).is_ok() && scene.is_remembered());
        assert_eq!(scene.ask(2000).unwrap_err(), Denial::Expired { at: at(2000) });
    }

    #[test]
    fn after_a_reload_the_new_keys_alone_decide() {
        let mut scene = Scene::new();
        let old = std::mem::replace(&mut scene.seals, seals(&scene.keyring));
        assert!(!scene.is_remembered(), "not even under the same keys");
        assert!(scene.ask(1200).is_ok());
        let gone = Arc::downgrade(&old);
        drop(old);
        assert!(gone.upgrade().is_none(), "the memo keeps no secrets");
        let kept = scene.keyring.keys().iter().filter(|key| key.state == KeyState::Active).cloned().collect();
        scene.seals = seals(&Keyring::new(kept).unwrap());
        assert_eq!(scene.ask(1200).unwrap_err(), Denial::Invalid(InvalidReason::Key));
    }

    #[test]
    fn a_change_of_one_character_is_never_answered_from_the_memo() {
        let scene = Scene::new();
        for at in 0..scene.path.len() {
            for to in ["a", "7", "A", "/", "-", "%"] {
                let mut changed = scene.path.clone();
                changed.replace_range(at..=at, to);
                assert!(changed == scene.path || scene.ask_for(&changed, 1200).is_err(), "{at} to {to}");
            }
        }
        for changed in [format!("{}a", scene.path), scene.path.replace("/hero.", "/other."), scene.path[1..].to_owned()]
        {
            assert!(scene.ask_for(&changed, 1200).is_err(), "{changed}");
        }
        assert_eq!(scene.memo.count(), 1, "what is not ours is not remembered");
    }

    #[test]
    fn a_flood_of_good_links_fills_the_places_and_no_more() {
        let scene = Scene::new();
        for number in 0..6000_u128 {
            let link = scene.seals.seal(&grant(Some(number.to_be_bytes()))).unwrap();
            let believed = scene.ask_for(&path(&link), 1200).unwrap();
            assert_eq!(believed.id(), link.id());
        }
        assert!((1500..=Links::PLACES).contains(&scene.memo.count()), "{}", scene.memo.count());
    }

    #[test]
    fn what_was_refused_is_not_remembered() {
        let scene = Scene::new();
        let link = scene.seals.seal(&grant(Some([1; 16]))).unwrap();
        scene.revocations.insert(Revocation::Link(link.id()));
        assert!(scene.ask_for(&path(&link), 1200).is_err());
        assert_eq!(scene.memo.count(), 1);
    }
}
