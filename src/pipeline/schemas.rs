//! What the encoder asks the schema registry: once for each schema, in the order of events.
//!
//! Enters: a [`Question`]. Leaves: its answer, from what is known, else from the registry; or that the registry is away,
//! which ends the session. An event whose schema is not known waits for it, and everything behind it.

use crate::encode::{self, Encoder, NotEncoded, Outgoing};
use crate::freeze::Freeze;
use crate::registry::{Answer, Client, Config, Error, Known, Question};
use crate::rejection::Rejection;
use crate::route::Event;
use crate::shutdown::Shutdown;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Answers what an encoder asks.
pub trait Schemas: Send {
    /// The answer. Nobody waits for a registry once it is time to leave.
    fn ask(&mut self, question: &Question) -> Result<Answer, Error>;
}

/// Has something encoded, and asks as often as the encoder needs to know a schema.
pub fn encode(
    encoder: &mut Encoder,
    schemas: &mut (dyn Schemas + '_),
    now_ms: i64,
    mut write: impl FnMut(&mut Encoder) -> Result<(), NotEncoded>,
) -> Result<Result<(), Rejection>, Error> {
    loop {
        match write(encoder) {
            Ok(()) => return Ok(Ok(())),
            Err(NotEncoded::Rejected(rejection)) => return Ok(Err(rejection)),
            Err(NotEncoded::Asks(question)) => match schemas.ask(&question) {
                Ok(answer) => encoder.answer(answer, now_ms),
                Err(error) if !encoder.go_on(now_ms) => return Err(error),
                Err(_) => {}
            },
        }
    }
}

/// Who answers the encoder of a connector with this registry.
pub fn of(config: Option<&Config>, known: Known, shutdown: Shutdown, freeze: Freeze) -> Box<dyn Schemas> {
    match config {
        None => Box::new(NoRegistry),
        Some(config) => Box::new(Registry::new(config.clone(), known, shutdown, freeze)),
    }
}

/// An encoder and who answers it, for events that do not come from the stream.
pub struct Encoding {
    encoder: Encoder,
    schemas: Box<dyn Schemas>,
}

impl Encoding {
    /// One that knows no schema yet.
    pub fn new(encode: encode::Config, registry: Option<&Config>) -> Encoding {
        let schemas = of(registry, Known::default(), Shutdown::default(), Freeze::default());
        Encoding { encoder: Encoder::new(encode), schemas }
    }

    /// Appends the event's record, or tells why it has none.
    pub fn event(
        &mut self,
        event: &Event<'_>,
        now_ms: i64,
        out: &mut Outgoing,
    ) -> Result<Result<(), Rejection>, Error> {
        encode(&mut self.encoder, &mut *self.schemas, now_ms, |encoder| encoder.encode(event, now_ms, out))
    }
}

/// Without converters that ask.
pub struct NoRegistry;

impl Schemas for NoRegistry {
    fn ask(&mut self, _: &Question) -> Result<Answer, Error> {
        Err(Error::Denied("none is configured".to_owned()))
    }
}

/// A registry, and what it has told in this run.
pub struct Registry {
    config: Config,
    client: Option<Arc<Client>>,
    known: Known,
    shutdown: Shutdown,
    freeze: Freeze,
}

impl Registry {
    /// How often somebody who waits looks up.
    const LOOK: Duration = Duration::from_millis(50);
    /// How long an answer that is only newer than the one there is may take.
    const REFRESH: Duration = Duration::from_secs(2);

    /// One that is asked when it is needed.
    pub fn new(config: Config, known: Known, shutdown: Shutdown, freeze: Freeze) -> Registry {
        Registry { config, client: None, known, shutdown, freeze }
    }

    fn client(&mut self) -> Result<Arc<Client>, Error> {
        if let Some(client) = &self.client {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(Client::new(self.config.clone())?);
        self.client = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Asks beside this thread, which is not to be held by a registry that says nothing.
    fn wait(&mut self, question: &Question, most: Option<Duration>) -> Result<Answer, Error> {
        let client = self.client()?;
        let (sender, answer) = mpsc::sync_channel(1);
        let asked = question.clone();
        let spawned = std::thread::Builder::new().name("registry".to_owned()).spawn(move || {
            // Nobody listens any more when the session has ended.
            let _ = sender.send(client.ask(&asked));
        });
        spawned.map_err(|error| Error::Away(format!("no thread to ask it by: {error}")))?;
        let mut waited = Duration::ZERO;
        loop {
            match answer.recv_timeout(Registry::LOOK) {
                Ok(answer) => return answer,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Error::Away("asking it ended unexpectedly".to_owned()));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            waited += Registry::LOOK;
            if self.shutdown.is_asked() || self.freeze.is_said() {
                return Err(Error::Away("it is time to leave, and it has not answered yet".to_owned()));
            }
            if most.is_some_and(|most| waited >= most) {
                return Err(Error::Away(format!("it has said nothing for {} ms", waited.as_millis())));
            }
        }
    }
}

impl Schemas for Registry {
    fn ask(&mut self, question: &Question) -> Result<Answer, Error> {
        let known = self.known.get(question);
        if let Some(known) = known.as_ref().filter(|_| !question.changes()) {
            return Ok(Ok(known.clone()));
        }
        let most = known.as_ref().map(|_| Registry::REFRESH);
        match (self.wait(question, most), known) {
            (Ok(Ok(registered)), _) => {
                tracing::info!(subject = question.subject, id = registered.id, "the registry has the schema");
                self.known.keep(question, &registered);
                Ok(Ok(registered))
            }
            // What was the newest when it was last there.
            (Err(Error::Away(why)), Some(known)) => {
                tracing::warn!(subject = question.subject, why, "going on with the schema that is known");
                Ok(Ok(known))
            }
            (answer, _) => answer,
        }
    }
}
