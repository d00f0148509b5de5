//! Skills from text and from disk, and what is none.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use super::*;

const REFUNDS: &str =
    "---\nname: refunds\ndescription: Refunds an order\n---\n\nRead `limits.md`.\n";

fn refunds() -> Skill {
    Skill::new(REFUNDS).unwrap()
}

fn described(name: &str) -> String {
    format!("---\nname: {name}\ndescription: Does {name}\n---\n")
}

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("usher-skills-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(fs::canonicalize(path).unwrap())
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn link(&self, to: impl AsRef<Path>, path: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, path).unwrap();
    }

    fn read(&self) -> Result<Vec<Skill>, SkillError> {
        read_folder(&self.0, &Config::default())
    }

    /// Why it is refused, with all that lies behind it.
    fn refusal(&self) -> String {
        let error: Box<dyn std::error::Error> = Box::new(self.read().unwrap_err());
        let mut told = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            told = format!("{told}: {cause}");
            source = cause.source();
        }
        told
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn uris(skill: &Skill) -> Vec<String> {
    let entry = skill.entry();
    let files = entry["resources"].as_array().unwrap().iter();
    files
        .map(|file| file["uri"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_entry_is_the_frontmatter_and_every_file_with_its_digest() {
    let skill = refunds().under("acme/billing").unwrap();
    let skill = skill.file("examples/e mail.md", "Hello").unwrap();

    assert_eq!(
        skill.entry(),
        json!({
            "uri": "skill://acme/billing/refunds/SKILL.md",
            "frontmatter": { "name": "refunds", "description": "Refunds an order" },
            "resources": [
                {
                    "uri": "skill://acme/billing/refunds/SKILL.md",
                    "digest": digest_of(REFUNDS), "size": REFUNDS.len(),
                },
                {
                    "uri": "skill://acme/billing/refunds/examples/e%20mail.md",
                    // printf Hello | sha256sum
                    "digest": "sha256:185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969",
                    "size": 5,
                },
            ],
        })
    );
}

fn digest_of(text: &'static str) -> String {
    SkillFile::new("", text.into()).digest().to_owned()
}

// Hosts read the frontmatter again with a reader of YAML 1.2, and refuse a skill of which they read
// something else.
#[test]
fn a_frontmatter_is_read_as_yaml_1_2_says() {
    let text = "\u{feff}---\r\nname: a-1\r\ndescription: >\r\n  One\r\n  two\r\nlicense: MIT\r\n\
        allowed: yes\r\nsure: true\r\nversion: 1.10\r\ncount: 1_000\r\nport: 0o17\r\nnone: ~\r\n\
        day: 2026-01-02\r\ntime: 12:30\r\nhex: 0x1F\r\nmetadata:\r\n  a: \"1\"\r\n  \
        b: [x, 2]\r\n---  \r\nBody\r\n---\r\n";

    let skill = Skill::new(text).unwrap();

    assert_eq!(
        skill.entry()["frontmatter"],
        json!({
            "name": "a-1", "description": "One two\n", "license": "MIT", "allowed": "yes",
            "sure": true, "version": 1.1, "count": "1_000", "port": 15, "none": null,
            "day": "2026-01-02", "time": "12:30", "hex": 31,
            "metadata": { "a": "1", "b": ["x", 2] },
        })
    );
    assert_eq!(skill.file_at("SKILL.md").unwrap().text(), Some(text));
}

#[test]
fn what_is_no_skill_is_refused_with_the_reason() {
    for (text, reason) in [
        ("", "frontmatter"),
        ("# refunds", "frontmatter"),
        ("---\nname: refunds\n", "frontmatter"),
        ("--- \nname: a\ndescription: b\n---\n", "frontmatter"),
        ("---\ndescription: b\n---\n", "name"),
        ("---\nname: [a]\ndescription: b\n---\n", "name"),
        ("---\nname: Refunds\ndescription: b\n---\n", "name"),
        ("---\nname: a--b\ndescription: b\n---\n", "name"),
        ("---\nname: -a\ndescription: b\n---\n", "name"),
        ("---\nname: a_b\ndescription: b\n---\n", "name"),
        ("---\nname: ../a\ndescription: b\n---\n", "name"),
        ("---\nname: a\n---\n", "description"),
        ("---\nname: a\ndescription: '  '\n---\n", "description"),
        ("---\nname: a\nname: a\ndescription: b\n---\n", "duplicate"),
        ("---\n- name\n---\n", "can't be used"),
        ("---\nname: a\ndescription: &x [*x]\n---\n", "can't be used"),
    ] {
        let refused = Skill::new(text).unwrap_err().to_string();
        assert!(refused.contains(reason), "{text:?}: {refused}");
    }
    let long = "x".repeat(65);
    assert!(Skill::new(described(&long)).is_err());
    assert!(Skill::new(described(&long[..64])).is_ok());
    let wordy = format!("---\nname: a\ndescription: {}\n---\n", "x".repeat(1_025));
    assert!(matches!(Skill::new(wordy), Err(SkillError::Description)));
    let huge = format!(
        "---\nname: a\ndescription: b\nmore: {}\n---\n",
        "x".repeat(65_536)
    );
    assert!(Skill::new(huge).unwrap_err().to_string().contains("longer"));
}

// Ten lines that would unfold to more than there is memory.
#[test]
fn a_frontmatter_that_multiplies_itself_is_refused() {
    let mut text = "---\nname: a\ndescription: b\nl0: &l0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let inner = format!("*l{}, ", level - 1).repeat(9);
        writeln!(text, "l{level}: &l{level} [{inner}]").unwrap();
    }
    text.push_str("---\n");

    assert!(matches!(Skill::new(text), Err(SkillError::Frontmatter(_))));
}

#[test]
fn a_path_stays_within_its_skill() {
    for path in [
        "",
        "/etc/passwd",
        "../a",
        "a/../b",
        "a//b",
        "a/",
        "./a",
        "a\\b",
        "a\nb",
        "a\0",
    ] {
        let refused = refunds().file(path, "x");
        assert!(matches!(refused, Err(SkillError::Path(_))), "{path:?}");
        let refused = refunds().under(path);
        assert!(matches!(refused, Err(SkillError::Path(_))), "{path:?}");
    }
    let skill = refunds().file("50%?#[1].md", "x").unwrap();
    assert_eq!(uris(&skill)[0], "skill://refunds/50%25%3F%23%5B1%5D.md");
    let taken = refunds().file("SKILL.md", "another");
    assert!(matches!(taken, Err(SkillError::Taken(_))));
    let folder = refunds().file("a/b", "x").unwrap();
    assert!(matches!(
        folder.clone().file("a", "x"),
        Err(SkillError::Taken(_))
    ));
    assert!(matches!(
        folder.file("a/b/c", "x"),
        Err(SkillError::Taken(_))
    ));
}

#[test]
fn a_skill_is_no_larger_than_every_host_takes() {
    let mut skill = refunds();
    for number in 1..FILES_MAX {
        skill = skill.file(&format!("{number}"), "").unwrap();
    }
    assert!(matches!(skill.file("one more", ""), Err(SkillError::Files)));

    let rest = vec![0; BYTES_MAX - REFUNDS.len()];
    let full = refunds().file("rest", rest).unwrap();
    assert!(matches!(full.file("more", "x"), Err(SkillError::Bytes)));
}

#[test]
fn a_folder_shows_what_lies_directly_in_it() {
    let skill = refunds().file("a/b/c.md", "c").unwrap();
    let skill = skill
        .file("a/d.md", "d")
        .unwrap()
        .file("ab.md", "ab")
        .unwrap();
    let shown = |folder| {
        let children = skill.children(folder)?;
        let shown = children.iter().map(|(name, file)| (*name, file.is_some()));
        Some(shown.collect::<Vec<_>>())
    };

    let root = [("SKILL.md", true), ("a", false), ("ab.md", true)];
    assert_eq!(shown("").unwrap(), root);
    assert_eq!(shown("a").unwrap(), [("b", false), ("d.md", true)]);
    assert_eq!(shown("a/b").unwrap(), [("c.md", true)]);
    for none in ["a/", "a/d.md", "b", "/", "SKILL.md"] {
        assert!(shown(none).is_none(), "{none}");
    }
}

#[test]
fn a_file_has_the_type_of_its_name_or_of_its_bytes() {
    let of = |name, content: &'static [u8]| SkillFile::new(name, content.into()).mime_type();

    assert_eq!(of("a.MD", b"a"), "text/markdown");
    assert_eq!(of("a.png", b"a"), "image/png");
    assert_eq!(of("LICENSE", b"a"), "text/plain");
    assert_eq!(of("a.bin", b"\xff"), "application/octet-stream");
    assert_eq!(of("a", b"a\0"), "application/octet-stream");
}

#[test]
fn every_folder_with_a_skill_md_is_a_skill_and_belongs_to_those_around_it() {
    let folder = Folder::new();
    folder.write("README.md", "Not a skill");
    folder.write("acme/billing/refunds/SKILL.md", REFUNDS);
    folder.write("acme/billing/refunds/limits/euro.md", "100");
    folder.write("acme/billing/refunds/late/SKILL.md", described("late"));
    folder.write("git-workflow/SKILL.md", described("git-workflow"));
    folder.write("git-workflow/.git/config", "secret");
    folder.write(".hidden/SKILL.md", "no skill");

    let skills = folder.read().unwrap();

    let paths: Vec<_> = skills.iter().map(Skill::path).collect();
    let refunds = "acme/billing/refunds";
    assert_eq!(paths, [refunds, &format!("{refunds}/late"), "git-workflow"]);
    assert_eq!(
        uris(&skills[0]),
        ["SKILL.md", "late/SKILL.md", "limits/euro.md"]
            .map(|file| format!("skill://{refunds}/{file}"))
    );
    assert_eq!(
        uris(&skills[1]),
        [format!("skill://{refunds}/late/SKILL.md")]
    );
    assert_eq!(uris(&skills[2]), ["skill://git-workflow/SKILL.md"]);
    let one = Skill::from_directory(folder.0.join("acme/billing/refunds")).unwrap();
    assert_eq!(one.uri(), "skill://refunds/SKILL.md");
    assert_eq!(uris(&one).len(), 3);
}

// A Kubernetes volume is made of links to `..data`, and that of a link to a dated folder.
#[test]
fn links_are_followed_within_the_folder_and_nowhere_else() {
    let outside = Folder::new();
    outside.write("secret.md", "secret");
    let folder = Folder::new();
    folder.write("refunds/..2026_01/SKILL.md", REFUNDS);
    folder.link("..2026_01", "refunds/..data");
    folder.link("..data/SKILL.md", "refunds/SKILL.md");
    assert_eq!(
        uris(&folder.read().unwrap()[0]),
        ["skill://refunds/SKILL.md"]
    );

    for target in [
        outside.0.join("secret.md"),
        outside.0.clone(),
        "/etc/passwd".into(),
    ] {
        folder.link(&target, "refunds/leak");
        assert!(folder.refusal().contains("outside"), "{}", target.display());
        fs::remove_file(folder.0.join("refunds/leak")).unwrap();
    }
    folder.link("nowhere", "refunds/dangling");
    assert!(folder.refusal().contains("dangling"));
    fs::remove_file(folder.0.join("refunds/dangling")).unwrap();
    folder.link("..", "refunds/circle");
    assert!(folder.refusal().contains("too deep"));
}

// To open a pipe would wait for somebody to write to it.
#[test]
fn what_is_neither_file_nor_folder_is_refused() {
    let folder = Folder::new();
    folder.write("refunds/SKILL.md", REFUNDS);
    let listener = std::os::unix::net::UnixListener::bind(folder.0.join("refunds/socket"));

    assert!(folder.refusal().contains("neither"), "{listener:?}");
}

#[test]
fn a_folder_that_can_not_be_served_whole_is_refused_by_its_path() {
    let folder = Folder::new();
    folder.write("refund/SKILL.md", REFUNDS);
    let told = folder.refusal();
    assert!(
        told.contains("refund") && told.contains("\"refunds\""),
        "{told}"
    );

    let folder = Folder::new();
    folder.write("SKILL.md", REFUNDS);
    assert!(folder.refusal().contains("folder of its own"));

    let folder = Folder::new();
    folder.write("refunds/SKILL.md", b"\xff");
    assert!(folder.refusal().contains("UTF-8"));
    let gone = read_folder(&folder.0.join("nope"), &Config::default());
    assert!(matches!(gone, Err(SkillError::Read(..))));
    let none = Folder::new();
    assert!(none.read().unwrap().is_empty());
    assert!(matches!(
        Skill::from_directory(&none.0),
        Err(SkillError::In(..))
    ));
}

#[test]
fn the_number_of_skills_and_their_bytes_are_bounded() {
    let folder = Folder::new();
    for name in ["a", "b"] {
        folder.write(&format!("{name}/SKILL.md"), described(name));
        folder.write(&format!("{name}/data"), [0; 1_000]);
    }
    let read = |skills_max, bytes| {
        let bytes_max = ByteSize::from_bytes(bytes);
        let config = Config {
            skills_max,
            bytes_max,
            directory: None,
        };
        read_folder(&folder.0, &config)
    };

    assert_eq!(read(2, 4_000).unwrap().len(), 2);
    assert!(matches!(read(1, 4_000), Err(SkillError::Skills(1))));
    let told = read(2, 1_500).unwrap_err();
    let SkillError::In(_, why) = told else {
        panic!("{told}")
    };
    assert!(matches!(*why, SkillError::AllBytes(_)));
}

// JSON has no word for it, and another would be another value.
#[test]
fn a_value_that_json_can_not_say_is_refused() {
    for value in [".nan", ".inf", "!!binary a===="] {
        let text = format!("---\nname: a\ndescription: b\nodd: {value}\n---\n");
        assert!(Skill::new(text).is_err(), "{value}");
    }
}
