package dev.atom.engine

import java.nio.file.Path
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.io.path.readText
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class EngineTest {
    @Test
    fun `what is stored is there when the engine is opened again`(@TempDir folder: Path) = test {
        val config = EngineConfig(dataDir = "$folder")
        val deployed = Engine.open(config).use { engine ->
            assertEquals(ErrorCode.LOCKED, assertFails<LockedException> { Engine.open(config) }.code)
            engine.workflows.deploy(DeployWorkflowRequest(GREETING))
        }
        Engine.open(config).use { engine ->
            assertEquals(listOf(deployed), engine.workflows.list().items)
            assertEquals("$folder", engine.engine.info().dataDir)
            assertEquals(HealthStatus.OK, engine.engine.health().status)
        }
    }

    @Test
    fun `a deployed workflow runs to its end`() = withEngine { engine ->
        engine.workflows.deploy(DeployWorkflowRequest(GREETING))
        val workflow = WorkflowReference(namespace = "tests", name = "greeting")
        val run = engine.runs.start(StartRunRequest(workflow = workflow, input = input("Ada"), wait = true))
        assertEquals(RunStatus.COMPLETED, run.status)
        assertEquals("Hello Ada", run.output?.jsonObject?.get("greeting")?.jsonPrimitive?.content)
        assertEquals(run, engine.runs.get(GetRunRequest(run.id)))
        assertEquals(listOf(run.id), engine.runs.list().items.map { it.id })
    }

    @Test
    fun `every error has a class of its own`() = withEngine { engine ->
        val missing = assertFails<NotFoundException> { engine.functions.get(GetFunctionRequest("no.such")) }
        assertEquals(ErrorCode.NOT_FOUND, missing.code)
        assertEquals("functions.get", missing.operation)
        assertEquals(Retry.No, missing.retry)
        assertFails<InvalidRequestException> { engine.runs.start(StartRunRequest()) }
        assertFails<InvalidWorkflowException> { engine.workflows.deploy(DeployWorkflowRequest("do: 1")) }
        assertFails<InvalidRequestException> { Engine.open(EngineConfig(tenant = "")) }
        for (code in ErrorCode.entries) {
            assertEquals(code, exceptionOf(ErrorReport(code = code, message = "x")).code)
        }
    }

    @Test
    fun `a principal sees what is theirs and may do what their roles allow`() = withEngine { engine ->
        engine.workflows.deploy(DeployWorkflowRequest(GREETING))
        val viewer = engine.actingAs(Principal("default", "ada", roles = listOf("viewer")))
        assertEquals(emptyList<DeployedWorkflow>(), viewer.workflows.list().items)
        assertFails<PermissionDeniedException> { viewer.workflows.deploy(DeployWorkflowRequest(GREETING)) }
    }

    @Test
    fun `a secret is kept and never shown`() = withEngine { engine ->
        val request = SetSecretRequest("token", Secret("hush"))
        assertFalse("$request".contains("hush"))
        assertEquals("token", engine.secrets.set(request).name)
        assertEquals(listOf("token"), engine.secrets.list().secrets.map { it.name })
        assertTrue(engine.secrets.delete(DeleteSecretRequest("token")).deleted)
    }

    @Test
    fun `an event keeps the attributes that the library does not know`() = withEngine { engine ->
        val draft = EventDraft(type = "test.event.v1", extensions = mapOf("traceparent" to JsonPrimitive("00-1")))
        val published = engine.events.publish(PublishEventRequest(draft))
        assertEquals(mapOf("traceparent" to JsonPrimitive("00-1")), published.event.extensions)
        assertEquals(listOf(published), engine.events.list().events)
    }

    @Test
    fun `calls of many threads get their own answers`() = withEngine { engine ->
        engine.function("app.echo") { arguments, _ -> arguments }
        val threads = Executors.newFixedThreadPool(8)
        val answers = (0 until 400).map { number ->
            threads.submit<Boolean> {
                val arguments = input("$number")
                runBlocking { engine.functions.call(CallFunctionRequest("app.echo", arguments)).output == arguments }
            }
        }
        assertTrue(answers.all { it.get(20, TimeUnit.SECONDS) })
        threads.shutdown()
    }

    @Test
    fun `cancelling a coroutine cancels its call and only that`() = withEngine { engine ->
        val started = CompletableDeferred<Unit>()
        val ended = CompletableDeferred<Unit>()
        engine.function("app.wait") { _, _ ->
            try {
                started.complete(Unit)
                CompletableDeferred<Nothing>().await()
            } finally {
                ended.complete(Unit)
            }
        }
        val call = launch { engine.functions.call(CallFunctionRequest("app.wait")) }
        started.await()
        call.cancelAndJoin()
        ended.await()
        assertEquals("atom", engine.engine.info().name)
    }

    @Test
    fun `a closed engine says so, at once and to everybody`() = test {
        val engine = Engine.open(IN_MEMORY)
        val started = CompletableDeferred<Unit>()
        engine.function("app.wait") { _, _ ->
            started.complete(Unit)
            CompletableDeferred<Nothing>().await()
        }
        val waiting = async(Dispatchers.IO) {
            assertFails<ClosedException> { engine.functions.call(CallFunctionRequest("app.wait")) }
        }
        started.await()
        listOf(async(Dispatchers.IO) { engine.close() }, async(Dispatchers.IO) { engine.close() }).awaitAll()
        waiting.await()
        assertEquals("engine.info", assertFails<ClosedException> { engine.engine.info() }.operation)
        assertFails<ClosedException> { engine.events.subscribe().collect { } }
        engine.close()
    }

    @Test
    fun `an engine can be closed from within a function`() = test {
        val engine = Engine.open(IN_MEMORY, Dispatchers.Unconfined)
        engine.function("app.close") { arguments, _ ->
            engine.close()
            arguments
        }
        assertFails<ClosedException> { engine.functions.call(CallFunctionRequest("app.close")) }
    }

    @Test
    fun `opening that is cancelled leaves nothing open`(@TempDir folder: Path) = test {
        val config = EngineConfig(dataDir = "$folder")
        val opening = launch { Engine.open(config) }
        opening.cancelAndJoin()
        Engine.open(config).close()
        val begun = launch(Dispatchers.Unconfined) { Engine.open(config) }
        begun.cancelAndJoin()
        Engine.open(config).close()
    }

    @Test
    fun `the configuration reaches the engine`(@TempDir folder: Path) = test {
        val config = IN_MEMORY.copy(
            tenant = "acme",
            user = "ada",
            permissions = mapOf("operator" to listOf("runs.write", "workflows.write")),
            roles = listOf("operator"),
            fileRoots = FileRoots.below("$folder"),
            http = HttpConfig(privateAddresses = PrivateAddresses.ALLOW, timeoutSeconds = 5),
            resume = false,
            hostCallTimeoutMs = 1_000,
        )
        Engine.open(config).use { engine ->
            assertFails<PermissionDeniedException> { engine.engine.info() }
            assertEquals(RunStatus.COMPLETED, engine.runs.start(StartRunRequest(document = GREETING, input = input("x"), wait = true)).status)
        }
        Engine.open(IN_MEMORY.copy(fileRoots = FileRoots.EVERYWHERE)).close()
    }

    @Test
    fun `a database that cannot be reached is told without its password`(@TempDir folder: Path) = test {
        val url = "postgres://ada:pass-7@127.0.0.1:1/app"
        val config = EngineConfig(dataDir = "$folder", storage = Storage.postgres(url))
        assertFalse("$config".contains("pass-7"), "$config")
        val failure = assertFails<UnavailableException> { Engine.open(config) }
        assertFalse(failure.stackTraceToString().contains("pass-7"), "$failure")
    }

    /** What the Kotlin tests show about the library holds for the Swift sources only if they are of the same one. */
    @Test
    fun `the Kotlin and Swift bindings are generated from the same library`() {
        fun checksums(path: String) = Regex("""(uniffi_atom_ffi_checksum_\w+)\(\)(?: and 0xFFFF\))? != (\d+)""")
            .findAll(Path.of(path).readText())
            .associate { it.groupValues[1] to it.groupValues[2] }
        val kotlin = checksums("src/generated/kotlin/dev/atom/engine/ffi/atom_ffi.kt")
        assertEquals(10, kotlin.size, "$kotlin")
        assertEquals(kotlin, checksums("../swift/Sources/AtomEngineBridge/AtomEngineBridge.swift"))
    }
}
