//! The vault, as its users and its attackers see it.

use atom_core::storage::Vault;
use atom_core::testkit::{self, fixtures};
use atom_core::{ErrorCode, Scope, Secret};
use atom_integrations::storage::postgres_testing::TestPostgres;
use atom_integrations::storage::{PostgresConfig, PostgresStore};
use atom_integrations::vault::{PostgresVault, RootKey};

use super::{number, open, server};

const CANARY: &str = "canary-5c1f0e7d";

fn root_key(text: &str) -> RootKey {
    RootKey::from_base64(&Secret::new(text), "the keychain").unwrap()
}

async fn open_vault(database: &PostgresConfig) -> (PostgresStore, PostgresVault) {
    let store = open(database).await;
    let key = root_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let vault = PostgresVault::open_with(&store, key).await.unwrap();
    (store, vault)
}

/// What somebody who can write to the database does to it.
async fn tamper(server: &TestPostgres, database: &PostgresConfig, sql: &str) {
    let database = server.as_superuser(database);
    server.execute(&database, sql).await.unwrap();
}

async fn set(vault: &PostgresVault, scope: &Scope, name: &str, text: &str) {
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
    let Some(server) = server().await else { return };
    let (_store, vault) = open_vault(&server.database()).await;
    testkit::vault::check(&vault).await;
}

#[tokio::test]
async fn secrets_survive_a_restart_and_never_reach_the_database_in_the_clear() {
    let Some(server) = server().await else { return };
    let (database, own) = (server.database(), fixtures::scope());
    let (store, vault) = open_vault(&database).await;
    set(&vault, &own, "key", CANARY).await;
    let search = |what: &str| {
        format!("SELECT count(*) FROM secrets WHERE strpos(encode(sealed, 'escape') || name, '{what}') > 0")
    };
    assert_eq!(
        number(server, &database, &search("key")).await,
        1,
        "the search finds what is there"
    );
    assert_eq!(number(server, &database, &search(CANARY)).await, 0);
    store.close().await.unwrap();
    let closed = vault.get(&own, "key").await.unwrap_err();
    assert_eq!(closed.code(), ErrorCode::Closed);

    let (store, vault) = open_vault(&database).await;
    assert_eq!(vault.get(&own, "key").await.unwrap().unwrap().expose(), CANARY);
    assert!(!format!("{vault:?}").contains(CANARY));
    let other = root_key("AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let error = PostgresVault::open_with(&store, other).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidData);
    assert!(error.message().contains("the keychain"), "{error}");
}

#[tokio::test]
async fn engines_with_two_root_keys_do_not_share_a_vault_even_before_it_has_secrets() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let store = open(&database).await;
    let keys = || {
        [
            root_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
            root_key("AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ]
    };
    let vaults = keys().map(|key| PostgresVault::open_with(&store, key));
    let vaults = futures::future::join_all(vaults).await;
    let refused: Vec<_> = vaults.iter().filter_map(|vault| vault.as_ref().err()).collect();
    assert_eq!(refused.len(), 1, "{vaults:?}");
    assert_eq!(refused[0].code(), ErrorCode::InvalidData);
    let mut is_bound = Vec::new();
    for key in keys() {
        is_bound.push(PostgresVault::open_with(&store, key).await.is_ok());
    }
    let was_bound: Vec<_> = vaults.iter().map(Result::is_ok).collect();
    assert_eq!(is_bound, was_bound);

    // No key is made where the vault has one already.
    let folder = tempfile::tempdir().unwrap();
    let error = PostgresVault::open(&store, folder.path()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidData);
    assert!(error.message().contains("ATOM_ROOT_KEY"), "{error}");
    assert!(!folder.path().join("root.key").exists());
}

#[tokio::test]
async fn a_vault_of_before_that_was_not_bound_opens() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let (store, vault) = open_vault(&database).await;
    let own = fixtures::scope();
    set(&vault, &own, "key", CANARY).await;
    store.close().await.unwrap();
    tamper(server, &database, "DELETE FROM tenant_keys WHERE tenant = ''").await;
    let (_store, vault) = open_vault(&database).await;
    assert_eq!(vault.get(&own, "key").await.unwrap().unwrap().expose(), CANARY);
}

/// As the guide says for a key that is lost.
#[tokio::test]
async fn a_vault_is_bound_anew_by_hand_if_it_has_no_secrets() {
    const FREE: &str = "BEGIN; SET LOCAL atom.all_tenants = 'on'; \
         DELETE FROM tenant_keys WHERE NOT EXISTS (SELECT FROM secrets); COMMIT;";
    let Some(server) = server().await else { return };
    let database = server.database();
    let (store, vault) = open_vault(&database).await;
    let other = || root_key("AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let own = fixtures::scope();
    set(&vault, &own, "key", CANARY).await;
    server.execute(&database, FREE).await.unwrap();
    assert!(PostgresVault::open_with(&store, other()).await.is_err());
    assert!(vault.delete(&own, "key").await.unwrap());
    server.execute(&database, FREE).await.unwrap();
    let vault = PostgresVault::open_with(&store, other()).await.unwrap();
    set(&vault, &own, "key", CANARY).await;
    assert_eq!(vault.get(&own, "key").await.unwrap().unwrap().expose(), CANARY);
}

#[tokio::test]
async fn secrets_that_are_set_at_once_are_sealed_with_one_key() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let (_store, vault) = open_vault(&database).await;
    let own = fixtures::scope();
    let names: Vec<_> = (0..20).map(|number| format!("name{}", number % 10)).collect();
    futures::future::join_all(names.iter().map(|name| set(&vault, &own, name, CANARY))).await;
    for name in &names {
        assert_eq!(vault.get(&own, name).await.unwrap().unwrap().expose(), CANARY);
    }
    let versions: Vec<_> = vault.list(&own).await.unwrap();
    assert!(versions.iter().all(|info| info.version == 2), "{versions:?}");
    assert_eq!(
        number(
            server,
            &database,
            "SELECT count(*) FROM tenant_keys WHERE tenant <> ''"
        )
        .await,
        1
    );
}

#[tokio::test]
async fn records_that_were_moved_or_put_back_do_not_open() {
    let Some(server) = server().await else { return };
    let own = scope("acme", "ada");
    let keep = "CREATE TABLE kept AS SELECT * FROM secrets WHERE tenant = 'acme' AND owner = 'ada' AND name = 'key';";
    let put_back = "UPDATE secrets SET sealed = (SELECT sealed FROM kept) \
         WHERE tenant = 'acme' AND owner = 'ada' AND name = 'key';";
    let copy_from = |condition: &str| {
        format!(
            "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE {condition}) \
             WHERE tenant = 'acme' AND owner = 'ada' AND name = 'key';"
        )
    };
    let attacks = [
        (
            "another name's",
            copy_from("owner = 'ada' AND tenant = 'acme' AND name = 'other'"),
        ),
        ("another user's", copy_from("owner = 'bob'")),
        ("another tenant's", copy_from("tenant = 'bell'")),
        (
            "a short one",
            "UPDATE secrets SET sealed = '\\\\x0101'::bytea;".to_owned(),
        ),
        (
            "one of an unknown key",
            format!(
                "UPDATE secrets SET sealed = '\\x0101{:016x}{}'::bytea;",
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
        let database = server.database();
        let (_store, vault) = open_vault(&database).await;
        for (owner, name) in [
            (&own, "key"),
            (&own, "other"),
            (&scope("acme", "bob"), "key"),
            (&scope("bell", "ada"), "key"),
        ] {
            set(&vault, owner, name, CANARY).await;
        }
        tamper(server, &database, &sql).await;
        assert_eq!(
            vault.get(&own, "key").await.unwrap_err().code(),
            ErrorCode::InvalidData,
            "{attack}"
        );
    }

    let database = server.database();
    let (_store, vault) = open_vault(&database).await;
    set(&vault, &own, "key", "old").await;
    tamper(server, &database, keep).await;
    set(&vault, &own, "key", "new").await;
    tamper(server, &database, put_back).await;
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
        server,
        &database,
        "UPDATE kept SET sealed = (SELECT sealed FROM secrets);",
    )
    .await;
    vault.delete(&own, "key").await.unwrap();
    tamper(server, &database, "INSERT INTO secrets SELECT * FROM kept;").await;
    assert_eq!(
        vault.get(&own, "key").await.unwrap_err().code(),
        ErrorCode::InvalidData,
        "a removed secret"
    );
    assert_eq!(vault.list(&own).await.unwrap(), []);
}
