import AtomEngineBridge
import Foundation

/// Takes one message, or several for a stream. Called from the thread of the messages; must return quickly.
typealias Receiver = @Sendable (Data) -> Void

/// The calls and streams under way, and the thread that takes the engine's messages to them.
final class Connection: @unchecked Sendable {
    let bridge: NativeBridge
    let functions: HostFunctions

    /// Guards everything below; held while submitting, so that no answer comes before its receiver is known.
    private let lock = NSLock()
    private var receivers: [UInt64: Receiver] = [:]
    /// What is told to everybody once there will be no further message.
    private var ending: Data?

    init(bridge: NativeBridge) {
        self.bridge = bridge
        functions = HostFunctions(bridge: bridge)
    }

    /// Starts to take messages, until the engine is closed.
    func start() {
        let thread = Thread { self.takeMessages() }
        thread.name = "atom-messages"
        thread.start()
    }

    /// Starts an operation. Nil when the engine is closed; the receiver has been told then.
    func submit(
        _ operation: String, principal: String, request: String, receiver: @escaping Receiver
    ) -> UInt64? {
        lock.lock()
        if let ending {
            lock.unlock()
            receiver(ending)
            return nil
        }
        let id = bridge.submit(operation: operation, principal: principal, request: request)
        receivers[id] = receiver
        lock.unlock()
        return id
    }

    private func takeMessages() {
        var isOpen = true
        while isOpen {
            #if canImport(ObjectiveC)
            autoreleasepool { isOpen = takeBatch() }
            #else
            isOpen = takeBatch()
            #endif
        }
    }

    /// False once there is nothing more to take.
    private func takeBatch() -> Bool {
        do {
            for message in bridge.poll(max: 256, timeoutMs: 60_000) {
                if try isLast(Data(message.utf8)) {
                    end(ErrorReport(code: .closed, message: "the engine is closed; open it again"))
                    return false
                }
            }
            return true
        } catch {
            end(ErrorReport(code: .internal, message: "the engine's messages cannot be read: \(error)"))
            return false
        }
    }

    private func isLast(_ message: Data) throws -> Bool {
        let header = try JSONDecoder().decode(Header.self, from: message)
        switch (header.type, header.id, header.call) {
        case ("item", let id?, _):
            receiver(of: id, isLast: false)?(message)
        case ("result", let id?, _), ("end", let id?, _):
            receiver(of: id, isLast: true)?(message)
        case ("host_call", _, _):
            let call = try JSONDecoder().decode(HostCall.self, from: message)
            functions.call(call)
        case ("host_cancel", _, let call?):
            functions.cancel(call)
        case ("closed", _, _):
            return true
        default:
            break
        }
        return false
    }

    private func receiver(of id: UInt64, isLast: Bool) -> Receiver? {
        lock.lock()
        defer { lock.unlock() }
        return isLast ? receivers.removeValue(forKey: id) : receivers[id]
    }

    private func end(_ report: ErrorReport) {
        // A report is text, which always has a JSON form.
        let message = (try? JSONEncoder().encode(Ending(err: report))) ?? Data()
        lock.lock()
        ending = message
        let left = Array(receivers.values)
        receivers.removeAll()
        lock.unlock()
        for receiver in left {
            receiver(message)
        }
        functions.cancelAll()
    }
}

/// Calls operations on behalf of one principal, with typed requests and answers.
struct Caller: Sendable {
    let connection: Connection
    let principal: String

    func call<Response: Decodable & Sendable>(
        _ operation: String, _ request: some Encodable & Sendable
    ) async throws -> Response {
        let text = try encoded(request)
        let cancellation = Cancellation(connection.bridge)
        let message = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Data, Never>) in
                let id = connection.submit(operation, principal: principal, request: text) { message in
                    continuation.resume(returning: message)
                }
                if let id {
                    cancellation.began(id)
                }
            }
        } onCancel: {
            cancellation.cancel()
        }
        do {
            return try JSONDecoder().decode(Answer<Response>.self, from: message).result.get()
        } catch let error as AtomError where error.code == .cancelled && Task.isCancelled {
            throw CancellationError()
        }
    }

    func stream<Item: Decodable & Sendable>(
        _ operation: String, _ request: some Encodable & Sendable
    ) -> ItemStream<Item> {
        ItemStream(begin: {
            let text = try encoded(request)
            return Subscription(connection, operation, principal: principal, request: text)
        })
    }
}

/// Cancels a call whose number may not be known yet.
private final class Cancellation: @unchecked Sendable {
    private let bridge: NativeBridge
    private let lock = NSLock()
    private var id: UInt64?
    private var isCancelled = false

    init(_ bridge: NativeBridge) {
        self.bridge = bridge
    }

    func began(_ id: UInt64) {
        lock.lock()
        defer { lock.unlock() }
        self.id = id
        if isCancelled {
            bridge.cancel(id: id)
        }
    }

    func cancel() {
        lock.lock()
        defer { lock.unlock() }
        isCancelled = true
        if let id {
            bridge.cancel(id: id)
        }
    }
}
