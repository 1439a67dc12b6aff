@file:OptIn(ExperimentalSerializationApi::class)

// Generated from schema/ by `cargo xtask codegen`; do not edit.

package dev.atom.engine

import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.KeepGeneratedSerializer
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonClassDiscriminator
import kotlinx.serialization.json.JsonElement

/** How a run with limits came to begin, or waits to. */
@Serializable
data class Admission(
    /** Higher goes first among those that wait. */
    val priority: Long,
    /** How many may be under way at once. */
    val concurrency: ConcurrencyLimit? = null,
    /** How many may begin within a time. */
    @SerialName("rate_limit")
    val rateLimit: RateLimit? = null,
    /** How far it has come. */
    val state: AdmissionState,
    /** When it was let begin. */
    @SerialName("begun_at")
    val begunAt: String? = null,
)

/** How far a run with limits has come. */
@Serializable
enum class AdmissionState {
    /** It waits for its turn. */
    @SerialName("queued")
    QUEUED,

    /** It never begins and is cancelled: as many are under way as may be. */
    @SerialName("refused")
    REFUSED,

    /** It has begun. */
    @SerialName("begun")
    BEGUN,

    /** It had begun and is cancelled in favour of a newer one. */
    @SerialName("superseded")
    SUPERSEDED,
}

/** An alert rule, and how it is. */
@Serializable
data class Alert(
    /** The rule. */
    val rule: AlertRule,
    /** When it was set as it is. */
    val since: String,
    /** Since when it holds; absent while it does not. */
    @SerialName("raised_at")
    val raisedAt: String? = null,
    /** The numbers when it began to hold, or when it ceased to; absent when it never held. */
    val reading: AlertReading? = null,
)

/** What a rule watches for. */
@Serializable
@JsonClassDiscriminator("type")
sealed interface AlertCondition {
    /** More than a share of the runs that ended within the window failed. Runs that were cancelled do not count. */
    @Serializable
    @SerialName("failure_rate")
    data class FailureRateAlert(
        /** The share, from 0 to 1, that must be exceeded. */
        val above: Double,
        /**
         * How far back the window reaches, in milliseconds, from a minute to 30 days. One over 24 hours is counted
         * in whole hours, a shorter one in whole minutes.
         */
        @SerialName("window_ms")
        val windowMs: Long,
        /** How many runs must have ended within the window before the rule can hold; 1 when absent. */
        @SerialName("minimum_runs")
        val minimumRuns: Long? = null,
    ) : AlertCondition

    /** Runs that completed within the window took too long. */
    @Serializable
    @SerialName("latency")
    data class LatencyAlert(
        /** Which of them is looked at. */
        val percentile: Percentile,
        /** How long it may take, in milliseconds. Latencies are known to within 5 %. */
        @SerialName("above_ms")
        val aboveMs: Long,
        /** How far back the window reaches, as for `failure_rate`. */
        @SerialName("window_ms")
        val windowMs: Long,
        /** How many runs must have completed within the window before the rule can hold; 1 when absent. */
        @SerialName("minimum_runs")
        val minimumRuns: Long? = null,
    ) : AlertCondition

    /** Runs cannot go on although they wait for nothing that will come by itself, as `runs.stuck` tells. */
    @Serializable
    @SerialName("stuck_runs")
    data class StuckRunsAlert(
        /** For how long they must have been unable to go on, in milliseconds. */
        @SerialName("for_ms")
        val forMs: Long,
        /** How many there must be, 1 to 1000; 1 when absent. */
        @SerialName("at_least")
        val atLeast: Long? = null,
    ) : AlertCondition

    /** No run has started, or completed, for some time. */
    @Serializable
    @SerialName("silence")
    data class SilenceAlert(
        /**
         * For how long, in milliseconds, from a minute to 30 days, counted as a window of `failure_rate` and from
         * when the rule was set at the earliest.
         */
        @SerialName("for_ms")
        val forMs: Long,
        /** Whether only runs that completed break the silence; any run that starts does when absent. */
        @SerialName("successful_only")
        val successfulOnly: Boolean? = null,
    ) : AlertCondition
}

/** A part of a list. */
@Serializable
data class AlertPage(
    /** The items. */
    val items: List<Alert>,
    /** What to pass as `after` to get the following page; absent on the last. */
    val next: String? = null,
)

/** The numbers that decided whether a rule holds. */
@Serializable
data class AlertReading(
    /**
     * The share of failed runs for `failure_rate`, milliseconds for `latency`, the number of stuck runs, at most
     * 1000, for `stuck_runs`, and the number of runs for `silence`; absent when no run tells.
     */
    val value: Double? = null,
    /** How many runs it is computed from, for `failure_rate` and `latency`. */
    val runs: Long? = null,
)

/** A rule: what is watched for, and whose runs. */
@Serializable
data class AlertRule(
    /** Its name, unique among those of its owner: 1 to 64 letters, digits, `.`, `_` and `-`. */
    val name: String,
    /** The namespace of the workflow whose runs count; absent, together with `workflow`, for all runs of the owner. */
    val namespace: String? = null,
    /** The name of that workflow. */
    val workflow: String? = null,
    /** What is watched for. */
    val condition: AlertCondition,
)

/**
 * What a task of a run asks before it runs. Lists leave out `data`, `input`, `form` and what was filled in, which
 * may be large.
 */
@Serializable
data class Approval(
    /** Its id. */
    val id: ApprovalId,
    /** The user whose run asks. */
    val owner: String,
    /** The run that asks. */
    val run: RunId,
    /** The JSON pointer of the task that asks. */
    val task: String,
    /** Which document the run follows. */
    val workflow: WorkflowKey,
    /** What is asked, in a line. */
    val title: String,
    /** What is asked, at length. */
    val message: String? = null,
    /** What the decision is about; absent in lists. */
    val data: JsonElement? = null,
    /** The task's input, where the decision `edit` may replace it; absent in lists. */
    val input: JsonElement? = null,
    /** The JSON Schema of what is to be filled in, where there is something; absent in lists. */
    val form: JsonElement? = null,
    /** Who may decide. */
    val assignees: Assignees,
    /** Whether the caller may decide. */
    @SerialName("is_assigned")
    val isAssigned: Boolean,
    /** Its state. */
    val status: ApprovalStatus,
    /** When it was asked. */
    @SerialName("created_at")
    val createdAt: String,
    /** Until when it can be decided. */
    val deadline: String? = null,
    /** What happens then; absent without a deadline. */
    @SerialName("on_deadline")
    val onDeadline: OnDeadline? = null,
    /** The decision, once approved or rejected. */
    val decision: Decision? = null,
    /** When it was decided, expired or was withdrawn. */
    @SerialName("closed_at")
    val closedAt: String? = null,
)

/**
 * The id of one approval that a run waits for. It follows from the run, its owner and the place in the run: asking
 * again after a crash gives the same one.
 */
typealias ApprovalId = String

/** A part of a list. */
@Serializable
data class ApprovalPage(
    /** The items. */
    val items: List<Approval>,
    /** What to pass as `after` to get the following page; absent on the last. */
    val next: String? = null,
)

/** The state of an approval. */
@Serializable
enum class ApprovalStatus {
    /** Nobody has decided yet. */
    @SerialName("pending")
    PENDING,

    /** Somebody approved, with or without a change of the input. */
    @SerialName("approved")
    APPROVED,

    /** Somebody rejected. */
    @SerialName("rejected")
    REJECTED,

    /** The deadline passed before anybody decided. */
    @SerialName("expired")
    EXPIRED,

    /** The run no longer asks: it was cancelled, or it failed or ended elsewhere. */
    @SerialName("withdrawn")
    WITHDRAWN,
}

/** Who may decide. With nobody named it is the owner of the run. */
@Serializable
data class Assignees(
    /** Roles, any of which lets a user of the tenant decide. Who has no roles has the role `admin`. */
    val roles: List<String> = emptyList(),
    /** Users of the tenant. */
    val users: List<String> = emptyList(),
)

/** Calls a function directly, outside of any run. */
@Serializable
data class CallFunctionRequest(
    /** The function's name. */
    val name: String,
    /** What to pass to it; an empty object when absent. */
    val arguments: JsonElement? = null,
    /** Where relative file paths start. */
    val directory: String? = null,
    /** How long to wait for the answer, in milliseconds; as long as it takes when absent. */
    @SerialName("timeout_ms")
    val timeoutMs: Long? = null,
)

/** Cancels a run. */
@Serializable
data class CancelRunRequest(
    /** Its id. */
    val id: RunId,
    /** Why, for its history. */
    val reason: String? = null,
)

/** Cancels many runs, some with each call. Without states in the filter these are all that have not ended. */
@Serializable
data class CancelRunsRequest(
    /** Which runs; all of the owner that have not ended when absent. */
    val filter: RunSelection? = null,
    /** Why, for their history. */
    val reason: String? = null,
    /** Whether only to count the runs and change nothing. */
    @SerialName("dry_run")
    val dryRun: Boolean = false,
    /** The `next` of the call before; absent for the first call. */
    val after: String? = null,
    /** How many runs to cancel at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/** An external resource whose text is different, or to which only one document leads. */
@Serializable
data class ChangedResource(
    /** Where it is. */
    val uri: String,
    /** SHA-256 of the text that the first document is kept with, in hexadecimal; absent when it does not lead to it. */
    val from: String? = null,
    /**
     * SHA-256 of the text that the second document is kept with, in hexadecimal; absent when it does not lead to
     * it.
     */
    val to: String? = null,
)

/** What became of one run. */
@Serializable
data class ChangedRun(
    /** Its id. */
    val id: RunId,
    /** Its state now; absent when it could not be changed. */
    val status: RunStatus? = null,
    /** The run that repeats it. */
    @SerialName("new_id")
    val newId: RunId? = null,
    /** Why it could not be changed. */
    val error: ErrorReport? = null,
)

/** What became of the runs that one call was to change. */
@Serializable
data class ChangedRuns(
    /** How many runs the filter showed when the call began, on this page or another. */
    val matched: Long,
    /** The runs of this call, the newest first; none in a dry run. */
    val items: List<ChangedRun>,
    /** What to pass as `after` to go on; absent when there are no more. */
    val next: String? = null,
)

/** A task that is different. */
@Serializable
data class ChangedTask(
    /** Its name. */
    val name: String,
    /** Its JSON pointer in the first document. */
    val from: String,
    /** Its JSON pointer in the second document. */
    val to: String,
    /** What differs. */
    val members: List<MemberChange>,
)

/** One event in the CloudEvents 1.0.2 JSON format, with `data` as JSON. */
@KeepGeneratedSerializer
@Serializable(with = CloudEventSerializer::class)
data class CloudEvent(
    /** Identifies the event together with `source`; the log stores such a pair once. */
    val id: String,
    /** Where the event comes from, a URI reference. */
    val source: String,
    /** What kind of event it is, e.g. `com.example.order.placed.v1`. */
    val type: String,
    /** The version of the specification, `1.0`. */
    val specversion: String = "1.0",
    /** When it happened. */
    val time: String? = null,
    /** What it is about, within the source. */
    val subject: String? = null,
    /** The media type of `data`; `application/json` when absent. */
    val datacontenttype: String? = null,
    /** The schema that `data` adheres to, a URI. */
    val dataschema: String? = null,
    /** What happened. */
    val data: JsonElement? = null,
    /** Every other member. */
    val extensions: Map<String, JsonElement> = emptyMap(),
)

internal object CloudEventSerializer : OpenSerializer<CloudEvent>(
    CloudEvent.generatedSerializer(),
    setOf("id", "source", "type", "specversion", "time", "subject", "datacontenttype", "dataschema", "data"),
)

/** How many runs of a workflow with the same key may be under way at once. */
@Serializable
data class ConcurrencyLimit(
    /** The key, computed from the run's input; empty when the limit is for all runs of the workflow. */
    val key: String,
    /** How many, 1 to 10,000. */
    val limit: Long,
    /** What becomes of a run that is one too many. */
    @SerialName("on_limit")
    val onLimit: OnLimit,
)

/**
 * Decides on an approval. Deciding the same again changes nothing; deciding otherwise, or too late, is a
 * `conflict`.
 */
@Serializable
data class DecideApprovalRequest(
    /** Its id. */
    val id: ApprovalId,
    /** What is decided. */
    val decision: DecisionKind,
    /** What to say about it. */
    val comment: String? = null,
    /** The form as filled in. */
    val form: JsonElement? = null,
    /** What replaces the task's input, for `edit`. */
    val input: JsonElement? = null,
)

/** Somebody's decision. */
@Serializable
data class Decision(
    /** What was decided. */
    val decision: DecisionKind,
    /** The user who decided, of the tenant of the run. */
    val by: String,
    /** What they said about it. */
    val comment: String? = null,
    /** The form as they filled it in. */
    val form: JsonElement? = null,
    /** The input that replaces the task's, for `edit`. */
    val input: JsonElement? = null,
)

/** What somebody decided. */
@Serializable
enum class DecisionKind {
    /** The task may run. */
    @SerialName("approve")
    APPROVE,

    /** The task must not run. */
    @SerialName("reject")
    REJECT,

    /** The task may run with another input. */
    @SerialName("edit")
    EDIT,
}

/** Removes an alert rule. An alert that it had raised is resolved. */
@Serializable
data class DeleteAlertRequest(
    /** The rule's name. */
    val name: String,
)

/**
 * Removes a run that has ended, with its history and approvals. Its id and idempotency key can be used again then.
 * The runs that it started stay.
 */
@Serializable
data class DeleteRunRequest(
    /** Its id. */
    val id: RunId,
)

/** Removes a secret. */
@Serializable
data class DeleteSecretRequest(
    /** Its name. */
    val name: String,
)

/** Removes an imported template. */
@Serializable
data class DeleteTemplateRequest(
    /** Its name. */
    val name: String,
)

/** Removes a deployed workflow. Runs that follow it go on; its schedule ends with the last version that has one. */
@Serializable
data class DeleteWorkflowRequest(
    /** Its namespace. */
    val namespace: String,
    /** Its name. */
    val name: String,
    /** Its version; all versions when absent. */
    val version: String? = null,
)

/** Whether there was an alert rule. */
@Serializable
data class DeletedAlert(
    /** Whether there was one. */
    val deleted: Boolean,
)

/** Whether a secret was removed. */
@Serializable
data class DeletedSecret(
    /** Whether there was one. */
    val deleted: Boolean,
)

/** Whether a template was removed. */
@Serializable
data class DeletedTemplate(
    /** Whether there was one. */
    val deleted: Boolean,
)

/** How many versions of a workflow were removed. */
@Serializable
data class DeletedWorkflows(
    /** How many versions were removed. */
    val deleted: Long,
)

/** Deploys a document under the namespace, name and version it states. */
@Serializable
data class DeployWorkflowRequest(
    /** The document's text, YAML or JSON. */
    val document: String,
)

/** A version of a workflow, deployed under its name. */
@Serializable
data class DeployedWorkflow(
    /** The namespace of the workflow. */
    val namespace: String,
    /** The name of the workflow. */
    val name: String,
    /** The semantic version. */
    val version: String,
    /** SHA-256 of the document's canonical JSON, in hexadecimal. */
    val hash: String,
    /** The name people read. */
    val title: String? = null,
    /** What it does, in Markdown. */
    val summary: String? = null,
    /** When it was deployed. */
    @SerialName("deployed_at")
    val deployedAt: String,
    /** When a lower version was made the latest in its place; absent for a version that is not withdrawn. */
    @SerialName("withdrawn_at")
    val withdrawnAt: String? = null,
)

/** A part of a list. */
@Serializable
data class DeployedWorkflowPage(
    /** The items. */
    val items: List<DeployedWorkflow>,
    /** What to pass as `after` to get the following page; absent on the last. */
    val next: String? = null,
)

/** Compares a deployed version of a workflow with another one, or with a text. */
@Serializable
data class DiffWorkflowsRequest(
    /** The namespace of the workflow. */
    val namespace: String,
    /** Its name. */
    val name: String,
    /** The version to compare; the latest when absent or `latest`. */
    val from: String? = null,
    /** The version to compare it with; the latest when absent or `latest`. Only without `document`. */
    val to: String? = null,
    /** The text to compare it with, YAML or JSON; it need not be deployed. */
    val document: String? = null,
)

/** Nothing more to tell: it is done. */
@Serializable
data object Done

/** A call that would be made, or a run that would be started. */
@Serializable
data class DryRunCall(
    /** The JSON pointer of the task. */
    val task: String,
    /** The function that would be called. */
    val function: String? = null,
    /** The workflow that would be run, as `namespace/name version`. */
    val workflow: String? = null,
    /** Its arguments or input, with `***` in the place of secrets. */
    val arguments: JsonElement,
    /** Whether an answer was given for it. */
    @SerialName("is_answered")
    val isAnswered: Boolean,
    /** Whether it is certain that the call would be made like this: no call before it was without an answer. */
    @SerialName("is_certain")
    val isCertain: Boolean,
)

/** What a run would do, as far as that can be known. */
@Serializable
data class DryRunReport(
    /** How it would end; `running` when it would wait for an event, or goes on beyond the limits of a dry run. */
    val status: RunStatus,
    /**
     * Whether all of this follows from the given answers and decisions. From the first call without one on it is a
     * guess: the call is taken to succeed with `{"unknown": task}`, and what people are asked to be approved.
     */
    @SerialName("is_certain")
    val isCertain: Boolean,
    /** Whether it was stopped because it goes on for too long. */
    @SerialName("is_cut")
    val isCut: Boolean,
    /** Its output, if it would complete. */
    val output: JsonElement? = null,
    /** Its error, if it would fault. */
    val error: WorkflowError? = null,
    /** The calls it would make and the runs it would start, in order. */
    val calls: List<DryRunCall>,
    /** The events it would publish. */
    val events: List<CloudEvent>,
    /** What it would wait for in the end. */
    val waits: List<RunWait>,
    /** What would happen, task by task. Time passes as if every call answered at once. */
    val records: List<HistoryEntry>,
)

/** Carries a workflow out without any effect, to show what a run of it would do. */
@Serializable
data class DryRunWorkflowRequest(
    /** The deployed workflow; either this or `document`. */
    val workflow: WorkflowReference? = null,
    /** The text of the document, YAML or JSON; either this or `workflow`. */
    val document: String? = null,
    /** The input; an empty object when absent. */
    val input: JsonElement? = null,
    /**
     * What calls and awaited runs answer, by the JSON pointer of their task, e.g. `/do/0/read`: the same each time
     * the task runs. A call without an answer gives `{"unknown": task}`.
     */
    val answers: Map<String, JsonElement> = emptyMap(),
    /**
     * What people decide where a task asks for an approval, by the JSON pointer of the task; approved, by nobody
     * known, where nothing is given.
     */
    val decisions: Map<String, Decision> = emptyMap(),
    /** The events that come, in order, each once a task listens and no call is under way. */
    val events: List<EventDraft>? = null,
)

/** What things took that completed. Each number but the mean is right to within 5 %. */
@Serializable
data class DurationStatistics(
    /** The mean, in milliseconds. */
    @SerialName("mean_ms")
    val meanMs: Double,
    /** What half of them did not exceed, in milliseconds. */
    @SerialName("p50_ms")
    val p50Ms: Double,
    /** What 95 % of them did not exceed, in milliseconds. */
    @SerialName("p95_ms")
    val p95Ms: Double,
    /** What 99 % of them did not exceed, in milliseconds. */
    @SerialName("p99_ms")
    val p99Ms: Double,
)

/** Whether the engine works. */
@Serializable
data class EngineHealth(
    /** The state of the whole. */
    val status: HealthStatus,
    /** The state of the store. */
    val storage: StorageHealth,
    /** The state of the runs. */
    val runs: RunsHealth,
)

/** What the engine is. */
@Serializable
data class EngineInfo(
    /** `atom`. */
    val name: String,
    /** The engine's version. */
    val version: String,
    /** The version of the workflow machine; runs of this version and older ones go on. */
    @SerialName("machine_version")
    val machineVersion: Long,
    /** Where workflows, runs, events and secrets are kept. */
    val storage: StorageKind,
    /** The folder that holds the store, when it is on disk. */
    @SerialName("data_dir")
    val dataDir: String? = null,
    /** How many operations there are. */
    val operations: Long,
)

/** What went wrong, as a stable snake_case code that programs may match on. */
@Serializable
enum class ErrorCode {
    /** The request is malformed or breaks a documented rule. */
    @SerialName("invalid_request")
    INVALID_REQUEST,

    /** A workflow document is malformed; `context` holds `line`, `column` and `path`. */
    @SerialName("invalid_workflow")
    INVALID_WORKFLOW,

    /** Data read from outside (a mailbox, a calendar, a journal) is malformed. */
    @SerialName("invalid_data")
    INVALID_DATA,

    /** An expression failed to compile or to evaluate. */
    @SerialName("invalid_expression")
    INVALID_EXPRESSION,

    /** The named thing does not exist for this principal. */
    @SerialName("not_found")
    NOT_FOUND,

    /** The thing to create exists already and differs. */
    @SerialName("already_exists")
    ALREADY_EXISTS,

    /** The request clashes with the present state, e.g. a signal to a finished run. */
    @SerialName("conflict")
    CONFLICT,

    /** The principal lacks a permission, or a setting forbids the access. */
    @SerialName("permission_denied")
    PERMISSION_DENIED,

    /** A credential was refused by the service. */
    @SerialName("unauthenticated")
    UNAUTHENTICATED,

    /** A size, time or count limit was passed. */
    @SerialName("limit_exceeded")
    LIMIT_EXCEEDED,

    /** The service asks to slow down. */
    @SerialName("rate_limited")
    RATE_LIMITED,

    /** A deadline passed before the answer came. */
    @SerialName("timeout")
    TIMEOUT,

    /** The caller cancelled the operation. */
    @SerialName("cancelled")
    CANCELLED,

    /** A service or peer cannot be reached or failed for the moment. */
    @SerialName("unavailable")
    UNAVAILABLE,

    /** A service answered with an error that trying again will not change. */
    @SerialName("upstream")
    UPSTREAM,

    /** The engine does not offer this; nothing was done. */
    @SerialName("unsupported")
    UNSUPPORTED,

    /** Another engine has the data directory open. */
    @SerialName("locked")
    LOCKED,

    /** The disk is full; nothing already stored was lost. */
    @SerialName("storage_full")
    STORAGE_FULL,

    /** The store cannot be read or written. */
    @SerialName("storage_failed")
    STORAGE_FAILED,

    /** The store was written by a newer version of the engine. */
    @SerialName("version_mismatch")
    VERSION_MISMATCH,

    /** The engine was closed. */
    @SerialName("closed")
    CLOSED,

    /** The process forked after the engine was opened; open a new engine in the child. */
    @SerialName("forked")
    FORKED,

    /** A function of the host application failed. */
    @SerialName("host_failed")
    HOST_FAILED,

    /** A run ended in a fault; `context` holds its error. */
    @SerialName("run_faulted")
    RUN_FAULTED,

    /** A defect of the engine. Please report it. */
    @SerialName("internal")
    INTERNAL,
}

/** The wire form of [`Error`]: what hosts, the command line and run histories show. */
@Serializable
data class ErrorReport(
    /** What went wrong. */
    val code: ErrorCode,
    /** Whether the same call is worth trying again. */
    val retry: Retry = Retry.No,
    /** The operation that failed, when known. */
    val operation: String? = null,
    /** What happened and what to do next. */
    val message: String,
    /** Facts that help to find the cause. */
    val context: Map<String, String> = emptyMap(),
    /** The messages of the errors that caused this one, nearest first. */
    val cause: List<String> = emptyList(),
)

/** An event to publish, in the CloudEvents 1.0.2 JSON format. What is absent is filled in. */
@KeepGeneratedSerializer
@Serializable(with = EventDraftSerializer::class)
data class EventDraft(
    /**
     * Identifies the event together with `source`, so that publishing it again changes nothing; a new id when
     * absent.
     */
    val id: String? = null,
    /** Where the event comes from, a URI reference; `/atom` when absent. */
    val source: String? = null,
    /** What kind of event it is, e.g. `com.example.order.placed.v1`. */
    val type: String,
    /** The version of the specification, `1.0`. */
    val specversion: String? = null,
    /** When it happened; now when absent. */
    val time: String? = null,
    /** What it is about, within the source. */
    val subject: String? = null,
    /** The media type of `data`; `application/json` when absent. */
    val datacontenttype: String? = null,
    /** The schema that `data` adheres to, a URI. */
    val dataschema: String? = null,
    /** What happened. */
    val data: JsonElement? = null,
    /** Every other member. */
    val extensions: Map<String, JsonElement> = emptyMap(),
)

internal object EventDraftSerializer : OpenSerializer<EventDraft>(
    EventDraft.generatedSerializer(),
    setOf("id", "source", "type", "specversion", "time", "subject", "datacontenttype", "dataschema", "data"),
)

/** Events in the order of the log. */
@Serializable
data class EventPage(
    /** The events; fewer than the limit when the log ends here. */
    val events: List<LoggedEvent>,
    /** What to pass as `after` to go on from here, now or once there are more. */
    val next: Long,
)

/** Takes a run out as one JSON document, with its workflow's document and its journal. It holds no secret. */
@Serializable
data class ExportRunRequest(
    /** The run's id. */
    val id: RunId,
)

/** Follows what happens to a run. */
@Serializable
data class FollowRunRequest(
    /** Its id. */
    val id: RunId,
    /** The offset of the history after which to begin; the beginning when absent. */
    val after: Long = 0,
)

/** What a function is called, takes and gives. */
@Serializable
data class FunctionInfo(
    /** The name that `call:` uses: lower-case words joined by `_`, grouped by `.`, e.g. `mailbox.messages.list`. */
    val name: String,
    /** One sentence for people and models. */
    val description: String = "",
    /** JSON Schema of the arguments; `true` accepts anything. */
    @SerialName("input_schema")
    val inputSchema: JsonElement,
    /** JSON Schema of the result; `true` for anything. */
    @SerialName("output_schema")
    val outputSchema: JsonElement,
    /** Whether the function changes nothing outside and may be called twice without harm. */
    @SerialName("is_read_only")
    val isReadOnly: Boolean = false,
)

/** Functions, sorted by name. */
@Serializable
data class FunctionList(
    /** The functions. */
    val functions: List<FunctionInfo>,
)

/** What a function gave. */
@Serializable
data class FunctionOutput(
    /** The result. */
    val output: JsonElement,
)

/** Asks for an alert rule. */
@Serializable
data class GetAlertRequest(
    /** The rule's name. */
    val name: String,
)

/** Asks for one approval. */
@Serializable
data class GetApprovalRequest(
    /** Its id. */
    val id: ApprovalId,
)

/** Asks whether the engine works. */
@Serializable
data object GetEngineHealthRequest

/** Asks what the engine is. */
@Serializable
data object GetEngineInfoRequest

/** Asks about one function. */
@Serializable
data class GetFunctionRequest(
    /** The function's name. */
    val name: String,
)

/** Asks what has happened to a run. */
@Serializable
data class GetRunHistoryRequest(
    /** Its id. */
    val id: RunId,
    /** The offset of the history after which to begin: the `next` of the page before; the beginning when absent. */
    val after: Long = 0,
    /** How many records at most, 1 to 1000; 1000 when absent. */
    val limit: Long? = null,
)

/** Asks for one run. */
@Serializable
data class GetRunRequest(
    /** Its id. */
    val id: RunId,
    /** Whether to answer only when the run has ended. */
    val wait: Boolean = false,
    /**
     * How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is answered
     * as it is.
     */
    @SerialName("wait_timeout_ms")
    val waitTimeoutMs: Long? = null,
)

/** Asks for the schedule of one workflow. */
@Serializable
data class GetScheduleRequest(
    /** The namespace of the workflow. */
    val namespace: String,
    /** Its name. */
    val name: String,
)

/** Asks how the tasks of a workflow fared. An execution counts in the hour in which its run ended. */
@Serializable
data class GetStepStatisticsRequest(
    /** The namespace of the workflow. */
    val namespace: String,
    /** Its name. */
    val name: String,
    /** Of this version only. */
    val version: String? = null,
    /** Whether each version has numbers of its own. */
    @SerialName("by_version")
    val byVersion: Boolean = false,
    /**
     * The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end
     * when absent.
     */
    val from: String? = null,
    /** The end of the time range, taken forward to the end of its hour, or day; now when absent. */
    val before: String? = null,
    /** How the time range is divided, into 1000 parts at most; not at all when absent. */
    val interval: StatisticsInterval? = null,
    /** The `next` of the page before; absent for the first page. */
    val after: String? = null,
    /** How many tasks at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/** Asks for a template. */
@Serializable
data class GetTemplateRequest(
    /** Its name. */
    val name: String,
)

/** Asks for one deployed workflow. */
@Serializable
data class GetWorkflowRequest(
    /** Its namespace. */
    val namespace: String,
    /** Its name. */
    val name: String,
    /** Its version; the latest when absent or `latest`: the highest that is not withdrawn. */
    val version: String? = null,
)

/**
 * Asks how the runs of workflows fared. A run counts in the hour in which it began, and again in the one in which
 * it ended.
 */
@Serializable
data class GetWorkflowStatisticsRequest(
    /** Of workflows with this namespace only. */
    val namespace: String? = null,
    /** Of workflows with this name only. */
    val name: String? = null,
    /** Of this version only. */
    val version: String? = null,
    /** Whether each version has numbers of its own. */
    @SerialName("by_version")
    val byVersion: Boolean = false,
    /**
     * The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end
     * when absent.
     */
    val from: String? = null,
    /** The end of the time range, taken forward to the end of its hour, or day; now when absent. */
    val before: String? = null,
    /** How the time range is divided, into 1000 parts at most; not at all when absent. */
    val interval: StatisticsInterval? = null,
    /** The `next` of the page before; absent for the first page. */
    val after: String? = null,
    /** How many workflows at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/** Whether something works. */
@Serializable
enum class HealthStatus {
    /** It works. */
    @SerialName("ok")
    OK,

    /** It does not. */
    @SerialName("failing")
    FAILING,
}

/** One line of a run's history. */
@Serializable
@JsonClassDiscriminator("type")
sealed interface HistoryEntry {
    /**
     * Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on
     * with a new journal, so the first that is there may be later.
     */
    val offset: Long

    /** When it happened. */
    val at: String

    /** The JSON pointer of the task in the document; absent for the run itself. */
    val task: String?

    /** The number of the execution of the task, unique within the run: a task in a loop is executed many times. */
    val step: Long?

    /** The run began. */
    @Serializable
    @SerialName("run_started")
    data class RunStarted(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry

    /** The run waits for its turn, as its document limits how many runs go on at once. */
    @Serializable
    @SerialName("run_queued")
    data class RunQueued(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry

    /** The turn of the run has come; it goes on where the run that it repeats was. */
    @Serializable
    @SerialName("run_admitted")
    data class RunAdmitted(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry

    /**
     * The run went on with a new journal, as the one it had was long: what came before is no longer part of its
     * history.
     */
    @Serializable
    @SerialName("run_continued")
    data class RunContinued(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry

    /** The run ended with an output. */
    @Serializable
    @SerialName("run_completed")
    data class RunCompleted(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The output. */
        val output: JsonElement,
    ) : HistoryEntry

    /** The run ended with an error. */
    @Serializable
    @SerialName("run_faulted")
    data class RunFaulted(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The error. */
        val error: WorkflowError,
    ) : HistoryEntry

    /** The run was cancelled. */
    @Serializable
    @SerialName("run_cancelled")
    data class RunCancelled(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** Why, in the caller's words. */
        val reason: String? = null,
    ) : HistoryEntry

    /** The run was paused. */
    @Serializable
    @SerialName("run_paused")
    data class RunPaused(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** Why, in the caller's words. */
        val reason: String? = null,
    ) : HistoryEntry

    /** The run was resumed. */
    @Serializable
    @SerialName("run_resumed")
    data class RunResumed(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry

    /** The run was moved to another version of its workflow. */
    @Serializable
    @SerialName("run_migrated")
    data class RunMigrated(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The version that it followed. */
        val from: WorkflowVersion,
        /** The version that it follows from then on. */
        val to: WorkflowVersion,
    ) : HistoryEntry

    /** The run failed, or was cancelled, and what it has done is being undone. */
    @Serializable
    @SerialName("run_compensating")
    data class RunCompensating(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** Why it failed; absent when it was cancelled. */
        val error: WorkflowError? = null,
    ) : HistoryEntry

    /** An event was sent to the run. */
    @Serializable
    @SerialName("run_signalled")
    data class RunSignalled(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The event's type. */
        @SerialName("event_type")
        val eventType: String,
    ) : HistoryEntry

    /** The task began. */
    @Serializable
    @SerialName("task_started")
    data class TaskStarted(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry

    /** An extension did not apply to the task, as its condition could not be computed for it. */
    @Serializable
    @SerialName("task_extension_skipped")
    data class TaskExtensionSkipped(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The extension's name. */
        val extension: String,
        /** Why. */
        val error: WorkflowError,
    ) : HistoryEntry

    /** The task's `if` was not true. */
    @Serializable
    @SerialName("task_skipped")
    data class TaskSkipped(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry

    /** The task waits for somebody's decision. */
    @Serializable
    @SerialName("task_awaiting_approval")
    data class TaskAwaitingApproval(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The id of the approval. */
        val approval: ApprovalId,
        /** What is asked. */
        val title: String,
        /** Until when it can be decided. */
        val deadline: String? = null,
    ) : HistoryEntry

    /** Somebody decided, or the deadline decided for them. */
    @Serializable
    @SerialName("task_decided")
    data class TaskDecided(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** What was decided. */
        val decision: DecisionKind,
        /** The user who decided; absent when nobody did before the deadline. */
        val by: String? = null,
        /** What they said about it. */
        val comment: String? = null,
    ) : HistoryEntry

    /** The task consumed an event. */
    @Serializable
    @SerialName("task_received")
    data class TaskReceived(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The event's type. */
        @SerialName("event_type")
        val eventType: String,
    ) : HistoryEntry

    /** The task consumed a message. */
    @Serializable
    @SerialName("task_consumed")
    data class TaskConsumed(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry

    /** The task ended with an output. */
    @Serializable
    @SerialName("task_completed")
    data class TaskCompleted(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The output, as passed on. */
        val output: JsonElement,
    ) : HistoryEntry

    /** The task ended with an error. */
    @Serializable
    @SerialName("task_faulted")
    data class TaskFaulted(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The error. */
        val error: WorkflowError,
    ) : HistoryEntry

    /** The task caught an error and will try again. */
    @Serializable
    @SerialName("task_retried")
    data class TaskRetried(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The error that was caught. */
        val error: WorkflowError,
        /** The number of the retry, from 1. */
        val retry: Long,
        /** When the next attempt begins. */
        @SerialName("next_at")
        val nextAt: String,
    ) : HistoryEntry

    /** The completed task is being undone. */
    @Serializable
    @SerialName("task_compensating")
    data class TaskCompensating(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The number of the attempt, from 1. */
        val attempt: Long,
    ) : HistoryEntry

    /** The completed task has been undone. */
    @Serializable
    @SerialName("task_compensated")
    data class TaskCompensated(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry

    /** Undoing the completed task failed. */
    @Serializable
    @SerialName("task_compensation_faulted")
    data class TaskCompensationFaulted(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
        /** The error. */
        val error: WorkflowError,
        /** When the next attempt begins; absent when there is none any more. */
        @SerialName("next_at")
        val nextAt: String? = null,
    ) : HistoryEntry

    /** The task was stopped before it ended. */
    @Serializable
    @SerialName("task_cancelled")
    data class TaskCancelled(
        override val offset: Long,
        override val at: String,
        override val task: String? = null,
        override val step: Long? = null,
    ) : HistoryEntry
}

/** Makes a document from a template. */
@Serializable
data class InstantiateTemplateRequest(
    /** The template's name. */
    val name: String,
    /** The values of its form; the defaults where absent. */
    val parameters: Map<String, JsonElement> = emptyMap(),
    /** The namespace to give to the workflow; the template's when absent. */
    @SerialName("workflow_namespace")
    val workflowNamespace: String? = null,
    /** The name to give to the workflow; the template's when absent. */
    @SerialName("workflow_name")
    val workflowName: String? = null,
    /** The version to give to the workflow; the template's when absent. */
    @SerialName("workflow_version")
    val workflowVersion: String? = null,
)

/** A document made from a template, to be deployed or run. */
@Serializable
data class InstantiatedTemplate(
    /** The document's text, JSON. */
    val document: String,
    /** The secrets that must be set before it can run. */
    val secrets: List<String>,
)

/** Asks which alert rules there are. */
@Serializable
data class ListAlertsRequest(
    /** The `next` of the page before; absent for the first page. */
    val after: String? = null,
    /** How many rules at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/**
 * Asks which approvals there are: those of the caller's own runs, and those of other users of the tenant that the
 * caller may decide.
 */
@Serializable
data class ListApprovalsRequest(
    /** Only approvals in this state. */
    val status: ApprovalStatus? = null,
    /** Only approvals of this run. */
    val run: RunId? = null,
    /** Only approvals of workflows in this namespace. */
    val namespace: String? = null,
    /** Only approvals of workflows with this name. */
    val name: String? = null,
    /** Only approvals that the caller may decide. */
    @SerialName("is_assigned")
    val isAssigned: Boolean = false,
    /** The `next` of the page before; absent for the first page. */
    val after: String? = null,
    /** How many approvals at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/** Asks for events of the caller's log. */
@Serializable
data class ListEventsRequest(
    /** The offset after which to begin; the beginning when absent. */
    val after: Long? = null,
    /** How many events at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
    /** Only events of this type. */
    val type: String? = null,
)

/** Asks which functions there are. */
@Serializable
data class ListFunctionsRequest(
    /** Only functions whose names begin with this, e.g. `mailbox.`. */
    val prefix: String? = null,
)

/** Asks what the tasks of a run took. */
@Serializable
data class ListRunStepsRequest(
    /** The run's id. */
    val id: RunId,
    /** The number of the step after which to begin: the `next` of the page before; the beginning when absent. */
    val after: Long = 0,
    /** How many steps at most, 1 to 1000; 1000 when absent. */
    val limit: Long? = null,
)

/** Asks what a run waits for. */
@Serializable
data class ListRunWaitsRequest(
    /** The run's id. */
    val id: RunId,
)

/** Asks which runs there are: those that meet every condition. */
@Serializable
data class ListRunsRequest(
    /** Only runs in this state. */
    val status: RunStatus? = null,
    /** Only runs in one of these states; not together with `status`. */
    val statuses: List<RunStatus> = emptyList(),
    /** Only runs of workflows in this namespace. */
    val namespace: String? = null,
    /** Only runs of workflows with this name. */
    val name: String? = null,
    /** Only runs of this version. */
    val version: String? = null,
    /** Only runs started by this run. */
    val parent: RunId? = null,
    /** Only runs created at this time or later. */
    @SerialName("created_from")
    val createdFrom: String? = null,
    /** Only runs created before this time. */
    @SerialName("created_before")
    val createdBefore: String? = null,
    /** Only runs that ended at this time or later. */
    @SerialName("ended_from")
    val endedFrom: String? = null,
    /** Only runs that ended before this time. */
    @SerialName("ended_before")
    val endedBefore: String? = null,
    /** Only faulted runs whose error has this type. */
    @SerialName("error_type")
    val errorType: String? = null,
    /** Only runs with all these tags. */
    val tags: Map<String, String> = emptyMap(),
    /** Only runs with all these indexed fields: texts, numbers or booleans. */
    val fields: Map<String, JsonElement> = emptyMap(),
    /** The `next` of the page before; absent for the first page. */
    val after: String? = null,
    /** How many runs at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/** Asks which schedules there are. */
@Serializable
data class ListSchedulesRequest(
    /** The `next` of the page before; absent for the first page. */
    val after: String? = null,
    /** How many schedules at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/** Asks which secrets there are. */
@Serializable
data object ListSecretsRequest

/** Asks which runs cannot go on although they wait for nothing that will come by itself. */
@Serializable
data class ListStuckRunsRequest(
    /** For how long they must have been unable to go on, in milliseconds; a minute when absent. */
    @SerialName("older_than_ms")
    val olderThanMs: Long? = null,
    /** The `next` of the page before; absent for the first page. */
    val after: String? = null,
    /**
     * How many running runs to look at, 1 to 1000; 100 when absent. A page shows those of them that are stuck, so
     * it can be empty and still have a `next`.
     */
    val limit: Long? = null,
)

/** Asks which templates there are. */
@Serializable
data class ListTemplatesRequest(
    /** The `next` of the page before; absent for the first page. */
    val after: String? = null,
    /** How many templates at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/** Asks which engines share the storage. */
@Serializable
data object ListWorkersRequest

/** Asks which workflows are deployed. */
@Serializable
data class ListWorkflowsRequest(
    /** The `next` of the page before; absent for the first page. */
    val after: String? = null,
    /** How many workflows at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/** An event as the log keeps it. */
@Serializable
data class LoggedEvent(
    /** Its place in the log. */
    val offset: Long,
    /** The event. */
    val event: CloudEvent,
)

/** A value that is different. */
@Serializable
data class MemberChange(
    /** Where it stands: a JSON pointer from the task, or from the document. */
    val path: String,
    /** What stood there; absent when nothing did. */
    val from: JsonElement? = null,
    /** What stands there; absent when nothing does. */
    val to: JsonElement? = null,
)

/**
 * Moves a run that has not ended to another version of its workflow. It is refused when the run has already done
 * anything that the other version would not have done in the same way, at the same place of the document.
 */
@Serializable
data class MigrateRunRequest(
    /** The run's id. */
    val id: RunId,
    /** The deployed version to move it to; the latest when absent or `latest`. */
    val version: String? = null,
    /** Whether only to check whether it could be moved. */
    @SerialName("dry_run")
    val dryRun: Boolean = false,
)

/** A run that was moved, or could be. */
@Serializable
data class MigratedRun(
    /** The run as it is now. */
    val run: Run,
    /** The version that it followed before. */
    val from: WorkflowVersion,
    /** The version that it follows now, or after a dry run could follow. */
    val to: WorkflowVersion,
)

/** What becomes of times that came while nobody was there to start their runs. */
@Serializable
enum class MissedRuns {
    /** No run starts for them. */
    @SerialName("skip")
    SKIP,

    /** One run starts, for the last of them. */
    @SerialName("latest")
    LATEST,

    /** A run starts for each, for the last 1,000 at most. */
    @SerialName("all")
    ALL,
}

/** A task that stands elsewhere. */
@Serializable
data class MovedTask(
    /** Its name. */
    val name: String,
    /** Its JSON pointer in the first document. */
    val from: String,
    /** Its JSON pointer in the second document. */
    val to: String,
)

/** What happens when a deadline passes before anybody has decided. */
@Serializable
enum class OnDeadline {
    /** The task ends in a timeout error. */
    @SerialName("fault")
    FAULT,

    /** As if somebody had rejected. */
    @SerialName("reject")
    REJECT,

    /** The task runs as if somebody had approved. */
    @SerialName("approve")
    APPROVE,
}

/** What becomes of a run when as many runs are under way as may be. */
@Serializable
enum class OnLimit {
    /** It waits for its turn. */
    @SerialName("queue")
    QUEUE,

    /** It is cancelled. */
    @SerialName("cancel_newest")
    CANCEL_NEWEST,

    /** The oldest one under way is cancelled, and it begins once that one has ended. */
    @SerialName("cancel_oldest")
    CANCEL_OLDEST,
}

/** The step of another run that started a run. */
@Serializable
data class ParentStep(
    /** The other run. */
    val run: RunId,
    /** The number of the action within the other run that waits for this one. */
    val action: Long,
)

/** Pauses a run. Calls and child runs that are under way finish, and what they answer is kept; nothing new begins. */
@Serializable
data class PauseRunRequest(
    /** Its id. */
    val id: RunId,
    /** Why, for its history. */
    val reason: String? = null,
)

/** Pauses the schedule of a workflow. Runs under way go on. */
@Serializable
data class PauseScheduleRequest(
    /** The namespace of the workflow. */
    val namespace: String,
    /** Its name. */
    val name: String,
)

/** A share of runs that are at least as fast as the others. */
@Serializable
enum class Percentile {
    /** Half of them. */
    @SerialName("p50")
    P50,

    /** 95 %. */
    @SerialName("p95")
    P95,

    /** 99 %. */
    @SerialName("p99")
    P99,
}

/** Asks when a schedule, or a cron expression, starts runs. */
@Serializable
data class PreviewScheduleRequest(
    /** The namespace of a scheduled workflow; either this and `name`, or `cron`. */
    val namespace: String? = null,
    /** The name of a scheduled workflow. */
    val name: String? = null,
    /** A cron expression, e.g. `0 8 * * 1-5`. */
    val cron: String? = null,
    /** The time zone of `cron`, a name of the IANA database; `UTC` when absent. */
    @SerialName("time_zone")
    val timeZone: String? = null,
    /** The time after which to begin; now when absent. */
    val after: String? = null,
    /** How many times to show, 1 to 1000; 10 when absent. */
    val count: Long? = null,
)

/**
 * Publishes an event. One that the log has already, with the same `source` and `id`, is not appended again: the
 * answer is the event as it was logged, or `already_exists` when the two differ.
 */
@Serializable
data class PublishEventRequest(
    /** The event. */
    val event: EventDraft,
)

/** How many runs of a workflow with the same key may begin within a time. */
@Serializable
data class RateLimit(
    /** The key, computed from the run's input; empty when the limit is for all runs of the workflow. */
    val key: String,
    /** How many, 1 to 10,000. */
    val limit: Long,
    /** The time, in milliseconds. */
    @SerialName("per_ms")
    val perMs: Long,
)

/** One entry of a journal, and what it led to. */
@Serializable
data class RecordedEntry(
    /** When it happened. */
    val at: String,
    /** What happened, as the machine stores it. */
    val event: JsonElement,
    /** What the machine began, stopped and published then. */
    val effects: List<String>,
)

/** Replays a run that was exported, without any effect. */
@Serializable
data class ReplayRunRequest(
    /** What `runs.export` gave. */
    val recording: RunRecording,
)

/**
 * Repeats a run that has ended, in a new run with the same document and input. What the first run was answered
 * before the step that is repeated is taken over and not asked again.
 */
@Serializable
data class RerunRunRequest(
    /** The id of the run to repeat. */
    val id: RunId,
    /**
     * The JSON pointer of the task to begin with, as in the run's history, e.g. `/do/2/pay`. When absent, the step
     * that the run failed at; a run that completed or was undone is repeated from its start.
     */
    val from: String? = null,
    /**
     * The id to give to the new run, a UUID. Repeating the same run again with the same id gives the first
     * repetition.
     */
    @SerialName("new_id")
    val newId: RunId? = null,
    /** Whether to answer only when the new run has ended. */
    val wait: Boolean = false,
    /**
     * How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is answered
     * as it is.
     */
    @SerialName("wait_timeout_ms")
    val waitTimeoutMs: Long? = null,
)

/**
 * Repeats many runs, some with each call. Without states in the filter these are all that faulted. Repeating a run
 * again in this way gives its first repetition.
 */
@Serializable
data class RerunRunsRequest(
    /** Which runs; all of the owner that faulted when absent. */
    val filter: RunSelection? = null,
    /** The JSON pointer of the task to begin with, as in `runs.rerun`. */
    val from: String? = null,
    /** Whether only to count the runs and change nothing. */
    @SerialName("dry_run")
    val dryRun: Boolean = false,
    /** The `next` of the call before; absent for the first call. */
    val after: String? = null,
    /** How many runs to repeat at most, 1 to 1000; 100 when absent. */
    val limit: Long? = null,
)

/** Lets a paused run go on. */
@Serializable
data class ResumeRunRequest(
    /** Its id. */
    val id: RunId,
)

/** Resumes the schedule of a workflow. What came while it was paused starts no run. */
@Serializable
data class ResumeScheduleRequest(
    /** The namespace of the workflow. */
    val namespace: String,
    /** Its name. */
    val name: String,
)

/** Whether, and when, the same call is worth trying again. */
@Serializable
@JsonClassDiscriminator("kind")
sealed interface Retry {
    /** The same call will fail again. */
    @Serializable
    @SerialName("no")
    data object No : Retry

    /** The same call may succeed later. */
    @Serializable
    @SerialName("maybe")
    data object Maybe : Retry

    /** The service asked to wait this long. */
    @Serializable
    @SerialName("after")
    data class After(
        /** Milliseconds to wait before the next try. */
        val ms: Long,
    ) : Retry

    /** The engine has tried as often as its policy allows. */
    @Serializable
    @SerialName("exhausted")
    data object Exhausted : Retry
}

/**
 * Makes a deployed version the latest one, for whoever starts `latest` and for the schedule. Nothing is removed:
 * the versions above it are withdrawn, but can be named, and runs that follow them go on.
 */
@Serializable
data class RollBackWorkflowRequest(
    /** The namespace of the workflow. */
    val namespace: String,
    /** Its name. */
    val name: String,
    /** The version that is to be the latest. A higher one than the present rolls forward. */
    val version: String,
)

/** The versions of a workflow after one was made the latest. */
@Serializable
data class RolledBackWorkflow(
    /** The latest version. */
    val latest: DeployedWorkflow,
    /** The versions above it, the highest first. */
    val withdrawn: List<DeployedWorkflow>,
)

/** A run of a workflow. Lists leave out its input and output, which may be large. */
@Serializable
data class Run(
    /** Its id. */
    val id: RunId,
    /** Which document it follows. */
    val workflow: WorkflowKey,
    /** The version that it was started with, for a run that was moved to another one since. */
    @SerialName("started_with")
    val startedWith: WorkflowVersion? = null,
    /** Its state. */
    val status: RunStatus,
    /** Its input as given; absent in lists. */
    val input: JsonElement? = null,
    /** Its output, once completed; absent in lists. */
    val output: JsonElement? = null,
    /** Its error, once faulted. */
    val error: WorkflowError? = null,
    /** The step that started it, for a run started by a run. */
    val parent: ParentStep? = null,
    /** The run that it repeats. */
    @SerialName("rerun_of")
    val rerunOf: RunId? = null,
    /** What started it by itself, for a run that nobody asked for. */
    val trigger: RunTrigger? = null,
    /** The words that were given to it and its document, by name. */
    val tags: Map<String, String>? = null,
    /** What its document computed from its input to find it by, by name: texts, numbers and booleans. */
    val fields: Map<String, JsonElement>? = null,
    /** The key under which it was started. */
    @SerialName("idempotency_key")
    val idempotencyKey: String? = null,
    /** How it came to begin or waits to, for a run whose document limits how many go on at once. */
    val admission: Admission? = null,
    /** When it was created. */
    @SerialName("created_at")
    val createdAt: String,
    /** When something last happened to it. */
    @SerialName("updated_at")
    val updatedAt: String,
    /** When it ended. */
    @SerialName("ended_at")
    val endedAt: String? = null,
)

/** Where a replay leaves the recorded way. */
@Serializable
data class RunDivergence(
    /** The entry of the journal, from 0; the number of entries for the end of the run. */
    val entry: Long,
    /** What is recorded. */
    val expected: String,
    /** What this version of the machine does. */
    val found: String,
)

/** What has happened to a run, the oldest first. */
@Serializable
data class RunHistory(
    /** What happened. */
    val records: List<HistoryEntry>,
    /** What to pass as `after` for the records that follow; absent when there are none so far. */
    val next: Long? = null,
)

/** The id of one run of a workflow. */
typealias RunId = String

/** A part of a list. */
@Serializable
data class RunPage(
    /** The items. */
    val items: List<Run>,
    /** What to pass as `after` to get the following page; absent on the last. */
    val next: String? = null,
)

/** A run with everything that is needed to replay it. It holds no secret: what a run met of one is masked. */
@Serializable
data class RunRecording(
    /** The version of this form. */
    val format: Long,
    /** The version of the engine that made the recording. */
    val engine: String,
    /** The run's id. */
    val id: RunId,
    /** Which document it follows. */
    val workflow: WorkflowKey,
    /** The text of the document; with the external resources it refers to, when it does, as JSON. */
    val document: String,
    /** Its input as given. */
    val input: JsonElement,
    /** When it was created. */
    @SerialName("created_at")
    val createdAt: String,
    /** Its state when the recording was made. */
    val status: RunStatus,
    /** Its output, once completed. */
    val output: JsonElement? = null,
    /** Its error, once faulted. */
    val error: JsonElement? = null,
    /** Its journal. */
    val entries: List<RecordedEntry>,
)

/** What a replay came to. */
@Serializable
data class RunReplay(
    /** How many entries of the journal led to what is recorded. */
    val entries: Long,
    /** Where this version of the machine first does something else; absent when it does the same throughout. */
    val divergence: RunDivergence? = null,
)

/** Runs that meet every condition, as `runs.list` shows them. */
@Serializable
data class RunSelection(
    /** Only runs in one of these states. */
    val statuses: List<RunStatus> = emptyList(),
    /** Only runs of workflows in this namespace. */
    val namespace: String? = null,
    /** Only runs of workflows with this name. */
    val name: String? = null,
    /** Only runs of this version. */
    val version: String? = null,
    /** Only runs started by this run. */
    val parent: RunId? = null,
    /** Only runs created at this time or later. */
    @SerialName("created_from")
    val createdFrom: String? = null,
    /** Only runs created before this time. */
    @SerialName("created_before")
    val createdBefore: String? = null,
    /** Only runs that ended at this time or later. */
    @SerialName("ended_from")
    val endedFrom: String? = null,
    /** Only runs that ended before this time. */
    @SerialName("ended_before")
    val endedBefore: String? = null,
    /** Only faulted runs whose error has this type. */
    @SerialName("error_type")
    val errorType: String? = null,
    /** Only runs with all these tags. */
    val tags: Map<String, String> = emptyMap(),
    /** Only runs with all these indexed fields: texts, numbers or booleans. */
    val fields: Map<String, JsonElement> = emptyMap(),
)

/** How many runs there were, how they ended and what they took. */
@Serializable
data class RunStatistics(
    /** How many began. */
    val started: Long,
    /** How many ended with an output. */
    val completed: Long,
    /** How many ended with an error. */
    val faulted: Long,
    /** How many were cancelled. */
    val cancelled: Long,
    /** The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none. */
    @SerialName("success_rate")
    val successRate: Double? = null,
    /** How often their tasks were tried again. */
    val retries: Long,
    /** What those took that completed, from the start to the end of the run; absent when there are none. */
    val duration: DurationStatistics? = null,
)

/** The runs of one hour or day. */
@Serializable
data class RunStatisticsPart(
    /** When it begins. */
    val from: String,
    /** How many began. */
    val started: Long,
    /** How many ended with an output. */
    val completed: Long,
    /** How many ended with an error. */
    val faulted: Long,
    /** How many were cancelled. */
    val cancelled: Long,
    /** The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none. */
    @SerialName("success_rate")
    val successRate: Double? = null,
    /** How often their tasks were tried again. */
    val retries: Long,
    /** What those took that completed, from the start to the end of the run; absent when there are none. */
    val duration: DurationStatistics? = null,
)

/** The state of a run. */
@Serializable
enum class RunStatus {
    /** It is under way; after a crash it goes on when an engine opens the store. */
    @SerialName("running")
    RUNNING,

    /** It has not begun: it waits for its turn, as its document limits how many runs go on at once. */
    @SerialName("queued")
    QUEUED,

    /** Somebody paused it: nothing new begins until it is resumed. */
    @SerialName("paused")
    PAUSED,

    /** It ended with an output. */
    @SerialName("completed")
    COMPLETED,

    /** It ended with an error. */
    @SerialName("faulted")
    FAULTED,

    /** It was cancelled. */
    @SerialName("cancelled")
    CANCELLED,
}

/** One execution of a task: a task in a loop has as many as it was run times. */
@Serializable
data class RunStep(
    /** Its number, unique within the run and larger than those of the steps that began before it. */
    val step: Long,
    /** The JSON pointer of the task in the document. */
    val task: String,
    /** How it is. */
    val status: StepStatus,
    /** When it began. */
    @SerialName("started_at")
    val startedAt: String,
    /** When it ended. */
    @SerialName("ended_at")
    val endedAt: String? = null,
    /** How long it took, in milliseconds, once it has ended. */
    @SerialName("duration_ms")
    val durationMs: Long? = null,
    /** How often it was tried: more than once only for a `try` that retried. */
    val attempts: Long,
    /** The error it ended with. */
    val error: WorkflowError? = null,
)

/** What the tasks of a run took, in the order in which they began. */
@Serializable
data class RunSteps(
    /** The executions of tasks. */
    val items: List<RunStep>,
    /** What to pass as `after` for the steps that follow; absent when there are none so far. */
    val next: Long? = null,
)

/** What started a run by itself. */
@Serializable
@JsonClassDiscriminator("type")
sealed interface RunTrigger {
    /** The schedule of its workflow. */
    @Serializable
    @SerialName("schedule")
    data class ScheduleRunTrigger(
        /** The time that the run was due at; for events, when they had all come. */
        val at: String,
    ) : RunTrigger
}

/** One thing that a run waits for. */
@Serializable
@JsonClassDiscriminator("type")
sealed interface RunWait {
    /**
     * The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another
     * compensation.
     */
    val task: String?

    /** When the task began, or the run was queued. */
    val since: String?

    /** The answer of a call. */
    @Serializable
    @SerialName("call")
    data class WaitsForCall(
        override val task: String? = null,
        override val since: String? = null,
        /** The function. */
        val function: String,
    ) : RunWait

    /** A pause to end: its own, or the one before another attempt. */
    @Serializable
    @SerialName("time")
    data class WaitsForTime(
        override val task: String? = null,
        override val since: String? = null,
        /** When it ends. */
        val at: String,
    ) : RunWait

    /** Nothing: this is when it is stopped if it has not ended, or when nobody has decided. */
    @Serializable
    @SerialName("timeout")
    data class TimesOut(
        override val task: String? = null,
        override val since: String? = null,
        /** When. */
        val at: String,
    ) : RunWait

    /** Somebody's decision. */
    @Serializable
    @SerialName("decision")
    data class WaitsForDecision(
        override val task: String? = null,
        override val since: String? = null,
        /** The approval. */
        val approval: ApprovalId,
    ) : RunWait

    /** An event. */
    @Serializable
    @SerialName("event")
    data class WaitsForEvent(
        override val task: String? = null,
        override val since: String? = null,
    ) : RunWait

    /** Messages of a subscription. */
    @Serializable
    @SerialName("messages")
    data class WaitsForMessages(
        override val task: String? = null,
        override val since: String? = null,
        /** The function that brings them. */
        val function: String,
    ) : RunWait

    /** Its turn to begin: as many runs are under way as may be, or began lately. */
    @Serializable
    @SerialName("turn")
    data class WaitsForTurn(
        override val task: String? = null,
        override val since: String? = null,
    ) : RunWait

    /** Another run. */
    @Serializable
    @SerialName("run")
    data class WaitsForRun(
        override val task: String? = null,
        override val since: String? = null,
        /** The other run. */
        val run: RunId,
    ) : RunWait
}

/** What a run waits for. */
@Serializable
data class RunWaits(
    /** The run's state. */
    val status: RunStatus,
    /** Whether this engine drives it: an interrupted run has to be resumed first. */
    @SerialName("is_driven")
    val isDriven: Boolean,
    /** What it waits for, in the order in which it began to; nothing once it has ended. */
    val items: List<RunWait>,
    /** What keeps it from going on at this moment. */
    val stuck: List<Stuck>? = null,
)

/** How the runs are. */
@Serializable
data class RunsHealth(
    /** How many runs are under way in this process, over all users. */
    val running: Long,
    /**
     * How many runs of this process have not been able to go on for a minute, over all users; `runs.stuck` tells
     * their owners which and why.
     */
    val stuck: Long,
)

/** Keeps a template. */
@Serializable
data class SaveTemplateRequest(
    /** The whole file, YAML or JSON. */
    val text: String,
)

/** The schedule of a deployed workflow: that of its latest version. */
@Serializable
data class Schedule(
    /** The version whose runs it starts. */
    val workflow: WorkflowKey,
    /** What starts them, each by itself: one trigger or more, each of another kind. */
    val triggers: List<ScheduledTrigger>,
    /** When it became active. */
    val since: String,
    /** Whether it is paused. */
    @SerialName("is_paused")
    val isPaused: Boolean,
    /** The time of its next run, when it is known and the schedule is not paused. */
    @SerialName("next_at")
    val nextAt: String? = null,
    /** The time of the last run it has started. */
    @SerialName("last_at")
    val lastAt: String? = null,
    /** The last run it has started. */
    @SerialName("last_run")
    val lastRun: RunId? = null,
)

/** A start that failed. */
@Serializable
data class ScheduleFailure(
    /** The time whose run could not start; for events, the time of the first attempt. */
    val at: String,
    /** When the last attempt was made. */
    @SerialName("failed_at")
    val failedAt: String,
    /** How many attempts there were. */
    val attempts: Long,
    /** When the next one is made; absent when there is none any more. */
    @SerialName("retry_at")
    val retryAt: String? = null,
    /** Why the last attempt failed. */
    val error: ErrorReport,
)

/** A part of a list. */
@Serializable
data class SchedulePage(
    /** The items. */
    val items: List<Schedule>,
    /** What to pass as `after` to get the following page; absent on the last. */
    val next: String? = null,
)

/** When a schedule starts runs. */
@Serializable
data class SchedulePreview(
    /** The next times, in order. */
    val times: List<ScheduledTime>,
)

/** When a schedule starts runs: `schedule` of a document, Open Workflow 1.0.3. */
@Serializable
@JsonClassDiscriminator("type")
sealed interface ScheduleTrigger {
    /** In equal intervals. */
    @Serializable
    @SerialName("every")
    data class EveryTrigger(
        /** The whole months of the interval, as long as the calendar has them in UTC; 0 when absent. */
        val months: Long? = null,
        /** The rest of the interval in milliseconds. */
        @SerialName("interval_ms")
        val intervalMs: Long,
        /** What becomes of missed times. */
        val missed: MissedRuns,
    ) : ScheduleTrigger

    /** At times of the calendar. */
    @Serializable
    @SerialName("cron")
    data class CronTrigger(
        /** The cron expression, as the document has it. */
        val expression: String,
        /** The time zone of its times, a name of the IANA database. */
        @SerialName("time_zone")
        val timeZone: String,
        /** What becomes of missed times. */
        val missed: MissedRuns,
    ) : ScheduleTrigger

    /** Some time after the end of the run before. */
    @Serializable
    @SerialName("after")
    data class AfterTrigger(
        /** The whole months of the time, as long as the calendar has them in UTC; 0 when absent. */
        val months: Long? = null,
        /** The rest of the time in milliseconds. */
        @SerialName("delay_ms")
        val delayMs: Long,
    ) : ScheduleTrigger

    /** When events come. */
    @Serializable
    @SerialName("events")
    data object EventsTrigger : ScheduleTrigger
}

/** A time of a schedule. */
@Serializable
data class ScheduledTime(
    /** The moment. */
    val at: String,
    /** What the clocks of the schedule's time zone show then, with the zone (RFC 9557). */
    val local: String,
)

/** One of the triggers of a schedule, and how far it is. */
@Serializable
data class ScheduledTrigger(
    /** When it starts runs. */
    val trigger: ScheduleTrigger,
    /** The time of its next run, when it is known and the schedule is not paused. */
    @SerialName("next_at")
    val nextAt: String? = null,
    /** The run whose end it waits for. */
    val awaits: RunId? = null,
    /** The last start that failed, until one succeeds. */
    val failure: ScheduleFailure? = null,
)

/** A secret text: redacted in `Debug`, not serialisable, wiped from memory when dropped. */
@Serializable
@JvmInline
value class Secret(val text: String) {
    /** Shows nothing of the text. */
    override fun toString(): String = "Secret(***)"
}

/** What may be shown of a secret: everything but its text. */
@Serializable
data class SecretInfo(
    /** The name. */
    val name: String,
    /** How many times it was set. */
    val version: Long,
    /** When it was last set. */
    @SerialName("updated_at")
    val updatedAt: String,
)

/** Secrets without their texts, sorted by name. */
@Serializable
data class SecretList(
    /** The secrets. */
    val secrets: List<SecretInfo>,
)

/**
 * Sets an alert rule. One that has the name is replaced, and an alert that it had raised is resolved; setting a
 * rule as it is changes nothing.
 */
@Serializable
data class SetAlertRequest(
    /** The rule. */
    val rule: AlertRule,
)

/** Keeps a secret. */
@Serializable
data class SetSecretRequest(
    /** Its name: 1 to 128 letters, digits, `_`, `-` and `.`, starting with a letter. */
    val name: String,
    /** Its text, at most 64 KiB. */
    val value: Secret,
)

/** Sends an event to one run. It is kept until a task of the run listens for it. */
@Serializable
data class SignalRunRequest(
    /** The run's id. */
    val id: RunId,
    /** What kind of event it is, e.g. `com.example.order.placed.v1`. */
    val type: String,
    /** What happened. */
    val data: JsonElement? = null,
    /** Where the event comes from, a URI reference; `/atom` when absent. */
    val source: String? = null,
    /** Identifies the event together with `source`; a new id when absent. */
    @SerialName("event_id")
    val eventId: String? = null,
)

/** Starts a run of a deployed workflow or of a document. Once it is answered, the run survives a crash. */
@Serializable
data class StartRunRequest(
    /** The deployed workflow to run; either this or `document`. */
    val workflow: WorkflowReference? = null,
    /**
     * The text of the document to run, YAML or JSON; either this or `workflow`. Needs the permission
     * `workflows.write`, too.
     */
    val document: String? = null,
    /** The input; an empty object when absent. */
    val input: JsonElement? = null,
    /** Where relative file paths start. Without it there are none: a call with a relative path fails. */
    val directory: String? = null,
    /** The id to give to the run, a UUID. Starting again with the same id, document and input gives the first run. */
    val id: RunId? = null,
    /**
     * The key under which to start the run once: starting a run of a workflow with the same namespace and name
     * again with the same key, document and input gives the first run, whatever became of it. When absent, the
     * document may compute one with `metadata.atom.idempotencyKey`.
     */
    @SerialName("idempotency_key")
    val idempotencyKey: String? = null,
    /** Words to find the run by, beside the tags of its document: at most 32, of 256 characters each. */
    val tags: Map<String, String> = emptyMap(),
    /** Whether to answer only when the run has ended. */
    val wait: Boolean = false,
    /**
     * How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is answered
     * as it is.
     */
    @SerialName("wait_timeout_ms")
    val waitTimeoutMs: Long? = null,
)

/** How the time range of statistics is divided. */
@Serializable
enum class StatisticsInterval {
    /** By the hour. */
    @SerialName("hour")
    HOUR,

    /** By the day, in UTC. */
    @SerialName("day")
    DAY,
}

/** How often a task was executed, how that ended and what it took. */
@Serializable
data class StepStatistics(
    /** How often the run came to it and carried it out. */
    val executions: Long,
    /** How many executions ended with an output. */
    val completed: Long,
    /** How many ended with an error. */
    val faulted: Long,
    /** How many were stopped before they ended. */
    val cancelled: Long,
    /** The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none. */
    @SerialName("success_rate")
    val successRate: Double? = null,
    /** How often it was tried: more than `executions` only for a `try` that retried. */
    val attempts: Long,
    /** What those executions took that completed; absent when there are none. */
    val duration: DurationStatistics? = null,
)

/** The executions of a task in one hour or day. */
@Serializable
data class StepStatisticsPart(
    /** When it begins. */
    val from: String,
    /** How often the run came to it and carried it out. */
    val executions: Long,
    /** How many executions ended with an output. */
    val completed: Long,
    /** How many ended with an error. */
    val faulted: Long,
    /** How many were stopped before they ended. */
    val cancelled: Long,
    /** The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none. */
    @SerialName("success_rate")
    val successRate: Double? = null,
    /** How often it was tried: more than `executions` only for a `try` that retried. */
    val attempts: Long,
    /** What those executions took that completed; absent when there are none. */
    val duration: DurationStatistics? = null,
)

/** How an execution of a task is. */
@Serializable
enum class StepStatus {
    /** It is under way. */
    @SerialName("running")
    RUNNING,

    /** It ended with an output. */
    @SerialName("completed")
    COMPLETED,

    /** It ended with an error. */
    @SerialName("faulted")
    FAULTED,

    /** It was stopped before it ended. */
    @SerialName("cancelled")
    CANCELLED,
}

/** Whether the store works: something was written to it, read again and deleted just now. */
@Serializable
data class StorageHealth(
    /** Whether writing, reading and deleting worked. */
    val status: HealthStatus,
    /** How long they took together, in milliseconds. */
    @SerialName("probe_ms")
    val probeMs: Long,
    /** Why they did not work. */
    val error: ErrorReport? = null,
)

/** The kind of place where an engine keeps what it is given. */
@Serializable
enum class StorageKind {
    /** An SQLite database in the data folder. */
    @SerialName("sqlite")
    SQLITE,

    /** Memory: closing the engine forgets everything. */
    @SerialName("memory")
    MEMORY,

    /** A PostgreSQL database. */
    @SerialName("postgres")
    POSTGRES,
}

/** Since when a run cannot go on, and why. */
@Serializable
@JsonClassDiscriminator("type")
sealed interface Stuck {
    /** Since when. */
    val since: String

    /** A task calls a function that nobody has registered, or that the engine's settings forbid. */
    @Serializable
    @SerialName("function_missing")
    data class FunctionMissing(
        override val since: String,
        /** The function. */
        val function: String,
        /** The JSON pointer of the task. */
        val task: String,
    ) : Stuck

    /** The store cannot be read or written; the run tries again and again. */
    @Serializable
    @SerialName("store_failing")
    data class StoreFailing(
        override val since: String,
        /** The latest error. */
        val error: ErrorReport,
    ) : Stuck

    /** The engine has given the run up until it is resumed. */
    @Serializable
    @SerialName("driver_stopped")
    data class DriverStopped(
        override val since: String,
        /** Why. */
        val error: ErrorReport,
    ) : Stuck

    /** The run was interrupted and nobody has resumed it. */
    @Serializable
    @SerialName("not_resumed")
    data class NotResumed(
        override val since: String,
    ) : Stuck
}

/** A run that cannot go on. */
@Serializable
data class StuckRun(
    /** The run, without its input and output. */
    val run: Run,
    /** What keeps it from going on. */
    val stuck: List<Stuck>,
)

/** A part of a list. */
@Serializable
data class StuckRunPage(
    /** The items. */
    val items: List<StuckRun>,
    /** What to pass as `after` to get the following page; absent on the last. */
    val next: String? = null,
)

/** Follows the caller's log. */
@Serializable
data class SubscribeEventsRequest(
    /** The offset after which to begin, 0 for all events; only events from now on when absent. */
    val after: Long? = null,
    /** Only events of this type. */
    val type: String? = null,
)

/** A task of one document. */
@Serializable
data class TaskPlace(
    /** Its name. */
    val name: String,
    /** Its JSON pointer. */
    val task: String,
)

/** The executions of a task. */
@Serializable
data class TaskStatistics(
    /** The JSON pointer of the task in the document. */
    val task: String,
    /** The version of the workflow, when each has numbers of its own. */
    val version: String? = null,
    /** The numbers of the whole time range. */
    val total: StepStatistics,
    /** The numbers of each hour or day in which there were any, in order; nothing without an `interval`. */
    val parts: List<StepStatisticsPart>,
)

/** Numbers, and the time range that they are of. */
@Serializable
data class TaskStatisticsList(
    /** Where the time range begins: the beginning of an hour, or of a day. */
    val from: String,
    /** Where it ends. */
    val before: String,
    /** The numbers. */
    val items: List<TaskStatistics>,
    /** What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last. */
    val next: String? = null,
)

/** A template with its form and its whole file. */
@Serializable
data class TemplateDetails(
    /** What lists show of it. */
    val template: TemplateInfo,
    /** The form: a JSON Schema of an object. */
    val parameters: JsonElement,
    /** The whole file: what another engine imports. */
    val text: String,
)

/** What a list of templates shows of one. */
@Serializable
data class TemplateInfo(
    /** Its name. */
    val name: String,
    /** Its semantic version. */
    val version: String,
    /** The name people read. */
    val title: String,
    /** What workflows made from it do, in Markdown. */
    val summary: String? = null,
    /** Where it stands in a list of templates, e.g. `calendar`. */
    val category: String? = null,
    /** When it was imported; absent for those that come with the engine. */
    @SerialName("imported_at")
    val importedAt: String? = null,
)

/** A part of a list. */
@Serializable
data class TemplateInfoPage(
    /** The items. */
    val items: List<TemplateInfo>,
    /** What to pass as `after` to get the following page; absent on the last. */
    val next: String? = null,
)

/** Starts a run of a scheduled workflow now, besides those that the schedule starts. */
@Serializable
data class TriggerScheduleRequest(
    /** The namespace of the workflow. */
    val namespace: String,
    /** Its name. */
    val name: String,
    /** The id to give to the run, a UUID. Triggering again with the same id gives the first run. */
    val id: RunId? = null,
)

/** A valid part of a document that the engine does not carry out. */
@Serializable
data class UnsupportedFeature(
    /** What it is, e.g. `use.catalogs`. */
    val feature: String,
    /** Where it stands, a JSON pointer. */
    val path: String,
    /** The line it stands on, from 1. */
    val line: Long,
    /** The column it starts at, from 1. */
    val column: Long,
)

/** Checks a document. */
@Serializable
data class ValidateWorkflowRequest(
    /** The document's text, YAML or JSON. */
    val document: String,
    /**
     * Whether to read the external resources that the document refers to, as deploying it does, and to check them
     * too. Needs the permission `workflows.write`, too.
     */
    val resources: Boolean = false,
)

/** An external resource that a document refers to. */
@Serializable
data class ValidatedResource(
    /** Where it is. */
    val uri: String,
    /** SHA-256 of its text, in hexadecimal; absent when it was not read, and so not checked. */
    val hash: String? = null,
)

/** How a well-formed document names itself. */
@Serializable
data class ValidatedWorkflow(
    /** The namespace of the workflow. */
    val namespace: String,
    /** The name of the workflow. */
    val name: String,
    /** The semantic version. */
    val version: String,
    /**
     * SHA-256 of the document's canonical JSON, in hexadecimal; of the document with its external resources when
     * these were read.
     */
    val hash: String,
    /** The name people read. */
    val title: String? = null,
)

/** An engine that shares the storage with others. */
@Serializable
data class Worker(
    /** Its id, for as long as it holds its lease. */
    val id: WorkerId,
    /** The machine and process that it runs in. */
    val name: String,
    /** Whether it holds its runs. */
    val state: WorkerState,
    /** Whether it is the engine that was asked. */
    @SerialName("is_this")
    val isThis: Boolean,
    /**
     * Whether it takes runs that no engine drives: those of engines that are gone, and those that others have
     * started for it.
     */
    @SerialName("takes_runs")
    val takesRuns: Boolean,
    /** How many runs that have not ended it drives, over all users. */
    val runs: Long,
    /** How many functions it has. */
    val functions: Long,
    /** Since when it is there, by the clock of the storage. */
    @SerialName("started_at")
    val startedAt: String,
    /** When it last renewed its lease, by the clock of the storage. */
    @SerialName("renewed_at")
    val renewedAt: String,
    /** When others take over its runs unless it renews its lease, by the clock of the storage. */
    @SerialName("lease_until")
    val leaseUntil: String,
)

/** The id of one engine among those that share a store, for as long as it holds its lease. */
typealias WorkerId = String

/** The engines that share the storage. */
@Serializable
data class WorkerList(
    /** The engines, the oldest first; none where one engine has the storage for itself. */
    val workers: List<Worker>,
)

/** Whether a worker holds its runs. */
@Serializable
enum class WorkerState {
    /** It renews its lease and drives runs. */
    @SerialName("active")
    ACTIVE,

    /** It finishes what it has begun and leaves. */
    @SerialName("draining")
    DRAINING,

    /** Its lease has run out, or it has left: others take its runs. */
    @SerialName("gone")
    GONE,
}

/** What differs between two documents. */
@Serializable
data class WorkflowComparison(
    /** The document that was compared. */
    val from: ValidatedWorkflow,
    /** The document that it was compared with. */
    val to: ValidatedWorkflow,
    /** The tasks that only the second document has, in document order. */
    val added: List<TaskPlace>,
    /** The tasks that only the first document has, in document order. */
    val removed: List<TaskPlace>,
    /** The tasks that stand in another list, or at another place among the tasks that both lists have. */
    val moved: List<MovedTask>,
    /** The tasks that are themselves different, apart from the tasks inside them. */
    val changed: List<ChangedTask>,
    /** What differs outside of tasks: `document`, `input`, `output`, `use`, `timeout`, `schedule`, `evaluate`. */
    val parts: List<MemberChange>,
    /**
     * The external resources that differ, by URI; absent when one of the documents refers to some that were not
     * read, as they are only when it is deployed.
     */
    val resources: List<ChangedResource>? = null,
)

/** A deployed workflow with its text. */
@Serializable
data class WorkflowDocument(
    /** The namespace of the workflow. */
    val namespace: String,
    /** The name of the workflow. */
    val name: String,
    /** The semantic version. */
    val version: String,
    /** SHA-256 of the document's canonical JSON, in hexadecimal. */
    val hash: String,
    /** The name people read. */
    val title: String? = null,
    /** What it does, in Markdown. */
    val summary: String? = null,
    /** When it was deployed. */
    @SerialName("deployed_at")
    val deployedAt: String,
    /** When a lower version was made the latest in its place; absent for a version that is not withdrawn. */
    @SerialName("withdrawn_at")
    val withdrawnAt: String? = null,
    /** The document's text as deployed. */
    val document: String,
    /** The external resources that the document refers to, as they were read when it was deployed. */
    val resources: List<WorkflowResource>,
)

/** The error of a task or run. */
@Serializable
data class WorkflowError(
    /** What kind of error it is, a URI. */
    val type: String,
    /** The status, in the manner of HTTP. */
    val status: Long,
    /** The kind in words. */
    val title: String? = null,
    /** What went wrong this time. */
    val detail: String? = null,
    /** The JSON pointer of the task where it arose. */
    val instance: String? = null,
)

/** Which document a run follows. Runs are pinned to the content, not to the name. */
@Serializable
data class WorkflowKey(
    /** The namespace of the workflow. */
    val namespace: String,
    /** The name of the workflow. */
    val name: String,
    /** The version of the workflow. */
    val version: String,
    /** SHA-256 of the document's canonical JSON, in hexadecimal. */
    val hash: String,
)

/** A deployed workflow by name. */
@Serializable
data class WorkflowReference(
    /** Its namespace. */
    val namespace: String,
    /** Its name. */
    val name: String,
    /** Its version; the latest when absent or `latest`: the highest that is not withdrawn. */
    val version: String? = null,
)

/** A resource that was read. */
@Serializable
data class WorkflowResource(
    /** Where it was. */
    val uri: String,
    /** SHA-256 of its text, in hexadecimal. */
    val hash: String,
    /** How long its text is, in bytes. */
    val bytes: Long,
)

/** The runs of a workflow. */
@Serializable
data class WorkflowStatistics(
    /** The namespace of the workflow. */
    val namespace: String,
    /** Its name. */
    val name: String,
    /** Its version, when each has numbers of its own. */
    val version: String? = null,
    /** The numbers of the whole time range. */
    val total: RunStatistics,
    /** The numbers of each hour or day in which there were any, in order; nothing without an `interval`. */
    val parts: List<RunStatisticsPart>,
)

/** Numbers, and the time range that they are of. */
@Serializable
data class WorkflowStatisticsList(
    /** Where the time range begins: the beginning of an hour, or of a day. */
    val from: String,
    /** Where it ends. */
    val before: String,
    /** The numbers. */
    val items: List<WorkflowStatistics>,
    /** What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last. */
    val next: String? = null,
)

/** What a check of a document found. */
@Serializable
data class WorkflowValidation(
    /** Whether the document is well-formed; it can be deployed when, besides, nothing in it is unsupported. */
    @SerialName("is_valid")
    val isValid: Boolean,
    /** How the document names itself, when it is well-formed. */
    val workflow: ValidatedWorkflow? = null,
    /** What is wrong with it, when it is not; `context` holds `line`, `column` and `path`. */
    val problem: ErrorReport? = null,
    /** Its parts that this engine does not carry out. */
    val unsupported: List<UnsupportedFeature>,
    /** The external resources that it refers to. */
    val resources: List<ValidatedResource> = emptyList(),
)

/** A version of a workflow, with its content. */
@Serializable
data class WorkflowVersion(
    /** The version. */
    val version: String,
    /** SHA-256 of the document's canonical JSON, in hexadecimal. */
    val hash: String,
)
