//! The tour: mint each asset, fetch it as Meta would, then try what must be refused.

use std::io::Write;
use std::time::Duration;

use ::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::fetch::{Got, call, fetch};
use super::stage::{Asset, Stage};
use crate::cli::Failure;
use crate::mint::MintRequest;
use crate::value::{Clock, Fingerprint};

/// A walk through the demo.
pub(super) struct Tour<'a> {
    stage: &'a Stage,
    out: &'a mut dyn Write,
}

/// A link that was minted on the tour.
struct Shown {
    key: String,
    id: String,
    url: String,
}

impl<'a> Tour<'a> {
    /// A tour of `stage`, told to `out`.
    pub(super) fn new(stage: &'a Stage, out: &'a mut dyn Write) -> Self {
        Self { stage, out }
    }

    /// Walks all of it. The first answer that is not what it must be ends it.
    pub(super) async fn walk(mut self) -> Result<(), Failure> {
        writeln!(self.out, "Each asset is minted with POST /v1/links and fetched as Meta's fetcher would.\n")?;
        let mut links = Vec::new();
        for asset in &self.stage.assets {
            links.extend(self.show(asset).await?);
        }
        let first = links.first().ok_or_else(|| Failure::because("none of the files can be minted; see above why"))?;
        writeln!(self.out, "What must be refused is refused:\n")?;
        self.refusals(first).await?;
        self.curl_lines(first)
    }

    async fn show(&mut self, asset: &Asset) -> Result<Option<Shown>, Failure> {
        writeln!(self.out, "{}", asset.key)?;
        let minted = self.mint(&json!({"store": "samples", "key": asset.key, "header": asset.header})).await?;
        let answer = minted.json()?;
        if minted.status != StatusCode::CREATED {
            let (code, detail) = (text(&answer, "code"), text(&answer, "detail"));
            writeln!(self.out, "  not minted    {} {code}: {detail}\n", minted.status.as_u16())?;
            return Ok(None);
        }
        let shown = Shown { key: asset.key.clone(), id: text(&answer, "id"), url: text(&answer, "url") };
        writeln!(self.out, "  link          {}", shown.url)?;
        writeln!(self.out, "  lives until   {}", text(&answer, "expires_at"))?;
        for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten() {
            writeln!(self.out, "  warning       {}: {}", text(warning, "code"), text(warning, "message"))?;
        }
        self.fetches(asset, &shown).await?;
        writeln!(self.out)?;
        Ok(Some(shown))
    }

    async fn fetches(&mut self, asset: &Asset, shown: &Shown) -> Result<(), Failure> {
        let whole = self.fetch(Method::GET, &shown.url, &[]).await?;
        expect(&whole, StatusCode::OK)?;
        let disk = std::fs::read(&asset.file).map_err(Failure::because)?;
        if whole.body != disk || !shown.url.contains(&Fingerprint::of(&whole.body).short()) {
            return Err(Failure::because(format!("{}: other bytes came back than were minted", asset.key)));
        }
        let etag = whole.field("etag").to_owned();
        writeln!(
            self.out,
            "  fetch         200 {}, {} bytes, byte-equal, ETag {etag}, Last-Modified {}",
            whole.field("content-type"),
            whole.field("content-length"),
            whole.field("last-modified"),
        )?;
        writeln!(self.out, "                Cache-Control: {}", whole.field("cache-control"))?;
        self.second_fetch(&whole, &shown.url).await?;
        let part = self.fetch(Method::GET, &shown.url, &[("range", "bytes=0-1023")]).await?;
        expect(&part, StatusCode::PARTIAL_CONTENT)?;
        writeln!(self.out, "  first KiB     206 Content-Range: {}", part.field("content-range"))?;
        let again = self.fetch(Method::GET, &shown.url, &[("if-none-match", &etag)]).await?;
        expect(&again, StatusCode::NOT_MODIFIED)?;
        writeln!(self.out, "  If-None-Match 304, no bytes")?;
        Ok(())
    }

    /// The mint read the asset once; from then on it lies in memory, for the first fetch and for all that follow.
    async fn second_fetch(&mut self, first: &Got, url: &str) -> Result<(), Failure> {
        let second = self.fetch(Method::GET, url, &[]).await?;
        for (which, got) in [("first", first), ("second", &second)] {
            expect(got, StatusCode::OK)?;
            let from = got.field("cache-status");
            if from != "hallpass; hit" {
                return Err(Failure::because(format!("the {which} fetch was not from memory: Cache-Status: {from}")));
            }
        }
        writeln!(
            self.out,
            "  from memory   Cache-Status: {}, answered after {:.1?}; fetched again: {}, after {:.1?}",
            first.field("cache-status"),
            first.answered,
            second.field("cache-status"),
            second.answered,
        )?;
        Ok(())
    }

    async fn refusals(&mut self, link: &Shown) -> Result<(), Failure> {
        let tampered = tamper(&link.url);
        self.refuse("one character changed", Method::GET, &tampered, &[], 403, "link-invalid").await?;
        let browser = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")];
        self.refuse("another fetcher", Method::GET, &link.url, &browser, 403, "fetcher-refused").await?;
        let expired = self.mint_in_the_past(&link.key).await?;
        self.refuse("expired", Method::GET, &expired, &[], 410, "link-expired").await?;
        let revoked = self.mint_and_revoke(&link.key).await?;
        self.refuse("revoked", Method::GET, &revoked, &[], 410, "link-revoked").await?;
        self.refuse("PUT", Method::PUT, &link.url, &[], 405, "method-not-allowed").await
    }

    async fn refuse(
        &mut self,
        what: &str,
        method: Method,
        url: &str,
        fields: &[(&str, &str)],
        status: u16,
        code: &str,
    ) -> Result<(), Failure> {
        let got = self.fetch(method, url, fields).await?;
        let problem = got.json()?;
        writeln!(
            self.out,
            "  {what:22} {} {}: {}",
            got.status.as_u16(),
            text(&problem, "code"),
            text(&problem, "detail")
        )?;
        if got.status.as_u16() == status && text(&problem, "code") == code {
            Ok(())
        } else {
            Err(Failure::because(format!("{what}: {status} {code} was expected")))
        }
    }

    /// A real link whose time is over: minted by the same keys, with a clock that stands an hour back.
    async fn mint_in_the_past(&self, key: &str) -> Result<String, Failure> {
        let rooms = &self.stage.rooms;
        let an_hour_ago = Clock::held_at(rooms.clock.now().minus(Duration::from_secs(3600)));
        let store = "samples".parse().map_err(Failure::because)?;
        let fetcher = "meta".parse().map_err(Failure::because)?;
        let request = MintRequest::new(store, key.parse().map_err(Failure::because)?, fetcher);
        let client = "demo".parse().map_err(Failure::because)?;
        let minted = rooms.minter.by(an_hour_ago).mint(&client, &request).await;
        Ok(minted.map_err(Failure::because)?.link.url().to_owned())
    }

    async fn mint_and_revoke(&self, key: &str) -> Result<String, Failure> {
        let minted = self.mint(&json!({"store": "samples", "key": key, "unique": true})).await?;
        expect(&minted, StatusCode::CREATED)?;
        let answer = minted.json()?;
        let path = format!("/v1/links/{}", text(&answer, "id"));
        let control = self.stage.addresses.control;
        let revoked = call(control, self.stage.key.expose(), Method::DELETE, &path, &Value::Null).await?;
        expect(&revoked, StatusCode::OK)?;
        Ok(text(&answer, "url"))
    }

    fn curl_lines(&mut self, link: &Shown) -> Result<(), Failure> {
        let (control, ops) = (self.stage.addresses.control, self.stage.addresses.ops);
        let (key, url) = (self.stage.key.expose(), &link.url);
        let body = json!({"store": "samples", "key": link.key});
        let lines = [
            ("Fetch it as Meta would", format!("curl -sS -o asset -D - -A 'facebookexternalhit/1.1' '{url}'")),
            ("As a browser", format!("curl -sS -i -A 'Mozilla/5.0' '{url}'")),
            (
                "Mint it again: the same URL within five minutes",
                format!(
                    "curl -sS 'http://{control}/v1/links' -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{body}'"
                ),
            ),
            (
                "Who fetched it",
                format!("curl -sS 'http://{control}/v1/links/{}' -H 'Authorization: Bearer {key}'", link.id),
            ),
            ("What was counted", format!("curl -sS 'http://{ops}/metrics'")),
        ];
        writeln!(self.out, "\nTry it yourself, as long as the demo serves:")?;
        for (what, line) in lines {
            writeln!(self.out, "\n  # {what}\n  {line}")?;
        }
        Ok(())
    }

    async fn mint(&self, request: &Value) -> Result<Got, Failure> {
        let control = self.stage.addresses.control;
        call(control, self.stage.key.expose(), Method::POST, "/v1/links", request).await
    }

    async fn fetch(&self, method: Method, url: &str, fields: &[(&str, &str)]) -> Result<Got, Failure> {
        let origin = format!("http://{}", self.stage.addresses.public);
        let path = url.strip_prefix(&origin).unwrap_or(url);
        fetch(self.stage.addresses.public, method, path, fields).await
    }
}

fn expect(got: &Got, status: StatusCode) -> Result<(), Failure> {
    if got.status == status {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&got.body);
    Err(Failure::because(format!("{status} was expected, and {} came: {said}", got.status)))
}

/// The same URL with one character of its token changed.
fn tamper(url: &str) -> String {
    let at = url.find("/m/").map_or(0, |at| at + 40);
    let other = if url.get(at..=at) == Some("a") { "b" } else { "a" };
    let mut tampered = url.to_owned();
    tampered.replace_range(at..=at, other);
    tampered
}

fn text(json: &Value, name: &str) -> String {
    json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
