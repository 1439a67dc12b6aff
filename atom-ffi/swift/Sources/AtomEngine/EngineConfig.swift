/// What an engine is told when it is opened. What is nil is the engine's default.
public struct EngineConfig: Encodable, Sendable {
    /// The folder that holds the store and its key, or on PostgreSQL the key only; the platform's folder for application data
    /// when absent.
    public var dataDir: String?
    /// Where workflows, runs, events and secrets are kept.
    public var storage: Storage?
    /// What carries runs out; the engine itself when absent.
    public var runs: Runs?
    /// The tenant of calls that name no principal.
    public var tenant: String?
    /// The user of calls that name no principal.
    public var user: String?
    /// The roles of calls that name no principal; none means every permission.
    public var roles: [String]?
    /// The permissions of roles besides the built-in `admin` and `viewer`.
    public var permissions: [String: [String]]?
    /// The folders that local connectors may read and write; none at all when absent.
    public var fileRoots: FileRoots?
    /// What may be reached over HTTP, and how.
    public var http: HTTPConfig?
    /// Which processes workflows may start; none when absent.
    public var processes: ProcessConfig?
    /// Whether runs that were under way when the store was last closed go on at once.
    public var resume: Bool?
    /// How long runs that have ended, events and statistics are kept.
    public var retention: RetentionConfig?
    /// Where functions of the catalog `default` are.
    public var defaultCatalog: String?
    /// What is told of runs by events: `none`, `workflow` or `all`.
    public var lifecycleEvents: String?
    /// How often alert rules are evaluated, in milliseconds.
    public var alertIntervalMs: Int?
    /// How long a function of the application may take to answer, in milliseconds.
    public var hostCallTimeoutMs: Int?
    /// How long closing waits for calls and runs to finish what they are writing, in milliseconds.
    public var closeGraceMs: Int?

    /// Everything as the engine's defaults are.
    public init() {}

    private enum CodingKeys: String, CodingKey {
        case dataDir = "data_dir"
        case storage
        case runs
        case tenant
        case user
        case roles
        case permissions
        case fileRoots = "file_roots"
        case http
        case processes
        case resume
        case retention
        case defaultCatalog = "default_catalog"
        case lifecycleEvents = "lifecycle_events"
        case alertIntervalMs = "alert_interval_ms"
        case hostCallTimeoutMs = "host_call_timeout_ms"
        case closeGraceMs = "close_grace_ms"
    }
}

/// Where an engine keeps what it is given.
public enum Storage: Encodable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// In an SQLite database in the data folder.
    case sqlite
    /// In memory: closing the engine forgets everything.
    case memory
    /// In the PostgreSQL database with this URL, `postgres://user:password@host/database`. Not on iOS.
    case postgres(String)

    /// Shows no URL, which may hold a password.
    public var description: String {
        switch self {
        case .sqlite: "sqlite"
        case .memory: "memory"
        case .postgres: "postgres(***)"
        }
    }

    public var debugDescription: String { description }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .sqlite: try container.encode("sqlite")
        case .memory: try container.encode("memory")
        case .postgres(let url): try container.encode(url)
        }
    }
}

/// What carries runs out.
public enum Runs: Encodable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// The engine itself.
    case embedded
    /// The Temporal server with this URL, `temporal://host:port/namespace?task_queue=name`; `temporals` for TLS.
    case temporal(String)

    /// Shows no URL, which may hold an API key.
    public var description: String {
        switch self {
        case .embedded: "embedded"
        case .temporal: "temporal(***)"
        }
    }

    public var debugDescription: String { description }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .embedded: try container.encode("embedded")
        case .temporal(let url): try container.encode(url)
        }
    }
}

/// The folders that local connectors may read and write.
public enum FileRoots: Encodable, Sendable {
    /// Every file the process may touch: for programs that act for the person who started them.
    case everywhere
    /// What lies in or below these folders.
    case below([String])

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .everywhere: try container.encode("everywhere")
        case .below(let folders): try container.encode(folders)
        }
    }
}

/// What may be reached over HTTP, and how. What is nil is the engine's default.
public struct HTTPConfig: Encodable, Sendable {
    /// Whether requests may go to addresses that are not on the public internet.
    public var privateAddresses: PrivateAddresses?
    /// Where requests to a host go instead: a base URL for each.
    public var hosts: [String: String]?
    /// The longest response body that is read, in bytes.
    public var maximumResponseBytes: Int?
    /// How long connecting to a server may take, in seconds.
    public var connectTimeoutSeconds: Int?
    /// How long a call may take that has no deadline of its own, in seconds.
    public var timeoutSeconds: Int?

    /// Everything as the engine's defaults are.
    public init() {}

    private enum CodingKeys: String, CodingKey {
        case privateAddresses = "private_addresses"
        case hosts
        case maximumResponseBytes = "maximum_response_bytes"
        case connectTimeoutSeconds = "connect_timeout_seconds"
        case timeoutSeconds = "timeout_seconds"
    }
}

/// Which processes workflows may start on this machine. What is nil is the engine's default: none.
public struct ProcessConfig: Encodable, Sendable {
    /// Whether `run: shell` is allowed.
    public var shell: Bool?
    /// Whether `run: script` is allowed.
    public var script: Bool?
    /// Whether `run: container` is allowed.
    public var container: Bool?
    /// Whether `call: mcp` may start servers.
    public var mcp: Bool?
    /// The Python interpreter of `run: script`; `python3` when nil.
    public var python: String?
    /// The Unix socket of the container engine; the usual one when nil.
    public var containerSocket: String?
    /// Folders in which servers are looked for before those of the `PATH` of this program.
    public var path: [String]?

    /// Everything as the engine's defaults are.
    public init() {}

    private enum CodingKeys: String, CodingKey {
        case shell
        case script
        case container
        case mcp
        case python
        case containerSocket = "container_socket"
        case path
    }
}

/// How long an engine keeps what has ended, as ISO 8601 durations such as `P30D`. Runs and events are kept for ever when nil.
public struct RetentionConfig: Encodable, Sendable {
    /// Runs that completed, unless their document says otherwise.
    public var completed: String?
    /// Runs that faulted or were cancelled, unless their document says otherwise.
    public var failed: String?
    /// Events of the log.
    public var events: String?
    /// Statistics of runs and tasks, `P31D` or more; `P400D` when nil.
    public var statistics: String?

    /// Everything as the engine's defaults are.
    public init() {}

    private enum CodingKeys: String, CodingKey {
        case completed
        case failed
        case events
        case statistics
    }
}

/// Whether requests may go to loopback, link-local, private and other addresses off the public internet.
public enum PrivateAddresses: String, Encodable, Sendable {
    /// Such requests are refused.
    case deny
    /// Requests may go anywhere.
    case allow
}

/// On whose behalf an operation is carried out.
public struct Principal: Encodable, Sendable {
    /// The tenant.
    public var tenant: String
    /// The user within the tenant.
    public var user: String
    /// The roles that permissions are granted to; none means every permission.
    public var roles: [String]

    public init(tenant: String, user: String, roles: [String] = []) {
        self.tenant = tenant
        self.user = user
        self.roles = roles
    }
}
