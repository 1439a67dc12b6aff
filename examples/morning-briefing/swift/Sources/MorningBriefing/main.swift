import AtomEngine
import Foundation

// Writes the morning briefing of the folder named first, and shows it.
let arguments = CommandLine.arguments
let folder = URL(fileURLWithPath: arguments.count > 1 ? arguments[1] : "examples/morning-briefing").path

var config = EngineConfig()
config.storage = .memory
config.fileRoots = .below([folder])
let engine = try await Engine.open(config)

let run = try await engine.runs.start(
    StartRunRequest(
        document: try String(contentsOfFile: folder + "/workflow.yaml", encoding: .utf8),
        input: [:],
        directory: folder,
        wait: true
    )
)
await engine.close()

guard run.status == .completed, let briefing = run.output?["text"]?.stringValue else {
    FileHandle.standardError.write(Data("the run ended as \(run.status.rawValue)\n".utf8))
    exit(1)
}
print(briefing)
