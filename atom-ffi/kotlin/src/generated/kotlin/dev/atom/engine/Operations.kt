// Generated from schema/ by `cargo xtask codegen`; do not edit.

package dev.atom.engine

import kotlinx.coroutines.flow.Flow

/** The `engine` operations. */
class EngineOperations internal constructor(private val caller: Caller) {
    /** Tells the engine's version and where it keeps its data. Needs the permission `engine.read`. */
    suspend fun info(): EngineInfo =
        caller.call("engine.info", GetEngineInfoRequest)

    /**
     * Tells whether the engine works, by writing to its store and reading again. Needs the permission
     * `engine.read`.
     */
    suspend fun health(): EngineHealth =
        caller.call("engine.health", GetEngineHealthRequest)
}

/** The `functions` operations. */
class FunctionsOperations internal constructor(private val caller: Caller) {
    /** Lists the functions that workflows can call. Needs the permission `functions.read`. */
    suspend fun list(request: ListFunctionsRequest = ListFunctionsRequest()): FunctionList =
        caller.call("functions.list", request)

    /** Tells what a function takes and gives. Needs the permission `functions.read`. */
    suspend fun get(request: GetFunctionRequest): FunctionInfo =
        caller.call("functions.get", request)

    /** Calls a function directly, once, and gives its result. Needs the permission `functions.call`. */
    suspend fun call(request: CallFunctionRequest): FunctionOutput =
        caller.call("functions.call", request)
}

/** The `workflows` operations. */
class WorkflowsOperations internal constructor(private val caller: Caller) {
    /** Checks a workflow document without keeping it. Needs the permission `workflows.read`. */
    suspend fun validate(request: ValidateWorkflowRequest): WorkflowValidation =
        caller.call("workflows.validate", request)

    /**
     * Shows what a run of a workflow would do, with given answers and without any effect. Needs the permission
     * `workflows.read`.
     */
    suspend fun dryRun(request: DryRunWorkflowRequest = DryRunWorkflowRequest()): DryRunReport =
        caller.call("workflows.dry_run", request)

    /**
     * Deploys a workflow document, and sets its schedule; a deployed version never changes. Needs the permission
     * `workflows.write`.
     */
    suspend fun deploy(request: DeployWorkflowRequest): DeployedWorkflow =
        caller.call("workflows.deploy", request)

    /**
     * Lists the deployed workflows by namespace, name and time of deployment. Needs the permission
     * `workflows.read`.
     */
    suspend fun list(request: ListWorkflowsRequest = ListWorkflowsRequest()): DeployedWorkflowPage =
        caller.call("workflows.list", request)

    /** Gives a deployed workflow with its text. Needs the permission `workflows.read`. */
    suspend fun get(request: GetWorkflowRequest): WorkflowDocument =
        caller.call("workflows.get", request)

    /**
     * Removes a version of a workflow, or all of them; runs that follow it go on. Needs the permission
     * `workflows.write`.
     */
    suspend fun delete(request: DeleteWorkflowRequest): DeletedWorkflows =
        caller.call("workflows.delete", request)

    /**
     * Compares two versions of a workflow, or a version and a text, task by task. Needs the permission
     * `workflows.read`.
     */
    suspend fun diff(request: DiffWorkflowsRequest): WorkflowComparison =
        caller.call("workflows.diff", request)

    /**
     * Makes an earlier version of a workflow the latest, and withdraws those above it. Needs the permission
     * `workflows.write`.
     */
    suspend fun rollback(request: RollBackWorkflowRequest): RolledBackWorkflow =
        caller.call("workflows.rollback", request)
}

/** The `workers` operations. */
class WorkersOperations internal constructor(private val caller: Caller) {
    /** Lists the engines that share the storage, and how many runs each drives. Needs the permission `engine.read`. */
    suspend fun list(): WorkerList =
        caller.call("workers.list", ListWorkersRequest)
}

/** The `templates` operations. */
class TemplatesOperations internal constructor(private val caller: Caller) {
    /**
     * Lists the templates that come with the engine and those imported, by name. Needs the permission
     * `workflows.read`.
     */
    suspend fun list(request: ListTemplatesRequest = ListTemplatesRequest()): TemplateInfoPage =
        caller.call("templates.list", request)

    /** Gives a template with its form and its whole file. Needs the permission `workflows.read`. */
    suspend fun get(request: GetTemplateRequest): TemplateDetails =
        caller.call("templates.get", request)

    /** Makes a workflow document from a template and the values of its form. Needs the permission `workflows.read`. */
    suspend fun instantiate(request: InstantiateTemplateRequest): InstantiatedTemplate =
        caller.call("templates.instantiate", request)

    /** Keeps a template, in place of an earlier one of the same name. Needs the permission `workflows.write`. */
    suspend fun save(request: SaveTemplateRequest): TemplateInfo =
        caller.call("templates.save", request)

    /** Removes an imported template; workflows made from it stay. Needs the permission `workflows.write`. */
    suspend fun delete(request: DeleteTemplateRequest): DeletedTemplate =
        caller.call("templates.delete", request)
}

/** The `runs` operations. */
class RunsOperations internal constructor(private val caller: Caller) {
    /** Starts a run of a workflow, durably, and waits for its end when asked to. Needs the permission `runs.write`. */
    suspend fun start(request: StartRunRequest = StartRunRequest()): Run =
        caller.call("runs.start", request)

    /** Gives a run, and waits for its end when asked to. Needs the permission `runs.read`. */
    suspend fun get(request: GetRunRequest): Run =
        caller.call("runs.get", request)

    /** Lists runs without their input and output, the newest first. Needs the permission `runs.read`. */
    suspend fun list(request: ListRunsRequest = ListRunsRequest()): RunPage =
        caller.call("runs.list", request)

    /**
     * Cancels a run; one that has ended stays as it is, one with compensations is undone first. Needs the
     * permission `runs.write`.
     */
    suspend fun cancel(request: CancelRunRequest): Run =
        caller.call("runs.cancel", request)

    /**
     * Cancels the runs that a filter shows, some with each call, or only counts them. Needs the permission
     * `runs.write`.
     */
    suspend fun cancelAll(request: CancelRunsRequest = CancelRunsRequest()): ChangedRuns =
        caller.call("runs.cancel_all", request)

    /** Removes a run that has ended, with its history and approvals. Needs the permission `runs.write`. */
    suspend fun delete(request: DeleteRunRequest): Done =
        caller.call("runs.delete", request)

    /**
     * Pauses a run: what is under way finishes, and nothing new begins until it is resumed. Needs the permission
     * `runs.write`.
     */
    suspend fun pause(request: PauseRunRequest): Run =
        caller.call("runs.pause", request)

    /** Lets a paused run go on; one that is not paused stays as it is. Needs the permission `runs.write`. */
    suspend fun resume(request: ResumeRunRequest): Run =
        caller.call("runs.resume", request)

    /**
     * Moves a run to another version of its workflow, if that would have done the same so far. Needs the permission
     * `runs.write`.
     */
    suspend fun migrate(request: MigrateRunRequest): MigratedRun =
        caller.call("runs.migrate", request)

    /** Repeats a run from the step it failed at, or from any other, in a new run. Needs the permission `runs.write`. */
    suspend fun rerun(request: RerunRunRequest): Run =
        caller.call("runs.rerun", request)

    /**
     * Repeats the runs that a filter shows, some with each call, or only counts them. Needs the permission
     * `runs.write`.
     */
    suspend fun rerunAll(request: RerunRunsRequest = RerunRunsRequest()): ChangedRuns =
        caller.call("runs.rerun_all", request)

    /** Tells what has happened to a run, task by task. Needs the permission `runs.read`. */
    suspend fun history(request: GetRunHistoryRequest): RunHistory =
        caller.call("runs.history", request)

    /**
     * Tells when each execution of a task began and ended, how often it was tried, and how it ended. Needs the
     * permission `runs.read`.
     */
    suspend fun steps(request: ListRunStepsRequest): RunSteps =
        caller.call("runs.steps", request)

    /** Tells what a run waits for, and what keeps it from going on. Needs the permission `runs.read`. */
    suspend fun waits(request: ListRunWaitsRequest): RunWaits =
        caller.call("runs.waits", request)

    /**
     * Gives a run with its document and its journal, to be kept or replayed elsewhere. Needs the permission
     * `runs.read`.
     */
    suspend fun export(request: ExportRunRequest): RunRecording =
        caller.call("runs.export", request)

    /**
     * Replays an exported run with this version of the engine, and tells where it would do something else. Needs
     * the permission `runs.read`.
     */
    suspend fun replay(request: ReplayRunRequest): RunReplay =
        caller.call("runs.replay", request)

    /**
     * Lists runs that cannot go on although they wait for nothing that will come by itself, and why. Needs the
     * permission `runs.read`.
     */
    suspend fun stuck(request: ListStuckRunsRequest = ListStuckRunsRequest()): StuckRunPage =
        caller.call("runs.stuck", request)

    /**
     * Follows what happens to a run, from its beginning or any offset, until it has ended. Needs the permission
     * `runs.read`.
     */
    fun events(request: FollowRunRequest): Flow<HistoryEntry> =
        caller.stream("runs.events", request)

    /** Sends an event to one run, durably. Needs the permission `runs.write`. */
    suspend fun signal(request: SignalRunRequest): Done =
        caller.call("runs.signal", request)
}

/** The `schedules` operations. */
class SchedulesOperations internal constructor(private val caller: Caller) {
    /** Lists the schedules of deployed workflows by namespace and name. Needs the permission `workflows.read`. */
    suspend fun list(request: ListSchedulesRequest = ListSchedulesRequest()): SchedulePage =
        caller.call("schedules.list", request)

    /** Gives the schedule of a deployed workflow. Needs the permission `workflows.read`. */
    suspend fun get(request: GetScheduleRequest): Schedule =
        caller.call("schedules.get", request)

    /** Keeps a schedule from starting runs until it is resumed. Needs the permission `workflows.write`. */
    suspend fun pause(request: PauseScheduleRequest): Schedule =
        caller.call("schedules.pause", request)

    /** Lets a paused schedule start runs again, from now on. Needs the permission `workflows.write`. */
    suspend fun resume(request: ResumeScheduleRequest): Schedule =
        caller.call("schedules.resume", request)

    /**
     * Starts a run of a scheduled workflow now, even while the schedule is paused. Needs the permission
     * `runs.write`.
     */
    suspend fun trigger(request: TriggerScheduleRequest): Run =
        caller.call("schedules.trigger", request)

    /** Shows the next times of a schedule, or of a cron expression. Needs the permission `workflows.read`. */
    suspend fun preview(request: PreviewScheduleRequest = PreviewScheduleRequest()): SchedulePreview =
        caller.call("schedules.preview", request)
}

/** The `approvals` operations. */
class ApprovalsOperations internal constructor(private val caller: Caller) {
    /**
     * Lists what runs ask the caller or asked others for the caller, the newest first. Needs the permission
     * `approvals.read`.
     */
    suspend fun list(request: ListApprovalsRequest = ListApprovalsRequest()): ApprovalPage =
        caller.call("approvals.list", request)

    /** Gives an approval with everything that the decision is about. Needs the permission `approvals.read`. */
    suspend fun get(request: GetApprovalRequest): Approval =
        caller.call("approvals.get", request)

    /**
     * Approves or rejects what a run asks, or approves it with another input, durably. Needs the permission
     * `approvals.decide`.
     */
    suspend fun decide(request: DecideApprovalRequest): Approval =
        caller.call("approvals.decide", request)
}

/** The `analytics` operations. */
class AnalyticsOperations internal constructor(private val caller: Caller) {
    /**
     * Tells for each workflow how many runs there were, how they ended and what they took. Needs the permission
     * `runs.read`.
     */
    suspend fun workflows(request: GetWorkflowStatisticsRequest = GetWorkflowStatisticsRequest()): WorkflowStatisticsList =
        caller.call("analytics.workflows", request)

    /**
     * Tells for each task of a workflow how often it was executed, how that ended and what it took. Needs the
     * permission `runs.read`.
     */
    suspend fun steps(request: GetStepStatisticsRequest): TaskStatisticsList =
        caller.call("analytics.steps", request)
}

/** The `alerts` operations. */
class AlertsOperations internal constructor(private val caller: Caller) {
    /**
     * Sets a rule that publishes an event when runs go wrong, and when they no longer do. Needs the permission
     * `workflows.write`.
     */
    suspend fun set(request: SetAlertRequest): Alert =
        caller.call("alerts.set", request)

    /** Gives an alert rule, and whether it holds. Needs the permission `workflows.read`. */
    suspend fun get(request: GetAlertRequest): Alert =
        caller.call("alerts.get", request)

    /** Lists alert rules by name, and whether they hold. Needs the permission `workflows.read`. */
    suspend fun list(request: ListAlertsRequest = ListAlertsRequest()): AlertPage =
        caller.call("alerts.list", request)

    /** Removes an alert rule. Needs the permission `workflows.write`. */
    suspend fun delete(request: DeleteAlertRequest): DeletedAlert =
        caller.call("alerts.delete", request)
}

/** The `events` operations. */
class EventsOperations internal constructor(private val caller: Caller) {
    /**
     * Appends an event to the caller's log; runs that listen for it receive it. Needs the permission
     * `events.write`.
     */
    suspend fun publish(request: PublishEventRequest): LoggedEvent =
        caller.call("events.publish", request)

    /** Lists the events of the caller's log, the oldest first. Needs the permission `events.read`. */
    suspend fun list(request: ListEventsRequest = ListEventsRequest()): EventPage =
        caller.call("events.list", request)

    /** Follows the caller's log of events without end. Needs the permission `events.read`. */
    fun subscribe(request: SubscribeEventsRequest = SubscribeEventsRequest()): Flow<LoggedEvent> =
        caller.stream("events.subscribe", request)
}

/** The `secrets` operations. */
class SecretsOperations internal constructor(private val caller: Caller) {
    /** Keeps a secret under a name, replacing an earlier one. Needs the permission `secrets.write`. */
    suspend fun set(request: SetSecretRequest): SecretInfo =
        caller.call("secrets.set", request)

    /** Lists the names of the caller's secrets. Needs the permission `secrets.read`. */
    suspend fun list(): SecretList =
        caller.call("secrets.list", ListSecretsRequest)

    /** Removes a secret. Needs the permission `secrets.write`. */
    suspend fun delete(request: DeleteSecretRequest): DeletedSecret =
        caller.call("secrets.delete", request)
}

/** Every operation, by its group. */
open class Operations internal constructor(caller: Caller) {
    /** The `engine` operations. */
    val engine: EngineOperations = EngineOperations(caller)

    /** The `functions` operations. */
    val functions: FunctionsOperations = FunctionsOperations(caller)

    /** The `workflows` operations. */
    val workflows: WorkflowsOperations = WorkflowsOperations(caller)

    /** The `workers` operations. */
    val workers: WorkersOperations = WorkersOperations(caller)

    /** The `templates` operations. */
    val templates: TemplatesOperations = TemplatesOperations(caller)

    /** The `runs` operations. */
    val runs: RunsOperations = RunsOperations(caller)

    /** The `schedules` operations. */
    val schedules: SchedulesOperations = SchedulesOperations(caller)

    /** The `approvals` operations. */
    val approvals: ApprovalsOperations = ApprovalsOperations(caller)

    /** The `analytics` operations. */
    val analytics: AnalyticsOperations = AnalyticsOperations(caller)

    /** The `alerts` operations. */
    val alerts: AlertsOperations = AlertsOperations(caller)

    /** The `events` operations. */
    val events: EventsOperations = EventsOperations(caller)

    /** The `secrets` operations. */
    val secrets: SecretsOperations = SecretsOperations(caller)
}
