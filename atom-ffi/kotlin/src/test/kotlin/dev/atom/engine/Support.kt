package dev.atom.engine

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.fail

internal val IN_MEMORY = EngineConfig(storage = Storage.MEMORY, closeGraceMs = 500)

/** A workflow that calls the function `app.ask` of the application. */
internal val ASKING = """
    document: { dsl: '1.0.3', namespace: tests, name: asking, version: '0.1.0' }
    do:
      - ask: { call: app.ask, with: { name: '${'$'}{ .name }' } }
      - wrap: { set: { answer: '${'$'}{ . }' } }
""".trimIndent()

/** A workflow that ends by itself. */
internal val GREETING = """
    document: { dsl: '1.0.3', namespace: tests, name: greeting, version: '0.1.0' }
    do:
      - greet: { set: { greeting: '${'$'}{ "Hello " + .name }' } }
      - repeat: { set: '${'$'}{ . }' }
""".trimIndent()

internal fun input(name: String): JsonElement = JsonObject(mapOf("name" to JsonPrimitive(name)))

internal fun test(block: suspend CoroutineScope.() -> Unit) = runBlocking { withTimeout(30_000) { block() } }

internal fun withEngine(
    config: EngineConfig = IN_MEMORY,
    dispatcher: CoroutineDispatcher = Dispatchers.Default,
    block: suspend CoroutineScope.(Engine) -> Unit,
) = test { Engine.open(config, dispatcher).use { block(it) } }

internal suspend inline fun <reified T : Throwable> assertFails(block: () -> Any?): T {
    try {
        block()
    } catch (failure: Throwable) {
        return failure as? T ?: throw AssertionError("expected ${T::class.simpleName}", failure)
    }
    return fail("expected ${T::class.simpleName}")
}
