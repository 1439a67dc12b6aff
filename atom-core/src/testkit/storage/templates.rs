//! What every store of templates must do.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use super::code;
use crate::ErrorCode;
use crate::storage::{PageRequest, StoredTemplate, TemplateInfo, TemplateStore};
use crate::testkit::fixtures::{scope, second};

/// Checks templates and pages of them on an empty store.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_templates(store: &dyn TemplateStore) {
    let scope = scope();
    assert_eq!(store.template(&scope, "a").await.unwrap(), None);
    assert!(!store.delete_template(&scope, "a").await.unwrap());

    let mut first = template("a", "first: ä\u{1f600}\n");
    first.info.summary = Some("Says *what* is new.".to_owned());
    first.info.category = Some("mail".to_owned());
    store.put_template(&scope, &first).await.unwrap();
    assert_eq!(store.template(&scope, "a").await.unwrap(), Some(first));
    let mut second_one = template("a", "second");
    second_one.info.version = "2.0.0".to_owned();
    second_one.info.imported_at = Some(second(5));
    store.put_template(&scope, &second_one).await.unwrap();
    assert_eq!(
        store.template(&scope, "a").await.unwrap(),
        Some(second_one),
        "a template takes the place of an earlier one, with nothing left of it"
    );

    for name in ["c", "b"] {
        store.put_template(&scope, &template(name, name)).await.unwrap();
    }
    let page = |after, limit| PageRequest { after, limit };
    let all = store.templates(&scope, &page(None, None)).await.unwrap();
    let names = |items: &[TemplateInfo]| items.iter().map(|info| info.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&all.items), all.next),
        (vec!["a".into(), "b".into(), "c".into()], None)
    );
    let begin = store.templates(&scope, &page(None, Some(2))).await.unwrap();
    assert_eq!(names(&begin.items), ["a", "b"]);
    let end = store.templates(&scope, &page(begin.next, Some(2))).await.unwrap();
    assert_eq!((names(&end.items), end.next), (vec!["c".to_owned()], None));
    let bad = store.templates(&scope, &page(Some("?".to_owned()), None)).await;
    assert_eq!(code(bad), Some(ErrorCode::InvalidRequest));

    assert!(store.delete_template(&scope, "b").await.unwrap());
    assert_eq!(store.template(&scope, "b").await.unwrap(), None);
}

/// A template of this name with this text.
pub(super) fn template(name: &str, text: &str) -> StoredTemplate {
    StoredTemplate {
        info: TemplateInfo {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            title: format!("Template {name}"),
            summary: None,
            category: None,
            imported_at: Some(second(1)),
        },
        text: text.to_owned(),
    }
}
