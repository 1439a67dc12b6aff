package dev.atom.engine

/**
 * An error of the engine. There is one subclass for each [ErrorCode], e.g. [NotFoundException].
 *
 * A function of the application may throw one too: its report then reaches the workflow unchanged.
 */
open class AtomException internal constructor(
    /** The error as the engine tells it. */
    val report: ErrorReport,
) : Exception(report.message) {
    /** What went wrong. */
    val code: ErrorCode get() = report.code

    /** Whether the same call is worth trying again. */
    val retry: Retry get() = report.retry

    /** The operation that failed, when known. */
    val operation: String? get() = report.operation

    /** Facts that help to find the cause. */
    val context: Map<String, String> get() = report.context
}
