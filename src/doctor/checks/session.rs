//! The TLS session, whatever its certificates are worth.

use rustls::ProtocolVersion;

use super::super::facts::Facts;
use super::super::handshake::{NoSession, Session};
use super::super::report::{Check, Finding};

/// Whether a handshake as Meta makes it succeeds.
pub(super) fn tls(facts: &Facts) -> Finding {
    let session = match &facts.session {
        Some(Ok(session)) => session,
        Some(Err(why)) => return no_session(why),
        None => return Finding::unknown(Check::Tls, facts.shaken().err().unwrap_or_default()),
    };
    if session.is_disproved {
        return Finding::failure(
            Check::Tls,
            "the server did not prove that it holds the key of the certificate that it shows",
            "configure the private key that belongs to the certificate (nginx: `ssl_certificate` and `ssl_certificate_key` of one pair)",
        );
    }
    let stapled = if session.is_stapled { ", with an OCSP answer" } else { "" };
    Finding::ok(Check::Tls, format!("{}, {}{stapled}", version(session), session.suite))
}

fn no_session(why: &NoSession) -> Finding {
    let fix = match why {
        // Told by the check of the protocol.
        NoSession::Version(_) => return Finding::unknown(Check::Tls, why.to_string()),
        NoSession::NotTls(_) => "let TLS be spoken on this port (nginx: `listen 443 ssl`), not plain HTTP",
        NoSession::Silent => {
            "see why the server does not answer: a full backlog, a firewall that swallows, a proxy that waits for its backend"
        }
        NoSession::NoConnection(_) => {
            "let the server take every connection: the first one was taken, a later one was not"
        }
        NoSession::Other(_) => {
            "look into the server's TLS log; common causes are a name that it does not know, no certificate for it, or no common cipher suite"
        }
    };
    Finding::failure(Check::Tls, why.to_string(), fix)
}

/// What clients are shown that send no name. Meta sends one, so nothing is wrong with either outcome.
pub(super) fn without_sni(facts: &Facts) -> Finding {
    let check = Check::TlsWithoutSni;
    let named = match facts.shaken() {
        Ok(named) => named,
        Err(why) => return Finding::unknown(check, why),
    };
    match &facts.nameless {
        Some(Ok(nameless)) if nameless.chain == named.chain => Finding::ok(check, "the same certificate as with it"),
        Some(Ok(_)) => Finding::ok(check, "another certificate; Meta sends the name, so this is no fault"),
        Some(Err(why)) => Finding::ok(check, format!("{why}; Meta sends the name, so this is no fault")),
        None => Finding::unknown(check, "not asked, since the time was up"),
    }
}

/// The versions of TLS and HTTP.
pub(super) fn protocol(facts: &Facts) -> Finding {
    let check = Check::Protocol;
    if let Some(Err(why @ NoSession::Version(_))) = &facts.session {
        let fix = "enable TLS 1.2 and 1.3 (nginx: `ssl_protocols TLSv1.2 TLSv1.3;`) and HTTP/1.1; older versions of TLS are broken and refused";
        return Finding::failure(check, why.to_string(), fix);
    }
    let session = match facts.shaken() {
        Ok(session) => session,
        Err(why) => return Finding::unknown(check, why),
    };
    let picked = match &facts.with_http2 {
        Some(Ok(session)) => session
            .alpn
            .as_deref()
            .map_or("picks no protocol by ALPN, so HTTP/1.1".to_owned(), |alpn| format!("picks {alpn}")),
        Some(Err(why)) => format!("does not answer: {why}"),
        None => "was not asked".to_owned(),
    };
    Finding::ok(check, format!("{}; offered h2 and http/1.1, the server {picked}", version(session)))
}

fn version(session: &Session) -> &'static str {
    match session.version {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::report::Verdict;
    use super::super::sample::sound;
    use super::*;

    #[test]
    fn a_handshake_that_fails_is_told_where_the_fault_lies() {
        let text = || "x".to_owned();
        for (why, of_tls, of_protocol) in [
            (NoSession::Silent, Verdict::Failure, Verdict::Unknown),
            (NoSession::NotTls(text()), Verdict::Failure, Verdict::Unknown),
            (NoSession::Other(text()), Verdict::Failure, Verdict::Unknown),
            (NoSession::NoConnection(text()), Verdict::Failure, Verdict::Unknown),
            (NoSession::Version(text()), Verdict::Unknown, Verdict::Failure),
        ] {
            let mut facts = sound();
            facts.session = Some(Err(why.clone()));
            assert_eq!((tls(&facts).verdict, protocol(&facts).verdict), (of_tls, of_protocol), "{why:?}");
        }
    }

    #[test]
    fn a_server_without_the_key_is_found() {
        let mut facts = sound();
        facts.session.as_mut().unwrap().as_mut().unwrap().is_disproved = true;
        assert_eq!(tls(&facts).verdict, Verdict::Failure);
    }

    #[test]
    fn a_server_that_needs_the_name_is_no_fault() {
        let mut facts = sound();
        facts.nameless = Some(Err(NoSession::Other("alert".to_owned())));
        assert_eq!(without_sni(&facts).verdict, Verdict::Ok);
        facts.nameless = None;
        assert_eq!(without_sni(&facts).verdict, Verdict::Unknown);
    }
}
