//! Forms: what a client is asked to draw, and what is taken for an answer.

use super::{
    asking::{answer, handler_of, live_call, modern, next_question},
    *,
};

#[derive(Deserialize, JsonSchema)]
struct Order {
    /// Who gets it
    name: String,
    /// What to write on it
    note: Option<String>,
    #[schemars(range(min = 1, max = 9))]
    count: Option<u8>,
    size: Option<Size>,
    /// How it is sent
    by: Option<By>,
    #[schemars(email)]
    mail: Option<String>,
    #[serde(default)]
    gift: bool,
}

#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

#[derive(Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "lowercase")]
enum By {
    /// By mail, in a week
    Mail,
    /// By a messenger, today
    Messenger,
}

// 2025-11-25, `PrimitiveSchemaDefinition`: one type each, no null among them, and no references.
#[test]
fn a_field_that_may_be_left_out_is_an_ordinary_field_that_is_not_required() {
    let form = form::form_of::<Order>(ProtocolVersion::V2025_11_25);

    assert_eq!(
        form,
        json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "Who gets it" },
                "note": { "type": "string", "description": "What to write on it" },
                "count": { "type": "integer", "minimum": 1, "maximum": 9 },
                "size": { "type": "string", "enum": ["small", "large"] },
                "by": {
                    "type": "string", "description": "How it is sent",
                    "oneOf": [
                        { "const": "mail", "title": "By mail, in a week" },
                        { "const": "messenger", "title": "By a messenger, today" },
                    ],
                },
                "mail": { "type": "string", "format": "email" },
                "gift": { "type": "boolean", "default": false },
            },
            "required": ["name"],
        })
    );
}

// Titles of choices are written otherwise since 2025-11-25 (SEP-1330).
#[test]
fn a_client_of_2025_06_18_is_shown_titles_as_it_knows_them() {
    let form = form::form_of::<Order>(ProtocolVersion::V2025_06_18);

    assert_eq!(
        form["properties"]["by"],
        json!({
            "type": "string", "description": "How it is sent", "enum": ["mail", "messenger"],
            "enumNames": ["By mail, in a week", "By a messenger, today"],
        })
    );
}

async fn ordered(content: Value) -> Value {
    let tool = Tool::new(
        "order",
        "",
        |call: CallContext, _: NoArguments| async move {
            let asked = call.elicit::<Order>("order", "What shall it be?").await?;
            let Order {
                name,
                note,
                count,
                size,
                by,
                mail,
                gift,
            } = asked.accepted()?;
            Ok(format!(
                "{name} {note:?} {count:?} {size:?} {by:?} {mail:?} {gift}"
            ))
        },
    );
    let answer = json!({ "action": "accept", "content": content });
    let params = json!({ "name": "order", "inputResponses": { "order": answer } });
    let answered = modern(&handler_of(tool), &params).await.unwrap();
    answered["content"][0]["text"].clone()
}

#[tokio::test]
async fn what_was_left_out_is_none_and_so_is_null() {
    for content in [
        json!({ "name": "Ada" }),
        json!({ "name": "Ada", "note": null, "by": null }),
    ] {
        assert_eq!(ordered(content).await, "Ada None None None None None false");
    }
    let full = json!({
        "name": "Ada", "note": "Hi", "count": 2, "size": "large", "by": "mail", "mail": "a@b.c",
        "gift": true,
    });
    assert_eq!(
        ordered(full).await,
        r#"Ada Some("Hi") Some(2) Some(Large) Some(Mail) Some("a@b.c") true"#
    );
}

fn numbers() -> Value {
    json!({
        "type": "object", "required": ["n"],
        "properties": { "n": { "type": "integer", "minimum": 1 }, "of": { "enum": ["a", "b"] } },
    })
}

/// A tool that asks with this schema, and says what it was answered.
fn asking_with(schema: Value) -> Handler {
    let pick = move |call: CallContext, _: NoArguments| {
        let schema = schema.clone();
        async move {
            let picked = call.elicit_with("pick", "Pick", schema).await?.accepted()?;
            Ok(picked.to_string())
        }
    };
    handler_of(Tool::new("pick", "", pick))
}

#[tokio::test]
async fn an_answer_is_compared_with_the_schema_that_was_asked_with() {
    let handler = asking_with(numbers());
    let given = |answer: Value| json!({ "name": "pick", "inputResponses": { "pick": answer } });
    let accepted = |content: Value| given(json!({ "action": "accept", "content": content }));

    for unfit in [
        json!({}),
        json!({ "n": 0 }),
        json!({ "n": "1" }),
        json!({ "n": 1, "of": "c" }),
    ] {
        let asked = modern(&handler, &accepted(unfit.clone())).await.unwrap();
        assert_eq!(asked["resultType"], "input_required", "{unfit}");
    }
    let fits = json!({ "n": 1, "of": "a" });
    let done = modern(&handler, &accepted(fits.clone())).await.unwrap();
    assert_eq!(done["content"][0]["text"], fits.to_string());
    let declined = modern(&handler, &given(json!({ "action": "decline" }))).await;
    let text = declined.unwrap()["content"][0]["text"].clone();
    assert_eq!(text, "the user declined to answer");
}

#[tokio::test]
async fn in_a_session_an_answer_that_does_not_fit_its_schema_is_a_failure() {
    let (context, mut frames, questions) = live_call();
    let client = async move {
        let asked = next_question(&mut frames).await;
        let given = json!({ "action": "accept", "content": { "n": 0 } });
        answer(&questions, &asked["id"], &given);
    };

    let asked = context.elicit_with("pick", "Pick", numbers());
    let (answered, ()) = tokio::join!(asked, client);

    let why = answered.unwrap_err().to_string();
    assert!(why.contains("does not fit: /n"), "{why}");
}

#[tokio::test]
async fn nobody_is_asked_with_a_schema_that_is_none() {
    for broken in [
        json!({ "type": "objekt" }),
        json!({ "$ref": "https://example.com/a" }),
    ] {
        let handler = asking_with(broken);
        let told = modern(&handler, &json!({ "name": "pick" })).await.unwrap();
        let text = told["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("the form is broken"), "{text}");
    }
}

// 2025-11-25, URL mode: there is no content.
#[tokio::test]
async fn that_the_user_agreed_to_open_a_page_is_all_that_is_learned_of_it() {
    for (action, said) in [
        ("accept", Elicited::Accepted(())),
        ("decline", Elicited::Declined),
        ("cancel", Elicited::Cancelled),
    ] {
        let (context, mut frames, questions) = live_call();
        let client = async move {
            let asked = next_question(&mut frames).await;
            assert_eq!(asked["params"]["url"], "https://pay.example/7");
            answer(&questions, &asked["id"], &json!({ "action": action }));
        };
        let asked = context.elicit_url("pay", "Please pay", "https://pay.example/7");
        let (answered, ()) = tokio::join!(asked, client);
        assert_eq!(answered.unwrap(), said);
    }
}
