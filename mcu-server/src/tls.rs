//! Certificates: the operator's own, or one from a development CA that is made once and kept in the data folder; for
//! HTTPS and for SIP; and whom the node believes that it calls.

use crate::config::TlsSection;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why HTTPS or SIP over TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Making the development certificate failed.
    #[error("making the development certificate: {0}")]
    Making(#[from] rcgen::Error),
    /// Certificate and key do not fit together.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The system trusts nobody.
    #[error("the system has no CAs to verify a trunk with; set its ca")]
    NoRoots,
    /// A CA that can vouch for nobody.
    #[error("{}: {source}", path.display())]
    ClientCa {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
}

/// Who the node is to others.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// The development CA's certificate, when that is what signed.
    pub ca_file: Option<PathBuf>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

/// Loads the configured certificate, or makes one for `names` from the development CA in `data_dir`.
///
/// # Errors
/// [`TlsError`] names the file and what is wrong with it.
pub fn identity(tls: &TlsSection, data_dir: &Path, names: &[String]) -> Result<Identity, TlsError> {
    let (chain, key, ca_file) = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => (read_chain(cert)?, read_key(key)?, None),
        _ => development(data_dir, names)?,
    };
    Ok(Identity { chain, key, ca_file })
}

impl Identity {
    /// For HTTPS: TLS 1.2 and 1.3, AEAD suites, X25519MLKEM768 first.
    ///
    /// # Errors
    /// [`TlsError::Unusable`].
    pub fn https(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = self.serve(WebPkiClientVerifier::no_client_auth())?;
        // WebSockets over HTTP/2 are an extension that few clients speak; HTTP/1.1 serves both.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// For SIP, the same; with `client_ca`, only whoever shows a certificate that it signed is spoken to (RFC 5922, RFC 8446 §4.3.2).
    ///
    /// # Errors
    /// [`TlsError`] names the file of the CA.
    pub fn sip(&self, client_ca: Option<&Path>) -> Result<Arc<ServerConfig>, TlsError> {
        let Some(path) = client_ca else {
            return self.serve(WebPkiClientVerifier::no_client_auth()).map(Arc::new);
        };
        let roots = roots(path)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let verifier = verifier.map_err(|source| TlsError::ClientCa { path: path.to_owned(), source })?;
        self.serve(verifier).map(Arc::new)
    }

    /// For a trunk that the node connects to: verified by `ca`, or by those of the system (RFC 5922 §7.1: by the name that is connected to).
    /// Our certificate is shown where it asks for one.
    ///
    /// # Errors
    /// [`TlsError`] names the file of the CA.
    pub fn trunk(&self, ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
        let roots = match ca {
            Some(path) => roots(path)?,
            None => {
                let mut roots = RootCertStore::empty();
                // What of them cannot be read vouches for nobody.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
        };
        if roots.is_empty() {
            return Err(TlsError::NoRoots);
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        Ok(Arc::new(config))
    }

    fn serve(&self, clients: Arc<dyn ClientCertVerifier>) -> Result<ServerConfig, TlsError> {
        Ok(ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(self.chain.clone(), self.key.clone_key())?)
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = |reason: String| TlsError::Content { path: path.to_owned(), reason };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|error| content(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| content(error.to_string()))?;
    if chain.is_empty() { Err(content("holds no certificate".to_owned())) } else { Ok(chain) }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| TlsError::Content { path: path.to_owned(), reason: error.to_string() })
}

type Development = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, Option<PathBuf>);

fn development(data_dir: &Path, names: &[String]) -> Result<Development, TlsError> {
    let ca_file = data_dir.join("dev-ca.pem");
    let key_file = data_dir.join("dev-ca.key");
    let issuer = match (std::fs::read_to_string(&ca_file), std::fs::read_to_string(&key_file)) {
        (Ok(cert), Ok(key)) => Issuer::from_ca_cert_pem(&cert, KeyPair::from_pem(&key)?)?,
        _ => make_ca(&ca_file, &key_file)?,
    };
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "mcu development node");
    // Made anew at every start; only a CA that the operator chose to trust vouches for it.
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2035, 1, 1);
    let certificate = params.signed_by(&key, &issuer)?;
    let der = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|reason| TlsError::Content { path: ca_file.clone(), reason: reason.to_owned() })?;
    Ok((vec![certificate.der().clone()], der, Some(ca_file)))
}

fn make_ca(ca_file: &Path, key_file: &Path) -> Result<Issuer<'static, KeyPair>, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "mcu development CA (this machine only)");
    let certificate = params.self_signed(&key)?;
    write_private(key_file, &key.serialize_pem())?;
    write_private(ca_file, &certificate.pem())?;
    Ok(Issuer::new(params, key))
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), TlsError> {
    crate::private::write(path, content).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// The names that a development certificate is made for: `localhost` and every address in use.
pub fn development_names(addresses: &[IpAddr]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    for address in addresses {
        let name = address.to_string();
        if !address.is_unspecified() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
