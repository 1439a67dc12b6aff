//! The function `run.container`: a container of Docker or Podman, over the Docker Engine API
//! (<https://docs.docker.com/reference/api/engine/>).
//!
//! A container carries the key of its call as a label. A call that is repeated after a crash finds the container that
//! was started before, waits for it and takes its result, rather than starting a second one. Only one that reads a
//! standard input is started anew: how much it had read by then is unknown.

mod api;
mod describe;
mod image;
mod lifecycle;
mod logs;
mod sweeper;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atom_core::function::{FunctionContext, TypedFunction};
use atom_core::{Function, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::ProcessConfig;
use super::given::{Given, Return, check_text};
use super::supervisor::Supervisor;
use super::{carry_out, guarded};
use crate::local::FileAccess;
use api::Docker;
use image::PullPolicy;
use lifecycle::Container;
use sweeper::Sweeper;

/// The arguments of `run: container`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ContainerRequest {
    /// The image, e.g. `alpine:3.20`.
    image: String,
    /// The container's name; made from the task's name and the key of the call when absent.
    #[serde(default)]
    name: Option<String>,
    /// A command for the container's `/bin/sh -c`, in place of what the image runs.
    #[serde(default)]
    command: Option<String>,
    /// The arguments: `$1`, `$2` and so on of the command, or added to the image's default command.
    #[serde(default)]
    arguments: Option<Vec<Value>>,
    /// What the container reads from its standard input; what is not a text is passed as JSON.
    #[serde(default)]
    stdin: Option<Value>,
    /// Environment variables by name.
    #[serde(default)]
    environment: Option<Map<String, Value>>,
    /// The ports of this machine by the port of the container, e.g. `{"80": 8080}` or `{"53/udp": 5353}`.
    #[serde(default)]
    ports: Option<BTreeMap<String, Value>>,
    /// Paths in the container, which may end in `:ro`, by the folder of this machine or the name of a volume.
    #[serde(default)]
    volumes: Option<BTreeMap<String, String>>,
    /// What becomes of the container when it has ended.
    #[serde(default)]
    lifetime: Lifetime,
    /// When the image is pulled.
    #[serde(default, rename = "pullPolicy")]
    pull_policy: PullPolicy,
    /// Which part of the result is given back.
    #[serde(default)]
    r#return: Return,
    /// Whether the end of the container is waited for.
    #[serde(default = "super::awaited")]
    r#await: bool,
}

/// What becomes of a container when it has ended.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    /// Whether and when it is removed.
    cleanup: Cleanup,
    /// How long it stays, for `eventually`.
    #[serde(default)]
    after_milliseconds: Option<u64>,
}

/// Whether and when a container is removed that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Cleanup {
    /// At once.
    Always,
    /// Not by the engine.
    #[default]
    Never,
    /// After some time.
    Eventually,
}

impl Lifetime {
    /// How long the container stays, when it is removed later.
    fn stay(self) -> Option<Duration> {
        match self.cleanup {
            Cleanup::Eventually => Some(Duration::from_millis(self.after_milliseconds.unwrap_or_default())),
            Cleanup::Always | Cleanup::Never => None,
        }
    }
}

/// What containers are run with.
#[derive(Debug)]
struct Containers {
    supervisor: Arc<Supervisor>,
    sweeper: Arc<Sweeper>,
    access: FileAccess,
    socket: Option<PathBuf>,
}

pub(super) fn function(
    config: &ProcessConfig,
    supervisor: Arc<Supervisor>,
    access: FileAccess,
) -> Arc<dyn Function> {
    let containers = Arc::new(Containers {
        supervisor,
        sweeper: Arc::default(),
        access,
        socket: config.container_socket.clone(),
    });
    let call = move |request: ContainerRequest, context: FunctionContext| {
        let containers = Arc::clone(&containers);
        async move { containers.call(request, &context).await }
    };
    let description = "Runs a container and gives back what it wrote.";
    guarded(
        TypedFunction::new("run.container", description, call),
        config.container,
        "container",
    )
}

impl Containers {
    async fn call(&self, request: ContainerRequest, context: &FunctionContext) -> Result<Value> {
        check_text(request.command.as_deref().unwrap_or_default(), "the command")?;
        let given = Given::new(
            request.stdin,
            request.arguments,
            request.environment,
            &context.idempotency_key,
        )?;
        let description = describe::Description {
            image: request.image,
            name: describe::name(request.name, context)?,
            command: request.command,
            ports: describe::ports(request.ports.unwrap_or_default())?,
            mounts: describe::mounts(request.volumes.unwrap_or_default(), &self.access, context)?,
            pull_policy: request.pull_policy,
            lifetime: request.lifetime,
            key: context.idempotency_key.clone(),
            is_repeatable: context.step.is_some(),
        };
        let docker = Arc::new(Docker::connect(self.socket.as_deref()).await?);
        self.sweeper.look_after(&self.supervisor, &docker);
        let container = Container::new(docker, Arc::clone(&self.sweeper), description, given.clone());
        carry_out(
            &self.supervisor,
            container,
            &given,
            request.r#return,
            request.r#await,
            context,
        )
        .await
    }
}
