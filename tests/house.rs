//! The floors of the house: a room imports rooms of lower floors only, so data walks one way.
//!
//! The table is ARCHITECTURE.md's. A file's `use crate::room` decides; what `mod` lines and tests
//! import does not count.

#![expect(clippy::unwrap_used, reason = "a test says by it that it failed")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Rooms by floor, from the cellar up.
const FLOORS: [&[&str]; 14] = [
    &["time", "scope", "units", "secret", "protocol", "page"],
    &[
        "outlet", "shutdown", "fetch", "oauth", "seal", "setups", "skills",
    ],
    &["telemetry", "metadata", "logto"],
    &["auth", "registration"],
    &["policy", "idp", "cluster"],
    &["handler", "bridge", "portal"],
    &["session", "rmcp"],
    &["router"],
    &["transport", "admin", "notices", "roll_call"],
    &["config"],
    &["server"],
    &["agent"],
    &["check"],
    &["cli"],
];

/// Rooms that may know the web framework, and those that may know actors.
const KNOW_ACTIX_WEB: &[&str] = &[
    "telemetry",
    "idp",
    "bridge",
    "portal",
    "transport",
    "admin",
    "notices",
    "server",
    "agent",
    "cli",
];
const KNOW_ACTIX: &[&str] = &["auth", "session", "router"];

fn floors() -> BTreeMap<&'static str, usize> {
    let numbered = FLOORS.iter().enumerate();
    numbered
        .flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, floor)))
        .collect()
}

fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Each source file with its room and its text up to its tests.
fn files() -> Vec<(PathBuf, String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&source, &mut files);
    let within = |file: PathBuf| {
        let inside = file.strip_prefix(&source).unwrap().to_owned();
        let first = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy();
        let room = first.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let code = text
            .split("#[cfg(test)]")
            .next()
            .unwrap_or_default()
            .to_owned();
        (inside, room, code)
    };
    files.into_iter().map(within).collect()
}

fn is_test(file: &Path) -> bool {
    file.components()
        .any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
}

/// Rooms named by `crate::room`, and by `use crate::{room, room::…}` over several lines.
fn rooms_named(code: &str) -> Vec<String> {
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let mut named = Vec::new();
    for after in code.split("crate::").skip(1) {
        if let Some(list) = after.strip_prefix('{') {
            let mut depth = 0_i32;
            let mut word = String::new();
            for character in list.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => named.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(character),
                    _ => {}
                }
            }
            named.push(word);
        } else {
            named.push(
                after
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    let room = |path: String| {
        path.trim()
            .split(':')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    named
        .into_iter()
        .map(room)
        .filter(|room| !room.is_empty())
        .collect()
}

#[test]
fn a_room_imports_lower_floors_only() {
    let floors = floors();
    let mut breaches = Vec::new();
    for (file, room, code) in files() {
        if room == "lib" || room == "main" || is_test(&file) {
            continue;
        }
        let floor = floors
            .get(room.as_str())
            .unwrap_or_else(|| panic!("{room} has no floor"));
        for other in rooms_named(&code) {
            let Some(other_floor) = floors.get(other.as_str()) else {
                continue;
            };
            if other != room && other_floor >= floor {
                breaches.push(format!(
                    "{} (floor {floor}) uses {other} (floor {other_floor})",
                    file.display()
                ));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn only_some_rooms_know_the_frameworks() {
    let mut breaches = Vec::new();
    for (file, room, code) in files().into_iter().filter(|(file, ..)| !is_test(file)) {
        let knows_web = code.contains("actix_web::") || code.contains("actix_web_lab::");
        let knows_actors = code.contains("actix::");
        if room != "main" && knows_web && !KNOW_ACTIX_WEB.contains(&room.as_str()) {
            breaches.push(format!("{} knows actix-web", file.display()));
        }
        if knows_actors && !KNOW_ACTIX.contains(&room.as_str()) {
            breaches.push(format!("{} knows actix", file.display()));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<String> = files()
        .into_iter()
        .filter(|(file, _, code)| !code.starts_with("//!") && !is_test(file))
        .map(|(file, _, _)| file.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no //! in {}", silent.join(", "));
}

#[test]
fn no_file_is_longer_than_a_sitting() {
    let long: Vec<String> = files()
        .into_iter()
        .filter(|(file, _, code)| code.lines().count() > 400 && !is_test(file))
        .map(|(file, _, code)| format!("{}: {} lines", file.display(), code.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn pages_show_the_examples_as_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (page, example) in [
        ("README.md", "examples/hello.rs"),
        ("docs/embedding.md", "examples/mounted.rs"),
    ] {
        let text = fs::read_to_string(folder.join(page)).unwrap();
        let code = fs::read_to_string(folder.join(example)).unwrap();
        let code = code.split_once("\n\n").unwrap().1.trim();

        assert!(text.contains(code), "{page} and {example} differ");
    }
}
