//! A full disk is an error that says so, loses nothing and passes.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Sandbox, workflow};

/// A small disk of its own, where the machine lets the tests have one.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: PathBuf) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        let mount = mount
            .args(["-t", "tmpfs", "-o", "size=400k", "tmpfs"])
            .arg(&path)
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then_some(Self { path })
    }

    /// Uses up all space, and gives the file that does.
    fn fill(&self) -> PathBuf {
        let path = self.path.join("full");
        let mut file = std::fs::File::create(&path).unwrap();
        while file.write_all(&[0; 1024]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What cannot be given back goes with the machine.
        let _ = Command::new("umount").arg(&self.path).output();
    }
}

#[test]
fn a_full_disk_is_told_and_passes() {
    let sandbox = Sandbox::new();
    let Some(disk) = SmallDisk::mount(sandbox.path("disk")) else {
        println!("skipped: a small disk cannot be mounted here");
        return;
    };
    sandbox.write("note.yaml", workflow("  - note: { set: { text: done } }"));
    let atom = |arguments: &[&str]| {
        let mut command = vec!["--data-dir", "disk"];
        command.extend(arguments);
        sandbox.atom(&command)
    };
    atom(&["run", "note.yaml"]).succeeded();
    let full = disk.fill();
    for _ in 0..2 {
        let refused = atom(&["run", "note.yaml"]).ended_with(1);
        assert_eq!(refused.error()["code"], "storage_full", "{refused:?}");
    }
    std::fs::remove_file(full).unwrap();
    atom(&["run", "note.yaml"]).succeeded();
    let runs = atom(&["call", "runs.list"]).succeeded().json();
    assert_eq!(runs["items"].as_array().unwrap().len(), 2);
}
