import AtomEngineBridge
import Foundation

/// An error of the engine. A function of the application may throw one too: it then reaches the workflow unchanged.
public struct AtomError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The error as the engine tells it.
    public let report: ErrorReport

    public init(_ report: ErrorReport) {
        self.report = report
    }

    /// An error with nothing but a code and a message.
    public init(_ code: ErrorCode, _ message: String) {
        self.init(ErrorReport(code: code, message: message))
    }

    /// What went wrong.
    public var code: ErrorCode { report.code }

    /// Whether the same call is worth trying again.
    public var retry: Retry { report.retry }

    public var description: String { "\(report.message) (\(report.code.rawValue))" }
}

extension AtomError: LocalizedError {
    public var errorDescription: String? { report.message }
}

extension NativeError {
    /// The error that the native library tells.
    var atomError: AtomError {
        switch self {
        case .Failed(let report):
            do {
                return AtomError(try JSONDecoder().decode(ErrorReport.self, from: Data(report.utf8)))
            } catch {
                return AtomError(.internal, "the native library's error cannot be read: \(report)")
            }
        }
    }
}
