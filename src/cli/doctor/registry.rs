//! Asks the schema registry for its level of compatibility, where a converter needs one.

use crate::cli::check::Check;
use crate::cli::schema;
use crate::config::Config;
use crate::registry::Client;

const NAME: &str = "registry";

/// Blocks.
pub(super) fn look(config: &Config) -> Option<Check> {
    let registry = config.registry.clone()?;
    let urls: Vec<String> = registry.endpoints.iter().map(|endpoint| endpoint.url.clone()).collect();
    let asked = Client::new(registry).and_then(|client| client.level_of_all());
    Some(match asked {
        Ok(level) if level == "NONE" => Check::warn(
            NAME,
            format!("{}: no compatibility is checked unless a subject says so", urls.join(", ")),
            "walpost schema enforce BACKWARD SUBJECT …",
        ),
        Ok(level) => Check::ok(NAME, format!("{}: {level}", urls.join(", "))),
        Err(error) => Check::failed(NAME, &schema::failure(&error, "asking the schema registry")),
    })
}
