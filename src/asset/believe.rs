//! From a request path to a grant that is believed: seal, time, revocation, in this order.

use std::sync::Arc;

use super::face::Face;
use super::memo::{Memo, Opened};
use crate::http::BadEntityTag;
use crate::link::{Denial, InvalidReason, LinkBounds, LinkPath, Revocations, Seals, VerifiedGrant};
use crate::value::UnixTime;

/// A grant that is believed, and what answers about it say.
#[derive(Clone, Debug)]
pub(super) struct Believed {
    pub(super) grant: VerifiedGrant,
    pub(super) face: Arc<Face>,
}

/// Opens and judges the link of `path`. The memo spares the opening and nothing else.
pub(super) fn believe(
    path: &str,
    memo: &Memo,
    seals: &Arc<Seals>,
    bounds: &LinkBounds,
    revocations: &Revocations,
    now: UnixTime,
) -> Result<Believed, Denial> {
    let judged = |opened: Opened| {
        let grant = revocations.ask(|set| opened.grant.judge(now, bounds, set))?;
        Ok(Believed { grant, face: opened.face })
    };
    if let Some(opened) = memo.recall(path, seals, now) {
        return judged(opened);
    }
    let opened = open(path, seals, now)?;
    let believed = judged(opened.clone())?;
    memo.remember(path, seals, &opened);
    Ok(believed)
}

fn open(path: &str, seals: &Seals, now: UnixTime) -> Result<Opened, Denial> {
    let path = LinkPath::parse(path).map_err(|_| Denial::Invalid(InvalidReason::Shape))?;
    let grant = Arc::new(seals.open(&path, now)?);
    // A fingerprint's hexadecimal digits are always an entity tag.
    let face = Face::of(grant.grant()).map_err(|BadEntityTag| Denial::Invalid(InvalidReason::Shape))?;
    Ok(Opened { grant, face: Arc::new(face) })
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
        memo: Memo,
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
            let (revocations, memo, path) = (Revocations::default(), Memo::new(), path(&link));
            let scene = Self { keyring, seals, bounds: LinkBounds::default(), revocations, memo, path };
            assert!(scene.ask(1200).is_ok() && scene.is_remembered());
            scene
        }

        fn ask(&self, now: u64) -> Result<Believed, Denial> {
            self.ask_for(&self.path, now)
        }

        fn ask_for(&self, path: &str, now: u64) -> Result<Believed, Denial> {
            believe(path, &self.memo, &self.seals, &self.bounds, &self.revocations, at(now))
        }

        fn is_remembered(&self) -> bool {
            self.memo.recall(&self.path, &self.seals, at(1200)).is_some()
        }
    }

    fn seals(keyring: &Keyring) -> Arc<Seals> {
        Arc::new(Seals::new(keyring, ORIGIN.parse().unwrap()).unwrap())
    }

    #[test]
    fn what_is_remembered_is_judged_anew_each_time() {
        let scene = Scene::new();
        let before = scene.ask(1799).unwrap();
        assert_eq!(*before.grant.grant(), grant(None));
        assert_eq!(scene.ask(1800).unwrap_err(), Denial::Invalid(InvalidReason::Key), "its key is retired");
        assert_eq!(scene.ask(1799).unwrap().grant.id(), before.grant.id());
        let key = scene.memo.recall(&scene.path, &scene.seals, at(1200)).unwrap().grant.key();
        for revocation in [
            Revocation::Link(before.grant.id()),
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
            assert_eq!(believed.grant.id(), link.id());
        }
        assert!((1500..=Memo::PLACES).contains(&scene.memo.count()), "{}", scene.memo.count());
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
