//! What every command is given: settings, output, and a way to the server.

use gofer_client::{Client, Target};

use crate::args::{Format, Global};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::look::Look;
use crate::out::Out;
use crate::settings::Settings;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) out: Out,
    pub(crate) settings: Settings,
    client: Option<Client>,
}

impl Context {
    pub(crate) fn new(
        environment: &Environment,
        global: &Global,
    ) -> Result<Self, (Failure, Format)> {
        let settings =
            Settings::new(environment, global).map_err(|failure| (failure, global.output))?;
        let look = Look::new(environment, global, settings.no_color);
        let out = Out::new(environment, look, global.output, global.quiet);
        Ok(Self { out, settings, client: None })
    }

    /// The connection to the server, opened when it is first used.
    pub(crate) fn client(&mut self) -> Result<Client, Failure> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let mut target = Target::new(&self.settings.host);
        target.ca_pem = self.settings.ca_pem()?;
        let client = Client::connect(&target)?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Whether a person is at the other end of standard output.
    pub(crate) fn is_live(&self) -> bool {
        self.out.look.tty && !self.out.format.is_machine()
    }
}
