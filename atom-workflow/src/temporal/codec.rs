//! Seals what goes to the server: inputs, arguments, answers, errors, secrets. The server keeps it and cannot read it.
//!
//! A payload is sealed with AES-256-GCM under a key of its own, derived (HKDF, RFC 5869) from one of the operator's and a
//! salt. What is large stays in the store, sealed as well, and only its hash goes to the server; its salt follows from its
//! content, so that a replay, which makes the same payload again, keeps it once.

use std::collections::HashMap;
use std::sync::Arc;

use aes_gcm::aead::{Aead, Payload as Message};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use atom_core::storage::{RunLabels, Store, Vault};
use atom_core::{Error, ErrorCode, Result, Scope};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};
use futures::future::BoxFuture;
use hkdf::Hkdf;
use prost::Message as _;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use temporalio_common::data_converters::{
    DataConverter, DefaultFailureConverter, PayloadCodec, PayloadConversionError, PayloadConverter,
    SerializationContextData,
};
use temporalio_common::protos::temporal::api::common::v1::Payload;
use zeroize::Zeroizing;

/// Where in the vault the operator's keys are.
pub const KEY_NAME: &str = "temporal.payload-keys";

/// The largest sealed payload that goes to the server, in bytes.
pub(super) const MAX_INLINE_BYTES: usize = 64 * 1024;

pub(super) const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

const ENCODING: &str = "encoding";
const SEALED: &[u8] = b"binary/atom-sealed";
const REFERENCE: &[u8] = b"binary/atom-reference";
const KEY_ID: &str = "atom-key";

const PAYLOAD: &[u8] = b"atom.temporal.payload.v1";
const CONTENT: &[u8] = b"atom.temporal.content.v1";
const NAME: &[u8] = b"atom.temporal.key.v1";
const OWNER: &[u8] = b"atom.temporal.owner.v1";
const TENANT: &[u8] = b"atom.temporal.tenant.v1";
const ONCE: &[u8] = b"atom.temporal.once.v1";
const SCHEDULE: &[u8] = b"atom.temporal.schedule.v1";
const LABEL: &[u8] = b"atom.temporal.label.v1";

/// One key of the operator.
struct Key(Zeroizing<Vec<u8>>);

impl Key {
    fn derive(&self, salt: Option<&[u8]>, info: &[&[u8]], output: &mut [u8]) -> Result<()> {
        Hkdf::<Sha256>::new(salt, &self.0)
            .expand_multi_info(info, output)
            .map_err(|_| Error::internal("a key cannot be derived"))
    }

    /// What tells it from others.
    fn id(&self) -> Result<Vec<u8>> {
        let mut id = [0; 8];
        self.derive(None, &[NAME], &mut id)?;
        Ok(hex(&id).into_bytes())
    }

    fn cipher(&self, salt: &[u8]) -> Result<(Aes256Gcm, [u8; NONCE_BYTES])> {
        let mut derived = Zeroizing::new([0; KEY_BYTES + NONCE_BYTES]);
        self.derive(Some(salt), &[PAYLOAD], &mut derived[..])?;
        let (key, rest) = derived.split_at(KEY_BYTES);
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(rest);
        let cipher = Aes256Gcm::new_from_slice(key);
        let cipher = cipher.map_err(|_| Error::internal("a payload's key has a wrong size"))?;
        Ok((cipher, nonce))
    }

    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut salt = [0; SALT_BYTES];
        if is_inline(plain.len() + SALT_BYTES + TAG_BYTES) {
            getrandom::fill(&mut salt)
                .map_err(|error| Error::internal("there is no randomness").with_source(error))?;
        } else {
            self.derive(None, &[CONTENT, &Sha256::digest(plain)], &mut salt)?;
        }
        let (cipher, nonce) = self.cipher(&salt)?;
        let message = Message {
            msg: plain,
            aad: PAYLOAD,
        };
        let sealed = cipher.encrypt(&Nonce::from(nonce), message);
        let sealed = sealed.map_err(|_| Error::internal("a payload cannot be sealed"))?;
        Ok([&salt[..], &sealed].concat())
    }

    fn open(&self, data: &[u8]) -> Result<Vec<u8>> {
        let (salt, sealed) = data.split_at_checked(SALT_BYTES).ok_or_else(altered)?;
        let (cipher, nonce) = self.cipher(salt)?;
        let message = Message {
            msg: sealed,
            aad: PAYLOAD,
        };
        cipher
            .decrypt(&Nonce::from(nonce), message)
            .map_err(|_| altered())
    }
}

/// The operator's keys: the first seals, each opens what it has sealed.
pub(super) struct Sealer {
    keys: Vec<(Vec<u8>, Key)>,
    store: Arc<dyn Store>,
    operator: Scope,
}

/// Without the keys.
impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sealer")
            .field("keys", &self.keys.len())
            .field("operator", &self.operator)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// Reads the operator's keys from the vault.
    ///
    /// # Errors
    /// `not_found` when there are none, `invalid_data` for a text that holds something else, what the vault says.
    pub(super) async fn open(vault: &dyn Vault, store: Arc<dyn Store>, operator: &Scope) -> Result<Self> {
        let secret = vault.get(operator, KEY_NAME).await?.ok_or_else(|| {
            Error::not_found(format!(
                "runs on Temporal need the secret '{KEY_NAME}' of {operator}: 32 random bytes in Base64; set it with secrets.set"
            ))
        })?;
        let mut keys = Vec::new();
        for text in secret.expose().split_ascii_whitespace() {
            let key = Key(Zeroizing::new(BASE64.decode(text).unwrap_or_default()));
            if key.0.len() != KEY_BYTES {
                return Err(Error::new(
                    ErrorCode::InvalidData,
                    format!("each key in the secret '{KEY_NAME}' must be 32 bytes in Base64"),
                ));
            }
            keys.push((key.id()?, key));
        }
        if keys.is_empty() {
            return Err(Error::new(
                ErrorCode::InvalidData,
                format!("the secret '{KEY_NAME}' holds no key"),
            ));
        }
        Ok(Self {
            keys,
            store,
            operator: operator.clone(),
        })
    }

    /// What stands for an owner where the server can read it. It stays the same for as long as the oldest key stays.
    pub(super) fn owner(&self, scope: &Scope) -> Result<String> {
        self.name(OWNER, &scope.to_string())
    }

    /// What stands for a tenant there.
    pub(super) fn tenant(&self, tenant: &str) -> Result<String> {
        self.name(TENANT, tenant)
    }

    /// What stands for that which is started once.
    pub(super) fn once(&self, name: &str) -> Result<String> {
        self.name(ONCE, name)
    }

    /// What stands for a schedule there.
    pub(super) fn schedule(&self, name: &str) -> Result<String> {
        self.name(SCHEDULE, name)
    }

    /// Seals what the SDK does not send.
    pub(super) async fn seal(&self, value: &impl Serialize) -> Result<Payload> {
        let data = serde_json::to_vec(value)
            .map_err(|error| Error::internal("a payload cannot be written").with_source(error))?;
        self.encode(json(data)).await
    }

    /// What stands for the labels of an owner's run there.
    pub(super) fn labels(&self, scope: &Scope, labels: &RunLabels) -> Result<Vec<String>> {
        let owner = scope.to_string();
        let tags = labels
            .tags
            .iter()
            .map(|(name, tag)| json!([owner, "tag", name, tag]));
        let fields = labels.fields.iter();
        let fields = fields.map(|(name, field)| json!([owner, "field", name, field]));
        tags.chain(fields)
            // Shorter than in hexadecimal: a run has many, and the server allows little.
            .map(|label| Ok(BASE64_URL.encode(self.derived(LABEL, &label.to_string())?)))
            .collect()
    }

    fn name(&self, kind: &[u8], text: &str) -> Result<String> {
        Ok(hex(&self.derived(kind, text)?))
    }

    fn derived(&self, kind: &[u8], text: &str) -> Result<[u8; 16]> {
        let (_, oldest) = self.keys.last().ok_or_else(no_key)?;
        let mut name = [0; 16];
        oldest.derive(None, &[kind, text.as_bytes()], &mut name)?;
        Ok(name)
    }

    /// What the SDK encodes and decodes with.
    pub(super) fn data_converter(self: &Arc<Self>) -> DataConverter {
        let codec = Codec(Arc::clone(self));
        // With the texts of errors, which may tell what was in the data.
        DataConverter::new(
            PayloadConverter::default(),
            DefaultFailureConverter::new(true),
            codec,
        )
    }

    async fn encode(&self, payload: Payload) -> Result<Payload> {
        let (id, key) = self.keys.first().ok_or_else(no_key)?;
        let sealed = key.seal(&payload.encode_to_vec())?;
        if is_inline(sealed.len()) {
            return Ok(packed(SEALED, id, sealed));
        }
        let hash = hex(&Sha256::digest(&sealed));
        let text = BASE64.encode(sealed);
        self.store.put_document(&self.operator, &hash, &text).await?;
        Ok(packed(REFERENCE, id, hash.into_bytes()))
    }

    pub(super) async fn decode(&self, payload: Payload) -> Result<Payload> {
        let sealed = match payload.metadata.get(ENCODING).map(Vec::as_slice) {
            Some(SEALED) => payload.data,
            Some(REFERENCE) => self.fetch(&payload.data).await?,
            // Nobody of the engine has written it: a signal by hand, say. It is read as nothing, so that the run can refuse it.
            _ => {
                tracing::warn!("a payload that is not sealed was refused");
                return Ok(nothing());
            }
        };
        let id = payload.metadata.get(KEY_ID);
        let key = self.keys.iter().find(|(known, _)| Some(known) == id);
        let (_, key) = key.ok_or_else(|| {
            let message =
                format!("a payload was sealed with a key that the secret '{KEY_NAME}' no longer holds");
            Error::new(ErrorCode::InvalidData, message)
        })?;
        let plain = key.open(&sealed)?;
        Payload::decode(plain.as_slice()).map_err(|error| {
            Error::new(ErrorCode::InvalidData, "a payload cannot be read").with_source(error)
        })
    }

    async fn fetch(&self, hash: &[u8]) -> Result<Vec<u8>> {
        let hash = String::from_utf8_lossy(hash);
        let text = self.store.document(&self.operator, &hash).await?;
        let text = text.ok_or_else(|| {
            Error::not_found(format!(
                "the large payload {hash} is not in the store; do all workers share one?"
            ))
        })?;
        BASE64.decode(text).map_err(|error| {
            Error::new(ErrorCode::InvalidData, "a large payload was altered").with_source(error)
        })
    }
}

/// JSON's `null`.
fn nothing() -> Payload {
    json(b"null".to_vec())
}

fn json(data: Vec<u8>) -> Payload {
    Payload {
        metadata: HashMap::from([(ENCODING.to_owned(), b"json/plain".to_vec())]),
        data,
        ..Payload::default()
    }
}

fn altered() -> Error {
    Error::new(ErrorCode::InvalidData, "a payload of the server was altered")
}

/// Whether a sealed payload of this size goes to the server.
fn is_inline(bytes: usize) -> bool {
    bytes <= MAX_INLINE_BYTES
}

fn no_key() -> Error {
    Error::internal("there is no key")
}

fn packed(encoding: &[u8], key: &[u8], data: Vec<u8>) -> Payload {
    Payload {
        metadata: HashMap::from([
            (ENCODING.to_owned(), encoding.to_vec()),
            (KEY_ID.to_owned(), key.to_vec()),
        ]),
        data,
        ..Payload::default()
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Codec(Arc<Sealer>);

type Converted = BoxFuture<'static, std::result::Result<Vec<Payload>, PayloadConversionError>>;

impl PayloadCodec for Codec {
    fn encode(&self, _context: &SerializationContextData, payloads: Vec<Payload>) -> Converted {
        let sealer = Arc::clone(&self.0);
        Box::pin(async move {
            let mut encoded = Vec::with_capacity(payloads.len());
            for payload in payloads {
                encoded.push(sealer.encode(payload).await.map_err(unconverted)?);
            }
            Ok(encoded)
        })
    }

    fn decode(&self, _context: &SerializationContextData, payloads: Vec<Payload>) -> Converted {
        let sealer = Arc::clone(&self.0);
        Box::pin(async move {
            let mut decoded = Vec::with_capacity(payloads.len());
            for payload in payloads {
                decoded.push(sealer.decode(payload).await.map_err(unconverted)?);
            }
            Ok(decoded)
        })
    }
}

fn unconverted(error: Error) -> PayloadConversionError {
    PayloadConversionError::EncodingError(Box::new(error))
}
