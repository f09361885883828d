//! Tests of opening: known answers and every refusal.

mod hostile;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::samples::{Presigner, Signed, client, opened, signed_at};
use super::*;
use crate::link::{Revocation, RevocationSet};
use crate::presign::{AccessKeyId, PresignClient};
use crate::value::{Fingerprint, Secret};

fn why(result: Result<OpenedUrl, PresignDenial>) -> PresignDenial {
    result.expect_err("it is refused")
}

fn fault(result: Result<OpenedUrl, PresignDenial>) -> PresignFault {
    match why(result) {
        PresignDenial::Malformed(fault) => fault,
        other => panic!("{other:?} is no fault of the form"),
    }
}

/// "Authenticating Requests: Using Query Parameters" in the API reference of Amazon S3 has this URL with its key and secret.
#[test]
fn amazons_own_example_opens() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let store = "examplebucket".parse().unwrap();
    let request = PresignedRequest {
        method: Retrieval::Get,
        authority: "examplebucket.s3.amazonaws.com",
        path: "/test.txt",
        query,
        addressing: Addressing::VirtualHost(&store),
    };
    let amazons = PresignClient {
        name: "amazon".parse().unwrap(),
        access_key_id: "AKIAIOSFODNN7EXAMPLE".parse().unwrap(),
        secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
        stores: BTreeSet::from([store.clone()]),
        prefixes: Vec::new(),
    };
    let day = Duration::from_secs(86_400);
    let rules = PresignRules { expires_min: day, expires_max: day };
    let url = open(&request, &vec![amazons].into(), &rules).unwrap();
    assert_eq!((url.store(), url.key().as_str(), url.client().as_str()), (&store, "test.txt", "amazon"));
    assert_eq!(url.issued().to_string(), "2013-05-24T00:00:00Z");
    assert_eq!(url.expires().to_string(), "2013-05-25T00:00:00Z");
    let id = LinkId::of("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    assert_eq!((url.id(), format!("{url:?}")), (id, format!("OpenedUrl({id})")));
}

/// They were signed by other code than ours; only if they open does the target reach beyond the form.
#[test]
fn the_seeds_of_the_fuzz_target_open() {
    for (seed, key) in [
        (include_str!("../../../tests/fuzz/corpus/presign/plain"), "promo/winter.jpg"),
        (include_str!("../../../tests/fuzz/corpus/presign/overrides"), "promo/winter sale.jpg"),
        (include_str!("../../../tests/fuzz/corpus/presign/odd-key"), "//a +%=é😀/"),
    ] {
        let [authority, path, query] = seed.split('\n').collect::<Vec<_>>()[..] else { panic!("{seed}") };
        assert_eq!(opened(Retrieval::Get, authority, path, query).unwrap().key().as_str(), key);
    }
}

#[test]
fn what_sdks_add_is_taken_in_any_order() {
    let signed = Presigner::of("promo/winter sale.jpg")
        .with("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
        .with("x-id", "GetObject")
        .with("x-amz-checksum-mode", "ENABLED")
        .with("response-content-type", "image/JPEG")
        .with("response-content-disposition", "attachment; filename=\"winter sale.jpg\"")
        .with("response-cache-control", "public, max-age=600")
        .sign();
    let url = signed.open().unwrap();
    assert_eq!(url.key().as_str(), "promo/winter sale.jpg");
    let overrides = url.overrides();
    assert_eq!(overrides.content_type.as_ref().unwrap().as_str(), "image/jpeg");
    assert_eq!(overrides.disposition.as_ref().unwrap().as_str(), "attachment; filename=\"winter sale.jpg\"");
    assert_eq!(overrides.cache_control.as_ref().unwrap().write(60), "public, max-age=60");
    let mut pairs: Vec<_> = signed.query.split('&').collect();
    for _ in 0..pairs.len() {
        pairs.rotate_left(1);
        let turned = Signed { query: pairs.join("&"), ..signed.clone() };
        assert_eq!(turned.open().unwrap().id(), url.id(), "{}", turned.query);
    }
}

#[test]
fn a_link_for_get_answers_head_and_not_the_other_way_round() {
    let get = Presigner::of("a.jpg").sign();
    let head = Presigner { method: "HEAD", ..Presigner::of("a.jpg") }.sign();
    assert!(get.open_for(Retrieval::Get).is_ok() && get.open_for(Retrieval::Head).is_ok());
    assert!(head.open_for(Retrieval::Head).is_ok());
    assert_eq!(why(head.open_for(Retrieval::Get)), PresignDenial::Disbelieved(Disbelief::Signature));
    let put = Presigner { method: "PUT", ..Presigner::of("a.jpg") }.sign();
    for method in [Retrieval::Get, Retrieval::Head] {
        assert_eq!(why(put.open_for(method)), PresignDenial::Disbelieved(Disbelief::Signature));
    }
}

/// The fault of a sample that was changed before it was signed.
fn changed(change: impl FnOnce(&mut Presigner)) -> PresignFault {
    let mut presigner = Presigner::of("a.jpg");
    change(&mut presigner);
    fault(presigner.sign().open())
}

#[test]
fn each_fault_of_a_path_has_its_name() {
    use PresignFault as F;
    for (path, expected) in [
        ("/media/a%2fb", F::Path),
        ("/media/a%2Fb", F::Path),
        ("/media/%41", F::Path),
        ("/media/a b", F::Path),
        ("/media/a+b", F::Path),
        ("/media/a%", F::Path),
        ("/media/a%4", F::Path),
        ("/media/a%C3", F::Path),
        ("/media/%C0%AF", F::Path),
        ("/media/%ED%A0%80", F::Path),
        ("/media/\u{e9}", F::Path),
        ("media/a", F::Path),
        ("", F::Path),
        ("*", F::Path),
        ("/media/a%00b", F::Key),
        ("/media/./a", F::DotSegment),
        ("/media/a/..", F::DotSegment),
        ("/./media/a", F::DotSegment),
        ("/..", F::DotSegment),
        ("/media/", F::NoKey),
        ("/media", F::NoKey),
        ("/", F::NoKey),
    ] {
        assert_eq!(changed(|p| path.clone_into(&mut p.path)), expected, "{path}");
    }
    assert_eq!(changed(|p| p.path = format!("/media/{}", "a".repeat(1025))), F::Key);
    assert_eq!(changed(|p| p.path = format!("/media/{}", "a".repeat(4000))), F::Path);
}

#[test]
fn each_fault_of_a_parameter_has_its_name() {
    use PresignFault as F;
    for (name, value, expected) in [
        ("X-Amz-Security-Token", "abc", F::SecurityToken),
        ("X-Amz-Content-Sha256", "e3b0c442", F::Payload),
        ("x-id", "PutObject", F::Operation),
        ("x-amz-checksum-mode", "enabled", F::ChecksumMode),
        ("versionId", "1", F::Unsupported),
        ("partNumber", "1", F::Unsupported),
        ("response-content-encoding", "gzip", F::Unsupported),
        ("response-expires", "0", F::Unsupported),
        ("Response-Content-Type", "image/jpeg", F::Unsupported),
        ("X-Amz-Checksum-Mode", "ENABLED", F::Unsupported),
        ("fbclid", "1", F::Unsupported),
        ("response-content-type", "jpeg", F::ContentType),
        ("response-content-type", "text/html\r\nX: y", F::ContentType),
        ("response-content-disposition", "form-data", F::ContentDisposition),
        ("response-cache-control", "max-age=-1", F::CacheControl),
    ] {
        assert_eq!(fault(Presigner::of("a.jpg").with(name, value).sign().open()), expected, "{name}={value}");
    }
}

#[test]
fn each_fault_of_a_credential_has_its_name() {
    use PresignFault as F;
    for date in ["2026-11-21T10:20:00Z", "20261121T102000", "20261121T10200Z", "20261321T102000Z", "20261121T102060Z"] {
        assert_eq!(changed(|p| date.clone_into(&mut p.date)), F::Date, "{date}");
    }
    for expires in ["", "-1", "+900", "0900", "3600.0", "1h", "99999999999", " 900"] {
        assert_eq!(changed(|p| expires.clone_into(&mut p.expires)), F::Expires, "{expires}");
    }
    for region in ["", "eu central", "eu/west", &"r".repeat(65)] {
        assert_eq!(changed(|p| region.clone_into(&mut p.region)), F::Credential, "{region}");
    }
    assert_eq!(changed(|p| p.id = "a-b".to_owned()), F::Credential);
    assert_eq!(changed(|p| p.service = "execute-api".to_owned()), F::Service);
    for day in ["20261122", "2026112", "", "20261121T"] {
        assert_eq!(changed(|p| day.clone_into(&mut p.scope_date)), F::ScopeDate, "{day}");
    }
}

#[test]
fn a_query_that_is_not_the_signers_is_refused_by_name() {
    use PresignFault as F;
    let signed = Presigner::of("a.jpg").sign();
    let query = &signed.query;
    let asked = |query: &str| fault(opened(Retrieval::Get, "media.example.com", "/media/a.jpg", query));
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"] {
        let name = format!("X-Amz-{name}");
        let others = query.split('&').filter(|pair| !pair.starts_with(&name)).collect::<Vec<_>>().join("&");
        assert!(matches!(asked(&others), F::Missing(missing) if missing == name), "{name}");
        let again = query.split('&').find(|pair| pair.starts_with(&name)).unwrap();
        assert_eq!(asked(&format!("{query}&{again}")), F::Repeated, "{name}");
    }
    for (from, to, expected) in [
        ("%2F", "%2f", F::Query),
        ("%2F", "/", F::Query),
        ("X-Amz-Date", "X%2DAmz-Date", F::Query),
        ("X-Amz-Date", "x-amz-date", F::Unsupported),
        ("=host", "=host%3Brange", F::SignedHeaders),
        ("=host", "=Host", F::SignedHeaders),
        ("=host", "=", F::SignedHeaders),
        ("=host", "", F::Query),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", F::Algorithm),
        ("aws4_request", "aws4_Request", F::Credential),
        ("aws4_request", "aws4_request%2Fx", F::Credential),
        ("&", "&&", F::Query),
        ("&", ";", F::Query),
    ] {
        assert_eq!(asked(&query.replacen(from, to, 1)), expected, "{from} -> {to}");
    }
    for tail in ["&", "&=", "&a", "&=a", "#x", "&a=b+c", "&a=%zz", "&a=%C3%28", "&a=%2"] {
        assert_eq!(asked(&format!("{query}{tail}")), F::Query, "{tail}");
    }
    assert_eq!(asked(&format!("{query}0")), F::Signature);
    let (front, signature) = query.rsplit_once('=').unwrap();
    assert_eq!(asked(&format!("{front}={}", signature.to_uppercase())), F::Signature);
    assert_eq!(asked(""), F::Query);
}

#[test]
fn the_signature_before_this_one_is_told_apart() {
    let v2 = "AWSAccessKeyId=HPAKABCDEFGHIJKLMN22&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D&Expires=1795256400";
    let with_token = format!("{v2}&x-amz-security-token=abc");
    for query in [v2, &with_token] {
        assert!(crate::presign::is_presigned(query));
        let denial = why(opened(Retrieval::Get, "media.example.com", "/media/a.jpg", query));
        assert_eq!(denial, PresignDenial::OldSignature);
        let said = denial.to_string();
        assert!(said.contains("AWS4-HMAC-SHA256") && said.contains("signature_version='s3v4'"), "{said}");
    }
    let both = format!("{}&AWSAccessKeyId=x", Presigner::of("a.jpg").sign().query);
    assert_eq!(fault(opened(Retrieval::Get, "media.example.com", "/media/a.jpg", &both)), PresignFault::Unsupported);
}

#[test]
fn a_query_is_meant_as_presigned_however_wrong_it_is() {
    for meant in [
        "X-Amz-Signature=",
        "a=b&x-amz-date",
        "X%2DAmz-Date=1",
        "%58-Amz-Date=1",
        "a&AWSAccessKeyId=1",
        "signature=x",
        "X-AMZ-ANYTHING=1",
        "X-Amz-",
    ] {
        assert!(crate::presign::is_presigned(meant), "{meant}");
    }
    for other in ["", "fbclid=1", "a=X-Amz-Date", "X-Amz", "Signatures=1", "&&&", "%"] {
        assert!(!crate::presign::is_presigned(other), "{other}");
    }
}

#[test]
fn lifetimes_are_bounded_on_both_sides_and_both_bounds_are_allowed() {
    let asked = |expires: &str| Presigner { expires: expires.to_owned(), ..Presigner::of("a.jpg") }.sign().open();
    for good in ["900", "3600"] {
        assert!(asked(good).is_ok(), "{good}");
    }
    let (min, max) = (Duration::from_secs(900), Duration::from_secs(3600));
    for bad in [0, 1, 899, 3601, 604_800, 9_999_999_999] {
        let asked = why(asked(&bad.to_string()));
        assert_eq!(asked, PresignDenial::Lifetime { asked: Duration::from_secs(bad), min, max });
    }
    let said = why(asked("60")).to_string();
    assert_eq!(
        said,
        "X-Amz-Expires is 60 s here, from 900 s to 3600 s are allowed; sign again with a lifetime between them"
    );
}

#[test]
fn an_unknown_key_a_bad_signature_and_another_scope_look_alike() {
    let unknown = Presigner { id: "HPAKZZZZZZZZZZZZZZZZ".to_owned(), ..Presigner::of("a.jpg") };
    let forged = Presigner { secret: "hps_guess".to_owned(), ..Presigner::of("a.jpg") };
    let elsewhere = Presigner { path: "/docs/a.jpg".to_owned(), ..Presigner::of("a.jpg") };
    let no_store = Presigner { path: "/No_Store/a.jpg".to_owned(), ..Presigner::of("a.jpg") };
    let mut faces = BTreeSet::new();
    for (presigner, reason) in [
        (unknown, Disbelief::Key),
        (forged, Disbelief::Signature),
        (elsewhere, Disbelief::Scope),
        (no_store, Disbelief::Scope),
    ] {
        let denial = why(presigner.sign().open());
        assert_eq!(denial, PresignDenial::Disbelieved(reason), "{presigner:?}");
        faces.insert(denial.to_string());
    }
    assert_eq!(faces.len(), 1);
}

/// What requests of an unknown key are signed with is in the source of this program, so it must open nothing.
#[test]
fn the_stand_in_for_an_unknown_key_opens_nothing() {
    let secret = format!("hps_{}", "a".repeat(52));
    let forged = Presigner { id: "HPAKZZZZZZZZZZZZZZZZ".to_owned(), secret, ..Presigner::of("a.jpg") };
    assert_eq!(why(forged.sign().open()), PresignDenial::Disbelieved(Disbelief::Key));
}

#[test]
fn a_client_signs_for_its_prefixes_alone() {
    let scoped: PresignClients = vec![PresignClient { prefixes: vec!["promo/".to_owned()], ..client() }].into();
    for (key, within) in
        [("promo/a.jpg", true), ("promo/", true), ("promo", false), ("promos/a", false), ("/promo/a", false)]
    {
        let Signed { authority, path, query } = &Presigner::of(key).sign();
        let request = PresignedRequest { method: Retrieval::Get, authority, path, query, addressing: Addressing::Path };
        let opened = open(&request, &scoped, &PresignRules::default());
        assert_eq!(opened.is_ok(), within, "{key}");
    }
}

#[test]
fn the_host_is_signed() {
    let signed = Presigner { authority: "media.example.com:8443".to_owned(), ..Presigner::of("a.jpg") }.sign();
    assert!(signed.open().is_ok());
    for authority in
        ["media.example.com", "Media.example.com:8443", "", "a b", "a\nb", "\u{e9}", " media.example.com:8443"]
    {
        let denial = why(Signed { authority: authority.to_owned(), ..signed.clone() }.open());
        assert_eq!(denial, PresignDenial::Disbelieved(Disbelief::Signature), "{authority:?}");
    }
}

#[test]
fn time_is_judged_to_the_second() {
    let url = Arc::new(Presigner::of("a.jpg").sign().open().unwrap());
    let rules = PresignRules::default();
    let none = RevocationSet::default();
    let after = |secs: i64| {
        let secs = i64::try_from(signed_at().as_secs()).unwrap() + secs;
        url.judge(UnixTime::from_secs(u64::try_from(secs).unwrap()).unwrap(), &rules, &none)
    };
    for good in [0, 1, 3599, -60] {
        assert!(after(good).is_ok(), "{good}");
    }
    let at = signed_at().plus(Duration::from_secs(3600));
    for late in [3600, 3601, 1_000_000] {
        assert_eq!(after(late).unwrap_err(), PresignDenial::Expired { at }, "{late}");
    }
    for early in [-61, -3600, -1_000_000] {
        assert_eq!(after(early).unwrap_err(), PresignDenial::TooFarAhead, "{early}");
    }
    // A short one from the future would end in time, and go on after all that was issued until now is revoked.
    let short = Arc::new(Presigner { expires: "900".to_owned(), ..Presigner::of("a.jpg") }.sign().open().unwrap());
    let before = |secs| signed_at().minus(Duration::from_secs(secs));
    assert!(short.judge(before(60), &rules, &none).is_ok());
    assert_eq!(short.judge(before(61), &rules, &none).unwrap_err(), PresignDenial::TooFarAhead);
    let shorter = PresignRules { expires_min: rules.expires_min, expires_max: Duration::from_secs(900) };
    assert_eq!(url.judge(signed_at(), &shorter, &none).unwrap_err(), PresignDenial::TooFarAhead, "after a reload");
}

#[test]
fn each_kind_of_revocation_ends_a_presigned_url() {
    let url = Arc::new(Presigner::of("promo/a.jpg").sign().open().unwrap());
    let rules = PresignRules::default();
    let judged = |revocation: Revocation| url.judge(signed_at(), &rules, &[revocation].into_iter().collect());
    let object = |key: &str| Revocation::Object("media".parse().unwrap(), key.parse().unwrap());
    for (revocation, ends) in [
        (Revocation::Link(url.id()), true),
        (object("promo/a.jpg"), true),
        (object("promo/b.jpg"), false),
        (Revocation::Client("billing".parse().unwrap()), true),
        (Revocation::Client("shop".parse().unwrap()), false),
        (Revocation::IssuedBefore(signed_at().plus(Duration::from_secs(1))), true),
        (Revocation::IssuedBefore(signed_at()), false),
        (Revocation::Fingerprint(Fingerprint::of(b"a")), false),
    ] {
        let denied = judged(revocation.clone()).err();
        assert_eq!(denied, ends.then(|| PresignDenial::Revoked(revocation.clone())), "{revocation:?}");
    }
    let verified = url.judge(signed_at(), &rules, &RevocationSet::default()).unwrap();
    let bytes: RevocationSet = [Revocation::Fingerprint(Fingerprint::of(b"a"))].into_iter().collect();
    assert!(!verified.is_revoked_by(&bytes, None));
    assert!(!verified.is_revoked_by(&bytes, Some(Fingerprint::of(b"b"))));
    assert!(verified.is_revoked_by(&bytes, Some(Fingerprint::of(b"a"))), "once its bytes are known");
}

#[test]
fn nothing_of_the_request_is_said() {
    let secret = Presigner::of("geheim.jpg").with("geheim", "geheim");
    for denial in [
        why(secret.sign().open()),
        why(Presigner { region: "geheim geheim".to_owned(), ..Presigner::of("geheim.jpg") }.sign().open()),
        why(Presigner { path: "/geheim/geheim".to_owned(), ..Presigner::of("a") }.sign().open()),
    ] {
        assert!(!denial.to_string().contains("geheim") && !format!("{denial:?}").contains("geheim"), "{denial}");
        assert!(!denial.label().is_empty());
    }
}

#[test]
fn ids_that_we_make_are_ours_and_unlike() {
    let (one, two) = (AccessKeyId::generate().unwrap(), AccessKeyId::generate().unwrap());
    assert!(one.is_ours() && two.is_ours() && one != two && one.as_str().len() == 20);
    for other in
        ["AKIAIOSFODNN7EXAMPLE", "HPAK", "HPAKABCDEFGHIJKLMN21", "HPAKabcdefghijklmn22", "HPAKABCDEFGHIJKLMN222"]
    {
        assert!(!other.parse::<AccessKeyId>().unwrap().is_ours(), "{other}");
    }
    for bad in ["", "a b", "a/b", "é", &"a".repeat(129)] {
        assert!(bad.parse::<AccessKeyId>().is_err(), "{bad}");
    }
}
