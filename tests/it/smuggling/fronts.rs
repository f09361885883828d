//! Real front proxies, as they are set up in front of a gateway: connections to it are kept and used again for every client, which is
//! what makes smuggling matter. None of them caches here, so that every request comes through.

use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::kit::gateway::HOST;
use crate::kit::program::{Server, find};

/// A running front proxy.
pub struct Front {
    server: Server,
    _dir: TempDir,
}

impl Front {
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub fn nginx(backend: SocketAddr) -> Self {
        let program = find("nginx", "nginx-light");
        Self::start(move |dir, port| {
            let folder = dir.path().display();
            let file = dir.path().join("nginx.conf");
            std::fs::write(&file, NGINX.replace("<dir>", &folder.to_string()).fill(backend, port)).unwrap();
            let mut command = Command::new(&program);
            command.arg("-c").arg(file).arg("-p").arg(dir.path()).args(["-e", "stderr"]);
            command
        })
    }

    pub fn haproxy(backend: SocketAddr) -> Self {
        Self::haproxy_with(backend, "pool-max-conn 1")
    }

    /// It speaks HTTP/2 over TLS with what stands behind it, in one connection for all clients.
    pub fn haproxy_over_http2(backend: SocketAddr) -> Self {
        Self::haproxy_with(backend, &format!("ssl verify none sni str({HOST}) alpn h2"))
    }

    fn haproxy_with(backend: SocketAddr, server: &str) -> Self {
        let program = find("haproxy", "haproxy");
        let settings = HAPROXY.replace("<server>", server);
        Self::start(move |dir, port| {
            let file = dir.path().join("haproxy.cfg");
            std::fs::write(&file, settings.fill(backend, port)).unwrap();
            let mut command = Command::new(&program);
            command.args(["-db", "-f"]).arg(file);
            command
        })
    }

    pub fn varnish(backend: SocketAddr) -> Self {
        let program = find("varnishd", "varnish");
        Self::start(move |dir, port| {
            let file = dir.path().join("front.vcl");
            std::fs::write(&file, VARNISH.fill(backend, port)).unwrap();
            let mut command = Command::new(&program);
            command.args(["-F", "-j", "none", "-s", "malloc,16m", "-l", "2m", "-p", "feature=+http2"]);
            command.args(["-a", &format!("127.0.0.1:{port}"), "-n"]);
            command.arg(dir.path().join("work")).arg("-f").arg(file);
            command
        })
    }

    fn start(command: impl Fn(&TempDir, u16) -> Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("log"), |port| command(&dir, port));
        Self { server, _dir: dir }
    }
}

/// A template of settings.
trait Template {
    fn fill(&self, backend: SocketAddr, port: u16) -> String;
}

impl<T: AsRef<str>> Template for T {
    fn fill(&self, backend: SocketAddr, port: u16) -> String {
        let text = self.as_ref().replace("<backend>", &backend.to_string()).replace("<port>", &port.to_string());
        text.replace("<backend-port>", &backend.port().to_string()).replace("<host>", HOST)
    }
}

/// Bodies go through as they come, in the form in which they come.
const NGINX: &str = r#"
daemon off;
pid <dir>/pid;
user root;
worker_processes 1;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path <dir>/body;
    proxy_temp_path <dir>/proxy;
    fastcgi_temp_path <dir>/fastcgi;
    uwsgi_temp_path <dir>/uwsgi;
    scgi_temp_path <dir>/scgi;
    upstream hallpass { server <backend>; keepalive 1; }
    server {
        listen 127.0.0.1:<port>;
        server_name <host>;
        location / {
            proxy_pass http://hallpass;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }
    }
}
"#;

const HAPROXY: &str = "
global
    maxconn 256
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    http-reuse always
    option forwardfor
frontend public
    bind 127.0.0.1:<port>
    default_backend hallpass
backend hallpass
    server hallpass <backend> <server>
";

/// It adds the client's address by itself. Bodies of GET would be dropped if the last lines were not here.
const VARNISH: &str = r#"
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "<backend-port>"; }
sub vcl_recv { return (pass); }
sub vcl_backend_fetch { return (fetch); }
"#;
