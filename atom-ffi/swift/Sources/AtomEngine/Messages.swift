import Foundation

/// What every message of the engine tells first.
struct Header: Decodable {
    let type: String
    let id: UInt64?
    let call: UInt64?
}

/// The engine calls a function of the application.
struct HostCall: Decodable, Sendable {
    let call: UInt64
    let function: String
    let arguments: JSONValue
    let context: FunctionContext
}

/// The answer of a call.
struct Answer<Response: Decodable>: Decodable {
    let result: Result<Response, AtomError>

    private enum CodingKeys: String, CodingKey {
        case ok
        case err
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let report = try container.decodeIfPresent(ErrorReport.self, forKey: .err) {
            result = .failure(AtomError(report))
        } else {
            result = .success(try container.decode(Response.self, forKey: .ok))
        }
    }
}

/// A message of a stream: an item, or its end.
struct StreamMessage<Item: Decodable>: Decodable {
    /// Nil at the end.
    let result: Result<Item?, AtomError>

    private enum CodingKeys: String, CodingKey {
        case item
        case err
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let report = try container.decodeIfPresent(ErrorReport.self, forKey: .err) {
            result = .failure(AtomError(report))
        } else if container.contains(.item) {
            result = .success(try container.decode(Item.self, forKey: .item))
        } else {
            result = .success(nil)
        }
    }
}

/// The message that stands for all that will not come any more.
struct Ending: Encodable, Sendable {
    let err: ErrorReport
}
