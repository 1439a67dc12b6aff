//! Whole mailboxes, read through the connector.
