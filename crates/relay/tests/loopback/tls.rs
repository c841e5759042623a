//! The same over TLS.

use std::path::PathBuf;

use concilium_core::channel::ChannelAction;
use concilium_relay::{
    ClientConfig, ConnectError, Disconnect, Relay, RelayClient, RelayConfig, TlsError, TlsFiles,
};
use tempfile::TempDir;

use crate::support::*;

/// A certificate for `localhost` and 127.0.0.1 that vouches for itself, and its key, in files.
fn certificate(dir: &TempDir, name: &str) -> (PathBuf, PathBuf) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (certificates, key) = (
        dir.path().join(format!("{name}.pem")),
        dir.path().join(format!("{name}.key")),
    );
    std::fs::write(&certificates, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificates, key)
}

#[tokio::test]
async fn packets_make_the_round_trip_over_tls_and_strangers_are_not_trusted() {
    let dir = TempDir::new().unwrap();
    let (certificates, key) = certificate(&dir, "relay");
    let (other, other_key) = certificate(&dir, "other");
    let tls = Some(TlsFiles {
        certificates: certificates.clone(),
        key,
    });
    let relay = relay_with(|config| config.tls = tls).await;
    let port = relay.local_addr().port();

    for host in ["127.0.0.1", "localhost"] {
        let mut config = ClientConfig::new(format!("wss://{host}:{port}/"), member("alice"));
        config.ca_file = Some(certificates.clone());
        let mut alice = Peer::with(config).await;
        alice.act(ChannelAction::Enter);
        alice.event().await;
        alice.send([7; 100_000]);
        assert_eq!(alice.packet().await.1, [7; 100_000]);
        alice.client.close().await;
    }
    // Another root, or only the built-in ones, or a name that the certificate does not have.
    let attempts = [
        ("127.0.0.1", Some(other.clone())),
        ("127.0.0.1", None),
        ("[::ffff:127.0.0.1]", Some(certificates.clone())),
    ];
    for (host, ca_file) in attempts {
        let mut config = ClientConfig::new(format!("wss://{host}:{port}"), member("bob"));
        config.ca_file = ca_file;
        let error = RelayClient::connect(config).await.unwrap_err();
        let ConnectError::Failed(Disconnect::Lost(why)) = &error else {
            panic!("{error:?}")
        };
        assert!(why.contains("certificate"), "{why}");
    }
    // Without TLS nobody gets in.
    let plain = ClientConfig::new(url(relay.local_addr()), member("bob"));
    assert!(RelayClient::connect(plain).await.is_err());
    // A key that does not fit its certificate is found when the relay starts.
    let mut config = RelayConfig::default();
    config.tls = Some(TlsFiles {
        certificates,
        key: other_key,
    });
    let error = Relay::bind("127.0.0.1:0", config).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    let inner = error.into_inner().unwrap();
    assert!(
        matches!(inner.downcast_ref(), Some(TlsError::Unusable(_))),
        "{inner}"
    );
}
