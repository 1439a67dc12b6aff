package dev.atom.engine

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Test

class StreamTest {
    @Test
    fun `a run is followed to its end, from its beginning or any offset`() = withEngine { engine ->
        val run = engine.runs.start(StartRunRequest(document = GREETING, input = input("Ada")))
        val entries = engine.runs.events(FollowRunRequest(run.id)).toList()
        assertInstanceOf(HistoryEntry.RunStarted::class.java, entries.first())
        val last = assertInstanceOf(HistoryEntry.RunCompleted::class.java, entries.last())
        assertEquals(engine.runs.get(GetRunRequest(run.id)).output, last.output)
        assertEquals((1..entries.size.toLong()).toList(), entries.map { it.offset })
        val rest = engine.runs.events(FollowRunRequest(run.id, after = entries[1].offset)).toList()
        assertEquals(entries.drop(2), rest)
        assertEquals(entries, engine.runs.history(GetRunHistoryRequest(run.id)).records)
    }

    @Test
    fun `a collector that has enough ends the stream`() = withEngine { engine ->
        val answer = CompletableDeferred<Unit>()
        engine.function("app.ask") { arguments, _ ->
            answer.await()
            arguments
        }
        val run = engine.runs.start(StartRunRequest(document = ASKING, input = input("Ada")))
        assertEquals(listOf(1L, 2L), engine.runs.events(FollowRunRequest(run.id)).take(2).toList().map { it.offset })
        answer.complete(Unit)
        assertEquals(RunStatus.COMPLETED, engine.runs.get(GetRunRequest(run.id, wait = true)).status)
        // The engine takes ten thousand calls and streams at once: more than that only if those left have ended.
        coroutineScope {
            repeat(10) { launch { repeat(1_010) { engine.runs.events(FollowRunRequest(run.id)).first() } } }
        }
    }

    @Test
    fun `a slow collector gets every item`() = withEngine { engine ->
        val first = engine.events.publish(PublishEventRequest(EventDraft(type = "test.first.v1")))
        val drafts = (1..3_000).map { PublishEventRequest(EventDraft(type = "test.number.v1", data = JsonPrimitive(it))) }
        drafts.chunked(100).forEach { some -> some.map { async { engine.events.publish(it) } }.awaitAll() }
        var seen = 0
        val offsets = engine.events.subscribe(SubscribeEventsRequest(after = first.offset)).map { it.offset }
            // Answers overtake the items that wait here, so that this takes as long as a slow collector does.
            .onEach { if (seen++ % 100 == 0) repeat(20) { engine.engine.info() } }
            .take(drafts.size).toList()
        assertEquals(drafts.size, offsets.distinct().size)
        assertEquals(offsets.sorted(), offsets)
    }

    @Test
    fun `a flow may be collected again`() = withEngine { engine ->
        val run = engine.runs.start(StartRunRequest(document = GREETING, input = input("Ada"), wait = true))
        val entries = engine.runs.events(FollowRunRequest(run.id))
        assertEquals(entries.toList(), entries.toList())
    }

    @Test
    fun `a collector may call the engine`() = withEngine { engine ->
        val run = engine.runs.start(StartRunRequest(document = GREETING, input = input("Ada"), wait = true))
        val entries = engine.runs.events(FollowRunRequest(run.id)).onEach { engine.runs.get(GetRunRequest(run.id)) }
        assertInstanceOf(HistoryEntry.RunCompleted::class.java, entries.toList().last())
    }

    @Test
    fun `events are seen by who subscribed before them`() = withEngine { engine ->
        val first = engine.events.publish(PublishEventRequest(EventDraft(type = "test.first.v1")))
        val second = engine.events.publish(PublishEventRequest(EventDraft(type = "test.second.v1")))
        val request = SubscribeEventsRequest(after = first.offset)
        assertEquals(second, engine.events.subscribe(request).first())
    }

    @Test
    fun `a stream that cannot begin fails`() = withEngine { engine ->
        val missing = FollowRunRequest("00000000-0000-7000-8000-000000000000")
        assertFails<NotFoundException> { engine.runs.events(missing).toList() }
        assertFails<InvalidRequestException> { engine.runs.events(FollowRunRequest("x")).toList() }
    }
}
