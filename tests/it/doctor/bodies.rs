//! Answers that Meta would not take, or would take for something else.

use std::collections::BTreeSet;

use crate::kit::broken::{Fault, Media};

use super::{Clinic, Told, file, photo, photo_of, video};

async fn examined(media: Media, fault: Fault) -> Told {
    let clinic = Clinic::open();
    let server = clinic.server(media, fault).await;
    clinic.examine(&server, &[]).await
}

#[tokio::test]
async fn a_redirect_is_followed_by_nobody() {
    let told = examined(photo(), Fault::Redirect("https://cdn.example.net/winter-sale.jpg".to_owned())).await;
    told.fails_at("redirect", &["302", "cdn.example.net"], &[]);
}

#[tokio::test]
async fn a_page_in_place_of_the_media_is_told_by_its_type() {
    examined(photo(), Fault::Page).await.fails_at("media-type", &["text/html"], &[]);
}

#[tokio::test]
async fn bytes_without_a_type_are_told_with_the_type_they_have() {
    let told = examined(photo(), Fault::Declared("application/octet-stream")).await;
    told.fails_at("media-type", &["application/octet-stream"], &["image/jpeg"]);
    let told = examined(photo(), Fault::Declared("image/png")).await;
    told.fails_at("media-type", &["image/png"], &["image/jpeg"]);
}

#[tokio::test]
async fn what_is_too_large_for_its_header_is_told_with_the_limit() {
    examined(photo_of(5_000_001), Fault::Nothing).await.fails_at("size", &["5"], &[]);
    let clinic = Clinic::open();
    let server = clinic.server(photo_of(4_999_999), Fault::Nothing).await;
    let told = clinic.examine(&server, &["--header", "image"]).await;
    assert_eq!((told.code, told.with("failure")), (0, BTreeSet::new()), "a little less is none too much: {told:#?}");
}

#[tokio::test]
async fn a_movie_whose_index_comes_last_is_told_with_how_to_move_it() {
    let media = Media { bytes: file("tests/media/moov-last.mp4"), ..video() };
    examined(media, Fault::Nothing).await.fails_at("playable", &["moov"], &["faststart"]);
}

#[tokio::test]
async fn chunks_without_a_length_are_told() {
    let told = examined(photo(), Fault::Chunked).await;
    told.says("length", &["content-length"], &["content-length"]);
    assert!(told.with("failure").is_empty() || told.with("failure").into_iter().eq(["length".to_owned()]), "{told:#?}");
}

#[tokio::test]
async fn ranges_with_the_wrong_bytes_or_the_wrong_head_are_told() {
    for (fault, check) in [
        (Fault::RangeOfOtherBytes, "range"),
        (Fault::RangeSaidWrongly, "range"),
        (Fault::SuffixOfOtherBytes, "suffix-range"),
    ] {
        for length in [0, 900_000] {
            let told = examined(photo_of(length), fault.clone()).await;
            told.fails_at(check, &[], &[]);
        }
    }
    let told = examined(photo(), Fault::NoRanges).await;
    assert_eq!((told.code, told.with("failure").len()), (0, 0), "a server need not know ranges: {told:#?}");
    told.says("range", &["200"], &[]);
}

#[tokio::test]
async fn a_wall_against_metas_agent_alone_is_found_by_asking_as_another() {
    let told = examined(photo(), Fault::Blocks("facebookexternalhit")).await;
    told.fails_at("agents", &["403", "facebookexternalhit"], &[]);
}
