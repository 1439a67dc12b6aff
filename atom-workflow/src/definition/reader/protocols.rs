//! Calls of gRPC and AsyncAPI.

use atom_core::Result;

use super::cursor::Cursor;
use super::data::optional;
use super::{Reader, formats};
use crate::definition::types::{Consume, Subscribe, TaskKind};
use crate::expression::Expression;

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

/// The protocols of AsyncAPI that messages can be sent and received by.
const CARRIED_OUT: [&str; 2] = ["http", "ws"];

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

    /// The task, when it is a subscription.
    pub(super) fn asyncapi(&mut self, cursor: &Cursor<'t>, depth: usize) -> Result<Option<TaskKind>> {
        let before = self.unsupported.len();
        let with = cursor.object(&[
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
            let name = protocol.choice(&ASYNCAPI_PROTOCOLS)?;
            // A server that is named has its own protocol.
            if with.get("server").is_some() || CARRIED_OUT.contains(&name) {
                return Ok(());
            }
            self.lacks(protocol, format!("call: asyncapi over {name}"))
        })?;
        optional(with.get("authentication"), |policy| self.authentication(policy))?;
        let subscription = match with.one_of(&["message", "subscription"])? {
            ("message", message) => {
                let message = message.object(&["payload", "headers"])?;
                message
                    .members()
                    .try_for_each(|(_, part)| part.any_object().map(drop))?;
                return Ok(None);
            }
            (_, subscription) => self.subscription(cursor, &subscription, depth)?,
        };
        let is_supported = self.unsupported.len() == before;
        Ok(Some(if is_supported {
            TaskKind::Subscribe(Box::new(subscription))
        } else {
            TaskKind::Unsupported
        }))
    }

    fn subscription(&mut self, with: &Cursor<'t>, cursor: &Cursor<'t>, depth: usize) -> Result<Subscribe> {
        let subscription = cursor.object(&["filter", "consume", "foreach"])?;
        let consume = subscription
            .require("consume")?
            .object(&["for", "amount", "while", "until"])?;
        let length = consume.get("for").map(|duration| self.duration(&duration));
        let consumed = match consume.one_of(&["amount", "while", "until"])? {
            // The schema allows less than nothing, which is nothing.
            ("amount", amount) => Consume::Amount(u64::try_from(amount.integer()?).unwrap_or_default()),
            ("while", condition) => Consume::While(self.runtime_expression(&condition)?),
            (_, condition) => Consume::Until(self.runtime_expression(&condition)?),
        };
        let filter = subscription
            .get("filter")
            .map(|filter| self.runtime_expression(&filter));
        let foreach = subscription
            .get("foreach")
            .map(|iterator| self.iterator(&iterator, depth));
        // What the subscription holds is computed for each message, not once.
        let mut arguments = with.json();
        arguments
            .as_object_mut()
            .and_then(|with| with.remove("subscription"));
        Ok(Subscribe {
            arguments: self.compile_template(with, &arguments)?,
            filter: filter.transpose()?,
            consume: consumed,
            length: length.transpose()?,
            foreach: foreach.transpose()?,
        })
    }

    fn runtime_expression(&mut self, cursor: &Cursor<'t>) -> Result<Expression> {
        formats::runtime_expression(cursor)?;
        self.expression(cursor)
    }
}
