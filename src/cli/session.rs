//! An engine that lives as long as a command.

use std::path::PathBuf;

use atom_engine::{Engine, EngineConfig, FileRoots, PrivateAddresses, RetentionConfig, Secret};
use clap::{Args, ValueEnum};

use super::error::CommandError;

/// The environment variable that names the storage.
const STORAGE: &str = "ATOM_STORAGE";

/// The environment variable that names what carries runs out.
const RUNS: &str = "ATOM_RUNS";

/// Whose data a command works on.
#[derive(Debug, Args)]
pub(super) struct SessionOptions {
    /// The folder that holds the store; one command at a time has it open. Without it, the platform's folder for
    /// application data, e.g. ~/.local/share/atom
    #[arg(
        long,
        global = true,
        env = "ATOM_DATA_DIR",
        hide_env_values = true,
        value_name = "FOLDER"
    )]
    data_dir: Option<PathBuf>,
    /// Where everything is kept: 'sqlite' (in the data folder), 'memory', or the URL of a PostgreSQL database,
    /// postgres://user@host/database. A URL with a password belongs into the environment variable, as others see arguments
    #[arg(
        long,
        global = true,
        env = STORAGE,
        hide_env_values = true,
        value_name = "STORAGE",
        value_parser = secret
    )]
    storage: Option<Secret>,
    /// What carries runs out: 'embedded' unless given, or the URL of a Temporal server,
    /// temporal://host:port/namespace?task_queue=name ('temporals' for TLS), where `atom work` does so. Its API key belongs into
    /// ATOM_TEMPORAL_API_KEY
    #[arg(
        long,
        global = true,
        env = RUNS,
        hide_env_values = true,
        value_name = "RUNS",
        value_parser = secret
    )]
    runs: Option<Secret>,
    /// The tenant to act in ('default' unless given)
    #[arg(long, global = true, env = "ATOM_TENANT", hide_env_values = true)]
    tenant: Option<String>,
    /// The user to act as ('default' unless given)
    #[arg(long, global = true, env = "ATOM_USER", hide_env_values = true)]
    user: Option<String>,
    /// Let HTTP calls reach addresses off the public internet, e.g. localhost
    #[arg(long, global = true)]
    allow_private_network: bool,
    /// The URI below which the functions of the catalog 'default' stand, e.g. file:///srv/catalog
    #[arg(long, global = true, value_name = "URI")]
    catalog: Option<String>,
    /// Let workflows run processes with your rights: shell commands, scripts, containers, MCP servers
    #[arg(long, global = true, value_name = "KINDS", value_delimiter = ',')]
    allow: Vec<ProcessKind>,
}

/// A kind of process that workflows may be allowed to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProcessKind {
    Shell,
    Script,
    Container,
    Mcp,
}

impl SessionOptions {
    /// The command that finishes what this one leaves: with the same data, and with what workflows may do.
    pub(super) fn resume_command(&self) -> String {
        self.command("resume")
    }

    /// A command with the same data, and with what workflows may do.
    pub(super) fn command(&self, words: &str) -> String {
        let mut command = format!("atom {words}");
        let data_dir = self.data_dir.as_ref().map(|folder| {
            // The next command may be given somewhere else.
            std::path::absolute(folder)
                .unwrap_or_else(|_| folder.clone())
                .display()
                .to_string()
        });
        for (name, value) in [
            ("--data-dir", data_dir),
            ("--storage", argument(self.storage.as_ref(), STORAGE)),
            ("--runs", argument(self.runs.as_ref(), RUNS)),
            ("--tenant", self.tenant.clone()),
            ("--user", self.user.clone()),
            ("--catalog", self.catalog.clone()),
        ] {
            if let Some(value) = value {
                command.push_str(&format!(" {name} {}", quoted(&value)));
            }
        }
        if self.allow_private_network {
            command.push_str(" --allow-private-network");
        }
        let kinds = self.allow.iter().filter_map(ValueEnum::to_possible_value);
        let kinds: Vec<_> = kinds.map(|kind| kind.get_name().to_owned()).collect();
        if !kinds.is_empty() {
            command.push_str(&format!(" --allow {}", kinds.join(",")));
        }
        command
    }

    /// The configuration of an engine for a command.
    pub(super) fn config(&self) -> Result<EngineConfig, CommandError> {
        // What was interrupted goes on when somebody asks for it: asking a question must not set off effects.
        let mut config = EngineConfig {
            data_dir: self.data_dir.clone(),
            file_roots: FileRoots::Everywhere,
            resume: false,
            ..EngineConfig::default()
        };
        if let Some(tenant) = &self.tenant {
            config.tenant.clone_from(tenant);
        }
        if let Some(user) = &self.user {
            config.user.clone_from(user);
        }
        if let Some(storage) = &self.storage {
            config.storage = storage.expose().parse()?;
        }
        if let Some(runs) = &self.runs {
            config.runs = runs.expose().parse()?;
        }
        config.default_catalog.clone_from(&self.catalog);
        if self.allow_private_network {
            config.http.private_addresses = PrivateAddresses::Allow;
        }
        config.processes.shell = self.allow.contains(&ProcessKind::Shell);
        config.processes.script = self.allow.contains(&ProcessKind::Script);
        config.processes.container = self.allow.contains(&ProcessKind::Container);
        config.processes.mcp = self.allow.contains(&ProcessKind::Mcp);
        Ok(config)
    }

    /// Opens the engine, works with it until the work is done or Ctrl-C is pressed, and closes it.
    pub(super) async fn with_engine<T>(
        &self,
        work: impl AsyncFnOnce(&Engine) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        Self::with_engine_of(self.config()?, work).await
    }

    /// Does the same with an engine that goes on with the runs and schedules of every tenant and user, and removes what has
    /// expired.
    pub(super) async fn with_working_engine<T>(
        &self,
        retention: RetentionConfig,
        work: impl AsyncFnOnce(&Engine) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let mut config = self.config()?;
        config.resume = true;
        config.retention = retention;
        Self::with_engine_of(config, work).await
    }

    async fn with_engine_of<T>(
        config: EngineConfig,
        work: impl AsyncFnOnce(&Engine) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let engine = Engine::open(config).await?;
        let outcome = tokio::select! {
            biased;
            signal = tokio::signal::ctrl_c() => Err(match signal {
                Ok(()) => CommandError::Interrupted(None),
                Err(error) => CommandError::System(error),
            }),
            outcome = work(&engine) => outcome,
        };
        let closed = engine.close().await;
        let value = outcome?;
        closed?;
        Ok(value)
    }
}

/// A value as an argument of the next command: not what stands in the environment, and never a URL, which may hold a password.
fn argument(value: Option<&Secret>, variable: &str) -> Option<String> {
    let value = value?.expose();
    let is_given = std::env::var(variable).as_deref() != Ok(value);
    is_given.then(|| match value.split_once("://") {
        Some(_) => "URL".to_owned(),
        None => value.to_owned(),
    })
}

/// A value that is checked later, by what does not show it.
pub(super) fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-:@%+=".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
