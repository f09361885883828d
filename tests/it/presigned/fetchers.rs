//! Whom presigned links are for: the profile that the settings name, by default Meta's fetchers and nobody else.

use hallpass::fetcher::{AgentRules, Mode, Profile, Profiles};

use super::{code, denied, refusal};
use crate::kit::gateway::{BROWSER, Gateway, META};
use crate::kit::presigner::{Presigner, gate, place};

async fn status(gate: &Gateway, link: &str, agent: &str, lines: &[&str]) -> u16 {
    let agent = format!("User-Agent: {agent}");
    let lines: Vec<_> = [agent.as_str()].into_iter().chain(lines.iter().copied()).collect();
    let answer = gate.ask("GET", link, &lines).await;
    if answer.status != 200 {
        assert_eq!(code(&answer), denied());
    }
    answer.status
}

#[tokio::test]
async fn by_default_metas_fetchers_are_admitted_and_nobody_else() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    let link = key.link(gate.rooms.clock.now(), "a.txt");
    for agent in [BROWSER, "curl/8.5.0", "rclone/v1.60", "Boto3/1.44.5", "aws-sdk-js/3.958.0", "", "WhatsApp/2.23.20.0"]
    {
        assert_eq!(status(&gate, &link, agent, &[]).await, 403, "{agent}");
    }
    assert_eq!(gate.origin_calls(), 0, "who is not admitted costs no store");
    for _ in 0..2 {
        assert_eq!(status(&gate, &link, META, &[]).await, 200);
        assert_eq!(status(&gate, &link, BROWSER, &[]).await, 403, "and again after it was served");
        for line in ["Cookie: a=b", "Authorization: Basic eDp5", "Authorization: AWS4-HMAC-SHA256 Credential=x"] {
            assert_eq!(status(&gate, &link, META, &[line]).await, 403, "{line}");
        }
    }
    let browser = format!("User-Agent: {BROWSER}");
    let told = refusal(&gate.ask("GET", &link, &[&browser]).await).2;
    let unsigned = refusal(&gate.get(&key.link(gate.rooms.clock.now(), "a.txt").replace("a.txt", "b.txt")).await).2;
    assert_ne!(told, unsigned, "who has a good link is told that it is the fetcher");
    assert!(gate.counted("hallpass_requests_total{outcome=\"fetcher-refused\"}").await > 0, "{}", gate.metrics().await);
}

#[tokio::test]
async fn the_settings_name_the_profile_and_it_is_not_that_of_our_own_links() {
    let key = Presigner::new("billing");
    let mut place = place(&[&key], "fetcher = \"partner\"");
    place.settings.push_str("[fetchers.partner]\nagents = [\"partner-bot\"]\nexclude_agents = []\n");
    let partner = Profile {
        name: "partner".parse().unwrap(),
        agents: AgentRules::new(["partner-bot"], []).unwrap(),
        networks: None,
        ..Profile::meta()
    };
    place.profiles.insert(partner.name.clone(), partner);
    let gate = place.start().await;
    let minted = gate.link("a.txt", b"hello").await;
    let link = key.link(gate.rooms.clock.now(), "a.txt");
    assert_eq!((status(&gate, &link, "partner-bot/2", &[]).await, status(&gate, &link, META, &[]).await), (200, 403));
    assert_eq!(gate.get(&minted.path).await.status, 200);
    let partners = gate.ask("GET", &minted.path, &["User-Agent: partner-bot/2"]).await;
    assert_eq!(partners.problem().1, "fetcher-refused");
}

#[tokio::test]
async fn observing_and_off_admit_everybody_and_a_profile_that_is_gone_nobody() {
    let (gate, key) = gate().await;
    gate.place.put("a.txt", b"hello");
    let link = key.link(gate.rooms.clock.now(), "a.txt");
    for (mode, expected) in [(Mode::Observe, 200), (Mode::Off, 200), (Mode::Enforce, 403), (Mode::Observe, 200)] {
        let profile = Profile { mode, ..Profile::meta() };
        gate.rooms.profiles.replace(Profiles::from([(profile.name.clone(), profile)]));
        assert_eq!(status(&gate, &link, BROWSER, &[]).await, expected, "{mode:?}");
        assert_eq!(code(&gate.get(&link.replace("a.txt", "b.txt")).await), denied(), "a signature is still needed");
    }
    let asked = gate.origin_calls();
    gate.rooms.profiles.replace(Profiles::new());
    assert_eq!(status(&gate, &link, META, &[]).await, 403);
    assert_eq!(gate.origin_calls(), asked);
}
