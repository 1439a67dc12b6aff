package dev.atom.engine

import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class ProcessTest {
    @Test
    fun `a process ends with calls and streams under way`(@TempDir folder: Path) {
        val (status, output) = run("dev.atom.engine.LeavesInFlightKt", "$folder")
        assertEquals(0, status, output)
        assertTrue(output.contains("leaving"), output)
        // Nothing was left locked or broken.
        test { Engine.open(EngineConfig(dataDir = "$folder", resume = false)).close() }
    }

    @Test
    fun `the example writes the expected briefing`(@TempDir folder: Path) {
        val example = Path.of("../../examples/morning-briefing")
        example.toFile().copyRecursively(folder.toFile())
        val (status, output) = run("examples.briefing.MorningBriefingKt", "$folder")
        assertEquals(0, status, output)
        assertEquals(Files.readString(example.resolve("expected.md")), Files.readString(folder.resolve("briefing.md")))
        assertTrue(output.startsWith("# "), output)
    }

    @Test
    fun `the example of the guide works`(@TempDir folder: Path) {
        val source = Files.readString(Path.of("src/test/kotlin/dev/atom/engine/ReadmeExample.kt"))
        val shown = source.substringAfter("\n\n")
        assertTrue(Files.readString(Path.of("README.md")).contains(shown), "README.md shows another example")
        val (status, output) = run("examples.readme.ReadmeExampleKt", "$folder", folder)
        assertEquals(0, status, output)
        assertTrue(output.endsWith("\"Hello Ada, says default\"\n"), output)
    }

    @Test
    fun `ten thousand calls leave no memory behind`() {
        assumeTrue(Files.exists(Path.of("/proc/self/status")), "needs Linux to see the memory of a process")
        test {
            Engine.open(IN_MEMORY).use { engine ->
                engine.function("app.echo") { arguments, _ -> arguments }
                val calls: suspend (Int) -> Unit = { count ->
                    val request = CallFunctionRequest("app.echo", input("x".repeat(1_000)))
                    coroutineScope {
                        repeat(CALLERS) { launch { repeat(count / CALLERS) { engine.functions.call(request) } } }
                    }
                }
                calls(2_000)
                val before = residentKilobytes()
                calls(10_000)
                val grown = residentKilobytes() - before
                assertTrue(grown < 16 * 1024, "the process has grown by $grown kB")
            }
        }
    }

    private fun residentKilobytes(): Long {
        System.gc()
        val line = Files.readAllLines(Path.of("/proc/self/status")).first { it.startsWith("VmRSS:") }
        return line.filter(Char::isDigit).toLong()
    }

    private companion object {
        const val CALLERS = 10
    }

    private fun run(main: String, argument: String, folder: Path = Path.of(".")): Pair<Int, String> {
        val java = ProcessHandle.current().info().command().orElse("java")
        val output = Files.createTempFile("output", ".txt")
        val process = ProcessBuilder(java, "-Xmx128m", "-cp", System.getProperty("java.class.path"), main, argument)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start()
        val hasEnded = process.waitFor(30, TimeUnit.SECONDS)
        if (!hasEnded) process.destroyForcibly().waitFor()
        val text = Files.readString(output)
        assertTrue(hasEnded, "the process did not end: $text")
        return process.exitValue() to text
    }
}
