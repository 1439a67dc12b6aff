package dev.atom.engine

import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.KSerializer
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonTransformingSerializer

/** What is not given is left out: the engine knows the defaults. */
@OptIn(ExperimentalSerializationApi::class)
internal val AtomJson = Json {
    encodeDefaults = false
    explicitNulls = true
    ignoreUnknownKeys = true
}

/** Keeps the members that a class does not know in its `extensions`, and writes them beside the known ones. */
internal abstract class OpenSerializer<T : Any>(
    serializer: KSerializer<T>,
    private val known: Set<String>,
) : JsonTransformingSerializer<T>(serializer) {
    override fun transformDeserialize(element: JsonElement): JsonElement {
        if (element !is JsonObject) return element
        val (members, extensions) = element.entries.partition { it.key in known }
        return JsonObject(
            members.associate { it.toPair() } +
                (EXTENSIONS to JsonObject(extensions.associate { it.toPair() })),
        )
    }

    override fun transformSerialize(element: JsonElement): JsonElement {
        val members = (element as? JsonObject) ?: return element
        val extensions = (members[EXTENSIONS] as? JsonObject).orEmpty()
        return JsonObject(extensions + (members - EXTENSIONS))
    }

    private companion object {
        const val EXTENSIONS = "extensions"
    }
}
