//! S4 and S5: what a start asks Postgres, and what it decides by the answers.
//!
//! Leaves: a [`Decision`]. A command that foretells a start asks and decides here too.

use super::startup::{self, Decision, Publication, Seen};
use super::tables;
use super::trouble::Trouble;
use crate::config::{Config, PublicationAutocreate};
use crate::position::Position;
use crate::postgres::Error;
use crate::postgres::facts::{SystemIdentity, TimelineSwitch};
use crate::postgres::publication::{self, Scope};
use crate::postgres::replication::Connection;
use crate::postgres::session::Session;
use crate::postgres::slot::{self, SlotFacts};

/// What Postgres says of the slot, itself and the publication.
pub struct Facts {
    /// The slot, if there is one.
    pub slot: Option<SlotFacts>,
    /// IDENTIFY_SYSTEM.
    pub server: SystemIdentity,
    /// TIMELINE_HISTORY; empty on timeline 1.
    pub history: Vec<TimelineSwitch>,
    /// The publication, and what is to be done about a missing one.
    pub publication: Publication,
}

impl Facts {
    /// Asks, over the connection that will stream where there is something to be streamed.
    pub async fn ask(
        config: &Config,
        session: &Session,
        connection: &mut Connection,
    ) -> Result<Facts, Trouble> {
        let trouble = |what: &'static str| move |error: Error| Trouble::postgres(&error, what);
        let server = connection.identify_system().await.map_err(trouble("IDENTIFY_SYSTEM"))?;
        let history = if server.timeline > 1 {
            connection.timeline_history(server.timeline).await.map_err(trouble("TIMELINE_HISTORY"))?
        } else {
            Vec::new()
        };
        let slot = slot::find(session, &config.source.slot).await.map_err(trouble("looking for the slot"))?;
        let publication =
            find_publication(config, session).await.map_err(trouble("looking for the publication"))?;
        Ok(Facts { slot, server, history, publication })
    }

    /// What a start does, given the position that Kafka holds.
    pub fn decide(&self, config: &Config, stored: Option<&Position>) -> Decision {
        startup::decide(&Seen {
            slot_name: &config.source.slot,
            database: &config.postgres.database,
            stored,
            slot: self.slot.as_ref(),
            server: &self.server,
            history: &self.history,
            publication_name: &config.source.publication,
            publication: &self.publication,
            adopt_slot: config.adopt.is_some(),
        })
    }
}

/// What there is of the publication.
pub async fn find_publication(config: &Config, session: &Session) -> Result<Publication, Error> {
    if publication::find(session, &config.source.publication).await?.is_some() {
        return Ok(Publication::Exists);
    }
    let scope = match config.publication_autocreate {
        PublicationAutocreate::Disabled => return Ok(Publication::Missing),
        PublicationAutocreate::AllTables => Scope::AllTables,
        PublicationAutocreate::NoTables => Scope::NoTables,
        PublicationAutocreate::Filtered => Scope::Tables(tables::outbox_tables(config, session).await?),
    };
    Ok(match publication::lacking(session, &scope).await? {
        Some(lacking) => Publication::NotAllowed(lacking),
        None => Publication::ToBeMade(scope),
    })
}
