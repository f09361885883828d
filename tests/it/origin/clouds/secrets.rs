//! Who we are in a cloud: refused credentials are ours to mend, and none of them is ever said.

use hallpass::origin::{
    AzureCredentials, AzureSettings, CloudOrigin, GcsCredentials, GcsSettings, Origin, OriginError,
};
use hallpass::value::Secret;

use super::{Cloud, Scene};
use crate::kit::azurite::{self, Container};
use crate::kit::chaos::{Chaos, Fault};
use crate::kit::gcs::{self, Gcs};
use crate::kit::{fetch, key};

fn sas(container: &Container) -> AzureSettings {
    AzureSettings { credentials: AzureCredentials::SasToken(Secret::new(azurite::sas_token())), ..container.settings() }
}

/// Parts of everything secret that is in play here.
fn secrets() -> Vec<String> {
    let pem = gcs::service_account();
    let signature = azurite::sas_token();
    let signature = signature.split_once("sig=").unwrap().1;
    let line = pem.split("\\n").nth(3).unwrap();
    [&azurite::ACCESS_KEY[10..30], &signature[..20], &line[..20], "eyJ0eXAi", "eyJhbGci"].map(str::to_owned).to_vec()
}

fn says_no_secret(said: &str) {
    for secret in secrets() {
        assert!(!said.contains(&secret), "{secret} in {said}");
    }
}

#[tokio::test]
async fn a_shared_access_signature_reads_and_is_never_said() {
    let container = Container::create().await;
    container.put("a b", b"bytes").await;
    assert_eq!(fetch(&CloudOrigin::open_azure(&sas(&container)).unwrap(), &key("a b")).await.unwrap(), "bytes");
    let chaos = Chaos::before(azurite::server()).await;
    let endpoint = Some(format!("{}/{}", chaos.endpoint, azurite::ACCOUNT));
    let origin = CloudOrigin::open_azure(&AzureSettings { endpoint, ..sas(&container) }).unwrap();
    for fault in [
        Fault::Status(403),
        Fault::Status(500),
        Fault::Lie(|_| String::new()),
        Fault::Lie(|_| "nonsense\r\n\r\n".into()),
    ] {
        chaos.then([fault.clone(), fault]);
        let said = [origin.head(&key("a b")).await.map(|_| ()), origin.probe().await].map(Result::unwrap_err);
        says_no_secret(&format!("{said:?} {} {} {origin:?}", said[0], said[1]));
    }
    assert!(chaos.seen()[0].contains("sig="), "the secret was in play");
}

#[tokio::test]
async fn no_error_names_a_secret() {
    for scene in Scene::both(b"bytes", hallpass::origin::RetryPolicy::default()).await {
        for fault in [
            Fault::Status(401),
            Fault::Status(403),
            Fault::Status(500),
            Fault::Lie(|_| String::new()),
            Fault::Lie(|_| "nonsense\r\n\r\n".into()),
            Fault::Lie(|_| "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".into()),
        ] {
            scene.chaos.then([fault.clone(), fault.clone()]);
            let said = [scene.bare.head(&key("a")).await.map(|_| ()), scene.bare.probe().await];
            assert!(said[0].is_err(), "{fault:?}");
            for said in said.into_iter().filter_map(Result::err) {
                says_no_secret(&format!("{said} {said:?} {:?}", scene.bare));
                assert!(!said.to_string().contains("http://"), "{said}");
            }
        }
        let settings = match &scene.cloud {
            Cloud::Azure(container) => format!("{:?}{:?}", container.settings(), sas(container)),
            Cloud::Gcs(bucket) => format!("{:?}", bucket.settings()),
        };
        says_no_secret(&settings);
    }
}

#[tokio::test]
async fn wrong_credentials_are_denied_and_never_taken_for_gone() {
    let container = Container::create().await;
    container.put("a", b"bytes").await;
    let meta = container.origin().head(&key("a")).await.unwrap();
    let other = AzureCredentials::AccessKey(Secret::new("bm90IHRoZSBrZXk=".to_owned()));
    let stranger = CloudOrigin::open_azure(&AzureSettings { credentials: other, ..container.settings() }).unwrap();
    let span = hallpass::value::ByteSpan::whole(5).unwrap();
    for said in [
        stranger.probe().await,
        stranger.head(&key("a")).await.map(|_| ()),
        stranger.head(&key("absent")).await.map(|_| ()),
        stranger.read(&key("a"), &meta.version, span).await.map(|_| ()),
    ] {
        assert!(matches!(said, Err(OriginError::Denied(_))), "{said:?}");
    }
    let bucket = Gcs::start().await;
    let other = gcs::service_account().replace("hallpass@", "stranger@");
    let other = GcsCredentials::ServiceAccount(Secret::new(other));
    let stranger = CloudOrigin::open_gcs(&GcsSettings { credentials: other, ..bucket.settings() }).unwrap();
    for said in [stranger.probe().await, stranger.head(&key("a")).await.map(|_| ())] {
        assert!(matches!(said, Err(OriginError::Denied(_))), "{said:?}");
    }
}

#[tokio::test]
async fn an_absent_bucket_or_container_is_told() {
    let settings = AzureSettings { container: "nobody".to_owned(), ..Container::create().await.settings() };
    let azure = CloudOrigin::open_azure(&settings).unwrap();
    let bucket = Gcs::start().await;
    let google = CloudOrigin::open_gcs(&GcsSettings { bucket: "nobody".to_owned(), ..bucket.settings() }).unwrap();
    for origin in [azure, google] {
        let said = origin.probe().await;
        assert!(matches!(&said, Err(OriginError::Failed(why)) if why.contains("does not exist")), "{said:?}");
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let (container, bucket) = (Container::create().await, Gcs::start().await);
    let good = container.settings();
    let secret = |text: &str| Secret::new(text.to_owned());
    for bad in [
        AzureSettings { endpoint: Some("http://user:password@host".into()), ..good.clone() },
        AzureSettings { endpoint: Some("host".into()), ..good.clone() },
        AzureSettings { prefix: Some("a/../b".into()), ..good.clone() },
        AzureSettings { credentials: AzureCredentials::AccessKey(secret("!hunter2!")), ..good.clone() },
        AzureSettings { credentials: AzureCredentials::SasToken(secret("hunter2")), ..good },
    ] {
        let said = CloudOrigin::open_azure(&bad).map(|_| ()).unwrap_err();
        assert!(matches!(said, OriginError::Failed(_)), "{bad:?}");
        assert!(!said.to_string().contains("hunter2"), "{said}");
    }
    let good = bucket.settings();
    for bad in [
        GcsSettings { endpoint: Some("http://user:password@host".into()), ..good.clone() },
        GcsSettings { prefix: Some("a//b".into()), ..good.clone() },
        GcsSettings {
            credentials: GcsCredentials::ServiceAccount(secret("{\"private_key\": [\"hunter2\"]}")),
            ..good.clone()
        },
        GcsSettings { credentials: GcsCredentials::ServiceAccount(secret("\"hunter2\"")), ..good },
    ] {
        let said = CloudOrigin::open_gcs(&bad).map(|_| ()).unwrap_err();
        assert!(matches!(said, OriginError::Failed(_)), "{bad:?}");
        assert!(!said.to_string().contains("hunter2"), "{said}");
    }
}
