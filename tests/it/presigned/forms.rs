//! One spelling and one set of parameters: what S3 would still take, and what nobody should, signed as it must be for S3 to take it.

use super::{bad_query, code, refusal};
use crate::kit::gateway::Gateway;
use crate::kit::presigner::{Presigner, Wish, gate, timestamp};

/// Every one of these is refused as a bad query, tells nothing of itself, and asks no store.
async fn are_bad(gate: &Gateway, causes: &[(&str, String)]) {
    let asked = gate.origin_calls();
    let mut wrong = Vec::new();
    for (cause, link) in causes {
        let answer = gate.get(link).await;
        if answer.field("content-type") != Some("application/xml") || code(&answer) != bad_query() {
            wrong.push(format!("{cause}: {link}\n    {answer:?}"));
            continue;
        }
        let message = refusal(&answer).2;
        assert!(!message.contains("canary") && !message.contains("a b.txt"), "{cause}: {message}");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), causes.len(), wrong.join("\n"));
    assert_eq!(gate.origin_calls(), asked, "no store was asked");
}

/// A gateway, a key, and what is to be signed for an object that is there and whose name needs encoding.
async fn there() -> (Gateway, Presigner, Wish) {
    let (gate, key) = gate().await;
    gate.place.put("x/a b.txt", b"hello");
    let wish = key.wish(gate.rooms.clock.now(), "x/a b.txt").with("response-content-disposition", "inline; a=\"b c~\"");
    assert_eq!(gate.get(&wish.signed(&key)).await.body, b"hello");
    (gate, key, wish)
}

#[tokio::test]
async fn another_spelling_of_a_link_is_no_link_though_its_signature_is_right_for_s3() {
    let (gate, key, wish) = there().await;
    let link = wish.signed(&key);
    let (path, query) = link.split_once('?').unwrap();
    let in_query = |from: &str, to: &str| {
        assert!(query.contains(from), "{from} in {query}");
        format!("{path}?{}", query.replacen(from, to, 1))
    };
    let at_path = |path: &str| format!("{path}?{query}");
    assert!(path.ends_with("/x/a%20b.txt"));
    are_bad(
        &gate,
        &[
            ("lower-case hex in a value", in_query("%2F", "%2f")),
            ("a slash in a value", in_query("%2F", "/")),
            ("all slashes in values", format!("{path}?{}", query.replace("%2F", "/"))),
            ("plus for space in a value", in_query("b%20c", "b+c")),
            ("an encoded letter in a value", in_query("=inline", "=%69nline")),
            ("an encoded tilde in a value", in_query("c~", "c%7E")),
            ("an encoded letter in a name", in_query("X-Amz-Date", "X-Amz-D%61te")),
            ("an encoded hyphen in a name", in_query("X-Amz-Date", "X%2DAmz-Date")),
            ("a raw quote in a value", in_query("%22", "'")),
            ("a semicolon in a value", in_query("%3B", ";")),
            ("a raw equals sign in a value", in_query("%3D", "=")),
            ("a percent sign alone", in_query("b%20c", "b%c")),
            ("half an encoding", in_query("b%20c", "b%2")),
            ("no hex", in_query("b%20c", "b%GGc")),
            ("bytes that are no text in a value", in_query("b%20c", "b%FFc")),
            ("an overlong encoding in a value", in_query("b%20c", "b%C0%AFc")),
            ("a name in another case", in_query("X-Amz-Date", "x-amz-date")),
            ("a signature's name in another case", in_query("X-Amz-Signature", "X-Amz-signature")),
            ("an empty parameter before", format!("{path}?&{query}")),
            ("an empty parameter after", format!("{path}?{query}&")),
            ("an empty parameter between", in_query("&X-Amz-Date", "&&X-Amz-Date")),
            ("semicolons between", in_query("&X-Amz-Date", ";X-Amz-Date")),
            ("a second question mark", format!("{path}??{query}")),
            ("plus for space in the path", at_path("/media/x/a+b.txt")),
            ("a lower-case letter that is encoded in the path", at_path("/media/x/a%20%62.txt")),
            ("an encoded slash in the path", at_path("/media%2Fx/a%20b.txt")),
            ("an encoded slash in the key", at_path("/media/x%2Fa%20b.txt")),
            ("lower-case hex in the path", at_path("/media/x/a%c3%a9.txt")),
            ("an encoded dot", at_path("/media/x/a%20b%2Etxt")),
            ("a percent sign alone in the path", at_path("/media/x/a%b.txt")),
            ("bytes that are no text in the path", at_path("/media/x/a%FFb.txt")),
            ("an overlong encoding in the path", at_path("/media/x%C0%AFa%20b.txt")),
            ("a NUL in the path", at_path("/media/x/a%20b.txt%00")),
            ("a sign that must be encoded", at_path("/media/x/a'b.txt")),
            ("a matrix parameter", at_path("/media/x/a%20b.txt;x=1")),
            ("a dot segment", at_path("/media/./x/a%20b.txt")),
            ("a dot segment at the end", at_path("/media/x/a%20b.txt/.")),
            ("two dots", at_path("/media/y/../x/a%20b.txt")),
            ("two dots for the store", at_path("/other/../media/x/a%20b.txt")),
            ("two dots at the end", at_path("/media/x/..")),
            ("encoded dots", at_path("/media/y/%2E%2E/x/a%20b.txt")),
            ("encoded dots in lower case", at_path("/media/y/%2e%2e/x/a%20b.txt")),
        ],
    )
    .await;
    // The order is nobody's business: SDKs have one each.
    let mut pairs: Vec<_> = query.split('&').collect();
    for _ in 0..pairs.len() {
        pairs.rotate_left(1);
        assert_eq!(gate.get(&format!("{path}?{}", pairs.join("&"))).await.body, b"hello");
    }
    pairs.reverse();
    assert_eq!(gate.get(&format!("{path}?{}", pairs.join("&"))).await.body, b"hello");
}

#[tokio::test]
async fn dot_segments_are_refused_even_where_they_are_signed() {
    let (gate, key, wish) = there().await;
    let at = |path: &str| wish.clone().on("media.example.com", path).signed(&key);
    let paths = ["/media/../x", "/media/./x", "/media/x/..", "/media/x/.", "/media/.", "/media/..", "/media/a/../../b"];
    are_bad(&gate, &paths.map(|path| (path, at(path)))).await;
    // Three dots are a name like any other.
    assert_eq!(code(&gate.get(&at("/media/.../x")).await).1, "NoSuchKey");
    assert_eq!(code(&gate.get(&at("/media/.x/..x")).await).1, "NoSuchKey");
}

#[tokio::test]
async fn a_parameter_stands_there_once_and_is_signed_and_known() {
    let (gate, key, wish) = there().await;
    let link = wish.signed(&key);
    let query = link.split_once('?').unwrap().1;
    let mut causes = Vec::new();
    for pair in query.split('&') {
        let name = pair.split('=').next().unwrap();
        causes.push(("twice", format!("{link}&{pair}")));
        causes.push(("twice, with another value", format!("{link}&{name}=canary")));
        causes.push(("twice, the other first", link.replacen('?', &format!("?{name}=canary&"), 1)));
        causes.push(("without a value", link.replacen(pair, &format!("{name}="), 1)));
        causes.push(("without an equals sign", link.replacen(pair, name, 1)));
    }
    for unsigned in [
        "fbclid=canary",
        "utm_source=canary",
        "x-id=GetObject",
        "response-content-type=text%2Fplain",
        "a",
        "=",
        "X-Amz-Canary=1",
        "versionId=canary",
        "AWSAccessKeyId=canary",
        "Signature=canary",
        "Expires=99",
        "response-expires=0",
    ] {
        causes.push(("unsigned", format!("{link}&{unsigned}")));
        causes.push(("unsigned, before", link.replacen('?', &format!("?{unsigned}&"), 1)));
    }
    causes.retain(|(_, other)| *other != link);
    // A parameter that needs no signing to be known for an unknown one has the same answer as one that does.
    let mut wrong = Vec::new();
    let asked = gate.origin_calls();
    for (cause, link) in &causes {
        let answer = gate.get(link).await;
        let told = if answer.status == 403 { super::denied() } else { bad_query() };
        // What is well written but was not signed is a bad signature; an override that means nothing is told as that.
        let is_override = code(&answer) == (400, "InvalidArgument".to_owned()) && link.contains("disposition=");
        if code(&answer) != told && !is_override {
            wrong.push(format!("{cause}: {link}\n    {answer:?}"));
        }
        assert!(!String::from_utf8(answer.body).unwrap().contains("canary"), "{cause}: {link}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(gate.origin_calls(), asked);
}

#[tokio::test]
async fn signed_parameters_that_mean_something_else_are_refused() {
    let (gate, key, wish) = there().await;
    let now = gate.rooms.clock.now();
    let date = timestamp(now);
    let scope = |scope: &str| Wish { credential: format!("{}/{scope}", key.id), ..wish.clone() }.signed(&key);
    let with = |name: &str, value: &str| wish.clone().with(name, value).signed(&key);
    let day = &date[..8];
    let dated = |date: &str| Wish { date: date.to_owned(), ..wish.clone() }.signed(&key);
    let mut causes = vec![
        ("temporary credentials", with("X-Amz-Security-Token", "canary")),
        ("an empty token", with("X-Amz-Security-Token", "")),
        ("a version", with("versionId", "canary")),
        ("a part", with("partNumber", "1")),
        ("a language", with("response-content-language", "canary")),
        ("an expiry", with("response-expires", "canary")),
        ("a coding", with("response-content-encoding", "gzip")),
        ("something of a social network's", with("fbclid", "canary")),
        ("an ACL", with("acl", "")),
        ("a listing", with("list-type", "2")),
        ("a parameter of Amazon's", with("X-Amz-Canary", "1")),
        ("another operation", with("x-id", "PutObject")),
        ("an operation in another case", with("x-id", "getobject")),
        ("checksums that are not asked for", with("x-amz-checksum-mode", "DISABLED")),
        ("a hash of a body", with("X-Amz-Content-Sha256", &"0".repeat(64))),
        ("more than the host", with("X-Amz-SignedHeaders", "host;user-agent")),
        ("not the host", with("X-Amz-SignedHeaders", "user-agent")),
        ("the host in another case", with("X-Amz-SignedHeaders", "Host")),
        ("nothing signed", with("X-Amz-SignedHeaders", "")),
        ("another algorithm", with("X-Amz-Algorithm", "AWS4-HMAC-SHA512")),
        ("a signature for several regions", with("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256")),
        ("an algorithm in another case", with("X-Amz-Algorithm", "aws4-hmac-sha256")),
        ("another service", scope(&format!("{day}/eu-central-1/ec2/aws4_request"))),
        ("a service in another case", scope(&format!("{day}/eu-central-1/S3/aws4_request"))),
        ("another ending", scope(&format!("{day}/eu-central-1/s3/aws5_request"))),
        ("no ending", scope(&format!("{day}/eu-central-1/s3"))),
        ("no region", scope(&format!("{day}//s3/aws4_request"))),
        ("a further part", scope(&format!("{day}/eu-central-1/s3/aws4_request/canary"))),
        ("another day", scope("20200101/eu-central-1/s3/aws4_request")),
        ("no day", scope("canary/eu-central-1/s3/aws4_request")),
        ("no credential", Wish { credential: String::new(), ..wish.clone() }.signed(&key)),
        ("a key id alone", Wish { credential: key.id.clone(), ..wish.clone() }.signed(&key)),
        ("a date as RFC 3339 has it", dated(&now.to_string())),
        ("a date without a time", dated(day)),
        ("a date without a zone", dated(&date[..15])),
        ("a day that there is not", dated(&format!("{}0231T000000Z", &day[..4]))),
        ("an hour that there is not", dated(&format!("{day}T250000Z"))),
        ("a date with a space", dated(&format!(" {date}"))),
        ("no date", dated("")),
    ];
    for bad in [
        "",
        "0",
        "-1",
        "+900",
        "0900",
        " 900",
        "900 ",
        "900.0",
        "9e2",
        "0x384",
        "15m",
        "1,000",
        "٩٠٠",
        "4294968196",
        "18446744073709552516",
        "99999999999999999999999999",
        "canary",
    ] {
        causes.push((
            "a lifetime that is no number of seconds within the bounds",
            wish.clone().lasting(bad).signed(&key),
        ));
    }
    let link = wish.signed(&key);
    let (rest, signature) = link.split_once("X-Amz-Signature=").unwrap();
    for bad in [
        signature.to_uppercase(),
        signature[1..].to_owned(),
        format!("{signature}0"),
        "canary".to_owned(),
        String::new(),
    ] {
        causes.push(("a signature that is none", format!("{rest}X-Amz-Signature={bad}")));
    }
    are_bad(&gate, &causes).await;
    let (_, _, message) = refusal(&gate.get(&with("X-Amz-Security-Token", "canary")).await);
    assert!(message.contains("X-Amz-Security-Token") || message.to_lowercase().contains("token"), "{message}");
}

#[tokio::test]
async fn a_parameter_that_is_missing_is_missed() {
    let (gate, key, wish) = there().await;
    let link = wish.signed(&key);
    let (path, query) = link.split_once('?').unwrap();
    let needed = ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"];
    for name in needed {
        let rest: Vec<_> = query.split('&').filter(|pair| !pair.starts_with(&format!("X-Amz-{name}="))).collect();
        are_bad(&gate, &[(name, format!("{path}?{}", rest.join("&")))]).await;
        // A target that has one of them alone is still meant as a link of S3's.
        let alone = query.split('&').find(|pair| pair.starts_with(&format!("X-Amz-{name}="))).unwrap();
        are_bad(&gate, &[(name, format!("{path}?{alone}"))]).await;
    }
}

#[tokio::test]
async fn absurd_lengths_are_refused_and_cost_no_store() {
    let (gate, key, wish) = there().await;
    let asked = gate.origin_calls();
    for (cause, link) in [
        ("a long key", wish.clone().on("media.example.com", &format!("/media/{}", "k".repeat(1025))).signed(&key)),
        ("a long override", wish.clone().with("x", &"v".repeat(6000)).signed(&key)),
        ("many parameters", format!("{}{}", wish.signed(&key), "&a=b".repeat(1500))),
        ("a long key id", Wish { credential: "K".repeat(5000), ..wish.clone() }.signed(&key)),
        ("no key", wish.clone().on("media.example.com", "/media/").signed(&key)),
        ("no key and no slash", wish.clone().on("media.example.com", "/media").signed(&key)),
        ("nothing at all", wish.clone().on("media.example.com", "/").signed(&key)),
    ] {
        let answer = gate.get(&link).await;
        assert!(matches!(answer.status, 400 | 403 | 404 | 414 | 431), "{cause}: {answer:?}");
    }
    assert_eq!(gate.origin_calls(), asked);
    let longest = "k".repeat(1024);
    let answer = gate.get(&key.link(gate.rooms.clock.now(), &longest)).await;
    assert_eq!(refusal(&answer).1, "NoSuchKey", "a key may be that long, though a file's name may not");
}
