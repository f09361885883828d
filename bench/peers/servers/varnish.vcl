# Whole objects from the open bucket, kept for the length of the bench. Varnish streams misses and lets others wait for them by itself.
vcl 4.1;

backend store {
    .host = "@HOST@";
    .port = "@PORT@";
}

sub vcl_recv {
    if (req.method != "GET" && req.method != "HEAD") {
        return (synth(405));
    }
    set req.url = regsub(req.url, "^/m/", "/open/");
    unset req.http.Cookie;
    return (hash);
}

sub vcl_backend_response {
    set beresp.ttl = 1h;
    set beresp.grace = 0s;
    return (deliver);
}
