// Generated from schema/ by `cargo xtask codegen`; do not edit.

/// How a run with limits came to begin, or waits to.
public struct Admission: Codable, Sendable, Equatable {
    /// Higher goes first among those that wait.
    public var priority: Int
    /// How many may be under way at once.
    public var concurrency: ConcurrencyLimit?
    /// How many may begin within a time.
    public var rateLimit: RateLimit?
    /// How far it has come.
    public var state: AdmissionState
    /// When it was let begin.
    public var begunAt: String?

    public init(
        priority: Int,
        concurrency: ConcurrencyLimit? = nil,
        rateLimit: RateLimit? = nil,
        state: AdmissionState,
        begunAt: String? = nil
    ) {
        self.priority = priority
        self.concurrency = concurrency
        self.rateLimit = rateLimit
        self.state = state
        self.begunAt = begunAt
    }

    private enum CodingKeys: String, CodingKey {
        case priority = "priority"
        case concurrency = "concurrency"
        case rateLimit = "rate_limit"
        case state = "state"
        case begunAt = "begun_at"
    }
}

/// How far a run with limits has come.
public enum AdmissionState: String, Codable, Sendable, CaseIterable {
    /// It waits for its turn.
    case queued = "queued"
    /// It never begins and is cancelled: as many are under way as may be.
    case refused = "refused"
    /// It has begun.
    case begun = "begun"
    /// It had begun and is cancelled in favour of a newer one.
    case superseded = "superseded"
}

/// An alert rule, and how it is.
public struct Alert: Codable, Sendable, Equatable {
    /// The rule.
    public var rule: AlertRule
    /// When it was set as it is.
    public var since: String
    /// Since when it holds; absent while it does not.
    public var raisedAt: String?
    /// The numbers when it began to hold, or when it ceased to; absent when it never held.
    public var reading: AlertReading?

    public init(
        rule: AlertRule,
        since: String,
        raisedAt: String? = nil,
        reading: AlertReading? = nil
    ) {
        self.rule = rule
        self.since = since
        self.raisedAt = raisedAt
        self.reading = reading
    }

    private enum CodingKeys: String, CodingKey {
        case rule = "rule"
        case since = "since"
        case raisedAt = "raised_at"
        case reading = "reading"
    }
}

/// What a rule watches for.
public enum AlertCondition: Codable, Sendable, Equatable {
    /// More than a share of the runs that ended within the window failed. Runs that were cancelled do not count.
    case failureRateAlert(above: Double, windowMs: Int, minimumRuns: Int?)
    /// Runs that completed within the window took too long.
    case latencyAlert(percentile: Percentile, aboveMs: Int, windowMs: Int, minimumRuns: Int?)
    /// Runs cannot go on although they wait for nothing that will come by itself, as `runs.stuck` tells.
    case stuckRunsAlert(forMs: Int, atLeast: Int?)
    /// No run has started, or completed, for some time.
    case silenceAlert(forMs: Int, successfulOnly: Bool?)

    private enum CodingKeys: String, CodingKey {
        case variantTag = "type"
        case above = "above"
        case aboveMs = "above_ms"
        case atLeast = "at_least"
        case forMs = "for_ms"
        case minimumRuns = "minimum_runs"
        case percentile = "percentile"
        case successfulOnly = "successful_only"
        case windowMs = "window_ms"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .variantTag) {
        case "failure_rate":
            self = .failureRateAlert(above: try container.decode(Double.self, forKey: .above), windowMs: try container.decode(Int.self, forKey: .windowMs), minimumRuns: try container.decodeIfPresent(Int.self, forKey: .minimumRuns))
        case "latency":
            self = .latencyAlert(percentile: try container.decode(Percentile.self, forKey: .percentile), aboveMs: try container.decode(Int.self, forKey: .aboveMs), windowMs: try container.decode(Int.self, forKey: .windowMs), minimumRuns: try container.decodeIfPresent(Int.self, forKey: .minimumRuns))
        case "stuck_runs":
            self = .stuckRunsAlert(forMs: try container.decode(Int.self, forKey: .forMs), atLeast: try container.decodeIfPresent(Int.self, forKey: .atLeast))
        case "silence":
            self = .silenceAlert(forMs: try container.decode(Int.self, forKey: .forMs), successfulOnly: try container.decodeIfPresent(Bool.self, forKey: .successfulOnly))
        case let other:
            throw DecodingError.dataCorruptedError(
                forKey: .variantTag, in: container, debugDescription: "'\(other)' is not known")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .failureRateAlert(let above, let windowMs, let minimumRuns):
            try container.encode("failure_rate", forKey: .variantTag)
            try container.encode(above, forKey: .above)
            try container.encode(windowMs, forKey: .windowMs)
            try container.encodeIfPresent(minimumRuns, forKey: .minimumRuns)
        case .latencyAlert(let percentile, let aboveMs, let windowMs, let minimumRuns):
            try container.encode("latency", forKey: .variantTag)
            try container.encode(percentile, forKey: .percentile)
            try container.encode(aboveMs, forKey: .aboveMs)
            try container.encode(windowMs, forKey: .windowMs)
            try container.encodeIfPresent(minimumRuns, forKey: .minimumRuns)
        case .stuckRunsAlert(let forMs, let atLeast):
            try container.encode("stuck_runs", forKey: .variantTag)
            try container.encode(forMs, forKey: .forMs)
            try container.encodeIfPresent(atLeast, forKey: .atLeast)
        case .silenceAlert(let forMs, let successfulOnly):
            try container.encode("silence", forKey: .variantTag)
            try container.encode(forMs, forKey: .forMs)
            try container.encodeIfPresent(successfulOnly, forKey: .successfulOnly)
        }
    }
}

/// A part of a list.
public struct AlertPage: Codable, Sendable, Equatable {
    /// The items.
    public var items: [Alert]
    /// What to pass as `after` to get the following page; absent on the last.
    public var next: String?

    public init(
        items: [Alert],
        next: String? = nil
    ) {
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case items = "items"
        case next = "next"
    }
}

/// The numbers that decided whether a rule holds.
public struct AlertReading: Codable, Sendable, Equatable {
    /// The share of failed runs for `failure_rate`, milliseconds for `latency`, the number of stuck runs, at most
    /// 1000, for `stuck_runs`, and the number of runs for `silence`; absent when no run tells.
    public var value: Double?
    /// How many runs it is computed from, for `failure_rate` and `latency`.
    public var runs: Int?

    public init(
        value: Double? = nil,
        runs: Int? = nil
    ) {
        self.value = value
        self.runs = runs
    }

    private enum CodingKeys: String, CodingKey {
        case value = "value"
        case runs = "runs"
    }
}

/// A rule: what is watched for, and whose runs.
public struct AlertRule: Codable, Sendable, Equatable {
    /// Its name, unique among those of its owner: 1 to 64 letters, digits, `.`, `_` and `-`.
    public var name: String
    /// The namespace of the workflow whose runs count; absent, together with `workflow`, for all runs of the owner.
    public var namespace: String?
    /// The name of that workflow.
    public var workflow: String?
    /// What is watched for.
    public var condition: AlertCondition

    public init(
        name: String,
        namespace: String? = nil,
        workflow: String? = nil,
        condition: AlertCondition
    ) {
        self.name = name
        self.namespace = namespace
        self.workflow = workflow
        self.condition = condition
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case namespace = "namespace"
        case workflow = "workflow"
        case condition = "condition"
    }
}

/// What a task of a run asks before it runs. Lists leave out `data`, `input`, `form` and what was filled in, which
/// may be large.
public struct Approval: Codable, Sendable, Equatable {
    /// Its id.
    public var id: ApprovalId
    /// The user whose run asks.
    public var owner: String
    /// The run that asks.
    public var run: RunId
    /// The JSON pointer of the task that asks.
    public var task: String
    /// Which document the run follows.
    public var workflow: WorkflowKey
    /// What is asked, in a line.
    public var title: String
    /// What is asked, at length.
    public var message: String?
    /// What the decision is about; absent in lists.
    public var data: JSONValue?
    /// The task's input, where the decision `edit` may replace it; absent in lists.
    public var input: JSONValue?
    /// The JSON Schema of what is to be filled in, where there is something; absent in lists.
    public var form: JSONValue?
    /// Who may decide.
    public var assignees: Assignees
    /// Whether the caller may decide.
    public var isAssigned: Bool
    /// Its state.
    public var status: ApprovalStatus
    /// When it was asked.
    public var createdAt: String
    /// Until when it can be decided.
    public var deadline: String?
    /// What happens then; absent without a deadline.
    public var onDeadline: OnDeadline?
    /// The decision, once approved or rejected.
    public var decision: Decision?
    /// When it was decided, expired or was withdrawn.
    public var closedAt: String?

    public init(
        id: ApprovalId,
        owner: String,
        run: RunId,
        task: String,
        workflow: WorkflowKey,
        title: String,
        message: String? = nil,
        data: JSONValue? = nil,
        input: JSONValue? = nil,
        form: JSONValue? = nil,
        assignees: Assignees,
        isAssigned: Bool,
        status: ApprovalStatus,
        createdAt: String,
        deadline: String? = nil,
        onDeadline: OnDeadline? = nil,
        decision: Decision? = nil,
        closedAt: String? = nil
    ) {
        self.id = id
        self.owner = owner
        self.run = run
        self.task = task
        self.workflow = workflow
        self.title = title
        self.message = message
        self.data = data
        self.input = input
        self.form = form
        self.assignees = assignees
        self.isAssigned = isAssigned
        self.status = status
        self.createdAt = createdAt
        self.deadline = deadline
        self.onDeadline = onDeadline
        self.decision = decision
        self.closedAt = closedAt
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case owner = "owner"
        case run = "run"
        case task = "task"
        case workflow = "workflow"
        case title = "title"
        case message = "message"
        case data = "data"
        case input = "input"
        case form = "form"
        case assignees = "assignees"
        case isAssigned = "is_assigned"
        case status = "status"
        case createdAt = "created_at"
        case deadline = "deadline"
        case onDeadline = "on_deadline"
        case decision = "decision"
        case closedAt = "closed_at"
    }
}

/// The id of one approval that a run waits for. It follows from the run, its owner and the place in the run: asking
/// again after a crash gives the same one.
public typealias ApprovalId = String

/// A part of a list.
public struct ApprovalPage: Codable, Sendable, Equatable {
    /// The items.
    public var items: [Approval]
    /// What to pass as `after` to get the following page; absent on the last.
    public var next: String?

    public init(
        items: [Approval],
        next: String? = nil
    ) {
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case items = "items"
        case next = "next"
    }
}

/// The state of an approval.
public enum ApprovalStatus: String, Codable, Sendable, CaseIterable {
    /// Nobody has decided yet.
    case pending = "pending"
    /// Somebody approved, with or without a change of the input.
    case approved = "approved"
    /// Somebody rejected.
    case rejected = "rejected"
    /// The deadline passed before anybody decided.
    case expired = "expired"
    /// The run no longer asks: it was cancelled, or it failed or ended elsewhere.
    case withdrawn = "withdrawn"
}

/// Who may decide. With nobody named it is the owner of the run.
public struct Assignees: Codable, Sendable, Equatable {
    /// Roles, any of which lets a user of the tenant decide. Who has no roles has the role `admin`.
    public var roles: [String]
    /// Users of the tenant.
    public var users: [String]

    public init(
        roles: [String] = [],
        users: [String] = []
    ) {
        self.roles = roles
        self.users = users
    }

    private enum CodingKeys: String, CodingKey {
        case roles = "roles"
        case users = "users"
    }
}

/// Calls a function directly, outside of any run.
public struct CallFunctionRequest: Codable, Sendable, Equatable {
    /// The function's name.
    public var name: String
    /// What to pass to it; an empty object when absent.
    public var arguments: JSONValue?
    /// Where relative file paths start.
    public var directory: String?
    /// How long to wait for the answer, in milliseconds; as long as it takes when absent.
    public var timeoutMs: Int?

    public init(
        name: String,
        arguments: JSONValue? = nil,
        directory: String? = nil,
        timeoutMs: Int? = nil
    ) {
        self.name = name
        self.arguments = arguments
        self.directory = directory
        self.timeoutMs = timeoutMs
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case arguments = "arguments"
        case directory = "directory"
        case timeoutMs = "timeout_ms"
    }
}

/// Cancels a run.
public struct CancelRunRequest: Codable, Sendable, Equatable {
    /// Its id.
    public var id: RunId
    /// Why, for its history.
    public var reason: String?

    public init(
        id: RunId,
        reason: String? = nil
    ) {
        self.id = id
        self.reason = reason
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case reason = "reason"
    }
}

/// Cancels many runs, some with each call. Without states in the filter these are all that have not ended.
public struct CancelRunsRequest: Codable, Sendable, Equatable {
    /// Which runs; all of the owner that have not ended when absent.
    public var filter: RunSelection?
    /// Why, for their history.
    public var reason: String?
    /// Whether only to count the runs and change nothing.
    public var dryRun: Bool
    /// The `next` of the call before; absent for the first call.
    public var after: String?
    /// How many runs to cancel at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        filter: RunSelection? = nil,
        reason: String? = nil,
        dryRun: Bool = false,
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.filter = filter
        self.reason = reason
        self.dryRun = dryRun
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case filter = "filter"
        case reason = "reason"
        case dryRun = "dry_run"
        case after = "after"
        case limit = "limit"
    }
}

/// An external resource whose text is different, or to which only one document leads.
public struct ChangedResource: Codable, Sendable, Equatable {
    /// Where it is.
    public var uri: String
    /// SHA-256 of the text that the first document is kept with, in hexadecimal; absent when it does not lead to
    /// it.
    public var from: String?
    /// SHA-256 of the text that the second document is kept with, in hexadecimal; absent when it does not lead to
    /// it.
    public var to: String?

    public init(
        uri: String,
        from: String? = nil,
        to: String? = nil
    ) {
        self.uri = uri
        self.from = from
        self.to = to
    }

    private enum CodingKeys: String, CodingKey {
        case uri = "uri"
        case from = "from"
        case to = "to"
    }
}

/// What became of one run.
public struct ChangedRun: Codable, Sendable, Equatable {
    /// Its id.
    public var id: RunId
    /// Its state now; absent when it could not be changed.
    public var status: RunStatus?
    /// The run that repeats it.
    public var newId: RunId?
    /// Why it could not be changed.
    public var error: ErrorReport?

    public init(
        id: RunId,
        status: RunStatus? = nil,
        newId: RunId? = nil,
        error: ErrorReport? = nil
    ) {
        self.id = id
        self.status = status
        self.newId = newId
        self.error = error
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case status = "status"
        case newId = "new_id"
        case error = "error"
    }
}

/// What became of the runs that one call was to change.
public struct ChangedRuns: Codable, Sendable, Equatable {
    /// How many runs the filter showed when the call began, on this page or another.
    public var matched: Int
    /// The runs of this call, the newest first; none in a dry run.
    public var items: [ChangedRun]
    /// What to pass as `after` to go on; absent when there are no more.
    public var next: String?

    public init(
        matched: Int,
        items: [ChangedRun],
        next: String? = nil
    ) {
        self.matched = matched
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case matched = "matched"
        case items = "items"
        case next = "next"
    }
}

/// A task that is different.
public struct ChangedTask: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Its JSON pointer in the first document.
    public var from: String
    /// Its JSON pointer in the second document.
    public var to: String
    /// What differs.
    public var members: [MemberChange]

    public init(
        name: String,
        from: String,
        to: String,
        members: [MemberChange]
    ) {
        self.name = name
        self.from = from
        self.to = to
        self.members = members
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case from = "from"
        case to = "to"
        case members = "members"
    }
}

/// One event in the CloudEvents 1.0.2 JSON format, with `data` as JSON.
public struct CloudEvent: Codable, Sendable, Equatable {
    /// Identifies the event together with `source`; the log stores such a pair once.
    public var id: String
    /// Where the event comes from, a URI reference.
    public var source: String
    /// What kind of event it is, e.g. `com.example.order.placed.v1`.
    public var type: String
    /// The version of the specification, `1.0`.
    public var specversion: String
    /// When it happened.
    public var time: String?
    /// What it is about, within the source.
    public var subject: String?
    /// The media type of `data`; `application/json` when absent.
    public var datacontenttype: String?
    /// The schema that `data` adheres to, a URI.
    public var dataschema: String?
    /// What happened.
    public var data: JSONValue?
    /// Every other member.
    public var extensions: [String: JSONValue]

    public init(
        id: String,
        source: String,
        type: String,
        specversion: String = "1.0",
        time: String? = nil,
        subject: String? = nil,
        datacontenttype: String? = nil,
        dataschema: String? = nil,
        data: JSONValue? = nil,
        extensions: [String: JSONValue] = [:]
    ) {
        self.id = id
        self.source = source
        self.type = type
        self.specversion = specversion
        self.time = time
        self.subject = subject
        self.datacontenttype = datacontenttype
        self.dataschema = dataschema
        self.data = data
        self.extensions = extensions
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case source = "source"
        case type = "type"
        case specversion = "specversion"
        case time = "time"
        case subject = "subject"
        case datacontenttype = "datacontenttype"
        case dataschema = "dataschema"
        case data = "data"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        source = try container.decode(String.self, forKey: .source)
        type = try container.decode(String.self, forKey: .type)
        specversion = try container.decode(String.self, forKey: .specversion)
        time = try container.decodeIfPresent(String.self, forKey: .time)
        subject = try container.decodeIfPresent(String.self, forKey: .subject)
        datacontenttype = try container.decodeIfPresent(String.self, forKey: .datacontenttype)
        dataschema = try container.decodeIfPresent(String.self, forKey: .dataschema)
        data = try container.decodeIfPresent(JSONValue.self, forKey: .data)
        extensions = try decodeExtensions(from: decoder, except: ["id", "source", "type", "specversion", "time", "subject", "datacontenttype", "dataschema", "data"])
    }

    public func encode(to encoder: any Encoder) throws {
        try encodeExtensions(extensions, to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(source, forKey: .source)
        try container.encode(type, forKey: .type)
        try container.encode(specversion, forKey: .specversion)
        try container.encodeIfPresent(time, forKey: .time)
        try container.encodeIfPresent(subject, forKey: .subject)
        try container.encodeIfPresent(datacontenttype, forKey: .datacontenttype)
        try container.encodeIfPresent(dataschema, forKey: .dataschema)
        try container.encodeIfPresent(data, forKey: .data)
    }
}

/// How many runs of a workflow with the same key may be under way at once.
public struct ConcurrencyLimit: Codable, Sendable, Equatable {
    /// The key, computed from the run's input; empty when the limit is for all runs of the workflow.
    public var key: String
    /// How many, 1 to 10,000.
    public var limit: Int
    /// What becomes of a run that is one too many.
    public var onLimit: OnLimit

    public init(
        key: String,
        limit: Int,
        onLimit: OnLimit
    ) {
        self.key = key
        self.limit = limit
        self.onLimit = onLimit
    }

    private enum CodingKeys: String, CodingKey {
        case key = "key"
        case limit = "limit"
        case onLimit = "on_limit"
    }
}

/// Decides on an approval. Deciding the same again changes nothing; deciding otherwise, or too late, is a
/// `conflict`.
public struct DecideApprovalRequest: Codable, Sendable, Equatable {
    /// Its id.
    public var id: ApprovalId
    /// What is decided.
    public var decision: DecisionKind
    /// What to say about it.
    public var comment: String?
    /// The form as filled in.
    public var form: JSONValue?
    /// What replaces the task's input, for `edit`.
    public var input: JSONValue?

    public init(
        id: ApprovalId,
        decision: DecisionKind,
        comment: String? = nil,
        form: JSONValue? = nil,
        input: JSONValue? = nil
    ) {
        self.id = id
        self.decision = decision
        self.comment = comment
        self.form = form
        self.input = input
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case decision = "decision"
        case comment = "comment"
        case form = "form"
        case input = "input"
    }
}

/// Somebody's decision.
public struct Decision: Codable, Sendable, Equatable {
    /// What was decided.
    public var decision: DecisionKind
    /// The user who decided, of the tenant of the run.
    public var by: String
    /// What they said about it.
    public var comment: String?
    /// The form as they filled it in.
    public var form: JSONValue?
    /// The input that replaces the task's, for `edit`.
    public var input: JSONValue?

    public init(
        decision: DecisionKind,
        by: String,
        comment: String? = nil,
        form: JSONValue? = nil,
        input: JSONValue? = nil
    ) {
        self.decision = decision
        self.by = by
        self.comment = comment
        self.form = form
        self.input = input
    }

    private enum CodingKeys: String, CodingKey {
        case decision = "decision"
        case by = "by"
        case comment = "comment"
        case form = "form"
        case input = "input"
    }
}

/// What somebody decided.
public enum DecisionKind: String, Codable, Sendable, CaseIterable {
    /// The task may run.
    case approve = "approve"
    /// The task must not run.
    case reject = "reject"
    /// The task may run with another input.
    case edit = "edit"
}

/// Removes an alert rule. An alert that it had raised is resolved.
public struct DeleteAlertRequest: Codable, Sendable, Equatable {
    /// The rule's name.
    public var name: String

    public init(
        name: String
    ) {
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
    }
}

/// Removes a run that has ended, with its history and approvals. Its id and idempotency key can be used again then.
/// The runs that it started stay.
public struct DeleteRunRequest: Codable, Sendable, Equatable {
    /// Its id.
    public var id: RunId

    public init(
        id: RunId
    ) {
        self.id = id
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
    }
}

/// Removes a secret.
public struct DeleteSecretRequest: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String

    public init(
        name: String
    ) {
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
    }
}

/// Removes an imported template.
public struct DeleteTemplateRequest: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String

    public init(
        name: String
    ) {
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
    }
}

/// Removes a deployed workflow. Runs that follow it go on; its schedule ends with the last version that has one.
public struct DeleteWorkflowRequest: Codable, Sendable, Equatable {
    /// Its namespace.
    public var namespace: String
    /// Its name.
    public var name: String
    /// Its version; all versions when absent.
    public var version: String?

    public init(
        namespace: String,
        name: String,
        version: String? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
    }
}

/// Whether there was an alert rule.
public struct DeletedAlert: Codable, Sendable, Equatable {
    /// Whether there was one.
    public var deleted: Bool

    public init(
        deleted: Bool
    ) {
        self.deleted = deleted
    }

    private enum CodingKeys: String, CodingKey {
        case deleted = "deleted"
    }
}

/// Whether a secret was removed.
public struct DeletedSecret: Codable, Sendable, Equatable {
    /// Whether there was one.
    public var deleted: Bool

    public init(
        deleted: Bool
    ) {
        self.deleted = deleted
    }

    private enum CodingKeys: String, CodingKey {
        case deleted = "deleted"
    }
}

/// Whether a template was removed.
public struct DeletedTemplate: Codable, Sendable, Equatable {
    /// Whether there was one.
    public var deleted: Bool

    public init(
        deleted: Bool
    ) {
        self.deleted = deleted
    }

    private enum CodingKeys: String, CodingKey {
        case deleted = "deleted"
    }
}

/// How many versions of a workflow were removed.
public struct DeletedWorkflows: Codable, Sendable, Equatable {
    /// How many versions were removed.
    public var deleted: Int

    public init(
        deleted: Int
    ) {
        self.deleted = deleted
    }

    private enum CodingKeys: String, CodingKey {
        case deleted = "deleted"
    }
}

/// Deploys a document under the namespace, name and version it states.
public struct DeployWorkflowRequest: Codable, Sendable, Equatable {
    /// The document's text, YAML or JSON.
    public var document: String

    public init(
        document: String
    ) {
        self.document = document
    }

    private enum CodingKeys: String, CodingKey {
        case document = "document"
    }
}

/// A version of a workflow, deployed under its name.
public struct DeployedWorkflow: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// The name of the workflow.
    public var name: String
    /// The semantic version.
    public var version: String
    /// SHA-256 of the document's canonical JSON, in hexadecimal.
    public var hash: String
    /// The name people read.
    public var title: String?
    /// What it does, in Markdown.
    public var summary: String?
    /// When it was deployed.
    public var deployedAt: String
    /// When a lower version was made the latest in its place; absent for a version that is not withdrawn.
    public var withdrawnAt: String?

    public init(
        namespace: String,
        name: String,
        version: String,
        hash: String,
        title: String? = nil,
        summary: String? = nil,
        deployedAt: String,
        withdrawnAt: String? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.hash = hash
        self.title = title
        self.summary = summary
        self.deployedAt = deployedAt
        self.withdrawnAt = withdrawnAt
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
        case hash = "hash"
        case title = "title"
        case summary = "summary"
        case deployedAt = "deployed_at"
        case withdrawnAt = "withdrawn_at"
    }
}

/// A part of a list.
public struct DeployedWorkflowPage: Codable, Sendable, Equatable {
    /// The items.
    public var items: [DeployedWorkflow]
    /// What to pass as `after` to get the following page; absent on the last.
    public var next: String?

    public init(
        items: [DeployedWorkflow],
        next: String? = nil
    ) {
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case items = "items"
        case next = "next"
    }
}

/// Compares a deployed version of a workflow with another one, or with a text.
public struct DiffWorkflowsRequest: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// Its name.
    public var name: String
    /// The version to compare; the latest when absent or `latest`.
    public var from: String?
    /// The version to compare it with; the latest when absent or `latest`. Only without `document`.
    public var to: String?
    /// The text to compare it with, YAML or JSON; it need not be deployed.
    public var document: String?

    public init(
        namespace: String,
        name: String,
        from: String? = nil,
        to: String? = nil,
        document: String? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.from = from
        self.to = to
        self.document = document
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case from = "from"
        case to = "to"
        case document = "document"
    }
}

/// Nothing more to tell: it is done.
public struct Done: Codable, Sendable, Equatable {
    public init() {}
}

/// A call that would be made, or a run that would be started.
public struct DryRunCall: Codable, Sendable, Equatable {
    /// The JSON pointer of the task.
    public var task: String
    /// The function that would be called.
    public var function: String?
    /// The workflow that would be run, as `namespace/name version`.
    public var workflow: String?
    /// Its arguments or input, with `***` in the place of secrets.
    public var arguments: JSONValue
    /// Whether an answer was given for it.
    public var isAnswered: Bool
    /// Whether it is certain that the call would be made like this: no call before it was without an answer.
    public var isCertain: Bool

    public init(
        task: String,
        function: String? = nil,
        workflow: String? = nil,
        arguments: JSONValue,
        isAnswered: Bool,
        isCertain: Bool
    ) {
        self.task = task
        self.function = function
        self.workflow = workflow
        self.arguments = arguments
        self.isAnswered = isAnswered
        self.isCertain = isCertain
    }

    private enum CodingKeys: String, CodingKey {
        case task = "task"
        case function = "function"
        case workflow = "workflow"
        case arguments = "arguments"
        case isAnswered = "is_answered"
        case isCertain = "is_certain"
    }
}

/// What a run would do, as far as that can be known.
public struct DryRunReport: Codable, Sendable, Equatable {
    /// How it would end; `running` when it would wait for an event, or goes on beyond the limits of a dry run.
    public var status: RunStatus
    /// Whether all of this follows from the given answers and decisions. From the first call without one on it is a
    /// guess: the call is taken to succeed with `{"unknown": task}`, and what people are asked to be approved.
    public var isCertain: Bool
    /// Whether it was stopped because it goes on for too long.
    public var isCut: Bool
    /// Its output, if it would complete.
    public var output: JSONValue?
    /// Its error, if it would fault.
    public var error: WorkflowError?
    /// The calls it would make and the runs it would start, in order.
    public var calls: [DryRunCall]
    /// The events it would publish.
    public var events: [CloudEvent]
    /// What it would wait for in the end.
    public var waits: [RunWait]
    /// What would happen, task by task. Time passes as if every call answered at once.
    public var records: [HistoryEntry]

    public init(
        status: RunStatus,
        isCertain: Bool,
        isCut: Bool,
        output: JSONValue? = nil,
        error: WorkflowError? = nil,
        calls: [DryRunCall],
        events: [CloudEvent],
        waits: [RunWait],
        records: [HistoryEntry]
    ) {
        self.status = status
        self.isCertain = isCertain
        self.isCut = isCut
        self.output = output
        self.error = error
        self.calls = calls
        self.events = events
        self.waits = waits
        self.records = records
    }

    private enum CodingKeys: String, CodingKey {
        case status = "status"
        case isCertain = "is_certain"
        case isCut = "is_cut"
        case output = "output"
        case error = "error"
        case calls = "calls"
        case events = "events"
        case waits = "waits"
        case records = "records"
    }
}

/// Carries a workflow out without any effect, to show what a run of it would do.
public struct DryRunWorkflowRequest: Codable, Sendable, Equatable {
    /// The deployed workflow; either this or `document`.
    public var workflow: WorkflowReference?
    /// The text of the document, YAML or JSON; either this or `workflow`.
    public var document: String?
    /// The input; an empty object when absent.
    public var input: JSONValue?
    /// What calls and awaited runs answer, by the JSON pointer of their task, e.g. `/do/0/read`: the same each time
    /// the task runs. A call without an answer gives `{"unknown": task}`.
    public var answers: [String: JSONValue]
    /// What people decide where a task asks for an approval, by the JSON pointer of the task; approved, by nobody
    /// known, where nothing is given.
    public var decisions: [String: Decision]
    /// The events that come, in order, each once a task listens and no call is under way.
    public var events: [EventDraft]?

    public init(
        workflow: WorkflowReference? = nil,
        document: String? = nil,
        input: JSONValue? = nil,
        answers: [String: JSONValue] = [:],
        decisions: [String: Decision] = [:],
        events: [EventDraft]? = nil
    ) {
        self.workflow = workflow
        self.document = document
        self.input = input
        self.answers = answers
        self.decisions = decisions
        self.events = events
    }

    private enum CodingKeys: String, CodingKey {
        case workflow = "workflow"
        case document = "document"
        case input = "input"
        case answers = "answers"
        case decisions = "decisions"
        case events = "events"
    }
}

/// What things took that completed. Each number but the mean is right to within 5 %.
public struct DurationStatistics: Codable, Sendable, Equatable {
    /// The mean, in milliseconds.
    public var meanMs: Double
    /// What half of them did not exceed, in milliseconds.
    public var p50Ms: Double
    /// What 95 % of them did not exceed, in milliseconds.
    public var p95Ms: Double
    /// What 99 % of them did not exceed, in milliseconds.
    public var p99Ms: Double

    public init(
        meanMs: Double,
        p50Ms: Double,
        p95Ms: Double,
        p99Ms: Double
    ) {
        self.meanMs = meanMs
        self.p50Ms = p50Ms
        self.p95Ms = p95Ms
        self.p99Ms = p99Ms
    }

    private enum CodingKeys: String, CodingKey {
        case meanMs = "mean_ms"
        case p50Ms = "p50_ms"
        case p95Ms = "p95_ms"
        case p99Ms = "p99_ms"
    }
}

/// Whether the engine works.
public struct EngineHealth: Codable, Sendable, Equatable {
    /// The state of the whole.
    public var status: HealthStatus
    /// The state of the store.
    public var storage: StorageHealth
    /// The state of the runs.
    public var runs: RunsHealth

    public init(
        status: HealthStatus,
        storage: StorageHealth,
        runs: RunsHealth
    ) {
        self.status = status
        self.storage = storage
        self.runs = runs
    }

    private enum CodingKeys: String, CodingKey {
        case status = "status"
        case storage = "storage"
        case runs = "runs"
    }
}

/// What the engine is.
public struct EngineInfo: Codable, Sendable, Equatable {
    /// `atom`.
    public var name: String
    /// The engine's version.
    public var version: String
    /// The version of the workflow machine; runs of this version and older ones go on.
    public var machineVersion: Int
    /// Where workflows, runs, events and secrets are kept.
    public var storage: StorageKind
    /// The folder that holds the store, when it is on disk.
    public var dataDir: String?
    /// How many operations there are.
    public var operations: Int

    public init(
        name: String,
        version: String,
        machineVersion: Int,
        storage: StorageKind,
        dataDir: String? = nil,
        operations: Int
    ) {
        self.name = name
        self.version = version
        self.machineVersion = machineVersion
        self.storage = storage
        self.dataDir = dataDir
        self.operations = operations
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case version = "version"
        case machineVersion = "machine_version"
        case storage = "storage"
        case dataDir = "data_dir"
        case operations = "operations"
    }
}

/// What went wrong, as a stable snake_case code that programs may match on.
public enum ErrorCode: String, Codable, Sendable, CaseIterable {
    /// The request is malformed or breaks a documented rule.
    case invalidRequest = "invalid_request"
    /// A workflow document is malformed; `context` holds `line`, `column` and `path`.
    case invalidWorkflow = "invalid_workflow"
    /// Data read from outside (a mailbox, a calendar, a journal) is malformed.
    case invalidData = "invalid_data"
    /// An expression failed to compile or to evaluate.
    case invalidExpression = "invalid_expression"
    /// The named thing does not exist for this principal.
    case notFound = "not_found"
    /// The thing to create exists already and differs.
    case alreadyExists = "already_exists"
    /// The request clashes with the present state, e.g. a signal to a finished run.
    case conflict = "conflict"
    /// The principal lacks a permission, or a setting forbids the access.
    case permissionDenied = "permission_denied"
    /// A credential was refused by the service.
    case unauthenticated = "unauthenticated"
    /// A size, time or count limit was passed.
    case limitExceeded = "limit_exceeded"
    /// The service asks to slow down.
    case rateLimited = "rate_limited"
    /// A deadline passed before the answer came.
    case timeout = "timeout"
    /// The caller cancelled the operation.
    case cancelled = "cancelled"
    /// A service or peer cannot be reached or failed for the moment.
    case unavailable = "unavailable"
    /// A service answered with an error that trying again will not change.
    case upstream = "upstream"
    /// The engine does not offer this; nothing was done.
    case unsupported = "unsupported"
    /// Another engine has the data directory open.
    case locked = "locked"
    /// The disk is full; nothing already stored was lost.
    case storageFull = "storage_full"
    /// The store cannot be read or written.
    case storageFailed = "storage_failed"
    /// The store was written by a newer version of the engine.
    case versionMismatch = "version_mismatch"
    /// The engine was closed.
    case closed = "closed"
    /// The process forked after the engine was opened; open a new engine in the child.
    case forked = "forked"
    /// A function of the host application failed.
    case hostFailed = "host_failed"
    /// A run ended in a fault; `context` holds its error.
    case runFaulted = "run_faulted"
    /// A defect of the engine. Please report it.
    case `internal` = "internal"
}

/// The wire form of [`Error`]: what hosts, the command line and run histories show.
public struct ErrorReport: Codable, Sendable, Equatable {
    /// What went wrong.
    public var code: ErrorCode
    /// Whether the same call is worth trying again.
    public var retry: Retry
    /// The operation that failed, when known.
    public var operation: String?
    /// What happened and what to do next.
    public var message: String
    /// Facts that help to find the cause.
    public var context: [String: String]
    /// The messages of the errors that caused this one, nearest first.
    public var cause: [String]

    public init(
        code: ErrorCode,
        retry: Retry = .no,
        operation: String? = nil,
        message: String,
        context: [String: String] = [:],
        cause: [String] = []
    ) {
        self.code = code
        self.retry = retry
        self.operation = operation
        self.message = message
        self.context = context
        self.cause = cause
    }

    private enum CodingKeys: String, CodingKey {
        case code = "code"
        case retry = "retry"
        case operation = "operation"
        case message = "message"
        case context = "context"
        case cause = "cause"
    }
}

/// An event to publish, in the CloudEvents 1.0.2 JSON format. What is absent is filled in.
public struct EventDraft: Codable, Sendable, Equatable {
    /// Identifies the event together with `source`, so that publishing it again changes nothing; a new id when
    /// absent.
    public var id: String?
    /// Where the event comes from, a URI reference; `/atom` when absent.
    public var source: String?
    /// What kind of event it is, e.g. `com.example.order.placed.v1`.
    public var type: String
    /// The version of the specification, `1.0`.
    public var specversion: String?
    /// When it happened; now when absent.
    public var time: String?
    /// What it is about, within the source.
    public var subject: String?
    /// The media type of `data`; `application/json` when absent.
    public var datacontenttype: String?
    /// The schema that `data` adheres to, a URI.
    public var dataschema: String?
    /// What happened.
    public var data: JSONValue?
    /// Every other member.
    public var extensions: [String: JSONValue]

    public init(
        id: String? = nil,
        source: String? = nil,
        type: String,
        specversion: String? = nil,
        time: String? = nil,
        subject: String? = nil,
        datacontenttype: String? = nil,
        dataschema: String? = nil,
        data: JSONValue? = nil,
        extensions: [String: JSONValue] = [:]
    ) {
        self.id = id
        self.source = source
        self.type = type
        self.specversion = specversion
        self.time = time
        self.subject = subject
        self.datacontenttype = datacontenttype
        self.dataschema = dataschema
        self.data = data
        self.extensions = extensions
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case source = "source"
        case type = "type"
        case specversion = "specversion"
        case time = "time"
        case subject = "subject"
        case datacontenttype = "datacontenttype"
        case dataschema = "dataschema"
        case data = "data"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decodeIfPresent(String.self, forKey: .id)
        source = try container.decodeIfPresent(String.self, forKey: .source)
        type = try container.decode(String.self, forKey: .type)
        specversion = try container.decodeIfPresent(String.self, forKey: .specversion)
        time = try container.decodeIfPresent(String.self, forKey: .time)
        subject = try container.decodeIfPresent(String.self, forKey: .subject)
        datacontenttype = try container.decodeIfPresent(String.self, forKey: .datacontenttype)
        dataschema = try container.decodeIfPresent(String.self, forKey: .dataschema)
        data = try container.decodeIfPresent(JSONValue.self, forKey: .data)
        extensions = try decodeExtensions(from: decoder, except: ["id", "source", "type", "specversion", "time", "subject", "datacontenttype", "dataschema", "data"])
    }

    public func encode(to encoder: any Encoder) throws {
        try encodeExtensions(extensions, to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(id, forKey: .id)
        try container.encodeIfPresent(source, forKey: .source)
        try container.encode(type, forKey: .type)
        try container.encodeIfPresent(specversion, forKey: .specversion)
        try container.encodeIfPresent(time, forKey: .time)
        try container.encodeIfPresent(subject, forKey: .subject)
        try container.encodeIfPresent(datacontenttype, forKey: .datacontenttype)
        try container.encodeIfPresent(dataschema, forKey: .dataschema)
        try container.encodeIfPresent(data, forKey: .data)
    }
}

/// Events in the order of the log.
public struct EventPage: Codable, Sendable, Equatable {
    /// The events; fewer than the limit when the log ends here.
    public var events: [LoggedEvent]
    /// What to pass as `after` to go on from here, now or once there are more.
    public var next: Int

    public init(
        events: [LoggedEvent],
        next: Int
    ) {
        self.events = events
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case events = "events"
        case next = "next"
    }
}

/// Takes a run out as one JSON document, with its workflow's document and its journal. It holds no secret.
public struct ExportRunRequest: Codable, Sendable, Equatable {
    /// The run's id.
    public var id: RunId

    public init(
        id: RunId
    ) {
        self.id = id
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
    }
}

/// Follows what happens to a run.
public struct FollowRunRequest: Codable, Sendable, Equatable {
    /// Its id.
    public var id: RunId
    /// The offset of the history after which to begin; the beginning when absent.
    public var after: Int

    public init(
        id: RunId,
        after: Int = 0
    ) {
        self.id = id
        self.after = after
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case after = "after"
    }
}

/// What a function is called, takes and gives.
public struct FunctionInfo: Codable, Sendable, Equatable {
    /// The name that `call:` uses: lower-case words joined by `_`, grouped by `.`, e.g. `mailbox.messages.list`.
    public var name: String
    /// One sentence for people and models.
    public var description: String
    /// JSON Schema of the arguments; `true` accepts anything.
    public var inputSchema: JSONValue
    /// JSON Schema of the result; `true` for anything.
    public var outputSchema: JSONValue
    /// Whether the function changes nothing outside and may be called twice without harm.
    public var isReadOnly: Bool

    public init(
        name: String,
        description: String = "",
        inputSchema: JSONValue,
        outputSchema: JSONValue,
        isReadOnly: Bool = false
    ) {
        self.name = name
        self.description = description
        self.inputSchema = inputSchema
        self.outputSchema = outputSchema
        self.isReadOnly = isReadOnly
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case description = "description"
        case inputSchema = "input_schema"
        case outputSchema = "output_schema"
        case isReadOnly = "is_read_only"
    }
}

/// Functions, sorted by name.
public struct FunctionList: Codable, Sendable, Equatable {
    /// The functions.
    public var functions: [FunctionInfo]

    public init(
        functions: [FunctionInfo]
    ) {
        self.functions = functions
    }

    private enum CodingKeys: String, CodingKey {
        case functions = "functions"
    }
}

/// What a function gave.
public struct FunctionOutput: Codable, Sendable, Equatable {
    /// The result.
    public var output: JSONValue

    public init(
        output: JSONValue
    ) {
        self.output = output
    }

    private enum CodingKeys: String, CodingKey {
        case output = "output"
    }
}

/// Asks for an alert rule.
public struct GetAlertRequest: Codable, Sendable, Equatable {
    /// The rule's name.
    public var name: String

    public init(
        name: String
    ) {
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
    }
}

/// Asks for one approval.
public struct GetApprovalRequest: Codable, Sendable, Equatable {
    /// Its id.
    public var id: ApprovalId

    public init(
        id: ApprovalId
    ) {
        self.id = id
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
    }
}

/// Asks whether the engine works.
public struct GetEngineHealthRequest: Codable, Sendable, Equatable {
    public init() {}
}

/// Asks what the engine is.
public struct GetEngineInfoRequest: Codable, Sendable, Equatable {
    public init() {}
}

/// Asks about one function.
public struct GetFunctionRequest: Codable, Sendable, Equatable {
    /// The function's name.
    public var name: String

    public init(
        name: String
    ) {
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
    }
}

/// Asks what has happened to a run.
public struct GetRunHistoryRequest: Codable, Sendable, Equatable {
    /// Its id.
    public var id: RunId
    /// The offset of the history after which to begin: the `next` of the page before; the beginning when absent.
    public var after: Int
    /// How many records at most, 1 to 1000; 1000 when absent.
    public var limit: Int?

    public init(
        id: RunId,
        after: Int = 0,
        limit: Int? = nil
    ) {
        self.id = id
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case after = "after"
        case limit = "limit"
    }
}

/// Asks for one run.
public struct GetRunRequest: Codable, Sendable, Equatable {
    /// Its id.
    public var id: RunId
    /// Whether to answer only when the run has ended.
    public var wait: Bool
    /// How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is answered
    /// as it is.
    public var waitTimeoutMs: Int?

    public init(
        id: RunId,
        wait: Bool = false,
        waitTimeoutMs: Int? = nil
    ) {
        self.id = id
        self.wait = wait
        self.waitTimeoutMs = waitTimeoutMs
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case wait = "wait"
        case waitTimeoutMs = "wait_timeout_ms"
    }
}

/// Asks for the schedule of one workflow.
public struct GetScheduleRequest: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// Its name.
    public var name: String

    public init(
        namespace: String,
        name: String
    ) {
        self.namespace = namespace
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
    }
}

/// Asks how the tasks of a workflow fared. An execution counts in the hour in which its run ended.
public struct GetStepStatisticsRequest: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// Its name.
    public var name: String
    /// Of this version only.
    public var version: String?
    /// Whether each version has numbers of its own.
    public var byVersion: Bool
    /// The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end
    /// when absent.
    public var from: String?
    /// The end of the time range, taken forward to the end of its hour, or day; now when absent.
    public var before: String?
    /// How the time range is divided, into 1000 parts at most; not at all when absent.
    public var interval: StatisticsInterval?
    /// The `next` of the page before; absent for the first page.
    public var after: String?
    /// How many tasks at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        namespace: String,
        name: String,
        version: String? = nil,
        byVersion: Bool = false,
        from: String? = nil,
        before: String? = nil,
        interval: StatisticsInterval? = nil,
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.byVersion = byVersion
        self.from = from
        self.before = before
        self.interval = interval
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
        case byVersion = "by_version"
        case from = "from"
        case before = "before"
        case interval = "interval"
        case after = "after"
        case limit = "limit"
    }
}

/// Asks for a template.
public struct GetTemplateRequest: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String

    public init(
        name: String
    ) {
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
    }
}

/// Asks for one deployed workflow.
public struct GetWorkflowRequest: Codable, Sendable, Equatable {
    /// Its namespace.
    public var namespace: String
    /// Its name.
    public var name: String
    /// Its version; the latest when absent or `latest`: the highest that is not withdrawn.
    public var version: String?

    public init(
        namespace: String,
        name: String,
        version: String? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
    }
}

/// Asks how the runs of workflows fared. A run counts in the hour in which it began, and again in the one in which
/// it ended.
public struct GetWorkflowStatisticsRequest: Codable, Sendable, Equatable {
    /// Of workflows with this namespace only.
    public var namespace: String?
    /// Of workflows with this name only.
    public var name: String?
    /// Of this version only.
    public var version: String?
    /// Whether each version has numbers of its own.
    public var byVersion: Bool
    /// The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end
    /// when absent.
    public var from: String?
    /// The end of the time range, taken forward to the end of its hour, or day; now when absent.
    public var before: String?
    /// How the time range is divided, into 1000 parts at most; not at all when absent.
    public var interval: StatisticsInterval?
    /// The `next` of the page before; absent for the first page.
    public var after: String?
    /// How many workflows at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        namespace: String? = nil,
        name: String? = nil,
        version: String? = nil,
        byVersion: Bool = false,
        from: String? = nil,
        before: String? = nil,
        interval: StatisticsInterval? = nil,
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.byVersion = byVersion
        self.from = from
        self.before = before
        self.interval = interval
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
        case byVersion = "by_version"
        case from = "from"
        case before = "before"
        case interval = "interval"
        case after = "after"
        case limit = "limit"
    }
}

/// Whether something works.
public enum HealthStatus: String, Codable, Sendable, CaseIterable {
    /// It works.
    case ok = "ok"
    /// It does not.
    case failing = "failing"
}

/// One line of a run's history.
public struct HistoryEntry: Codable, Sendable, Equatable {
    /// Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on
    /// with a new journal, so the first that is there may be later.
    public var offset: Int
    /// When it happened.
    public var at: String
    /// The JSON pointer of the task in the document; absent for the run itself.
    public var task: String?
    /// The number of the execution of the task, unique within the run: a task in a loop is executed many times.
    public var step: Int?
    /// What happened.
    public var change: Change

    public init(
        offset: Int,
        at: String,
        task: String? = nil,
        step: Int? = nil,
        change: Change
    ) {
        self.offset = offset
        self.at = at
        self.task = task
        self.step = step
        self.change = change
    }

    private enum CodingKeys: String, CodingKey {
        case offset = "offset"
        case at = "at"
        case task = "task"
        case step = "step"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        offset = try container.decode(Int.self, forKey: .offset)
        at = try container.decode(String.self, forKey: .at)
        task = try container.decodeIfPresent(String.self, forKey: .task)
        step = try container.decodeIfPresent(Int.self, forKey: .step)
        change = try Change(from: decoder)
    }

    public func encode(to encoder: any Encoder) throws {
        try change.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(offset, forKey: .offset)
        try container.encode(at, forKey: .at)
        try container.encodeIfPresent(task, forKey: .task)
        try container.encodeIfPresent(step, forKey: .step)
    }

    /// What happened.
    public enum Change: Codable, Sendable, Equatable {
        /// The run began.
        case runStarted
        /// The run waits for its turn, as its document limits how many runs go on at once.
        case runQueued
        /// The turn of the run has come; it goes on where the run that it repeats was.
        case runAdmitted
        /// The run went on with a new journal, as the one it had was long: what came before is no longer part of
        /// its history.
        case runContinued
        /// The run ended with an output.
        case runCompleted(output: JSONValue)
        /// The run ended with an error.
        case runFaulted(error: WorkflowError)
        /// The run was cancelled.
        case runCancelled(reason: String?)
        /// The run was paused.
        case runPaused(reason: String?)
        /// The run was resumed.
        case runResumed
        /// The run was moved to another version of its workflow.
        case runMigrated(from: WorkflowVersion, to: WorkflowVersion)
        /// The run failed, or was cancelled, and what it has done is being undone.
        case runCompensating(error: WorkflowError?)
        /// An event was sent to the run.
        case runSignalled(eventType: String)
        /// The task began.
        case taskStarted
        /// An extension did not apply to the task, as its condition could not be computed for it.
        case taskExtensionSkipped(`extension`: String, error: WorkflowError)
        /// The task's `if` was not true.
        case taskSkipped
        /// The task waits for somebody's decision.
        case taskAwaitingApproval(approval: ApprovalId, title: String, deadline: String?)
        /// Somebody decided, or the deadline decided for them.
        case taskDecided(decision: DecisionKind, by: String?, comment: String?)
        /// The task consumed an event.
        case taskReceived(eventType: String)
        /// The task consumed a message.
        case taskConsumed
        /// The task ended with an output.
        case taskCompleted(output: JSONValue)
        /// The task ended with an error.
        case taskFaulted(error: WorkflowError)
        /// The task caught an error and will try again.
        case taskRetried(error: WorkflowError, retry: Int, nextAt: String)
        /// The completed task is being undone.
        case taskCompensating(attempt: Int)
        /// The completed task has been undone.
        case taskCompensated
        /// Undoing the completed task failed.
        case taskCompensationFaulted(error: WorkflowError, nextAt: String?)
        /// The task was stopped before it ended.
        case taskCancelled

        private enum CodingKeys: String, CodingKey {
            case variantTag = "type"
            case approval = "approval"
            case attempt = "attempt"
            case by = "by"
            case comment = "comment"
            case deadline = "deadline"
            case decision = "decision"
            case error = "error"
            case eventType = "event_type"
            case `extension` = "extension"
            case from = "from"
            case nextAt = "next_at"
            case output = "output"
            case reason = "reason"
            case retry = "retry"
            case title = "title"
            case to = "to"
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            switch try container.decode(String.self, forKey: .variantTag) {
            case "run_started":
                self = .runStarted
            case "run_queued":
                self = .runQueued
            case "run_admitted":
                self = .runAdmitted
            case "run_continued":
                self = .runContinued
            case "run_completed":
                self = .runCompleted(output: try container.decode(JSONValue.self, forKey: .output))
            case "run_faulted":
                self = .runFaulted(error: try container.decode(WorkflowError.self, forKey: .error))
            case "run_cancelled":
                self = .runCancelled(reason: try container.decodeIfPresent(String.self, forKey: .reason))
            case "run_paused":
                self = .runPaused(reason: try container.decodeIfPresent(String.self, forKey: .reason))
            case "run_resumed":
                self = .runResumed
            case "run_migrated":
                self = .runMigrated(from: try container.decode(WorkflowVersion.self, forKey: .from), to: try container.decode(WorkflowVersion.self, forKey: .to))
            case "run_compensating":
                self = .runCompensating(error: try container.decodeIfPresent(WorkflowError.self, forKey: .error))
            case "run_signalled":
                self = .runSignalled(eventType: try container.decode(String.self, forKey: .eventType))
            case "task_started":
                self = .taskStarted
            case "task_extension_skipped":
                self = .taskExtensionSkipped(`extension`: try container.decode(String.self, forKey: .`extension`), error: try container.decode(WorkflowError.self, forKey: .error))
            case "task_skipped":
                self = .taskSkipped
            case "task_awaiting_approval":
                self = .taskAwaitingApproval(approval: try container.decode(ApprovalId.self, forKey: .approval), title: try container.decode(String.self, forKey: .title), deadline: try container.decodeIfPresent(String.self, forKey: .deadline))
            case "task_decided":
                self = .taskDecided(decision: try container.decode(DecisionKind.self, forKey: .decision), by: try container.decodeIfPresent(String.self, forKey: .by), comment: try container.decodeIfPresent(String.self, forKey: .comment))
            case "task_received":
                self = .taskReceived(eventType: try container.decode(String.self, forKey: .eventType))
            case "task_consumed":
                self = .taskConsumed
            case "task_completed":
                self = .taskCompleted(output: try container.decode(JSONValue.self, forKey: .output))
            case "task_faulted":
                self = .taskFaulted(error: try container.decode(WorkflowError.self, forKey: .error))
            case "task_retried":
                self = .taskRetried(error: try container.decode(WorkflowError.self, forKey: .error), retry: try container.decode(Int.self, forKey: .retry), nextAt: try container.decode(String.self, forKey: .nextAt))
            case "task_compensating":
                self = .taskCompensating(attempt: try container.decode(Int.self, forKey: .attempt))
            case "task_compensated":
                self = .taskCompensated
            case "task_compensation_faulted":
                self = .taskCompensationFaulted(error: try container.decode(WorkflowError.self, forKey: .error), nextAt: try container.decodeIfPresent(String.self, forKey: .nextAt))
            case "task_cancelled":
                self = .taskCancelled
            case let other:
                throw DecodingError.dataCorruptedError(
                    forKey: .variantTag, in: container, debugDescription: "'\(other)' is not known")
            }
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            switch self {
            case .runStarted:
                try container.encode("run_started", forKey: .variantTag)
            case .runQueued:
                try container.encode("run_queued", forKey: .variantTag)
            case .runAdmitted:
                try container.encode("run_admitted", forKey: .variantTag)
            case .runContinued:
                try container.encode("run_continued", forKey: .variantTag)
            case .runCompleted(let output):
                try container.encode("run_completed", forKey: .variantTag)
                try container.encode(output, forKey: .output)
            case .runFaulted(let error):
                try container.encode("run_faulted", forKey: .variantTag)
                try container.encode(error, forKey: .error)
            case .runCancelled(let reason):
                try container.encode("run_cancelled", forKey: .variantTag)
                try container.encodeIfPresent(reason, forKey: .reason)
            case .runPaused(let reason):
                try container.encode("run_paused", forKey: .variantTag)
                try container.encodeIfPresent(reason, forKey: .reason)
            case .runResumed:
                try container.encode("run_resumed", forKey: .variantTag)
            case .runMigrated(let from, let to):
                try container.encode("run_migrated", forKey: .variantTag)
                try container.encode(from, forKey: .from)
                try container.encode(to, forKey: .to)
            case .runCompensating(let error):
                try container.encode("run_compensating", forKey: .variantTag)
                try container.encodeIfPresent(error, forKey: .error)
            case .runSignalled(let eventType):
                try container.encode("run_signalled", forKey: .variantTag)
                try container.encode(eventType, forKey: .eventType)
            case .taskStarted:
                try container.encode("task_started", forKey: .variantTag)
            case .taskExtensionSkipped(let `extension`, let error):
                try container.encode("task_extension_skipped", forKey: .variantTag)
                try container.encode(`extension`, forKey: .`extension`)
                try container.encode(error, forKey: .error)
            case .taskSkipped:
                try container.encode("task_skipped", forKey: .variantTag)
            case .taskAwaitingApproval(let approval, let title, let deadline):
                try container.encode("task_awaiting_approval", forKey: .variantTag)
                try container.encode(approval, forKey: .approval)
                try container.encode(title, forKey: .title)
                try container.encodeIfPresent(deadline, forKey: .deadline)
            case .taskDecided(let decision, let by, let comment):
                try container.encode("task_decided", forKey: .variantTag)
                try container.encode(decision, forKey: .decision)
                try container.encodeIfPresent(by, forKey: .by)
                try container.encodeIfPresent(comment, forKey: .comment)
            case .taskReceived(let eventType):
                try container.encode("task_received", forKey: .variantTag)
                try container.encode(eventType, forKey: .eventType)
            case .taskConsumed:
                try container.encode("task_consumed", forKey: .variantTag)
            case .taskCompleted(let output):
                try container.encode("task_completed", forKey: .variantTag)
                try container.encode(output, forKey: .output)
            case .taskFaulted(let error):
                try container.encode("task_faulted", forKey: .variantTag)
                try container.encode(error, forKey: .error)
            case .taskRetried(let error, let retry, let nextAt):
                try container.encode("task_retried", forKey: .variantTag)
                try container.encode(error, forKey: .error)
                try container.encode(retry, forKey: .retry)
                try container.encode(nextAt, forKey: .nextAt)
            case .taskCompensating(let attempt):
                try container.encode("task_compensating", forKey: .variantTag)
                try container.encode(attempt, forKey: .attempt)
            case .taskCompensated:
                try container.encode("task_compensated", forKey: .variantTag)
            case .taskCompensationFaulted(let error, let nextAt):
                try container.encode("task_compensation_faulted", forKey: .variantTag)
                try container.encode(error, forKey: .error)
                try container.encodeIfPresent(nextAt, forKey: .nextAt)
            case .taskCancelled:
                try container.encode("task_cancelled", forKey: .variantTag)
            }
        }
    }
}

/// Makes a document from a template.
public struct InstantiateTemplateRequest: Codable, Sendable, Equatable {
    /// The template's name.
    public var name: String
    /// The values of its form; the defaults where absent.
    public var parameters: [String: JSONValue]
    /// The namespace to give to the workflow; the template's when absent.
    public var workflowNamespace: String?
    /// The name to give to the workflow; the template's when absent.
    public var workflowName: String?
    /// The version to give to the workflow; the template's when absent.
    public var workflowVersion: String?

    public init(
        name: String,
        parameters: [String: JSONValue] = [:],
        workflowNamespace: String? = nil,
        workflowName: String? = nil,
        workflowVersion: String? = nil
    ) {
        self.name = name
        self.parameters = parameters
        self.workflowNamespace = workflowNamespace
        self.workflowName = workflowName
        self.workflowVersion = workflowVersion
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case parameters = "parameters"
        case workflowNamespace = "workflow_namespace"
        case workflowName = "workflow_name"
        case workflowVersion = "workflow_version"
    }
}

/// A document made from a template, to be deployed or run.
public struct InstantiatedTemplate: Codable, Sendable, Equatable {
    /// The document's text, JSON.
    public var document: String
    /// The secrets that must be set before it can run.
    public var secrets: [String]

    public init(
        document: String,
        secrets: [String]
    ) {
        self.document = document
        self.secrets = secrets
    }

    private enum CodingKeys: String, CodingKey {
        case document = "document"
        case secrets = "secrets"
    }
}

/// Asks which alert rules there are.
public struct ListAlertsRequest: Codable, Sendable, Equatable {
    /// The `next` of the page before; absent for the first page.
    public var after: String?
    /// How many rules at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case after = "after"
        case limit = "limit"
    }
}

/// Asks which approvals there are: those of the caller's own runs, and those of other users of the tenant that the
/// caller may decide.
public struct ListApprovalsRequest: Codable, Sendable, Equatable {
    /// Only approvals in this state.
    public var status: ApprovalStatus?
    /// Only approvals of this run.
    public var run: RunId?
    /// Only approvals of workflows in this namespace.
    public var namespace: String?
    /// Only approvals of workflows with this name.
    public var name: String?
    /// Only approvals that the caller may decide.
    public var isAssigned: Bool
    /// The `next` of the page before; absent for the first page.
    public var after: String?
    /// How many approvals at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        status: ApprovalStatus? = nil,
        run: RunId? = nil,
        namespace: String? = nil,
        name: String? = nil,
        isAssigned: Bool = false,
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.status = status
        self.run = run
        self.namespace = namespace
        self.name = name
        self.isAssigned = isAssigned
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case status = "status"
        case run = "run"
        case namespace = "namespace"
        case name = "name"
        case isAssigned = "is_assigned"
        case after = "after"
        case limit = "limit"
    }
}

/// Asks for events of the caller's log.
public struct ListEventsRequest: Codable, Sendable, Equatable {
    /// The offset after which to begin; the beginning when absent.
    public var after: Int?
    /// How many events at most, 1 to 1000; 100 when absent.
    public var limit: Int?
    /// Only events of this type.
    public var type: String?

    public init(
        after: Int? = nil,
        limit: Int? = nil,
        type: String? = nil
    ) {
        self.after = after
        self.limit = limit
        self.type = type
    }

    private enum CodingKeys: String, CodingKey {
        case after = "after"
        case limit = "limit"
        case type = "type"
    }
}

/// Asks which functions there are.
public struct ListFunctionsRequest: Codable, Sendable, Equatable {
    /// Only functions whose names begin with this, e.g. `mailbox.`.
    public var prefix: String?

    public init(
        prefix: String? = nil
    ) {
        self.prefix = prefix
    }

    private enum CodingKeys: String, CodingKey {
        case prefix = "prefix"
    }
}

/// Asks what the tasks of a run took.
public struct ListRunStepsRequest: Codable, Sendable, Equatable {
    /// The run's id.
    public var id: RunId
    /// The number of the step after which to begin: the `next` of the page before; the beginning when absent.
    public var after: Int
    /// How many steps at most, 1 to 1000; 1000 when absent.
    public var limit: Int?

    public init(
        id: RunId,
        after: Int = 0,
        limit: Int? = nil
    ) {
        self.id = id
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case after = "after"
        case limit = "limit"
    }
}

/// Asks what a run waits for.
public struct ListRunWaitsRequest: Codable, Sendable, Equatable {
    /// The run's id.
    public var id: RunId

    public init(
        id: RunId
    ) {
        self.id = id
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
    }
}

/// Asks which runs there are: those that meet every condition.
public struct ListRunsRequest: Codable, Sendable, Equatable {
    /// Only runs in this state.
    public var status: RunStatus?
    /// Only runs in one of these states; not together with `status`.
    public var statuses: [RunStatus]
    /// Only runs of workflows in this namespace.
    public var namespace: String?
    /// Only runs of workflows with this name.
    public var name: String?
    /// Only runs of this version.
    public var version: String?
    /// Only runs started by this run.
    public var parent: RunId?
    /// Only runs created at this time or later.
    public var createdFrom: String?
    /// Only runs created before this time.
    public var createdBefore: String?
    /// Only runs that ended at this time or later.
    public var endedFrom: String?
    /// Only runs that ended before this time.
    public var endedBefore: String?
    /// Only faulted runs whose error has this type.
    public var errorType: String?
    /// Only runs with all these tags.
    public var tags: [String: String]
    /// Only runs with all these indexed fields: texts, numbers or booleans.
    public var fields: [String: JSONValue]
    /// The `next` of the page before; absent for the first page.
    public var after: String?
    /// How many runs at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        status: RunStatus? = nil,
        statuses: [RunStatus] = [],
        namespace: String? = nil,
        name: String? = nil,
        version: String? = nil,
        parent: RunId? = nil,
        createdFrom: String? = nil,
        createdBefore: String? = nil,
        endedFrom: String? = nil,
        endedBefore: String? = nil,
        errorType: String? = nil,
        tags: [String: String] = [:],
        fields: [String: JSONValue] = [:],
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.status = status
        self.statuses = statuses
        self.namespace = namespace
        self.name = name
        self.version = version
        self.parent = parent
        self.createdFrom = createdFrom
        self.createdBefore = createdBefore
        self.endedFrom = endedFrom
        self.endedBefore = endedBefore
        self.errorType = errorType
        self.tags = tags
        self.fields = fields
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case status = "status"
        case statuses = "statuses"
        case namespace = "namespace"
        case name = "name"
        case version = "version"
        case parent = "parent"
        case createdFrom = "created_from"
        case createdBefore = "created_before"
        case endedFrom = "ended_from"
        case endedBefore = "ended_before"
        case errorType = "error_type"
        case tags = "tags"
        case fields = "fields"
        case after = "after"
        case limit = "limit"
    }
}

/// Asks which schedules there are.
public struct ListSchedulesRequest: Codable, Sendable, Equatable {
    /// The `next` of the page before; absent for the first page.
    public var after: String?
    /// How many schedules at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case after = "after"
        case limit = "limit"
    }
}

/// Asks which secrets there are.
public struct ListSecretsRequest: Codable, Sendable, Equatable {
    public init() {}
}

/// Asks which runs cannot go on although they wait for nothing that will come by itself.
public struct ListStuckRunsRequest: Codable, Sendable, Equatable {
    /// For how long they must have been unable to go on, in milliseconds; a minute when absent.
    public var olderThanMs: Int?
    /// The `next` of the page before; absent for the first page.
    public var after: String?
    /// How many running runs to look at, 1 to 1000; 100 when absent. A page shows those of them that are stuck, so
    /// it can be empty and still have a `next`.
    public var limit: Int?

    public init(
        olderThanMs: Int? = nil,
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.olderThanMs = olderThanMs
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case olderThanMs = "older_than_ms"
        case after = "after"
        case limit = "limit"
    }
}

/// Asks which templates there are.
public struct ListTemplatesRequest: Codable, Sendable, Equatable {
    /// The `next` of the page before; absent for the first page.
    public var after: String?
    /// How many templates at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case after = "after"
        case limit = "limit"
    }
}

/// Asks which engines share the storage.
public struct ListWorkersRequest: Codable, Sendable, Equatable {
    public init() {}
}

/// Asks which workflows are deployed.
public struct ListWorkflowsRequest: Codable, Sendable, Equatable {
    /// The `next` of the page before; absent for the first page.
    public var after: String?
    /// How many workflows at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case after = "after"
        case limit = "limit"
    }
}

/// An event as the log keeps it.
public struct LoggedEvent: Codable, Sendable, Equatable {
    /// Its place in the log.
    public var offset: Int
    /// The event.
    public var event: CloudEvent

    public init(
        offset: Int,
        event: CloudEvent
    ) {
        self.offset = offset
        self.event = event
    }

    private enum CodingKeys: String, CodingKey {
        case offset = "offset"
        case event = "event"
    }
}

/// A value that is different.
public struct MemberChange: Codable, Sendable, Equatable {
    /// Where it stands: a JSON pointer from the task, or from the document.
    public var path: String
    /// What stood there; absent when nothing did.
    public var from: JSONValue?
    /// What stands there; absent when nothing does.
    public var to: JSONValue?

    public init(
        path: String,
        from: JSONValue? = nil,
        to: JSONValue? = nil
    ) {
        self.path = path
        self.from = from
        self.to = to
    }

    private enum CodingKeys: String, CodingKey {
        case path = "path"
        case from = "from"
        case to = "to"
    }
}

/// Moves a run that has not ended to another version of its workflow. It is refused when the run has already done
/// anything that the other version would not have done in the same way, at the same place of the document.
public struct MigrateRunRequest: Codable, Sendable, Equatable {
    /// The run's id.
    public var id: RunId
    /// The deployed version to move it to; the latest when absent or `latest`.
    public var version: String?
    /// Whether only to check whether it could be moved.
    public var dryRun: Bool

    public init(
        id: RunId,
        version: String? = nil,
        dryRun: Bool = false
    ) {
        self.id = id
        self.version = version
        self.dryRun = dryRun
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case version = "version"
        case dryRun = "dry_run"
    }
}

/// A run that was moved, or could be.
public struct MigratedRun: Codable, Sendable, Equatable {
    /// The run as it is now.
    public var run: Run
    /// The version that it followed before.
    public var from: WorkflowVersion
    /// The version that it follows now, or after a dry run could follow.
    public var to: WorkflowVersion

    public init(
        run: Run,
        from: WorkflowVersion,
        to: WorkflowVersion
    ) {
        self.run = run
        self.from = from
        self.to = to
    }

    private enum CodingKeys: String, CodingKey {
        case run = "run"
        case from = "from"
        case to = "to"
    }
}

/// What becomes of times that came while nobody was there to start their runs.
public enum MissedRuns: String, Codable, Sendable, CaseIterable {
    /// No run starts for them.
    case skip = "skip"
    /// One run starts, for the last of them.
    case latest = "latest"
    /// A run starts for each, for the last 1,000 at most.
    case all = "all"
}

/// A task that stands elsewhere.
public struct MovedTask: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Its JSON pointer in the first document.
    public var from: String
    /// Its JSON pointer in the second document.
    public var to: String

    public init(
        name: String,
        from: String,
        to: String
    ) {
        self.name = name
        self.from = from
        self.to = to
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case from = "from"
        case to = "to"
    }
}

/// What happens when a deadline passes before anybody has decided.
public enum OnDeadline: String, Codable, Sendable, CaseIterable {
    /// The task ends in a timeout error.
    case fault = "fault"
    /// As if somebody had rejected.
    case reject = "reject"
    /// The task runs as if somebody had approved.
    case approve = "approve"
}

/// What becomes of a run when as many runs are under way as may be.
public enum OnLimit: String, Codable, Sendable, CaseIterable {
    /// It waits for its turn.
    case queue = "queue"
    /// It is cancelled.
    case cancelNewest = "cancel_newest"
    /// The oldest one under way is cancelled, and it begins once that one has ended.
    case cancelOldest = "cancel_oldest"
}

/// The step of another run that started a run.
public struct ParentStep: Codable, Sendable, Equatable {
    /// The other run.
    public var run: RunId
    /// The number of the action within the other run that waits for this one.
    public var action: Int

    public init(
        run: RunId,
        action: Int
    ) {
        self.run = run
        self.action = action
    }

    private enum CodingKeys: String, CodingKey {
        case run = "run"
        case action = "action"
    }
}

/// Pauses a run. Calls and child runs that are under way finish, and what they answer is kept; nothing new begins.
public struct PauseRunRequest: Codable, Sendable, Equatable {
    /// Its id.
    public var id: RunId
    /// Why, for its history.
    public var reason: String?

    public init(
        id: RunId,
        reason: String? = nil
    ) {
        self.id = id
        self.reason = reason
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case reason = "reason"
    }
}

/// Pauses the schedule of a workflow. Runs under way go on.
public struct PauseScheduleRequest: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// Its name.
    public var name: String

    public init(
        namespace: String,
        name: String
    ) {
        self.namespace = namespace
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
    }
}

/// A share of runs that are at least as fast as the others.
public enum Percentile: String, Codable, Sendable, CaseIterable {
    /// Half of them.
    case p50 = "p50"
    /// 95 %.
    case p95 = "p95"
    /// 99 %.
    case p99 = "p99"
}

/// Asks when a schedule, or a cron expression, starts runs.
public struct PreviewScheduleRequest: Codable, Sendable, Equatable {
    /// The namespace of a scheduled workflow; either this and `name`, or `cron`.
    public var namespace: String?
    /// The name of a scheduled workflow.
    public var name: String?
    /// A cron expression, e.g. `0 8 * * 1-5`.
    public var cron: String?
    /// The time zone of `cron`, a name of the IANA database; `UTC` when absent.
    public var timeZone: String?
    /// The time after which to begin; now when absent.
    public var after: String?
    /// How many times to show, 1 to 1000; 10 when absent.
    public var count: Int?

    public init(
        namespace: String? = nil,
        name: String? = nil,
        cron: String? = nil,
        timeZone: String? = nil,
        after: String? = nil,
        count: Int? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.cron = cron
        self.timeZone = timeZone
        self.after = after
        self.count = count
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case cron = "cron"
        case timeZone = "time_zone"
        case after = "after"
        case count = "count"
    }
}

/// Publishes an event. One that the log has already, with the same `source` and `id`, is not appended again: the
/// answer is the event as it was logged, or `already_exists` when the two differ.
public struct PublishEventRequest: Codable, Sendable, Equatable {
    /// The event.
    public var event: EventDraft

    public init(
        event: EventDraft
    ) {
        self.event = event
    }

    private enum CodingKeys: String, CodingKey {
        case event = "event"
    }
}

/// How many runs of a workflow with the same key may begin within a time.
public struct RateLimit: Codable, Sendable, Equatable {
    /// The key, computed from the run's input; empty when the limit is for all runs of the workflow.
    public var key: String
    /// How many, 1 to 10,000.
    public var limit: Int
    /// The time, in milliseconds.
    public var perMs: Int

    public init(
        key: String,
        limit: Int,
        perMs: Int
    ) {
        self.key = key
        self.limit = limit
        self.perMs = perMs
    }

    private enum CodingKeys: String, CodingKey {
        case key = "key"
        case limit = "limit"
        case perMs = "per_ms"
    }
}

/// One entry of a journal, and what it led to.
public struct RecordedEntry: Codable, Sendable, Equatable {
    /// When it happened.
    public var at: String
    /// What happened, as the machine stores it.
    public var event: JSONValue
    /// What the machine began, stopped and published then.
    public var effects: [String]

    public init(
        at: String,
        event: JSONValue,
        effects: [String]
    ) {
        self.at = at
        self.event = event
        self.effects = effects
    }

    private enum CodingKeys: String, CodingKey {
        case at = "at"
        case event = "event"
        case effects = "effects"
    }
}

/// Replays a run that was exported, without any effect.
public struct ReplayRunRequest: Codable, Sendable, Equatable {
    /// What `runs.export` gave.
    public var recording: RunRecording

    public init(
        recording: RunRecording
    ) {
        self.recording = recording
    }

    private enum CodingKeys: String, CodingKey {
        case recording = "recording"
    }
}

/// Repeats a run that has ended, in a new run with the same document and input. What the first run was answered
/// before the step that is repeated is taken over and not asked again.
public struct RerunRunRequest: Codable, Sendable, Equatable {
    /// The id of the run to repeat.
    public var id: RunId
    /// The JSON pointer of the task to begin with, as in the run's history, e.g. `/do/2/pay`. When absent, the step
    /// that the run failed at; a run that completed or was undone is repeated from its start.
    public var from: String?
    /// The id to give to the new run, a UUID. Repeating the same run again with the same id gives the first
    /// repetition.
    public var newId: RunId?
    /// Whether to answer only when the new run has ended.
    public var wait: Bool
    /// How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is answered
    /// as it is.
    public var waitTimeoutMs: Int?

    public init(
        id: RunId,
        from: String? = nil,
        newId: RunId? = nil,
        wait: Bool = false,
        waitTimeoutMs: Int? = nil
    ) {
        self.id = id
        self.from = from
        self.newId = newId
        self.wait = wait
        self.waitTimeoutMs = waitTimeoutMs
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case from = "from"
        case newId = "new_id"
        case wait = "wait"
        case waitTimeoutMs = "wait_timeout_ms"
    }
}

/// Repeats many runs, some with each call. Without states in the filter these are all that faulted. Repeating a run
/// again in this way gives its first repetition.
public struct RerunRunsRequest: Codable, Sendable, Equatable {
    /// Which runs; all of the owner that faulted when absent.
    public var filter: RunSelection?
    /// The JSON pointer of the task to begin with, as in `runs.rerun`.
    public var from: String?
    /// Whether only to count the runs and change nothing.
    public var dryRun: Bool
    /// The `next` of the call before; absent for the first call.
    public var after: String?
    /// How many runs to repeat at most, 1 to 1000; 100 when absent.
    public var limit: Int?

    public init(
        filter: RunSelection? = nil,
        from: String? = nil,
        dryRun: Bool = false,
        after: String? = nil,
        limit: Int? = nil
    ) {
        self.filter = filter
        self.from = from
        self.dryRun = dryRun
        self.after = after
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey {
        case filter = "filter"
        case from = "from"
        case dryRun = "dry_run"
        case after = "after"
        case limit = "limit"
    }
}

/// Lets a paused run go on.
public struct ResumeRunRequest: Codable, Sendable, Equatable {
    /// Its id.
    public var id: RunId

    public init(
        id: RunId
    ) {
        self.id = id
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
    }
}

/// Resumes the schedule of a workflow. What came while it was paused starts no run.
public struct ResumeScheduleRequest: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// Its name.
    public var name: String

    public init(
        namespace: String,
        name: String
    ) {
        self.namespace = namespace
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
    }
}

/// Whether, and when, the same call is worth trying again.
public enum Retry: Codable, Sendable, Equatable {
    /// The same call will fail again.
    case no
    /// The same call may succeed later.
    case maybe
    /// The service asked to wait this long.
    case after(ms: Int)
    /// The engine has tried as often as its policy allows.
    case exhausted

    private enum CodingKeys: String, CodingKey {
        case variantTag = "kind"
        case ms = "ms"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .variantTag) {
        case "no":
            self = .no
        case "maybe":
            self = .maybe
        case "after":
            self = .after(ms: try container.decode(Int.self, forKey: .ms))
        case "exhausted":
            self = .exhausted
        case let other:
            throw DecodingError.dataCorruptedError(
                forKey: .variantTag, in: container, debugDescription: "'\(other)' is not known")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .no:
            try container.encode("no", forKey: .variantTag)
        case .maybe:
            try container.encode("maybe", forKey: .variantTag)
        case .after(let ms):
            try container.encode("after", forKey: .variantTag)
            try container.encode(ms, forKey: .ms)
        case .exhausted:
            try container.encode("exhausted", forKey: .variantTag)
        }
    }
}

/// Makes a deployed version the latest one, for whoever starts `latest` and for the schedule. Nothing is removed:
/// the versions above it are withdrawn, but can be named, and runs that follow them go on.
public struct RollBackWorkflowRequest: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// Its name.
    public var name: String
    /// The version that is to be the latest. A higher one than the present rolls forward.
    public var version: String

    public init(
        namespace: String,
        name: String,
        version: String
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
    }
}

/// The versions of a workflow after one was made the latest.
public struct RolledBackWorkflow: Codable, Sendable, Equatable {
    /// The latest version.
    public var latest: DeployedWorkflow
    /// The versions above it, the highest first.
    public var withdrawn: [DeployedWorkflow]

    public init(
        latest: DeployedWorkflow,
        withdrawn: [DeployedWorkflow]
    ) {
        self.latest = latest
        self.withdrawn = withdrawn
    }

    private enum CodingKeys: String, CodingKey {
        case latest = "latest"
        case withdrawn = "withdrawn"
    }
}

/// A run of a workflow. Lists leave out its input and output, which may be large.
public struct Run: Codable, Sendable, Equatable {
    /// Its id.
    public var id: RunId
    /// Which document it follows.
    public var workflow: WorkflowKey
    /// The version that it was started with, for a run that was moved to another one since.
    public var startedWith: WorkflowVersion?
    /// Its state.
    public var status: RunStatus
    /// Its input as given; absent in lists.
    public var input: JSONValue?
    /// Its output, once completed; absent in lists.
    public var output: JSONValue?
    /// Its error, once faulted.
    public var error: WorkflowError?
    /// The step that started it, for a run started by a run.
    public var parent: ParentStep?
    /// The run that it repeats.
    public var rerunOf: RunId?
    /// What started it by itself, for a run that nobody asked for.
    public var trigger: RunTrigger?
    /// The words that were given to it and its document, by name.
    public var tags: [String: String]?
    /// What its document computed from its input to find it by, by name: texts, numbers and booleans.
    public var fields: [String: JSONValue]?
    /// The key under which it was started.
    public var idempotencyKey: String?
    /// How it came to begin or waits to, for a run whose document limits how many go on at once.
    public var admission: Admission?
    /// When it was created.
    public var createdAt: String
    /// When something last happened to it.
    public var updatedAt: String
    /// When it ended.
    public var endedAt: String?

    public init(
        id: RunId,
        workflow: WorkflowKey,
        startedWith: WorkflowVersion? = nil,
        status: RunStatus,
        input: JSONValue? = nil,
        output: JSONValue? = nil,
        error: WorkflowError? = nil,
        parent: ParentStep? = nil,
        rerunOf: RunId? = nil,
        trigger: RunTrigger? = nil,
        tags: [String: String]? = nil,
        fields: [String: JSONValue]? = nil,
        idempotencyKey: String? = nil,
        admission: Admission? = nil,
        createdAt: String,
        updatedAt: String,
        endedAt: String? = nil
    ) {
        self.id = id
        self.workflow = workflow
        self.startedWith = startedWith
        self.status = status
        self.input = input
        self.output = output
        self.error = error
        self.parent = parent
        self.rerunOf = rerunOf
        self.trigger = trigger
        self.tags = tags
        self.fields = fields
        self.idempotencyKey = idempotencyKey
        self.admission = admission
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.endedAt = endedAt
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case workflow = "workflow"
        case startedWith = "started_with"
        case status = "status"
        case input = "input"
        case output = "output"
        case error = "error"
        case parent = "parent"
        case rerunOf = "rerun_of"
        case trigger = "trigger"
        case tags = "tags"
        case fields = "fields"
        case idempotencyKey = "idempotency_key"
        case admission = "admission"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case endedAt = "ended_at"
    }
}

/// Where a replay leaves the recorded way.
public struct RunDivergence: Codable, Sendable, Equatable {
    /// The entry of the journal, from 0; the number of entries for the end of the run.
    public var entry: Int
    /// What is recorded.
    public var expected: String
    /// What this version of the machine does.
    public var found: String

    public init(
        entry: Int,
        expected: String,
        found: String
    ) {
        self.entry = entry
        self.expected = expected
        self.found = found
    }

    private enum CodingKeys: String, CodingKey {
        case entry = "entry"
        case expected = "expected"
        case found = "found"
    }
}

/// What has happened to a run, the oldest first.
public struct RunHistory: Codable, Sendable, Equatable {
    /// What happened.
    public var records: [HistoryEntry]
    /// What to pass as `after` for the records that follow; absent when there are none so far.
    public var next: Int?

    public init(
        records: [HistoryEntry],
        next: Int? = nil
    ) {
        self.records = records
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case records = "records"
        case next = "next"
    }
}

/// The id of one run of a workflow.
public typealias RunId = String

/// A part of a list.
public struct RunPage: Codable, Sendable, Equatable {
    /// The items.
    public var items: [Run]
    /// What to pass as `after` to get the following page; absent on the last.
    public var next: String?

    public init(
        items: [Run],
        next: String? = nil
    ) {
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case items = "items"
        case next = "next"
    }
}

/// A run with everything that is needed to replay it. It holds no secret: what a run met of one is masked.
public struct RunRecording: Codable, Sendable, Equatable {
    /// The version of this form.
    public var format: Int
    /// The version of the engine that made the recording.
    public var engine: String
    /// The run's id.
    public var id: RunId
    /// Which document it follows.
    public var workflow: WorkflowKey
    /// The text of the document; with the external resources it refers to, when it does, as JSON.
    public var document: String
    /// Its input as given.
    public var input: JSONValue
    /// When it was created.
    public var createdAt: String
    /// Its state when the recording was made.
    public var status: RunStatus
    /// Its output, once completed.
    public var output: JSONValue?
    /// Its error, once faulted.
    public var error: JSONValue?
    /// Its journal.
    public var entries: [RecordedEntry]

    public init(
        format: Int,
        engine: String,
        id: RunId,
        workflow: WorkflowKey,
        document: String,
        input: JSONValue,
        createdAt: String,
        status: RunStatus,
        output: JSONValue? = nil,
        error: JSONValue? = nil,
        entries: [RecordedEntry]
    ) {
        self.format = format
        self.engine = engine
        self.id = id
        self.workflow = workflow
        self.document = document
        self.input = input
        self.createdAt = createdAt
        self.status = status
        self.output = output
        self.error = error
        self.entries = entries
    }

    private enum CodingKeys: String, CodingKey {
        case format = "format"
        case engine = "engine"
        case id = "id"
        case workflow = "workflow"
        case document = "document"
        case input = "input"
        case createdAt = "created_at"
        case status = "status"
        case output = "output"
        case error = "error"
        case entries = "entries"
    }
}

/// What a replay came to.
public struct RunReplay: Codable, Sendable, Equatable {
    /// How many entries of the journal led to what is recorded.
    public var entries: Int
    /// Where this version of the machine first does something else; absent when it does the same throughout.
    public var divergence: RunDivergence?

    public init(
        entries: Int,
        divergence: RunDivergence? = nil
    ) {
        self.entries = entries
        self.divergence = divergence
    }

    private enum CodingKeys: String, CodingKey {
        case entries = "entries"
        case divergence = "divergence"
    }
}

/// Runs that meet every condition, as `runs.list` shows them.
public struct RunSelection: Codable, Sendable, Equatable {
    /// Only runs in one of these states.
    public var statuses: [RunStatus]
    /// Only runs of workflows in this namespace.
    public var namespace: String?
    /// Only runs of workflows with this name.
    public var name: String?
    /// Only runs of this version.
    public var version: String?
    /// Only runs started by this run.
    public var parent: RunId?
    /// Only runs created at this time or later.
    public var createdFrom: String?
    /// Only runs created before this time.
    public var createdBefore: String?
    /// Only runs that ended at this time or later.
    public var endedFrom: String?
    /// Only runs that ended before this time.
    public var endedBefore: String?
    /// Only faulted runs whose error has this type.
    public var errorType: String?
    /// Only runs with all these tags.
    public var tags: [String: String]
    /// Only runs with all these indexed fields: texts, numbers or booleans.
    public var fields: [String: JSONValue]

    public init(
        statuses: [RunStatus] = [],
        namespace: String? = nil,
        name: String? = nil,
        version: String? = nil,
        parent: RunId? = nil,
        createdFrom: String? = nil,
        createdBefore: String? = nil,
        endedFrom: String? = nil,
        endedBefore: String? = nil,
        errorType: String? = nil,
        tags: [String: String] = [:],
        fields: [String: JSONValue] = [:]
    ) {
        self.statuses = statuses
        self.namespace = namespace
        self.name = name
        self.version = version
        self.parent = parent
        self.createdFrom = createdFrom
        self.createdBefore = createdBefore
        self.endedFrom = endedFrom
        self.endedBefore = endedBefore
        self.errorType = errorType
        self.tags = tags
        self.fields = fields
    }

    private enum CodingKeys: String, CodingKey {
        case statuses = "statuses"
        case namespace = "namespace"
        case name = "name"
        case version = "version"
        case parent = "parent"
        case createdFrom = "created_from"
        case createdBefore = "created_before"
        case endedFrom = "ended_from"
        case endedBefore = "ended_before"
        case errorType = "error_type"
        case tags = "tags"
        case fields = "fields"
    }
}

/// How many runs there were, how they ended and what they took.
public struct RunStatistics: Codable, Sendable, Equatable {
    /// How many began.
    public var started: Int
    /// How many ended with an output.
    public var completed: Int
    /// How many ended with an error.
    public var faulted: Int
    /// How many were cancelled.
    public var cancelled: Int
    /// The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
    public var successRate: Double?
    /// How often their tasks were tried again.
    public var retries: Int
    /// What those took that completed, from the start to the end of the run; absent when there are none.
    public var duration: DurationStatistics?

    public init(
        started: Int,
        completed: Int,
        faulted: Int,
        cancelled: Int,
        successRate: Double? = nil,
        retries: Int,
        duration: DurationStatistics? = nil
    ) {
        self.started = started
        self.completed = completed
        self.faulted = faulted
        self.cancelled = cancelled
        self.successRate = successRate
        self.retries = retries
        self.duration = duration
    }

    private enum CodingKeys: String, CodingKey {
        case started = "started"
        case completed = "completed"
        case faulted = "faulted"
        case cancelled = "cancelled"
        case successRate = "success_rate"
        case retries = "retries"
        case duration = "duration"
    }
}

/// The runs of one hour or day.
public struct RunStatisticsPart: Codable, Sendable, Equatable {
    /// When it begins.
    public var from: String
    /// How many began.
    public var started: Int
    /// How many ended with an output.
    public var completed: Int
    /// How many ended with an error.
    public var faulted: Int
    /// How many were cancelled.
    public var cancelled: Int
    /// The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
    public var successRate: Double?
    /// How often their tasks were tried again.
    public var retries: Int
    /// What those took that completed, from the start to the end of the run; absent when there are none.
    public var duration: DurationStatistics?

    public init(
        from: String,
        started: Int,
        completed: Int,
        faulted: Int,
        cancelled: Int,
        successRate: Double? = nil,
        retries: Int,
        duration: DurationStatistics? = nil
    ) {
        self.from = from
        self.started = started
        self.completed = completed
        self.faulted = faulted
        self.cancelled = cancelled
        self.successRate = successRate
        self.retries = retries
        self.duration = duration
    }

    private enum CodingKeys: String, CodingKey {
        case from = "from"
        case started = "started"
        case completed = "completed"
        case faulted = "faulted"
        case cancelled = "cancelled"
        case successRate = "success_rate"
        case retries = "retries"
        case duration = "duration"
    }
}

/// The state of a run.
public enum RunStatus: String, Codable, Sendable, CaseIterable {
    /// It is under way; after a crash it goes on when an engine opens the store.
    case running = "running"
    /// It has not begun: it waits for its turn, as its document limits how many runs go on at once.
    case queued = "queued"
    /// Somebody paused it: nothing new begins until it is resumed.
    case paused = "paused"
    /// It ended with an output.
    case completed = "completed"
    /// It ended with an error.
    case faulted = "faulted"
    /// It was cancelled.
    case cancelled = "cancelled"
}

/// One execution of a task: a task in a loop has as many as it was run times.
public struct RunStep: Codable, Sendable, Equatable {
    /// Its number, unique within the run and larger than those of the steps that began before it.
    public var step: Int
    /// The JSON pointer of the task in the document.
    public var task: String
    /// How it is.
    public var status: StepStatus
    /// When it began.
    public var startedAt: String
    /// When it ended.
    public var endedAt: String?
    /// How long it took, in milliseconds, once it has ended.
    public var durationMs: Int?
    /// How often it was tried: more than once only for a `try` that retried.
    public var attempts: Int
    /// The error it ended with.
    public var error: WorkflowError?

    public init(
        step: Int,
        task: String,
        status: StepStatus,
        startedAt: String,
        endedAt: String? = nil,
        durationMs: Int? = nil,
        attempts: Int,
        error: WorkflowError? = nil
    ) {
        self.step = step
        self.task = task
        self.status = status
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.durationMs = durationMs
        self.attempts = attempts
        self.error = error
    }

    private enum CodingKeys: String, CodingKey {
        case step = "step"
        case task = "task"
        case status = "status"
        case startedAt = "started_at"
        case endedAt = "ended_at"
        case durationMs = "duration_ms"
        case attempts = "attempts"
        case error = "error"
    }
}

/// What the tasks of a run took, in the order in which they began.
public struct RunSteps: Codable, Sendable, Equatable {
    /// The executions of tasks.
    public var items: [RunStep]
    /// What to pass as `after` for the steps that follow; absent when there are none so far.
    public var next: Int?

    public init(
        items: [RunStep],
        next: Int? = nil
    ) {
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case items = "items"
        case next = "next"
    }
}

/// What started a run by itself.
public enum RunTrigger: Codable, Sendable, Equatable {
    /// The schedule of its workflow.
    case scheduleRunTrigger(at: String)

    private enum CodingKeys: String, CodingKey {
        case variantTag = "type"
        case at = "at"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .variantTag) {
        case "schedule":
            self = .scheduleRunTrigger(at: try container.decode(String.self, forKey: .at))
        case let other:
            throw DecodingError.dataCorruptedError(
                forKey: .variantTag, in: container, debugDescription: "'\(other)' is not known")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .scheduleRunTrigger(let at):
            try container.encode("schedule", forKey: .variantTag)
            try container.encode(at, forKey: .at)
        }
    }
}

/// One thing that a run waits for.
public struct RunWait: Codable, Sendable, Equatable {
    /// The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another
    /// compensation.
    public var task: String?
    /// When the task began, or the run was queued.
    public var since: String?
    /// What happened.
    public var change: Change

    public init(
        task: String? = nil,
        since: String? = nil,
        change: Change
    ) {
        self.task = task
        self.since = since
        self.change = change
    }

    private enum CodingKeys: String, CodingKey {
        case task = "task"
        case since = "since"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        task = try container.decodeIfPresent(String.self, forKey: .task)
        since = try container.decodeIfPresent(String.self, forKey: .since)
        change = try Change(from: decoder)
    }

    public func encode(to encoder: any Encoder) throws {
        try change.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(task, forKey: .task)
        try container.encodeIfPresent(since, forKey: .since)
    }

    /// What happened.
    public enum Change: Codable, Sendable, Equatable {
        /// The answer of a call.
        case waitsForCall(function: String)
        /// A pause to end: its own, or the one before another attempt.
        case waitsForTime(at: String)
        /// Nothing: this is when it is stopped if it has not ended, or when nobody has decided.
        case timesOut(at: String)
        /// Somebody's decision.
        case waitsForDecision(approval: ApprovalId)
        /// An event.
        case waitsForEvent
        /// Messages of a subscription.
        case waitsForMessages(function: String)
        /// Its turn to begin: as many runs are under way as may be, or began lately.
        case waitsForTurn
        /// Another run.
        case waitsForRun(run: RunId)

        private enum CodingKeys: String, CodingKey {
            case variantTag = "type"
            case approval = "approval"
            case at = "at"
            case function = "function"
            case run = "run"
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            switch try container.decode(String.self, forKey: .variantTag) {
            case "call":
                self = .waitsForCall(function: try container.decode(String.self, forKey: .function))
            case "time":
                self = .waitsForTime(at: try container.decode(String.self, forKey: .at))
            case "timeout":
                self = .timesOut(at: try container.decode(String.self, forKey: .at))
            case "decision":
                self = .waitsForDecision(approval: try container.decode(ApprovalId.self, forKey: .approval))
            case "event":
                self = .waitsForEvent
            case "messages":
                self = .waitsForMessages(function: try container.decode(String.self, forKey: .function))
            case "turn":
                self = .waitsForTurn
            case "run":
                self = .waitsForRun(run: try container.decode(RunId.self, forKey: .run))
            case let other:
                throw DecodingError.dataCorruptedError(
                    forKey: .variantTag, in: container, debugDescription: "'\(other)' is not known")
            }
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            switch self {
            case .waitsForCall(let function):
                try container.encode("call", forKey: .variantTag)
                try container.encode(function, forKey: .function)
            case .waitsForTime(let at):
                try container.encode("time", forKey: .variantTag)
                try container.encode(at, forKey: .at)
            case .timesOut(let at):
                try container.encode("timeout", forKey: .variantTag)
                try container.encode(at, forKey: .at)
            case .waitsForDecision(let approval):
                try container.encode("decision", forKey: .variantTag)
                try container.encode(approval, forKey: .approval)
            case .waitsForEvent:
                try container.encode("event", forKey: .variantTag)
            case .waitsForMessages(let function):
                try container.encode("messages", forKey: .variantTag)
                try container.encode(function, forKey: .function)
            case .waitsForTurn:
                try container.encode("turn", forKey: .variantTag)
            case .waitsForRun(let run):
                try container.encode("run", forKey: .variantTag)
                try container.encode(run, forKey: .run)
            }
        }
    }
}

/// What a run waits for.
public struct RunWaits: Codable, Sendable, Equatable {
    /// The run's state.
    public var status: RunStatus
    /// Whether this engine drives it: an interrupted run has to be resumed first.
    public var isDriven: Bool
    /// What it waits for, in the order in which it began to; nothing once it has ended.
    public var items: [RunWait]
    /// What keeps it from going on at this moment.
    public var stuck: [Stuck]?

    public init(
        status: RunStatus,
        isDriven: Bool,
        items: [RunWait],
        stuck: [Stuck]? = nil
    ) {
        self.status = status
        self.isDriven = isDriven
        self.items = items
        self.stuck = stuck
    }

    private enum CodingKeys: String, CodingKey {
        case status = "status"
        case isDriven = "is_driven"
        case items = "items"
        case stuck = "stuck"
    }
}

/// How the runs are.
public struct RunsHealth: Codable, Sendable, Equatable {
    /// How many runs are under way in this process, over all users.
    public var running: Int
    /// How many runs of this process have not been able to go on for a minute, over all users; `runs.stuck` tells
    /// their owners which and why.
    public var stuck: Int

    public init(
        running: Int,
        stuck: Int
    ) {
        self.running = running
        self.stuck = stuck
    }

    private enum CodingKeys: String, CodingKey {
        case running = "running"
        case stuck = "stuck"
    }
}

/// Keeps a template.
public struct SaveTemplateRequest: Codable, Sendable, Equatable {
    /// The whole file, YAML or JSON.
    public var text: String

    public init(
        text: String
    ) {
        self.text = text
    }

    private enum CodingKeys: String, CodingKey {
        case text = "text"
    }
}

/// The schedule of a deployed workflow: that of its latest version.
public struct Schedule: Codable, Sendable, Equatable {
    /// The version whose runs it starts.
    public var workflow: WorkflowKey
    /// What starts them, each by itself: one trigger or more, each of another kind.
    public var triggers: [ScheduledTrigger]
    /// When it became active.
    public var since: String
    /// Whether it is paused.
    public var isPaused: Bool
    /// The time of its next run, when it is known and the schedule is not paused.
    public var nextAt: String?
    /// The time of the last run it has started.
    public var lastAt: String?
    /// The last run it has started.
    public var lastRun: RunId?

    public init(
        workflow: WorkflowKey,
        triggers: [ScheduledTrigger],
        since: String,
        isPaused: Bool,
        nextAt: String? = nil,
        lastAt: String? = nil,
        lastRun: RunId? = nil
    ) {
        self.workflow = workflow
        self.triggers = triggers
        self.since = since
        self.isPaused = isPaused
        self.nextAt = nextAt
        self.lastAt = lastAt
        self.lastRun = lastRun
    }

    private enum CodingKeys: String, CodingKey {
        case workflow = "workflow"
        case triggers = "triggers"
        case since = "since"
        case isPaused = "is_paused"
        case nextAt = "next_at"
        case lastAt = "last_at"
        case lastRun = "last_run"
    }
}

/// A start that failed.
public struct ScheduleFailure: Codable, Sendable, Equatable {
    /// The time whose run could not start; for events, the time of the first attempt.
    public var at: String
    /// When the last attempt was made.
    public var failedAt: String
    /// How many attempts there were.
    public var attempts: Int
    /// When the next one is made; absent when there is none any more.
    public var retryAt: String?
    /// Why the last attempt failed.
    public var error: ErrorReport

    public init(
        at: String,
        failedAt: String,
        attempts: Int,
        retryAt: String? = nil,
        error: ErrorReport
    ) {
        self.at = at
        self.failedAt = failedAt
        self.attempts = attempts
        self.retryAt = retryAt
        self.error = error
    }

    private enum CodingKeys: String, CodingKey {
        case at = "at"
        case failedAt = "failed_at"
        case attempts = "attempts"
        case retryAt = "retry_at"
        case error = "error"
    }
}

/// A part of a list.
public struct SchedulePage: Codable, Sendable, Equatable {
    /// The items.
    public var items: [Schedule]
    /// What to pass as `after` to get the following page; absent on the last.
    public var next: String?

    public init(
        items: [Schedule],
        next: String? = nil
    ) {
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case items = "items"
        case next = "next"
    }
}

/// When a schedule starts runs.
public struct SchedulePreview: Codable, Sendable, Equatable {
    /// The next times, in order.
    public var times: [ScheduledTime]

    public init(
        times: [ScheduledTime]
    ) {
        self.times = times
    }

    private enum CodingKeys: String, CodingKey {
        case times = "times"
    }
}

/// When a schedule starts runs: `schedule` of a document, Open Workflow 1.0.3.
public enum ScheduleTrigger: Codable, Sendable, Equatable {
    /// In equal intervals.
    case everyTrigger(months: Int?, intervalMs: Int, missed: MissedRuns)
    /// At times of the calendar.
    case cronTrigger(expression: String, timeZone: String, missed: MissedRuns)
    /// Some time after the end of the run before.
    case afterTrigger(months: Int?, delayMs: Int)
    /// When events come.
    case eventsTrigger

    private enum CodingKeys: String, CodingKey {
        case variantTag = "type"
        case delayMs = "delay_ms"
        case expression = "expression"
        case intervalMs = "interval_ms"
        case missed = "missed"
        case months = "months"
        case timeZone = "time_zone"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .variantTag) {
        case "every":
            self = .everyTrigger(months: try container.decodeIfPresent(Int.self, forKey: .months), intervalMs: try container.decode(Int.self, forKey: .intervalMs), missed: try container.decode(MissedRuns.self, forKey: .missed))
        case "cron":
            self = .cronTrigger(expression: try container.decode(String.self, forKey: .expression), timeZone: try container.decode(String.self, forKey: .timeZone), missed: try container.decode(MissedRuns.self, forKey: .missed))
        case "after":
            self = .afterTrigger(months: try container.decodeIfPresent(Int.self, forKey: .months), delayMs: try container.decode(Int.self, forKey: .delayMs))
        case "events":
            self = .eventsTrigger
        case let other:
            throw DecodingError.dataCorruptedError(
                forKey: .variantTag, in: container, debugDescription: "'\(other)' is not known")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .everyTrigger(let months, let intervalMs, let missed):
            try container.encode("every", forKey: .variantTag)
            try container.encodeIfPresent(months, forKey: .months)
            try container.encode(intervalMs, forKey: .intervalMs)
            try container.encode(missed, forKey: .missed)
        case .cronTrigger(let expression, let timeZone, let missed):
            try container.encode("cron", forKey: .variantTag)
            try container.encode(expression, forKey: .expression)
            try container.encode(timeZone, forKey: .timeZone)
            try container.encode(missed, forKey: .missed)
        case .afterTrigger(let months, let delayMs):
            try container.encode("after", forKey: .variantTag)
            try container.encodeIfPresent(months, forKey: .months)
            try container.encode(delayMs, forKey: .delayMs)
        case .eventsTrigger:
            try container.encode("events", forKey: .variantTag)
        }
    }
}

/// A time of a schedule.
public struct ScheduledTime: Codable, Sendable, Equatable {
    /// The moment.
    public var at: String
    /// What the clocks of the schedule's time zone show then, with the zone (RFC 9557).
    public var local: String

    public init(
        at: String,
        local: String
    ) {
        self.at = at
        self.local = local
    }

    private enum CodingKeys: String, CodingKey {
        case at = "at"
        case local = "local"
    }
}

/// One of the triggers of a schedule, and how far it is.
public struct ScheduledTrigger: Codable, Sendable, Equatable {
    /// When it starts runs.
    public var trigger: ScheduleTrigger
    /// The time of its next run, when it is known and the schedule is not paused.
    public var nextAt: String?
    /// The run whose end it waits for.
    public var awaits: RunId?
    /// The last start that failed, until one succeeds.
    public var failure: ScheduleFailure?

    public init(
        trigger: ScheduleTrigger,
        nextAt: String? = nil,
        awaits: RunId? = nil,
        failure: ScheduleFailure? = nil
    ) {
        self.trigger = trigger
        self.nextAt = nextAt
        self.awaits = awaits
        self.failure = failure
    }

    private enum CodingKeys: String, CodingKey {
        case trigger = "trigger"
        case nextAt = "next_at"
        case awaits = "awaits"
        case failure = "failure"
    }
}

/// A secret text: redacted in `Debug`, not serialisable, wiped from memory when dropped.
public struct Secret: Codable, Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    /// The text itself.
    public let text: String

    public init(_ text: String) {
        self.text = text
    }

    public init(from decoder: any Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    /// Shows nothing of the text.
    public var description: String { "Secret(***)" }

    /// Shows nothing of the text.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// What may be shown of a secret: everything but its text.
public struct SecretInfo: Codable, Sendable, Equatable {
    /// The name.
    public var name: String
    /// How many times it was set.
    public var version: Int
    /// When it was last set.
    public var updatedAt: String

    public init(
        name: String,
        version: Int,
        updatedAt: String
    ) {
        self.name = name
        self.version = version
        self.updatedAt = updatedAt
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case version = "version"
        case updatedAt = "updated_at"
    }
}

/// Secrets without their texts, sorted by name.
public struct SecretList: Codable, Sendable, Equatable {
    /// The secrets.
    public var secrets: [SecretInfo]

    public init(
        secrets: [SecretInfo]
    ) {
        self.secrets = secrets
    }

    private enum CodingKeys: String, CodingKey {
        case secrets = "secrets"
    }
}

/// Sets an alert rule. One that has the name is replaced, and an alert that it had raised is resolved; setting a
/// rule as it is changes nothing.
public struct SetAlertRequest: Codable, Sendable, Equatable {
    /// The rule.
    public var rule: AlertRule

    public init(
        rule: AlertRule
    ) {
        self.rule = rule
    }

    private enum CodingKeys: String, CodingKey {
        case rule = "rule"
    }
}

/// Keeps a secret.
public struct SetSecretRequest: Codable, Sendable, Equatable {
    /// Its name: 1 to 128 letters, digits, `_`, `-` and `.`, starting with a letter.
    public var name: String
    /// Its text, at most 64 KiB.
    public var value: Secret

    public init(
        name: String,
        value: Secret
    ) {
        self.name = name
        self.value = value
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case value = "value"
    }
}

/// Sends an event to one run. It is kept until a task of the run listens for it.
public struct SignalRunRequest: Codable, Sendable, Equatable {
    /// The run's id.
    public var id: RunId
    /// What kind of event it is, e.g. `com.example.order.placed.v1`.
    public var type: String
    /// What happened.
    public var data: JSONValue?
    /// Where the event comes from, a URI reference; `/atom` when absent.
    public var source: String?
    /// Identifies the event together with `source`; a new id when absent.
    public var eventId: String?

    public init(
        id: RunId,
        type: String,
        data: JSONValue? = nil,
        source: String? = nil,
        eventId: String? = nil
    ) {
        self.id = id
        self.type = type
        self.data = data
        self.source = source
        self.eventId = eventId
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case type = "type"
        case data = "data"
        case source = "source"
        case eventId = "event_id"
    }
}

/// Starts a run of a deployed workflow or of a document. Once it is answered, the run survives a crash.
public struct StartRunRequest: Codable, Sendable, Equatable {
    /// The deployed workflow to run; either this or `document`.
    public var workflow: WorkflowReference?
    /// The text of the document to run, YAML or JSON; either this or `workflow`. Needs the permission
    /// `workflows.write`, too.
    public var document: String?
    /// The input; an empty object when absent.
    public var input: JSONValue?
    /// Where relative file paths start. Without it there are none: a call with a relative path fails.
    public var directory: String?
    /// The id to give to the run, a UUID. Starting again with the same id, document and input gives the first run.
    public var id: RunId?
    /// The key under which to start the run once: starting a run of a workflow with the same namespace and name
    /// again with the same key, document and input gives the first run, whatever became of it. When absent, the
    /// document may compute one with `metadata.atom.idempotencyKey`.
    public var idempotencyKey: String?
    /// Words to find the run by, beside the tags of its document: at most 32, of 256 characters each.
    public var tags: [String: String]
    /// Whether to answer only when the run has ended.
    public var wait: Bool
    /// How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is answered
    /// as it is.
    public var waitTimeoutMs: Int?

    public init(
        workflow: WorkflowReference? = nil,
        document: String? = nil,
        input: JSONValue? = nil,
        directory: String? = nil,
        id: RunId? = nil,
        idempotencyKey: String? = nil,
        tags: [String: String] = [:],
        wait: Bool = false,
        waitTimeoutMs: Int? = nil
    ) {
        self.workflow = workflow
        self.document = document
        self.input = input
        self.directory = directory
        self.id = id
        self.idempotencyKey = idempotencyKey
        self.tags = tags
        self.wait = wait
        self.waitTimeoutMs = waitTimeoutMs
    }

    private enum CodingKeys: String, CodingKey {
        case workflow = "workflow"
        case document = "document"
        case input = "input"
        case directory = "directory"
        case id = "id"
        case idempotencyKey = "idempotency_key"
        case tags = "tags"
        case wait = "wait"
        case waitTimeoutMs = "wait_timeout_ms"
    }
}

/// How the time range of statistics is divided.
public enum StatisticsInterval: String, Codable, Sendable, CaseIterable {
    /// By the hour.
    case hour = "hour"
    /// By the day, in UTC.
    case day = "day"
}

/// How often a task was executed, how that ended and what it took.
public struct StepStatistics: Codable, Sendable, Equatable {
    /// How often the run came to it and carried it out.
    public var executions: Int
    /// How many executions ended with an output.
    public var completed: Int
    /// How many ended with an error.
    public var faulted: Int
    /// How many were stopped before they ended.
    public var cancelled: Int
    /// The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
    public var successRate: Double?
    /// How often it was tried: more than `executions` only for a `try` that retried.
    public var attempts: Int
    /// What those executions took that completed; absent when there are none.
    public var duration: DurationStatistics?

    public init(
        executions: Int,
        completed: Int,
        faulted: Int,
        cancelled: Int,
        successRate: Double? = nil,
        attempts: Int,
        duration: DurationStatistics? = nil
    ) {
        self.executions = executions
        self.completed = completed
        self.faulted = faulted
        self.cancelled = cancelled
        self.successRate = successRate
        self.attempts = attempts
        self.duration = duration
    }

    private enum CodingKeys: String, CodingKey {
        case executions = "executions"
        case completed = "completed"
        case faulted = "faulted"
        case cancelled = "cancelled"
        case successRate = "success_rate"
        case attempts = "attempts"
        case duration = "duration"
    }
}

/// The executions of a task in one hour or day.
public struct StepStatisticsPart: Codable, Sendable, Equatable {
    /// When it begins.
    public var from: String
    /// How often the run came to it and carried it out.
    public var executions: Int
    /// How many executions ended with an output.
    public var completed: Int
    /// How many ended with an error.
    public var faulted: Int
    /// How many were stopped before they ended.
    public var cancelled: Int
    /// The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
    public var successRate: Double?
    /// How often it was tried: more than `executions` only for a `try` that retried.
    public var attempts: Int
    /// What those executions took that completed; absent when there are none.
    public var duration: DurationStatistics?

    public init(
        from: String,
        executions: Int,
        completed: Int,
        faulted: Int,
        cancelled: Int,
        successRate: Double? = nil,
        attempts: Int,
        duration: DurationStatistics? = nil
    ) {
        self.from = from
        self.executions = executions
        self.completed = completed
        self.faulted = faulted
        self.cancelled = cancelled
        self.successRate = successRate
        self.attempts = attempts
        self.duration = duration
    }

    private enum CodingKeys: String, CodingKey {
        case from = "from"
        case executions = "executions"
        case completed = "completed"
        case faulted = "faulted"
        case cancelled = "cancelled"
        case successRate = "success_rate"
        case attempts = "attempts"
        case duration = "duration"
    }
}

/// How an execution of a task is.
public enum StepStatus: String, Codable, Sendable, CaseIterable {
    /// It is under way.
    case running = "running"
    /// It ended with an output.
    case completed = "completed"
    /// It ended with an error.
    case faulted = "faulted"
    /// It was stopped before it ended.
    case cancelled = "cancelled"
}

/// Whether the store works: something was written to it, read again and deleted just now.
public struct StorageHealth: Codable, Sendable, Equatable {
    /// Whether writing, reading and deleting worked.
    public var status: HealthStatus
    /// How long they took together, in milliseconds.
    public var probeMs: Int
    /// Why they did not work.
    public var error: ErrorReport?

    public init(
        status: HealthStatus,
        probeMs: Int,
        error: ErrorReport? = nil
    ) {
        self.status = status
        self.probeMs = probeMs
        self.error = error
    }

    private enum CodingKeys: String, CodingKey {
        case status = "status"
        case probeMs = "probe_ms"
        case error = "error"
    }
}

/// The kind of place where an engine keeps what it is given.
public enum StorageKind: String, Codable, Sendable, CaseIterable {
    /// An SQLite database in the data folder.
    case sqlite = "sqlite"
    /// Memory: closing the engine forgets everything.
    case memory = "memory"
    /// A PostgreSQL database.
    case postgres = "postgres"
}

/// Since when a run cannot go on, and why.
public struct Stuck: Codable, Sendable, Equatable {
    /// Since when.
    public var since: String
    /// What happened.
    public var change: Change

    public init(
        since: String,
        change: Change
    ) {
        self.since = since
        self.change = change
    }

    private enum CodingKeys: String, CodingKey {
        case since = "since"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        since = try container.decode(String.self, forKey: .since)
        change = try Change(from: decoder)
    }

    public func encode(to encoder: any Encoder) throws {
        try change.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(since, forKey: .since)
    }

    /// What happened.
    public enum Change: Codable, Sendable, Equatable {
        /// A task calls a function that nobody has registered, or that the engine's settings forbid.
        case functionMissing(function: String, task: String)
        /// The store cannot be read or written; the run tries again and again.
        case storeFailing(error: ErrorReport)
        /// The engine has given the run up until it is resumed.
        case driverStopped(error: ErrorReport)
        /// The run was interrupted and nobody has resumed it.
        case notResumed

        private enum CodingKeys: String, CodingKey {
            case variantTag = "type"
            case error = "error"
            case function = "function"
            case task = "task"
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            switch try container.decode(String.self, forKey: .variantTag) {
            case "function_missing":
                self = .functionMissing(function: try container.decode(String.self, forKey: .function), task: try container.decode(String.self, forKey: .task))
            case "store_failing":
                self = .storeFailing(error: try container.decode(ErrorReport.self, forKey: .error))
            case "driver_stopped":
                self = .driverStopped(error: try container.decode(ErrorReport.self, forKey: .error))
            case "not_resumed":
                self = .notResumed
            case let other:
                throw DecodingError.dataCorruptedError(
                    forKey: .variantTag, in: container, debugDescription: "'\(other)' is not known")
            }
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            switch self {
            case .functionMissing(let function, let task):
                try container.encode("function_missing", forKey: .variantTag)
                try container.encode(function, forKey: .function)
                try container.encode(task, forKey: .task)
            case .storeFailing(let error):
                try container.encode("store_failing", forKey: .variantTag)
                try container.encode(error, forKey: .error)
            case .driverStopped(let error):
                try container.encode("driver_stopped", forKey: .variantTag)
                try container.encode(error, forKey: .error)
            case .notResumed:
                try container.encode("not_resumed", forKey: .variantTag)
            }
        }
    }
}

/// A run that cannot go on.
public struct StuckRun: Codable, Sendable, Equatable {
    /// The run, without its input and output.
    public var run: Run
    /// What keeps it from going on.
    public var stuck: [Stuck]

    public init(
        run: Run,
        stuck: [Stuck]
    ) {
        self.run = run
        self.stuck = stuck
    }

    private enum CodingKeys: String, CodingKey {
        case run = "run"
        case stuck = "stuck"
    }
}

/// A part of a list.
public struct StuckRunPage: Codable, Sendable, Equatable {
    /// The items.
    public var items: [StuckRun]
    /// What to pass as `after` to get the following page; absent on the last.
    public var next: String?

    public init(
        items: [StuckRun],
        next: String? = nil
    ) {
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case items = "items"
        case next = "next"
    }
}

/// Follows the caller's log.
public struct SubscribeEventsRequest: Codable, Sendable, Equatable {
    /// The offset after which to begin, 0 for all events; only events from now on when absent.
    public var after: Int?
    /// Only events of this type.
    public var type: String?

    public init(
        after: Int? = nil,
        type: String? = nil
    ) {
        self.after = after
        self.type = type
    }

    private enum CodingKeys: String, CodingKey {
        case after = "after"
        case type = "type"
    }
}

/// A task of one document.
public struct TaskPlace: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Its JSON pointer.
    public var task: String

    public init(
        name: String,
        task: String
    ) {
        self.name = name
        self.task = task
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case task = "task"
    }
}

/// The executions of a task.
public struct TaskStatistics: Codable, Sendable, Equatable {
    /// The JSON pointer of the task in the document.
    public var task: String
    /// The version of the workflow, when each has numbers of its own.
    public var version: String?
    /// The numbers of the whole time range.
    public var total: StepStatistics
    /// The numbers of each hour or day in which there were any, in order; nothing without an `interval`.
    public var parts: [StepStatisticsPart]

    public init(
        task: String,
        version: String? = nil,
        total: StepStatistics,
        parts: [StepStatisticsPart]
    ) {
        self.task = task
        self.version = version
        self.total = total
        self.parts = parts
    }

    private enum CodingKeys: String, CodingKey {
        case task = "task"
        case version = "version"
        case total = "total"
        case parts = "parts"
    }
}

/// Numbers, and the time range that they are of.
public struct TaskStatisticsList: Codable, Sendable, Equatable {
    /// Where the time range begins: the beginning of an hour, or of a day.
    public var from: String
    /// Where it ends.
    public var before: String
    /// The numbers.
    public var items: [TaskStatistics]
    /// What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last.
    public var next: String?

    public init(
        from: String,
        before: String,
        items: [TaskStatistics],
        next: String? = nil
    ) {
        self.from = from
        self.before = before
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case from = "from"
        case before = "before"
        case items = "items"
        case next = "next"
    }
}

/// A template with its form and its whole file.
public struct TemplateDetails: Codable, Sendable, Equatable {
    /// What lists show of it.
    public var template: TemplateInfo
    /// The form: a JSON Schema of an object.
    public var parameters: JSONValue
    /// The whole file: what another engine imports.
    public var text: String

    public init(
        template: TemplateInfo,
        parameters: JSONValue,
        text: String
    ) {
        self.template = template
        self.parameters = parameters
        self.text = text
    }

    private enum CodingKeys: String, CodingKey {
        case template = "template"
        case parameters = "parameters"
        case text = "text"
    }
}

/// What a list of templates shows of one.
public struct TemplateInfo: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Its semantic version.
    public var version: String
    /// The name people read.
    public var title: String
    /// What workflows made from it do, in Markdown.
    public var summary: String?
    /// Where it stands in a list of templates, e.g. `calendar`.
    public var category: String?
    /// When it was imported; absent for those that come with the engine.
    public var importedAt: String?

    public init(
        name: String,
        version: String,
        title: String,
        summary: String? = nil,
        category: String? = nil,
        importedAt: String? = nil
    ) {
        self.name = name
        self.version = version
        self.title = title
        self.summary = summary
        self.category = category
        self.importedAt = importedAt
    }

    private enum CodingKeys: String, CodingKey {
        case name = "name"
        case version = "version"
        case title = "title"
        case summary = "summary"
        case category = "category"
        case importedAt = "imported_at"
    }
}

/// A part of a list.
public struct TemplateInfoPage: Codable, Sendable, Equatable {
    /// The items.
    public var items: [TemplateInfo]
    /// What to pass as `after` to get the following page; absent on the last.
    public var next: String?

    public init(
        items: [TemplateInfo],
        next: String? = nil
    ) {
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case items = "items"
        case next = "next"
    }
}

/// Starts a run of a scheduled workflow now, besides those that the schedule starts.
public struct TriggerScheduleRequest: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// Its name.
    public var name: String
    /// The id to give to the run, a UUID. Triggering again with the same id gives the first run.
    public var id: RunId?

    public init(
        namespace: String,
        name: String,
        id: RunId? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.id = id
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case id = "id"
    }
}

/// A valid part of a document that the engine does not carry out.
public struct UnsupportedFeature: Codable, Sendable, Equatable {
    /// What it is, e.g. `use.catalogs`.
    public var feature: String
    /// Where it stands, a JSON pointer.
    public var path: String
    /// The line it stands on, from 1.
    public var line: Int
    /// The column it starts at, from 1.
    public var column: Int

    public init(
        feature: String,
        path: String,
        line: Int,
        column: Int
    ) {
        self.feature = feature
        self.path = path
        self.line = line
        self.column = column
    }

    private enum CodingKeys: String, CodingKey {
        case feature = "feature"
        case path = "path"
        case line = "line"
        case column = "column"
    }
}

/// Checks a document.
public struct ValidateWorkflowRequest: Codable, Sendable, Equatable {
    /// The document's text, YAML or JSON.
    public var document: String
    /// Whether to read the external resources that the document refers to, as deploying it does, and to check them
    /// too. Needs the permission `workflows.write`, too.
    public var resources: Bool

    public init(
        document: String,
        resources: Bool = false
    ) {
        self.document = document
        self.resources = resources
    }

    private enum CodingKeys: String, CodingKey {
        case document = "document"
        case resources = "resources"
    }
}

/// An external resource that a document refers to.
public struct ValidatedResource: Codable, Sendable, Equatable {
    /// Where it is.
    public var uri: String
    /// SHA-256 of its text, in hexadecimal; absent when it was not read, and so not checked.
    public var hash: String?

    public init(
        uri: String,
        hash: String? = nil
    ) {
        self.uri = uri
        self.hash = hash
    }

    private enum CodingKeys: String, CodingKey {
        case uri = "uri"
        case hash = "hash"
    }
}

/// How a well-formed document names itself.
public struct ValidatedWorkflow: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// The name of the workflow.
    public var name: String
    /// The semantic version.
    public var version: String
    /// SHA-256 of the document's canonical JSON, in hexadecimal; of the document with its external resources when
    /// these were read.
    public var hash: String
    /// The name people read.
    public var title: String?

    public init(
        namespace: String,
        name: String,
        version: String,
        hash: String,
        title: String? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.hash = hash
        self.title = title
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
        case hash = "hash"
        case title = "title"
    }
}

/// An engine that shares the storage with others.
public struct Worker: Codable, Sendable, Equatable {
    /// Its id, for as long as it holds its lease.
    public var id: WorkerId
    /// The machine and process that it runs in.
    public var name: String
    /// Whether it holds its runs.
    public var state: WorkerState
    /// Whether it is the engine that was asked.
    public var isThis: Bool
    /// Whether it takes runs that no engine drives: those of engines that are gone, and those that others have
    /// started for it.
    public var takesRuns: Bool
    /// How many runs that have not ended it drives, over all users.
    public var runs: Int
    /// How many functions it has.
    public var functions: Int
    /// Since when it is there, by the clock of the storage.
    public var startedAt: String
    /// When it last renewed its lease, by the clock of the storage.
    public var renewedAt: String
    /// When others take over its runs unless it renews its lease, by the clock of the storage.
    public var leaseUntil: String

    public init(
        id: WorkerId,
        name: String,
        state: WorkerState,
        isThis: Bool,
        takesRuns: Bool,
        runs: Int,
        functions: Int,
        startedAt: String,
        renewedAt: String,
        leaseUntil: String
    ) {
        self.id = id
        self.name = name
        self.state = state
        self.isThis = isThis
        self.takesRuns = takesRuns
        self.runs = runs
        self.functions = functions
        self.startedAt = startedAt
        self.renewedAt = renewedAt
        self.leaseUntil = leaseUntil
    }

    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case name = "name"
        case state = "state"
        case isThis = "is_this"
        case takesRuns = "takes_runs"
        case runs = "runs"
        case functions = "functions"
        case startedAt = "started_at"
        case renewedAt = "renewed_at"
        case leaseUntil = "lease_until"
    }
}

/// The id of one engine among those that share a store, for as long as it holds its lease.
public typealias WorkerId = String

/// The engines that share the storage.
public struct WorkerList: Codable, Sendable, Equatable {
    /// The engines, the oldest first; none where one engine has the storage for itself.
    public var workers: [Worker]

    public init(
        workers: [Worker]
    ) {
        self.workers = workers
    }

    private enum CodingKeys: String, CodingKey {
        case workers = "workers"
    }
}

/// Whether a worker holds its runs.
public enum WorkerState: String, Codable, Sendable, CaseIterable {
    /// It renews its lease and drives runs.
    case active = "active"
    /// It finishes what it has begun and leaves.
    case draining = "draining"
    /// Its lease has run out, or it has left: others take its runs.
    case gone = "gone"
}

/// What differs between two documents.
public struct WorkflowComparison: Codable, Sendable, Equatable {
    /// The document that was compared.
    public var from: ValidatedWorkflow
    /// The document that it was compared with.
    public var to: ValidatedWorkflow
    /// The tasks that only the second document has, in document order.
    public var added: [TaskPlace]
    /// The tasks that only the first document has, in document order.
    public var removed: [TaskPlace]
    /// The tasks that stand in another list, or at another place among the tasks that both lists have.
    public var moved: [MovedTask]
    /// The tasks that are themselves different, apart from the tasks inside them.
    public var changed: [ChangedTask]
    /// What differs outside of tasks: `document`, `input`, `output`, `use`, `timeout`, `schedule`, `evaluate`.
    public var parts: [MemberChange]
    /// The external resources that differ, by URI; absent when one of the documents refers to some that were not
    /// read, as they are only when it is deployed.
    public var resources: [ChangedResource]?

    public init(
        from: ValidatedWorkflow,
        to: ValidatedWorkflow,
        added: [TaskPlace],
        removed: [TaskPlace],
        moved: [MovedTask],
        changed: [ChangedTask],
        parts: [MemberChange],
        resources: [ChangedResource]? = nil
    ) {
        self.from = from
        self.to = to
        self.added = added
        self.removed = removed
        self.moved = moved
        self.changed = changed
        self.parts = parts
        self.resources = resources
    }

    private enum CodingKeys: String, CodingKey {
        case from = "from"
        case to = "to"
        case added = "added"
        case removed = "removed"
        case moved = "moved"
        case changed = "changed"
        case parts = "parts"
        case resources = "resources"
    }
}

/// A deployed workflow with its text.
public struct WorkflowDocument: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// The name of the workflow.
    public var name: String
    /// The semantic version.
    public var version: String
    /// SHA-256 of the document's canonical JSON, in hexadecimal.
    public var hash: String
    /// The name people read.
    public var title: String?
    /// What it does, in Markdown.
    public var summary: String?
    /// When it was deployed.
    public var deployedAt: String
    /// When a lower version was made the latest in its place; absent for a version that is not withdrawn.
    public var withdrawnAt: String?
    /// The document's text as deployed.
    public var document: String
    /// The external resources that the document refers to, as they were read when it was deployed.
    public var resources: [WorkflowResource]

    public init(
        namespace: String,
        name: String,
        version: String,
        hash: String,
        title: String? = nil,
        summary: String? = nil,
        deployedAt: String,
        withdrawnAt: String? = nil,
        document: String,
        resources: [WorkflowResource]
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.hash = hash
        self.title = title
        self.summary = summary
        self.deployedAt = deployedAt
        self.withdrawnAt = withdrawnAt
        self.document = document
        self.resources = resources
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
        case hash = "hash"
        case title = "title"
        case summary = "summary"
        case deployedAt = "deployed_at"
        case withdrawnAt = "withdrawn_at"
        case document = "document"
        case resources = "resources"
    }
}

/// The error of a task or run.
public struct WorkflowError: Codable, Sendable, Equatable {
    /// What kind of error it is, a URI.
    public var type: String
    /// The status, in the manner of HTTP.
    public var status: Int
    /// The kind in words.
    public var title: String?
    /// What went wrong this time.
    public var detail: String?
    /// The JSON pointer of the task where it arose.
    public var instance: String?

    public init(
        type: String,
        status: Int,
        title: String? = nil,
        detail: String? = nil,
        instance: String? = nil
    ) {
        self.type = type
        self.status = status
        self.title = title
        self.detail = detail
        self.instance = instance
    }

    private enum CodingKeys: String, CodingKey {
        case type = "type"
        case status = "status"
        case title = "title"
        case detail = "detail"
        case instance = "instance"
    }
}

/// Which document a run follows. Runs are pinned to the content, not to the name.
public struct WorkflowKey: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// The name of the workflow.
    public var name: String
    /// The version of the workflow.
    public var version: String
    /// SHA-256 of the document's canonical JSON, in hexadecimal.
    public var hash: String

    public init(
        namespace: String,
        name: String,
        version: String,
        hash: String
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.hash = hash
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
        case hash = "hash"
    }
}

/// A deployed workflow by name.
public struct WorkflowReference: Codable, Sendable, Equatable {
    /// Its namespace.
    public var namespace: String
    /// Its name.
    public var name: String
    /// Its version; the latest when absent or `latest`: the highest that is not withdrawn.
    public var version: String?

    public init(
        namespace: String,
        name: String,
        version: String? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
    }
}

/// A resource that was read.
public struct WorkflowResource: Codable, Sendable, Equatable {
    /// Where it was.
    public var uri: String
    /// SHA-256 of its text, in hexadecimal.
    public var hash: String
    /// How long its text is, in bytes.
    public var bytes: Int

    public init(
        uri: String,
        hash: String,
        bytes: Int
    ) {
        self.uri = uri
        self.hash = hash
        self.bytes = bytes
    }

    private enum CodingKeys: String, CodingKey {
        case uri = "uri"
        case hash = "hash"
        case bytes = "bytes"
    }
}

/// The runs of a workflow.
public struct WorkflowStatistics: Codable, Sendable, Equatable {
    /// The namespace of the workflow.
    public var namespace: String
    /// Its name.
    public var name: String
    /// Its version, when each has numbers of its own.
    public var version: String?
    /// The numbers of the whole time range.
    public var total: RunStatistics
    /// The numbers of each hour or day in which there were any, in order; nothing without an `interval`.
    public var parts: [RunStatisticsPart]

    public init(
        namespace: String,
        name: String,
        version: String? = nil,
        total: RunStatistics,
        parts: [RunStatisticsPart]
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.total = total
        self.parts = parts
    }

    private enum CodingKeys: String, CodingKey {
        case namespace = "namespace"
        case name = "name"
        case version = "version"
        case total = "total"
        case parts = "parts"
    }
}

/// Numbers, and the time range that they are of.
public struct WorkflowStatisticsList: Codable, Sendable, Equatable {
    /// Where the time range begins: the beginning of an hour, or of a day.
    public var from: String
    /// Where it ends.
    public var before: String
    /// The numbers.
    public var items: [WorkflowStatistics]
    /// What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last.
    public var next: String?

    public init(
        from: String,
        before: String,
        items: [WorkflowStatistics],
        next: String? = nil
    ) {
        self.from = from
        self.before = before
        self.items = items
        self.next = next
    }

    private enum CodingKeys: String, CodingKey {
        case from = "from"
        case before = "before"
        case items = "items"
        case next = "next"
    }
}

/// What a check of a document found.
public struct WorkflowValidation: Codable, Sendable, Equatable {
    /// Whether the document is well-formed; it can be deployed when, besides, nothing in it is unsupported.
    public var isValid: Bool
    /// How the document names itself, when it is well-formed.
    public var workflow: ValidatedWorkflow?
    /// What is wrong with it, when it is not; `context` holds `line`, `column` and `path`.
    public var problem: ErrorReport?
    /// Its parts that this engine does not carry out.
    public var unsupported: [UnsupportedFeature]
    /// The external resources that it refers to.
    public var resources: [ValidatedResource]

    public init(
        isValid: Bool,
        workflow: ValidatedWorkflow? = nil,
        problem: ErrorReport? = nil,
        unsupported: [UnsupportedFeature],
        resources: [ValidatedResource] = []
    ) {
        self.isValid = isValid
        self.workflow = workflow
        self.problem = problem
        self.unsupported = unsupported
        self.resources = resources
    }

    private enum CodingKeys: String, CodingKey {
        case isValid = "is_valid"
        case workflow = "workflow"
        case problem = "problem"
        case unsupported = "unsupported"
        case resources = "resources"
    }
}

/// A version of a workflow, with its content.
public struct WorkflowVersion: Codable, Sendable, Equatable {
    /// The version.
    public var version: String
    /// SHA-256 of the document's canonical JSON, in hexadecimal.
    public var hash: String

    public init(
        version: String,
        hash: String
    ) {
        self.version = version
        self.hash = hash
    }

    private enum CodingKeys: String, CodingKey {
        case version = "version"
        case hash = "hash"
    }
}
