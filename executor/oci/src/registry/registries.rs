//! The registries that the machine's settings describe.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sinter_graph::image_reference::ImageReference;
use sinter_http::{Http, Patience};

use super::environment::Environment;
use super::error::RegistryError;
use super::host::{Host, is_loopback};
use super::pull::Repository;
use super::settings::{Place, Settings};

/// All registries. Cheap to clone; opens nothing before it is asked.
#[derive(Debug, Clone)]
pub struct Registries {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    environment: Environment,
    offline: bool,
    patience: Patience,
    settings: OnceLock<Settings>,
    hosts: Mutex<HashMap<(String, bool), Arc<Host>>>,
}

impl Registries {
    /// Those that the environment describes; with `offline` no socket is opened.
    #[must_use]
    pub fn new(environment: Environment, offline: bool) -> Self {
        Self::patient(environment, offline, Patience::default())
    }

    /// The same, waiting so long for them.
    #[must_use]
    pub fn patient(environment: Environment, offline: bool, patience: Patience) -> Self {
        let inner = Inner { environment, offline, patience, settings: OnceLock::new(), hosts: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Where to read an image: mirrors first.
    ///
    /// # Errors
    /// If the machine's settings are broken or forbid it.
    pub fn sources(&self, image: &ImageReference) -> Result<Vec<Repository>, RegistryError> {
        let places = self.settings()?.sources(image)?;
        places.into_iter().map(|place| self.repository(place)).collect()
    }

    /// Where to write an image.
    ///
    /// # Errors
    /// As [`Registries::sources`].
    pub fn destination(&self, image: &ImageReference) -> Result<Repository, RegistryError> {
        let place = self.settings()?.destination(image)?;
        self.repository(place)
    }

    fn settings(&self) -> Result<&Settings, RegistryError> {
        if let Some(settings) = self.inner.settings.get() {
            return Ok(settings);
        }
        let read = Settings::read(&self.inner.environment)?;
        Ok(self.inner.settings.get_or_init(|| read))
    }

    fn repository(&self, place: Place) -> Result<Repository, RegistryError> {
        let settings = self.settings()?;
        let mut hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (place.host.clone(), place.insecure);
        let host = match hosts.get(&key) {
            Some(host) => host.clone(),
            None => {
                let host = Arc::new(self.connect(settings, &place)?);
                hosts.insert(key, host.clone());
                host
            }
        };
        Ok(Repository::new(host, place.repository))
    }

    fn connect(&self, settings: &Settings, place: &Place) -> Result<Host, RegistryError> {
        let trust = settings.trust(&place.host, place.insecure)?;
        let http = if self.inner.offline { Http::offline() } else { Http::patient(&trust, self.inner.patience) };
        let may_be_plain = place.insecure || (is_loopback(&place.host) && !settings.has_certificates(&place.host));
        Ok(Host::new(&place.host, http, self.inner.environment.clone(), may_be_plain))
    }
}
