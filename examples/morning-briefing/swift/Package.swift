// swift-tools-version: 6.0

import PackageDescription

let package = Package(
    name: "MorningBriefing",
    platforms: [.macOS(.v13)],
    dependencies: [.package(name: "AtomEngine", path: "../../../atom-ffi/swift")],
    targets: [
        .executableTarget(name: "MorningBriefing", dependencies: ["AtomEngine"])
    ]
)
