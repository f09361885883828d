//! TLS of a gateway: which listener serves which certificates, and what is said of them at the start and after each reload.
//!
//! What makes a certificate unusable stopped the start before this: files that cannot be read, a key that is another's. What clients will
//! refuse is told as an error at the start, and the gateway serves on: it may have other names, and a restart in the night must not end them all. A
//! reload that would put such a certificate in the place of good ones is refused.

use std::sync::Arc;

use rustls::ServerConfig;

use super::StartError;
use crate::config::{Loaded, Settings};
use crate::tls::{Acme, Certificates, ChainFault, ChainReport, Offer, Resolver, examine, server_config};
use crate::value::{Live, UnixTime};

/// TLS of one gateway. A listener without it speaks plain HTTP.
#[derive(Clone)]
pub struct Tls {
    public: Option<Speaking>,
    control: Option<Speaking>,
    acme: Option<Acme>,
}

/// One listener's TLS: the configuration lasts, what the resolver holds can be replaced.
#[derive(Clone)]
struct Speaking {
    resolver: Arc<Resolver>,
    config: Arc<ServerConfig>,
}

impl Speaking {
    fn new(resolver: Resolver, offer: Offer) -> Result<Self, StartError> {
        let resolver = Arc::new(resolver);
        let config = server_config(Arc::clone(&resolver) as _, offer)?;
        Ok(Self { resolver, config })
    }
}

impl Tls {
    /// Sets up what the settings name. ACME begins with the gateway.
    pub(super) fn open(loaded: &Loaded, now: UnixTime) -> Result<Self, StartError> {
        let held = &loaded.tls;
        let acme = loaded.settings.tls.as_ref().and_then(|tls| tls.acme.as_ref());
        let acme = acme.map(|acme| Acme::open(acme, &held.acme_roots)).transpose()?;
        let public = loaded.settings.tls.is_some().then(|| {
            let offer = if acme.is_some() { Offer::BothAndProof } else { Offer::Both };
            Speaking::new(Resolver::new(Live::new(held.public.clone()), acme.as_ref().map(Acme::certificates)), offer)
        });
        let control = (!held.control.is_empty())
            .then(|| Speaking::new(Resolver::new(Live::new(held.control.clone()), None), Offer::Http1));
        tell(loaded, now);
        Ok(Self { public: public.transpose()?, control: control.transpose()?, acme })
    }

    /// Refuses certificates that clients would refuse, as long as those in force are good: better the old one for another week than none
    /// from now on. Where the old ones are no better, the new ones are as good as they come.
    pub(super) fn check(&self, loaded: &Loaded, now: UnixTime) -> Result<(), StartError> {
        let Some(public) = self.public.as_ref().filter(|_| loaded.settings.tls.is_some()) else { return Ok(()) };
        let refused = |certificates: &Certificates| refused_by_clients(loaded, certificates, now);
        let (old, new) = (public.resolver.files(), &loaded.tls.public);
        match (refused(&old), refused(new)) {
            (None, Some(why)) => Err(StartError::Certificate(why)),
            (None, None) => lost_host(loaded, &old, new).map_or(Ok(()), |why| Err(StartError::Certificate(why))),
            (Some(_), _) => Ok(()),
        }
    }

    /// Puts the certificates of new settings in force. A listener that began without TLS, or with it, stays so.
    pub(super) fn replace(&self, loaded: &Loaded, now: UnixTime) {
        if let Some(public) = self.public.as_ref().filter(|_| loaded.settings.tls.is_some()) {
            public.resolver.replace(loaded.tls.public.clone());
        }
        if let Some(control) = &self.control {
            control.resolver.replace(loaded.tls.control.clone());
        }
        tell(loaded, now);
    }

    pub(super) fn public(&self) -> Option<Arc<ServerConfig>> {
        self.public.as_ref().map(|public| Arc::clone(&public.config))
    }

    pub(super) fn control(&self) -> Option<Arc<ServerConfig>> {
        self.control.as_ref().map(|control| Arc::clone(&control.config))
    }

    pub(super) fn acme(&self) -> Option<Acme> {
        self.acme.clone()
    }

    /// What each listener serves from, by the listener's name.
    pub(super) fn resolvers(&self) -> Vec<(&'static str, Arc<Resolver>)> {
        let both = [("public", &self.public), ("control", &self.control)];
        let spoken = both.into_iter().filter_map(|(name, spoken)| Some((name, spoken.as_ref()?)));
        spoken.map(|(name, spoken)| (name, Arc::clone(&spoken.resolver))).collect()
    }
}

/// The setting that names the public listener's certificates.
const PUBLIC: &str = "tls.certificates";

/// What clients would say of one certificate, and the setting that names it, such as `tls.certificates[0]`.
pub(crate) struct Examined {
    pub(crate) place: String,
    pub(crate) report: ChainReport,
}

/// What clients would say of each certificate in files. Our own systems may trust an authority of our own, so of the control
/// listener's certificates only the time is judged.
pub(crate) fn examined(loaded: &Loaded, now: UnixTime) -> Vec<Examined> {
    let public = each_examined(PUBLIC, &loaded.tls.public, loaded, now);
    let control = each_examined("control.certificates", &loaded.tls.control, loaded, now).map(|mut one| {
        one.report.faults.retain(ChainFault::is_about_time);
        one
    });
    public.chain(control).collect()
}

/// What clients would say of each of these certificates, which the setting `place` names.
fn each_examined(
    place: &str,
    certificates: &Certificates,
    loaded: &Loaded,
    now: UnixTime,
) -> impl Iterator<Item = Examined> {
    let reports = certificates.iter().map(move |one| examine(one.chain(), &loaded.tls.roots, now)).enumerate();
    reports.map(move |(at, report)| Examined { place: format!("{place}[{at}]"), report })
}

/// A host that clients come to by TLS, without its port.
#[derive(Clone, Copy)]
pub(crate) struct TlsHost<'a> {
    pub(crate) name: &'a str,
    /// Whether links begin with it; else it is a store's own, for presigned URLs.
    pub(crate) is_origin: bool,
}

impl TlsHost<'_> {
    /// What the settings have it for, in words.
    pub(crate) const fn role(self) -> &'static str {
        if self.is_origin { "the host of public_origin" } else { "a host of presigned.virtual_hosts" }
    }
}

/// Every host for which a client must get a certificate: that of links, and those of presigned URLs. None without `[tls]`, where that is no
/// question here.
pub(crate) fn tls_hosts(settings: &Settings) -> Vec<TlsHost<'_>> {
    if settings.tls.is_none() {
        return Vec::new();
    }
    let origin = TlsHost { name: settings.public_origin.host(), is_origin: true };
    let presigned = &settings.presigned;
    let stores = presigned.virtual_hosts.keys().filter(|_| presigned.enabled);
    let stores = stores.map(|host| TlsHost { name: without_port(host), is_origin: false });
    [origin].into_iter().chain(stores).collect()
}

/// The settings allow an IPv6 address in brackets alone, so what follows the last colon outside of them is a port.
fn without_port(authority: &str) -> &str {
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    port.map_or(authority, |(host, _)| host)
}

/// Whether a client that comes to `host` will get a certificate with its name.
pub(crate) fn is_named(host: TlsHost<'_>, settings: &Settings, public: &Certificates) -> bool {
    let acme = settings.tls.as_ref().and_then(|tls| tls.acme.as_ref());
    let by_acme = acme.is_some_and(|acme| acme.domains.iter().any(|domain| domain == host.name));
    by_acme || public.iter().any(|one| one.facts().covers(host.name))
}

/// Why clients would refuse these certificates of the public listener, if they would.
fn refused_by_clients(loaded: &Loaded, certificates: &Certificates, now: UnixTime) -> Option<String> {
    for Examined { place, report } in each_examined(PUBLIC, certificates, loaded, now) {
        if let Some(fault) = report.faults.iter().find(|fault| !fault.is_warning()) {
            return Some(format!("{place}: {fault}; {}", fault.fix()));
        }
    }
    let host = tls_hosts(&loaded.settings).into_iter().find(|host| host.is_origin)?;
    let names_it = is_named(host, &loaded.settings, certificates);
    (!names_it).then(|| none_names(host))
}

/// Says which host the old certificates name and the new ones do not. One that neither names is no worse off than before.
fn lost_host(loaded: &Loaded, old: &Certificates, new: &Certificates) -> Option<String> {
    let named = |host: TlsHost<'_>, certificates| is_named(host, &loaded.settings, certificates);
    let lost = tls_hosts(&loaded.settings).into_iter().find(|host| named(*host, old) && !named(*host, new));
    lost.map(none_names)
}

fn none_names(host: TlsHost<'_>) -> String {
    format!("{PUBLIC}: none names {}, {}; add one that does", host.name, host.role())
}

fn tell(loaded: &Loaded, now: UnixTime) {
    for Examined { place, report } in examined(loaded, now) {
        for fault in report.faults {
            let fix = fault.fix();
            if fault.is_warning() {
                tracing::warn!(certificate = place, "{fault}; {fix}");
            } else {
                tracing::error!(certificate = place, "clients will refuse this certificate: {fault}; {fix}");
            }
        }
    }
    for host in tls_hosts(&loaded.settings) {
        if !is_named(host, &loaded.settings, &loaded.tls.public) {
            let (name, role) = (host.name, host.role());
            tracing::error!("no certificate names {name}, {role}, so clients will refuse every link to it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_name_hosts_without_their_ports() {
        for (authority, host) in [
            ("promo.example.com", "promo.example.com"),
            ("promo.example.com:8443", "promo.example.com"),
            ("192.0.2.1:8443", "192.0.2.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[2001:db8::1]:8443", "[2001:db8::1]"),
        ] {
            assert_eq!(without_port(authority), host);
        }
    }
}
