//! TLS: certificate and key come from files, and are reloaded on SIGHUP.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use parking_lot::RwLock;
use rollcall_core::config;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// The protocols that clients may negotiate.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificate in use. Clones share it.
#[derive(Clone)]
pub(super) struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: RwLock<TlsAcceptor>,
}

impl Tls {
    /// Loads the configured certificate; `None` if none is configured.
    ///
    /// # Errors
    /// When a file cannot be read, or the key belongs to another certificate. The error names the file.
    pub(super) fn load(settings: &config::Tls) -> anyhow::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else { return Ok(None) };
        let (certificate, key) = (PathBuf::from(certificate), PathBuf::from(key));
        let acceptor = RwLock::new(read(&certificate, &key)?);
        Ok(Some(Self { shared: Arc::new(Shared { certificate, key, acceptor }) }))
    }

    /// Reads the files again. Open connections keep the old certificate.
    ///
    /// # Errors
    /// As [`Tls::load`]; then the old certificate stays in use.
    pub(super) fn reload(&self) -> anyhow::Result<()> {
        *self.shared.acceptor.write() = read(&self.shared.certificate, &self.shared.key)?;
        Ok(())
    }

    /// The acceptor for the next handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.shared.acceptor.read().clone()
    }
}

fn read(certificate: &PathBuf, key: &PathBuf) -> anyhow::Result<TlsAcceptor> {
    let of_certificate = || format!("server.tls.certificate {}", certificate.display());
    let of_key = || format!("server.tls.key {}", key.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(of_certificate)?;
    anyhow::ensure!(!chain.is_empty(), "{}: there is no certificate in it", of_certificate());
    let private = PrivateKeyDer::from_pem_file(key).with_context(of_key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("{} and {}", of_certificate(), of_key()))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn pair(home: &std::path::Path) -> config::Tls {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (home.join("certificate.pem"), home.join("key.pem"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let text = |path: PathBuf| Some(path.to_string_lossy().into_owned());
        config::Tls { certificate: text(certificate), key: text(key) }
    }

    fn why(settings: &config::Tls) -> String {
        format!("{:#}", Tls::load(settings).err().unwrap())
    }

    #[test]
    fn nothing_configured_is_no_tls() {
        assert!(Tls::load(&config::Tls::default()).unwrap().is_none());
    }

    #[test]
    fn what_does_not_read_is_named_by_its_file() {
        let home = tempfile::tempdir().unwrap();
        let settings = pair(home.path());
        assert!(Tls::load(&settings).unwrap().is_some());
        let missing = config::Tls { key: Some("/nowhere/key.pem".into()), ..settings.clone() };
        assert!(why(&missing).contains("server.tls.key /nowhere/key.pem"), "{}", why(&missing));
        fs::write(settings.certificate.as_ref().unwrap(), "no certificate").unwrap();
        assert!(why(&settings).contains("certificate.pem"), "{}", why(&settings));
        let other = tempfile::tempdir().unwrap();
        let mixed = config::Tls { certificate: pair(other.path()).certificate, ..pair(home.path()) };
        assert!(why(&mixed).contains("key.pem"), "{}", why(&mixed));
    }

    #[test]
    fn a_reload_that_fails_keeps_what_was() {
        let home = tempfile::tempdir().unwrap();
        let settings = pair(home.path());
        let tls = Tls::load(&settings).unwrap().unwrap();
        let config = || Arc::as_ptr(tls.acceptor().config());
        let before = config();
        fs::write(settings.key.as_ref().unwrap(), "no key").unwrap();
        assert!(tls.reload().is_err());
        assert_eq!(config(), before);
        pair(home.path());
        tls.reload().unwrap();
        assert_ne!(config(), before);
    }
}
