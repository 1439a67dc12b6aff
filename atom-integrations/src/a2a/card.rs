//! Agent cards (A2A 0.3, section 5).

use atom_core::{Error, ErrorCode, FunctionContext, Result};
use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::http::answer::Output;
use crate::http::authentication::Authentication;
use crate::http::call::Endpoint;
use crate::http::request::Request;
use crate::http::target::check_uri;
use crate::http::{Client, failure};
use crate::json_rpc;

/// Gets a card and gives where its agent is, with the credential of the card where both have the same origin.
///
/// # Errors
/// Those of the request; `invalid_data` for what is no card, `unsupported` for an agent that does not speak A2A
/// 0.3 as JSON-RPC.
pub(super) async fn agent(
    client: &Client,
    card: Endpoint,
    context: &FunctionContext,
) -> Result<(Url, Option<Authentication>)> {
    let (uri, authentication) = card.parse()?;
    let mut request = Request::new(Method::GET, uri.clone());
    request.follows_redirects = true;
    request.add_header("accept", "application/json")?;
    if let Some(authentication) = &authentication {
        request.authenticate(authentication)?;
    }
    let answer = client.send(request, context).await?;
    let located = |error| failure::located(error, &Method::GET, &uri);
    let card = answer.output(Output::Content).map_err(located)?;
    let agent = address(&card, &answer.uri).map_err(located)?;
    let is_same_origin = agent.origin() == uri.origin();
    Ok((agent, authentication.filter(|_| is_same_origin)))
}

/// Where the agent takes JSON-RPC (section 5.5.5): at the card's `url`, unless that is for another transport.
fn address(card: &Value, base: &Url) -> Result<Url> {
    if !card.is_object() {
        return Err(json_rpc::malformed(
            "service",
            "answered something that is no agent card",
        ));
    }
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let is_json_rpc = |transport: Option<String>| transport.is_none_or(|name| name == "JSONRPC");
    let main = text(card, "url").filter(|_| is_json_rpc(text(card, "preferredTransport")));
    let other = || {
        card.get("additionalInterfaces")?
            .as_array()?
            .iter()
            .find(|interface| text(interface, "transport").as_deref() == Some("JSONRPC"))
            .and_then(|interface| text(interface, "url"))
    };
    // The cards of A2A 1.0 list interfaces of older versions as well.
    let older = || {
        card.get("supportedInterfaces")?
            .as_array()?
            .iter()
            .find(|interface| {
                text(interface, "protocolBinding").as_deref() == Some("JSONRPC")
                    && text(interface, "protocolVersion").is_some_and(|version| version.starts_with("0.3"))
            })
            .and_then(|interface| text(interface, "url"))
    };
    let agent = main.or_else(other).or_else(older).ok_or_else(|| {
        let message =
            "the agent card names no address for A2A 0.3 as JSON-RPC, which is what this engine speaks";
        Error::new(ErrorCode::Unsupported, message)
    })?;
    let agent = base
        .join(&agent)
        .map_err(|_| json_rpc::malformed("service", "answered an agent card whose 'url' is none"))?;
    check_uri(&agent)?;
    Ok(agent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(card: &Value) -> Result<String> {
        let base = Url::parse("https://a.test/.well-known/agent-card.json").unwrap();
        address(card, &base).map(String::from)
    }

    #[test]
    fn the_address_for_json_rpc_is_found() {
        for (card, expected) in [
            (json!({ "url": "https://a.test/rpc" }), "https://a.test/rpc"),
            (
                json!({ "url": "/rpc", "preferredTransport": "JSONRPC" }),
                "https://a.test/rpc",
            ),
            (
                json!({ "url": "https://a.test/grpc", "preferredTransport": "GRPC", "additionalInterfaces": [
                    { "url": "https://a.test/rest", "transport": "HTTP+JSON" },
                    { "url": "https://b.test/rpc", "transport": "JSONRPC" }
                ] }),
                "https://b.test/rpc",
            ),
            (
                json!({ "supportedInterfaces": [
                    { "url": "https://a.test/v1", "protocolBinding": "JSONRPC", "protocolVersion": "1.0" },
                    { "url": "https://a.test/v03", "protocolBinding": "JSONRPC", "protocolVersion": "0.3" }
                ] }),
                "https://a.test/v03",
            ),
        ] {
            assert_eq!(found(&card).unwrap(), expected);
        }
    }

    #[test]
    fn a_card_without_one_is_refused() {
        for (card, code) in [
            (json!("a card"), ErrorCode::InvalidData),
            (json!({}), ErrorCode::Unsupported),
            (
                json!({ "url": "https://a.test", "preferredTransport": "GRPC" }),
                ErrorCode::Unsupported,
            ),
            (json!({ "url": "https://" }), ErrorCode::InvalidData),
            (json!({ "url": "file:///etc/passwd" }), ErrorCode::InvalidRequest),
            (
                json!({ "url": "https://ada:pw@a.test" }),
                ErrorCode::InvalidRequest,
            ),
        ] {
            assert_eq!(found(&card).unwrap_err().code(), code, "{card}");
        }
    }
}
