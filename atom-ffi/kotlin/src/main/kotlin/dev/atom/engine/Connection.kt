package dev.atom.engine

import dev.atom.engine.ffi.NativeBridge
import kotlin.concurrent.thread
import kotlin.coroutines.resume
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.decodeFromJsonElement
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long

/** The calls and streams under way, and the thread that takes the engine's messages to them. */
internal class Connection(private val bridge: NativeBridge, scope: CoroutineScope) {
    val functions = HostFunctions(bridge, scope)

    /** Guards [receivers] and [end]; held while submitting, so that no answer comes before its receiver is known. */
    private val lock = Any()
    private val receivers = HashMap<Long, Receiver>()

    /** Why there will be no further message. */
    private var end: ErrorReport? = null

    private val messages = thread(name = "atom-messages", isDaemon = true) { takeMessages() }

    /** Calls an operation and gives its answer. */
    suspend fun call(operation: String, principal: String, request: String): JsonElement {
        val answer = suspendCancellableCoroutine { continuation ->
            val id = submit(operation, principal, request) { message ->
                // The result is the only message; that of a call that was cancelled is ignored here.
                continuation.resume(message)
            }
            if (id != null) continuation.invokeOnCancellation { bridge.cancel(id) }
        }
        answer.failure()?.let { throw exceptionOf(it) }
        return answer.getValue("ok")
    }

    /**
     * Follows a stream operation. It begins when it is collected and ends, at the latest, with its collector; a slow
     * collector holds it back.
     */
    fun stream(operation: String, principal: String, request: String): Flow<JsonElement> = flow {
        val buffer = StreamBuffer(bridge)
        val id = submit(operation, principal, request, buffer::add)
        try {
            while (true) {
                val message = buffer.take()
                message.failure()?.let { throw exceptionOf(it) }
                emit(message["item"] ?: return@flow)
            }
        } finally {
            if (id != null) bridge.cancel(id)
        }
    }

    /** Closes the engine; blocks until its data folder is free. */
    fun close(graceMs: Long) {
        bridge.close(graceMs.toULong())
        // Whoever closes from within a message has it still in hand.
        if (Thread.currentThread() !== messages) messages.join(CLOSE_SLACK_MS)
    }

    /** Null when the engine is closed; the receiver has been told then. */
    private fun submit(operation: String, principal: String, request: String, receiver: Receiver): ULong? {
        val closed = synchronized(lock) {
            end ?: run {
                val id = bridge.submit(operation, principal, request)
                receivers[id.toLong()] = receiver
                return id
            }
        }
        receiver(failed(closed.copy(operation = operation)))
        return null
    }

    private fun takeMessages() {
        val ending = try {
            while (true) {
                val batch = bridge.poll(BATCH, POLL_MS)
                if (batch.map { AtomJson.parseToJsonElement(it).jsonObject }.any(::isLastMessage)) break
            }
            ErrorReport(code = ErrorCode.CLOSED, message = "the engine is closed; open it again")
        } catch (failure: Throwable) {
            ErrorReport(code = ErrorCode.INTERNAL, message = "the engine's messages cannot be read: $failure")
        }
        val left = synchronized(lock) {
            end = ending
            receivers.values.toList().also { receivers.clear() }
        }
        left.forEach { it(failed(ending)) }
    }

    private fun isLastMessage(message: JsonObject): Boolean {
        when (message.getValue("type").jsonPrimitive.content) {
            "item" -> synchronized(lock) { receivers[message.id()] }?.invoke(message)
            "result", "end" -> synchronized(lock) { receivers.remove(message.id()) }?.invoke(message)
            "host_call" -> functions.call(message)
            "host_cancel" -> functions.cancel(message)
            "closed" -> return true
        }
        return false
    }

    private companion object {
        val BATCH = 256u
        val POLL_MS = 60_000uL
        const val CLOSE_SLACK_MS = 5_000L
    }
}

/** The messages of a stream that nobody has taken yet: a few hundred, for the engine waits when there are more. */
private class StreamBuffer(private val bridge: NativeBridge) {
    private val messages = Channel<JsonObject>(Channel.UNLIMITED)
    private var waiting = 0
    private var isPaused = false

    fun add(message: JsonObject) {
        messages.trySend(message)
        if ("item" in message) count(message, 1)
    }

    suspend fun take(): JsonObject = messages.receive().also { if ("item" in it) count(it, -1) }

    /** One at a time, so that the last word to the engine is the right one. */
    @Synchronized
    private fun count(message: JsonObject, change: Int) {
        waiting += change
        val shouldPause = waiting > if (isPaused) RESUME_BELOW else PAUSE_ABOVE
        if (shouldPause == isPaused) return
        isPaused = shouldPause
        if (shouldPause) bridge.pause(message.id().toULong()) else bridge.resume(message.id().toULong())
    }

    private companion object {
        const val PAUSE_ABOVE = 512
        const val RESUME_BELOW = 128
    }
}

private typealias Receiver = (JsonObject) -> Unit

private fun JsonObject.id(): Long = getValue("id").jsonPrimitive.long

private fun JsonObject.failure(): ErrorReport? = get("err")?.let { AtomJson.decodeFromJsonElement(it) }

private fun failed(report: ErrorReport): JsonObject =
    JsonObject(mapOf("err" to AtomJson.encodeToJsonElement(ErrorReport.serializer(), report)))
