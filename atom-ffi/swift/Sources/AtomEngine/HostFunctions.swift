import AtomEngineBridge
import Foundation

/// What is known about a call of a function besides its arguments.
public struct FunctionContext: Decodable, Sendable {
    /// The tenant on whose behalf the call is made.
    public let tenant: String
    /// The user on whose behalf the call is made.
    public let user: String
    /// The user's roles.
    public let roles: [String]
    /// The same for every repetition of this call after a crash, and different for every other call.
    public let idempotencyKey: String
    /// When the caller stops waiting, as RFC 3339 text.
    public let deadline: String
    /// The run that calls; absent for a direct call.
    public let run: RunId?
    /// The JSON pointer of the calling task in its document; absent for a direct call.
    public let task: String?
    /// Where relative file paths start.
    public let directory: String?

    private enum CodingKeys: String, CodingKey {
        case tenant
        case user
        case roles
        case idempotencyKey = "idempotency_key"
        case deadline
        case run
        case task
        case directory
    }
}

/// A function of the application.
public typealias FunctionHandler = @Sendable (JSONValue, FunctionContext) async throws -> JSONValue

/// The functions of the application, and their calls under way.
final class HostFunctions: @unchecked Sendable {
    private let bridge: NativeBridge
    /// Guards everything below; nothing waits while holding it.
    private let lock = NSLock()
    private var handlers: [String: FunctionHandler] = [:]
    private var calls: [UInt64: Task<Void, Never>] = [:]

    init(bridge: NativeBridge) {
        self.bridge = bridge
    }

    func register(_ info: FunctionInfo, _ handler: @escaping FunctionHandler) throws {
        let text = try encoded(info)
        lock.lock()
        defer { lock.unlock() }
        // Known first, so that a call that comes at once finds it.
        let earlier = handlers[info.name]
        if earlier == nil {
            handlers[info.name] = handler
        }
        do {
            try bridge.registerFunction(info: text)
        } catch {
            handlers[info.name] = earlier
            if let error = error as? NativeError {
                throw error.atomError
            }
            throw error
        }
    }

    func unregister(_ name: String) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        let existed = bridge.unregisterFunction(name: name)
        handlers[name] = nil
        return existed
    }

    /// Starts the function. Whatever becomes of it, the engine gets an answer.
    func call(_ message: HostCall) {
        lock.lock()
        defer { lock.unlock() }
        let handler = handlers[message.function]
        calls[message.call] = Task.detached {
            let reply = await Self.reply(message, handler)
            self.bridge.reply(call: message.call, reply: reply)
            self.finished(message.call)
        }
    }

    /// Nobody waits for the answer any more.
    func cancel(_ call: UInt64) {
        lock.lock()
        defer { lock.unlock() }
        calls[call]?.cancel()
    }

    /// The engine is closed.
    func cancelAll() {
        lock.lock()
        defer { lock.unlock() }
        for task in calls.values {
            task.cancel()
        }
    }

    private func finished(_ call: UInt64) {
        lock.lock()
        defer { lock.unlock() }
        calls[call] = nil
    }

    private static func reply(_ message: HostCall, _ handler: FunctionHandler?) async -> String {
        do {
            guard let handler else {
                throw AtomError(.notFound, "the function '\(message.function)' is no longer registered")
            }
            let value = try await handler(message.arguments, message.context)
            return try encoded(["ok": value])
        } catch let error as AtomError {
            return failure(error.report)
        } catch {
            return failure(["message": String(describing: error)])
        }
    }

    private static func failure(_ error: some Encodable) -> String {
        // An empty reply is one the engine takes for a failure.
        (try? encoded(["err": error])) ?? ""
    }
}

/// A value as JSON text.
func encoded(_ value: some Encodable) throws -> String {
    String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
}
