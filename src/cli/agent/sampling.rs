//! The client's model, when it is a program: the request on its standard input, the reply on its
//! standard output. No shell in between.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};

use crate::agent::Refused;

/// Longest reply that is read, in bytes.
const REPLY_BYTES_MAX: u64 = 1024 * 1024;

/// Runs `program` once. What it prints is a `CreateMessageResult` as JSON, or else the reply's text.
pub(super) async fn ask(program: PathBuf, params: Value) -> Result<Value, Refused> {
    let name = program.display().to_string();
    let failed = |why: &str| Refused(format!("the model could not be asked: {why}"));
    let mut child = Command::new(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            tracing::warn!(program = %name, error = &error as &dyn std::error::Error, "could not run the model");
            failed("it could not be started")
        })?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (Some(mut input), Some(output)) = (input, output) else {
        return Err(failed("it has no input or output"));
    };
    let mut reply = Vec::new();
    let request = params.to_string();
    let told = async {
        // A program that does not read its input may answer all the same.
        input.write_all(request.as_bytes()).await.ok();
        drop(input);
    };
    let heard = output.take(REPLY_BYTES_MAX + 1);
    tokio::pin!(heard);
    let ((), read) = tokio::join!(told, heard.read_to_end(&mut reply));
    read.map_err(|_broken| failed("its reply could not be read"))?;
    if reply.len() as u64 > REPLY_BYTES_MAX {
        return Err(failed("its reply is larger than 1 MiB"));
    }
    let ended = child.wait().await.map_err(|_gone| failed("it is gone"))?;
    if !ended.success() {
        return Err(failed("it failed"));
    }
    let text = String::from_utf8(reply).map_err(|_binary| failed("its reply is no text"))?;
    Ok(result(&program, &text))
}

/// `CreateMessageResult`.
pub(super) fn result(model: &Path, text: &str) -> Value {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    match serde_json::from_str(text) {
        Ok(Value::Object(mut members)) if members.contains_key("content") => {
            members.entry("role").or_insert_with(|| "assistant".into());
            members.entry("model").or_insert_with(|| name.into());
            Value::Object(members)
        }
        _ => json!({
            "role": "assistant",
            "content": {"type": "text", "text": text.trim_end_matches(['\r', '\n'])},
            "model": name,
            "stopReason": "endTurn",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_a_result_or_its_text() {
        let whole = r#"{"content": {"type": "text", "text": "Paris"}, "model": "m"}"#;

        let (result_of_json, result_of_text) = (
            result(Path::new("/bin/llm"), whole),
            result(Path::new("/bin/llm"), "Paris\n"),
        );

        assert_eq!(result_of_json["model"], "m");
        assert_eq!(result_of_json["role"], "assistant");
        assert_eq!(result_of_text["content"]["text"], "Paris");
        assert_eq!(result_of_text["model"], "llm");
    }

    #[tokio::test]
    async fn a_program_gets_the_request_and_its_failure_is_told() {
        let cat = ask(
            "/bin/cat".into(),
            json!({"content": {"type": "text", "text": "back"}}),
        )
        .await;
        let fails = ask("/bin/false".into(), json!({})).await;
        let missing = ask("/nowhere/model".into(), json!({})).await;

        assert_eq!(cat.unwrap()["content"]["text"], "back");
        assert!(fails.unwrap_err().0.contains("failed"));
        assert!(missing.unwrap_err().0.contains("started"));
    }
}
