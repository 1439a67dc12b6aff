package dev.atom.engine

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

/** Ends without closing its engine, while a call, a run and a stream are under way. */
@OptIn(DelicateCoroutinesApi::class)
fun main(arguments: Array<String>) = runBlocking {
    val engine = Engine.open(EngineConfig(dataDir = arguments.single()))
    val started = CompletableDeferred<Unit>()
    engine.function("app.ask") { _, _ ->
        started.complete(Unit)
        CompletableDeferred<Nothing>().await()
    }
    val run = engine.runs.start(StartRunRequest(document = ASKING, input = input("Ada")))
    GlobalScope.launch { engine.functions.call(CallFunctionRequest("app.ask")) }
    GlobalScope.launch { engine.runs.events(FollowRunRequest(run.id)).collect { } }
    started.await()
    println("leaving")
}
