package dev.atom.engine

import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.absolute
import kotlin.io.path.extension
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.nameWithoutExtension
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.take
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.decodeFromJsonElement
import kotlinx.serialization.json.encodeToJsonElement
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicContainer
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.TestFactory

/** Carries out the cases that every language must pass. */
class ConformanceTest {
    private val root = Path.of("../..").absolute().normalize()

    @TestFactory
    fun `conformance cases`(): List<DynamicContainer> {
        val files = root.resolve("tests/conformance").listDirectoryEntries().filter { it.extension == "json" }.sorted()
        assertTrue(files.isNotEmpty())
        return files.map { file ->
            val content = readCases(file)
            val values = content["values"]?.jsonObject ?: JsonObject(emptyMap())
            val cases = content.getValue("cases").jsonArray.map { it.jsonObject }
            DynamicContainer.dynamicContainer(
                file.nameWithoutExtension,
                cases.map { case ->
                    DynamicTest.dynamicTest(case.getValue("name").jsonPrimitive.content) { carryOut(case, values) }
                },
            )
        }
    }

    private fun carryOut(case: JsonObject, values: JsonObject) {
        assertTrue(setOf("name", "cli", "config", "functions", "steps").containsAll(case.keys), "${case.keys}")
        val folder = Files.createTempDirectory("conformance").toRealPath()
        try {
            val patterns = Patterns(root, values, mapOf("root" to "$root", "temp" to "$folder"))
            test { Case(case, patterns).carryOut() }
        } finally {
            folder.toFile().deleteRecursively()
        }
    }
}

private class Case(private val case: JsonObject, private val patterns: Patterns) {
    private lateinit var engine: Engine

    suspend fun carryOut() {
        engine = open()
        try {
            case.getValue("steps").jsonArray.forEach { carryOut(it.jsonObject) }
        } finally {
            engine.close()
        }
    }

    private suspend fun open(): Engine {
        val config = JsonObject(mapOf("storage" to JsonPrimitive("memory")) + (case["config"]?.jsonObject ?: emptyMap()))
        // Strict: a setting that this library does not know is a gap.
        val engine = Engine.open(Json.decodeFromJsonElement(patterns.filled(config)))
        for (function in case["functions"]?.jsonArray.orEmpty()) {
            val name = function.jsonPrimitive.content
            engine.function(name, handler = FUNCTIONS.getValue(name))
        }
        return engine
    }

    private suspend fun carryOut(step: JsonObject) {
        val known = when {
            "call" in step -> setOf("call", "as", "with", "expect", "error")
            "stream" in step -> setOf("stream", "as", "with", "take", "during", "expect", "error")
            else -> setOf("reopen")
        }
        assertTrue(known.containsAll(step.keys), "unknown keys in $step")
        when {
            "call" in step -> call(step)
            "stream" in step -> stream(step)
            else -> {
                engine.close()
                engine = open()
            }
        }
    }

    private suspend fun call(step: JsonObject) {
        val (operation, request) = operation(step, "call")
        val expected = patterns.filled(step["expect"] ?: step.getValue("error"))
        val (actual, isExpected) = try {
            actor(step).call(operation, request) to ("expect" in step)
        } catch (failure: AtomException) {
            report(failure) to ("error" in step)
        }
        assertTrue(isExpected, "$operation gave $actual")
        assertNull(patterns.mismatch(actual, expected), "$operation gave $actual")
    }

    private suspend fun stream(step: JsonObject) = coroutineScope {
        val (operation, request) = operation(step, "stream")
        val items = actor(step).subscribe(operation, request)
        val count = step["take"]?.jsonPrimitive?.int
        val taken = ArrayList<JsonElement>()
        // Undispatched: it is open when the next line is reached.
        val reading = async(start = CoroutineStart.UNDISPATCHED) {
            try {
                (if (count == null || count == 0) items else items.take(count)).collect { taken += it }
                null
            } catch (failure: AtomException) {
                report(failure)
            }
        }
        step["during"]?.jsonArray?.forEach { carryOut(it.jsonObject) }
        val failure = if (count != 0) reading.await() else null.also {
            reading.cancelAndJoin()
            taken.clear()
        }
        val expected = patterns.filled(step.getValue("expect"))
        assertNull(patterns.mismatch(JsonArray(taken), expected), "$operation gave $taken and $failure")
        val error = step["error"]?.let(patterns::filled)
        if (error == null) assertNull(failure) else assertNull(patterns.mismatch(failure, error), "$failure")
    }

    private fun operation(step: JsonObject, key: String): Pair<String, JsonElement> =
        step.getValue(key).jsonPrimitive.content to patterns.filled(step["with"] ?: JsonObject(emptyMap()))

    private fun actor(step: JsonObject): Actor =
        step["as"]?.let { engine.actingAs(Json.decodeFromJsonElement(patterns.filled(it))) } ?: engine

    private fun report(failure: AtomException): JsonElement = WITH_DEFAULTS.encodeToJsonElement(failure.report)

    private companion object {
        val WITH_DEFAULTS = Json { encodeDefaults = true }

        val FUNCTIONS = mapOf<String, FunctionHandler>(
            "conformance.echo" to { arguments, _ -> arguments },
            "conformance.context" to { _, context ->
                JsonObject(
                    mapOf(
                        "tenant" to JsonPrimitive(context.tenant),
                        "user" to JsonPrimitive(context.user),
                        "task" to (context.task?.let(::JsonPrimitive) ?: JsonNull),
                    ),
                )
            },
            "conformance.fail" to { arguments, _ ->
                error(arguments.jsonObject.getValue("message").jsonPrimitive.content)
            },
            "conformance.hang" to { _, _ -> CompletableDeferred<Nothing>().await() },
        )
    }
}
