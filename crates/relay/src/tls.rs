//! TLS 1.3 through rustls with ring, on both sides. TLS hides names and sizes from the network; the session's
//! security does not rest on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The files that a relay needs to speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the relay's certificate, then those that lead from it to a root.
    pub certificates: PathBuf,
    /// PEM: the private key of the first certificate, in PKCS#8, PKCS#1 or SEC1 form.
    pub key: PathBuf,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read, or holds no PEM of the expected kind.
    #[error("{} is not a readable PEM file with what is needed: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// The files were read, but do not fit together or are not usable.
    #[error("the certificates or the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    // Named here and not taken from the process, so that another user of rustls in it changes nothing.
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let of_file = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(of_file)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(of_file)?;
    if certificates.is_empty() {
        Err(TlsError::NoCertificate {
            path: path.to_owned(),
        })
    } else {
        Ok(certificates)
    }
}

pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::File {
        path: files.key.clone(),
        source,
    })?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(certificates(&files.certificates)?, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A connector that trusts the roots of the file, or Mozilla's (crate `webpki-roots`) if there is none.
pub(crate) fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_empty_files_are_named() {
        let error = connector(Some(Path::new("/nonexistent/ca.pem"))).err().unwrap();
        assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            connector(Some(empty.path())),
            Err(TlsError::NoCertificate { .. })
        ));
        assert!(connector(None).is_ok(), "the built-in roots load");
    }
}
