//! Broken and hostile mailboxes: a clear error or a skipped message, never a panic.

use atom_core::{ErrorCode, FunctionContext};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Fixture, each};
use crate::local::FileAccess;
use crate::local::mailbox::buffer::Part;
use crate::local::mailbox::source::{Mailbox, Skipped, Walk};

const SEPARATOR: &str = "From a@example.com Tue Mar 10 08:00:00 2026\n";

async fn list(fixture: &Fixture) -> Value {
    fixture
        .call(
            "messages.list",
            json!({"path": "mail.mbox", "include_content": true}),
        )
        .await
}

#[tokio::test]
async fn an_empty_file_is_an_empty_mailbox() {
    for text in ["", "\n", "\r\n\r\n"] {
        let list = list(&Fixture::mbox(text)).await;
        assert_eq!((&list["total"], &list["messages"]), (&json!(0), &json!([])));
    }
}

#[tokio::test]
async fn what_is_no_mailbox_is_refused() {
    for (bytes, position) in [
        (b"Subject: a single message\n\ntext\n".to_vec(), "0"),
        (vec![0; 100_000], "0"),
        (b"\n\x1f\x8b\x08binary".to_vec(), "1"),
        (vec![b'x'; 10_000_000], "0"),
    ] {
        let fixture = Fixture::mbox(bytes);
        for (function, more) in [
            ("messages.list", json!({})),
            ("messages.get", json!({"id": "x"})),
            ("threads.list", json!({"me": ["a@example.com"]})),
        ] {
            let mut arguments = more;
            arguments["path"] = json!("mail.mbox");
            let error = fixture.try_call(function, arguments).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidData);
            assert_eq!(error.context()["position"], position);
        }
    }
    let fixture = Fixture::new();
    fixture.write("photos/summer.jpg", "x");
    let error = fixture
        .try_call("messages.list", json!({"path": "photos"}))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidData);
    let error = fixture
        .try_call("messages.list", json!({"path": "missing"}))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_bad_message_is_skipped_and_the_others_are_read() {
    let good = format!("{SEPARATOR}Subject: good\n\ntext\n\n");
    let bad = [
        ("binary", format!("{SEPARATOR}\0\u{1}\u{2}\n\n\0\n\n")),
        ("no headers", format!("{SEPARATOR}\nonly text\n\n")),
        ("not a header of mail", format!("{SEPARATOR}foo: bar\n\ntext\n\n")),
        (
            "a header of a megabyte",
            format!("{SEPARATOR}Subject: {}\n\ntext\n\n", "x".repeat(1 << 20)),
        ),
        (
            "headers without end",
            format!("{SEPARATOR}{}\n", "Received: x\n".repeat(100_000)),
        ),
    ];
    for (name, bad) in bad {
        let list = list(&Fixture::mbox(format!("{good}{bad}{good}"))).await;
        assert_eq!(each(&list["messages"], "/subject"), ["good", "good"], "{name}");
        assert_eq!(list["skipped_total"], 1, "{name}");
        assert_eq!(list["skipped"][0]["position"], good.len(), "{name}");
    }
}

#[tokio::test]
async fn skipped_messages_are_all_counted_but_not_all_described() {
    let list = list(&Fixture::mbox(format!("{SEPARATOR}\nx\n\n").repeat(150))).await;
    assert_eq!(list["skipped_total"], 150);
    assert_eq!(list["skipped"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn long_lines_and_many_recipients_are_read() {
    let line = "x".repeat(10 << 20);
    let recipients = vec!["someone@example.com"; 5000].join(", ");
    let fixture = Fixture::mbox(format!(
        "{SEPARATOR}To: {recipients}\nMessage-ID: <a@b>\n\n{line}\n"
    ));
    let got = fixture
        .call("messages.get", json!({"path": "mail.mbox", "id": "a@b"}))
        .await;
    assert_eq!(
        got["message"]["content"].as_str().unwrap().trim().len(),
        line.len()
    );
    assert_eq!(got["message"]["to"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_mailbox_cut_anywhere_is_read() {
    let whole = format!(
        "{SEPARATOR}Subject: =?UTF-8?B?w6TDtsO8?=\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\
         Content-Type: message/rfc822\n\nSubject: inner\n\ntext\n--b\nContent-Transfer-Encoding: base64\n\nYWJj\n--b--\n\n"
    );
    for length in (0..whole.len()).step_by(3) {
        let fixture = Fixture::mbox(&whole[..length]);
        if let Err(error) = fixture
            .try_call("messages.list", json!({"path": "mail.mbox"}))
            .await
        {
            assert!(length < 5, "{length}: {error}");
        }
    }
}

#[tokio::test]
async fn messages_inside_messages_cannot_exhaust_the_stack() {
    for (count, is_skipped) in [(100, false), (100_000, true)] {
        let nested = "Content-Type: message/rfc822\n\n".repeat(count);
        let list = list(&Fixture::mbox(format!(
            "{SEPARATOR}Subject: outer\n{nested}end\n"
        )))
        .await;
        assert_eq!(list["messages"][0]["subject"], "outer");
        let skipped = list["messages"][0].pointer("/extra/is_body_skipped").is_some();
        assert_eq!(skipped, is_skipped, "{count}");
    }
}

#[tokio::test]
async fn parts_without_end_cannot_take_forever() {
    let parts = "Content-Type: multipart/mixed; boundary=missing\n\nx\n--b\n".repeat(50_000);
    let head = "Subject: outer\nContent-Type: multipart/mixed; boundary=b\n\n--b\n";
    let list = list(&Fixture::mbox(format!("{SEPARATOR}{head}{parts}"))).await;
    assert_eq!(list["messages"][0]["extra"], json!({"is_body_skipped": true}));
}

#[tokio::test]
async fn a_message_that_trips_the_parser_costs_at_most_its_text() {
    let types = "Content-Type: multipart/digest; boundary=\"b\"\n".repeat(2);
    let broken = format!(
        "{SEPARATOR}Subject: broken\n{types}\n--b\n\nContent-Type: message/rfc822\n--c--{types}\n\n--b--\n"
    );
    let list = list(&Fixture::mbox(format!(
        "{broken}\n{SEPARATOR}Subject: good\n\ntext\n"
    )))
    .await;
    assert_eq!(each(&list["messages"], "/subject"), ["good", "broken"]);
}

#[test]
fn a_mailbox_that_changes_while_it_is_read_is_noticed() {
    let message = format!("{SEPARATOR}Subject: x\n\ntext\n\n");
    let fixture = Fixture::mbox(message.repeat(3));
    fixture.write("mail/new/1", "Subject: x\n\ntext\n");
    for (path, change) in [
        ("mail.mbox", "shorter"),
        ("mail.mbox", "shifted"),
        ("mail", "moved"),
    ] {
        let access = FileAccess::everywhere();
        let mailbox = Mailbox::open(access, path, fixture.context()).unwrap();
        let (mut skipped, mut last) = (Skipped::default(), None);
        let walk = mailbox.walk(Part::Headers, &mut skipped, |raw| {
            last = Some(raw.locator.clone());
            Ok(Walk::Continue)
        });
        walk.unwrap();
        match change {
            "shorter" => fixture.write("mail.mbox", &message),
            "shifted" => fixture.write("mail.mbox", "x".to_owned() + &message.repeat(3)),
            _ => std::fs::rename(fixture.path().join("mail/new/1"), fixture.path().join("mail/1")).unwrap(),
        }
        let loaded = mailbox
            .load(&last.unwrap(), Part::Whole, &mut skipped, |_| Ok(()))
            .unwrap();
        assert_eq!((loaded, skipped.total), (None, 1), "{change}");
        fixture.write("mail.mbox", message.repeat(3));
    }
}

#[tokio::test]
async fn a_cancelled_call_ends_with_cancelled() {
    let fixture = Fixture::mbox(format!("{SEPARATOR}Subject: x\n\ntext\n\n").repeat(100));
    let context: FunctionContext = fixture.context();
    context.cancellation.cancel();
    let function = fixture.functions.get("mailbox.messages.list").unwrap();
    let error = function
        .call(json!({"path": "mail.mbox"}), context)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cancelled);
}

#[cfg(unix)]
#[tokio::test]
async fn links_in_a_maildir_do_not_lead_out() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(outside.path().join("cur")).unwrap();
    std::fs::write(outside.path().join("cur/secret"), "Subject: secret\n\ntext\n").unwrap();
    let fixture = Fixture::new();
    fixture.write("mail/cur/1:2,S", "Subject: good\n\ntext\n");
    let mail = fixture.path().join("mail");
    std::os::unix::fs::symlink(outside.path().join("cur/secret"), mail.join("cur/2:2,S")).unwrap();
    std::os::unix::fs::symlink(outside.path(), mail.join(".Outside")).unwrap();
    let list = fixture.call("messages.list", json!({"path": "mail"})).await;
    assert_eq!(each(&list["messages"], "/subject"), ["good"]);
    assert_eq!(
        list["skipped"],
        json!([{"position": 0, "file": "cur/2:2,S", "reason": "the file may not be read"}])
    );
}

/// Pieces of which mail is made, in any order.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "Subject: ",
        "=?utf-8?Q?",
        "?=",
        "References: <a@b> <",
        "Date: 31 Feb 99999 25:61:61 +9999\n",
        "Content-Type: multipart/alternative; boundary=b\n",
        "Content-Type: message/rfc822\n",
        "Content-Type: multipart/digest; boundary=\"b\"\n",
        "Content-Type: text/html; charset=utf-7\n",
        "Content-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: quoted-printable\n",
        "\n",
        "\r\n",
        "\n--b\n",
        "\n--b--\n",
        "=3D=\n=",
        "YWJj",
        "<div>",
        "</div><!--",
        "&#x110000;",
        "From: ",
        "<@>,:;\"(",
        "X-Gmail-Labels: a,\"",
        "X-Mozilla-Status: zz\n",
        SEPARATOR,
        ">From ",
        "\0",
        "ü",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_mail_is_read_or_skipped(mail in fragments()) {
        let mut mbox = SEPARATOR.as_bytes().to_vec();
        mbox.extend(&mail);
        let fixture = Fixture::mbox(mbox);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let list = list(&fixture).await;
            assert!(list["total"].as_u64().unwrap() + list["skipped_total"].as_u64().unwrap() > 0);
            for message in list["messages"].as_array().unwrap() {
                fixture.call("messages.get", json!({"path": "mail.mbox", "id": message["id"]})).await;
            }
            fixture.call("threads.list", json!({"path": "mail.mbox", "me": ["a@example.com"]})).await;
        });
    }
}
