package examples.briefing

import dev.atom.engine.Engine
import dev.atom.engine.EngineConfig
import dev.atom.engine.FileRoots
import dev.atom.engine.RunStatus
import dev.atom.engine.StartRunRequest
import dev.atom.engine.Storage
import java.nio.file.Path
import kotlin.io.path.absolute
import kotlin.io.path.readText
import kotlin.system.exitProcess
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** Writes the morning briefing of the folder named first, and shows it. */
fun main(arguments: Array<String>) = runBlocking {
    val folder = Path.of(arguments.firstOrNull() ?: "examples/morning-briefing").absolute()
    val config = EngineConfig(storage = Storage.MEMORY, fileRoots = FileRoots.below("$folder"))
    Engine.open(config).use { engine ->
        val run = engine.runs.start(
            StartRunRequest(
                document = folder.resolve("workflow.yaml").readText(),
                input = JsonObject(emptyMap()),
                directory = "$folder",
                wait = true,
            ),
        )
        if (run.status != RunStatus.COMPLETED) {
            System.err.println("the run ended as ${run.status}: ${run.error?.detail}")
            exitProcess(1)
        }
        println(run.output?.jsonObject?.get("text")?.jsonPrimitive?.content)
    }
}
