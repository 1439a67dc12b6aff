// Generated from schema/ by `cargo xtask codegen`; do not edit.

/// The `engine` operations.
public struct EngineOperations: Sendable {
    let caller: Caller

    /// Tells the engine's version and where it keeps its data. Needs the permission `engine.read`.
    public func info() async throws -> EngineInfo {
        try await caller.call("engine.info", GetEngineInfoRequest())
    }

    /// Tells whether the engine works, by writing to its store and reading again. Needs the permission
    /// `engine.read`.
    public func health() async throws -> EngineHealth {
        try await caller.call("engine.health", GetEngineHealthRequest())
    }
}

/// The `functions` operations.
public struct FunctionsOperations: Sendable {
    let caller: Caller

    /// Lists the functions that workflows can call. Needs the permission `functions.read`.
    public func list(_ request: ListFunctionsRequest = ListFunctionsRequest()) async throws -> FunctionList {
        try await caller.call("functions.list", request)
    }

    /// Tells what a function takes and gives. Needs the permission `functions.read`.
    public func get(_ request: GetFunctionRequest) async throws -> FunctionInfo {
        try await caller.call("functions.get", request)
    }

    /// Calls a function directly, once, and gives its result. Needs the permission `functions.call`.
    public func call(_ request: CallFunctionRequest) async throws -> FunctionOutput {
        try await caller.call("functions.call", request)
    }
}

/// The `workflows` operations.
public struct WorkflowsOperations: Sendable {
    let caller: Caller

    /// Checks a workflow document without keeping it. Needs the permission `workflows.read`.
    public func validate(_ request: ValidateWorkflowRequest) async throws -> WorkflowValidation {
        try await caller.call("workflows.validate", request)
    }

    /// Shows what a run of a workflow would do, with given answers and without any effect. Needs the permission
    /// `workflows.read`.
    public func dryRun(_ request: DryRunWorkflowRequest = DryRunWorkflowRequest()) async throws -> DryRunReport {
        try await caller.call("workflows.dry_run", request)
    }

    /// Deploys a workflow document, and sets its schedule; a deployed version never changes. Needs the permission
    /// `workflows.write`.
    public func deploy(_ request: DeployWorkflowRequest) async throws -> DeployedWorkflow {
        try await caller.call("workflows.deploy", request)
    }

    /// Lists the deployed workflows by namespace, name and time of deployment. Needs the permission
    /// `workflows.read`.
    public func list(_ request: ListWorkflowsRequest = ListWorkflowsRequest()) async throws -> DeployedWorkflowPage {
        try await caller.call("workflows.list", request)
    }

    /// Gives a deployed workflow with its text. Needs the permission `workflows.read`.
    public func get(_ request: GetWorkflowRequest) async throws -> WorkflowDocument {
        try await caller.call("workflows.get", request)
    }

    /// Removes a version of a workflow, or all of them; runs that follow it go on. Needs the permission
    /// `workflows.write`.
    public func delete(_ request: DeleteWorkflowRequest) async throws -> DeletedWorkflows {
        try await caller.call("workflows.delete", request)
    }

    /// Compares two versions of a workflow, or a version and a text, task by task. Needs the permission
    /// `workflows.read`.
    public func diff(_ request: DiffWorkflowsRequest) async throws -> WorkflowComparison {
        try await caller.call("workflows.diff", request)
    }

    /// Makes an earlier version of a workflow the latest, and withdraws those above it. Needs the permission
    /// `workflows.write`.
    public func rollback(_ request: RollBackWorkflowRequest) async throws -> RolledBackWorkflow {
        try await caller.call("workflows.rollback", request)
    }
}

/// The `workers` operations.
public struct WorkersOperations: Sendable {
    let caller: Caller

    /// Lists the engines that share the storage, and how many runs each drives. Needs the permission `engine.read`.
    public func list() async throws -> WorkerList {
        try await caller.call("workers.list", ListWorkersRequest())
    }
}

/// The `templates` operations.
public struct TemplatesOperations: Sendable {
    let caller: Caller

    /// Lists the templates that come with the engine and those imported, by name. Needs the permission
    /// `workflows.read`.
    public func list(_ request: ListTemplatesRequest = ListTemplatesRequest()) async throws -> TemplateInfoPage {
        try await caller.call("templates.list", request)
    }

    /// Gives a template with its form and its whole file. Needs the permission `workflows.read`.
    public func get(_ request: GetTemplateRequest) async throws -> TemplateDetails {
        try await caller.call("templates.get", request)
    }

    /// Makes a workflow document from a template and the values of its form. Needs the permission `workflows.read`.
    public func instantiate(_ request: InstantiateTemplateRequest) async throws -> InstantiatedTemplate {
        try await caller.call("templates.instantiate", request)
    }

    /// Keeps a template, in place of an earlier one of the same name. Needs the permission `workflows.write`.
    public func save(_ request: SaveTemplateRequest) async throws -> TemplateInfo {
        try await caller.call("templates.save", request)
    }

    /// Removes an imported template; workflows made from it stay. Needs the permission `workflows.write`.
    public func delete(_ request: DeleteTemplateRequest) async throws -> DeletedTemplate {
        try await caller.call("templates.delete", request)
    }
}

/// The `runs` operations.
public struct RunsOperations: Sendable {
    let caller: Caller

    /// Starts a run of a workflow, durably, and waits for its end when asked to. Needs the permission `runs.write`.
    public func start(_ request: StartRunRequest = StartRunRequest()) async throws -> Run {
        try await caller.call("runs.start", request)
    }

    /// Gives a run, and waits for its end when asked to. Needs the permission `runs.read`.
    public func get(_ request: GetRunRequest) async throws -> Run {
        try await caller.call("runs.get", request)
    }

    /// Lists runs without their input and output, the newest first. Needs the permission `runs.read`.
    public func list(_ request: ListRunsRequest = ListRunsRequest()) async throws -> RunPage {
        try await caller.call("runs.list", request)
    }

    /// Cancels a run; one that has ended stays as it is, one with compensations is undone first. Needs the
    /// permission `runs.write`.
    public func cancel(_ request: CancelRunRequest) async throws -> Run {
        try await caller.call("runs.cancel", request)
    }

    /// Cancels the runs that a filter shows, some with each call, or only counts them. Needs the permission
    /// `runs.write`.
    public func cancelAll(_ request: CancelRunsRequest = CancelRunsRequest()) async throws -> ChangedRuns {
        try await caller.call("runs.cancel_all", request)
    }

    /// Removes a run that has ended, with its history and approvals. Needs the permission `runs.write`.
    public func delete(_ request: DeleteRunRequest) async throws -> Done {
        try await caller.call("runs.delete", request)
    }

    /// Pauses a run: what is under way finishes, and nothing new begins until it is resumed. Needs the permission
    /// `runs.write`.
    public func pause(_ request: PauseRunRequest) async throws -> Run {
        try await caller.call("runs.pause", request)
    }

    /// Lets a paused run go on; one that is not paused stays as it is. Needs the permission `runs.write`.
    public func resume(_ request: ResumeRunRequest) async throws -> Run {
        try await caller.call("runs.resume", request)
    }

    /// Moves a run to another version of its workflow, if that would have done the same so far. Needs the
    /// permission `runs.write`.
    public func migrate(_ request: MigrateRunRequest) async throws -> MigratedRun {
        try await caller.call("runs.migrate", request)
    }

    /// Repeats a run from the step it failed at, or from any other, in a new run. Needs the permission
    /// `runs.write`.
    public func rerun(_ request: RerunRunRequest) async throws -> Run {
        try await caller.call("runs.rerun", request)
    }

    /// Repeats the runs that a filter shows, some with each call, or only counts them. Needs the permission
    /// `runs.write`.
    public func rerunAll(_ request: RerunRunsRequest = RerunRunsRequest()) async throws -> ChangedRuns {
        try await caller.call("runs.rerun_all", request)
    }

    /// Tells what has happened to a run, task by task. Needs the permission `runs.read`.
    public func history(_ request: GetRunHistoryRequest) async throws -> RunHistory {
        try await caller.call("runs.history", request)
    }

    /// Tells when each execution of a task began and ended, how often it was tried, and how it ended. Needs the
    /// permission `runs.read`.
    public func steps(_ request: ListRunStepsRequest) async throws -> RunSteps {
        try await caller.call("runs.steps", request)
    }

    /// Tells what a run waits for, and what keeps it from going on. Needs the permission `runs.read`.
    public func waits(_ request: ListRunWaitsRequest) async throws -> RunWaits {
        try await caller.call("runs.waits", request)
    }

    /// Gives a run with its document and its journal, to be kept or replayed elsewhere. Needs the permission
    /// `runs.read`.
    public func export(_ request: ExportRunRequest) async throws -> RunRecording {
        try await caller.call("runs.export", request)
    }

    /// Replays an exported run with this version of the engine, and tells where it would do something else. Needs
    /// the permission `runs.read`.
    public func replay(_ request: ReplayRunRequest) async throws -> RunReplay {
        try await caller.call("runs.replay", request)
    }

    /// Lists runs that cannot go on although they wait for nothing that will come by itself, and why. Needs the
    /// permission `runs.read`.
    public func stuck(_ request: ListStuckRunsRequest = ListStuckRunsRequest()) async throws -> StuckRunPage {
        try await caller.call("runs.stuck", request)
    }

    /// Follows what happens to a run, from its beginning or any offset, until it has ended. Needs the permission
    /// `runs.read`.
    public func events(_ request: FollowRunRequest) -> ItemStream<HistoryEntry> {
        caller.stream("runs.events", request)
    }

    /// Sends an event to one run, durably. Needs the permission `runs.write`.
    public func signal(_ request: SignalRunRequest) async throws -> Done {
        try await caller.call("runs.signal", request)
    }
}

/// The `schedules` operations.
public struct SchedulesOperations: Sendable {
    let caller: Caller

    /// Lists the schedules of deployed workflows by namespace and name. Needs the permission `workflows.read`.
    public func list(_ request: ListSchedulesRequest = ListSchedulesRequest()) async throws -> SchedulePage {
        try await caller.call("schedules.list", request)
    }

    /// Gives the schedule of a deployed workflow. Needs the permission `workflows.read`.
    public func get(_ request: GetScheduleRequest) async throws -> Schedule {
        try await caller.call("schedules.get", request)
    }

    /// Keeps a schedule from starting runs until it is resumed. Needs the permission `workflows.write`.
    public func pause(_ request: PauseScheduleRequest) async throws -> Schedule {
        try await caller.call("schedules.pause", request)
    }

    /// Lets a paused schedule start runs again, from now on. Needs the permission `workflows.write`.
    public func resume(_ request: ResumeScheduleRequest) async throws -> Schedule {
        try await caller.call("schedules.resume", request)
    }

    /// Starts a run of a scheduled workflow now, even while the schedule is paused. Needs the permission
    /// `runs.write`.
    public func trigger(_ request: TriggerScheduleRequest) async throws -> Run {
        try await caller.call("schedules.trigger", request)
    }

    /// Shows the next times of a schedule, or of a cron expression. Needs the permission `workflows.read`.
    public func preview(_ request: PreviewScheduleRequest = PreviewScheduleRequest()) async throws -> SchedulePreview {
        try await caller.call("schedules.preview", request)
    }
}

/// The `approvals` operations.
public struct ApprovalsOperations: Sendable {
    let caller: Caller

    /// Lists what runs ask the caller or asked others for the caller, the newest first. Needs the permission
    /// `approvals.read`.
    public func list(_ request: ListApprovalsRequest = ListApprovalsRequest()) async throws -> ApprovalPage {
        try await caller.call("approvals.list", request)
    }

    /// Gives an approval with everything that the decision is about. Needs the permission `approvals.read`.
    public func get(_ request: GetApprovalRequest) async throws -> Approval {
        try await caller.call("approvals.get", request)
    }

    /// Approves or rejects what a run asks, or approves it with another input, durably. Needs the permission
    /// `approvals.decide`.
    public func decide(_ request: DecideApprovalRequest) async throws -> Approval {
        try await caller.call("approvals.decide", request)
    }
}

/// The `analytics` operations.
public struct AnalyticsOperations: Sendable {
    let caller: Caller

    /// Tells for each workflow how many runs there were, how they ended and what they took. Needs the permission
    /// `runs.read`.
    public func workflows(_ request: GetWorkflowStatisticsRequest = GetWorkflowStatisticsRequest()) async throws -> WorkflowStatisticsList {
        try await caller.call("analytics.workflows", request)
    }

    /// Tells for each task of a workflow how often it was executed, how that ended and what it took. Needs the
    /// permission `runs.read`.
    public func steps(_ request: GetStepStatisticsRequest) async throws -> TaskStatisticsList {
        try await caller.call("analytics.steps", request)
    }
}

/// The `alerts` operations.
public struct AlertsOperations: Sendable {
    let caller: Caller

    /// Sets a rule that publishes an event when runs go wrong, and when they no longer do. Needs the permission
    /// `workflows.write`.
    public func set(_ request: SetAlertRequest) async throws -> Alert {
        try await caller.call("alerts.set", request)
    }

    /// Gives an alert rule, and whether it holds. Needs the permission `workflows.read`.
    public func get(_ request: GetAlertRequest) async throws -> Alert {
        try await caller.call("alerts.get", request)
    }

    /// Lists alert rules by name, and whether they hold. Needs the permission `workflows.read`.
    public func list(_ request: ListAlertsRequest = ListAlertsRequest()) async throws -> AlertPage {
        try await caller.call("alerts.list", request)
    }

    /// Removes an alert rule. Needs the permission `workflows.write`.
    public func delete(_ request: DeleteAlertRequest) async throws -> DeletedAlert {
        try await caller.call("alerts.delete", request)
    }
}

/// The `events` operations.
public struct EventsOperations: Sendable {
    let caller: Caller

    /// Appends an event to the caller's log; runs that listen for it receive it. Needs the permission
    /// `events.write`.
    public func publish(_ request: PublishEventRequest) async throws -> LoggedEvent {
        try await caller.call("events.publish", request)
    }

    /// Lists the events of the caller's log, the oldest first. Needs the permission `events.read`.
    public func list(_ request: ListEventsRequest = ListEventsRequest()) async throws -> EventPage {
        try await caller.call("events.list", request)
    }

    /// Follows the caller's log of events without end. Needs the permission `events.read`.
    public func subscribe(_ request: SubscribeEventsRequest = SubscribeEventsRequest()) -> ItemStream<LoggedEvent> {
        caller.stream("events.subscribe", request)
    }
}

/// The `secrets` operations.
public struct SecretsOperations: Sendable {
    let caller: Caller

    /// Keeps a secret under a name, replacing an earlier one. Needs the permission `secrets.write`.
    public func set(_ request: SetSecretRequest) async throws -> SecretInfo {
        try await caller.call("secrets.set", request)
    }

    /// Lists the names of the caller's secrets. Needs the permission `secrets.read`.
    public func list() async throws -> SecretList {
        try await caller.call("secrets.list", ListSecretsRequest())
    }

    /// Removes a secret. Needs the permission `secrets.write`.
    public func delete(_ request: DeleteSecretRequest) async throws -> DeletedSecret {
        try await caller.call("secrets.delete", request)
    }
}

/// Every operation, by its group, on behalf of one principal.
public struct Operations: Sendable {
    /// The `engine` operations.
    public let engine: EngineOperations
    /// The `functions` operations.
    public let functions: FunctionsOperations
    /// The `workflows` operations.
    public let workflows: WorkflowsOperations
    /// The `workers` operations.
    public let workers: WorkersOperations
    /// The `templates` operations.
    public let templates: TemplatesOperations
    /// The `runs` operations.
    public let runs: RunsOperations
    /// The `schedules` operations.
    public let schedules: SchedulesOperations
    /// The `approvals` operations.
    public let approvals: ApprovalsOperations
    /// The `analytics` operations.
    public let analytics: AnalyticsOperations
    /// The `alerts` operations.
    public let alerts: AlertsOperations
    /// The `events` operations.
    public let events: EventsOperations
    /// The `secrets` operations.
    public let secrets: SecretsOperations

    init(caller: Caller) {
        engine = EngineOperations(caller: caller)
        functions = FunctionsOperations(caller: caller)
        workflows = WorkflowsOperations(caller: caller)
        workers = WorkersOperations(caller: caller)
        templates = TemplatesOperations(caller: caller)
        runs = RunsOperations(caller: caller)
        schedules = SchedulesOperations(caller: caller)
        approvals = ApprovalsOperations(caller: caller)
        analytics = AnalyticsOperations(caller: caller)
        alerts = AlertsOperations(caller: caller)
        events = EventsOperations(caller: caller)
        secrets = SecretsOperations(caller: caller)
    }
}

extension Engine {
    /// The `engine` operations.
    public var engine: EngineOperations { operations.engine }
    /// The `functions` operations.
    public var functions: FunctionsOperations { operations.functions }
    /// The `workflows` operations.
    public var workflows: WorkflowsOperations { operations.workflows }
    /// The `workers` operations.
    public var workers: WorkersOperations { operations.workers }
    /// The `templates` operations.
    public var templates: TemplatesOperations { operations.templates }
    /// The `runs` operations.
    public var runs: RunsOperations { operations.runs }
    /// The `schedules` operations.
    public var schedules: SchedulesOperations { operations.schedules }
    /// The `approvals` operations.
    public var approvals: ApprovalsOperations { operations.approvals }
    /// The `analytics` operations.
    public var analytics: AnalyticsOperations { operations.analytics }
    /// The `alerts` operations.
    public var alerts: AlertsOperations { operations.alerts }
    /// The `events` operations.
    public var events: EventsOperations { operations.events }
    /// The `secrets` operations.
    public var secrets: SecretsOperations { operations.secrets }
}
