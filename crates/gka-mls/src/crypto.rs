//! The cipher suite: the primitives of this workspace, as the library asks for them.
//!
//! HPKE (RFC 9180) is the library's own, over these. Ed25519 is [`concilium_core::keys`], so that it is
//! verified strictly here as everywhere. The identity key does not leave [`Identity`].

use std::fmt;
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit as _, Payload};
use aes_gcm::{Aes128Gcm, Nonce};
use concilium_core::keys::{Signature, VerifyingKey};
use concilium_gka::Identity;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider};
use mls_rs_core::crypto::{
    HpkeCiphertext, HpkePsk, HpkePublicKey, HpkeSecretKey, SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_core::error::IntoAnyError;
use mls_rs_crypto_hpke::context::{ContextR, ContextS};
use mls_rs_crypto_hpke::dhkem::DhKem;
use mls_rs_crypto_hpke::hpke::{Hpke, HpkeError};
use mls_rs_crypto_traits::{AeadId, AeadType, DhType, KdfId, KdfType, KemId, SamplingMethod};
use sha2::{Digest as _, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::desk::{Desk, NotThere};

/// The suite that every implementation of MLS has to have (RFC 9420, section 17.1).
pub(crate) const CIPHER_SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

/// Length of a hash, of a MAC, and of what HKDF extracts.
const HASH_BYTES: usize = 32;

/// Why the library's request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptoError {
    /// A key, nonce, or request of the wrong length.
    Length,
    /// Encrypted or authenticated by another key, or nothing of that kind.
    Authentication,
    /// Not a key that is acceptable.
    Key,
    /// HPKE failed.
    Hpke,
    /// There are no random numbers now.
    Random,
}

impl IntoAnyError for CryptoError {}

impl From<HpkeError> for CryptoError {
    fn from(_: HpkeError) -> Self {
        Self::Hpke
    }
}

impl From<NotThere> for CryptoError {
    fn from(_: NotThere) -> Self {
        Self::Random
    }
}

/// HKDF with SHA-256 (RFC 5869).
#[derive(Clone, Copy, Debug)]
pub struct HkdfSha256;

impl KdfType for HkdfSha256 {
    type Error = CryptoError;

    fn kdf_id(&self) -> u16 {
        KdfId::HkdfSha256 as u16
    }

    fn expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Vec<u8>, CryptoError> {
        let mut bytes = vec![0; len];
        Hkdf::<Sha256>::from_prk(prk)
            .map_err(|_| CryptoError::Length)?
            .expand(info, &mut bytes)
            .map_err(|_| CryptoError::Length)?;
        Ok(bytes)
    }

    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(Hkdf::<Sha256>::extract(Some(salt), ikm).0.to_vec())
    }

    fn extract_size(&self) -> usize {
        HASH_BYTES
    }
}

/// AES-128-GCM (RFC 5116).
#[derive(Clone, Copy, Debug)]
pub struct Aes128;

impl Aes128 {
    fn parts(key: &[u8], nonce: &[u8]) -> Result<(Aes128Gcm, [u8; 12]), CryptoError> {
        let cipher = Aes128Gcm::new_from_slice(key).map_err(|_| CryptoError::Length)?;
        Ok((cipher, nonce.try_into().map_err(|_| CryptoError::Length)?))
    }
}

impl AeadType for Aes128 {
    type Error = CryptoError;

    fn aead_id(&self) -> u16 {
        AeadId::Aes128Gcm as u16
    }

    fn seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let (cipher, nonce) = Self::parts(key, nonce)?;
        let aad = aad.unwrap_or_default();
        cipher
            .encrypt(&Nonce::from(nonce), Payload { msg: data, aad })
            .map_err(|_| CryptoError::Length)
    }

    fn open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let (cipher, nonce) = Self::parts(key, nonce)?;
        let aad = aad.unwrap_or_default();
        let msg = ciphertext;
        cipher
            .decrypt(&Nonce::from(nonce), Payload { msg, aad })
            .map_err(|_| CryptoError::Authentication)
    }

    fn key_size(&self) -> usize {
        AeadId::Aes128Gcm.key_size()
    }

    fn nonce_size(&self) -> usize {
        AeadId::Aes128Gcm.nonce_size()
    }
}

/// X25519 (RFC 7748).
#[derive(Clone, Debug)]
pub(crate) struct X25519(Desk);

impl X25519 {
    fn secret(key: &[u8]) -> Result<StaticSecret, CryptoError> {
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(key).map_err(|_| CryptoError::Key)?);
        Ok(StaticSecret::from(*bytes))
    }

    fn public(key: &[u8]) -> Result<PublicKey, CryptoError> {
        let bytes = <[u8; 32]>::try_from(key).map_err(|_| CryptoError::Key)?;
        Ok(PublicKey::from(bytes))
    }
}

impl DhType for X25519 {
    type Error = CryptoError;

    fn dh(&self, secret_key: &HpkeSecretKey, public_key: &HpkePublicKey) -> Result<Vec<u8>, CryptoError> {
        let shared = Self::secret(secret_key)?.diffie_hellman(&Self::public(public_key)?);
        // K-11: RFC 9180, section 7.1.4, on points of small order.
        if shared.was_contributory() {
            Ok(shared.as_bytes().to_vec())
        } else {
            Err(CryptoError::Key)
        }
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), CryptoError> {
        let mut secret = vec![0; self.secret_key_size()];
        self.0.fill(&mut secret)?;
        let secret = HpkeSecretKey::from(secret);
        let public = self.to_public(&secret)?;
        Ok((secret, public))
    }

    fn to_public(&self, secret_key: &HpkeSecretKey) -> Result<HpkePublicKey, CryptoError> {
        let public = PublicKey::from(&Self::secret(secret_key)?);
        Ok(public.as_bytes().to_vec().into())
    }

    fn bitmask_for_rejection_sampling(&self) -> SamplingMethod {
        SamplingMethod::HpkeWithoutBitmask
    }

    fn secret_key_size(&self) -> usize {
        32
    }

    fn public_key_size(&self) -> usize {
        32
    }

    /// K-11. Small order shows in the shared secret, for every encoding.
    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), CryptoError> {
        Self::public(key).map(|_| ())
    }
}

type Kem = DhKem<X25519, HkdfSha256>;

/// The cipher suite for one member. Cheap to clone, as the library does.
#[derive(Clone)]
pub struct Suite(Arc<Inner>);

struct Inner {
    identity: Identity,
    desk: Desk,
    hpke: Hpke<Kem, HkdfSha256, Aes128>,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").finish_non_exhaustive()
    }
}

impl Suite {
    pub(crate) fn new(identity: Identity, desk: Desk) -> Self {
        let id = KemId::DhKemX25519Sha256;
        let kem = DhKem::new(X25519(desk.clone()), HkdfSha256, id as u16, id.n_secret());
        Self(Arc::new(Inner {
            identity,
            desk,
            hpke: Hpke::new(kem, HkdfSha256, Some(Aes128)),
        }))
    }

    /// Stands where the library keeps a signing key, and says which one to use. The key itself stays in
    /// [`Identity`], and out of every export.
    pub(crate) fn signer(identity: &Identity) -> SignatureSecretKey {
        SignatureSecretKey::new_slice(identity.verifying_key().as_bytes())
    }

    fn is_ours(&self, signer: &SignatureSecretKey) -> Result<(), CryptoError> {
        let ours = self.0.identity.verifying_key().as_bytes();
        if signer.as_bytes() == ours {
            Ok(())
        } else {
            Err(CryptoError::Key)
        }
    }
}

impl CryptoProvider for Suite {
    type CipherSuiteProvider = Self;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![CIPHER_SUITE]
    }

    fn cipher_suite_provider(&self, cipher_suite: CipherSuite) -> Option<Self> {
        (cipher_suite == CIPHER_SUITE).then(|| self.clone())
    }
}

impl CipherSuiteProvider for Suite {
    type Error = CryptoError;
    type HpkeContextS = ContextS<HkdfSha256, Aes128>;
    type HpkeContextR = ContextR<HkdfSha256, Aes128>;

    fn cipher_suite(&self) -> CipherSuite {
        CIPHER_SUITE
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(Sha256::digest(data).to_vec())
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| CryptoError::Length)?;
        mac.update(data);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    fn aead_seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        Aes128.seal(key, data, aad, nonce)
    }

    fn aead_open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Aes128.open(key, ciphertext, aad, nonce).map(Zeroizing::new)
    }

    fn aead_key_size(&self) -> usize {
        Aes128.key_size()
    }

    fn aead_nonce_size(&self) -> usize {
        Aes128.nonce_size()
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        HkdfSha256.extract(salt, ikm).map(Zeroizing::new)
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        HkdfSha256.expand(prk, info, len).map(Zeroizing::new)
    }

    fn kdf_extract_size(&self) -> usize {
        HASH_BYTES
    }

    fn hpke_seal(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        Ok(self.0.hpke.seal(remote_key, info, None, aad, pt)?)
    }

    fn hpke_seal_psk(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
        psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext, CryptoError> {
        Ok(self.0.hpke.seal(remote_key, info, Some(psk), aad, pt)?)
    }

    fn hpke_open(
        &self,
        ciphertext: &HpkeCiphertext,
        local_secret: &HpkeSecretKey,
        local_public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let hpke = &self.0.hpke;
        Ok(hpke.open(ciphertext, local_secret, local_public, info, None, aad)?)
    }

    fn hpke_open_psk(
        &self,
        ciphertext: &HpkeCiphertext,
        local_secret: &HpkeSecretKey,
        local_public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        psk: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let hpke = &self.0.hpke;
        Ok(hpke.open(ciphertext, local_secret, local_public, info, Some(psk), aad)?)
    }

    fn hpke_setup_s(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
    ) -> Result<(Vec<u8>, Self::HpkeContextS), CryptoError> {
        Ok(self.0.hpke.setup_sender(remote_key, info, None)?)
    }

    fn hpke_setup_r(
        &self,
        kem_output: &[u8],
        local_secret: &HpkeSecretKey,
        local_public: &HpkePublicKey,
        info: &[u8],
    ) -> Result<Self::HpkeContextR, CryptoError> {
        let hpke = &self.0.hpke;
        Ok(hpke.setup_receiver(kem_output, local_secret, local_public, info, None)?)
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), CryptoError> {
        Ok(self.0.hpke.derive(ikm)?)
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), CryptoError> {
        Ok(self.0.hpke.generate()?)
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<(), CryptoError> {
        Ok(self.0.hpke.public_key_validate(key)?)
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        Ok(self.0.desk.fill(out)?)
    }

    /// Identity keys are not made here.
    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey), CryptoError> {
        Err(CryptoError::Key)
    }

    fn signature_key_derive_public(
        &self,
        secret_key: &SignatureSecretKey,
    ) -> Result<SignaturePublicKey, CryptoError> {
        self.is_ours(secret_key)?;
        Ok(SignaturePublicKey::new_slice(secret_key.as_bytes()))
    }

    fn sign(&self, secret_key: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.is_ours(secret_key)?;
        Ok(self.0.identity.sign(data).as_bytes().to_vec())
    }

    fn verify(
        &self,
        public_key: &SignaturePublicKey,
        signature: &[u8],
        data: &[u8],
    ) -> Result<(), CryptoError> {
        let key = <&[u8; 32]>::try_from(public_key.as_bytes()).map_err(|_| CryptoError::Key)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| CryptoError::Key)?;
        let signature = <[u8; 64]>::try_from(signature).map_err(|_| CryptoError::Length)?;
        key.verify(data, &Signature::from_bytes(signature))
            .map_err(|_| CryptoError::Authentication)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concilium_core::{MemberId, Secret};

    fn suite() -> Suite {
        let identity = Identity::new(MemberId::new("alice").unwrap(), &Secret::new([1; 32]));
        Suite::new(identity, Desk::default())
    }

    fn unhex(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    /// RFC 9180, appendix A.1.1, the first message.
    #[test]
    fn hpke_opens_the_test_vector_of_its_specification() {
        let ciphertext = HpkeCiphertext {
            kem_output: unhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"),
            ciphertext: unhex(concat!(
                "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9",
                "6d8770ac83d07bea87e13c512a"
            )),
        };
        let secret = unhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
        let public = unhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
        let opened = suite().hpke_open(
            &ciphertext,
            &secret.into(),
            &public.into(),
            b"Ode on a Grecian Urn",
            Some(b"Count-0"),
        );
        assert_eq!(&**opened.unwrap(), b"Beauty is truth, truth beauty");
    }

    #[test]
    fn k11_points_of_small_order_are_refused() {
        let dh = X25519(Desk::default());
        let secret = HpkeSecretKey::from(vec![7; 32]);
        let mut one = vec![0; 32];
        one[0] = 1;
        for point in [vec![0; 32], one] {
            assert_eq!(dh.dh(&secret, &point.into()), Err(CryptoError::Key));
        }
        assert!(dh.dh(&secret, &vec![9; 32].into()).is_ok());
    }

    #[test]
    fn a11_only_our_identity_signs() {
        let suite = suite();
        let ours = Suite::signer(&suite.0.identity);
        let signature = suite.sign(&ours, b"message").unwrap();
        let public = suite.signature_key_derive_public(&ours).unwrap();
        assert_eq!(suite.verify(&public, &signature, b"message"), Ok(()));
        assert_eq!(
            suite.verify(&public, &signature, b"massage"),
            Err(CryptoError::Authentication)
        );
        assert!(
            suite
                .sign(&SignatureSecretKey::new(vec![2; 32]), b"message")
                .is_err()
        );
    }
}

#[cfg(test)]
mod wycheproof;
