//! Tests with many clients: alone in a process of their own, so that open files can be counted.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use super::{Scene, eventually, within};

/// Runs an ignored test alone, in a process of its own.
pub(crate) fn alone(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            test,
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (lossy(&output.stdout), lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}");
    println!("{out}");
}

/// Open files of this process.
pub(crate) fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until the server holds nothing, and the process no file more than before.
pub(crate) async fn nothing_is_left(scene: &Scene, files: usize) {
    scene.sessions(0).await;
    eventually("no stream is open", || {
        scene.metric("usher_streams_open") == 0
    })
    .await;
    scene.assert_no_state();
    within(Duration::from_secs(30), "every file is closed", || {
        open_files() <= files
    })
    .await;
    assert_eq!(scene.metric("usher_session_owner_mismatch_total"), 0);
}
