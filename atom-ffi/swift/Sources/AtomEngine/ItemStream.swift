import AtomEngineBridge
import Foundation

/// The items of a stream operation, for `for try await`.
///
/// The operation begins with each iteration and ends, at the latest, with it. A slow iteration holds it back.
public struct ItemStream<Item: Decodable & Sendable>: AsyncSequence, Sendable {
    public typealias Element = Item

    let begin: @Sendable () throws -> Subscription

    public func makeAsyncIterator() -> Iterator {
        Iterator(subscription: Result { try begin() })
    }

    /// The items that are still to come.
    public struct Iterator: AsyncIteratorProtocol {
        let subscription: Result<Subscription, any Error>
        var isEnded = false

        /// The next item, or nil at the end.
        public mutating func next() async throws -> Item? {
            guard !isEnded else { return nil }
            // Only an item shows that there may be another one.
            isEnded = true
            guard let message = try await subscription.get().next() else {
                try Task.checkCancellation()
                return nil
            }
            let item = try JSONDecoder().decode(StreamMessage<Item>.self, from: message).result.get()
            isEnded = (item == nil)
            return item
        }
    }
}

/// A stream under way; letting go of it ends the stream.
final class Subscription: @unchecked Sendable {
    private let connection: Connection
    private let messages: AsyncStream<Data>
    private let counter: Counter
    private let id: UInt64?

    init(_ connection: Connection, _ operation: String, principal: String, request: String) {
        let (messages, continuation) = AsyncStream.makeStream(of: Data.self)
        let counter = Counter(connection.bridge)
        self.connection = connection
        self.messages = messages
        self.counter = counter
        id = connection.submit(operation, principal: principal, request: request) { message in
            counter.count(1)
            continuation.yield(message)
        }
        if let id {
            counter.began(id)
        }
    }

    deinit {
        if let id {
            connection.bridge.cancel(id: id)
        }
    }

    /// The next message; nil when the task was cancelled.
    func next() async -> Data? {
        var iterator = messages.makeAsyncIterator()
        let message = await iterator.next()
        if message != nil {
            counter.count(-1)
        }
        return message
    }
}

/// Counts the messages that wait to be taken: a few hundred, for the engine waits when there are more.
private final class Counter: @unchecked Sendable {
    private static let pauseAbove = 512
    private static let resumeBelow = 128

    private let bridge: NativeBridge
    private let lock = NSLock()
    private var id: UInt64?
    private var waiting = 0
    private var isPaused = false

    init(_ bridge: NativeBridge) {
        self.bridge = bridge
    }

    func began(_ id: UInt64) {
        lock.lock()
        defer { lock.unlock() }
        self.id = id
        tell()
    }

    func count(_ change: Int) {
        lock.lock()
        defer { lock.unlock() }
        waiting += change
        tell()
    }

    /// Called with the lock held, so that the last word to the engine is the right one.
    private func tell() {
        guard let id else { return }
        let shouldPause = waiting > (isPaused ? Self.resumeBelow : Self.pauseAbove)
        guard shouldPause != isPaused else { return }
        isPaused = shouldPause
        if shouldPause {
            bridge.pause(id: id)
        } else {
            bridge.resume(id: id)
        }
    }
}
