package dev.atom.engine

import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test

/**
 * The cost of one call from Kotlin: engine.info, awaited one after the other and a hundred at a time. Not a test by
 * its name: `cargo xtask bench` asks for it.
 */
class BridgeBench {
    @Test
    fun `one call`() = runBlocking {
        Engine.open(EngineConfig(storage = Storage.MEMORY)).use { engine ->
            repeat(WARM_UP) { engine.engine.info() }
            val one = List(ROUNDS) {
                measure { repeat(CALLS) { engine.engine.info() } }
            }
            val many = List(ROUNDS) {
                measure {
                    repeat(CALLS / 100) {
                        coroutineScope { List(100) { async { engine.engine.info() } }.awaitAll() }
                    }
                }
            }
            show("kotlin, engine.info, one at a time", one)
            show("kotlin, engine.info, 100 at a time", many)
        }
    }

    private inline fun measure(calls: () -> Unit): Double {
        val started = System.nanoTime()
        calls()
        return (System.nanoTime() - started) / 1e3 / CALLS
    }

    private fun show(what: String, samples: List<Double>) =
        println("%-52s %10.2f us".format(what, samples.sorted()[samples.size / 2]))

    private companion object {
        const val WARM_UP = 5_000
        const val CALLS = 2_000
        const val ROUNDS = 5
    }
}
