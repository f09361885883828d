//! What SDKs make of our errors: the code and the message that stand there, as if S3 had said so.

use std::time::Duration;

use super::refusal;
use crate::kit::gateway::BROWSER;
use crate::kit::presigner::{Presigner, gate};
use crate::kit::presigner_clients::{SDKS, Session};

#[tokio::test]
async fn every_error_parses_as_one_of_s3s() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    gate.place.put("page.html", b"<html><script>alert(1)</script></html>");
    let now = gate.rooms.clock.now();
    let wish = key.wish(now, "a.txt");
    let (link, stranger) = (wish.signed(&key), Presigner::new("stranger"));
    let expired = wish.clone().at(now.minus(Duration::from_secs(9000))).signed(&key);
    let browser = format!("User-Agent: {BROWSER}");
    let answers = [
        ("AccessDenied", gate.get(&stranger.link(now, "a.txt")).await),
        ("AccessDenied", gate.get(&expired).await),
        ("AccessDenied", gate.ask("GET", &link, &[&browser]).await),
        ("AccessDenied", gate.get(&key.link(now, "page.html")).await),
        ("InvalidRequest", gate.get("/media/a.txt?AWSAccessKeyId=a&Signature=b&Expires=1").await),
        ("AuthorizationQueryParametersError", gate.get(&format!("{link}&fbclid=%3C%26amp%3B%3E")).await),
        ("AuthorizationQueryParametersError", gate.get(&wish.clone().lasting("60").signed(&key)).await),
        ("InvalidArgument", gate.get(&wish.clone().with("response-cache-control", "<forever>").signed(&key)).await),
        ("InvalidArgument", gate.get(&wish.clone().with("response-content-type", "image/png").signed(&key)).await),
        ("NoSuchKey", gate.get(&key.link(now, "absent & <gone>.txt")).await),
        ("PreconditionFailed", gate.ask("GET", &link, &["If-Match: \"other\""]).await),
        ("InvalidRange", gate.ask("GET", &link, &["Range: bytes=99-"]).await),
        ("MethodNotAllowed", gate.ask("POST", &link, &["Content-Length: 0"]).await),
    ];
    for (code, answer) in &answers {
        assert_eq!(refusal(answer).1, *code, "{answer:?}");
    }
    let all: Vec<_> = answers.iter().map(|(_, answer)| answer.clone()).collect();
    for sdk in SDKS {
        let understood = Session::new(sdk, "http://127.0.0.1:1", &key).understand(&all).await;
        assert_eq!(understood.len(), all.len());
        for (answer, understood) in all.iter().zip(understood) {
            assert_eq!(understood, Some(refusal(answer)), "{sdk:?} of {answer:?}");
        }
    }
}
