//! Sealed records: AES-256-GCM under a key of their own.
//!
//! Each record has a random 32-byte salt. HKDF-SHA512 (RFC 5869) of the key and the salt gives the record's
//! encryption key and a commitment to it, so that no record opens under two keys. What the record is and whose
//! is associated data: a record that was moved to another place does not open.
//!
//! A record is: format (1 byte), suite (1), key version (8, big-endian), salt (32), nonce (12),
//! commitment (32), ciphertext and tag.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use atom_core::{Error, ErrorCode, Result, Scope};
use hkdf::Hkdf;
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A symmetric key, wiped from memory when dropped.
pub(super) type Key = Zeroizing<[u8; 32]>;

const FORMAT: u8 = 1;
/// HKDF-SHA512 with commitment and AES-256-GCM.
const SUITE: u8 = 1;
const INFO: &[u8] = b"atom/vault/1/hkdf-sha512/aes-256-gcm/commitment";

const KEY_VERSION: usize = 2;
const SALT: usize = KEY_VERSION + 8;
const NONCE: usize = SALT + 32;
const COMMITMENT: usize = NONCE + 12;
const CIPHERTEXT: usize = COMMITMENT + 32;

/// What a record is and whose.
#[derive(Clone, Copy, Debug)]
pub(super) enum Identity<'a> {
    /// The key of a tenant.
    TenantKey {
        /// The tenant.
        tenant: &'a str,
        /// The version of the tenant's key.
        version: u64,
    },
    /// A secret.
    Secret {
        /// The owner.
        scope: &'a Scope,
        /// The secret's name.
        name: &'a str,
        /// The secret's version.
        version: u64,
    },
}

impl Identity<'_> {
    /// The associated data: every field with its length in front, so that no two identities look the same.
    fn associated_data(self, key_version: u64) -> Vec<u8> {
        let (kind, tenant, user, name, version) = match self {
            Self::TenantKey { tenant, version } => ("tenant key", tenant, "", "", version),
            Self::Secret { scope, name, version } => (
                "secret",
                scope.tenant.as_str(),
                scope.user.as_str(),
                name,
                version,
            ),
        };
        let mut data = Vec::new();
        for field in [
            &[FORMAT][..],
            &[SUITE],
            kind.as_bytes(),
            tenant.as_bytes(),
            user.as_bytes(),
            name.as_bytes(),
            &version.to_be_bytes(),
            &key_version.to_be_bytes(),
        ] {
            data.extend((field.len() as u64).to_be_bytes());
            data.extend(field);
        }
        data
    }
}

/// Fresh random bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(
            ErrorCode::Unavailable,
            "the operating system gives no random numbers; nothing was encrypted",
        )
        .with_source(error)
    })?;
    Ok(bytes)
}

/// Encrypts a text under version `key_version` of a key.
pub(super) fn seal(key: &Key, key_version: u64, identity: Identity<'_>, text: &[u8]) -> Result<Vec<u8>> {
    let salt: [u8; 32] = random()?;
    let nonce: [u8; 12] = random()?;
    let (cipher, commitment) = derive(key, &salt)?;
    let payload = Payload {
        msg: text,
        aad: &identity.associated_data(key_version),
    };
    let ciphertext = cipher
        .encrypt(&Nonce::from(nonce), payload)
        .map_err(|_| Error::internal("a record cannot be encrypted"))?;
    let mut record = vec![FORMAT, SUITE];
    record.extend(key_version.to_be_bytes());
    record.extend(salt);
    record.extend(nonce);
    record.extend(&commitment[..]);
    record.extend(ciphertext);
    Ok(record)
}

/// The version of the key that a record says it is sealed with.
pub(super) fn key_version(record: &[u8]) -> Option<u64> {
    record
        .get(KEY_VERSION..SALT)?
        .try_into()
        .ok()
        .map(u64::from_be_bytes)
}

/// Decrypts a record; `None` when it was altered, is another one's or was sealed with another key.
pub(super) fn open(key: &Key, identity: Identity<'_>, record: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some((header, ciphertext)) = record.split_at_checked(CIPHERTEXT) else {
        return Ok(None);
    };
    let Ok(nonce) = <[u8; 12]>::try_from(&header[NONCE..COMMITMENT]) else {
        return Ok(None);
    };
    let Some(key_version) = key_version(record).filter(|_| header.starts_with(&[FORMAT, SUITE])) else {
        return Ok(None);
    };
    let (cipher, commitment) = derive(key, &header[SALT..NONCE])?;
    if !bool::from(commitment.ct_eq(&header[COMMITMENT..])) {
        return Ok(None);
    }
    let payload = Payload {
        msg: ciphertext,
        aad: &identity.associated_data(key_version),
    };
    Ok(cipher
        .decrypt(&Nonce::from(nonce), payload)
        .ok()
        .map(Zeroizing::new))
}

/// The cipher of a record and the commitment to its key.
fn derive(key: &Key, salt: &[u8]) -> Result<(Aes256Gcm, Zeroizing<Vec<u8>>)> {
    let mut output = Zeroizing::new([0; 64]);
    Hkdf::<Sha512>::new(Some(salt), &key[..])
        .expand(INFO, &mut output[..])
        .map_err(|_| Error::internal("a record's key cannot be derived"))?;
    let (key, commitment) = output.split_at(32);
    let cipher =
        Aes256Gcm::new_from_slice(key).map_err(|_| Error::internal("a record's key has a wrong size"))?;
    Ok((cipher, Zeroizing::new(commitment.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(tenant: &str, user: &str) -> Scope {
        Scope {
            tenant: tenant.to_owned(),
            user: user.to_owned(),
        }
    }

    #[test]
    fn a_record_opens_as_itself_only() {
        let key = Key::new([7; 32]);
        let own = scope("acme", "ada");
        let identity = Identity::Secret {
            scope: &own,
            name: "key",
            version: 2,
        };
        let record = seal(&key, 3, identity, b"canary").unwrap();
        assert_eq!(
            open(&key, identity, &record).unwrap().unwrap().as_slice(),
            b"canary"
        );
        assert_eq!(key_version(&record), Some(3));
        assert!(open(&Key::new([8; 32]), identity, &record).unwrap().is_none());

        let [user, tenant, shifted] = [scope("acme", "bob"), scope("bell", "ada"), scope("acm", "eada")];
        for other in [
            Identity::Secret {
                scope: &user,
                name: "key",
                version: 2,
            },
            Identity::Secret {
                scope: &tenant,
                name: "key",
                version: 2,
            },
            Identity::Secret {
                scope: &shifted,
                name: "key",
                version: 2,
            },
            Identity::Secret {
                scope: &own,
                name: "ke",
                version: 2,
            },
            Identity::Secret {
                scope: &own,
                name: "key",
                version: 1,
            },
            Identity::TenantKey {
                tenant: "acme",
                version: 2,
            },
        ] {
            assert!(open(&key, other, &record).unwrap().is_none(), "{other:?}");
        }
    }

    #[test]
    fn no_bit_can_change_and_no_byte_can_go() {
        let key = Key::new([7; 32]);
        let identity = Identity::TenantKey {
            tenant: "acme",
            version: 1,
        };
        let record = seal(&key, 0, identity, b"text").unwrap();
        for bit in 0..record.len() * 8 {
            let mut altered = record.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, identity, &altered).unwrap().is_none(), "bit {bit}");
        }
        for length in 0..record.len() {
            assert!(
                open(&key, identity, &record[..length]).unwrap().is_none(),
                "length {length}"
            );
        }
    }

    #[test]
    fn the_same_text_never_looks_the_same() {
        let key = Key::new([7; 32]);
        let identity = Identity::TenantKey {
            tenant: "acme",
            version: 1,
        };
        assert_ne!(
            seal(&key, 0, identity, b"text").unwrap(),
            seal(&key, 0, identity, b"text").unwrap()
        );
    }
}
