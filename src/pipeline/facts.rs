//! S4 and S5: what a start asks Postgres, and what it decides by the answers.
//!
//! Leaves: a [`Decision`]. A command that foretells a start asks and decides here too.

use super::startup::{self, Decision, Publication, Seen};
use super::tables;
use super::trouble::Trouble;
use crate::config::{Config, PublicationAutocreate, SnapshotMode};
use crate::error::{Exit, Failure};
use crate::fingerprint::Fingerprint;
use crate::lsn::Lsn;
use crate::observe::metrics::Component;
use crate::position::Position;
use crate::postgres::Error;
use crate::postgres::facts::{SystemIdentity, TimelineSwitch};
use crate::postgres::fingerprint::{self, Beyond, Identity, Observed};
use crate::postgres::publication::{self, Scope};
use crate::postgres::replication::Connection;
use crate::postgres::session::Session;
use crate::postgres::slot::{self, SlotFacts};
use crate::route::Router;

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
        let here = fingerprint::identity(session).await.map_err(trouble("asking which server this is"))?;
        if let Some(here) = here.filter(|here| is_elsewhere(here, &server)) {
            return Err(elsewhere(&here, &server));
        }
        let slot = slot::find(session, &config.source.slot).await.map_err(trouble("looking for the slot"))?;
        let publication = find_publication(config, session, server.flush_lsn)
            .await
            .map_err(trouble("looking for the publication"))?;
        Ok(Facts { slot, server, history, publication })
    }

    /// What the slot sends, if there is a publication.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match &self.publication {
            Publication::Exists(observed) => Some(observed.fingerprint.clone()),
            _ => None,
        }
    }

    /// What a start does, given the position that Kafka holds.
    pub fn decide(&self, config: &Config, stored: Option<&Position>) -> Decision {
        if config.snapshot.mode != SnapshotMode::InitialOnly {
            return self.decide_by(config, stored, self.slot.as_ref());
        }
        // Nothing is streamed: all is as if there were a slot at the position, and none without one.
        let slot = stored.filter(|stored| !stored.creating).map(|stored| SlotFacts {
            name: config.source.slot.clone(),
            plugin: Some("pgoutput".to_owned()),
            database: Some(config.postgres.database.clone()),
            confirmed_flush_lsn: Some(stored.end_lsn),
            ..SlotFacts::default()
        });
        self.decide_by(config, stored, slot.as_ref())
    }

    /// The same as if there had been no start before.
    pub fn decide_anew(&self, config: &Config) -> Decision {
        self.decide_by(config, None, None)
    }

    fn decide_by(&self, config: &Config, stored: Option<&Position>, slot: Option<&SlotFacts>) -> Decision {
        startup::decide(&Seen {
            slot_name: &config.source.slot,
            database: &config.postgres.database,
            stored,
            slot,
            server: &self.server,
            history: &self.history,
            publication_name: &config.source.publication,
            publication: &self.publication,
            adopt_slot: config.adopt.is_some(),
        })
    }
}

/// The publication of the configuration as it is now, once the WAL has come to `seen_lsn`.
pub async fn observe(
    config: &Config,
    session: &Session,
    seen_lsn: Lsn,
    beyond: Beyond<'_>,
) -> Result<Option<Observed>, Error> {
    let router = Router::new(config.route.clone());
    let serves = |schema: &str, table: &str| router.serves_table(schema, table);
    fingerprint::observe(session, &config.source.publication, seen_lsn, beyond, serves).await
}

/// What there is of the publication.
pub async fn find_publication(
    config: &Config,
    session: &Session,
    seen_lsn: Lsn,
) -> Result<Publication, Error> {
    if let Some(observed) = observe(config, session, seen_lsn, Beyond::All).await? {
        return Ok(Publication::Exists(Box::new(observed)));
    }
    let scope = match config.publication_autocreate {
        PublicationAutocreate::Disabled => return Ok(Publication::Missing),
        PublicationAutocreate::AllTables => Scope::AllTables,
        PublicationAutocreate::NoTables => Scope::NoTables,
        PublicationAutocreate::Filtered => Scope::Tables(tables::served_tables(config, session).await?),
    };
    Ok(match publication::lacking(session, &scope).await? {
        Some(lacking) => Publication::NotAllowed(lacking),
        None => Publication::ToBeMade(scope),
    })
}

/// The session is not where the stream will come from. A standby's timeline is not known.
pub fn is_elsewhere(here: &Identity, there: &SystemIdentity) -> bool {
    here.system_id != there.system_id || here.timeline.is_some_and(|timeline| timeline != there.timeline)
}

/// S8: slot and publication were asked of one server, and the stream is another's; or there was a promotion in between.
fn elsewhere(here: &Identity, there: &SystemIdentity) -> Trouble {
    let timeline = here.timeline.map(|timeline| format!(", timeline {timeline}")).unwrap_or_default();
    Trouble::Retry(
        Component::Postgres,
        Failure::new(
            Exit::Postgres,
            "two connections to Postgres reached different servers",
            format!(
                "system identifier {}{timeline} on one, {}, timeline {} on the other: a failover is under way, or the name \
                 stands for several servers. Nothing was published or confirmed",
                here.system_id, there.system_id, there.timeline
            ),
            "if it does not pass: point database.hostname at the present primary alone",
        ),
    )
}
