# Generated from schema/ by `cargo xtask codegen`; do not edit.

"""What operations take and give, as they are in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired, TypeAlias


class Admission(TypedDict):
    """How a run with limits came to begin, or waits to."""

    priority: int
    """Higher goes first among those that wait."""

    concurrency: NotRequired[ConcurrencyLimit | None]
    """How many may be under way at once."""

    rate_limit: NotRequired[RateLimit | None]
    """How many may begin within a time."""

    state: AdmissionState
    """How far it has come."""

    begun_at: NotRequired[str | None]
    """When it was let begin."""


AdmissionState: TypeAlias = "Literal['queued', 'refused', 'begun', 'superseded']"
"""How far a run with limits has come."""


class Alert(TypedDict):
    """An alert rule, and how it is."""

    rule: AlertRule
    """The rule."""

    since: str
    """When it was set as it is."""

    raised_at: NotRequired[str | None]
    """Since when it holds; absent while it does not."""

    reading: NotRequired[AlertReading | None]
    """The numbers when it began to hold, or when it ceased to; absent when it never held."""


class FailureRateAlert(TypedDict):
    """More than a share of the runs that ended within the window failed. Runs that were cancelled do not count."""

    type: Literal["failure_rate"]

    above: float
    """The share, from 0 to 1, that must be exceeded."""

    window_ms: int
    """How far back the window reaches, in milliseconds, from a minute to 30 days. One over 24 hours is counted in whole hours, a shorter one in whole minutes."""

    minimum_runs: NotRequired[int]
    """How many runs must have ended within the window before the rule can hold; 1 when absent."""


class LatencyAlert(TypedDict):
    """Runs that completed within the window took too long."""

    type: Literal["latency"]

    percentile: Percentile
    """Which of them is looked at."""

    above_ms: int
    """How long it may take, in milliseconds. Latencies are known to within 5 %."""

    window_ms: int
    """How far back the window reaches, as for `failure_rate`."""

    minimum_runs: NotRequired[int]
    """How many runs must have completed within the window before the rule can hold; 1 when absent."""


class StuckRunsAlert(TypedDict):
    """Runs cannot go on although they wait for nothing that will come by itself, as `runs.stuck` tells."""

    type: Literal["stuck_runs"]

    for_ms: int
    """For how long they must have been unable to go on, in milliseconds."""

    at_least: NotRequired[int]
    """How many there must be, 1 to 1000; 1 when absent."""


class SilenceAlert(TypedDict):
    """No run has started, or completed, for some time."""

    type: Literal["silence"]

    for_ms: int
    """For how long, in milliseconds, from a minute to 30 days, counted as a window of `failure_rate` and from when the rule was set at the earliest."""

    successful_only: NotRequired[bool]
    """Whether only runs that completed break the silence; any run that starts does when absent."""


AlertCondition: TypeAlias = "FailureRateAlert | LatencyAlert | StuckRunsAlert | SilenceAlert"
"""What a rule watches for."""


class AlertPage(TypedDict):
    """A part of a list."""

    items: Sequence[Alert]
    """The items."""

    next: NotRequired[str | None]
    """What to pass as `after` to get the following page; absent on the last."""


class AlertReading(TypedDict):
    """The numbers that decided whether a rule holds."""

    value: NotRequired[float | None]
    """The share of failed runs for `failure_rate`, milliseconds for `latency`, the number of stuck runs, at most 1000, for `stuck_runs`, and the number of runs for `silence`; absent when no run tells."""

    runs: NotRequired[int | None]
    """How many runs it is computed from, for `failure_rate` and `latency`."""


class AlertRule(TypedDict):
    """A rule: what is watched for, and whose runs."""

    name: str
    """Its name, unique among those of its owner: 1 to 64 letters, digits, `.`, `_` and `-`."""

    namespace: NotRequired[str | None]
    """The namespace of the workflow whose runs count; absent, together with `workflow`, for all runs of the owner."""

    workflow: NotRequired[str | None]
    """The name of that workflow."""

    condition: AlertCondition
    """What is watched for."""


class Approval(TypedDict):
    """What a task of a run asks before it runs. Lists leave out `data`, `input`, `form` and what was filled in, which may be large."""

    id: ApprovalId
    """Its id."""

    owner: str
    """The user whose run asks."""

    run: RunId
    """The run that asks."""

    task: str
    """The JSON pointer of the task that asks."""

    workflow: WorkflowKey
    """Which document the run follows."""

    title: str
    """What is asked, in a line."""

    message: NotRequired[str | None]
    """What is asked, at length."""

    data: NotRequired[Any]
    """What the decision is about; absent in lists."""

    input: NotRequired[Any]
    """The task's input, where the decision `edit` may replace it; absent in lists."""

    form: NotRequired[Any]
    """The JSON Schema of what is to be filled in, where there is something; absent in lists."""

    assignees: Assignees
    """Who may decide."""

    is_assigned: bool
    """Whether the caller may decide."""

    status: ApprovalStatus
    """Its state."""

    created_at: str
    """When it was asked."""

    deadline: NotRequired[str | None]
    """Until when it can be decided."""

    on_deadline: NotRequired[OnDeadline | None]
    """What happens then; absent without a deadline."""

    decision: NotRequired[Decision | None]
    """The decision, once approved or rejected."""

    closed_at: NotRequired[str | None]
    """When it was decided, expired or was withdrawn."""


ApprovalId: TypeAlias = "str"
"""The id of one approval that a run waits for. It follows from the run, its owner and the place in the run: asking again after a crash gives the same one."""


class ApprovalPage(TypedDict):
    """A part of a list."""

    items: Sequence[Approval]
    """The items."""

    next: NotRequired[str | None]
    """What to pass as `after` to get the following page; absent on the last."""


ApprovalStatus: TypeAlias = "Literal['pending', 'approved', 'rejected', 'expired', 'withdrawn']"
"""The state of an approval."""


class Assignees(TypedDict):
    """Who may decide. With nobody named it is the owner of the run."""

    roles: Sequence[str]
    """Roles, any of which lets a user of the tenant decide. Who has no roles has the role `admin`."""

    users: Sequence[str]
    """Users of the tenant."""


ChangedResource = TypedDict(
    "ChangedResource",
    {
        # Where it is.
        "uri": "str",
        # SHA-256 of the text that the first document is kept with, in hexadecimal; absent when it does not lead to it.
        "from": "NotRequired[str | None]",
        # SHA-256 of the text that the second document is kept with, in hexadecimal; absent when it does not lead to it.
        "to": "NotRequired[str | None]",
    },
)
"""An external resource whose text is different, or to which only one document leads."""


class ChangedRun(TypedDict):
    """What became of one run."""

    id: RunId
    """Its id."""

    status: NotRequired[RunStatus | None]
    """Its state now; absent when it could not be changed."""

    new_id: NotRequired[RunId | None]
    """The run that repeats it."""

    error: NotRequired[Error | None]
    """Why it could not be changed."""


class ChangedRuns(TypedDict):
    """What became of the runs that one call was to change."""

    matched: int
    """How many runs the filter showed when the call began, on this page or another."""

    items: Sequence[ChangedRun]
    """The runs of this call, the newest first; none in a dry run."""

    next: NotRequired[str | None]
    """What to pass as `after` to go on; absent when there are no more."""


ChangedTask = TypedDict(
    "ChangedTask",
    {
        # Its name.
        "name": "str",
        # Its JSON pointer in the first document.
        "from": "str",
        # Its JSON pointer in the second document.
        "to": "str",
        # What differs.
        "members": "Sequence[MemberChange]",
    },
)
"""A task that is different."""


class CloudEvent(TypedDict):
    """One event in the CloudEvents 1.0.2 JSON format, with `data` as JSON."""

    id: str
    """Identifies the event together with `source`; the log stores such a pair once."""

    source: str
    """Where the event comes from, a URI reference."""

    type: str
    """What kind of event it is, e.g. `com.example.order.placed.v1`."""

    specversion: str
    """The version of the specification, `1.0`."""

    time: NotRequired[str | None]
    """When it happened."""

    subject: NotRequired[str | None]
    """What it is about, within the source."""

    datacontenttype: NotRequired[str | None]
    """The media type of `data`; `application/json` when absent."""

    dataschema: NotRequired[str | None]
    """The schema that `data` adheres to, a URI."""

    data: NotRequired[Any]
    """What happened."""


class ConcurrencyLimit(TypedDict):
    """How many runs of a workflow with the same key may be under way at once."""

    key: str
    """The key, computed from the run's input; empty when the limit is for all runs of the workflow."""

    limit: int
    """How many, 1 to 10,000."""

    on_limit: OnLimit
    """What becomes of a run that is one too many."""


class Decision(TypedDict):
    """Somebody's decision."""

    decision: DecisionKind
    """What was decided."""

    by: str
    """The user who decided, of the tenant of the run."""

    comment: NotRequired[str | None]
    """What they said about it."""

    form: NotRequired[Any]
    """The form as they filled it in."""

    input: NotRequired[Any]
    """The input that replaces the task's, for `edit`."""


DecisionKind: TypeAlias = "Literal['approve', 'reject', 'edit']"
"""What somebody decided."""


class DeletedAlert(TypedDict):
    """Whether there was an alert rule."""

    deleted: bool
    """Whether there was one."""


class DeletedSecret(TypedDict):
    """Whether a secret was removed."""

    deleted: bool
    """Whether there was one."""


class DeletedTemplate(TypedDict):
    """Whether a template was removed."""

    deleted: bool
    """Whether there was one."""


class DeletedWorkflows(TypedDict):
    """How many versions of a workflow were removed."""

    deleted: int
    """How many versions were removed."""


class DeployedWorkflow(TypedDict):
    """A version of a workflow, deployed under its name."""

    namespace: str
    """The namespace of the workflow."""

    name: str
    """The name of the workflow."""

    version: str
    """The semantic version."""

    hash: str
    """SHA-256 of the document's canonical JSON, in hexadecimal."""

    title: NotRequired[str | None]
    """The name people read."""

    summary: NotRequired[str | None]
    """What it does, in Markdown."""

    deployed_at: str
    """When it was deployed."""

    withdrawn_at: NotRequired[str | None]
    """When a lower version was made the latest in its place; absent for a version that is not withdrawn."""


class DeployedWorkflowPage(TypedDict):
    """A part of a list."""

    items: Sequence[DeployedWorkflow]
    """The items."""

    next: NotRequired[str | None]
    """What to pass as `after` to get the following page; absent on the last."""


Done: TypeAlias = "Mapping[str, Any]"
"""Nothing more to tell: it is done."""


class DryRunCall(TypedDict):
    """A call that would be made, or a run that would be started."""

    task: str
    """The JSON pointer of the task."""

    function: NotRequired[str | None]
    """The function that would be called."""

    workflow: NotRequired[str | None]
    """The workflow that would be run, as `namespace/name version`."""

    arguments: Any
    """Its arguments or input, with `***` in the place of secrets."""

    is_answered: bool
    """Whether an answer was given for it."""

    is_certain: bool
    """Whether it is certain that the call would be made like this: no call before it was without an answer."""


class DryRunReport(TypedDict):
    """What a run would do, as far as that can be known."""

    status: RunStatus
    """How it would end; `running` when it would wait for an event, or goes on beyond the limits of a dry run."""

    is_certain: bool
    """Whether all of this follows from the given answers and decisions. From the first call without one on it is a guess: the call is taken to succeed with `{'unknown': task}`, and what people are asked to be approved."""

    is_cut: bool
    """Whether it was stopped because it goes on for too long."""

    output: NotRequired[Any]
    """Its output, if it would complete."""

    error: NotRequired[WorkflowError | None]
    """Its error, if it would fault."""

    calls: Sequence[DryRunCall]
    """The calls it would make and the runs it would start, in order."""

    events: Sequence[CloudEvent]
    """The events it would publish."""

    waits: Sequence[RunWait]
    """What it would wait for in the end."""

    records: Sequence[HistoryEntry]
    """What would happen, task by task. Time passes as if every call answered at once."""


class DurationStatistics(TypedDict):
    """What things took that completed. Each number but the mean is right to within 5 %."""

    mean_ms: float
    """The mean, in milliseconds."""

    p50_ms: float
    """What half of them did not exceed, in milliseconds."""

    p95_ms: float
    """What 95 % of them did not exceed, in milliseconds."""

    p99_ms: float
    """What 99 % of them did not exceed, in milliseconds."""


class EngineHealth(TypedDict):
    """Whether the engine works."""

    status: HealthStatus
    """The state of the whole."""

    storage: StorageHealth
    """The state of the store."""

    runs: RunsHealth
    """The state of the runs."""


class EngineInfo(TypedDict):
    """What the engine is."""

    name: str
    """`atom`."""

    version: str
    """The engine's version."""

    machine_version: int
    """The version of the workflow machine; runs of this version and older ones go on."""

    storage: StorageKind
    """Where workflows, runs, events and secrets are kept."""

    data_dir: NotRequired[str | None]
    """The folder that holds the store, when it is on disk."""

    operations: int
    """How many operations there are."""


class Error(TypedDict):
    """The wire form of [`Error`]: what hosts, the command line and run histories show."""

    code: ErrorCode
    """What went wrong."""

    retry: Retry
    """Whether the same call is worth trying again."""

    operation: str | None
    """The operation that failed, when known."""

    message: str
    """What happened and what to do next."""

    context: Mapping[str, str]
    """Facts that help to find the cause."""

    cause: Sequence[str]
    """The messages of the errors that caused this one, nearest first."""


ErrorCode: TypeAlias = "Literal['invalid_request', 'invalid_workflow', 'invalid_data', 'invalid_expression', 'not_found', 'already_exists', 'conflict', 'permission_denied', 'unauthenticated', 'limit_exceeded', 'rate_limited', 'timeout', 'cancelled', 'unavailable', 'upstream', 'unsupported', 'locked', 'storage_full', 'storage_failed', 'version_mismatch', 'closed', 'forked', 'host_failed', 'run_faulted', 'internal']"
"""What went wrong, as a stable snake_case code that programs may match on."""


class EventDraft(TypedDict):
    """An event to publish, in the CloudEvents 1.0.2 JSON format. What is absent is filled in."""

    id: NotRequired[str | None]
    """Identifies the event together with `source`, so that publishing it again changes nothing; a new id when absent."""

    source: NotRequired[str | None]
    """Where the event comes from, a URI reference; `/atom` when absent."""

    type: str
    """What kind of event it is, e.g. `com.example.order.placed.v1`."""

    specversion: NotRequired[str | None]
    """The version of the specification, `1.0`."""

    time: NotRequired[str | None]
    """When it happened; now when absent."""

    subject: NotRequired[str | None]
    """What it is about, within the source."""

    datacontenttype: NotRequired[str | None]
    """The media type of `data`; `application/json` when absent."""

    dataschema: NotRequired[str | None]
    """The schema that `data` adheres to, a URI."""

    data: NotRequired[Any]
    """What happened."""


class EventPage(TypedDict):
    """Events in the order of the log."""

    events: Sequence[LoggedEvent]
    """The events; fewer than the limit when the log ends here."""

    next: int
    """What to pass as `after` to go on from here, now or once there are more."""


class FunctionInfo(TypedDict):
    """What a function is called, takes and gives."""

    name: str
    """The name that `call:` uses: lower-case words joined by `_`, grouped by `.`, e.g. `mailbox.messages.list`."""

    description: str
    """One sentence for people and models."""

    input_schema: Any
    """JSON Schema of the arguments; `true` accepts anything."""

    output_schema: Any
    """JSON Schema of the result; `true` for anything."""

    is_read_only: bool
    """Whether the function changes nothing outside and may be called twice without harm."""


class FunctionList(TypedDict):
    """Functions, sorted by name."""

    functions: Sequence[FunctionInfo]
    """The functions."""


class FunctionOutput(TypedDict):
    """What a function gave."""

    output: Any
    """The result."""


HealthStatus: TypeAlias = "Literal['ok', 'failing']"
"""Whether something works."""


class RunStarted(TypedDict):
    """The run began."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_started"]


class RunQueued(TypedDict):
    """The run waits for its turn, as its document limits how many runs go on at once."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_queued"]


class RunAdmitted(TypedDict):
    """The turn of the run has come; it goes on where the run that it repeats was."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_admitted"]


class RunContinued(TypedDict):
    """The run went on with a new journal, as the one it had was long: what came before is no longer part of its history."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_continued"]


class RunCompleted(TypedDict):
    """The run ended with an output."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_completed"]

    output: Any
    """The output."""


class RunFaulted(TypedDict):
    """The run ended with an error."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_faulted"]

    error: WorkflowError
    """The error."""


class RunCancelled(TypedDict):
    """The run was cancelled."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_cancelled"]

    reason: str | None
    """Why, in the caller's words."""


class RunPaused(TypedDict):
    """The run was paused."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_paused"]

    reason: str | None
    """Why, in the caller's words."""


class RunResumed(TypedDict):
    """The run was resumed."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_resumed"]


RunMigrated = TypedDict(
    "RunMigrated",
    {
        # Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later.
        "offset": "int",
        # When it happened.
        "at": "str",
        # The JSON pointer of the task in the document; absent for the run itself.
        "task": "NotRequired[str | None]",
        # The number of the execution of the task, unique within the run: a task in a loop is executed many times.
        "step": "NotRequired[int | None]",
        "type": "Literal['run_migrated']",
        # The version that it followed.
        "from": "WorkflowVersion",
        # The version that it follows from then on.
        "to": "WorkflowVersion",
    },
)
"""The run was moved to another version of its workflow."""


class RunCompensating(TypedDict):
    """The run failed, or was cancelled, and what it has done is being undone."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_compensating"]

    error: NotRequired[WorkflowError | None]
    """Why it failed; absent when it was cancelled."""


class RunSignalled(TypedDict):
    """An event was sent to the run."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["run_signalled"]

    event_type: str
    """The event's type."""


class TaskStarted(TypedDict):
    """The task began."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_started"]


class TaskExtensionSkipped(TypedDict):
    """An extension did not apply to the task, as its condition could not be computed for it."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_extension_skipped"]

    extension: str
    """The extension's name."""

    error: WorkflowError
    """Why."""


class TaskSkipped(TypedDict):
    """The task's `if` was not true."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_skipped"]


class TaskAwaitingApproval(TypedDict):
    """The task waits for somebody's decision."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_awaiting_approval"]

    approval: ApprovalId
    """The id of the approval."""

    title: str
    """What is asked."""

    deadline: NotRequired[str | None]
    """Until when it can be decided."""


class TaskDecided(TypedDict):
    """Somebody decided, or the deadline decided for them."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_decided"]

    decision: DecisionKind
    """What was decided."""

    by: NotRequired[str | None]
    """The user who decided; absent when nobody did before the deadline."""

    comment: NotRequired[str | None]
    """What they said about it."""


class TaskReceived(TypedDict):
    """The task consumed an event."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_received"]

    event_type: str
    """The event's type."""


class TaskConsumed(TypedDict):
    """The task consumed a message."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_consumed"]


class TaskCompleted(TypedDict):
    """The task ended with an output."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_completed"]

    output: Any
    """The output, as passed on."""


class TaskFaulted(TypedDict):
    """The task ended with an error."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_faulted"]

    error: WorkflowError
    """The error."""


class TaskRetried(TypedDict):
    """The task caught an error and will try again."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_retried"]

    error: WorkflowError
    """The error that was caught."""

    retry: int
    """The number of the retry, from 1."""

    next_at: str
    """When the next attempt begins."""


class TaskCompensating(TypedDict):
    """The completed task is being undone."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_compensating"]

    attempt: int
    """The number of the attempt, from 1."""


class TaskCompensated(TypedDict):
    """The completed task has been undone."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_compensated"]


class TaskCompensationFaulted(TypedDict):
    """Undoing the completed task failed."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_compensation_faulted"]

    error: WorkflowError
    """The error."""

    next_at: NotRequired[str | None]
    """When the next attempt begins; absent when there is none any more."""


class TaskCancelled(TypedDict):
    """The task was stopped before it ended."""

    offset: int
    """Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new journal, so the first that is there may be later."""

    at: str
    """When it happened."""

    task: NotRequired[str | None]
    """The JSON pointer of the task in the document; absent for the run itself."""

    step: NotRequired[int | None]
    """The number of the execution of the task, unique within the run: a task in a loop is executed many times."""

    type: Literal["task_cancelled"]


HistoryEntry: TypeAlias = "RunStarted | RunQueued | RunAdmitted | RunContinued | RunCompleted | RunFaulted | RunCancelled | RunPaused | RunResumed | RunMigrated | RunCompensating | RunSignalled | TaskStarted | TaskExtensionSkipped | TaskSkipped | TaskAwaitingApproval | TaskDecided | TaskReceived | TaskConsumed | TaskCompleted | TaskFaulted | TaskRetried | TaskCompensating | TaskCompensated | TaskCompensationFaulted | TaskCancelled"
"""One line of a run's history."""


class InstantiatedTemplate(TypedDict):
    """A document made from a template, to be deployed or run."""

    document: str
    """The document's text, JSON."""

    secrets: Sequence[str]
    """The secrets that must be set before it can run."""


class LoggedEvent(TypedDict):
    """An event as the log keeps it."""

    offset: int
    """Its place in the log."""

    event: CloudEvent
    """The event."""


MemberChange = TypedDict(
    "MemberChange",
    {
        # Where it stands: a JSON pointer from the task, or from the document.
        "path": "str",
        # What stood there; absent when nothing did.
        "from": "NotRequired[Any]",
        # What stands there; absent when nothing does.
        "to": "NotRequired[Any]",
    },
)
"""A value that is different."""


MigratedRun = TypedDict(
    "MigratedRun",
    {
        # The run as it is now.
        "run": "Run",
        # The version that it followed before.
        "from": "WorkflowVersion",
        # The version that it follows now, or after a dry run could follow.
        "to": "WorkflowVersion",
    },
)
"""A run that was moved, or could be."""


MissedRuns: TypeAlias = "Literal['skip', 'latest', 'all']"
"""What becomes of times that came while nobody was there to start their runs."""


MovedTask = TypedDict(
    "MovedTask",
    {
        # Its name.
        "name": "str",
        # Its JSON pointer in the first document.
        "from": "str",
        # Its JSON pointer in the second document.
        "to": "str",
    },
)
"""A task that stands elsewhere."""


OnDeadline: TypeAlias = "Literal['fault', 'reject', 'approve']"
"""What happens when a deadline passes before anybody has decided."""


OnLimit: TypeAlias = "Literal['queue', 'cancel_newest', 'cancel_oldest']"
"""What becomes of a run when as many runs are under way as may be."""


class ParentStep(TypedDict):
    """The step of another run that started a run."""

    run: RunId
    """The other run."""

    action: int
    """The number of the action within the other run that waits for this one."""


Percentile: TypeAlias = "Literal['p50', 'p95', 'p99']"
"""A share of runs that are at least as fast as the others."""


class RateLimit(TypedDict):
    """How many runs of a workflow with the same key may begin within a time."""

    key: str
    """The key, computed from the run's input; empty when the limit is for all runs of the workflow."""

    limit: int
    """How many, 1 to 10,000."""

    per_ms: int
    """The time, in milliseconds."""


class RecordedEntry(TypedDict):
    """One entry of a journal, and what it led to."""

    at: str
    """When it happened."""

    event: Any
    """What happened, as the machine stores it."""

    effects: Sequence[str]
    """What the machine began, stopped and published then."""


class RetryNo(TypedDict):
    """The same call will fail again."""

    kind: Literal["no"]


class RetryMaybe(TypedDict):
    """The same call may succeed later."""

    kind: Literal["maybe"]


class RetryAfter(TypedDict):
    """The service asked to wait this long."""

    kind: Literal["after"]

    ms: int
    """Milliseconds to wait before the next try."""


class RetryExhausted(TypedDict):
    """The engine has tried as often as its policy allows."""

    kind: Literal["exhausted"]


Retry: TypeAlias = "RetryNo | RetryMaybe | RetryAfter | RetryExhausted"
"""Whether, and when, the same call is worth trying again."""


class RolledBackWorkflow(TypedDict):
    """The versions of a workflow after one was made the latest."""

    latest: DeployedWorkflow
    """The latest version."""

    withdrawn: Sequence[DeployedWorkflow]
    """The versions above it, the highest first."""


class Run(TypedDict):
    """A run of a workflow. Lists leave out its input and output, which may be large."""

    id: RunId
    """Its id."""

    workflow: WorkflowKey
    """Which document it follows."""

    started_with: NotRequired[WorkflowVersion | None]
    """The version that it was started with, for a run that was moved to another one since."""

    status: RunStatus
    """Its state."""

    input: NotRequired[Any]
    """Its input as given; absent in lists."""

    output: NotRequired[Any]
    """Its output, once completed; absent in lists."""

    error: NotRequired[WorkflowError | None]
    """Its error, once faulted."""

    parent: NotRequired[ParentStep | None]
    """The step that started it, for a run started by a run."""

    rerun_of: NotRequired[RunId | None]
    """The run that it repeats."""

    trigger: NotRequired[RunTrigger | None]
    """What started it by itself, for a run that nobody asked for."""

    tags: NotRequired[Mapping[str, str]]
    """The words that were given to it and its document, by name."""

    fields: NotRequired[Mapping[str, Any]]
    """What its document computed from its input to find it by, by name: texts, numbers and booleans."""

    idempotency_key: NotRequired[str | None]
    """The key under which it was started."""

    admission: NotRequired[Admission | None]
    """How it came to begin or waits to, for a run whose document limits how many go on at once."""

    created_at: str
    """When it was created."""

    updated_at: str
    """When something last happened to it."""

    ended_at: NotRequired[str | None]
    """When it ended."""


class RunDivergence(TypedDict):
    """Where a replay leaves the recorded way."""

    entry: int
    """The entry of the journal, from 0; the number of entries for the end of the run."""

    expected: str
    """What is recorded."""

    found: str
    """What this version of the machine does."""


class RunHistory(TypedDict):
    """What has happened to a run, the oldest first."""

    records: Sequence[HistoryEntry]
    """What happened."""

    next: NotRequired[int | None]
    """What to pass as `after` for the records that follow; absent when there are none so far."""


RunId: TypeAlias = "str"
"""The id of one run of a workflow."""


class RunPage(TypedDict):
    """A part of a list."""

    items: Sequence[Run]
    """The items."""

    next: NotRequired[str | None]
    """What to pass as `after` to get the following page; absent on the last."""


class RunRecording(TypedDict):
    """A run with everything that is needed to replay it. It holds no secret: what a run met of one is masked."""

    format: int
    """The version of this form."""

    engine: str
    """The version of the engine that made the recording."""

    id: RunId
    """The run's id."""

    workflow: WorkflowKey
    """Which document it follows."""

    document: str
    """The text of the document; with the external resources it refers to, when it does, as JSON."""

    input: Any
    """Its input as given."""

    created_at: str
    """When it was created."""

    status: RunStatus
    """Its state when the recording was made."""

    output: NotRequired[Any]
    """Its output, once completed."""

    error: NotRequired[Any]
    """Its error, once faulted."""

    entries: Sequence[RecordedEntry]
    """Its journal."""


class RunReplay(TypedDict):
    """What a replay came to."""

    entries: int
    """How many entries of the journal led to what is recorded."""

    divergence: NotRequired[RunDivergence | None]
    """Where this version of the machine first does something else; absent when it does the same throughout."""


class RunSelection(TypedDict):
    """Runs that meet every condition, as `runs.list` shows them."""

    statuses: NotRequired[Sequence[RunStatus]]
    """Only runs in one of these states."""

    namespace: NotRequired[str | None]
    """Only runs of workflows in this namespace."""

    name: NotRequired[str | None]
    """Only runs of workflows with this name."""

    version: NotRequired[str | None]
    """Only runs of this version."""

    parent: NotRequired[RunId | None]
    """Only runs started by this run."""

    created_from: NotRequired[str | None]
    """Only runs created at this time or later."""

    created_before: NotRequired[str | None]
    """Only runs created before this time."""

    ended_from: NotRequired[str | None]
    """Only runs that ended at this time or later."""

    ended_before: NotRequired[str | None]
    """Only runs that ended before this time."""

    error_type: NotRequired[str | None]
    """Only faulted runs whose error has this type."""

    tags: NotRequired[Mapping[str, str]]
    """Only runs with all these tags."""

    fields: NotRequired[Mapping[str, Any]]
    """Only runs with all these indexed fields: texts, numbers or booleans."""


class RunStatistics(TypedDict):
    """How many runs there were, how they ended and what they took."""

    started: int
    """How many began."""

    completed: int
    """How many ended with an output."""

    faulted: int
    """How many ended with an error."""

    cancelled: int
    """How many were cancelled."""

    success_rate: NotRequired[float | None]
    """The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none."""

    retries: int
    """How often their tasks were tried again."""

    duration: NotRequired[DurationStatistics | None]
    """What those took that completed, from the start to the end of the run; absent when there are none."""


RunStatisticsPart = TypedDict(
    "RunStatisticsPart",
    {
        # When it begins.
        "from": "str",
        # How many began.
        "started": "int",
        # How many ended with an output.
        "completed": "int",
        # How many ended with an error.
        "faulted": "int",
        # How many were cancelled.
        "cancelled": "int",
        # The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
        "success_rate": "NotRequired[float | None]",
        # How often their tasks were tried again.
        "retries": "int",
        # What those took that completed, from the start to the end of the run; absent when there are none.
        "duration": "NotRequired[DurationStatistics | None]",
    },
)
"""The runs of one hour or day."""


RunStatus: TypeAlias = "Literal['running', 'queued', 'paused', 'completed', 'faulted', 'cancelled']"
"""The state of a run."""


class RunStep(TypedDict):
    """One execution of a task: a task in a loop has as many as it was run times."""

    step: int
    """Its number, unique within the run and larger than those of the steps that began before it."""

    task: str
    """The JSON pointer of the task in the document."""

    status: StepStatus
    """How it is."""

    started_at: str
    """When it began."""

    ended_at: NotRequired[str | None]
    """When it ended."""

    duration_ms: NotRequired[int | None]
    """How long it took, in milliseconds, once it has ended."""

    attempts: int
    """How often it was tried: more than once only for a `try` that retried."""

    error: NotRequired[WorkflowError | None]
    """The error it ended with."""


class RunSteps(TypedDict):
    """What the tasks of a run took, in the order in which they began."""

    items: Sequence[RunStep]
    """The executions of tasks."""

    next: NotRequired[int | None]
    """What to pass as `after` for the steps that follow; absent when there are none so far."""


class ScheduleRunTrigger(TypedDict):
    """The schedule of its workflow."""

    type: Literal["schedule"]

    at: str
    """The time that the run was due at; for events, when they had all come."""


RunTrigger: TypeAlias = "ScheduleRunTrigger"
"""What started a run by itself."""


class WaitsForCall(TypedDict):
    """The answer of a call."""

    task: NotRequired[str | None]
    """The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation."""

    since: NotRequired[str | None]
    """When the task began, or the run was queued."""

    type: Literal["call"]

    function: str
    """The function."""


class WaitsForTime(TypedDict):
    """A pause to end: its own, or the one before another attempt."""

    task: NotRequired[str | None]
    """The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation."""

    since: NotRequired[str | None]
    """When the task began, or the run was queued."""

    type: Literal["time"]

    at: str
    """When it ends."""


class TimesOut(TypedDict):
    """Nothing: this is when it is stopped if it has not ended, or when nobody has decided."""

    task: NotRequired[str | None]
    """The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation."""

    since: NotRequired[str | None]
    """When the task began, or the run was queued."""

    type: Literal["timeout"]

    at: str
    """When."""


class WaitsForDecision(TypedDict):
    """Somebody's decision."""

    task: NotRequired[str | None]
    """The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation."""

    since: NotRequired[str | None]
    """When the task began, or the run was queued."""

    type: Literal["decision"]

    approval: ApprovalId
    """The approval."""


class WaitsForEvent(TypedDict):
    """An event."""

    task: NotRequired[str | None]
    """The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation."""

    since: NotRequired[str | None]
    """When the task began, or the run was queued."""

    type: Literal["event"]


class WaitsForMessages(TypedDict):
    """Messages of a subscription."""

    task: NotRequired[str | None]
    """The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation."""

    since: NotRequired[str | None]
    """When the task began, or the run was queued."""

    type: Literal["messages"]

    function: str
    """The function that brings them."""


class WaitsForTurn(TypedDict):
    """Its turn to begin: as many runs are under way as may be, or began lately."""

    task: NotRequired[str | None]
    """The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation."""

    since: NotRequired[str | None]
    """When the task began, or the run was queued."""

    type: Literal["turn"]


class WaitsForRun(TypedDict):
    """Another run."""

    task: NotRequired[str | None]
    """The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation."""

    since: NotRequired[str | None]
    """When the task began, or the run was queued."""

    type: Literal["run"]

    run: RunId
    """The other run."""


RunWait: TypeAlias = "WaitsForCall | WaitsForTime | TimesOut | WaitsForDecision | WaitsForEvent | WaitsForMessages | WaitsForTurn | WaitsForRun"
"""One thing that a run waits for."""


class RunWaits(TypedDict):
    """What a run waits for."""

    status: RunStatus
    """The run's state."""

    is_driven: bool
    """Whether this engine drives it: an interrupted run has to be resumed first."""

    items: Sequence[RunWait]
    """What it waits for, in the order in which it began to; nothing once it has ended."""

    stuck: NotRequired[Sequence[Stuck]]
    """What keeps it from going on at this moment."""


class RunsHealth(TypedDict):
    """How the runs are."""

    running: int
    """How many runs are under way in this process, over all users."""

    stuck: int
    """How many runs of this process have not been able to go on for a minute, over all users; `runs.stuck` tells their owners which and why."""


class Schedule(TypedDict):
    """The schedule of a deployed workflow: that of its latest version."""

    workflow: WorkflowKey
    """The version whose runs it starts."""

    triggers: Sequence[ScheduledTrigger]
    """What starts them, each by itself: one trigger or more, each of another kind."""

    since: str
    """When it became active."""

    is_paused: bool
    """Whether it is paused."""

    next_at: NotRequired[str | None]
    """The time of its next run, when it is known and the schedule is not paused."""

    last_at: NotRequired[str | None]
    """The time of the last run it has started."""

    last_run: NotRequired[RunId | None]
    """The last run it has started."""


class ScheduleFailure(TypedDict):
    """A start that failed."""

    at: str
    """The time whose run could not start; for events, the time of the first attempt."""

    failed_at: str
    """When the last attempt was made."""

    attempts: int
    """How many attempts there were."""

    retry_at: NotRequired[str | None]
    """When the next one is made; absent when there is none any more."""

    error: Error
    """Why the last attempt failed."""


class SchedulePage(TypedDict):
    """A part of a list."""

    items: Sequence[Schedule]
    """The items."""

    next: NotRequired[str | None]
    """What to pass as `after` to get the following page; absent on the last."""


class SchedulePreview(TypedDict):
    """When a schedule starts runs."""

    times: Sequence[ScheduledTime]
    """The next times, in order."""


class EveryTrigger(TypedDict):
    """In equal intervals."""

    type: Literal["every"]

    months: NotRequired[int]
    """The whole months of the interval, as long as the calendar has them in UTC; 0 when absent."""

    interval_ms: int
    """The rest of the interval in milliseconds."""

    missed: MissedRuns
    """What becomes of missed times."""


class CronTrigger(TypedDict):
    """At times of the calendar."""

    type: Literal["cron"]

    expression: str
    """The cron expression, as the document has it."""

    time_zone: str
    """The time zone of its times, a name of the IANA database."""

    missed: MissedRuns
    """What becomes of missed times."""


class AfterTrigger(TypedDict):
    """Some time after the end of the run before."""

    type: Literal["after"]

    months: NotRequired[int]
    """The whole months of the time, as long as the calendar has them in UTC; 0 when absent."""

    delay_ms: int
    """The rest of the time in milliseconds."""


class EventsTrigger(TypedDict):
    """When events come."""

    type: Literal["events"]


ScheduleTrigger: TypeAlias = "EveryTrigger | CronTrigger | AfterTrigger | EventsTrigger"
"""When a schedule starts runs: `schedule` of a document, Open Workflow 1.0.3."""


class ScheduledTime(TypedDict):
    """A time of a schedule."""

    at: str
    """The moment."""

    local: str
    """What the clocks of the schedule's time zone show then, with the zone (RFC 9557)."""


class ScheduledTrigger(TypedDict):
    """One of the triggers of a schedule, and how far it is."""

    trigger: ScheduleTrigger
    """When it starts runs."""

    next_at: NotRequired[str | None]
    """The time of its next run, when it is known and the schedule is not paused."""

    awaits: NotRequired[RunId | None]
    """The run whose end it waits for."""

    failure: NotRequired[ScheduleFailure | None]
    """The last start that failed, until one succeeds."""


Secret: TypeAlias = "str"
"""A secret text: redacted in `Debug`, not serialisable, wiped from memory when dropped."""


class SecretInfo(TypedDict):
    """What may be shown of a secret: everything but its text."""

    name: str
    """The name."""

    version: int
    """How many times it was set."""

    updated_at: str
    """When it was last set."""


class SecretList(TypedDict):
    """Secrets without their texts, sorted by name."""

    secrets: Sequence[SecretInfo]
    """The secrets."""


StatisticsInterval: TypeAlias = "Literal['hour', 'day']"
"""How the time range of statistics is divided."""


class StepStatistics(TypedDict):
    """How often a task was executed, how that ended and what it took."""

    executions: int
    """How often the run came to it and carried it out."""

    completed: int
    """How many executions ended with an output."""

    faulted: int
    """How many ended with an error."""

    cancelled: int
    """How many were stopped before they ended."""

    success_rate: NotRequired[float | None]
    """The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none."""

    attempts: int
    """How often it was tried: more than `executions` only for a `try` that retried."""

    duration: NotRequired[DurationStatistics | None]
    """What those executions took that completed; absent when there are none."""


StepStatisticsPart = TypedDict(
    "StepStatisticsPart",
    {
        # When it begins.
        "from": "str",
        # How often the run came to it and carried it out.
        "executions": "int",
        # How many executions ended with an output.
        "completed": "int",
        # How many ended with an error.
        "faulted": "int",
        # How many were stopped before they ended.
        "cancelled": "int",
        # The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
        "success_rate": "NotRequired[float | None]",
        # How often it was tried: more than `executions` only for a `try` that retried.
        "attempts": "int",
        # What those executions took that completed; absent when there are none.
        "duration": "NotRequired[DurationStatistics | None]",
    },
)
"""The executions of a task in one hour or day."""


StepStatus: TypeAlias = "Literal['running', 'completed', 'faulted', 'cancelled']"
"""How an execution of a task is."""


class StorageHealth(TypedDict):
    """Whether the store works: something was written to it, read again and deleted just now."""

    status: HealthStatus
    """Whether writing, reading and deleting worked."""

    probe_ms: int
    """How long they took together, in milliseconds."""

    error: NotRequired[Error | None]
    """Why they did not work."""


StorageKind: TypeAlias = "Literal['sqlite', 'memory', 'postgres']"
"""The kind of place where an engine keeps what it is given."""


class FunctionMissing(TypedDict):
    """A task calls a function that nobody has registered, or that the engine's settings forbid."""

    since: str
    """Since when."""

    type: Literal["function_missing"]

    function: str
    """The function."""

    task: str
    """The JSON pointer of the task."""


class StoreFailing(TypedDict):
    """The store cannot be read or written; the run tries again and again."""

    since: str
    """Since when."""

    type: Literal["store_failing"]

    error: Error
    """The latest error."""


class DriverStopped(TypedDict):
    """The engine has given the run up until it is resumed."""

    since: str
    """Since when."""

    type: Literal["driver_stopped"]

    error: Error
    """Why."""


class NotResumed(TypedDict):
    """The run was interrupted and nobody has resumed it."""

    since: str
    """Since when."""

    type: Literal["not_resumed"]


Stuck: TypeAlias = "FunctionMissing | StoreFailing | DriverStopped | NotResumed"
"""Since when a run cannot go on, and why."""


class StuckRun(TypedDict):
    """A run that cannot go on."""

    run: Run
    """The run, without its input and output."""

    stuck: Sequence[Stuck]
    """What keeps it from going on."""


class StuckRunPage(TypedDict):
    """A part of a list."""

    items: Sequence[StuckRun]
    """The items."""

    next: NotRequired[str | None]
    """What to pass as `after` to get the following page; absent on the last."""


class TaskPlace(TypedDict):
    """A task of one document."""

    name: str
    """Its name."""

    task: str
    """Its JSON pointer."""


class TaskStatistics(TypedDict):
    """The executions of a task."""

    task: str
    """The JSON pointer of the task in the document."""

    version: NotRequired[str | None]
    """The version of the workflow, when each has numbers of its own."""

    total: StepStatistics
    """The numbers of the whole time range."""

    parts: Sequence[StepStatisticsPart]
    """The numbers of each hour or day in which there were any, in order; nothing without an `interval`."""


TaskStatisticsList = TypedDict(
    "TaskStatisticsList",
    {
        # Where the time range begins: the beginning of an hour, or of a day.
        "from": "str",
        # Where it ends.
        "before": "str",
        # The numbers.
        "items": "Sequence[TaskStatistics]",
        # What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last.
        "next": "NotRequired[str | None]",
    },
)
"""Numbers, and the time range that they are of."""


class TemplateDetails(TypedDict):
    """A template with its form and its whole file."""

    template: TemplateInfo
    """What lists show of it."""

    parameters: Any
    """The form: a JSON Schema of an object."""

    text: str
    """The whole file: what another engine imports."""


class TemplateInfo(TypedDict):
    """What a list of templates shows of one."""

    name: str
    """Its name."""

    version: str
    """Its semantic version."""

    title: str
    """The name people read."""

    summary: NotRequired[str | None]
    """What workflows made from it do, in Markdown."""

    category: NotRequired[str | None]
    """Where it stands in a list of templates, e.g. `calendar`."""

    imported_at: NotRequired[str | None]
    """When it was imported; absent for those that come with the engine."""


class TemplateInfoPage(TypedDict):
    """A part of a list."""

    items: Sequence[TemplateInfo]
    """The items."""

    next: NotRequired[str | None]
    """What to pass as `after` to get the following page; absent on the last."""


class UnsupportedFeature(TypedDict):
    """A valid part of a document that the engine does not carry out."""

    feature: str
    """What it is, e.g. `use.catalogs`."""

    path: str
    """Where it stands, a JSON pointer."""

    line: int
    """The line it stands on, from 1."""

    column: int
    """The column it starts at, from 1."""


class ValidatedResource(TypedDict):
    """An external resource that a document refers to."""

    uri: str
    """Where it is."""

    hash: NotRequired[str | None]
    """SHA-256 of its text, in hexadecimal; absent when it was not read, and so not checked."""


class ValidatedWorkflow(TypedDict):
    """How a well-formed document names itself."""

    namespace: str
    """The namespace of the workflow."""

    name: str
    """The name of the workflow."""

    version: str
    """The semantic version."""

    hash: str
    """SHA-256 of the document's canonical JSON, in hexadecimal; of the document with its external resources when these were read."""

    title: NotRequired[str | None]
    """The name people read."""


class Worker(TypedDict):
    """An engine that shares the storage with others."""

    id: WorkerId
    """Its id, for as long as it holds its lease."""

    name: str
    """The machine and process that it runs in."""

    state: WorkerState
    """Whether it holds its runs."""

    is_this: bool
    """Whether it is the engine that was asked."""

    takes_runs: bool
    """Whether it takes runs that no engine drives: those of engines that are gone, and those that others have started for it."""

    runs: int
    """How many runs that have not ended it drives, over all users."""

    functions: int
    """How many functions it has."""

    started_at: str
    """Since when it is there, by the clock of the storage."""

    renewed_at: str
    """When it last renewed its lease, by the clock of the storage."""

    lease_until: str
    """When others take over its runs unless it renews its lease, by the clock of the storage."""


WorkerId: TypeAlias = "str"
"""The id of one engine among those that share a store, for as long as it holds its lease."""


class WorkerList(TypedDict):
    """The engines that share the storage."""

    workers: Sequence[Worker]
    """The engines, the oldest first; none where one engine has the storage for itself."""


WorkerState: TypeAlias = "Literal['active', 'draining', 'gone']"
"""Whether a worker holds its runs."""


WorkflowComparison = TypedDict(
    "WorkflowComparison",
    {
        # The document that was compared.
        "from": "ValidatedWorkflow",
        # The document that it was compared with.
        "to": "ValidatedWorkflow",
        # The tasks that only the second document has, in document order.
        "added": "Sequence[TaskPlace]",
        # The tasks that only the first document has, in document order.
        "removed": "Sequence[TaskPlace]",
        # The tasks that stand in another list, or at another place among the tasks that both lists have.
        "moved": "Sequence[MovedTask]",
        # The tasks that are themselves different, apart from the tasks inside them.
        "changed": "Sequence[ChangedTask]",
        # What differs outside of tasks: `document`, `input`, `output`, `use`, `timeout`, `schedule`, `evaluate`.
        "parts": "Sequence[MemberChange]",
        # The external resources that differ, by URI; absent when one of the documents refers to some that were not read, as they are only when it is deployed.
        "resources": "NotRequired[Sequence[ChangedResource] | None]",
    },
)
"""What differs between two documents."""


class WorkflowDocument(TypedDict):
    """A deployed workflow with its text."""

    namespace: str
    """The namespace of the workflow."""

    name: str
    """The name of the workflow."""

    version: str
    """The semantic version."""

    hash: str
    """SHA-256 of the document's canonical JSON, in hexadecimal."""

    title: NotRequired[str | None]
    """The name people read."""

    summary: NotRequired[str | None]
    """What it does, in Markdown."""

    deployed_at: str
    """When it was deployed."""

    withdrawn_at: NotRequired[str | None]
    """When a lower version was made the latest in its place; absent for a version that is not withdrawn."""

    document: str
    """The document's text as deployed."""

    resources: Sequence[WorkflowResource]
    """The external resources that the document refers to, as they were read when it was deployed."""


class WorkflowError(TypedDict):
    """The error of a task or run."""

    type: str
    """What kind of error it is, a URI."""

    status: int
    """The status, in the manner of HTTP."""

    title: NotRequired[str | None]
    """The kind in words."""

    detail: NotRequired[str | None]
    """What went wrong this time."""

    instance: NotRequired[str | None]
    """The JSON pointer of the task where it arose."""


class WorkflowKey(TypedDict):
    """Which document a run follows. Runs are pinned to the content, not to the name."""

    namespace: str
    """The namespace of the workflow."""

    name: str
    """The name of the workflow."""

    version: str
    """The version of the workflow."""

    hash: str
    """SHA-256 of the document's canonical JSON, in hexadecimal."""


class WorkflowReference(TypedDict):
    """A deployed workflow by name."""

    namespace: str
    """Its namespace."""

    name: str
    """Its name."""

    version: NotRequired[str | None]
    """Its version; the latest when absent or `latest`: the highest that is not withdrawn."""


class WorkflowResource(TypedDict):
    """A resource that was read."""

    uri: str
    """Where it was."""

    hash: str
    """SHA-256 of its text, in hexadecimal."""

    bytes: int
    """How long its text is, in bytes."""


class WorkflowStatistics(TypedDict):
    """The runs of a workflow."""

    namespace: str
    """The namespace of the workflow."""

    name: str
    """Its name."""

    version: NotRequired[str | None]
    """Its version, when each has numbers of its own."""

    total: RunStatistics
    """The numbers of the whole time range."""

    parts: Sequence[RunStatisticsPart]
    """The numbers of each hour or day in which there were any, in order; nothing without an `interval`."""


WorkflowStatisticsList = TypedDict(
    "WorkflowStatisticsList",
    {
        # Where the time range begins: the beginning of an hour, or of a day.
        "from": "str",
        # Where it ends.
        "before": "str",
        # The numbers.
        "items": "Sequence[WorkflowStatistics]",
        # What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last.
        "next": "NotRequired[str | None]",
    },
)
"""Numbers, and the time range that they are of."""


class WorkflowValidation(TypedDict):
    """What a check of a document found."""

    is_valid: bool
    """Whether the document is well-formed; it can be deployed when, besides, nothing in it is unsupported."""

    workflow: NotRequired[ValidatedWorkflow | None]
    """How the document names itself, when it is well-formed."""

    problem: NotRequired[Error | None]
    """What is wrong with it, when it is not; `context` holds `line`, `column` and `path`."""

    unsupported: Sequence[UnsupportedFeature]
    """Its parts that this engine does not carry out."""

    resources: Sequence[ValidatedResource]
    """The external resources that it refers to."""


class WorkflowVersion(TypedDict):
    """A version of a workflow, with its content."""

    version: str
    """The version."""

    hash: str
    """SHA-256 of the document's canonical JSON, in hexadecimal."""
