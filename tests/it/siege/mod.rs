//! Attackers against a running gateway: each limit holds, says so, and whoever behaves is served meanwhile.
