package examples.readme

import dev.atom.engine.*
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.*

fun main() = runBlocking {
    Engine.open(EngineConfig(dataDir = "data")).use { engine ->
        engine.function("app.greet") { arguments, context ->
            JsonPrimitive("Hello ${arguments.jsonObject["name"]?.jsonPrimitive?.content}, says ${context.user}")
        }
        val document = """
            document: { dsl: 1.0.3, namespace: default, name: hello, version: 0.1.0 }
            do:
              - greet: { call: app.greet, with: { name: '${'$'}{ .name }' } }
        """.trimIndent()
        val input = buildJsonObject { put("name", "Ada") }
        val run = engine.runs.start(StartRunRequest(document = document, input = input))
        engine.runs.events(FollowRunRequest(run.id)).collect { println("${it.offset} $it") }
        println(engine.runs.get(GetRunRequest(run.id)).output)
    }
}
