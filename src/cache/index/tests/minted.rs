//! What the index promises of hoards and of the holding area.

use super::*;

#[test]
fn the_holding_area_is_first_in_first_out_and_counts_whom_it_drops() {
    let stage = Stage::new(200, 64);
    // Four blocks are the sixteenth of the area that one content may have.
    (0..16).for_each(|content| stage.mint(content, 4));
    assert_eq!((stage.blocks(), stage.index.usage().prewarm_drops), ([64, 0, 0, 0], 0));
    stage.mint(16, 1);
    stage.mint(17, 4);
    assert_eq!((stage.blocks(), stage.index.usage().prewarm_drops), ([61, 8, 0, 0], 2));
    assert_eq!((stage.place(0, 3), stage.place(1, 0), stage.place(2, 0)), (PROBATION, PROBATION, HELD));
    assert!(!stage.index.claim(&fingerprint(0), || until(9)));
}

#[test]
fn one_big_video_does_not_flush_a_thousand_images() {
    let stage = Stage::new(4000, 1600);
    (0..1000).for_each(|content| stage.mint(content, 1));
    stage.mint(5000, 900);
    assert_eq!(stage.count(HELD, 0..1000), 1000);
    assert_eq!((stage.place(5000, 99), stage.place(5000, 100)), (HELD, PROBATION));
    assert_eq!((stage.blocks(), stage.index.usage().prewarm_drops), ([1100, 800, 0, 0], 0));
}

#[test]
fn a_fetch_an_expiry_or_a_revocation_ends_the_holding() {
    let stage = Stage::new(100, 64);
    (1..=4).for_each(|content| stage.mint(content, 2));
    stage.index.fetched(&fingerprint(1));
    stage.index.fetched(&fingerprint(1));
    stage.index.fetched(&fingerprint(99));
    assert_eq!((stage.place(1, 0), stage.place(1, 1), stage.blocks()), (PROBATION, PROBATION, [6, 2, 0, 0]));
    assert!(stage.index.claim(&fingerprint(2), || until(10)), "another link, for longer");
    assert!(stage.index.claim(&fingerprint(3), || until(1)), "another link, and the first one is still good");
    assert!(!stage.index.claim(&fingerprint(1), || until(10)), "it is held no more");
    stage.index.lapse(|claim| claim.expires.as_secs() <= 2);
    assert_eq!(stage.blocks(), [6, 2, 0, 0]);
    stage.index.lapse(|claim| claim.expires.as_secs() <= 3);
    assert_eq!((stage.place(3, 1), stage.blocks()), (PROBATION, [4, 4, 0, 0]));
    stage.index.lapse(|_| true);
    assert_eq!((stage.blocks(), stage.index.usage().prewarm_drops), ([0, 8, 0, 0], 0));
}

#[test]
fn what_was_fetched_once_after_a_mint_has_no_credit() {
    let stage = Stage::new(100, 64);
    for content in 0..2 {
        stage.mint(content, 1);
        assert!(stage.get(content).is_some());
        stage.index.fetched(&fingerprint(content));
    }
    assert!(stage.get(1).is_some(), "the second fetch of the second one");
    (1000..1200).for_each(|content| assert!(stage.keep(content, 0)));
    assert_eq!((stage.place(0, 0), stage.place(1, 0)), (None, PROTECTED));
}

#[test]
fn ordinary_blocks_never_push_out_held_ones() {
    let stage = Stage::new(32, 32);
    (0..32).for_each(|content| stage.mint(content, 1));
    assert!(!stage.index.keep(key(99, 0), &stage.block()));
    assert_eq!((stage.blocks(), stage.index.usage().prewarm_drops), ([32, 0, 0, 0], 0));
}

#[test]
fn without_a_holding_area_a_mint_leaves_ordinary_blocks() {
    for prewarm in [0, 15] {
        let stage = Stage::new(100, prewarm);
        stage.mint(1, 3);
        assert_eq!((stage.blocks(), stage.index.usage().prewarm_drops), ([0, 3, 0, 0], 1), "{prewarm}");
    }
}

#[test]
fn blocks_that_were_there_before_a_mint_stay_and_are_held() {
    let stage = Stage::new(100, 64);
    let (first, copy) = (stage.block(), stage.block());
    assert!(stage.index.keep(key(1, 1), &first));
    let mut hoard = stage.hoard(1);
    assert!(hoard.add(1, &copy) && hoard.add(1, &stage.block()), "a number twice is no harm");
    assert_eq!(hoard.block(1).unwrap().bytes().as_ptr(), copy.bytes().as_ptr());
    assert!(hoard.block(2).is_none());
    hoard.hold(fingerprint(1), until(5));
    assert_eq!((stage.place(1, 0), stage.place(1, 1)), (HELD, HELD));
    let found = stage.index.get(&key(1, 1)).unwrap();
    assert_eq!(found.bytes().as_ptr(), first.bytes().as_ptr());
    // The copy is hoarded for as long as this test holds it: it is memory, and nothing else counts it.
    assert_eq!(stage.blocks(), [2, 0, 0, 1]);
    drop(copy);
    assert_eq!(stage.blocks(), [2, 0, 0, 0]);
    stage.mint(2, 1);
    stage.mint(1, 2);
    assert_eq!((stage.blocks(), stage.index.usage().prewarm_drops), ([3, 0, 0, 0], 0), "minted twice, held once");
}

#[test]
fn a_hoard_is_in_nobodys_sight_until_it_is_kept() {
    let stage = Stage::new(100, 64);
    assert!(stage.keep(1, 0));
    let hoard = stage.hoard(3);
    assert_eq!(stage.blocks(), [0, 1, 0, 3]);
    assert!(!stage.index.has(&key(1, 1)));
    hoard.keep(fingerprint(1));
    assert_eq!(stage.blocks(), [0, 3, 0, 0]);
    assert!(stage.index.has(&key(1, 2)));
    stage.index.hoard().hold(fingerprint(9), until(9));
    assert_eq!(
        (stage.blocks(), stage.index.usage().prewarm_drops),
        ([0, 3, 0, 0], 0),
        "an empty content holds nothing"
    );
}

#[test]
fn a_dropped_hoard_gives_everything_back_once_nobody_holds_it() {
    let stage = Stage::new(20, 10);
    let mut hoard = stage.hoard(3);
    let reader = stage.block();
    assert!(hoard.add(3, &reader));
    drop(hoard);
    assert_eq!(stage.blocks(), [0, 0, 0, 1], "the reader's block is memory still");
    (0..20).for_each(|content| assert!(stage.keep(content, 0)));
    assert_eq!(stage.blocks(), [0, 19, 0, 1]);
    drop(reader);
    assert!(stage.keep(20, 0));
    assert_eq!((stage.blocks(), stage.index.usage().evictions), ([0, 20, 0, 0], 1));
}

#[test]
fn a_hoard_past_its_limits_is_let_go_of_as_a_whole() {
    let stage = Stage::new(40, 20);
    let mut large = stage.hoard(10);
    assert!(!large.add(10, &stage.block()), "past a quarter");
    assert_eq!(stage.blocks(), [0; 4]);
    assert!(!large.add(11, &stage.block()) && large.block(0).is_none(), "and closed for good");
    large.hold(fingerprint(1), until(9));
    assert_eq!((stage.blocks(), stage.index.usage().prewarm_drops), ([0; 4], 1));

    let mut three = [stage.hoard(9), stage.hoard(9), stage.hoard(2)];
    assert!(!three[2].add(2, &stage.block()), "all hoards past a half");
    assert_eq!(stage.blocks(), [0, 0, 0, 18]);
    assert!(three[0].add(9, &stage.block()) && stage.keep(5, 0));
    drop(three);
    assert_eq!(stage.blocks(), [0, 1, 0, 0]);
}

#[test]
fn marks_of_what_was_minted_again_and_again_do_not_pile_up() {
    let stage = Stage::new(100, 64);
    for round in 0..2000 {
        stage.mint(round % 3, 2);
        if round % 2 == 0 {
            stage.index.fetched(&fingerprint(round % 3));
        }
        stage.index.audit();
    }
    assert_eq!(stage.blocks()[1..], [6 - stage.blocks()[0], 0, 0]);
}
