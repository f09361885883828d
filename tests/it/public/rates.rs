//! How many requests a client network, or a key of the control API, may send: a flood is told to come again, a burst of Meta's passes.
//!
//! The tests' proxy is trusted, so that `X-Forwarded-For` makes clients of any network.

use serde_json::{Value, json};

use crate::kit::gateway::{Gateway, Minted, Place, request};
use crate::kit::wire::Answer;

fn place(limits: &str) -> Place {
    Place { listen: ", trusted_proxies = [\"127.0.0.0/8\"]", settings: format!("[limits]\n{limits}\n"), ..Place::new() }
}

/// Asks for `link` so many times on one connection, without waiting for answers, as clients with these addresses in turn.
async fn flood(gate: &Gateway, link: &Minted, times: usize, client: impl Fn(usize) -> String) -> Vec<Answer> {
    let mut wire = gate.public().await;
    let mut answers = Vec::with_capacity(times);
    for first in (0..times).step_by(IN_A_ROW) {
        let numbers = first..times.min(first + IN_A_ROW);
        let ask = |number| request("GET", &link.path, &[&format!("X-Forwarded-For: {}", client(number))]);
        wire.send(numbers.clone().map(ask).collect::<String>()).await;
        for _ in numbers {
            answers.push(wire.answer().await);
        }
    }
    answers
}

fn served(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test]
async fn a_network_that_floods_is_told_to_come_again_and_others_do_not_notice() {
    let gate = place("requests_per_second = 20").start().await;
    let link = gate.link("promo/hero.txt", b"the minted bytes").await;
    let began = std::time::Instant::now();
    // Its addresses are one network.
    let answers = flood(&gate, &link, 400, |number| format!("198.51.100.{}", number % 256)).await;
    let most = 40 + usize::try_from(began.elapsed().as_millis()).unwrap() / 50 + 1;
    assert!((40..=most).contains(&served(&answers)), "{} of at most {most}", served(&answers));
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    for answer in &refused {
        assert_eq!(answer.problem(), (503, "overloaded".to_owned()));
        assert_eq!(answer.field("retry-after"), Some("1"));
        assert_eq!(answer.field("connection"), None, "its connection stays open");
    }
    for other in ["198.51.101.1", "2001:db8::1"] {
        assert_eq!(served(&flood(&gate, &link, 10, |_| other.to_owned()).await), 10);
    }
    let refusals = gate.counted("hallpass_overload_refusals_total{limit=\"requests-per-second\"}").await;
    assert_eq!(refusals, refused.len() as u64);
    assert_eq!(gate.counted("hallpass_requests_total{outcome=\"overloaded\"}").await, refusals);
    // Like denials: some are written, with the number of the others; every answer is.
    let log = gate.access_log();
    let lines = log.iter().filter(|line| line["outcome"] == "overloaded");
    let told: u64 = lines.clone().map(|line| 1 + line["suppressed"].as_u64().unwrap_or(0)).sum();
    assert!(lines.count() < refused.len() / 2 && told <= refusals, "{told}");
    assert_eq!(log.iter().filter(|line| line["status"] == 200).count(), served(&answers) + 20);
}

#[tokio::test]
async fn a_flood_is_refused_before_anything_else_is_done() {
    let gate = place("requests_per_second = 1").start().await;
    let link = gate.link("promo/hero.txt", b"the minted bytes").await;
    flood(&gate, &link, 20, |_| "198.51.100.1".to_owned()).await;
    let asked = gate.origin_calls();
    let mut refused = 0;
    for path in [link.path.as_str(), "/m/x/y.jpg", "/robots.txt", "/elsewhere"] {
        let answer = gate.ask("GET", path, &["X-Forwarded-For: 198.51.100.7"]).await;
        refused += usize::from(answer.status == 503 && answer.problem().1 == "overloaded");
    }
    assert!(refused >= 2, "whatever it asked for: {refused}");
    assert_eq!(gate.origin_calls(), asked);
    // A body does not follow as a request.
    let post =
        "POST / HTTP/1.1\r\nHost: media.example.com\r\nX-Forwarded-For: 198.51.100.7\r\nContent-Length: 5\r\n\r\nGET /";
    let mut wire = gate.public().await;
    wire.send(post).await;
    assert_eq!(wire.answer().await.field("connection"), Some("close"));
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_burst_from_one_network_of_metas_passes_within_the_defaults() {
    let gate = place("").start().await;
    let link = gate.link("promo/hero.txt", b"the minted bytes").await;
    let flood = |_| async { served(&flood(&gate, &link, 500, |number| format!("31.13.24.{}", number % 256)).await) };
    let counts = futures_util::future::join_all((0..16).map(flood)).await;
    assert_eq!(counts, [500; 16], "8,000 at once are less than two seconds' worth");
    // What was quiet is forgotten.
    let began = std::time::Instant::now();
    while gate.rooms.edge.rates().networks() > 0 {
        assert!(began.elapsed().as_secs() < 20);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_key_of_the_control_api_that_floods_is_told_to_come_again_and_others_do_not_notice() {
    let gate = place("control_requests_per_second = 2").start().await;
    gate.place.put("a.txt", b"the minted bytes");
    let wish = json!({"store": "media", "key": "a.txt"});
    let batch = Value::from(vec![wish.clone(); 50]);
    let first = gate.api("POST", "/v1/links/batch", &json!({"links": batch})).await;
    let mut answers = vec![first];
    for _ in 0..30 {
        answers.push(gate.api("POST", "/v1/links", &wish).await);
    }
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses[0], 200, "{:?}", answers[0]);
    assert!(statuses[1..4].contains(&201), "a batch is one request: {statuses:?}");
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(refused.len() > 10, "{statuses:?}");
    assert_eq!(refused[0].problem().1, "too-many-requests");
    assert_eq!(refused[0].field("retry-after"), Some("1"));
    let refusals = gate.counted("hallpass_overload_refusals_total{limit=\"control-requests-per-second\"}").await;
    assert_eq!(refusals, refused.len() as u64);
    assert_eq!(gate.admin("POST", "/v1/links", &wish).await.status, 201, "another key");
}

/// How many requests are sent before their answers are read.
const IN_A_ROW: usize = 50;
