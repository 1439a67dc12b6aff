package dev.atom.engine

import java.util.concurrent.Executors
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.yield
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class FunctionTest {
    @Test
    fun `a workflow calls a function that suspends`() = withEngine { engine ->
        lateinit var seen: FunctionContext
        engine.function("app.ask", description = "Asks.", isReadOnly = true) { arguments, context ->
            yield()
            seen = context
            arguments.jsonObject.getValue("name")
        }
        val run = engine.runs.start(StartRunRequest(document = ASKING, input = input("Ada"), wait = true))
        assertEquals(RunStatus.COMPLETED, run.status)
        assertEquals(JsonPrimitive("Ada"), run.output?.jsonObject?.get("answer"))
        assertEquals(run.id, seen.run)
        assertEquals("default", seen.user)
        assertTrue(seen.idempotencyKey.isNotEmpty())
        val info = engine.functions.get(GetFunctionRequest("app.ask"))
        assertEquals("Asks.", info.description)
        assertTrue(info.isReadOnly)
    }

    @Test
    fun `what a function throws never becomes a success`() = withEngine { engine ->
        val failures = mapOf(
            "app.state" to { throw IllegalStateException("out of paper") },
            "app.cancellation" to { throw kotlinx.coroutines.CancellationException("out of paper") },
            "app.error" to { throw StackOverflowError("out of paper") },
            "app.silent" to { throw object : Exception() {} },
        )
        for ((name, fail) in failures) {
            engine.function(name) { _, _ -> fail() }
            val failure = assertFails<HostFailedException> { engine.functions.call(CallFunctionRequest(name)) }
            assertTrue(name == "app.silent" || failure.message.orEmpty().contains("out of paper"), "$failure")
        }
        engine.function("app.timeout") { _, _ -> withTimeout(1) { CompletableDeferred<Nothing>().await() } }
        assertFails<HostFailedException> { engine.functions.call(CallFunctionRequest("app.timeout")) }
        engine.function("app.number") { _, _ -> JsonPrimitive(Double.NaN) }
        assertFails<HostFailedException> { engine.functions.call(CallFunctionRequest("app.number")) }
    }

    @Test
    fun `the run sees the error of a function, with its code`() = withEngine { engine ->
        engine.function("app.ask") { _, _ ->
            throw UpstreamException(ErrorReport(code = ErrorCode.UPSTREAM, message = "no paper", context = mapOf("tray" to "2")))
        }
        val run = engine.runs.start(StartRunRequest(document = ASKING, input = input("Ada"), wait = true))
        assertEquals(RunStatus.FAULTED, run.status)
        assertTrue(run.error?.detail.orEmpty().contains("no paper"), "${run.error}")
        val failure = assertFails<UpstreamException> { engine.functions.call(CallFunctionRequest("app.ask")) }
        assertEquals("2", failure.context["tray"])
    }

    @Test
    fun `a function that never answers times out and is cancelled`() = withEngine { engine ->
        val ended = CompletableDeferred<Unit>()
        engine.function("app.ask") { _, _ -> never(onEnd = ended) }
        assertFails<TimeoutException> {
            engine.functions.call(CallFunctionRequest("app.ask", timeoutMs = 50))
        }
        ended.await()
    }

    @Test
    fun `cancelling a run cancels its function`() = withEngine { engine ->
        val started = CompletableDeferred<Unit>()
        val ended = CompletableDeferred<Unit>()
        engine.function("app.ask") { _, _ ->
            started.complete(Unit)
            never(onEnd = ended)
        }
        val run = engine.runs.start(StartRunRequest(document = ASKING, input = input("Ada")))
        started.await()
        assertEquals(RunStatus.CANCELLED, engine.runs.cancel(CancelRunRequest(run.id)).status)
        ended.await()
    }

    @Test
    fun `closing cancels the functions under way`() = test {
        val started = CompletableDeferred<Unit>()
        val ended = CompletableDeferred<Unit>()
        Engine.open(IN_MEMORY).use { engine ->
            engine.function("app.ask") { _, _ ->
                started.complete(Unit)
                never(onEnd = ended)
            }
            engine.runs.start(StartRunRequest(document = ASKING, input = input("Ada")))
            started.await()
        }
        ended.await()
    }

    @Test
    fun `a function may call the engine, on any dispatcher`() {
        val thread = Executors.newSingleThreadExecutor().asCoroutineDispatcher()
        for (dispatcher in listOf(Dispatchers.Default, Dispatchers.Unconfined, thread)) {
            withEngine(dispatcher = dispatcher) { engine ->
                engine.function("app.ask") { _, _ ->
                    delay(1)
                    JsonPrimitive(engine.engine.info().name)
                }
                val output = engine.functions.call(CallFunctionRequest("app.ask")).output
                assertEquals(JsonPrimitive("atom"), output)
            }
        }
        thread.close()
    }

    @Test
    fun `a dispatcher that takes no more work fails the call`() {
        val thread = Executors.newSingleThreadExecutor().asCoroutineDispatcher()
        withEngine(dispatcher = thread) { engine ->
            engine.function("app.ask") { arguments, _ -> arguments }
            thread.close()
            assertFails<HostFailedException> { engine.functions.call(CallFunctionRequest("app.ask")) }
        }
    }

    @Test
    fun `a name is taken until its function is removed`() = withEngine { engine ->
        engine.function("app.ask") { _, _ -> JsonPrimitive(1) }
        assertFails<AlreadyExistsException> { engine.function("app.ask") { _, _ -> JsonPrimitive(2) } }
        assertEquals(JsonPrimitive(1), engine.functions.call(CallFunctionRequest("app.ask")).output)
        assertTrue(engine.unregisterFunction("app.ask"))
        assertFalse(engine.unregisterFunction("app.ask"))
        assertFails<NotFoundException> { engine.functions.call(CallFunctionRequest("app.ask")) }
        engine.function("app.ask") { _, _ -> JsonPrimitive(2) }
        assertEquals(JsonPrimitive(2), engine.functions.call(CallFunctionRequest("app.ask")).output)
        assertFails<InvalidRequestException> { engine.function("Not a name") { _, _ -> JsonPrimitive(1) } }
    }

    private suspend fun never(onEnd: CompletableDeferred<Unit>): Nothing =
        try {
            CompletableDeferred<Nothing>().await()
        } finally {
            onEnd.complete(Unit)
        }
}
