//! The vault, as its users and its attackers see it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use atom_core::storage::Vault;
use atom_core::testkit::{self, fixtures};
use atom_core::{ErrorCode, Scope, Secret};
use atom_integrations::storage::SqliteStore;
use atom_integrations::vault::{RootKey, SqliteVault};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

const CANARY: &str = "canary-5c1f0e7d";

async fn open(directory: &Path) -> (SqliteStore, SqliteVault) {
    let store = SqliteStore::open(directory).await.unwrap();
    let vault = SqliteVault::open(&store).await.unwrap();
    (store, vault)
}

/// What somebody who can write to the database does to it.
async fn tamper(directory: &Path, sql: &str) {
    let url = format!("sqlite://{}", directory.join("atom.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn set(vault: &SqliteVault, scope: &Scope, name: &str, text: &str) {
    vault
        .set(scope, name, &Secret::new(text), fixtures::start())
        .await
        .unwrap();
}

fn scope(tenant: &str, user: &str) -> Scope {
    Scope {
        tenant: tenant.to_owned(),
        user: user.to_owned(),
    }
}

#[tokio::test]
async fn it_keeps_the_rules_of_a_vault() {
    let directory = tempfile::tempdir().unwrap();
    testkit::vault::check(&open(directory.path()).await.1).await;
}

#[tokio::test]
async fn secrets_survive_a_restart_and_never_reach_the_disk_in_the_clear() {
    let directory = tempfile::tempdir().unwrap();
    let own = fixtures::scope();
    let (store, vault) = open(directory.path()).await;
    set(&vault, &own, "key", CANARY).await;
    let is_anywhere = |what: &[u8]| {
        let files = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .map(|path| std::fs::read(path).unwrap())
            .any(|file| file.windows(what.len()).any(|part| part == what))
    };
    assert!(is_anywhere(b"tenant_keys"), "the search finds what is there");
    assert!(!is_anywhere(CANARY.as_bytes()));
    store.close().await.unwrap();
    assert!(!is_anywhere(CANARY.as_bytes()));
    assert_eq!(
        vault.get(&own, "key").await.unwrap_err().code(),
        ErrorCode::Closed
    );

    let (_store, vault) = open(directory.path()).await;
    assert_eq!(vault.get(&own, "key").await.unwrap().unwrap().expose(), CANARY);
    let mode = std::fs::metadata(directory.path().join("root.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!format!("{vault:?}").contains(CANARY));
}

#[tokio::test]
async fn a_root_key_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path()).await;
    let path = directory.path().join("root.key");
    for mode in [0o640, 0o604, 0o660] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let error = SqliteVault::open(&store).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::PermissionDenied, "{mode:o}");
    }
}

#[tokio::test]
async fn a_wrong_or_missing_root_key_is_named_and_nothing_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let own = fixtures::scope();
    let (store, vault) = open(directory.path()).await;
    set(&vault, &own, "key", CANARY).await;

    let other = Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let other = RootKey::from_base64(&other, "the keychain").unwrap();
    let error = SqliteVault::open_with(&store, other).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidData);
    assert!(error.message().contains("the keychain"), "{error}");

    let path = directory.path().join("root.key");
    let aside = directory.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    let error = SqliteVault::open(&store).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidData);
    assert!(!path.exists(), "no new key hides that the old one is gone");

    std::fs::rename(&aside, &path).unwrap();
    let vault = SqliteVault::open(&store).await.unwrap();
    assert_eq!(vault.get(&own, "key").await.unwrap().unwrap().expose(), CANARY);

    for text in ["", "short", "AAEC", &"A".repeat(60)] {
        let error = RootKey::from_base64(&Secret::new(text), "the keychain").unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(text.is_empty() || !format!("{error:?}").contains(text));
    }
}

#[tokio::test]
async fn vaults_opened_at_once_share_one_root_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let vaults = futures::future::join_all((0..8).map(|_| SqliteVault::open(&store))).await;
    let vaults: Vec<_> = vaults.into_iter().map(Result::unwrap).collect();
    set(&vaults[0], &fixtures::scope(), "key", CANARY).await;
    for vault in &vaults {
        assert_eq!(
            vault
                .get(&fixtures::scope(), "key")
                .await
                .unwrap()
                .unwrap()
                .expose(),
            CANARY
        );
    }
}

#[tokio::test]
async fn records_that_were_moved_or_put_back_do_not_open() {
    let own = scope("acme", "ada");
    let keep =
        "CREATE TABLE kept AS SELECT * FROM secrets WHERE tenant = 'acme' AND user = 'ada' AND name = 'key';";
    let put_back = "UPDATE secrets SET sealed = (SELECT sealed FROM kept) \
         WHERE tenant = 'acme' AND user = 'ada' AND name = 'key';";
    let copy_from = |condition: &str| {
        format!(
            "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE {condition}) \
             WHERE tenant = 'acme' AND user = 'ada' AND name = 'key';"
        )
    };
    let attacks = [
        (
            "another name's",
            copy_from("user = 'ada' AND tenant = 'acme' AND name = 'other'"),
        ),
        ("another user's", copy_from("user = 'bob'")),
        ("another tenant's", copy_from("tenant = 'bell'")),
        ("a short one", "UPDATE secrets SET sealed = x'0101';".to_owned()),
        (
            "one of an unknown key",
            format!(
                "UPDATE secrets SET sealed = x'0101{:016x}{}';",
                9,
                "00".repeat(92)
            ),
        ),
        (
            "an old version",
            "UPDATE secret_versions SET version = version + 1;".to_owned(),
        ),
        (
            "another tenant's key",
            "UPDATE tenant_keys SET wrapped = \
             (SELECT wrapped FROM tenant_keys WHERE tenant = 'bell') WHERE tenant = 'acme';"
                .to_owned(),
        ),
    ];
    for (attack, sql) in attacks {
        let directory = tempfile::tempdir().unwrap();
        let (_store, vault) = open(directory.path()).await;
        for (owner, name) in [
            (&own, "key"),
            (&own, "other"),
            (&scope("acme", "bob"), "key"),
            (&scope("bell", "ada"), "key"),
        ] {
            set(&vault, owner, name, CANARY).await;
        }
        tamper(directory.path(), &sql).await;
        assert_eq!(
            vault.get(&own, "key").await.unwrap_err().code(),
            ErrorCode::InvalidData,
            "{attack}"
        );
    }

    let directory = tempfile::tempdir().unwrap();
    let (_store, vault) = open(directory.path()).await;
    set(&vault, &own, "key", "old").await;
    tamper(directory.path(), keep).await;
    set(&vault, &own, "key", "new").await;
    tamper(directory.path(), put_back).await;
    assert_eq!(
        vault.get(&own, "key").await.unwrap_err().code(),
        ErrorCode::InvalidData,
        "a replaced secret"
    );
    set(&vault, &own, "key", "newer").await;
    assert_eq!(
        vault.get(&own, "key").await.unwrap().unwrap().expose(),
        "newer",
        "setting it again repairs it"
    );
    tamper(
        directory.path(),
        "UPDATE kept SET sealed = (SELECT sealed FROM secrets);",
    )
    .await;
    vault.delete(&own, "key").await.unwrap();
    tamper(directory.path(), "INSERT INTO secrets SELECT * FROM kept;").await;
    assert_eq!(
        vault.get(&own, "key").await.unwrap_err().code(),
        ErrorCode::InvalidData,
        "a removed secret"
    );
    assert_eq!(vault.list(&own).await.unwrap(), []);
}
