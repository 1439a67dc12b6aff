//! Listing and reading messages.

use atom_core::ErrorCode;
use serde_json::{Value, json};

use super::{Fixture, each};

const MBOX: &str = "\
From ada@example.com Mon Mar  9 08:00:00 2026
From: Ada Lovelace <ada@example.com>
To: grace@example.com, \"Hopper, G.\" <g@example.com>
Subject: =?UTF-8?Q?Caf=C3=A9_?= =?ISO-8859-1?Q?Gr=FC=DFe?=
Date: Mon, 9 Mar 2026 09:00:00 +0100
Message-ID: <one@example.com>
Status: RO
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Sch=F6ne Gr=FC=DFe
>From the north

From grace@example.com Tue Mar 10 08:00:00 2026
From: grace@example.com
To: ada@example.com
Subject: Re: plan
Date: Tue, 10 Mar 2026 08:00:00 +0000
Message-ID: <two@example.com>
In-Reply-To: <zero@example.com>
X-Priority: 1 (Highest)
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain

plain words
--inner
Content-Type: text/html

<p>html words</p>
--inner--
--outer
Content-Type: application/pdf; name=plan.pdf
Content-Disposition: attachment; filename=plan.pdf
Content-Transfer-Encoding: base64

aGVsbG8gd29ybGQ=
--outer--

From linus@example.com Wed Mar 11 08:00:00 2026
From: linus@example.com
Subject: newsletter
Date: Wed, 11 Mar 2026 08:00:00 +0000
Content-Type: text/html; charset=utf-8

<html><head><style>p{}</style></head><body><div>First</div><div>Second &amp; third</div></body></html>
";

#[tokio::test]
async fn messages_are_decoded_newest_first() {
    let fixture = Fixture::mbox(MBOX);
    let list = fixture
        .call(
            "messages.list",
            json!({"path": "mail.mbox", "include_content": true}),
        )
        .await;
    assert_eq!(list["total"], 3);
    assert_eq!(list["skipped"], json!([]));
    let [html, mixed, latin] = list["messages"].as_array().unwrap().as_slice() else {
        panic!("{list}")
    };

    assert_eq!(latin["subject"], "Café Grüße");
    assert_eq!(latin["content"], "Schöne Grüße\nFrom the north\n");
    assert_eq!(
        latin["from"],
        json!({"name": "Ada Lovelace", "address": "ada@example.com"})
    );
    assert_eq!(
        latin["to"][1],
        json!({"name": "Hopper, G.", "address": "g@example.com"})
    );
    assert_eq!(latin["id"], "mailbox:one@example.com");
    assert_eq!(latin["timestamp"], "2026-03-09T08:00:00Z");
    assert_eq!(latin["created_at"], latin["timestamp"]);
    assert_eq!(latin["is_unread"], false);
    assert_eq!(latin["is_reply"], false);

    assert_eq!(mixed["content"].as_str().unwrap().trim(), "plain words");
    assert_eq!(
        mixed["attachments"],
        json!([{"name": "plan.pdf", "media_type": "application/pdf", "size": 11}])
    );
    assert_eq!(
        (&mixed["is_reply"], &mixed["is_unread"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(mixed["priority"], "high");
    assert_eq!(mixed["thread_id"], "mailbox:zero@example.com");

    assert_eq!(html["preview"], "First Second & third");
    assert!(
        html["remote_id"].as_str().unwrap().starts_with("sha256-"),
        "{html}"
    );
}

#[tokio::test]
async fn messages_are_filtered_and_counted() {
    let fixture = Fixture::mbox(MBOX);
    let dates = |list: &Value| each(&list["messages"], "/timestamp").len();
    for (filter, count) in [
        (json!({}), 3),
        (json!({"unread_only": true}), 2),
        (json!({"since": "2026-03-10"}), 2),
        (json!({"until": "2026-03-10"}), 2),
        (json!({"since": "2026-03-10T08:00:01Z"}), 1),
        (json!({"query": "PLAIN grace"}), 1),
        (json!({"query": "schöne"}), 1),
        (json!({"query": "plain linus"}), 0),
        (json!({"query": "lovelace"}), 1),
    ] {
        let mut arguments = filter.clone();
        arguments["path"] = json!("mail.mbox");
        let list = fixture.call("messages.list", arguments).await;
        assert_eq!(list["total"], count, "{filter}");
        assert_eq!(dates(&list), count, "{filter}");
    }
    let list = fixture
        .call("messages.list", json!({"path": "mail.mbox", "limit": 1}))
        .await;
    assert_eq!((&list["total"], dates(&list)), (&json!(3), 1));
    assert_eq!(list["messages"][0]["subject"], "newsletter");
    assert_eq!(list["messages"][0].get("content"), None);
}

#[tokio::test]
async fn one_message_is_read_by_either_id() {
    let fixture = Fixture::mbox(MBOX);
    for id in ["one@example.com", "mailbox:one@example.com"] {
        let got = fixture
            .call("messages.get", json!({"path": "mail.mbox", "id": id}))
            .await;
        assert_eq!(got["message"]["content"], "Schöne Grüße\nFrom the north\n");
    }
    let list = fixture
        .call("messages.list", json!({"path": "mail.mbox", "limit": 1}))
        .await;
    let id = &list["messages"][0]["id"];
    let got = fixture
        .call("messages.get", json!({"path": "mail.mbox", "id": id}))
        .await;
    assert_eq!(
        got["message"]["id"], *id,
        "a message without Message-ID is found by its hash"
    );
    let error = fixture
        .try_call("messages.get", json!({"path": "mail.mbox", "id": "no"}))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_long_text_is_cut_in_lists_and_whole_on_its_own() {
    let text = "ä".repeat(50_000);
    let fixture = Fixture::mbox(format!(
        "From a@example.com Mon Mar  9 08:00:00 2026\nMessage-ID: <a@b>\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
    ));
    let list = fixture
        .call(
            "messages.list",
            json!({"path": "mail.mbox", "include_content": true}),
        )
        .await;
    let message = &list["messages"][0];
    assert_eq!(message["extra"]["is_content_truncated"], true);
    assert_eq!(message["content"].as_str().unwrap().len(), 64 << 10);
    let got = fixture
        .call("messages.get", json!({"path": "mail.mbox", "id": "a@b"}))
        .await;
    assert_eq!(got["message"]["content"].as_str().unwrap().trim(), text);
    assert_eq!(got["message"].get("extra"), None);
}

#[tokio::test]
async fn a_maildir_tells_state_and_folder() {
    let fixture = Fixture::new();
    let mail = |id: &str, day: u8| {
        format!(
            "From: a@example.com\nSubject: {id}\nMessage-ID: <{id}@x>\nDate: {day} Mar 2026 08:00:00 +0000\n\ntext\n"
        )
    };
    fixture.write("mail/tmp/unfinished", "x");
    fixture.write("mail/new/1.host", mail("new", 1));
    fixture.write("mail/cur/2.host:2,S", mail("seen", 2));
    fixture.write("mail/cur/3.host:2,", mail("unseen", 3));
    fixture.write("mail/cur/4.host:2,FRS", mail("flagged", 4));
    fixture.write("mail/cur/5.host:2,ST", mail("trashed", 5));
    fixture.write("mail/cur/.hidden", "x");
    fixture.write("mail/.Sent/cur/6.host:2,S", mail("sent", 6));
    fixture.write("mail/.Drafts/cur/7.host:2,DS", mail("draft", 7));
    fixture.write("mail/.Archive.2024/cur/8.host:2,S", mail("old", 8));
    let list = fixture.call("messages.list", json!({"path": "mail"})).await;
    assert_eq!(list["skipped"], json!([]));
    let rows: Vec<_> = list["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            json!([
                message["subject"],
                message["status"],
                message["is_unread"],
                message["tags"]
            ])
        })
        .collect();
    assert_eq!(
        json!(rows),
        json!([
            ["old", "received", false, ["Archive/2024"]],
            ["draft", "draft", false, ["Drafts"]],
            ["sent", "sent", false, ["Sent"]],
            ["trashed", "deleted", false, []],
            ["flagged", "received", false, []],
            ["unseen", "received", true, []],
            ["seen", "received", false, []],
            ["new", "received", true, []],
        ])
    );
    assert_eq!(
        list["messages"][4]["extra"],
        json!({"is_flagged": true, "is_answered": true})
    );
    assert_eq!(list["messages"][3]["is_deleted"], true);
    let got = fixture
        .call("messages.get", json!({"path": "mail", "id": "sent@x"}))
        .await;
    assert_eq!(got["message"]["content"], "text\n");
}

#[tokio::test]
async fn the_data_that_servers_keep_in_an_mbox_is_no_message() {
    let fixture = Fixture::mbox(
        "From MAILER-DAEMON Mon Mar  9 08:00:00 2026\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\
         X-IMAP: 1 2\nStatus: RO\n\nThis text is part of the internal format.\n",
    );
    let list = fixture.call("messages.list", json!({"path": "mail.mbox"})).await;
    assert_eq!((&list["total"], &list["skipped_total"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn requests_are_checked() {
    let fixture = Fixture::mbox(MBOX);
    for (function, arguments) in [
        ("messages.list", json!({"path": "mail.mbox", "limit": 0})),
        ("messages.list", json!({"path": "mail.mbox", "limit": 1001})),
        ("messages.list", json!({"path": "mail.mbox", "since": "soon"})),
        ("messages.list", json!({"path": "mail.mbox", "unread": true})),
        ("messages.list", json!({})),
        ("threads.list", json!({"path": "mail.mbox", "me": []})),
        ("threads.list", json!({"path": "mail.mbox", "me": ["Ada"]})),
    ] {
        let error = fixture.try_call(function, arguments.clone()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{arguments}");
        assert_eq!(error.operation(), Some(format!("mailbox.{function}").as_str()));
    }
    let error = fixture
        .try_call("messages.list", json!({"path": "/etc"}))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
}
