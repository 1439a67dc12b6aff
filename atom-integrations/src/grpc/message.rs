//! Messages: from JSON to the wire and back, by the JSON mapping of Protocol Buffers.

use std::io;

use atom_core::{Error, ErrorCode, Result};
use prost_reflect::bytes::Bytes;
use prost_reflect::prost::Message as _;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, MessageDescriptor, MethodDescriptor, ReflectMessage as _,
    SerializeOptions,
};
use serde_json::{Map, Value};

use crate::http::failure;

/// The request message of a method, on the wire.
///
/// # Errors
/// `invalid_request` for arguments that do not fit the message.
pub(super) fn encode(method: &MethodDescriptor, arguments: Map<String, Value>) -> Result<Vec<u8>> {
    let descriptor = method.input();
    let name = descriptor.full_name().to_owned();
    let message = DynamicMessage::deserialize_with_options(
        descriptor,
        Value::Object(arguments),
        &DeserializeOptions::new().deny_unknown_fields(true),
    )
    .map_err(|error| {
        let reason = without_value(&error.to_string());
        Error::invalid_request(format!("the arguments do not fit the message '{name}': {reason}"))
    })?;
    Ok(message.encode_to_vec())
}

/// What a complaint of the library says, but for the value it complains about, which may be confidential.
fn without_value(complaint: &str) -> String {
    if complaint.starts_with("unrecognized field name") {
        return complaint.to_owned();
    }
    match complaint.rsplit_once("expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => complaint
            .split(['\'', '"', '`', ':'])
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned(),
    }
}

/// What a method gives: its answer, or for a stream all its answers.
///
/// # Errors
/// `invalid_data` for an answer that is not of the method's type, `upstream` for a method that is not a stream
/// and has not exactly one answer, `limit_exceeded` for answers that are longer than `limit` bytes as JSON.
pub(super) fn output(method: &MethodDescriptor, answers: Vec<Bytes>, limit: u64) -> Result<Value> {
    let descriptor = method.output();
    let mut room = Room(limit);
    let mut answers = answers.into_iter().map(|answer| {
        let message = decode(&descriptor, answer)?;
        room.check(&message, limit)?;
        show(&message)
    });
    if method.is_server_streaming() {
        return answers.collect::<Result<_>>().map(Value::Array);
    }
    match (answers.next(), answers.next()) {
        (Some(answer), None) => answer,
        _ => Err(Error::new(
            ErrorCode::Upstream,
            format!(
                "the method '{}' must give exactly one answer, and did not",
                method.name()
            ),
        )),
    }
}

fn decode(descriptor: &MessageDescriptor, bytes: Bytes) -> Result<DynamicMessage> {
    DynamicMessage::decode(descriptor.clone(), bytes).map_err(|error| unfit(descriptor).with_source(error))
}

/// Fields without presence are there even with their default value, so that expressions need not know which
/// values are defaults.
fn options() -> SerializeOptions {
    SerializeOptions::new().skip_default_fields(false)
}

fn show(message: &DynamicMessage) -> Result<Value> {
    message
        .serialize_with_options(serde_json::value::Serializer, &options())
        .map_err(|error| unfit(&message.descriptor()).with_source(error))
}

fn unfit(descriptor: &MessageDescriptor) -> Error {
    Error::new(
        ErrorCode::InvalidData,
        format!(
            "the service's answer is not a message '{}'; check that the .proto file is the service's own",
            descriptor.full_name()
        ),
    )
}

/// How many bytes of JSON there is room for. With its defaults a message may be many times as long as on the wire,
/// so it is measured before it is unfolded.
struct Room(u64);

impl Room {
    fn check(&mut self, message: &DynamicMessage, limit: u64) -> Result<()> {
        let mut measure = serde_json::Serializer::new(self);
        match message.serialize_with_options(&mut measure, &options()) {
            Ok(()) => Ok(()),
            Err(error) if error.is_io() => Err(failure::too_long("the answer as JSON", limit)),
            Err(error) => Err(unfit(&message.descriptor()).with_source(error)),
        }
    }
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.0 = self.0.checked_sub(length).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_does_not_repeat_the_value() {
        for (complaint, expected) in [
            ("invalid type: string \"s3cret\", expected i32", "expected i32"),
            ("unrecognized enum value 's3cret'", "unrecognized enum value"),
            ("invalid base64: Invalid symbol 58", "invalid base64"),
            ("unrecognized field name 'pet'", "unrecognized field name 'pet'"),
            ("float value out of range", "float value out of range"),
        ] {
            assert_eq!(without_value(complaint), expected);
        }
    }
}
