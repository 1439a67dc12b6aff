package dev.atom.engine

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.nio.file.Path
import kotlin.io.path.readText

/** The values and patterns of the conformance cases; their meaning is told beside the cases. */
internal class Patterns(private val root: Path, values: JsonObject, fixed: Map<String, String>) {
    private val known = HashMap<String, JsonElement>()

    init {
        for ((name, text) in fixed) known[name] = JsonPrimitive(text)
        for ((name, value) in values) known[name] = filled(value)
    }

    /** The value with everything in place that is written by name. */
    fun filled(value: JsonElement): JsonElement = when (value) {
        is JsonArray -> JsonArray(value.map(::filled))
        is JsonObject -> generated(value) ?: JsonObject(value.mapValues { filled(it.value) })
        is JsonPrimitive -> if (value.isString) named(value.content) else value
    }

    private fun generated(value: JsonObject): JsonElement? = when (value.keys) {
        setOf("\$lines") -> text(value.getValue("\$lines").jsonArray.joinToString("") { string(filled(it)) + "\n" })
        setOf("\$repeat", "\$times") ->
            text(string(filled(value.getValue("\$repeat"))).repeat(value.getValue("\$times").jsonPrimitive.int))
        setOf("\$nest") -> (1..value.getValue("\$nest").jsonPrimitive.int)
            .fold<Int, JsonElement>(JsonNull) { inner, _ -> JsonArray(listOf(inner)) }
        setOf("\$file") -> text(root.resolve(string(filled(value.getValue("\$file")))).readText())
        else -> null
    }

    private fun named(text: String): JsonElement {
        NAME.matchEntire(text)?.let { return get(it.groupValues[1]) }
        return text(NAME.replace(text) { string(get(it.groupValues[1])) })
    }

    private fun get(name: String) = known[name] ?: error("no value has the name '$name'")

    /** Why the value, or its absence, does not match; null when it does. */
    fun mismatch(value: JsonElement?, pattern: JsonElement, place: String = ""): String? {
        if (pattern is JsonObject && pattern.keys.any { it.startsWith("$") }) {
            val (keyword, argument) = pattern.entries.single()
            return special(value, keyword, argument, place)
        }
        val difference = "$place: $value is not $pattern"
        return when {
            value == null -> "$place is absent"
            pattern is JsonObject -> if (value !is JsonObject) difference else
                pattern.firstNotNullOfOrNull { (name, inner) -> mismatch(value[name], inner, "$place/$name") }
            pattern is JsonArray -> if (value !is JsonArray || value.size != pattern.size) difference else
                pattern.indices.firstNotNullOfOrNull { mismatch(value[it], pattern[it], "$place/$it") }
            else -> difference.takeUnless { equal(value, pattern) }
        }
    }

    private fun special(value: JsonElement?, keyword: String, argument: JsonElement, place: String): String? {
        val difference = "$place: $value is not $keyword $argument"
        if (keyword == "\$absent") return difference.takeIf { value != null }
        if (value == null) return "$place is absent"
        val holds = when (keyword) {
            "\$any" -> true
            "\$type" -> type(value) == string(argument)
            "\$regex" -> isText(value) && Regex(string(argument)).containsMatchIn(string(value))
            "\$length" -> value is JsonArray && value.size == argument.jsonPrimitive.int
            "\$contains" -> when {
                value is JsonArray -> value.any { mismatch(it, argument) == null }
                else -> isText(value) && string(argument) in string(value)
            }
            "\$lacks" -> string(argument) !in value.toString()
            "\$exact" -> equal(value, argument)
            "\$all" -> return argument.jsonArray.firstNotNullOfOrNull { mismatch(value, it, place) }
            "\$save" -> true.also { known[string(argument)] = value }
            else -> error("no pattern has the name '$keyword'")
        }
        return difference.takeUnless { holds }
    }

    private fun equal(left: JsonElement, right: JsonElement): Boolean = when {
        left is JsonObject && right is JsonObject ->
            left.keys == right.keys && left.all { (name, value) -> equal(value, right.getValue(name)) }
        left is JsonArray && right is JsonArray -> left.size == right.size && left.indices.all { equal(left[it], right[it]) }
        type(left) == "number" && type(right) == "number" ->
            string(left).toBigDecimal().compareTo(string(right).toBigDecimal()) == 0
        else -> left == right
    }

    private fun type(value: JsonElement) = when {
        value is JsonObject -> "object"
        value is JsonArray -> "array"
        value is JsonNull -> "null"
        isText(value) -> "string"
        value.jsonPrimitive.booleanOrNull != null -> "boolean"
        else -> "number"
    }

    private fun isText(value: JsonElement) = value is JsonPrimitive && value.isString

    private fun string(value: JsonElement) = value.jsonPrimitive.content

    private fun text(text: String) = JsonPrimitive(text)

    private companion object {
        val NAME = Regex("""\{\{([a-z_]+)}}""")
    }
}

internal fun readCases(file: Path): JsonObject = Json.parseToJsonElement(file.readText()).jsonObject
