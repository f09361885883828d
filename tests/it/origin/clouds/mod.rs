//! GCS and Azure: what only a cloud says or may get wrong. Every test runs over both, each with a server of its own and a proxy before it.

mod creating;
mod faults;
mod keys;
mod secrets;

use std::sync::Arc;

use hallpass::origin::{CloudOrigin, ObjectMeta, Origin, OriginCounters, ReliableOrigin, RetryPolicy};

use crate::kit::azurite::{self, Container};
use crate::kit::chaos::Chaos;
use crate::kit::gcs::Gcs;
use crate::kit::key;

/// A bucket or a container.
enum Cloud {
    Azure(Container),
    Gcs(Gcs),
}

impl Cloud {
    /// One of each.
    async fn both() -> [Self; 2] {
        [Self::Azure(Container::create().await), Self::Gcs(Gcs::start().await)]
    }

    fn server(&self) -> &str {
        match self {
            Self::Azure(_) => azurite::server(),
            Self::Gcs(bucket) => &bucket.endpoint,
        }
    }

    fn origin(&self) -> CloudOrigin {
        self.through(self.server())
    }

    fn through(&self, server: &str) -> CloudOrigin {
        match self {
            Self::Azure(container) => container.origin_through(server),
            Self::Gcs(bucket) => bucket.origin_through(server),
        }
    }

    fn under(&self, prefix: &str) -> CloudOrigin {
        match self {
            Self::Azure(container) => container.origin_under(prefix),
            Self::Gcs(bucket) => bucket.origin_under(prefix),
        }
    }

    async fn put(&self, key: &str, bytes: &[u8]) {
        match self {
            Self::Azure(container) => container.put(key, bytes).await,
            Self::Gcs(bucket) => bucket.put(key, bytes),
        }
    }

    /// The type and the bytes that lie at a key, told by the server and not by the code under test.
    async fn get(&self, key: &str) -> (String, Vec<u8>) {
        match self {
            Self::Azure(container) => container.get(key).await,
            Self::Gcs(bucket) => bucket.get(key),
        }
    }

    /// The header that names the version of an answer.
    fn pin(&self) -> &'static str {
        match self {
            Self::Azure(_) => "etag",
            Self::Gcs(_) => "x-goog-generation",
        }
    }
}

/// A cloud with one object, and two ways to it through a proxy: bare, and dependable.
struct Scene {
    cloud: Cloud,
    chaos: Chaos,
    bare: CloudOrigin,
    reliable: ReliableOrigin,
    meta: ObjectMeta,
}

impl Scene {
    async fn both(bytes: &[u8], policy: RetryPolicy) -> Vec<Self> {
        let mut scenes = Vec::new();
        for cloud in Cloud::both().await {
            cloud.put("a", bytes).await;
            let meta = cloud.origin().head(&key("a")).await.unwrap();
            let chaos = Chaos::before(cloud.server()).await;
            let bare = cloud.through(&chaos.endpoint);
            let reliable = ReliableOrigin::new(Arc::new(bare.clone()), policy, Arc::new(OriginCounters::default()));
            scenes.push(Self { cloud, chaos, bare, reliable, meta });
        }
        scenes
    }
}
