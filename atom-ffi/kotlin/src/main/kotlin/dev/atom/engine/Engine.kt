package dev.atom.engine

import dev.atom.engine.ffi.NativeBridge
import dev.atom.engine.ffi.NativeException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.decodeFromJsonElement

/**
 * An open engine: its operations by group, and the functions of the application.
 *
 * Safe to use from any thread and coroutine. Cancelling a coroutine cancels its call; cancelling a collector ends
 * its stream. Errors are [AtomException]s.
 */
class Engine private constructor(
    private val connection: Connection,
    private val scope: CoroutineScope,
    private val closeGraceMs: Long,
) : Actor(Caller(connection, "")), AutoCloseable {
    /** The same operations, carried out on behalf of somebody else. */
    fun actingAs(principal: Principal): Actor =
        Actor(Caller(connection, AtomJson.encodeToString(Principal.serializer(), principal)))

    /**
     * Lets workflows and callers call a function of the application by [name]: lower-case words joined by `_`,
     * grouped by `.`.
     *
     * The function runs in the engine's coroutine scope and is cancelled when nobody waits for it any more. What
     * it throws becomes the error of the call: an [AtomException] as it is, anything else as
     * [ErrorCode.HOST_FAILED]. A name that is taken is refused with [AlreadyExistsException].
     */
    fun function(
        name: String,
        description: String = "",
        inputSchema: JsonElement = JsonPrimitive(true),
        outputSchema: JsonElement = JsonPrimitive(true),
        isReadOnly: Boolean = false,
        handler: FunctionHandler,
    ) {
        val info = FunctionInfo(name, description, inputSchema, outputSchema, isReadOnly)
        connection.functions.register(info, handler)
    }

    /** Removes a function of the application and tells whether there was one. Calls under way go on. */
    fun unregisterFunction(name: String): Boolean = connection.functions.unregister(name)

    /**
     * Closes the engine and blocks until its data folder is free, at most a few seconds longer than
     * [EngineConfig.closeGraceMs]. Calls under way then fail with [ClosedException]; runs go on when an engine
     * opens the folder again. Closing again does nothing.
     */
    override fun close() {
        connection.close(closeGraceMs)
        scope.cancel("the engine is closed")
    }

    companion object {
        private const val DEFAULT_CLOSE_GRACE_MS = 5_000L

        /** Opens an engine. Functions of the application run on [dispatcher]. */
        suspend fun open(
            config: EngineConfig = EngineConfig(),
            dispatcher: CoroutineDispatcher = Dispatchers.Default,
        ): Engine {
            var opened: Engine? = null
            try {
                // A cancelled caller gets nothing from here, so that the engine must be known outside.
                withContext(NonCancellable + Dispatchers.IO) { opened = openBlocking(config, dispatcher) }
                currentCoroutineContext().ensureActive()
                return checkNotNull(opened)
            } catch (failure: Throwable) {
                withContext(NonCancellable + Dispatchers.IO) { opened?.close() }
                throw failure
            }
        }

        private fun openBlocking(config: EngineConfig, dispatcher: CoroutineDispatcher): Engine {
            val bridge = try {
                NativeBridge.open(AtomJson.encodeToString(EngineConfig.serializer(), config))
            } catch (failure: NativeException.Failed) {
                throw failure.toAtomException()
            }
            val scope = CoroutineScope(SupervisorJob() + dispatcher)
            return Engine(Connection(bridge, scope), scope, config.closeGraceMs ?: DEFAULT_CLOSE_GRACE_MS)
        }
    }
}

/** Every operation, on behalf of one principal. */
open class Actor internal constructor(private val caller: Caller) : Operations(caller) {
    /** Calls an operation by name, as JSON. */
    suspend fun call(operation: String, request: JsonElement = JsonObject(emptyMap())): JsonElement =
        caller.call(operation, request)

    /** Follows a stream operation by name, as JSON. It begins when it is collected. */
    fun subscribe(operation: String, request: JsonElement = JsonObject(emptyMap())): Flow<JsonElement> =
        caller.stream(operation, request)
}

/** Calls operations on behalf of one principal, with typed requests and answers. */
internal class Caller(val connection: Connection, val principal: String) {
    suspend inline fun <reified Request, reified Response> call(operation: String, request: Request): Response =
        AtomJson.decodeFromJsonElement(connection.call(operation, principal, AtomJson.encodeToString(request)))

    inline fun <reified Request, reified Item> stream(operation: String, request: Request): Flow<Item> =
        connection.stream(operation, principal, AtomJson.encodeToString(request))
            .map { AtomJson.decodeFromJsonElement(it) }
}
