import AtomEngineBridge
import Foundation

/// An open engine: its operations by group, and the functions of the application.
///
/// Cancelling a task cancels its call; leaving an iteration ends its stream. Errors are `AtomError`s. An engine is
/// open until `close` is called.
public final class Engine: Sendable {
    /// Every operation, on behalf of the principal that the configuration names.
    public let operations: Operations
    private let connection: Connection
    private let closeGraceMs: UInt64

    private init(connection: Connection, closeGraceMs: UInt64) {
        self.connection = connection
        self.closeGraceMs = closeGraceMs
        operations = Operations(caller: Caller(connection: connection, principal: ""))
    }

    /// Opens an engine.
    public static func open(_ config: EngineConfig = EngineConfig()) async throws -> Engine {
        let text = try encoded(config)
        let opening = await onThread { Result { try NativeBridge.open(config: text) } }
        let bridge: NativeBridge
        do {
            bridge = try opening.get()
        } catch let error as NativeError {
            throw error.atomError
        }
        let connection = Connection(bridge: bridge)
        connection.start()
        let engine = Engine(connection: connection, closeGraceMs: UInt64(max(0, config.closeGraceMs ?? 5_000)))
        if Task.isCancelled {
            // Nobody would get it, and so nobody would close it.
            await engine.close()
            throw CancellationError()
        }
        return engine
    }

    /// The same operations, carried out on behalf of somebody else.
    public func acting(as principal: Principal) throws -> Operations {
        Operations(caller: Caller(connection: connection, principal: try encoded(principal)))
    }

    /// Lets workflows and callers call a function of the application by name: lower-case words joined by `_`,
    /// grouped by `.`.
    ///
    /// It runs in a task of its own, which is cancelled when nobody waits for it any more. What it throws becomes
    /// the error of the call: an `AtomError` as it is, anything else as `hostFailed`. A name that is taken is refused
    /// with `alreadyExists`.
    public func function(
        _ name: String,
        description: String = "",
        inputSchema: JSONValue = true,
        outputSchema: JSONValue = true,
        isReadOnly: Bool = false,
        handler: @escaping FunctionHandler
    ) throws {
        let info = FunctionInfo(
            name: name,
            description: description,
            inputSchema: inputSchema,
            outputSchema: outputSchema,
            isReadOnly: isReadOnly
        )
        try connection.functions.register(info, handler)
    }

    /// Removes a function of the application and tells whether there was one. Calls under way go on.
    @discardableResult
    public func unregisterFunction(_ name: String) -> Bool {
        connection.functions.unregister(name)
    }

    /// Closes the engine and returns when its data folder is free. Calls under way then fail with `closed`; runs go
    /// on when an engine opens the folder again. Closing again does nothing.
    public func close() async {
        let (bridge, graceMs) = (connection.bridge, closeGraceMs)
        await onThread { bridge.close(graceMs: graceMs) }
    }
}

/// Blocks a thread of its own rather than one that tasks share.
private func onThread<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: work()) }
    }
}
