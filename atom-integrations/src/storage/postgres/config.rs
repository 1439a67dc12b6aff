//! How a database is reached.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use atom_core::{Error, Result, Secret};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

/// The parameters that a URL may have of those of `libpq`.
const PARAMETERS: [&str; 9] = [
    "application_name",
    "dbname",
    "host",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// The shortest lease: it must not run out because the machine is busy for a moment.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// The longest of all times: what takes longer is a mistake, and nobody takes over what an engine drove that died.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest name of a schema.
const MAX_SCHEMA: usize = 63;

/// Which database a [`PostgresStore`](super::PostgresStore) keeps everything in, and its limits.
///
/// ```
/// use atom_core::Secret;
/// use atom_integrations::storage::PostgresConfig;
///
/// let url = Secret::new("postgres://atom:secret@db.example.com/app?sslmode=verify-full&schema=workflows");
/// let mut config = PostgresConfig::new(&url)?;
/// config.max_connections = 20;
/// assert_eq!(config.schema(), "workflows");
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), atom_core::Error>(())
/// ```
#[derive(Clone)]
pub struct PostgresConfig {
    pub(super) options: PgConnectOptions,
    pub(super) schema: String,
    /// How many connections the store has at most, from 3: one writes the steps of runs, one renews the lease and hears what
    /// others do, the rest serve everything else.
    /// 8 by default.
    pub max_connections: u32,
    /// How long a caller waits for a connection. 10 seconds by default.
    pub acquire_timeout: Duration,
    /// How long one statement may take. 30 seconds by default.
    pub statement_timeout: Duration,
    /// How long a statement waits for what another transaction holds. 10 seconds by default.
    pub lock_timeout: Duration,
    /// How long a transaction may do nothing before the database ends it, which frees what an engine that stopped holds.
    /// No longer than half the lease, whatever is said here. 5 seconds by default.
    pub idle_in_transaction_timeout: Duration,
    /// How long the lease of this engine lasts when it is not renewed, from a second to a day; it is renewed after a third of that.
    /// What an engine drives that has died is taken over once its lease has run out. 15 seconds by default.
    pub lease: Duration,
    /// Whether the role may be one that row-level security does not hold for: a superuser, or one with `BYPASSRLS`. The
    /// store keeps tenants apart all the same, but without the database's second wall. `false` by default.
    pub may_bypass_row_security: bool,
}

impl PostgresConfig {
    /// The database at a URL: `postgres://user:password@host:port/database?parameter=value`.
    ///
    /// `schema` names the schema that holds all tables; it is `atom` unless given, and is created when there is none.
    /// `max_connections`, `acquire_timeout_ms`, `statement_timeout_ms`, `lock_timeout_ms`, `idle_in_transaction_timeout_ms`,
    /// `lease_ms` and `may_bypass_row_security` (`true` or `false`) set the fields of these names. The other parameters are those of `libpq`: `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `application_name`, `host` (a
    /// path for a Unix socket), `port`, `dbname` and `user`. With `sslmode=verify-full` the server must prove who it is;
    /// without a `sslmode` the connection is encrypted if the server offers it. A password may stand in a password file as
    /// `libpq` has it. Connections have settings of their own, so they do not go through a pooler that shares them.
    ///
    /// # Errors
    /// `invalid_request` when the URL is malformed, has an unknown parameter or names no possible schema. It is not shown.
    pub fn new(url: &Secret) -> Result<Self> {
        let mut url = Url::parse(url.expose())
            .ok()
            .filter(|url| matches!(url.scheme(), "postgres" | "postgresql"))
            .ok_or_else(|| {
                Error::invalid_request(
                    "the URL of the database must be 'postgres://user:password@host:port/database'",
                )
            })?;
        let (others, own): (Vec<_>, Vec<_>) = url
            .query_pairs()
            .into_owned()
            .partition(|(name, _)| PARAMETERS.contains(&name.as_str()));
        if others.is_empty() {
            url.set_query(None);
        } else {
            url.query_pairs_mut().clear().extend_pairs(others);
        }
        let options = PgConnectOptions::from_url(&url).map_err(|_| {
            // The error might show what the URL holds.
            Error::invalid_request("the URL of the database has a parameter with an impossible value")
        })?;
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("atom"),
        };
        let mut config = Self::of(options.disable_statement_logging(), "atom".to_owned());
        for (name, value) in own {
            config.set(&name, value)?;
        }
        Ok(config)
    }

    /// Sets what a parameter of a URL names.
    fn set(&mut self, name: &str, value: String) -> Result<()> {
        let time = || parameter(name, &value).map(Duration::from_millis);
        match name {
            "schema" => {
                check_schema(&value)?;
                self.schema = value;
            }
            "max_connections" => self.max_connections = parameter(name, &value)?,
            "acquire_timeout_ms" => self.acquire_timeout = time()?,
            "statement_timeout_ms" => self.statement_timeout = time()?,
            "lock_timeout_ms" => self.lock_timeout = time()?,
            "idle_in_transaction_timeout_ms" => self.idle_in_transaction_timeout = time()?,
            "lease_ms" => self.lease = time()?,
            "may_bypass_row_security" => self.may_bypass_row_security = parameter(name, &value)?,
            _ => {
                return Err(Error::invalid_request(format!(
                    "the URL of the database has an unknown parameter '{name}'; remove it"
                )));
            }
        }
        Ok(())
    }

    /// Refuses limits that no engine works with.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |name: &str, bounds: &str| {
            let message = format!("'{name}' of the database must be {bounds}; correct its URL");
            Err(Error::invalid_request(message))
        };
        if self.max_connections < 3 {
            return refuse("max_connections", "at least 3");
        }
        if !(SHORTEST_LEASE..=LONGEST).contains(&self.lease) {
            return refuse("lease_ms", "from 1000 (a second) to 86400000 (a day)");
        }
        for (name, time) in [
            ("acquire_timeout_ms", self.acquire_timeout),
            ("statement_timeout_ms", self.statement_timeout),
            ("lock_timeout_ms", self.lock_timeout),
            ("idle_in_transaction_timeout_ms", self.idle_in_transaction_timeout),
        ] {
            if time > LONGEST {
                return refuse(name, "at most 86400000 (a day)");
            }
        }
        Ok(())
    }

    /// These options with the usual limits.
    pub(super) fn of(options: PgConnectOptions, schema: String) -> Self {
        Self {
            options,
            schema,
            max_connections: 8,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            idle_in_transaction_timeout: Duration::from_secs(5),
            lease: Duration::from_secs(15),
            may_bypass_row_security: false,
        }
    }

    /// The schema that holds all tables.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The database in words that an error can show.
    pub(super) fn name(&self) -> String {
        let host = match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => self.options.get_host().to_owned(),
        };
        format!("{host}:{}/{}", self.options.get_port(), self.database())
    }

    /// The name of the database.
    pub(super) fn database(&self) -> &str {
        let database = self.options.get_database();
        database.unwrap_or_else(|| self.options.get_username())
    }

    /// The options of a connection.
    pub(super) fn connection(&self) -> PgConnectOptions {
        let milliseconds = |time: Duration| time.as_millis().to_string();
        self.options.clone().statement_cache_capacity(256).options([
            ("search_path", self.schema.clone()),
            ("statement_timeout", milliseconds(self.statement_timeout)),
            ("lock_timeout", milliseconds(self.lock_timeout)),
            (
                "idle_in_transaction_session_timeout",
                milliseconds(self.idle_in_transaction_timeout.min(self.lease / 2)),
            ),
            ("client_min_messages", "warning".to_owned()),
            // Statements are short: compiling one takes longer than it.
            ("jit", "off".to_owned()),
        ])
    }

    /// The options of the connection that writes the steps of runs, for all tenants.
    pub(super) fn writer(&self) -> PgConnectOptions {
        self.connection().options([
            ("atom.all_tenants", "on"),
            // Its statements are few and look up every row by its key, whatever the tables hold: they are planned once.
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
        ])
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresConfig")
            .field("database", &self.name())
            .field("schema", &self.schema)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// The value of a parameter that is a number or a flag.
fn parameter<T: FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| {
        Error::invalid_request(format!(
            "the parameter '{name}' of the URL of the database has an impossible value; correct it"
        ))
    })
}

/// The name stands in statements as it is.
fn check_schema(schema: &str) -> Result<()> {
    let is_name = (1..=MAX_SCHEMA).contains(&schema.len())
        && schema.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && !schema.starts_with("pg_")
        && schema
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_name {
        return Ok(());
    }
    Err(Error::invalid_request(format!(
        "the schema of the database must be 1 to {MAX_SCHEMA} lowercase letters, digits and '_', beginning with a letter"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_used_is_refused_and_not_shown() {
        for (url, is_accepted) in [
            ("postgres://ada:pass-7@localhost:5433/app", true),
            (
                "postgresql:///app?host=/run/postgresql&user=ada&schema=own_1",
                true,
            ),
            ("postgres://ada:pass-7@localhost/app?schema=a\"b", false),
            ("postgres://ada:pass-7@localhost/app?schema=pg_own", false),
            ("postgres://ada:pass-7@localhost/app?schema=", false),
            (
                "postgres://ada:pass-7@localhost/app?lease_ms=5000&max_connections=4",
                true,
            ),
            ("postgres://ada:pass-7@localhost/app?lease_ms=pass-7", false),
            ("postgres://ada:pass-7@localhost/app?sslmode=maybe", false),
            (
                "postgres://ada:pass-7@localhost/app?max_connections=pass-7",
                false,
            ),
            ("postgres://ada:pass-7@localhost/app?lock_timeout_ms=-1", false),
            ("postgres://ada:pass-7@localhost/app?sslpassword=pass-7", false),
            ("mysql://ada:pass-7@localhost/app", false),
            ("pass-7", false),
        ] {
            let config = PostgresConfig::new(&Secret::new(url));
            assert_eq!(config.is_ok(), is_accepted, "{config:?}");
            assert!(!format!("{config:?}").contains("pass-7"), "{config:?}");
        }
    }

    #[test]
    fn a_socket_stands_in_a_url_as_libpq_has_it() {
        let url = "postgres://ada:p%40ss%2Fw%23rd@localhost/app?host=%2Frun%2Fpostgresql";
        let config = PostgresConfig::new(&Secret::new(url)).unwrap();
        assert_eq!(config.name(), "/run/postgresql:5432/app");
    }

    #[test]
    fn a_limit_that_no_engine_works_with_is_named_as_in_the_url() {
        for (parameter, is_accepted) in [
            ("max_connections=2", false),
            ("max_connections=3", true),
            ("lease_ms=5", false),
            ("lease_ms=1000", true),
            ("lease_ms=86400000", true),
            ("lease_ms=86400001", false),
            ("acquire_timeout_ms=18446744073709551615", false),
            ("statement_timeout_ms=86400001", false),
            ("lock_timeout_ms=86400001", false),
            ("idle_in_transaction_timeout_ms=86400001", false),
        ] {
            let url = format!("postgres://ada@localhost/app?{parameter}");
            let checked = PostgresConfig::new(&Secret::new(url)).unwrap().check();
            assert_eq!(checked.is_ok(), is_accepted, "{parameter}: {checked:?}");
            if let Err(error) = checked {
                let (name, _) = parameter.split_once('=').unwrap();
                assert!(error.message().contains(name), "{error}");
            }
        }
    }

    #[test]
    fn a_url_can_set_every_limit() {
        let url = "postgres://ada@localhost/app?schema=own&max_connections=3&acquire_timeout_ms=1&statement_timeout_ms=2\
             &lock_timeout_ms=3&idle_in_transaction_timeout_ms=4&may_bypass_row_security=true&sslmode=disable";
        let config = PostgresConfig::new(&Secret::new(url)).unwrap();
        assert_eq!((config.schema(), config.max_connections), ("own", 3));
        let times = [
            config.acquire_timeout,
            config.statement_timeout,
            config.lock_timeout,
            config.idle_in_transaction_timeout,
        ];
        assert_eq!(times, [1, 2, 3, 4].map(Duration::from_millis));
        assert!(config.may_bypass_row_security);
    }
}
