//! What the page of metrics says, line by line: dashboards are built on it.

use super::*;

/// Metrics of which each was counted.
fn counted() -> Metrics {
    let metrics = Metrics::new();
    metrics.request("served");
    metrics.request("served");
    metrics.denial("bad-seal");
    metrics.mint("minted");
    metrics.reload("kept-old");
    metrics.acme_event("issued");
    metrics.body_bytes(123_456);
    metrics.verification_failure();
    metrics.unverified_block();
    metrics.fetch_records_dropped(3);
    metrics.catalog_write_lag(Duration::from_millis(1500));
    metrics.profile("meta").verdict("match", "inside", "admitted");
    metrics.profile("meta").verdict("match", "inside", "admitted");
    metrics.profile("meta").list_age(Duration::from_mins(1));
    metrics.store("media").reads("done", 1);
    metrics.store("media").bytes(7);
    metrics.cache_lookup("partial");
    metrics.flight("wrong-bytes");
    metrics.left_behind();
    metrics.upgrade_failed();
    metrics.overload_refusal("in-flight");
    metrics.bodies_cut();
    metrics.cache_state("in-flight", 5, 5);
    metrics.cache_state("in-flight", 262_400, 1);
    metrics.cache_evictions(4);
    metrics.prewarm_drops(2);
    let public = metrics.listener("public");
    public.opened();
    public.opened();
    public.closed("bad-head");
    public.waited();
    public.refused("per-network");
    public.handshake("resumed");
    public.accept_failed();
    metrics
}

#[test]
fn metrics_have_the_names_that_dashboards_are_built_on() {
    let metrics = counted();
    let page = metrics.encode();
    for line in [
        "hallpass_requests_total{outcome=\"served\"} 2",
        "hallpass_denials_total{reason=\"bad-seal\"} 1",
        "hallpass_mints_total{outcome=\"minted\"} 1",
        "hallpass_reloads_total{result=\"kept-old\"} 1",
        "hallpass_acme_events_total{event=\"issued\"} 1",
        "hallpass_body_bytes_total 123456",
        "hallpass_verification_failures_total 1",
        "hallpass_unverified_blocks_total 1",
        "hallpass_fetch_records_dropped_total 3",
        "hallpass_access_records_dropped_total 0",
        "hallpass_catalog_write_lag_seconds 1.5",
        "hallpass_fetcher_verdicts_total{profile=\"meta\",agent=\"match\",network=\"inside\",verdict=\"admitted\"} 2",
        "hallpass_network_list_age_seconds{profile=\"meta\"} 60.0",
        "hallpass_origin_reads_total{store=\"media\",outcome=\"done\"} 1",
        "hallpass_origin_bytes_total{store=\"media\"} 7",
        "hallpass_cache_lookups_total{result=\"partial\"} 1",
        "hallpass_flights_total{ending=\"wrong-bytes\"} 1",
        "hallpass_cache_left_behind_total 1",
        "hallpass_upgrades_failed_total 1",
        "hallpass_overload_refusals_total{limit=\"in-flight\"} 1",
        "hallpass_bodies_cut_total 1",
        "hallpass_cache_bytes{state=\"in-flight\"} 262400",
        "hallpass_cache_blocks{state=\"in-flight\"} 1",
        "hallpass_cache_evictions_total 4",
        "hallpass_prewarm_drops_total 2",
        "hallpass_connections{listener=\"public\"} 1",
        "hallpass_connection_endings_total{listener=\"public\",ending=\"bad-head\"} 1",
        "hallpass_connection_waits_total{listener=\"public\"} 1",
        "hallpass_connection_refusals_total{listener=\"public\",limit=\"per-network\"} 1",
        "hallpass_tls_handshakes_total{listener=\"public\",kind=\"resumed\"} 1",
        "hallpass_accept_errors_total{listener=\"public\"} 1",
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
    }
}

#[test]
fn publishes_are_counted_by_outcome() {
    let metrics = Metrics::new();
    metrics.publish("created");
    assert!(metrics.encode().contains("\nhallpass_publishes_total{outcome=\"created\"} 1\n"));
}

#[test]
fn a_certificate_that_is_gone_has_no_series() {
    let metrics = Metrics::new();
    let days = |name: &str, days| (["public", name, "rsa"].map(str::to_owned), days);
    metrics.certificate_days([days("a.example", 7), days("b.example", 8)]);
    metrics.certificate_days([days("b.example", 6)]);
    let page = metrics.encode();
    let found: Vec<_> = page.lines().filter(|line| line.starts_with("hallpass_certificate_days{")).collect();
    assert_eq!(found, ["hallpass_certificate_days{listener=\"public\",name=\"b.example\",key=\"rsa\"} 6"]);
}

#[test]
fn first_bytes_fall_into_cumulative_buckets() {
    let metrics = Metrics::new();
    for millis in [0, 1, 200, 11_000] {
        metrics.first_byte(Duration::from_millis(millis));
    }
    let page = metrics.encode();
    for line in [
        "hallpass_first_byte_seconds_bucket{le=\"0.0005\"} 1",
        "hallpass_first_byte_seconds_bucket{le=\"0.001\"} 2",
        "hallpass_first_byte_seconds_bucket{le=\"0.1\"} 2",
        "hallpass_first_byte_seconds_bucket{le=\"0.25\"} 3",
        "hallpass_first_byte_seconds_bucket{le=\"10.0\"} 3",
        "hallpass_first_byte_seconds_bucket{le=\"+Inf\"} 4",
        "hallpass_first_byte_seconds_count 4",
        "hallpass_first_byte_seconds_sum 11.201",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
    }
}

#[test]
fn a_hostile_label_stays_within_its_line() {
    let metrics = Metrics::new();
    metrics.request("a\"} 1\nx{b=\"\\");
    let page = metrics.encode();
    assert!(page.contains(r#"outcome="a\"} 1\nx{b=\"\\"} 1"#), "{page}");
}
