//! Conversations.

use serde_json::{Value, json};

use super::{Fixture, each};

const ME: &str = "me@example.com";

/// A message of March 2026 with an id, a day, a sender, a subject and further headers.
fn mail(id: &str, day: u32, from: &str, subject: &str, headers: &str) -> String {
    format!(
        "From {from} Tue Mar 10 08:00:00 2026\nFrom: {from}\nTo: {}\nSubject: {subject}\nMessage-ID: <{id}@x>\n\
         Date: {day} Mar 2026 08:00:00 +0000\n{headers}\ntext of {id}\n\n",
        if from == ME { "ada@example.com" } else { ME },
    )
}

fn reply(id: &str, day: u32, from: &str, references: &str) -> String {
    mail(id, day, from, "Re: plan", &format!("References: {references}\n"))
}

async fn threads(mbox: &str, filter: Value) -> Value {
    let mut arguments = json!({"path": "mail.mbox", "me": ["Me@Example.com"]});
    arguments
        .as_object_mut()
        .unwrap()
        .extend(filter.as_object().unwrap().clone());
    let answer = Fixture::mbox(mbox).call("threads.list", arguments).await;
    assert_eq!(answer["skipped_total"], 0);
    assert_eq!(answer["total"], answer["threads"].as_array().unwrap().len());
    answer["threads"].clone()
}

/// Thread id, number of messages and whether it awaits a reply.
async fn outline(mbox: &str) -> Value {
    let threads = threads(mbox, json!({})).await;
    let rows = threads.as_array().unwrap().iter();
    json!(
        rows.map(|thread| json!([
            thread["remote_id"],
            thread["message_count"],
            thread["awaits_reply"]
        ]))
        .collect::<Vec<_>>()
    )
}

#[tokio::test]
async fn a_thread_is_described_by_its_first_and_last_message() {
    let mbox = [
        mail(
            "b",
            2,
            "ada@example.com",
            "Re: Plan",
            "In-Reply-To: <a@x>\nStatus: RO\n",
        ),
        mail("a", 1, ME, "Plan", ""),
        mail(
            "c",
            3,
            "Grace <grace@example.com>",
            "RE: AW: Plan",
            "References: <a@x>\n <b@x>\n",
        ),
    ]
    .concat();
    let threads = threads(&mbox, json!({})).await;
    let thread = &threads[0];
    assert_eq!(threads.as_array().unwrap().len(), 1);
    assert_eq!(thread["id"], "mailbox:a@x");
    assert_eq!(thread["subject"], "Plan");
    assert_eq!(
        (&thread["message_count"], &thread["unread_count"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(
        each(&thread["participants"], "/address"),
        [ME, "ada@example.com", "grace@example.com"]
    );
    assert_eq!(thread["created_at"], "2026-03-01T08:00:00Z");
    assert_eq!(thread["updated_at"], "2026-03-03T08:00:00Z");
    assert_eq!(thread["last_message"]["remote_id"], "c@x");
    assert_eq!(thread["last_message"]["thread_id"], thread["id"]);
    assert_eq!(thread["last_message"]["content"], "text of c\n");
    assert_eq!(thread["awaits_reply"], true);
}

#[tokio::test]
async fn messages_that_name_each_other_belong_together() {
    let a = mail("a", 1, "ada@example.com", "plan", "");
    for (name, mbox, expected) in [
        (
            "an answer of mine",
            a.clone() + &reply("b", 2, ME, "<a@x>"),
            json!([["a@x", 2, false]]),
        ),
        (
            "order does not matter",
            reply("b", 2, ME, "<a@x>") + &a,
            json!([["a@x", 2, false]]),
        ),
        (
            "newest first",
            a.clone() + &mail("b", 2, "b@example.com", "other", ""),
            json!([["b@x", 1, true], ["a@x", 1, true],]),
        ),
        (
            "a missing parent",
            reply("b", 2, "b@example.com", "<gone@x>") + &reply("c", 3, ME, "<gone@x>"),
            json!([["gone@x", 2, false]]),
        ),
        (
            "a loop",
            reply("a", 1, "a@example.com", "<b@x>") + &reply("b", 2, "b@example.com", "<a@x> <b@x>"),
            json!([["b@x", 2, true]]),
        ),
        (
            "the same message twice",
            a.clone() + &a,
            json!([["a@x", 1, true]]),
        ),
        (
            "a changed subject",
            a.clone() + &mail("b", 2, ME, "new", "In-Reply-To: <a@x>\n"),
            json!([["a@x", 2, false]]),
        ),
    ] {
        assert_eq!(outline(&mbox).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_reply_that_names_nothing_joins_by_subject_and_people() {
    let a = mail("a", 1, "ada@example.com", "plan", "");
    for (name, other, count) in [
        ("my reply", mail("b", 2, ME, "RE: Plan", ""), 1),
        (
            "a reply with a useless id",
            mail("b", 2, ME, "Re: plan", "In-Reply-To: your message of Monday\n"),
            1,
        ),
        ("the same subject, but no reply", mail("b", 2, ME, "plan", ""), 2),
        (
            "a reply from a stranger",
            mail("b", 2, "eve@example.com", "Re: plan", ""),
            2,
        ),
        (
            "a reply before the message",
            mail("b", 0, ME, "Re: plan", "").replace("Date: 0 Mar", "Date: 28 Feb"),
            2,
        ),
        ("another subject", mail("b", 2, ME, "Re: plans", ""), 2),
    ] {
        assert_eq!(
            threads(&(a.clone() + &other), json!({}))
                .await
                .as_array()
                .unwrap()
                .len(),
            count,
            "{name}"
        );
    }
}

#[tokio::test]
async fn only_what_a_person_asks_awaits_a_reply() {
    let from = "ada@example.com";
    for (sender, headers, expected, reason) in [
        (from, "", true, Value::Null),
        ("ME@example.com", "", false, Value::Null),
        (
            from,
            "List-Id: <rust.example.com>\n",
            false,
            json!("mailing_list"),
        ),
        (from, "Precedence: bulk\n", false, json!("bulk")),
        (
            from,
            "Auto-Submitted: auto-replied\n",
            false,
            json!("auto_submitted"),
        ),
        (from, "Auto-Submitted: no\n", true, Value::Null),
        ("No-Reply@shop.example", "", false, json!("no_reply_sender")),
        ("do_not_reply@shop.example", "", false, json!("no_reply_sender")),
        (from, "Status: RO\nX-Status: A\n", false, json!("answered")),
    ] {
        let threads = threads(&mail("a", 1, sender, "plan", headers), json!({})).await;
        assert_eq!(threads[0]["awaits_reply"], expected, "{sender} {headers}");
        assert_eq!(
            threads[0]
                .pointer("/extra/no_reply_reason")
                .unwrap_or(&Value::Null),
            &reason,
            "{headers}"
        );
    }
}

#[tokio::test]
async fn drafts_do_not_answer_and_deleted_messages_do_not_count() {
    let mbox = [
        mail("a", 1, "ada@example.com", "plan", ""),
        reply("b", 2, ME, "<a@x>").replace("References", "X-Status: T\nReferences"),
        mail("c", 3, "eve@example.com", "win", "X-Status: D\n"),
        mail("d", 4, "eve@example.com", "win", "X-Gmail-Labels: Spam,Unread\n"),
    ]
    .concat();
    let threads = threads(&mbox, json!({})).await;
    assert_eq!(each(&threads, "/remote_id"), ["a@x"]);
    assert_eq!(
        (&threads[0]["message_count"], &threads[0]["awaits_reply"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(threads[0]["extra"], json!({"has_draft": true}));
}

#[tokio::test]
async fn threads_are_filtered() {
    let mbox = [
        mail("a", 1, "ada@example.com", "read", "Status: R\n"),
        mail("b", 2, "ada@example.com", "unread", ""),
        mail("c", 3, ME, "mine", ""),
    ]
    .concat();
    for (filter, expected) in [
        (json!({}), vec!["c@x", "b@x", "a@x"]),
        (json!({"awaiting_reply_only": true}), vec!["b@x", "a@x"]),
        (json!({"unread_only": true}), vec!["b@x"]),
        (json!({"since": "2026-03-02"}), vec!["c@x", "b@x"]),
    ] {
        assert_eq!(
            each(&threads(&mbox, filter.clone()).await, "/remote_id"),
            expected,
            "{filter}"
        );
    }
    let fixture = Fixture::mbox(mbox);
    let answer = fixture
        .call(
            "threads.list",
            json!({"path": "mail.mbox", "me": [ME], "limit": 2}),
        )
        .await;
    assert_eq!(
        (&answer["total"], each(&answer["threads"], "/remote_id").len()),
        (&json!(3), 2)
    );
}

#[tokio::test]
async fn answers_in_the_sent_folder_of_a_maildir_count() {
    let fixture = Fixture::new();
    let without_separator = |mail: String| mail.split_once('\n').unwrap().1.to_owned();
    fixture.write(
        "mail/cur/1:2,S",
        without_separator(mail("a", 1, "ada@example.com", "plan", "")),
    );
    fixture.write(
        "mail/new/2",
        without_separator(mail("b", 2, "ada@example.com", "other", "")),
    );
    // Sent under another address of the owner: the folder tells whose it is.
    let answer = reply("c", 3, "alias@example.com", "<a@x>");
    fixture.write("mail/.Sent/cur/3:2,S", without_separator(answer));
    let answer = fixture
        .call("threads.list", json!({"path": "mail", "me": [ME]}))
        .await;
    assert_eq!(each(&answer["threads"], "/remote_id"), ["a@x", "b@x"]);
    assert_eq!(each(&answer["threads"], "/awaits_reply"), [false, true]);
    assert_eq!(answer["threads"][0]["last_message"]["status"], "sent");
    assert_eq!(each(&answer["threads"], "/unread_count"), [0, 1]);
}
