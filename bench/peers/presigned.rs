//! Presigned URLs beside links of our own: one gateway with its built-in settings, one object of 4 KiB, first by a link, then by URLs that the AWS
//! SDK for Rust signed.
//!
//! The store's word about a presigned URL's object is believed for two seconds, so the store is asked for heads meanwhile, and for nothing else.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::{Client, Config};

use crate::load::{Fleet, Group};
use crate::measure::{CONNECTIONS, Outcome};
use crate::process::tree;
use crate::servers::hallpass;
use crate::steady::steady_asking;
use crate::support::bucket::PLAIN;
use crate::support::gateway::Gateway;
use crate::support::origin::Counted;
use crate::world::{SMALL, World, asked};

/// A gateway that believes presigned URLs, and the three ways to the same bytes.
pub struct Presigned {
    gateway: Gateway,
    ways: [String; 3],
}

impl Presigned {
    pub fn build(world: &World) -> Self {
        world.origin.put(PLAIN, UNMINTED, world.bytes(SMALL.0));
        let (gateway, key) = hallpass::presigning_gateway(&world.runtime, &world.origin);
        let link = world.runtime.block_on(gateway.mint(hallpass::STORE, SMALL.0)).path;
        let client = Client::from_conf(
            Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-central-1"))
                .endpoint_url(format!("http://{}", gateway.public))
                .force_path_style(true)
                .credentials_provider(Credentials::new(key.id, key.secret, None, None, "bench"))
                .build(),
        );
        let sign = |key| world.runtime.block_on(signed(&client, key));
        let ways = [link, sign(SMALL.0), sign(UNMINTED)];
        for way in &ways {
            let answer = world.fetch(gateway.public, way, "");
            assert!(answer.body == world.expected(SMALL), "{way} is not right: {:?}", answer.head);
        }
        Self { gateway, ways }
    }

    /// Answers each second by a link, by a presigned URL, and by one of an object that nobody has minted.
    pub fn compare(&self, world: &World) -> Outcome {
        let mut outcome = Outcome::default();
        for way in &self.ways {
            let requests = Arc::from([asked(self.gateway.public, way, "").into_bytes()]);
            let group = Group { connections: CONNECTIONS, requests, status: 200, body: Some(world.expected(SMALL)) };
            let fleet = Fleet::connect(self.gateway.public, &[group]).unwrap();
            let run = steady_asking(world, fleet, &tree(self.gateway.pid()), |asked| {
                Counted { heads: 0, ..asked } == Counted::default()
            });
            outcome.values.push(run.came[0].answers as f64 / run.took.as_secs_f64());
            outcome.detail = Some(run.detail);
            outcome.faults.extend(run.faults);
        }
        outcome
    }
}

/// The path and query that fetch an object for the longest time that is allowed.
async fn signed(client: &Client, key: &str) -> String {
    let life = PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    let request = client.get_object().bucket(hallpass::STORE).key(key).presigned(life).await.unwrap();
    let uri: http::Uri = request.uri().parse().unwrap();
    uri.path_and_query().unwrap().to_string()
}

const UNMINTED: &str = "unminted-4k.bin";
