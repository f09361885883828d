//! How many files and sockets this process may have open.
//!
//! The usual soft limit, 1,024, is from the days of `select`, and far below `limits.max_connections`. A process that reaches it can neither accept
//! nor read from a store. The hard limit is what an operator meant, so the soft one is raised to it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Settings;

/// What is wrong with the limit, after it was raised as far as this process may.
pub fn allow_descriptors(settings: &Settings) -> Option<String> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Where that is refused, the old limit is what there is.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let allowed = if raised.is_ok() { maximum } else { current }?;
    let connections = settings.limits.connections.max_connections as u64;
    let needed = connections.saturating_add(BESIDES);
    (allowed < needed).then(|| {
        format!(
            "this process may open {allowed} files and sockets, and limits.max_connections = {connections} needs about {needed}; raise the hard \
             limit (LimitNOFILE= in a systemd unit, ulimit -Hn in a shell), or lower max_connections"
        )
    })
}

/// Files, connections to stores and those of the other listeners.
const BESIDES: u64 = 1024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_soft_limit_is_raised_and_a_hard_one_that_is_too_low_is_told() {
        let with = |connections: u64| {
            let text = format!(
                "public_origin = 'https://a'\nstores.media = {{ kind = 'local', root = 'm' }}\nlimits.max_connections = {connections}"
            );
            allow_descriptors(&Settings::from_toml(&text, &BTreeMap::new(), Path::new("/")).unwrap())
        };
        assert_eq!(with(1), None);
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        if maximum.is_some_and(|maximum| maximum < 1_000_000) {
            assert!(with(1_000_000).unwrap().contains("LimitNOFILE"));
        }
    }
}
