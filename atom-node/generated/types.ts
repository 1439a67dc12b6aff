// Generated from schema/ by `cargo xtask codegen`; do not edit.

// What operations take and give, as they are in JSON.

/** How a run with limits came to begin, or waits to. */
export interface Admission {
  /** Higher goes first among those that wait. */
  priority: number;
  /** How many may be under way at once. */
  concurrency?: ConcurrencyLimit | null;
  /** How many may begin within a time. */
  rate_limit?: RateLimit | null;
  /** How far it has come. */
  state: AdmissionState;
  /** When it was let begin. */
  begun_at?: string | null;
}

/** How far a run with limits has come. */
export type AdmissionState = "queued" | "refused" | "begun" | "superseded";

/** An alert rule, and how it is. */
export interface Alert {
  /** The rule. */
  rule: AlertRule;
  /** When it was set as it is. */
  since: string;
  /** Since when it holds; absent while it does not. */
  raised_at?: string | null;
  /** The numbers when it began to hold, or when it ceased to; absent when it never held. */
  reading?: AlertReading | null;
}

/** What a rule watches for. */
export type AlertCondition = {
  type: "failure_rate";
  /** The share, from 0 to 1, that must be exceeded. */
  above: number;
  /**
   * How far back the window reaches, in milliseconds, from a minute to 30 days. One over 24 hours is counted in whole
   * hours, a shorter one in whole minutes.
   */
  window_ms: number;
  /** How many runs must have ended within the window before the rule can hold; 1 when absent. */
  minimum_runs?: number;
} | {
  type: "latency";
  /** Which of them is looked at. */
  percentile: Percentile;
  /** How long it may take, in milliseconds. Latencies are known to within 5 %. */
  above_ms: number;
  /** How far back the window reaches, as for `failure_rate`. */
  window_ms: number;
  /** How many runs must have completed within the window before the rule can hold; 1 when absent. */
  minimum_runs?: number;
} | {
  type: "stuck_runs";
  /** For how long they must have been unable to go on, in milliseconds. */
  for_ms: number;
  /** How many there must be, 1 to 1000; 1 when absent. */
  at_least?: number;
} | {
  type: "silence";
  /**
   * For how long, in milliseconds, from a minute to 30 days, counted as a window of `failure_rate` and from when the
   * rule was set at the earliest.
   */
  for_ms: number;
  /** Whether only runs that completed break the silence; any run that starts does when absent. */
  successful_only?: boolean;
};

/** A part of a list. */
export interface AlertPage {
  /** The items. */
  items: Array<Alert>;
  /** What to pass as `after` to get the following page; absent on the last. */
  next?: string | null;
}

/** The numbers that decided whether a rule holds. */
export interface AlertReading {
  /**
   * The share of failed runs for `failure_rate`, milliseconds for `latency`, the number of stuck runs, at most 1000, for
   * `stuck_runs`, and the number of runs for `silence`; absent when no run tells.
   */
  value?: number | null;
  /** How many runs it is computed from, for `failure_rate` and `latency`. */
  runs?: number | null;
}

/** A rule: what is watched for, and whose runs. */
export interface AlertRule {
  /** Its name, unique among those of its owner: 1 to 64 letters, digits, `.`, `_` and `-`. */
  name: string;
  /** The namespace of the workflow whose runs count; absent, together with `workflow`, for all runs of the owner. */
  namespace?: string | null;
  /** The name of that workflow. */
  workflow?: string | null;
  /** What is watched for. */
  condition: AlertCondition;
}

/**
 * What a task of a run asks before it runs. Lists leave out `data`, `input`, `form` and what was filled in, which may be
 * large.
 */
export interface Approval {
  /** Its id. */
  id: ApprovalId;
  /** The user whose run asks. */
  owner: string;
  /** The run that asks. */
  run: RunId;
  /** The JSON pointer of the task that asks. */
  task: string;
  /** Which document the run follows. */
  workflow: WorkflowKey;
  /** What is asked, in a line. */
  title: string;
  /** What is asked, at length. */
  message?: string | null;
  /** What the decision is about; absent in lists. */
  data?: unknown;
  /** The task's input, where the decision `edit` may replace it; absent in lists. */
  input?: unknown;
  /** The JSON Schema of what is to be filled in, where there is something; absent in lists. */
  form?: unknown;
  /** Who may decide. */
  assignees: Assignees;
  /** Whether the caller may decide. */
  is_assigned: boolean;
  /** Its state. */
  status: ApprovalStatus;
  /** When it was asked. */
  created_at: string;
  /** Until when it can be decided. */
  deadline?: string | null;
  /** What happens then; absent without a deadline. */
  on_deadline?: OnDeadline | null;
  /** The decision, once approved or rejected. */
  decision?: Decision | null;
  /** When it was decided, expired or was withdrawn. */
  closed_at?: string | null;
}

/**
 * The id of one approval that a run waits for.
 *
 * It follows from the run, its owner and the place in the run: asking again after a crash gives the same one.
 */
export type ApprovalId = string;

/** A part of a list. */
export interface ApprovalPage {
  /** The items. */
  items: Array<Approval>;
  /** What to pass as `after` to get the following page; absent on the last. */
  next?: string | null;
}

/** The state of an approval. */
export type ApprovalStatus = "pending" | "approved" | "rejected" | "expired" | "withdrawn";

/** Who may decide. With nobody named it is the owner of the run. */
export interface Assignees {
  /** Roles, any of which lets a user of the tenant decide. Who has no roles has the role `admin`. */
  roles: Array<string>;
  /** Users of the tenant. */
  users: Array<string>;
}

/** Calls a function directly, outside of any run. */
export interface CallFunctionRequest {
  /** The function's name. */
  name: string;
  /** What to pass to it; an empty object when absent. */
  arguments?: unknown;
  /** Where relative file paths start. */
  directory?: string | null;
  /** How long to wait for the answer, in milliseconds; as long as it takes when absent. */
  timeout_ms?: number | null;
}

/** Cancels a run. */
export interface CancelRunRequest {
  /** Its id. */
  id: RunId;
  /** Why, for its history. */
  reason?: string | null;
}

/** Cancels many runs, some with each call. Without states in the filter these are all that have not ended. */
export interface CancelRunsRequest {
  /** Which runs; all of the owner that have not ended when absent. */
  filter?: RunSelection;
  /** Why, for their history. */
  reason?: string | null;
  /** Whether only to count the runs and change nothing. */
  dry_run?: boolean;
  /** The `next` of the call before; absent for the first call. */
  after?: string | null;
  /** How many runs to cancel at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/** An external resource whose text is different, or to which only one document leads. */
export interface ChangedResource {
  /** Where it is. */
  uri: string;
  /** SHA-256 of the text that the first document is kept with, in hexadecimal; absent when it does not lead to it. */
  from?: string | null;
  /** SHA-256 of the text that the second document is kept with, in hexadecimal; absent when it does not lead to it. */
  to?: string | null;
}

/** What became of one run. */
export interface ChangedRun {
  /** Its id. */
  id: RunId;
  /** Its state now; absent when it could not be changed. */
  status?: RunStatus | null;
  /** The run that repeats it. */
  new_id?: RunId | null;
  /** Why it could not be changed. */
  error?: ErrorReport | null;
}

/** What became of the runs that one call was to change. */
export interface ChangedRuns {
  /** How many runs the filter showed when the call began, on this page or another. */
  matched: number;
  /** The runs of this call, the newest first; none in a dry run. */
  items: Array<ChangedRun>;
  /** What to pass as `after` to go on; absent when there are no more. */
  next?: string | null;
}

/** A task that is different. */
export interface ChangedTask {
  /** Its name. */
  name: string;
  /** Its JSON pointer in the first document. */
  from: string;
  /** Its JSON pointer in the second document. */
  to: string;
  /** What differs. */
  members: Array<MemberChange>;
}

/** One event in the CloudEvents 1.0.2 JSON format, with `data` as JSON. */
export interface CloudEvent {
  /** Identifies the event together with `source`; the log stores such a pair once. */
  id: string;
  /** Where the event comes from, a URI reference. */
  source: string;
  /** What kind of event it is, e.g. `com.example.order.placed.v1`. */
  type: string;
  /** The version of the specification, `1.0`. */
  specversion: string;
  /** When it happened. */
  time?: string | null;
  /** What it is about, within the source. */
  subject?: string | null;
  /** The media type of `data`; `application/json` when absent. */
  datacontenttype?: string | null;
  /** The schema that `data` adheres to, a URI. */
  dataschema?: string | null;
  /** What happened. */
  data?: unknown;
  [name: string]: unknown;
}

/** How many runs of a workflow with the same key may be under way at once. */
export interface ConcurrencyLimit {
  /** The key, computed from the run's input; empty when the limit is for all runs of the workflow. */
  key: string;
  /** How many, 1 to 10,000. */
  limit: number;
  /** What becomes of a run that is one too many. */
  on_limit: OnLimit;
}

/** Decides on an approval. Deciding the same again changes nothing; deciding otherwise, or too late, is a `conflict`. */
export interface DecideApprovalRequest {
  /** Its id. */
  id: ApprovalId;
  /** What is decided. */
  decision: DecisionKind;
  /** What to say about it. */
  comment?: string | null;
  /** The form as filled in. */
  form?: unknown;
  /** What replaces the task's input, for `edit`. */
  input?: unknown;
}

/** Somebody's decision. */
export interface Decision {
  /** What was decided. */
  decision: DecisionKind;
  /** The user who decided, of the tenant of the run. */
  by: string;
  /** What they said about it. */
  comment?: string | null;
  /** The form as they filled it in. */
  form?: unknown;
  /** The input that replaces the task's, for `edit`. */
  input?: unknown;
}

/** What somebody decided. */
export type DecisionKind = "approve" | "reject" | "edit";

/** Removes an alert rule. An alert that it had raised is resolved. */
export interface DeleteAlertRequest {
  /** The rule's name. */
  name: string;
}

/**
 * Removes a run that has ended, with its history and approvals. Its id and idempotency key can be used again then. The
 * runs that it started stay.
 */
export interface DeleteRunRequest {
  /** Its id. */
  id: RunId;
}

/** Removes a secret. */
export interface DeleteSecretRequest {
  /** Its name. */
  name: string;
}

/** Removes an imported template. */
export interface DeleteTemplateRequest {
  /** Its name. */
  name: string;
}

/** Removes a deployed workflow. Runs that follow it go on; its schedule ends with the last version that has one. */
export interface DeleteWorkflowRequest {
  /** Its namespace. */
  namespace: string;
  /** Its name. */
  name: string;
  /** Its version; all versions when absent. */
  version?: string | null;
}

/** Whether there was an alert rule. */
export interface DeletedAlert {
  /** Whether there was one. */
  deleted: boolean;
}

/** Whether a secret was removed. */
export interface DeletedSecret {
  /** Whether there was one. */
  deleted: boolean;
}

/** Whether a template was removed. */
export interface DeletedTemplate {
  /** Whether there was one. */
  deleted: boolean;
}

/** How many versions of a workflow were removed. */
export interface DeletedWorkflows {
  /** How many versions were removed. */
  deleted: number;
}

/** Deploys a document under the namespace, name and version it states. */
export interface DeployWorkflowRequest {
  /** The document's text, YAML or JSON. */
  document: string;
}

/** A version of a workflow, deployed under its name. */
export interface DeployedWorkflow {
  /** The namespace of the workflow. */
  namespace: string;
  /** The name of the workflow. */
  name: string;
  /** The semantic version. */
  version: string;
  /** SHA-256 of the document's canonical JSON, in hexadecimal. */
  hash: string;
  /** The name people read. */
  title?: string | null;
  /** What it does, in Markdown. */
  summary?: string | null;
  /** When it was deployed. */
  deployed_at: string;
  /** When a lower version was made the latest in its place; absent for a version that is not withdrawn. */
  withdrawn_at?: string | null;
}

/** A part of a list. */
export interface DeployedWorkflowPage {
  /** The items. */
  items: Array<DeployedWorkflow>;
  /** What to pass as `after` to get the following page; absent on the last. */
  next?: string | null;
}

/** Compares a deployed version of a workflow with another one, or with a text. */
export interface DiffWorkflowsRequest {
  /** The namespace of the workflow. */
  namespace: string;
  /** Its name. */
  name: string;
  /** The version to compare; the latest when absent or `latest`. */
  from?: string | null;
  /** The version to compare it with; the latest when absent or `latest`. Only without `document`. */
  to?: string | null;
  /** The text to compare it with, YAML or JSON; it need not be deployed. */
  document?: string | null;
}

/** Nothing more to tell: it is done. */
export type Done = Record<string, unknown>;

/** A call that would be made, or a run that would be started. */
export interface DryRunCall {
  /** The JSON pointer of the task. */
  task: string;
  /** The function that would be called. */
  function?: string | null;
  /** The workflow that would be run, as `namespace/name version`. */
  workflow?: string | null;
  /** Its arguments or input, with `***` in the place of secrets. */
  arguments: unknown;
  /** Whether an answer was given for it. */
  is_answered: boolean;
  /** Whether it is certain that the call would be made like this: no call before it was without an answer. */
  is_certain: boolean;
}

/** What a run would do, as far as that can be known. */
export interface DryRunReport {
  /** How it would end; `running` when it would wait for an event, or goes on beyond the limits of a dry run. */
  status: RunStatus;
  /**
   * Whether all of this follows from the given answers and decisions. From the first call without one on it is a guess:
   * the call is taken to succeed with `{"unknown": task}`, and what people are asked to be approved.
   */
  is_certain: boolean;
  /** Whether it was stopped because it goes on for too long. */
  is_cut: boolean;
  /** Its output, if it would complete. */
  output?: unknown;
  /** Its error, if it would fault. */
  error?: WorkflowError | null;
  /** The calls it would make and the runs it would start, in order. */
  calls: Array<DryRunCall>;
  /** The events it would publish. */
  events: Array<CloudEvent>;
  /** What it would wait for in the end. */
  waits: Array<RunWait>;
  /** What would happen, task by task. Time passes as if every call answered at once. */
  records: Array<HistoryEntry>;
}

/** Carries a workflow out without any effect, to show what a run of it would do. */
export interface DryRunWorkflowRequest {
  /** The deployed workflow; either this or `document`. */
  workflow?: WorkflowReference | null;
  /** The text of the document, YAML or JSON; either this or `workflow`. */
  document?: string | null;
  /** The input; an empty object when absent. */
  input?: unknown;
  /**
   * What calls and awaited runs answer, by the JSON pointer of their task, e.g. `/do/0/read`: the same each time the
   * task runs. A call without an answer gives `{"unknown": task}`.
   */
  answers?: Record<string, unknown>;
  /**
   * What people decide where a task asks for an approval, by the JSON pointer of the task; approved, by nobody known,
   * where nothing is given.
   */
  decisions?: Record<string, Decision>;
  /** The events that come, in order, each once a task listens and no call is under way. */
  events?: Array<EventDraft>;
}

/** What things took that completed. Each number but the mean is right to within 5 %. */
export interface DurationStatistics {
  /** The mean, in milliseconds. */
  mean_ms: number;
  /** What half of them did not exceed, in milliseconds. */
  p50_ms: number;
  /** What 95 % of them did not exceed, in milliseconds. */
  p95_ms: number;
  /** What 99 % of them did not exceed, in milliseconds. */
  p99_ms: number;
}

/** Whether the engine works. */
export interface EngineHealth {
  /** The state of the whole. */
  status: HealthStatus;
  /** The state of the store. */
  storage: StorageHealth;
  /** The state of the runs. */
  runs: RunsHealth;
}

/** What the engine is. */
export interface EngineInfo {
  /** `atom`. */
  name: string;
  /** The engine's version. */
  version: string;
  /** The version of the workflow machine; runs of this version and older ones go on. */
  machine_version: number;
  /** Where workflows, runs, events and secrets are kept. */
  storage: StorageKind;
  /** The folder that holds the store, when it is on disk. */
  data_dir?: string | null;
  /** How many operations there are. */
  operations: number;
}

/** What went wrong, as a stable snake_case code that programs may match on. */
export type ErrorCode = "invalid_request" | "invalid_workflow" | "invalid_data" | "invalid_expression" | "not_found" | "already_exists" | "conflict" | "permission_denied" | "unauthenticated" | "limit_exceeded" | "rate_limited" | "timeout" | "cancelled" | "unavailable" | "upstream" | "unsupported" | "locked" | "storage_full" | "storage_failed" | "version_mismatch" | "closed" | "forked" | "host_failed" | "run_faulted" | "internal";

/** The wire form of [`Error`]: what hosts, the command line and run histories show. */
export interface ErrorReport {
  /** What went wrong. */
  code: ErrorCode;
  /** Whether the same call is worth trying again. */
  retry: Retry;
  /** The operation that failed, when known. */
  operation: string | null;
  /** What happened and what to do next. */
  message: string;
  /** Facts that help to find the cause. */
  context: Record<string, string>;
  /** The messages of the errors that caused this one, nearest first. */
  cause: Array<string>;
}

/** An event to publish, in the CloudEvents 1.0.2 JSON format. What is absent is filled in. */
export interface EventDraft {
  /**
   * Identifies the event together with `source`, so that publishing it again changes nothing; a new id when
   * absent.
   */
  id?: string | null;
  /** Where the event comes from, a URI reference; `/atom` when absent. */
  source?: string | null;
  /** What kind of event it is, e.g. `com.example.order.placed.v1`. */
  type: string;
  /** The version of the specification, `1.0`. */
  specversion?: string | null;
  /** When it happened; now when absent. */
  time?: string | null;
  /** What it is about, within the source. */
  subject?: string | null;
  /** The media type of `data`; `application/json` when absent. */
  datacontenttype?: string | null;
  /** The schema that `data` adheres to, a URI. */
  dataschema?: string | null;
  /** What happened. */
  data?: unknown;
  [name: string]: unknown;
}

/** Events in the order of the log. */
export interface EventPage {
  /** The events; fewer than the limit when the log ends here. */
  events: Array<LoggedEvent>;
  /** What to pass as `after` to go on from here, now or once there are more. */
  next: number;
}

/** Takes a run out as one JSON document, with its workflow's document and its journal. It holds no secret. */
export interface ExportRunRequest {
  /** The run's id. */
  id: RunId;
}

/** Follows what happens to a run. */
export interface FollowRunRequest {
  /** Its id. */
  id: RunId;
  /** The offset of the history after which to begin; the beginning when absent. */
  after?: number;
}

/** What a function is called, takes and gives. */
export interface FunctionInfo {
  /** The name that `call:` uses: lower-case words joined by `_`, grouped by `.`, e.g. `mailbox.messages.list`. */
  name: string;
  /** One sentence for people and models. */
  description: string;
  /** JSON Schema of the arguments; `true` accepts anything. */
  input_schema: unknown;
  /** JSON Schema of the result; `true` for anything. */
  output_schema: unknown;
  /** Whether the function changes nothing outside and may be called twice without harm. */
  is_read_only: boolean;
}

/** Functions, sorted by name. */
export interface FunctionList {
  /** The functions. */
  functions: Array<FunctionInfo>;
}

/** What a function gave. */
export interface FunctionOutput {
  /** The result. */
  output: unknown;
}

/** Asks for an alert rule. */
export interface GetAlertRequest {
  /** The rule's name. */
  name: string;
}

/** Asks for one approval. */
export interface GetApprovalRequest {
  /** Its id. */
  id: ApprovalId;
}

/** Asks whether the engine works. */
export type GetEngineHealthRequest = Record<string, unknown>;

/** Asks what the engine is. */
export type GetEngineInfoRequest = Record<string, unknown>;

/** Asks about one function. */
export interface GetFunctionRequest {
  /** The function's name. */
  name: string;
}

/** Asks what has happened to a run. */
export interface GetRunHistoryRequest {
  /** Its id. */
  id: RunId;
  /** The offset of the history after which to begin: the `next` of the page before; the beginning when absent. */
  after?: number;
  /** How many records at most, 1 to 1000; 1000 when absent. */
  limit?: number | null;
}

/** Asks for one run. */
export interface GetRunRequest {
  /** Its id. */
  id: RunId;
  /** Whether to answer only when the run has ended. */
  wait?: boolean;
  /**
   * How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is
   * answered as it is.
   */
  wait_timeout_ms?: number | null;
}

/** Asks for the schedule of one workflow. */
export interface GetScheduleRequest {
  /** The namespace of the workflow. */
  namespace: string;
  /** Its name. */
  name: string;
}

/** Asks how the tasks of a workflow fared. An execution counts in the hour in which its run ended. */
export interface GetStepStatisticsRequest {
  /** The namespace of the workflow. */
  namespace: string;
  /** Its name. */
  name: string;
  /** Of this version only. */
  version?: string | null;
  /** Whether each version has numbers of its own. */
  by_version?: boolean;
  /**
   * The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end when
   * absent.
   */
  from?: string | null;
  /** The end of the time range, taken forward to the end of its hour, or day; now when absent. */
  before?: string | null;
  /** How the time range is divided, into 1000 parts at most; not at all when absent. */
  interval?: StatisticsInterval | null;
  /** The `next` of the page before; absent for the first page. */
  after?: string | null;
  /** How many tasks at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/** Asks for a template. */
export interface GetTemplateRequest {
  /** Its name. */
  name: string;
}

/** Asks for one deployed workflow. */
export interface GetWorkflowRequest {
  /** Its namespace. */
  namespace: string;
  /** Its name. */
  name: string;
  /** Its version; the latest when absent or `latest`: the highest that is not withdrawn. */
  version?: string | null;
}

/**
 * Asks how the runs of workflows fared. A run counts in the hour in which it began, and again in the one in which it
 * ended.
 */
export interface GetWorkflowStatisticsRequest {
  /** Of workflows with this namespace only. */
  namespace?: string | null;
  /** Of workflows with this name only. */
  name?: string | null;
  /** Of this version only. */
  version?: string | null;
  /** Whether each version has numbers of its own. */
  by_version?: boolean;
  /**
   * The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end when
   * absent.
   */
  from?: string | null;
  /** The end of the time range, taken forward to the end of its hour, or day; now when absent. */
  before?: string | null;
  /** How the time range is divided, into 1000 parts at most; not at all when absent. */
  interval?: StatisticsInterval | null;
  /** The `next` of the page before; absent for the first page. */
  after?: string | null;
  /** How many workflows at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/** Whether something works. */
export type HealthStatus = "ok" | "failing";

/** One line of a run's history. */
export type HistoryEntry = {
  /**
   * Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new
   * journal, so the first that is there may be later.
   */
  offset: number;
  /** When it happened. */
  at: string;
  /** The JSON pointer of the task in the document; absent for the run itself. */
  task?: string | null;
  /** The number of the execution of the task, unique within the run: a task in a loop is executed many times. */
  step?: number | null;
} & ({
  type: "run_started";
} | {
  type: "run_queued";
} | {
  type: "run_admitted";
} | {
  type: "run_continued";
} | {
  type: "run_completed";
  /** The output. */
  output: unknown;
} | {
  type: "run_faulted";
  /** The error. */
  error: WorkflowError;
} | {
  type: "run_cancelled";
  /** Why, in the caller's words. */
  reason: string | null;
} | {
  type: "run_paused";
  /** Why, in the caller's words. */
  reason: string | null;
} | {
  type: "run_resumed";
} | {
  type: "run_migrated";
  /** The version that it followed. */
  from: WorkflowVersion;
  /** The version that it follows from then on. */
  to: WorkflowVersion;
} | {
  type: "run_compensating";
  /** Why it failed; absent when it was cancelled. */
  error?: WorkflowError | null;
} | {
  type: "run_signalled";
  /** The event's type. */
  event_type: string;
} | {
  type: "task_started";
} | {
  type: "task_extension_skipped";
  /** The extension's name. */
  extension: string;
  /** Why. */
  error: WorkflowError;
} | {
  type: "task_skipped";
} | {
  type: "task_awaiting_approval";
  /** The id of the approval. */
  approval: ApprovalId;
  /** What is asked. */
  title: string;
  /** Until when it can be decided. */
  deadline?: string | null;
} | {
  type: "task_decided";
  /** What was decided. */
  decision: DecisionKind;
  /** The user who decided; absent when nobody did before the deadline. */
  by?: string | null;
  /** What they said about it. */
  comment?: string | null;
} | {
  type: "task_received";
  /** The event's type. */
  event_type: string;
} | {
  type: "task_consumed";
} | {
  type: "task_completed";
  /** The output, as passed on. */
  output: unknown;
} | {
  type: "task_faulted";
  /** The error. */
  error: WorkflowError;
} | {
  type: "task_retried";
  /** The error that was caught. */
  error: WorkflowError;
  /** The number of the retry, from 1. */
  retry: number;
  /** When the next attempt begins. */
  next_at: string;
} | {
  type: "task_compensating";
  /** The number of the attempt, from 1. */
  attempt: number;
} | {
  type: "task_compensated";
} | {
  type: "task_compensation_faulted";
  /** The error. */
  error: WorkflowError;
  /** When the next attempt begins; absent when there is none any more. */
  next_at?: string | null;
} | {
  type: "task_cancelled";
});

/** Makes a document from a template. */
export interface InstantiateTemplateRequest {
  /** The template's name. */
  name: string;
  /** The values of its form; the defaults where absent. */
  parameters?: Record<string, unknown>;
  /** The namespace to give to the workflow; the template's when absent. */
  workflow_namespace?: string | null;
  /** The name to give to the workflow; the template's when absent. */
  workflow_name?: string | null;
  /** The version to give to the workflow; the template's when absent. */
  workflow_version?: string | null;
}

/** A document made from a template, to be deployed or run. */
export interface InstantiatedTemplate {
  /** The document's text, JSON. */
  document: string;
  /** The secrets that must be set before it can run. */
  secrets: Array<string>;
}

/** Asks which alert rules there are. */
export interface ListAlertsRequest {
  /** The `next` of the page before; absent for the first page. */
  after?: string | null;
  /** How many rules at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/**
 * Asks which approvals there are: those of the caller's own runs, and those of other users of the tenant that the caller
 * may decide.
 */
export interface ListApprovalsRequest {
  /** Only approvals in this state. */
  status?: ApprovalStatus | null;
  /** Only approvals of this run. */
  run?: RunId | null;
  /** Only approvals of workflows in this namespace. */
  namespace?: string | null;
  /** Only approvals of workflows with this name. */
  name?: string | null;
  /** Only approvals that the caller may decide. */
  is_assigned?: boolean;
  /** The `next` of the page before; absent for the first page. */
  after?: string | null;
  /** How many approvals at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/** Asks for events of the caller's log. */
export interface ListEventsRequest {
  /** The offset after which to begin; the beginning when absent. */
  after?: number | null;
  /** How many events at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
  /** Only events of this type. */
  type?: string | null;
}

/** Asks which functions there are. */
export interface ListFunctionsRequest {
  /** Only functions whose names begin with this, e.g. `mailbox.`. */
  prefix?: string | null;
}

/** Asks what the tasks of a run took. */
export interface ListRunStepsRequest {
  /** The run's id. */
  id: RunId;
  /** The number of the step after which to begin: the `next` of the page before; the beginning when absent. */
  after?: number;
  /** How many steps at most, 1 to 1000; 1000 when absent. */
  limit?: number | null;
}

/** Asks what a run waits for. */
export interface ListRunWaitsRequest {
  /** The run's id. */
  id: RunId;
}

/** Asks which runs there are: those that meet every condition. */
export interface ListRunsRequest {
  /** Only runs in this state. */
  status?: RunStatus | null;
  /** Only runs in one of these states; not together with `status`. */
  statuses?: Array<RunStatus>;
  /** Only runs of workflows in this namespace. */
  namespace?: string | null;
  /** Only runs of workflows with this name. */
  name?: string | null;
  /** Only runs of this version. */
  version?: string | null;
  /** Only runs started by this run. */
  parent?: RunId | null;
  /** Only runs created at this time or later. */
  created_from?: string | null;
  /** Only runs created before this time. */
  created_before?: string | null;
  /** Only runs that ended at this time or later. */
  ended_from?: string | null;
  /** Only runs that ended before this time. */
  ended_before?: string | null;
  /** Only faulted runs whose error has this type. */
  error_type?: string | null;
  /** Only runs with all these tags. */
  tags?: Record<string, string>;
  /** Only runs with all these indexed fields: texts, numbers or booleans. */
  fields?: Record<string, unknown>;
  /** The `next` of the page before; absent for the first page. */
  after?: string | null;
  /** How many runs at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/** Asks which schedules there are. */
export interface ListSchedulesRequest {
  /** The `next` of the page before; absent for the first page. */
  after?: string | null;
  /** How many schedules at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/** Asks which secrets there are. */
export type ListSecretsRequest = Record<string, unknown>;

/** Asks which runs cannot go on although they wait for nothing that will come by itself. */
export interface ListStuckRunsRequest {
  /** For how long they must have been unable to go on, in milliseconds; a minute when absent. */
  older_than_ms?: number | null;
  /** The `next` of the page before; absent for the first page. */
  after?: string | null;
  /**
   * How many running runs to look at, 1 to 1000; 100 when absent. A page shows those of them that are stuck, so it can
   * be empty and still have a `next`.
   */
  limit?: number | null;
}

/** Asks which templates there are. */
export interface ListTemplatesRequest {
  /** The `next` of the page before; absent for the first page. */
  after?: string | null;
  /** How many templates at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/** Asks which engines share the storage. */
export type ListWorkersRequest = Record<string, unknown>;

/** Asks which workflows are deployed. */
export interface ListWorkflowsRequest {
  /** The `next` of the page before; absent for the first page. */
  after?: string | null;
  /** How many workflows at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/** An event as the log keeps it. */
export interface LoggedEvent {
  /** Its place in the log. */
  offset: number;
  /** The event. */
  event: CloudEvent;
}

/** A value that is different. */
export interface MemberChange {
  /** Where it stands: a JSON pointer from the task, or from the document. */
  path: string;
  /** What stood there; absent when nothing did. */
  from?: unknown;
  /** What stands there; absent when nothing does. */
  to?: unknown;
}

/**
 * Moves a run that has not ended to another version of its workflow. It is refused when the run has already done anything
 * that the other version would not have done in the same way, at the same place of the document.
 */
export interface MigrateRunRequest {
  /** The run's id. */
  id: RunId;
  /** The deployed version to move it to; the latest when absent or `latest`. */
  version?: string | null;
  /** Whether only to check whether it could be moved. */
  dry_run?: boolean;
}

/** A run that was moved, or could be. */
export interface MigratedRun {
  /** The run as it is now. */
  run: Run;
  /** The version that it followed before. */
  from: WorkflowVersion;
  /** The version that it follows now, or after a dry run could follow. */
  to: WorkflowVersion;
}

/** What becomes of times that came while nobody was there to start their runs. */
export type MissedRuns = "skip" | "latest" | "all";

/** A task that stands elsewhere. */
export interface MovedTask {
  /** Its name. */
  name: string;
  /** Its JSON pointer in the first document. */
  from: string;
  /** Its JSON pointer in the second document. */
  to: string;
}

/** What happens when a deadline passes before anybody has decided. */
export type OnDeadline = "fault" | "reject" | "approve";

/** What becomes of a run when as many runs are under way as may be. */
export type OnLimit = "queue" | "cancel_newest" | "cancel_oldest";

/** The step of another run that started a run. */
export interface ParentStep {
  /** The other run. */
  run: RunId;
  /** The number of the action within the other run that waits for this one. */
  action: number;
}

/** Pauses a run. Calls and child runs that are under way finish, and what they answer is kept; nothing new begins. */
export interface PauseRunRequest {
  /** Its id. */
  id: RunId;
  /** Why, for its history. */
  reason?: string | null;
}

/** Pauses the schedule of a workflow. Runs under way go on. */
export interface PauseScheduleRequest {
  /** The namespace of the workflow. */
  namespace: string;
  /** Its name. */
  name: string;
}

/** A share of runs that are at least as fast as the others. */
export type Percentile = "p50" | "p95" | "p99";

/** Asks when a schedule, or a cron expression, starts runs. */
export interface PreviewScheduleRequest {
  /** The namespace of a scheduled workflow; either this and `name`, or `cron`. */
  namespace?: string | null;
  /** The name of a scheduled workflow. */
  name?: string | null;
  /** A cron expression, e.g. `0 8 * * 1-5`. */
  cron?: string | null;
  /** The time zone of `cron`, a name of the IANA database; `UTC` when absent. */
  time_zone?: string | null;
  /** The time after which to begin; now when absent. */
  after?: string | null;
  /** How many times to show, 1 to 1000; 10 when absent. */
  count?: number | null;
}

/**
 * Publishes an event. One that the log has already, with the same `source` and `id`, is not appended again: the
 * answer is the event as it was logged, or `already_exists` when the two differ.
 */
export interface PublishEventRequest {
  /** The event. */
  event: EventDraft;
}

/** How many runs of a workflow with the same key may begin within a time. */
export interface RateLimit {
  /** The key, computed from the run's input; empty when the limit is for all runs of the workflow. */
  key: string;
  /** How many, 1 to 10,000. */
  limit: number;
  /** The time, in milliseconds. */
  per_ms: number;
}

/** One entry of a journal, and what it led to. */
export interface RecordedEntry {
  /** When it happened. */
  at: string;
  /** What happened, as the machine stores it. */
  event: unknown;
  /** What the machine began, stopped and published then. */
  effects: Array<string>;
}

/** Replays a run that was exported, without any effect. */
export interface ReplayRunRequest {
  /** What `runs.export` gave. */
  recording: RunRecording;
}

/**
 * Repeats a run that has ended, in a new run with the same document and input. What the first run was answered before
 * the step that is repeated is taken over and not asked again.
 */
export interface RerunRunRequest {
  /** The id of the run to repeat. */
  id: RunId;
  /**
   * The JSON pointer of the task to begin with, as in the run's history, e.g. `/do/2/pay`. When absent, the step that
   * the run failed at; a run that completed or was undone is repeated from its start.
   */
  from?: string | null;
  /** The id to give to the new run, a UUID. Repeating the same run again with the same id gives the first repetition. */
  new_id?: RunId | null;
  /** Whether to answer only when the new run has ended. */
  wait?: boolean;
  /**
   * How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is
   * answered as it is.
   */
  wait_timeout_ms?: number | null;
}

/**
 * Repeats many runs, some with each call. Without states in the filter these are all that faulted. Repeating a run
 * again in this way gives its first repetition.
 */
export interface RerunRunsRequest {
  /** Which runs; all of the owner that faulted when absent. */
  filter?: RunSelection;
  /** The JSON pointer of the task to begin with, as in `runs.rerun`. */
  from?: string | null;
  /** Whether only to count the runs and change nothing. */
  dry_run?: boolean;
  /** The `next` of the call before; absent for the first call. */
  after?: string | null;
  /** How many runs to repeat at most, 1 to 1000; 100 when absent. */
  limit?: number | null;
}

/** Lets a paused run go on. */
export interface ResumeRunRequest {
  /** Its id. */
  id: RunId;
}

/** Resumes the schedule of a workflow. What came while it was paused starts no run. */
export interface ResumeScheduleRequest {
  /** The namespace of the workflow. */
  namespace: string;
  /** Its name. */
  name: string;
}

/** Whether, and when, the same call is worth trying again. */
export type Retry = {
  kind: "no";
} | {
  kind: "maybe";
} | {
  kind: "after";
  /** Milliseconds to wait before the next try. */
  ms: number;
} | {
  kind: "exhausted";
};

/**
 * Makes a deployed version the latest one, for whoever starts `latest` and for the schedule. Nothing is removed: the
 * versions above it are withdrawn, but can be named, and runs that follow them go on.
 */
export interface RollBackWorkflowRequest {
  /** The namespace of the workflow. */
  namespace: string;
  /** Its name. */
  name: string;
  /** The version that is to be the latest. A higher one than the present rolls forward. */
  version: string;
}

/** The versions of a workflow after one was made the latest. */
export interface RolledBackWorkflow {
  /** The latest version. */
  latest: DeployedWorkflow;
  /** The versions above it, the highest first. */
  withdrawn: Array<DeployedWorkflow>;
}

/** A run of a workflow. Lists leave out its input and output, which may be large. */
export interface Run {
  /** Its id. */
  id: RunId;
  /** Which document it follows. */
  workflow: WorkflowKey;
  /** The version that it was started with, for a run that was moved to another one since. */
  started_with?: WorkflowVersion | null;
  /** Its state. */
  status: RunStatus;
  /** Its input as given; absent in lists. */
  input?: unknown;
  /** Its output, once completed; absent in lists. */
  output?: unknown;
  /** Its error, once faulted. */
  error?: WorkflowError | null;
  /** The step that started it, for a run started by a run. */
  parent?: ParentStep | null;
  /** The run that it repeats. */
  rerun_of?: RunId | null;
  /** What started it by itself, for a run that nobody asked for. */
  trigger?: RunTrigger | null;
  /** The words that were given to it and its document, by name. */
  tags?: Record<string, string>;
  /** What its document computed from its input to find it by, by name: texts, numbers and booleans. */
  fields?: Record<string, unknown>;
  /** The key under which it was started. */
  idempotency_key?: string | null;
  /** How it came to begin or waits to, for a run whose document limits how many go on at once. */
  admission?: Admission | null;
  /** When it was created. */
  created_at: string;
  /** When something last happened to it. */
  updated_at: string;
  /** When it ended. */
  ended_at?: string | null;
}

/** Where a replay leaves the recorded way. */
export interface RunDivergence {
  /** The entry of the journal, from 0; the number of entries for the end of the run. */
  entry: number;
  /** What is recorded. */
  expected: string;
  /** What this version of the machine does. */
  found: string;
}

/** What has happened to a run, the oldest first. */
export interface RunHistory {
  /** What happened. */
  records: Array<HistoryEntry>;
  /** What to pass as `after` for the records that follow; absent when there are none so far. */
  next?: number | null;
}

/** The id of one run of a workflow. */
export type RunId = string;

/** A part of a list. */
export interface RunPage {
  /** The items. */
  items: Array<Run>;
  /** What to pass as `after` to get the following page; absent on the last. */
  next?: string | null;
}

/** A run with everything that is needed to replay it. It holds no secret: what a run met of one is masked. */
export interface RunRecording {
  /** The version of this form. */
  format: number;
  /** The version of the engine that made the recording. */
  engine: string;
  /** The run's id. */
  id: RunId;
  /** Which document it follows. */
  workflow: WorkflowKey;
  /** The text of the document; with the external resources it refers to, when it does, as JSON. */
  document: string;
  /** Its input as given. */
  input: unknown;
  /** When it was created. */
  created_at: string;
  /** Its state when the recording was made. */
  status: RunStatus;
  /** Its output, once completed. */
  output?: unknown;
  /** Its error, once faulted. */
  error?: unknown;
  /** Its journal. */
  entries: Array<RecordedEntry>;
}

/** What a replay came to. */
export interface RunReplay {
  /** How many entries of the journal led to what is recorded. */
  entries: number;
  /** Where this version of the machine first does something else; absent when it does the same throughout. */
  divergence?: RunDivergence | null;
}

/** Runs that meet every condition, as `runs.list` shows them. */
export interface RunSelection {
  /** Only runs in one of these states. */
  statuses?: Array<RunStatus>;
  /** Only runs of workflows in this namespace. */
  namespace?: string | null;
  /** Only runs of workflows with this name. */
  name?: string | null;
  /** Only runs of this version. */
  version?: string | null;
  /** Only runs started by this run. */
  parent?: RunId | null;
  /** Only runs created at this time or later. */
  created_from?: string | null;
  /** Only runs created before this time. */
  created_before?: string | null;
  /** Only runs that ended at this time or later. */
  ended_from?: string | null;
  /** Only runs that ended before this time. */
  ended_before?: string | null;
  /** Only faulted runs whose error has this type. */
  error_type?: string | null;
  /** Only runs with all these tags. */
  tags?: Record<string, string>;
  /** Only runs with all these indexed fields: texts, numbers or booleans. */
  fields?: Record<string, unknown>;
}

/** How many runs there were, how they ended and what they took. */
export interface RunStatistics {
  /** How many began. */
  started: number;
  /** How many ended with an output. */
  completed: number;
  /** How many ended with an error. */
  faulted: number;
  /** How many were cancelled. */
  cancelled: number;
  /** The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none. */
  success_rate?: number | null;
  /** How often their tasks were tried again. */
  retries: number;
  /** What those took that completed, from the start to the end of the run; absent when there are none. */
  duration?: DurationStatistics | null;
}

/** The runs of one hour or day. */
export interface RunStatisticsPart {
  /** When it begins. */
  from: string;
  /** How many began. */
  started: number;
  /** How many ended with an output. */
  completed: number;
  /** How many ended with an error. */
  faulted: number;
  /** How many were cancelled. */
  cancelled: number;
  /** The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none. */
  success_rate?: number | null;
  /** How often their tasks were tried again. */
  retries: number;
  /** What those took that completed, from the start to the end of the run; absent when there are none. */
  duration?: DurationStatistics | null;
}

/** The state of a run. */
export type RunStatus = "running" | "queued" | "paused" | "completed" | "faulted" | "cancelled";

/** One execution of a task: a task in a loop has as many as it was run times. */
export interface RunStep {
  /** Its number, unique within the run and larger than those of the steps that began before it. */
  step: number;
  /** The JSON pointer of the task in the document. */
  task: string;
  /** How it is. */
  status: StepStatus;
  /** When it began. */
  started_at: string;
  /** When it ended. */
  ended_at?: string | null;
  /** How long it took, in milliseconds, once it has ended. */
  duration_ms?: number | null;
  /** How often it was tried: more than once only for a `try` that retried. */
  attempts: number;
  /** The error it ended with. */
  error?: WorkflowError | null;
}

/** What the tasks of a run took, in the order in which they began. */
export interface RunSteps {
  /** The executions of tasks. */
  items: Array<RunStep>;
  /** What to pass as `after` for the steps that follow; absent when there are none so far. */
  next?: number | null;
}

/** What started a run by itself. */
export type RunTrigger = {
  type: "schedule";
  /** The time that the run was due at; for events, when they had all come. */
  at: string;
};

/** One thing that a run waits for. */
export type RunWait = {
  /** The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation. */
  task?: string | null;
  /** When the task began, or the run was queued. */
  since?: string | null;
} & ({
  type: "call";
  /** The function. */
  function: string;
} | {
  type: "time";
  /** When it ends. */
  at: string;
} | {
  type: "timeout";
  /** When. */
  at: string;
} | {
  type: "decision";
  /** The approval. */
  approval: ApprovalId;
} | {
  type: "event";
} | {
  type: "messages";
  /** The function that brings them. */
  function: string;
} | {
  type: "turn";
} | {
  type: "run";
  /** The other run. */
  run: RunId;
});

/** What a run waits for. */
export interface RunWaits {
  /** The run's state. */
  status: RunStatus;
  /** Whether this engine drives it: an interrupted run has to be resumed first. */
  is_driven: boolean;
  /** What it waits for, in the order in which it began to; nothing once it has ended. */
  items: Array<RunWait>;
  /** What keeps it from going on at this moment. */
  stuck?: Array<Stuck>;
}

/** How the runs are. */
export interface RunsHealth {
  /** How many runs are under way in this process, over all users. */
  running: number;
  /**
   * How many runs of this process have not been able to go on for a minute, over all users; `runs.stuck` tells their
   * owners which and why.
   */
  stuck: number;
}

/** Keeps a template. */
export interface SaveTemplateRequest {
  /** The whole file, YAML or JSON. */
  text: string;
}

/** The schedule of a deployed workflow: that of its latest version. */
export interface Schedule {
  /** The version whose runs it starts. */
  workflow: WorkflowKey;
  /** What starts them, each by itself: one trigger or more, each of another kind. */
  triggers: Array<ScheduledTrigger>;
  /** When it became active. */
  since: string;
  /** Whether it is paused. */
  is_paused: boolean;
  /** The time of its next run, when it is known and the schedule is not paused. */
  next_at?: string | null;
  /** The time of the last run it has started. */
  last_at?: string | null;
  /** The last run it has started. */
  last_run?: RunId | null;
}

/** A start that failed. */
export interface ScheduleFailure {
  /** The time whose run could not start; for events, the time of the first attempt. */
  at: string;
  /** When the last attempt was made. */
  failed_at: string;
  /** How many attempts there were. */
  attempts: number;
  /** When the next one is made; absent when there is none any more. */
  retry_at?: string | null;
  /** Why the last attempt failed. */
  error: ErrorReport;
}

/** A part of a list. */
export interface SchedulePage {
  /** The items. */
  items: Array<Schedule>;
  /** What to pass as `after` to get the following page; absent on the last. */
  next?: string | null;
}

/** When a schedule starts runs. */
export interface SchedulePreview {
  /** The next times, in order. */
  times: Array<ScheduledTime>;
}

/** When a schedule starts runs: `schedule` of a document, Open Workflow 1.0.3. */
export type ScheduleTrigger = {
  type: "every";
  /** The whole months of the interval, as long as the calendar has them in UTC; 0 when absent. */
  months?: number;
  /** The rest of the interval in milliseconds. */
  interval_ms: number;
  /** What becomes of missed times. */
  missed: MissedRuns;
} | {
  type: "cron";
  /** The cron expression, as the document has it. */
  expression: string;
  /** The time zone of its times, a name of the IANA database. */
  time_zone: string;
  /** What becomes of missed times. */
  missed: MissedRuns;
} | {
  type: "after";
  /** The whole months of the time, as long as the calendar has them in UTC; 0 when absent. */
  months?: number;
  /** The rest of the time in milliseconds. */
  delay_ms: number;
} | {
  type: "events";
};

/** A time of a schedule. */
export interface ScheduledTime {
  /** The moment. */
  at: string;
  /** What the clocks of the schedule's time zone show then, with the zone (RFC 9557). */
  local: string;
}

/** One of the triggers of a schedule, and how far it is. */
export interface ScheduledTrigger {
  /** When it starts runs. */
  trigger: ScheduleTrigger;
  /** The time of its next run, when it is known and the schedule is not paused. */
  next_at?: string | null;
  /** The run whose end it waits for. */
  awaits?: RunId | null;
  /** The last start that failed, until one succeeds. */
  failure?: ScheduleFailure | null;
}

/** A secret text: redacted in `Debug`, not serialisable, wiped from memory when dropped. */
export type Secret = string;

/** What may be shown of a secret: everything but its text. */
export interface SecretInfo {
  /** The name. */
  name: string;
  /** How many times it was set. */
  version: number;
  /** When it was last set. */
  updated_at: string;
}

/** Secrets without their texts, sorted by name. */
export interface SecretList {
  /** The secrets. */
  secrets: Array<SecretInfo>;
}

/**
 * Sets an alert rule. One that has the name is replaced, and an alert that it had raised is resolved; setting a rule as
 * it is changes nothing.
 */
export interface SetAlertRequest {
  /** The rule. */
  rule: AlertRule;
}

/** Keeps a secret. */
export interface SetSecretRequest {
  /** Its name: 1 to 128 letters, digits, `_`, `-` and `.`, starting with a letter. */
  name: string;
  /** Its text, at most 64 KiB. */
  value: Secret;
}

/** Sends an event to one run. It is kept until a task of the run listens for it. */
export interface SignalRunRequest {
  /** The run's id. */
  id: RunId;
  /** What kind of event it is, e.g. `com.example.order.placed.v1`. */
  type: string;
  /** What happened. */
  data?: unknown;
  /** Where the event comes from, a URI reference; `/atom` when absent. */
  source?: string | null;
  /** Identifies the event together with `source`; a new id when absent. */
  event_id?: string | null;
}

/** Starts a run of a deployed workflow or of a document. Once it is answered, the run survives a crash. */
export interface StartRunRequest {
  /** The deployed workflow to run; either this or `document`. */
  workflow?: WorkflowReference | null;
  /**
   * The text of the document to run, YAML or JSON; either this or `workflow`. Needs the permission
   * `workflows.write`, too.
   */
  document?: string | null;
  /** The input; an empty object when absent. */
  input?: unknown;
  /** Where relative file paths start. Without it there are none: a call with a relative path fails. */
  directory?: string | null;
  /** The id to give to the run, a UUID. Starting again with the same id, document and input gives the first run. */
  id?: RunId | null;
  /**
   * The key under which to start the run once: starting a run of a workflow with the same namespace and name again with
   * the same key, document and input gives the first run, whatever became of it. When absent, the document may
   * compute one with `metadata.atom.idempotencyKey`.
   */
  idempotency_key?: string | null;
  /** Words to find the run by, beside the tags of its document: at most 32, of 256 characters each. */
  tags?: Record<string, string>;
  /** Whether to answer only when the run has ended. */
  wait?: boolean;
  /**
   * How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is
   * answered as it is.
   */
  wait_timeout_ms?: number | null;
}

/** How the time range of statistics is divided. */
export type StatisticsInterval = "hour" | "day";

/** How often a task was executed, how that ended and what it took. */
export interface StepStatistics {
  /** How often the run came to it and carried it out. */
  executions: number;
  /** How many executions ended with an output. */
  completed: number;
  /** How many ended with an error. */
  faulted: number;
  /** How many were stopped before they ended. */
  cancelled: number;
  /** The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none. */
  success_rate?: number | null;
  /** How often it was tried: more than `executions` only for a `try` that retried. */
  attempts: number;
  /** What those executions took that completed; absent when there are none. */
  duration?: DurationStatistics | null;
}

/** The executions of a task in one hour or day. */
export interface StepStatisticsPart {
  /** When it begins. */
  from: string;
  /** How often the run came to it and carried it out. */
  executions: number;
  /** How many executions ended with an output. */
  completed: number;
  /** How many ended with an error. */
  faulted: number;
  /** How many were stopped before they ended. */
  cancelled: number;
  /** The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none. */
  success_rate?: number | null;
  /** How often it was tried: more than `executions` only for a `try` that retried. */
  attempts: number;
  /** What those executions took that completed; absent when there are none. */
  duration?: DurationStatistics | null;
}

/** How an execution of a task is. */
export type StepStatus = "running" | "completed" | "faulted" | "cancelled";

/** Whether the store works: something was written to it, read again and deleted just now. */
export interface StorageHealth {
  /** Whether writing, reading and deleting worked. */
  status: HealthStatus;
  /** How long they took together, in milliseconds. */
  probe_ms: number;
  /** Why they did not work. */
  error?: ErrorReport | null;
}

/** The kind of place where an engine keeps what it is given. */
export type StorageKind = "sqlite" | "memory" | "postgres";

/** Since when a run cannot go on, and why. */
export type Stuck = {
  /** Since when. */
  since: string;
} & ({
  type: "function_missing";
  /** The function. */
  function: string;
  /** The JSON pointer of the task. */
  task: string;
} | {
  type: "store_failing";
  /** The latest error. */
  error: ErrorReport;
} | {
  type: "driver_stopped";
  /** Why. */
  error: ErrorReport;
} | {
  type: "not_resumed";
});

/** A run that cannot go on. */
export interface StuckRun {
  /** The run, without its input and output. */
  run: Run;
  /** What keeps it from going on. */
  stuck: Array<Stuck>;
}

/** A part of a list. */
export interface StuckRunPage {
  /** The items. */
  items: Array<StuckRun>;
  /** What to pass as `after` to get the following page; absent on the last. */
  next?: string | null;
}

/** Follows the caller's log. */
export interface SubscribeEventsRequest {
  /** The offset after which to begin, 0 for all events; only events from now on when absent. */
  after?: number | null;
  /** Only events of this type. */
  type?: string | null;
}

/** A task of one document. */
export interface TaskPlace {
  /** Its name. */
  name: string;
  /** Its JSON pointer. */
  task: string;
}

/** The executions of a task. */
export interface TaskStatistics {
  /** The JSON pointer of the task in the document. */
  task: string;
  /** The version of the workflow, when each has numbers of its own. */
  version?: string | null;
  /** The numbers of the whole time range. */
  total: StepStatistics;
  /** The numbers of each hour or day in which there were any, in order; nothing without an `interval`. */
  parts: Array<StepStatisticsPart>;
}

/** Numbers, and the time range that they are of. */
export interface TaskStatisticsList {
  /** Where the time range begins: the beginning of an hour, or of a day. */
  from: string;
  /** Where it ends. */
  before: string;
  /** The numbers. */
  items: Array<TaskStatistics>;
  /** What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last. */
  next?: string | null;
}

/** A template with its form and its whole file. */
export interface TemplateDetails {
  /** What lists show of it. */
  template: TemplateInfo;
  /** The form: a JSON Schema of an object. */
  parameters: unknown;
  /** The whole file: what another engine imports. */
  text: string;
}

/** What a list of templates shows of one. */
export interface TemplateInfo {
  /** Its name. */
  name: string;
  /** Its semantic version. */
  version: string;
  /** The name people read. */
  title: string;
  /** What workflows made from it do, in Markdown. */
  summary?: string | null;
  /** Where it stands in a list of templates, e.g. `calendar`. */
  category?: string | null;
  /** When it was imported; absent for those that come with the engine. */
  imported_at?: string | null;
}

/** A part of a list. */
export interface TemplateInfoPage {
  /** The items. */
  items: Array<TemplateInfo>;
  /** What to pass as `after` to get the following page; absent on the last. */
  next?: string | null;
}

/** Starts a run of a scheduled workflow now, besides those that the schedule starts. */
export interface TriggerScheduleRequest {
  /** The namespace of the workflow. */
  namespace: string;
  /** Its name. */
  name: string;
  /** The id to give to the run, a UUID. Triggering again with the same id gives the first run. */
  id?: RunId | null;
}

/** A valid part of a document that the engine does not carry out. */
export interface UnsupportedFeature {
  /** What it is, e.g. `use.catalogs`. */
  feature: string;
  /** Where it stands, a JSON pointer. */
  path: string;
  /** The line it stands on, from 1. */
  line: number;
  /** The column it starts at, from 1. */
  column: number;
}

/** Checks a document. */
export interface ValidateWorkflowRequest {
  /** The document's text, YAML or JSON. */
  document: string;
  /**
   * Whether to read the external resources that the document refers to, as deploying it does, and to check them too. Needs
   * the permission `workflows.write`, too.
   */
  resources?: boolean;
}

/** An external resource that a document refers to. */
export interface ValidatedResource {
  /** Where it is. */
  uri: string;
  /** SHA-256 of its text, in hexadecimal; absent when it was not read, and so not checked. */
  hash?: string | null;
}

/** How a well-formed document names itself. */
export interface ValidatedWorkflow {
  /** The namespace of the workflow. */
  namespace: string;
  /** The name of the workflow. */
  name: string;
  /** The semantic version. */
  version: string;
  /**
   * SHA-256 of the document's canonical JSON, in hexadecimal; of the document with its external resources when these were
   * read.
   */
  hash: string;
  /** The name people read. */
  title?: string | null;
}

/** An engine that shares the storage with others. */
export interface Worker {
  /** Its id, for as long as it holds its lease. */
  id: WorkerId;
  /** The machine and process that it runs in. */
  name: string;
  /** Whether it holds its runs. */
  state: WorkerState;
  /** Whether it is the engine that was asked. */
  is_this: boolean;
  /** Whether it takes runs that no engine drives: those of engines that are gone, and those that others have started for it. */
  takes_runs: boolean;
  /** How many runs that have not ended it drives, over all users. */
  runs: number;
  /** How many functions it has. */
  functions: number;
  /** Since when it is there, by the clock of the storage. */
  started_at: string;
  /** When it last renewed its lease, by the clock of the storage. */
  renewed_at: string;
  /** When others take over its runs unless it renews its lease, by the clock of the storage. */
  lease_until: string;
}

/** The id of one engine among those that share a store, for as long as it holds its lease. */
export type WorkerId = string;

/** The engines that share the storage. */
export interface WorkerList {
  /** The engines, the oldest first; none where one engine has the storage for itself. */
  workers: Array<Worker>;
}

/** Whether a worker holds its runs. */
export type WorkerState = "active" | "draining" | "gone";

/** What differs between two documents. */
export interface WorkflowComparison {
  /** The document that was compared. */
  from: ValidatedWorkflow;
  /** The document that it was compared with. */
  to: ValidatedWorkflow;
  /** The tasks that only the second document has, in document order. */
  added: Array<TaskPlace>;
  /** The tasks that only the first document has, in document order. */
  removed: Array<TaskPlace>;
  /** The tasks that stand in another list, or at another place among the tasks that both lists have. */
  moved: Array<MovedTask>;
  /** The tasks that are themselves different, apart from the tasks inside them. */
  changed: Array<ChangedTask>;
  /** What differs outside of tasks: `document`, `input`, `output`, `use`, `timeout`, `schedule`, `evaluate`. */
  parts: Array<MemberChange>;
  /**
   * The external resources that differ, by URI; absent when one of the documents refers to some that were not read, as
   * they are only when it is deployed.
   */
  resources?: Array<ChangedResource> | null;
}

/** A deployed workflow with its text. */
export interface WorkflowDocument {
  /** The namespace of the workflow. */
  namespace: string;
  /** The name of the workflow. */
  name: string;
  /** The semantic version. */
  version: string;
  /** SHA-256 of the document's canonical JSON, in hexadecimal. */
  hash: string;
  /** The name people read. */
  title?: string | null;
  /** What it does, in Markdown. */
  summary?: string | null;
  /** When it was deployed. */
  deployed_at: string;
  /** When a lower version was made the latest in its place; absent for a version that is not withdrawn. */
  withdrawn_at?: string | null;
  /** The document's text as deployed. */
  document: string;
  /** The external resources that the document refers to, as they were read when it was deployed. */
  resources: Array<WorkflowResource>;
}

/** The error of a task or run. */
export interface WorkflowError {
  /** What kind of error it is, a URI. */
  type: string;
  /** The status, in the manner of HTTP. */
  status: number;
  /** The kind in words. */
  title?: string | null;
  /** What went wrong this time. */
  detail?: string | null;
  /** The JSON pointer of the task where it arose. */
  instance?: string | null;
}

/** Which document a run follows. Runs are pinned to the content, not to the name. */
export interface WorkflowKey {
  /** The namespace of the workflow. */
  namespace: string;
  /** The name of the workflow. */
  name: string;
  /** The version of the workflow. */
  version: string;
  /** SHA-256 of the document's canonical JSON, in hexadecimal. */
  hash: string;
}

/** A deployed workflow by name. */
export interface WorkflowReference {
  /** Its namespace. */
  namespace: string;
  /** Its name. */
  name: string;
  /** Its version; the latest when absent or `latest`: the highest that is not withdrawn. */
  version?: string | null;
}

/** A resource that was read. */
export interface WorkflowResource {
  /** Where it was. */
  uri: string;
  /** SHA-256 of its text, in hexadecimal. */
  hash: string;
  /** How long its text is, in bytes. */
  bytes: number;
}

/** The runs of a workflow. */
export interface WorkflowStatistics {
  /** The namespace of the workflow. */
  namespace: string;
  /** Its name. */
  name: string;
  /** Its version, when each has numbers of its own. */
  version?: string | null;
  /** The numbers of the whole time range. */
  total: RunStatistics;
  /** The numbers of each hour or day in which there were any, in order; nothing without an `interval`. */
  parts: Array<RunStatisticsPart>;
}

/** Numbers, and the time range that they are of. */
export interface WorkflowStatisticsList {
  /** Where the time range begins: the beginning of an hour, or of a day. */
  from: string;
  /** Where it ends. */
  before: string;
  /** The numbers. */
  items: Array<WorkflowStatistics>;
  /** What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last. */
  next?: string | null;
}

/** What a check of a document found. */
export interface WorkflowValidation {
  /** Whether the document is well-formed; it can be deployed when, besides, nothing in it is unsupported. */
  is_valid: boolean;
  /** How the document names itself, when it is well-formed. */
  workflow?: ValidatedWorkflow | null;
  /** What is wrong with it, when it is not; `context` holds `line`, `column` and `path`. */
  problem?: ErrorReport | null;
  /** Its parts that this engine does not carry out. */
  unsupported: Array<UnsupportedFeature>;
  /** The external resources that it refers to. */
  resources: Array<ValidatedResource>;
}

/** A version of a workflow, with its content. */
export interface WorkflowVersion {
  /** The version. */
  version: string;
  /** SHA-256 of the document's canonical JSON, in hexadecimal. */
  hash: string;
}
