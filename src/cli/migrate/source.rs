//! Where a connector's configuration comes from: a file, or a worker that is asked.

use crate::error::{Exit, Failure};
use crate::migrate::rest::Address;

/// What was read.
pub(super) struct Source {
    /// What it is called in messages.
    pub name: String,
    /// What it says.
    pub text: Vec<u8>,
    /// The worker, if it was asked.
    pub address: Option<Address>,
}

impl Source {
    pub(super) fn read(from: &str) -> Result<Source, Failure> {
        let name = from.to_owned();
        if Address::is_meant_by(from) {
            let address = Address::parse(from)?;
            return Ok(Source { name, text: address.connector()?, address: Some(address) });
        }
        let text = std::fs::read(from).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("{from} cannot be read: {error}"),
                "",
                "name the connector's file, or a worker's address: http://HOST:8083/connectors/NAME",
            )
        })?;
        Ok(Source { name, text, address: None })
    }
}
