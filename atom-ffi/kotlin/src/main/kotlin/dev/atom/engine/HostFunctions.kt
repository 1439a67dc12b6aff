package dev.atom.engine

import dev.atom.engine.ffi.NativeBridge
import dev.atom.engine.ffi.NativeException
import java.util.concurrent.ConcurrentHashMap
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.decodeFromJsonElement
import kotlinx.serialization.json.encodeToJsonElement
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long

/** What is known about a call of a function besides its arguments. */
@Serializable
data class FunctionContext(
    /** The tenant on whose behalf the call is made. */
    val tenant: String,
    /** The user on whose behalf the call is made. */
    val user: String,
    /** The user's roles. */
    val roles: List<String>,
    /** The same for every repetition of this call after a crash, and different for every other call. */
    @SerialName("idempotency_key")
    val idempotencyKey: String,
    /** When the caller stops waiting, as RFC 3339 text. */
    val deadline: String,
    /** The run that calls; absent for a direct call. */
    val run: RunId? = null,
    /** The JSON pointer of the calling task in its document; absent for a direct call. */
    val task: String? = null,
    /** Where relative file paths start. */
    val directory: String? = null,
)

/** A function of the application. */
typealias FunctionHandler = suspend (arguments: JsonElement, context: FunctionContext) -> JsonElement

/** The functions of the application, and their calls under way. */
internal class HostFunctions(private val bridge: NativeBridge, private val scope: CoroutineScope) {
    private val handlers = ConcurrentHashMap<String, FunctionHandler>()
    private val calls = ConcurrentHashMap<Long, Job>()

    fun register(info: FunctionInfo, handler: FunctionHandler) = synchronized(handlers) {
        // Known first, so that a call that comes at once finds it.
        val isNew = handlers.putIfAbsent(info.name, handler) == null
        try {
            bridge.registerFunction(AtomJson.encodeToString(FunctionInfo.serializer(), info))
        } catch (failure: NativeException.Failed) {
            if (isNew) handlers.remove(info.name)
            throw failure.toAtomException()
        }
    }

    fun unregister(name: String): Boolean = synchronized(handlers) {
        val existed = bridge.unregisterFunction(name)
        handlers.remove(name)
        existed
    }

    /** Starts the function. Whatever becomes of it, the engine gets an answer. */
    fun call(message: JsonObject) {
        val call = message.getValue("call").jsonPrimitive.long
        val name = message.getValue("function").jsonPrimitive.content
        val answer = scope.async(start = CoroutineStart.LAZY) {
            val handler = handlers[name] ?: throw NotFoundException("the function '$name' is no longer registered")
            handler(message.getValue("arguments"), AtomJson.decodeFromJsonElement(message.getValue("context")))
        }
        calls[call] = answer
        answer.invokeOnCompletion { failure ->
            calls.remove(call)
            bridge.reply(call.toULong(), reply(answer, failure))
        }
        answer.start()
    }

    /** Nobody waits for the answer any more. */
    fun cancel(message: JsonObject) {
        calls[message.getValue("call").jsonPrimitive.long]?.cancel()
    }

    @OptIn(ExperimentalCoroutinesApi::class)
    private fun reply(answer: Deferred<JsonElement>, failure: Throwable?): String {
        val (member, value) = when (failure) {
            null -> "ok" to answer.getCompleted()
            is AtomException -> "err" to AtomJson.encodeToJsonElement(failure.report)
            else -> "err" to JsonObject(mapOf("message" to JsonPrimitive(failure.toString())))
        }
        return JsonObject(mapOf(member to value)).toString()
    }
}

internal fun NativeException.Failed.toAtomException(): AtomException =
    exceptionOf(AtomJson.decodeFromString(ErrorReport.serializer(), report))
