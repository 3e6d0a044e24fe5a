//! The setup of a test: it starts the runtime, kills it and starts it again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use anyhow::{Context as _, Result};

use super::{Options, probe, variables::SHARDS};
use crate::{
    leak::Forbidden,
    settings::Settings,
    subject::{LOG, Subject},
    transcript::Recorder,
    world::{Shared, World},
};

/// A command to serve the edge with, and a folder for all that it writes.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    name: &'static str,
    command: Vec<String>,
    origin: PathBuf,
    home: PathBuf,
    variables: Vec<(&'static str, String)>,
    earlier: Option<PathBuf>,
    record: bool,
}

/// A runtime that serves.
pub(super) struct Runtime {
    name: &'static str,
    subject: Subject,
    shared: Arc<Shared>,
}

impl Setup {
    pub(super) fn new(name: &'static str, options: &Options, home: PathBuf) -> Self {
        let (command, origin) = (options.command.clone(), options.origin.clone());
        let (earlier, record) = (options.earlier.clone(), options.record);
        let setup = Self { name, command, origin, home, variables: Vec::new(), earlier, record };
        setup.with(SHARDS, probe::SHARDS)
    }

    /// The same with a key that no case depends on, by the name of its variable.
    pub(super) fn with(mut self, variable: &'static str, value: u32) -> Self {
        self.variables.retain(|(name, _)| *name != variable);
        self.variables.push((variable, value.to_string()));
        self
    }

    /// The same with another `wrangler.toml`.
    pub(super) fn with_manifest(mut self, text: &str) -> Result<Self> {
        let path = self.home.join("wrangler.toml");
        fs::write(&path, text)?;
        self.command.extend(["--manifest".to_owned(), path.display().to_string()]);
        Ok(self)
    }

    /// The same with the worker of the version before, or with what this option takes of it.
    pub(super) fn with_earlier(mut self, option: &str) -> Result<Self> {
        let folder = self.earlier.as_ref().context("no worker of the version before")?;
        self.command.extend([option.to_owned(), folder.display().to_string()]);
        Ok(self)
    }

    /// The golden files of the version before, which lie beside its build.
    pub(super) fn earlier_golden(&self) -> Result<PathBuf> {
        let folder = self.earlier.as_ref().context("no worker of the version before")?;
        Ok(folder.with_file_name("golden"))
    }

    /// The origin's program.
    pub(super) fn origin(&self) -> &Path {
        &self.origin
    }

    /// The command, without what a start appends to it.
    pub(super) fn command(&self) -> &[String] {
        &self.command
    }

    /// Whether what operations cost is to be recorded.
    pub(super) const fn records(&self) -> bool {
        self.record
    }

    /// The folder: configuration, output, storage and temporary files of every start.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// All that every start wrote to its output so far.
    pub(super) fn log(&self) -> Result<String> {
        let bytes = fs::read(self.home.join(LOG))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Starts the runtime on what earlier ones left in the folder.
    pub(super) async fn start(&self, settings: &Settings) -> Result<Runtime> {
        let subject = Subject::resume(&self.command, settings, &self.variables, &self.home).await?;
        let shared = Arc::new(Shared::new(subject.address, subject.kind, settings.clone()));
        Ok(Runtime { name: self.name, subject, shared })
    }
}

impl Runtime {
    /// A view of the runtime that keeps no record.
    pub(super) fn world(&self) -> World {
        self.recorded_by(Recorder::silent())
    }

    /// A view of the runtime that keeps a record.
    pub(super) fn recorded_by(&self, recorder: Recorder) -> World {
        World::new(Arc::clone(&self.shared), self.name, recorder)
    }

    /// Every token and secret that passed by so far.
    pub(super) fn forbidden(&self) -> Forbidden {
        self.shared.forbidden.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kills everything that belongs to it, at once.
    pub(super) async fn kill(mut self) -> Result<()> {
        self.subject.kill().await
    }

    /// Stops it in order.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.subject.stop().await.map(drop)
    }
}
