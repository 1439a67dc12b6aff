// Generated from schema/ by `cargo xtask codegen`; do not edit.

import type { Caller, CallOptions } from "../ts/connection.js";
import type { Stream } from "../ts/stream.js";
import type * as types from "./types.js";

/** The `engine` operations. */
export class EngineOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Tells the engine's version and where it keeps its data.
   *
   * Needs the permission `engine.read`.
   */
  info(request: types.GetEngineInfoRequest = {}, options?: CallOptions): Promise<types.EngineInfo> {
    return this.#caller.call("engine.info", request, options) as Promise<types.EngineInfo>;
  }

  /**
   * Tells whether the engine works, by writing to its store and reading again.
   *
   * Needs the permission `engine.read`.
   */
  health(request: types.GetEngineHealthRequest = {}, options?: CallOptions): Promise<types.EngineHealth> {
    return this.#caller.call("engine.health", request, options) as Promise<types.EngineHealth>;
  }
}

/** The `functions` operations. */
export class FunctionsOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Lists the functions that workflows can call.
   *
   * Needs the permission `functions.read`.
   */
  list(request: types.ListFunctionsRequest = {}, options?: CallOptions): Promise<types.FunctionList> {
    return this.#caller.call("functions.list", request, options) as Promise<types.FunctionList>;
  }

  /**
   * Tells what a function takes and gives.
   *
   * Needs the permission `functions.read`.
   */
  get(request: types.GetFunctionRequest, options?: CallOptions): Promise<types.FunctionInfo> {
    return this.#caller.call("functions.get", request, options) as Promise<types.FunctionInfo>;
  }

  /**
   * Calls a function directly, once, and gives its result.
   *
   * Needs the permission `functions.call`.
   */
  call(request: types.CallFunctionRequest, options?: CallOptions): Promise<types.FunctionOutput> {
    return this.#caller.call("functions.call", request, options) as Promise<types.FunctionOutput>;
  }
}

/** The `workflows` operations. */
export class WorkflowsOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Checks a workflow document without keeping it.
   *
   * Needs the permission `workflows.read`.
   */
  validate(request: types.ValidateWorkflowRequest, options?: CallOptions): Promise<types.WorkflowValidation> {
    return this.#caller.call("workflows.validate", request, options) as Promise<types.WorkflowValidation>;
  }

  /**
   * Shows what a run of a workflow would do, with given answers and without any effect.
   *
   * Needs the permission `workflows.read`.
   */
  dry_run(request: types.DryRunWorkflowRequest = {}, options?: CallOptions): Promise<types.DryRunReport> {
    return this.#caller.call("workflows.dry_run", request, options) as Promise<types.DryRunReport>;
  }

  /**
   * Deploys a workflow document, and sets its schedule; a deployed version never changes.
   *
   * Needs the permission `workflows.write`.
   */
  deploy(request: types.DeployWorkflowRequest, options?: CallOptions): Promise<types.DeployedWorkflow> {
    return this.#caller.call("workflows.deploy", request, options) as Promise<types.DeployedWorkflow>;
  }

  /**
   * Lists the deployed workflows by namespace, name and time of deployment.
   *
   * Needs the permission `workflows.read`.
   */
  list(request: types.ListWorkflowsRequest = {}, options?: CallOptions): Promise<types.DeployedWorkflowPage> {
    return this.#caller.call("workflows.list", request, options) as Promise<types.DeployedWorkflowPage>;
  }

  /**
   * Gives a deployed workflow with its text.
   *
   * Needs the permission `workflows.read`.
   */
  get(request: types.GetWorkflowRequest, options?: CallOptions): Promise<types.WorkflowDocument> {
    return this.#caller.call("workflows.get", request, options) as Promise<types.WorkflowDocument>;
  }

  /**
   * Removes a version of a workflow, or all of them; runs that follow it go on.
   *
   * Needs the permission `workflows.write`.
   */
  delete(request: types.DeleteWorkflowRequest, options?: CallOptions): Promise<types.DeletedWorkflows> {
    return this.#caller.call("workflows.delete", request, options) as Promise<types.DeletedWorkflows>;
  }

  /**
   * Compares two versions of a workflow, or a version and a text, task by task.
   *
   * Needs the permission `workflows.read`.
   */
  diff(request: types.DiffWorkflowsRequest, options?: CallOptions): Promise<types.WorkflowComparison> {
    return this.#caller.call("workflows.diff", request, options) as Promise<types.WorkflowComparison>;
  }

  /**
   * Makes an earlier version of a workflow the latest, and withdraws those above it.
   *
   * Needs the permission `workflows.write`.
   */
  rollback(request: types.RollBackWorkflowRequest, options?: CallOptions): Promise<types.RolledBackWorkflow> {
    return this.#caller.call("workflows.rollback", request, options) as Promise<types.RolledBackWorkflow>;
  }
}

/** The `workers` operations. */
export class WorkersOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Lists the engines that share the storage, and how many runs each drives.
   *
   * Needs the permission `engine.read`.
   */
  list(request: types.ListWorkersRequest = {}, options?: CallOptions): Promise<types.WorkerList> {
    return this.#caller.call("workers.list", request, options) as Promise<types.WorkerList>;
  }
}

/** The `templates` operations. */
export class TemplatesOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Lists the templates that come with the engine and those imported, by name.
   *
   * Needs the permission `workflows.read`.
   */
  list(request: types.ListTemplatesRequest = {}, options?: CallOptions): Promise<types.TemplateInfoPage> {
    return this.#caller.call("templates.list", request, options) as Promise<types.TemplateInfoPage>;
  }

  /**
   * Gives a template with its form and its whole file.
   *
   * Needs the permission `workflows.read`.
   */
  get(request: types.GetTemplateRequest, options?: CallOptions): Promise<types.TemplateDetails> {
    return this.#caller.call("templates.get", request, options) as Promise<types.TemplateDetails>;
  }

  /**
   * Makes a workflow document from a template and the values of its form.
   *
   * Needs the permission `workflows.read`.
   */
  instantiate(request: types.InstantiateTemplateRequest, options?: CallOptions): Promise<types.InstantiatedTemplate> {
    return this.#caller.call("templates.instantiate", request, options) as Promise<types.InstantiatedTemplate>;
  }

  /**
   * Keeps a template, in place of an earlier one of the same name.
   *
   * Needs the permission `workflows.write`.
   */
  save(request: types.SaveTemplateRequest, options?: CallOptions): Promise<types.TemplateInfo> {
    return this.#caller.call("templates.save", request, options) as Promise<types.TemplateInfo>;
  }

  /**
   * Removes an imported template; workflows made from it stay.
   *
   * Needs the permission `workflows.write`.
   */
  delete(request: types.DeleteTemplateRequest, options?: CallOptions): Promise<types.DeletedTemplate> {
    return this.#caller.call("templates.delete", request, options) as Promise<types.DeletedTemplate>;
  }
}

/** The `runs` operations. */
export class RunsOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Starts a run of a workflow, durably, and waits for its end when asked to.
   *
   * Needs the permission `runs.write`.
   */
  start(request: types.StartRunRequest = {}, options?: CallOptions): Promise<types.Run> {
    return this.#caller.call("runs.start", request, options) as Promise<types.Run>;
  }

  /**
   * Gives a run, and waits for its end when asked to.
   *
   * Needs the permission `runs.read`.
   */
  get(request: types.GetRunRequest, options?: CallOptions): Promise<types.Run> {
    return this.#caller.call("runs.get", request, options) as Promise<types.Run>;
  }

  /**
   * Lists runs without their input and output, the newest first.
   *
   * Needs the permission `runs.read`.
   */
  list(request: types.ListRunsRequest = {}, options?: CallOptions): Promise<types.RunPage> {
    return this.#caller.call("runs.list", request, options) as Promise<types.RunPage>;
  }

  /**
   * Cancels a run; one that has ended stays as it is, one with compensations is undone first.
   *
   * Needs the permission `runs.write`.
   */
  cancel(request: types.CancelRunRequest, options?: CallOptions): Promise<types.Run> {
    return this.#caller.call("runs.cancel", request, options) as Promise<types.Run>;
  }

  /**
   * Cancels the runs that a filter shows, some with each call, or only counts them.
   *
   * Needs the permission `runs.write`.
   */
  cancel_all(request: types.CancelRunsRequest = {}, options?: CallOptions): Promise<types.ChangedRuns> {
    return this.#caller.call("runs.cancel_all", request, options) as Promise<types.ChangedRuns>;
  }

  /**
   * Removes a run that has ended, with its history and approvals.
   *
   * Needs the permission `runs.write`.
   */
  delete(request: types.DeleteRunRequest, options?: CallOptions): Promise<types.Done> {
    return this.#caller.call("runs.delete", request, options) as Promise<types.Done>;
  }

  /**
   * Pauses a run: what is under way finishes, and nothing new begins until it is resumed.
   *
   * Needs the permission `runs.write`.
   */
  pause(request: types.PauseRunRequest, options?: CallOptions): Promise<types.Run> {
    return this.#caller.call("runs.pause", request, options) as Promise<types.Run>;
  }

  /**
   * Lets a paused run go on; one that is not paused stays as it is.
   *
   * Needs the permission `runs.write`.
   */
  resume(request: types.ResumeRunRequest, options?: CallOptions): Promise<types.Run> {
    return this.#caller.call("runs.resume", request, options) as Promise<types.Run>;
  }

  /**
   * Moves a run to another version of its workflow, if that would have done the same so far.
   *
   * Needs the permission `runs.write`.
   */
  migrate(request: types.MigrateRunRequest, options?: CallOptions): Promise<types.MigratedRun> {
    return this.#caller.call("runs.migrate", request, options) as Promise<types.MigratedRun>;
  }

  /**
   * Repeats a run from the step it failed at, or from any other, in a new run.
   *
   * Needs the permission `runs.write`.
   */
  rerun(request: types.RerunRunRequest, options?: CallOptions): Promise<types.Run> {
    return this.#caller.call("runs.rerun", request, options) as Promise<types.Run>;
  }

  /**
   * Repeats the runs that a filter shows, some with each call, or only counts them.
   *
   * Needs the permission `runs.write`.
   */
  rerun_all(request: types.RerunRunsRequest = {}, options?: CallOptions): Promise<types.ChangedRuns> {
    return this.#caller.call("runs.rerun_all", request, options) as Promise<types.ChangedRuns>;
  }

  /**
   * Tells what has happened to a run, task by task.
   *
   * Needs the permission `runs.read`.
   */
  history(request: types.GetRunHistoryRequest, options?: CallOptions): Promise<types.RunHistory> {
    return this.#caller.call("runs.history", request, options) as Promise<types.RunHistory>;
  }

  /**
   * Tells when each execution of a task began and ended, how often it was tried, and how it ended.
   *
   * Needs the permission `runs.read`.
   */
  steps(request: types.ListRunStepsRequest, options?: CallOptions): Promise<types.RunSteps> {
    return this.#caller.call("runs.steps", request, options) as Promise<types.RunSteps>;
  }

  /**
   * Tells what a run waits for, and what keeps it from going on.
   *
   * Needs the permission `runs.read`.
   */
  waits(request: types.ListRunWaitsRequest, options?: CallOptions): Promise<types.RunWaits> {
    return this.#caller.call("runs.waits", request, options) as Promise<types.RunWaits>;
  }

  /**
   * Gives a run with its document and its journal, to be kept or replayed elsewhere.
   *
   * Needs the permission `runs.read`.
   */
  export(request: types.ExportRunRequest, options?: CallOptions): Promise<types.RunRecording> {
    return this.#caller.call("runs.export", request, options) as Promise<types.RunRecording>;
  }

  /**
   * Replays an exported run with this version of the engine, and tells where it would do something else.
   *
   * Needs the permission `runs.read`.
   */
  replay(request: types.ReplayRunRequest, options?: CallOptions): Promise<types.RunReplay> {
    return this.#caller.call("runs.replay", request, options) as Promise<types.RunReplay>;
  }

  /**
   * Lists runs that cannot go on although they wait for nothing that will come by itself, and why.
   *
   * Needs the permission `runs.read`.
   */
  stuck(request: types.ListStuckRunsRequest = {}, options?: CallOptions): Promise<types.StuckRunPage> {
    return this.#caller.call("runs.stuck", request, options) as Promise<types.StuckRunPage>;
  }

  /**
   * Follows what happens to a run, from its beginning or any offset, until it has ended.
   *
   * Needs the permission `runs.read`.
   */
  events(request: types.FollowRunRequest, options?: CallOptions): Stream<types.HistoryEntry> {
    return this.#caller.subscribe("runs.events", request, options) as Stream<types.HistoryEntry>;
  }

  /**
   * Sends an event to one run, durably.
   *
   * Needs the permission `runs.write`.
   */
  signal(request: types.SignalRunRequest, options?: CallOptions): Promise<types.Done> {
    return this.#caller.call("runs.signal", request, options) as Promise<types.Done>;
  }
}

/** The `schedules` operations. */
export class SchedulesOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Lists the schedules of deployed workflows by namespace and name.
   *
   * Needs the permission `workflows.read`.
   */
  list(request: types.ListSchedulesRequest = {}, options?: CallOptions): Promise<types.SchedulePage> {
    return this.#caller.call("schedules.list", request, options) as Promise<types.SchedulePage>;
  }

  /**
   * Gives the schedule of a deployed workflow.
   *
   * Needs the permission `workflows.read`.
   */
  get(request: types.GetScheduleRequest, options?: CallOptions): Promise<types.Schedule> {
    return this.#caller.call("schedules.get", request, options) as Promise<types.Schedule>;
  }

  /**
   * Keeps a schedule from starting runs until it is resumed.
   *
   * Needs the permission `workflows.write`.
   */
  pause(request: types.PauseScheduleRequest, options?: CallOptions): Promise<types.Schedule> {
    return this.#caller.call("schedules.pause", request, options) as Promise<types.Schedule>;
  }

  /**
   * Lets a paused schedule start runs again, from now on.
   *
   * Needs the permission `workflows.write`.
   */
  resume(request: types.ResumeScheduleRequest, options?: CallOptions): Promise<types.Schedule> {
    return this.#caller.call("schedules.resume", request, options) as Promise<types.Schedule>;
  }

  /**
   * Starts a run of a scheduled workflow now, even while the schedule is paused.
   *
   * Needs the permission `runs.write`.
   */
  trigger(request: types.TriggerScheduleRequest, options?: CallOptions): Promise<types.Run> {
    return this.#caller.call("schedules.trigger", request, options) as Promise<types.Run>;
  }

  /**
   * Shows the next times of a schedule, or of a cron expression.
   *
   * Needs the permission `workflows.read`.
   */
  preview(request: types.PreviewScheduleRequest = {}, options?: CallOptions): Promise<types.SchedulePreview> {
    return this.#caller.call("schedules.preview", request, options) as Promise<types.SchedulePreview>;
  }
}

/** The `approvals` operations. */
export class ApprovalsOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Lists what runs ask the caller or asked others for the caller, the newest first.
   *
   * Needs the permission `approvals.read`.
   */
  list(request: types.ListApprovalsRequest = {}, options?: CallOptions): Promise<types.ApprovalPage> {
    return this.#caller.call("approvals.list", request, options) as Promise<types.ApprovalPage>;
  }

  /**
   * Gives an approval with everything that the decision is about.
   *
   * Needs the permission `approvals.read`.
   */
  get(request: types.GetApprovalRequest, options?: CallOptions): Promise<types.Approval> {
    return this.#caller.call("approvals.get", request, options) as Promise<types.Approval>;
  }

  /**
   * Approves or rejects what a run asks, or approves it with another input, durably.
   *
   * Needs the permission `approvals.decide`.
   */
  decide(request: types.DecideApprovalRequest, options?: CallOptions): Promise<types.Approval> {
    return this.#caller.call("approvals.decide", request, options) as Promise<types.Approval>;
  }
}

/** The `analytics` operations. */
export class AnalyticsOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Tells for each workflow how many runs there were, how they ended and what they took.
   *
   * Needs the permission `runs.read`.
   */
  workflows(request: types.GetWorkflowStatisticsRequest = {}, options?: CallOptions): Promise<types.WorkflowStatisticsList> {
    return this.#caller.call("analytics.workflows", request, options) as Promise<types.WorkflowStatisticsList>;
  }

  /**
   * Tells for each task of a workflow how often it was executed, how that ended and what it took.
   *
   * Needs the permission `runs.read`.
   */
  steps(request: types.GetStepStatisticsRequest, options?: CallOptions): Promise<types.TaskStatisticsList> {
    return this.#caller.call("analytics.steps", request, options) as Promise<types.TaskStatisticsList>;
  }
}

/** The `alerts` operations. */
export class AlertsOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Sets a rule that publishes an event when runs go wrong, and when they no longer do.
   *
   * Needs the permission `workflows.write`.
   */
  set(request: types.SetAlertRequest, options?: CallOptions): Promise<types.Alert> {
    return this.#caller.call("alerts.set", request, options) as Promise<types.Alert>;
  }

  /**
   * Gives an alert rule, and whether it holds.
   *
   * Needs the permission `workflows.read`.
   */
  get(request: types.GetAlertRequest, options?: CallOptions): Promise<types.Alert> {
    return this.#caller.call("alerts.get", request, options) as Promise<types.Alert>;
  }

  /**
   * Lists alert rules by name, and whether they hold.
   *
   * Needs the permission `workflows.read`.
   */
  list(request: types.ListAlertsRequest = {}, options?: CallOptions): Promise<types.AlertPage> {
    return this.#caller.call("alerts.list", request, options) as Promise<types.AlertPage>;
  }

  /**
   * Removes an alert rule.
   *
   * Needs the permission `workflows.write`.
   */
  delete(request: types.DeleteAlertRequest, options?: CallOptions): Promise<types.DeletedAlert> {
    return this.#caller.call("alerts.delete", request, options) as Promise<types.DeletedAlert>;
  }
}

/** The `events` operations. */
export class EventsOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Appends an event to the caller's log; runs that listen for it receive it.
   *
   * Needs the permission `events.write`.
   */
  publish(request: types.PublishEventRequest, options?: CallOptions): Promise<types.LoggedEvent> {
    return this.#caller.call("events.publish", request, options) as Promise<types.LoggedEvent>;
  }

  /**
   * Lists the events of the caller's log, the oldest first.
   *
   * Needs the permission `events.read`.
   */
  list(request: types.ListEventsRequest = {}, options?: CallOptions): Promise<types.EventPage> {
    return this.#caller.call("events.list", request, options) as Promise<types.EventPage>;
  }

  /**
   * Follows the caller's log of events without end.
   *
   * Needs the permission `events.read`.
   */
  subscribe(request: types.SubscribeEventsRequest = {}, options?: CallOptions): Stream<types.LoggedEvent> {
    return this.#caller.subscribe("events.subscribe", request, options) as Stream<types.LoggedEvent>;
  }
}

/** The `secrets` operations. */
export class SecretsOperations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Keeps a secret under a name, replacing an earlier one.
   *
   * Needs the permission `secrets.write`.
   */
  set(request: types.SetSecretRequest, options?: CallOptions): Promise<types.SecretInfo> {
    return this.#caller.call("secrets.set", request, options) as Promise<types.SecretInfo>;
  }

  /**
   * Lists the names of the caller's secrets.
   *
   * Needs the permission `secrets.read`.
   */
  list(request: types.ListSecretsRequest = {}, options?: CallOptions): Promise<types.SecretList> {
    return this.#caller.call("secrets.list", request, options) as Promise<types.SecretList>;
  }

  /**
   * Removes a secret.
   *
   * Needs the permission `secrets.write`.
   */
  delete(request: types.DeleteSecretRequest, options?: CallOptions): Promise<types.DeletedSecret> {
    return this.#caller.call("secrets.delete", request, options) as Promise<types.DeletedSecret>;
  }
}

/** The operations that answer with a stream. */
export const STREAMS: ReadonlySet<string> = new Set([
  "runs.events",
  "events.subscribe",
]);

/** Every operation, by its group. */
export class Operations {
  /** The `engine` operations. */
  readonly engine: EngineOperations;
  /** The `functions` operations. */
  readonly functions: FunctionsOperations;
  /** The `workflows` operations. */
  readonly workflows: WorkflowsOperations;
  /** The `workers` operations. */
  readonly workers: WorkersOperations;
  /** The `templates` operations. */
  readonly templates: TemplatesOperations;
  /** The `runs` operations. */
  readonly runs: RunsOperations;
  /** The `schedules` operations. */
  readonly schedules: SchedulesOperations;
  /** The `approvals` operations. */
  readonly approvals: ApprovalsOperations;
  /** The `analytics` operations. */
  readonly analytics: AnalyticsOperations;
  /** The `alerts` operations. */
  readonly alerts: AlertsOperations;
  /** The `events` operations. */
  readonly events: EventsOperations;
  /** The `secrets` operations. */
  readonly secrets: SecretsOperations;

  /** @internal */
  constructor(caller: Caller) {
    this.engine = new EngineOperations(caller);
    this.functions = new FunctionsOperations(caller);
    this.workflows = new WorkflowsOperations(caller);
    this.workers = new WorkersOperations(caller);
    this.templates = new TemplatesOperations(caller);
    this.runs = new RunsOperations(caller);
    this.schedules = new SchedulesOperations(caller);
    this.approvals = new ApprovalsOperations(caller);
    this.analytics = new AnalyticsOperations(caller);
    this.alerts = new AlertsOperations(caller);
    this.events = new EventsOperations(caller);
    this.secrets = new SecretsOperations(caller);
  }
}
