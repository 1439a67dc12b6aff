//! Calls that are checked but not carried out: gRPC and AsyncAPI.

use atom_core::Result;

use super::cursor::Cursor;
use super::data::optional;
use super::{Reader, formats};

const ASYNCAPI_PROTOCOLS: [&str; 19] = [
    "amqp",
    "amqp1",
    "anypointmq",
    "googlepubsub",
    "http",
    "ibmmq",
    "jms",
    "kafka",
    "mercure",
    "mqtt",
    "mqtt5",
    "nats",
    "pulsar",
    "redis",
    "sns",
    "solace",
    "sqs",
    "stomp",
    "ws",
];

impl<'t> Reader<'t> {
    pub(super) fn grpc(&mut self, with: &Cursor<'t>) -> Result<()> {
        let with = with.object(&["proto", "service", "method", "arguments"])?;
        self.external_resource(&with.require("proto")?)?;
        let service = with
            .require("service")?
            .object(&["name", "host", "port", "authentication"])?;
        service.require("name")?.text()?;
        formats::host(&service.require("host")?)?;
        optional(service.get("port"), |port| {
            if (0..=65535).contains(&port.integer()?) {
                Ok(())
            } else {
                Err(port.error("expected a port, 0 to 65535"))
            }
        })?;
        optional(service.get("authentication"), |policy| {
            self.authentication(policy)
        })?;
        with.require("method")?.text()?;
        optional(with.get("arguments"), |arguments| {
            arguments.any_object().map(drop)
        })
    }

    pub(super) fn asyncapi(&mut self, with: &Cursor<'t>, depth: usize) -> Result<()> {
        let with = with.object(&[
            "document",
            "channel",
            "operation",
            "server",
            "protocol",
            "message",
            "subscription",
            "authentication",
        ])?;
        self.external_resource(&with.require("document")?)?;
        with.one_of(&["operation", "channel"])?.1.text()?;
        optional(with.get("server"), |server| {
            let server = server.object(&["name", "variables"])?;
            server.require("name")?.text()?;
            optional(server.get("variables"), |variables| {
                variables.any_object().map(drop)
            })
        })?;
        optional(with.get("protocol"), |protocol| {
            protocol.choice(&ASYNCAPI_PROTOCOLS).map(drop)
        })?;
        match with.one_of(&["message", "subscription"])? {
            ("message", message) => {
                let message = message.object(&["payload", "headers"])?;
                message
                    .members()
                    .try_for_each(|(_, part)| part.any_object().map(drop))?;
            }
            (_, subscription) => self.subscription(&subscription, depth)?,
        }
        optional(with.get("authentication"), |policy| self.authentication(policy))
    }

    fn subscription(&mut self, cursor: &Cursor<'t>, depth: usize) -> Result<()> {
        let subscription = cursor.object(&["filter", "consume", "foreach"])?;
        optional(subscription.get("filter"), formats::runtime_expression)?;
        let consume = subscription
            .require("consume")?
            .object(&["for", "amount", "while", "until"])?;
        optional(consume.get("for"), |duration| self.duration(duration).map(drop))?;
        match consume.one_of(&["amount", "while", "until"])? {
            ("amount", amount) => amount.integer().map(drop)?,
            (_, condition) => formats::runtime_expression(&condition)?,
        }
        optional(subscription.get("foreach"), |iterator| {
            self.iterator(iterator, depth).map(drop)
        })
    }
}
