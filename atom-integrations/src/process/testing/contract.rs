//! What the Docker Engine API 1.44 says about requests
//! (<https://docs.docker.com/reference/api/engine/version/v1.44.yaml>), as far as the stand-in answers them.

use serde_json::Value;

use super::wire::Request;

/// Says what is wrong with a request.
pub(super) fn check(request: &Request) -> Result<(), String> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    if path != ["_ping"] && request.version.as_deref() != Some("v1.44") {
        return Err(format!("the version {:?} was not negotiated", request.version));
    }
    let allowed: &[&str] = match (request.method.as_str(), path.as_slice()) {
        ("GET", ["_ping"] | ["images", .., "json"] | ["containers", _, "json"]) => &[],
        ("POST", ["images", "create"]) => {
            // Without a tag every one of them would be pulled.
            require(request, &["fromImage", "tag"])?;
            &["fromImage", "fromSrc", "repo", "tag", "message", "platform"]
        }
        ("GET", ["containers", "json"]) => {
            filters(request)?;
            &["all", "limit", "size", "filters"]
        }
        ("POST", ["containers", "create"]) => {
            container(request)?;
            &["name", "platform"]
        }
        ("POST", ["containers", _, "attach"]) => {
            require(request, &["stream", "stdin"])?;
            let header = |name: &str| request.headers.get(name).map(|value| value.to_ascii_lowercase());
            if header("upgrade").as_deref() != Some("tcp")
                || header("connection").as_deref() != Some("upgrade")
            {
                return Err("the connection is not asked to be upgraded".to_owned());
            }
            &["detachKeys", "logs", "stream", "stdin", "stdout", "stderr"]
        }
        ("POST", ["containers", _, "start"]) => &["detachKeys"],
        ("GET", ["containers", _, "logs"]) => {
            if !["stdout", "stderr"]
                .iter()
                .any(|stream| request.query.contains_key(*stream))
            {
                return Err("you must choose at least one stream".to_owned());
            }
            &[
                "follow",
                "stdout",
                "stderr",
                "since",
                "until",
                "timestamps",
                "tail",
            ]
        }
        ("POST", ["containers", _, "wait"]) => &["condition"],
        ("POST", ["containers", _, "stop"]) => {
            if request
                .query
                .get("t")
                .is_some_and(|seconds| seconds.parse::<i32>().is_err())
            {
                return Err("'t' is no number of seconds".to_owned());
            }
            &["signal", "t"]
        }
        ("DELETE", ["containers", _]) => &["v", "force", "link"],
        _ => return Err("there is no such operation".to_owned()),
    };
    match request.query.keys().find(|key| !allowed.contains(&key.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(format!("unknown parameter '{unknown}'")),
    }
}

fn require(request: &Request, names: &[&str]) -> Result<(), String> {
    match names
        .iter()
        .find(|name| request.query.get(**name).is_none_or(String::is_empty))
    {
        None => Ok(()),
        Some(missing) => Err(format!("the parameter '{missing}' is missing")),
    }
}

/// Filters are an object of lists of texts.
fn filters(request: &Request) -> Result<(), String> {
    let Some(filters) = request.query.get("filters") else {
        return Ok(());
    };
    let filters: std::collections::BTreeMap<String, Vec<String>> =
        serde_json::from_str(filters).map_err(|error| format!("filters: {error}"))?;
    match filters
        .keys()
        .find(|key| !matches!(key.as_str(), "label" | "status" | "name" | "id"))
    {
        None => Ok(()),
        Some(unknown) => Err(format!("unknown filter '{unknown}'")),
    }
}

fn container(request: &Request) -> Result<(), String> {
    if request.headers.get("content-type").map(String::as_str) != Some("application/json") {
        return Err("the body is not said to be JSON".to_owned());
    }
    let name = request.query.get("name").map(String::as_str).unwrap_or_default();
    let is_name = name.len() > 1
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !is_name {
        return Err(format!("Invalid container name ({name})"));
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    fields(
        &body,
        "",
        &[
            ("Image", Value::is_string),
            ("Env", are_texts),
            ("Labels", is_map_of_texts),
            ("AttachStdin", Value::is_boolean),
            ("OpenStdin", Value::is_boolean),
            ("StdinOnce", Value::is_boolean),
            ("Tty", Value::is_boolean),
            ("ExposedPorts", Value::is_object),
            ("Entrypoint", are_texts),
            ("Cmd", are_texts),
            ("HostConfig", Value::is_object),
        ],
    )?;
    let host = &body["HostConfig"];
    fields(
        host,
        "HostConfig.",
        &[("PortBindings", Value::is_object), ("Mounts", Value::is_array)],
    )?;
    for mount in host["Mounts"].as_array().into_iter().flatten() {
        fields(
            mount,
            "Mounts.",
            &[
                ("Type", |kind| kind == "bind" || kind == "volume"),
                ("Source", Value::is_string),
                ("Target", |target| {
                    target.as_str().is_some_and(|target| target.starts_with('/'))
                }),
                ("ReadOnly", Value::is_boolean),
            ],
        )?;
    }
    for (port, bindings) in host["PortBindings"].as_object().into_iter().flatten() {
        if body["ExposedPorts"].get(port) != Some(&Value::Object(serde_json::Map::new())) {
            return Err(format!("the port {port} is bound and not exposed"));
        }
        for binding in bindings.as_array().into_iter().flatten() {
            fields(
                binding,
                "PortBindings.",
                &[("HostPort", Value::is_string), ("HostIp", Value::is_string)],
            )?;
        }
    }
    Ok(())
}

type Check = fn(&Value) -> bool;

fn fields(object: &Value, place: &str, known: &[(&str, Check)]) -> Result<(), String> {
    for (key, value) in object.as_object().into_iter().flatten() {
        match known.iter().find(|(name, _)| name == key) {
            Some((_, is_right)) if is_right(value) => {}
            Some(_) => return Err(format!("{place}{key} has the wrong type")),
            None => return Err(format!("{place}{key} is unknown")),
        }
    }
    Ok(())
}

fn are_texts(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().all(Value::is_string))
}

fn is_map_of_texts(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|members| members.values().all(Value::is_string))
}
