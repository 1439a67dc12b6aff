//! The types of an Open Workflow 1.0.3 document, checked and compiled.
//!
//! Names follow the specification's own (<https://open-workflow-specification.org/schemas/1.0.3/workflow.yaml>).
//! Expressions are compiled and references (`use.retries`, `use.errors`, …) resolved when a document is read,
//! so that nothing here can turn out malformed when a run needs it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atom_core::Result;
use atom_core::storage::{MissedRuns, OnDeadline, ScheduleTrigger};
use serde_json::Value;

use super::{Cron, DataSchema, LimitSpec, Resource, ResourceReference};
use crate::expression::{Expression, Template, Variables};

/// A whole workflow document.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Names the workflow.
    pub document: Document,
    /// Checks and shapes the input of a run.
    pub input: Input,
    /// Checks and shapes the output of a run.
    pub output: Output,
    /// What a run does.
    pub tasks: TaskList,
    /// When runs start by themselves.
    pub schedule: Option<Schedule>,
    /// How long a run may take.
    pub timeout: Option<DurationSpec>,
    /// The names of the secrets that expressions may read.
    pub secrets: Vec<String>,
    /// What runs around tasks, the outermost first.
    pub extensions: Vec<Arc<Extension>>,
    /// Authentication policies by name, as templates.
    pub authentications: BTreeMap<String, Template>,
    /// `document.metadata.atom.idempotencyKey`: gives the key under which a run is started once, from its input.
    pub idempotency_key: Option<Expression>,
    /// `document.metadata.atom.index`: what runs can be found by, computed from their input.
    pub index: BTreeMap<String, Expression>,
    /// `document.metadata.atom.retention`: how long runs are kept once they have ended.
    pub retention: Retention,
    /// `document.metadata.atom`: how many runs go on at once.
    pub limits: Option<LimitSpec>,
    /// Valid parts of the document that this engine does not carry out; a document with any cannot be deployed.
    pub unsupported: Vec<UnsupportedFeature>,
    /// The resources it refers to that have not been read; a document with any cannot be deployed or run.
    pub unresolved: Vec<ResourceReference>,
    /// The resources it refers to that were read.
    pub resources: Vec<Resource>,
    /// These resources as JSON.
    pub(crate) resource_sources: Vec<Arc<Value>>,
    /// The document as JSON: what `$workflow.definition` shows.
    pub source: Arc<Value>,
    /// SHA-256 of the document as canonical JSON (keys sorted, no white space), in hexadecimal; of the document and the texts
    /// of its resources when it refers to any.
    pub hash: String,
}

/// A valid part of a document that the engine does not carry out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct UnsupportedFeature {
    /// What it is, e.g. `use.catalogs`.
    pub feature: String,
    /// Where it stands, a JSON pointer.
    pub path: String,
    /// The line it stands on, from 1.
    pub line: usize,
    /// The column it starts at, from 1.
    pub column: usize,
}

/// How long runs are kept once they have ended; where it says nothing, as the engine's settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Runs that completed.
    pub completed: Option<Duration>,
    /// Runs that faulted or were cancelled.
    pub failed: Option<Duration>,
}

/// The shortest time that runs are kept: whoever waits for one must be able to see its end.
pub const MINIMUM_RETENTION: Duration = Duration::from_secs(60);

/// The section that names a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The version of the language the document is written in, e.g. `1.0.3`.
    pub dsl: String,
    /// The namespace of the workflow.
    pub namespace: String,
    /// The name of the workflow within its namespace.
    pub name: String,
    /// The semantic version of the workflow.
    pub version: String,
    /// The name people read.
    pub title: Option<String>,
    /// What it does, in Markdown.
    pub summary: Option<String>,
    /// Its tags, which its runs have too: those whose values are texts, numbers or booleans, as text.
    pub tags: BTreeMap<String, String>,
}

/// When runs of a deployed workflow start by themselves.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// In equal intervals from its deployment, whether or not the run before has ended.
    Every {
        /// The interval, in whole milliseconds, a second or more.
        interval: Duration,
        /// What becomes of missed times.
        missed: MissedRuns,
    },
    /// At times of the calendar.
    Cron {
        /// The times.
        cron: Cron,
        /// What becomes of missed times.
        missed: MissedRuns,
    },
    /// Some time after the end of the run before.
    After {
        /// The time, in whole milliseconds, a second or more.
        delay: Duration,
    },
    /// When events have come.
    Events(EventSchedule),
}

/// The events that start a run, and become its input.
#[derive(Clone, Debug)]
pub struct EventSchedule {
    /// Which events, and how many.
    pub on: EventStrategy,
    /// What of each event becomes part of the input.
    pub read: ReadAs,
}

impl Schedule {
    /// What a store keeps of it.
    #[must_use]
    pub fn trigger(&self) -> ScheduleTrigger {
        let milliseconds = |length: &Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Every { interval, missed } => ScheduleTrigger::Every {
                interval_ms: milliseconds(interval),
                missed: *missed,
            },
            Self::Cron { cron, missed } => ScheduleTrigger::Cron {
                expression: cron.expression().to_owned(),
                time_zone: cron.time_zone().to_owned(),
                missed: *missed,
            },
            Self::After { delay } => ScheduleTrigger::After {
                delay_ms: milliseconds(delay),
            },
            Self::Events(_) => ScheduleTrigger::Events,
        }
    }
}

/// A value computed from data: one expression, or a structure with expressions in it.
#[derive(Clone, Debug)]
pub enum Transform {
    /// One expression, with or without `${ }`.
    Expression(Expression),
    /// A structure whose strings may be expressions in `${ }`.
    Template(Template),
}

impl Transform {
    /// Computes the value.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value> {
        match self {
            Self::Expression(expression) => expression.evaluate(input, variables),
            Self::Template(template) => template.evaluate(input, variables),
        }
    }
}

/// What comes into a workflow or task: checked first, then transformed.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// What the raw input must look like.
    pub schema: Option<DataSchema>,
    /// What the workflow or task sees of it.
    pub from: Option<Transform>,
}

/// What goes out of a workflow or task, or into the context: transformed first, then checked.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// What the transformed output must look like.
    pub schema: Option<DataSchema>,
    /// What is passed on of the raw output.
    pub r#as: Option<Transform>,
}

/// Named tasks in order.
#[derive(Clone, Debug, Default)]
pub struct TaskList {
    /// The tasks.
    pub tasks: Vec<Arc<Task>>,
}

impl TaskList {
    /// Where the task of this name stands.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }
}

/// One task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name, unique in its list.
    pub name: String,
    /// Its JSON pointer in the document, e.g. `/do/0/readMail`.
    pub reference: String,
    /// `if`: whether to run it at all.
    pub condition: Option<Expression>,
    /// What comes in.
    pub input: Input,
    /// What goes out.
    pub output: Output,
    /// What it leaves in the context; absent to leave the context as it is.
    pub export: Option<Output>,
    /// How long it may take.
    pub timeout: Option<DurationSpec>,
    /// Where to go after it.
    pub then: FlowDirective,
    /// What it does.
    pub kind: TaskKind,
    /// `metadata.atom.approve`: what a person is asked before it runs.
    pub approve: Option<Box<Approve>>,
    /// `metadata.atom.compensate`: what undoes it when the run fails or is cancelled later.
    pub compensate: Option<TaskList>,
    /// `metadata.atom.idempotencyKey`: gives the idempotency key of a call, from the task's input.
    pub idempotency_key: Option<Expression>,
    /// The task as JSON: what `$task.definition` shows.
    pub source: Arc<Value>,
}

impl Task {
    /// What is done with each event or message, for a task that consumes them one by one.
    #[must_use]
    pub fn iterator(&self) -> Option<&SubscriptionIterator> {
        match &self.kind {
            TaskKind::Listen(listen) => listen.foreach.as_ref(),
            TaskKind::Subscribe(subscribe) => subscribe.foreach.as_ref(),
            _ => None,
        }
    }
}

/// What a person is asked before a task runs.
#[derive(Clone, Debug)]
pub struct Approve {
    /// Gives what is asked, in a line.
    pub title: Template,
    /// Gives what is asked, at length.
    pub message: Option<Template>,
    /// Gives who may decide: an object with the lists `roles` and `users`. Absent for the owner of the run.
    pub assignees: Option<Template>,
    /// What is to be filled in.
    pub form: Option<Form>,
    /// Gives what the decision is about; the task's input when absent.
    pub data: Option<Template>,
    /// Whether the task's input may be replaced.
    pub allow_edit: bool,
    /// How long there is to decide.
    pub deadline: Option<DurationSpec>,
    /// What happens then.
    pub on_deadline: OnDeadline,
}

/// What a person fills in.
#[derive(Clone, Debug)]
pub struct Form {
    /// Checks it.
    pub schema: DataSchema,
    /// The JSON Schema as written.
    pub source: Arc<Value>,
}

/// Where to go after a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FlowDirective {
    /// The next task of the list, or the end of the list.
    #[default]
    Continue,
    /// The end of the list.
    Exit,
    /// The end of the workflow.
    End,
    /// A task of the same list, by name; the reader has checked that it is there.
    Task(String),
}

/// What a task does.
#[derive(Clone, Debug)]
pub enum TaskKind {
    /// Runs tasks in order.
    Do(TaskList),
    /// Gives a value.
    Set(Template),
    /// Calls something.
    Call(Call),
    /// Consumes messages: `call: asyncapi` with a `subscription`.
    Subscribe(Box<Subscribe>),
    /// Chooses where to go.
    Switch(Vec<SwitchCase>),
    /// Runs tasks for each item of a collection.
    For(For),
    /// Runs branches side by side.
    Fork(Fork),
    /// Runs tasks and handles their errors.
    Try(Box<Try>),
    /// Ends in an error.
    Raise(Raise),
    /// Pauses.
    Wait(DurationSpec),
    /// Publishes an event: the template gives its attributes.
    Emit(Template),
    /// Waits for events.
    Listen(Listen),
    /// Runs another workflow.
    Run(RunWorkflow),
    /// Runs a process.
    Process(RunProcess),
    /// Something valid that the engine does not carry out; listed in [`Workflow::unsupported`].
    Unsupported,
}

/// Tasks that run around other tasks.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Which tasks it extends.
    pub extend: ExtensionTarget,
    /// Whether it applies to a task; always when absent.
    pub when: Option<Expression>,
    /// What runs before the task, with the task's input; `then: exit` gives its output in the place of the task's.
    pub before: TaskList,
    /// What runs after the task, with the task's output.
    pub after: TaskList,
}

/// Which tasks an extension extends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionTarget {
    /// `all`.
    All,
    /// `composite`: those that do nothing but run others, `do` and `fork`.
    Composite,
    /// `call`.
    Call,
    /// `emit`.
    Emit,
    /// `for`.
    For,
    /// `listen`.
    Listen,
    /// `raise`.
    Raise,
    /// `run`.
    Run,
    /// `set`.
    Set,
    /// `switch`.
    Switch,
    /// `try`.
    Try,
    /// `wait`.
    Wait,
}

impl ExtensionTarget {
    /// Whether tasks of this kind are extended.
    #[must_use]
    pub fn covers(self, kind: &TaskKind) -> bool {
        match self {
            Self::All => true,
            Self::Composite => matches!(kind, TaskKind::Do(_) | TaskKind::Fork(_)),
            Self::Call => matches!(kind, TaskKind::Call(_) | TaskKind::Subscribe(_)),
            Self::Emit => matches!(kind, TaskKind::Emit(_)),
            Self::For => matches!(kind, TaskKind::For(_)),
            Self::Listen => matches!(kind, TaskKind::Listen(_)),
            Self::Raise => matches!(kind, TaskKind::Raise(_)),
            Self::Run => matches!(kind, TaskKind::Run(_) | TaskKind::Process(_)),
            Self::Set => matches!(kind, TaskKind::Set(_)),
            Self::Switch => matches!(kind, TaskKind::Switch(_)),
            Self::Try => matches!(kind, TaskKind::Try(_)),
            Self::Wait => matches!(kind, TaskKind::Wait(_)),
        }
    }
}

/// A call and its arguments.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is called.
    pub target: CallTarget,
    /// `with`: the arguments; an empty object when absent.
    pub arguments: Template,
}

/// What a call reaches.
#[derive(Clone, Debug)]
pub enum CallTarget {
    /// `call: http`.
    Http,
    /// `call: openapi`.
    OpenApi,
    /// `call: a2a`.
    A2a,
    /// `call: mcp`.
    Mcp,
    /// `call: grpc`.
    Grpc,
    /// `call: asyncapi` with a `message` to publish.
    AsyncApi,
    /// A function registered with the engine.
    Function(String),
    /// A task of `use.functions`, run with the arguments as its input.
    Defined(Arc<Task>),
    /// A task of a catalog or at a URI, run with the arguments as its input and without the secrets of the document.
    External(Arc<Task>),
}

impl CallTarget {
    /// The registered function behind it; none for a task of the document.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Http => Some("http"),
            Self::OpenApi => Some("openapi"),
            Self::A2a => Some("a2a"),
            Self::Mcp => Some("mcp"),
            Self::Grpc => Some("grpc"),
            Self::AsyncApi => Some("asyncapi"),
            Self::Function(name) => Some(name),
            Self::Defined(_) | Self::External(_) => None,
        }
    }

    /// The task behind it, for a function that is a task.
    #[must_use]
    pub fn task(&self) -> Option<&Arc<Task>> {
        match self {
            Self::Defined(task) | Self::External(task) => Some(task),
            _ => None,
        }
    }
}

/// A subscription to messages.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// What is subscribed to: `with` without `subscription`.
    pub arguments: Template,
    /// `filter`: which messages are consumed; all when absent.
    pub filter: Option<Expression>,
    /// How many messages are consumed.
    pub consume: Consume,
    /// `consume.for`: how long messages are consumed at most.
    pub length: Option<DurationSpec>,
    /// What is done with each message as it comes; the outputs of that become the output then.
    pub foreach: Option<SubscriptionIterator>,
}

/// How many messages a subscription consumes.
#[derive(Clone, Debug)]
pub enum Consume {
    /// So many.
    Amount(u64),
    /// For as long as the expression is true after a message.
    While(Expression),
    /// Until the expression is true before a message.
    Until(Expression),
}

/// One case of a switch.
#[derive(Clone, Debug)]
pub struct SwitchCase {
    /// Its name.
    pub name: String,
    /// When it applies; always when absent.
    pub when: Option<Expression>,
    /// Where it leads.
    pub then: FlowDirective,
}

/// A loop over a collection.
#[derive(Clone, Debug)]
pub struct For {
    /// The variable that holds the item, without `$`; `item` by default.
    pub each: String,
    /// The variable that holds the index, without `$`; `index` by default.
    pub at: String,
    /// Gives the collection: must be an array.
    pub collection: Transform,
    /// Whether to go on, asked before each item.
    pub r#while: Option<Expression>,
    /// What runs for each item.
    pub tasks: TaskList,
}

/// Branches that run side by side.
#[derive(Clone, Debug)]
pub struct Fork {
    /// The branches, each one task.
    pub branches: TaskList,
    /// Whether the first branch to end wins and the others are cancelled.
    pub is_competing: bool,
}

/// Tasks whose errors are handled.
#[derive(Clone, Debug)]
pub struct Try {
    /// What is tried.
    pub tasks: TaskList,
    /// Which errors are handled: fields of the error that must be equal; none for all errors.
    pub errors: BTreeMap<String, Value>,
    /// The variable that holds the error, without `$`; `error` by default.
    pub r#as: String,
    /// Handles only errors for which this is true.
    pub when: Option<Expression>,
    /// Does not handle errors for which this is true.
    pub except_when: Option<Expression>,
    /// Whether and when to try again first.
    pub retry: Option<RetryPolicy>,
    /// What runs when an error is handled.
    pub handler: Option<TaskList>,
    /// Where to go after an error was handled, instead of the task's own directive.
    pub then: Option<FlowDirective>,
}

/// Whether and when to try again.
#[derive(Clone, Debug, Default)]
pub struct RetryPolicy {
    /// Retries only when this is true.
    pub when: Option<Expression>,
    /// Does not retry when this is true.
    pub except_when: Option<Expression>,
    /// The first pause.
    pub delay: Option<DurationSpec>,
    /// How the pause grows.
    pub backoff: Backoff,
    /// How many times to retry at most; without any limit at all the engine's own bound holds.
    pub attempts: Option<u64>,
    /// How long one attempt may take.
    pub attempt_duration: Option<DurationSpec>,
    /// How long all attempts together may take.
    pub duration: Option<DurationSpec>,
    /// A random addition to each pause, between these two.
    pub jitter: Option<(DurationSpec, DurationSpec)>,
}

/// How the pause between tries grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// Always the same.
    #[default]
    Constant,
    /// The delay times the number of the attempt.
    Linear,
    /// Doubled each time.
    Exponential,
}

/// An error to end in.
#[derive(Clone, Debug)]
pub struct Raise {
    /// Gives the error's fields: `type`, `status` and perhaps `title`, `detail`, `instance`.
    pub error: Template,
}

/// A length of time, known or computed.
#[derive(Clone, Debug)]
pub enum DurationSpec {
    /// Known.
    Fixed(Duration),
    /// Computed: an expression that gives an ISO 8601 duration or an object such as `{"seconds": 3}`.
    Expression(Expression),
}

/// A wait for events.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Which events, and how many.
    pub to: EventStrategy,
    /// What of each event becomes the output.
    pub read: ReadAs,
    /// What is done with each event as it comes; the outputs of that become the output then.
    pub foreach: Option<SubscriptionIterator>,
}

/// What is done with each event or message that a task consumes, one after the other.
#[derive(Clone, Debug)]
pub struct SubscriptionIterator {
    /// The variable that holds the event or message, without `$`; `item` by default.
    pub item: String,
    /// The variable that holds its number from 0, without `$`; `index` by default.
    pub at: String,
    /// What runs for it, with the event or message as its input; may be empty.
    pub tasks: TaskList,
    /// What of the tasks' output becomes part of the output.
    pub output: Output,
    /// What it leaves in the context.
    pub export: Option<Output>,
}

/// Which events are waited for.
#[derive(Clone, Debug)]
pub enum EventStrategy {
    /// One event that passes the filter.
    One(EventFilter),
    /// One event for each filter.
    All(Vec<EventFilter>),
    /// An event that passes any of the filters (every event when there are none), once or until a condition holds.
    Any {
        /// The filters.
        filters: Vec<EventFilter>,
        /// When to stop; after the first event when absent.
        until: Option<Until>,
    },
}

impl EventStrategy {
    /// Adds the types that its filters name; nothing is known when one of them may take any type.
    pub(crate) fn types(&self, types: &mut Vec<String>) -> Option<()> {
        let (filters, until) = match self {
            Self::One(filter) => (std::slice::from_ref(filter), None),
            Self::All(filters) => (filters.as_slice(), None),
            Self::Any { filters, .. } if filters.is_empty() => return None,
            Self::Any { filters, until } => (filters.as_slice(), until.as_ref()),
        };
        for filter in filters {
            types.push(filter.named_type()?.to_owned());
        }
        match until {
            Some(Until::Consumed(strategy)) => strategy.types(types),
            Some(Until::Condition(_)) | None => Some(()),
        }
    }
}

/// When to stop collecting events.
#[derive(Clone, Debug)]
pub enum Until {
    /// Once the expression is true of the array of events consumed so far.
    Condition(Expression),
    /// Once these events have come, which are not part of the output.
    Consumed(Box<EventStrategy>),
}

/// Which events are of interest.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Attributes and what they must be.
    pub attributes: Vec<(String, AttributeFilter)>,
    /// Values that the events of a task have in common, by name.
    pub correlations: Vec<(String, Correlation)>,
}

impl EventFilter {
    /// The type that it names. As a pattern it may have dots, and nothing else that stands for other characters.
    fn named_type(&self) -> Option<&str> {
        let is_plain = |character: char| character.is_alphanumeric() || "._-/:".contains(character);
        self.attributes.iter().find_map(|(name, filter)| match filter {
            AttributeFilter::Text { text, .. } if name == "type" && text.chars().all(is_plain) => {
                Some(text.as_str())
            }
            _ => None,
        })
    }

    /// Whether it says which type an event must have.
    pub(crate) fn asks_for_type(&self) -> bool {
        self.attributes.iter().any(|(name, _)| name == "type")
    }
}

/// A value that the events of a task have in common.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// Gives the value from the event.
    pub from: Expression,
    /// What it must be, computed from the task's input; absent for whatever the first event has.
    pub expect: Option<Template>,
}

/// What an attribute of an event must be.
#[derive(Clone, Debug)]
pub enum AttributeFilter {
    /// A text equal to this, or wholly matched by it as a regular expression.
    Text {
        /// The text as written.
        text: String,
        /// The text as a regular expression over the whole value, when it is one.
        pattern: Option<regex::Regex>,
    },
    /// Equal to this value.
    Value(Value),
    /// An expression over the attribute's value (`data` for the data) that must be true.
    Expression(Expression),
}

/// What of an event is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAs {
    /// Its data.
    #[default]
    Data,
    /// The whole event.
    Envelope,
    /// Its data as it came. The same as `data`: events carry JSON.
    Raw,
}

/// A run of another workflow.
#[derive(Clone, Debug)]
pub struct RunWorkflow {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version, or `latest`.
    pub version: String,
    /// Its input.
    pub input: Template,
    /// Whether to wait for its output.
    pub is_awaited: bool,
    /// Whether its output becomes the task's; `null` does otherwise (`return: none`).
    pub returns_output: bool,
}

/// A process to run: a shell command, a script or a container.
#[derive(Clone, Debug)]
pub struct RunProcess {
    /// What kind of process it is.
    pub kind: ProcessKind,
    /// What the function is called with, apart from what has a field of its own here.
    pub arguments: Template,
    /// The name of a container.
    pub name: Option<Template>,
    /// How long a container stays after it has ended.
    pub cleanup_after: Option<DurationSpec>,
    /// Whether to wait for its end.
    pub is_awaited: bool,
}

/// A kind of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessKind {
    /// A command of the system's shell.
    Shell,
    /// A script.
    Script,
    /// A container.
    Container,
}

impl ProcessKind {
    /// The registered function that runs it.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Self::Shell => "run.shell",
            Self::Script => "run.script",
            Self::Container => "run.container",
        }
    }
}
