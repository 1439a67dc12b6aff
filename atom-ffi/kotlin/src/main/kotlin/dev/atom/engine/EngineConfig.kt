package dev.atom.engine

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonPrimitive

/** What an engine is told when it is opened. What is null is the engine's default. */
@Serializable
data class EngineConfig(
    /**
     * The folder that holds the store and its key, or on PostgreSQL the key only; the platform's folder for application
     * data when absent.
     */
    @SerialName("data_dir")
    val dataDir: String? = null,
    /** Where workflows, runs, events and secrets are kept. */
    val storage: Storage? = null,
    /** What carries runs out; the engine itself when absent. */
    val runs: Runs? = null,
    /** The tenant of calls that name no principal. */
    val tenant: String? = null,
    /** The user of calls that name no principal. */
    val user: String? = null,
    /** The roles of calls that name no principal; none means every permission. */
    val roles: List<String>? = null,
    /** The permissions of roles besides the built-in `admin` and `viewer`. */
    val permissions: Map<String, List<String>>? = null,
    /** The folders that local connectors may read and write; none at all when absent. */
    @SerialName("file_roots")
    val fileRoots: FileRoots? = null,
    /** What may be reached over HTTP, and how. */
    val http: HttpConfig? = null,
    /** Which processes workflows may start; none when absent. */
    val processes: ProcessConfig? = null,
    /** Whether runs that were under way when the store was last closed go on at once. */
    val resume: Boolean? = null,
    /** How long runs that have ended, events and statistics are kept. */
    val retention: RetentionConfig? = null,
    /** Where functions of the catalog `default` are. */
    @SerialName("default_catalog")
    val defaultCatalog: String? = null,
    /** What is told of runs by events: `none`, `workflow` or `all`. */
    @SerialName("lifecycle_events")
    val lifecycleEvents: String? = null,
    /** How often alert rules are evaluated, in milliseconds. */
    @SerialName("alert_interval_ms")
    val alertIntervalMs: Long? = null,
    /** How long a function of the application may take to answer, in milliseconds. */
    @SerialName("host_call_timeout_ms")
    val hostCallTimeoutMs: Long? = null,
    /** How long closing waits for calls and runs to finish what they are writing, in milliseconds. */
    @SerialName("close_grace_ms")
    val closeGraceMs: Long? = null,
)

/** Where an engine keeps what it is given. */
@JvmInline
@Serializable
value class Storage private constructor(private val text: String) {
    /** Shows no URL, which may hold a password. */
    override fun toString(): String = if (text.contains("://")) "Storage.postgres(***)" else "Storage($text)"

    companion object {
        /** In an SQLite database in the data folder. */
        val SQLITE: Storage = Storage("sqlite")

        /** In memory: closing the engine forgets everything. */
        val MEMORY: Storage = Storage("memory")

        /** In the PostgreSQL database with this URL, `postgres://user:password@host/database`. Not on Android. */
        fun postgres(url: String): Storage = Storage(url)
    }
}

/** What carries runs out. */
@JvmInline
@Serializable
value class Runs private constructor(private val text: String) {
    /** Shows no URL, which may hold an API key. */
    override fun toString(): String = if (text.contains("://")) "Runs.temporal(***)" else "Runs($text)"

    companion object {
        /** The engine itself. */
        val EMBEDDED: Runs = Runs("embedded")

        /** The Temporal server with this URL, `temporal://host:port/namespace?task_queue=name`; `temporals` for TLS. */
        fun temporal(url: String): Runs = Runs(url)
    }
}

/** The folders that local connectors may read and write. */
@JvmInline
@Serializable
value class FileRoots private constructor(private val json: JsonElement) {
    companion object {
        /** Every file the process may touch: for programs that act for the person who started them. */
        val EVERYWHERE: FileRoots = FileRoots(JsonPrimitive("everywhere"))

        /** What lies in or below these folders. */
        fun below(vararg folders: String): FileRoots = FileRoots(JsonArray(folders.map(::JsonPrimitive)))
    }
}

/** What may be reached over HTTP, and how. What is null is the engine's default. */
@Serializable
data class HttpConfig(
    /** Whether requests may go to addresses that are not on the public internet. */
    @SerialName("private_addresses")
    val privateAddresses: PrivateAddresses? = null,
    /** Where requests to a host go instead: a base URL for each. */
    val hosts: Map<String, String>? = null,
    /** The longest response body that is read, in bytes. */
    @SerialName("maximum_response_bytes")
    val maximumResponseBytes: Long? = null,
    /** How long connecting to a server may take, in seconds. */
    @SerialName("connect_timeout_seconds")
    val connectTimeoutSeconds: Long? = null,
    /** How long a call may take that has no deadline of its own, in seconds. */
    @SerialName("timeout_seconds")
    val timeoutSeconds: Long? = null,
)

/** Which processes workflows may start on this machine. What is null is the engine's default: none. */
@Serializable
data class ProcessConfig(
    /** Whether `run: shell` is allowed. */
    val shell: Boolean? = null,
    /** Whether `run: script` is allowed. */
    val script: Boolean? = null,
    /** Whether `run: container` is allowed. */
    val container: Boolean? = null,
    /** Whether `call: mcp` may start servers. */
    val mcp: Boolean? = null,
    /** The Python interpreter of `run: script`; `python3` when null. */
    val python: String? = null,
    /** The Unix socket of the container engine; the usual one when null. */
    @SerialName("container_socket")
    val containerSocket: String? = null,
    /** Folders in which servers are looked for before those of the `PATH` of this program. */
    val path: List<String>? = null,
)

/**
 * How long an engine keeps what has ended, as ISO 8601 durations such as `P30D`. Runs and events are kept for ever when
 * null.
 */
@Serializable
data class RetentionConfig(
    /** Runs that completed, unless their document says otherwise. */
    val completed: String? = null,
    /** Runs that faulted or were cancelled, unless their document says otherwise. */
    val failed: String? = null,
    /** Events of the log. */
    val events: String? = null,
    /** Statistics of runs and tasks, `P31D` or more; `P400D` when null. */
    val statistics: String? = null,
)

/** Whether requests may go to loopback, link-local, private and other addresses off the public internet. */
@Serializable
enum class PrivateAddresses {
    /** Such requests are refused. */
    @SerialName("deny")
    DENY,

    /** Requests may go anywhere. */
    @SerialName("allow")
    ALLOW,
}

/** On whose behalf an operation is carried out. */
@Serializable
data class Principal(
    /** The tenant. */
    val tenant: String,
    /** The user within the tenant. */
    val user: String,
    /** The roles that permissions are granted to; none means every permission. */
    val roles: List<String> = emptyList(),
)
