//! A link with one character changed, missing, doubled or out of place: nothing of the kind is served, and no store hears of it.

use std::collections::BTreeSet;

use crate::kit::gateway::{Gateway, request};
use crate::kit::presigner::{Presigner, gate};

/// What a character is replaced by, besides those around it.
const OTHERS: &[u8] = b"aZ09fF%+/=&?-._~;,:!'()*$@[]|\\\"<>{}^`";
/// How many requests are sent before their answers are read.
const BATCH: usize = 40;

/// Every mutation of one character of `link`: another, the same in the other case, none, twice, or swapped with the next.
fn mutations(link: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let text = link.as_bytes();
    for at in 0..text.len() {
        let (before, here, after) = (&text[..at], text[at], &text[at + 1..]);
        let flipped = if here.is_ascii_lowercase() { here.to_ascii_uppercase() } else { here.to_ascii_lowercase() };
        let near = [here + 1, here - 1, flipped];
        for other in OTHERS.iter().copied().chain(near).filter(|&other| other != here && (0x21..0x7f).contains(&other))
        {
            all.insert([before, &[other], after].concat());
        }
        all.insert([before, after].concat());
        all.insert([before, &[here, here], after].concat());
        if let Some((next, rest)) = after.split_first() {
            all.insert([before, &[*next, here], rest].concat());
        }
    }
    // A request without a path is none, and a `#` ends a target before anybody sees it.
    let texts = all.into_iter().map(|bytes| String::from_utf8(bytes).unwrap());
    texts.filter(|text| text != link && text.starts_with('/') && !text.contains('#')).collect()
}

/// Sends them all over few connections, and gives those that were not refused.
async fn served(gate: &Gateway, targets: &BTreeSet<String>) -> Vec<String> {
    let targets: Vec<_> = targets.iter().collect();
    let mut served = Vec::new();
    let mut wire = gate.public().await;
    for batch in targets.chunks(BATCH) {
        let mut at = 0;
        while at < batch.len() {
            let requests: String = batch[at..].iter().map(|target| request("GET", target, &[])).collect();
            wire.send(requests).await;
            // What is no target at all is refused by the parser, which ends the connection.
            while at < batch.len() {
                let Ok(answer) = wire.try_answer(false).await else { break };
                if !matches!(answer.status, 400 | 403 | 404) {
                    served.push(format!("{}: {answer:?}", batch[at]));
                }
                at += 1;
                if answer.field("connection") == Some("close") {
                    break;
                }
            }
            if at < batch.len() {
                wire = gate.public().await;
            }
        }
    }
    served
}

#[tokio::test]
async fn every_mutation_of_one_character_of_a_link_is_refused() {
    let (gate, key) = gate().await;
    gate.place.put("promo/a b.txt", b"hello");
    gate.place.put("promo/a c.txt", b"other");
    let disposition = "attachment; filename=\"a b.txt\"";
    let wish = key.wish(gate.rooms.clock.now(), "promo/a b.txt").with("response-content-disposition", disposition);
    let link = wish.with("x-id", "GetObject").signed(&key);
    let good = gate.get(&link).await;
    assert_eq!((good.status, &*good.body), (200, &b"hello"[..]), "{good:?}");
    let asked = gate.origin_calls();
    let all = mutations(&link);
    assert!(all.len() > 10_000, "{}", all.len());
    let wrong = served(&gate, &all).await;
    assert!(wrong.is_empty(), "{} of {} were not refused:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert_eq!(gate.origin_calls(), asked, "no store was asked");
    assert_eq!(gate.get(&link).await.face().2, good.body, "and the link itself still works");
}

#[tokio::test]
async fn a_signature_is_for_its_host_and_its_method() {
    let key = Presigner::new("billing");
    let place = crate::kit::presigner::place(&[&key], "");
    let gate = crate::kit::gateway::Place { listen: ", hosts = [\"cdn.example.com\"]", ..place }.start().await;
    gate.place.put("a.txt", b"hello");
    let wish = key.wish(gate.rooms.clock.now(), "a.txt");
    let (link, of_cdn) = (wish.signed(&key), wish.clone().on("cdn.example.com", "/media/a.txt").signed(&key));
    let with_port = wish.on("media.example.com:443", "/media/a.txt").signed(&key);
    let at_cdn = |link: &str| request("GET", link, &[]).replace("Host: media.example.com", "Host: cdn.example.com");
    assert_eq!((gate.get(&link).await.status, gate.raw(at_cdn(&of_cdn)).await.status), (200, 200));
    for wrong in [gate.get(&of_cdn).await, gate.raw(at_cdn(&link)).await, gate.get(&with_port).await] {
        assert_eq!(super::code(&wrong), super::denied());
    }
}
