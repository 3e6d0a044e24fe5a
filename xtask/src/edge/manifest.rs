//! What `wrangler.toml` says of the worker, and the runtime's own configuration made from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, de::IgnoredAny};

use crate::workspace::Workspace;

/// Keys about building, deploying or production, which a local run has no use for.
const NOT_FOR_DEV: &[&str] = &[
    "base_dir",
    "build",
    "env",
    "find_additional_modules",
    "limits",
    "main",
    "name",
    "no_bundle",
    "observability",
    "placement",
    "routes",
    "rules",
    "send_metrics",
    "workers_dev",
];

/// The keys of `wrangler.toml` that a local run follows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    compatibility_date: String,
    #[serde(default)]
    compatibility_flags: Vec<String>,
    durable_objects: Objects,
    #[serde(default)]
    migrations: Vec<Migration>,
    #[serde(default)]
    vars: BTreeMap<String, toml::Value>,
    version_metadata: Option<Named>,
    #[serde(default)]
    analytics_engine_datasets: Vec<Named>,
    #[serde(default)]
    ratelimits: Vec<RateLimit>,
    assets: Option<Assets>,
}

/// Static files behind a binding.
#[derive(Debug, Deserialize)]
struct Assets {
    /// Beside `wrangler.toml`.
    directory: PathBuf,
    binding: String,
}

/// A binding of which a local run needs the name alone.
#[derive(Debug, PartialEq, Deserialize)]
struct Named {
    binding: String,
}

#[derive(Debug, Deserialize)]
struct RateLimit {
    name: String,
    simple: Simple,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Simple {
    limit: u32,
    period: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Objects {
    bindings: Vec<Binding>,
    /// How a deploy replaces running objects.
    #[serde(default, rename = "code_update_strategy")]
    _code_update_strategy: IgnoredAny,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Binding {
    name: String,
    class_name: String,
}

#[derive(Debug, Deserialize)]
struct Migration {
    #[serde(default)]
    new_sqlite_classes: Vec<String>,
}

impl Manifest {
    /// Reads the workspace's `wrangler.toml`, or another file of its kind.
    pub(crate) fn read(workspace: &Workspace, other: Option<&Path>) -> Result<Self> {
        let path = other.map_or_else(|| workspace.root.join("wrangler.toml"), Path::to_owned);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut manifest = Self::parse(&text)?;
        if let Some(assets) = &mut manifest.assets {
            assets.directory = workspace.root.join(&assets.directory);
        }
        Ok(manifest)
    }

    /// Fails on a key that neither this nor [`NOT_FOR_DEV`] knows: a binding would be missing without a word.
    fn parse(text: &str) -> Result<Self> {
        let mut table: toml::Table = text.parse().context("wrangler.toml is not TOML")?;
        table.retain(|key, _| !NOT_FOR_DEV.contains(&key));
        table.try_into().context("wrangler.toml says something that `edge dev` does not know")
    }

    /// `[vars]`, as the texts that the worker reads them as.
    pub(crate) fn vars(&self) -> impl Iterator<Item = (String, String)> {
        self.vars.iter().map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        })
    }

    /// The runtime's configuration in Cap'n Proto's text form. The modules of `workers` are files beside it; requests go to the first
    /// worker. `variables` are names, whose values the runtime takes from its environment: no secret gets into a file.
    pub(crate) fn runtime_config(
        &self,
        listen: SocketAddr,
        storage: &Path,
        workers: &[Worker<'_>],
        variables: &[&str],
    ) -> Result<String> {
        let Some(storage) = storage.to_str() else { bail!("{} is not text", storage.display()) };
        let services = workers
            .iter()
            .map(|Worker { name, .. }| format!("( name = {}, worker = .{name} ),\n    ", quoted(name)));
        let files = match &self.assets {
            None => String::new(),
            Some(Assets { directory, .. }) => {
                let Some(directory) = directory.to_str() else {
                    bail!("{} is not text", directory.display())
                };
                format!("( name = \"assets\", disk = ( path = {} ) ),\n    ", quoted(directory))
            }
        };
        let mut text = String::from("using Workerd = import \"/workerd/workerd.capnp\";\n\n");
        // Requests to the worker's own machine are what tests do: issuers and resolvers run there.
        write!(
            text,
            "const config :Workerd.Config = (\n  \
               services = [\n    \
                 {services}\
                 ( name = \"internet\", network = ( allow = [\"public\", \"private\"], \
                   tlsOptions = ( trustBrowserCas = true ) ) ),\n    \
                 {files}( name = \"storage\", disk = ( path = {storage}, writable = true ) ),\n  \
               ],\n  \
               sockets = [ ( name = \"http\", address = {address}, service = {first} ) ],\n  \
               extensions = [ ( modules = [ ( name = \"rollcall:local\", internal = true, \
                 esModule = embed \"local.js\" ) ] ) ],\n\
             );\n",
            services = services.collect::<String>(),
            first = quoted(workers.first().map_or("", |worker| worker.name)),
            storage = quoted(storage),
            address = quoted(&listen.to_string()),
        )?;
        workers.iter().for_each(|worker| text.push_str(&self.worker(worker, workers, variables)));
        Ok(text)
    }

    /// One of the workers. It has the classes that none behind it takes.
    fn worker(&self, worker: &Worker<'_>, workers: &[Worker<'_>], variables: &[&str]) -> String {
        let holder = |class: &str| {
            let takes = |worker: &&Worker<'_>| worker.takes.is_none_or(|taken| taken == class);
            workers.iter().rev().find(takes).map_or("", |worker| worker.name)
        };
        let modules = list(worker.modules.iter().map(|Module { name, file, kind }| {
            format!("( name = {}, {kind} = embed {} )", quoted(name), quoted(file))
        }));
        let bindings =
            list(
                self.durable_objects
                    .bindings
                    .iter()
                    .map(|Binding { name, class_name }| {
                        let holder = match holder(class_name) {
                            own if own == worker.name => String::new(),
                            other => format!(", serviceName = {}", quoted(other)),
                        };
                        let class = format!("( className = {}{holder} )", quoted(class_name));
                        format!("( name = {}, durableObjectNamespace = {class} )", quoted(name))
                    })
                    .chain(variables.iter().map(|name| {
                        let name = quoted(name);
                        format!("( name = {name}, fromEnvironment = {name} )")
                    }))
                    .chain(self.assets.iter().map(|assets| {
                        format!("( name = {}, service = \"assets\" )", quoted(&assets.binding))
                    }))
                    .chain(self.stand_ins()),
            );
        let own = self.durable_objects.bindings.iter().map(|binding| &binding.class_name);
        let classes = list(own.filter(|class| holder(class) == worker.name).map(|class| {
            let sql = self.migrations.iter().any(|migration| migration.new_sqlite_classes.contains(class));
            let key = quoted(&format!("rollcall-{class}"));
            format!("( className = {}, uniqueKey = {key}, enableSql = {sql} )", quoted(class))
        }));
        format!(
            "\nconst {name} :Workerd.Worker = (\n  \
               modules = {modules},\n  \
               compatibilityDate = {date},\n  \
               compatibilityFlags = {flags},\n  \
               bindings = {bindings},\n  \
               durableObjectNamespaces = {classes},\n  \
               durableObjectStorage = ( localDisk = \"storage\" ),\n\
             );\n",
            name = worker.name,
            date = quoted(&self.compatibility_date),
            flags = list(self.compatibility_flags.iter().map(|flag| quoted(flag))),
        )
    }
}

impl Manifest {
    /// Bindings of the platform that the local runtime has none of, made by `local.js`.
    fn stand_ins(&self) -> impl Iterator<Item = String> {
        let version = self.version_metadata.iter().map(|Named { binding }| {
            let json = quoted(r#"{"id":"local","tag":"","timestamp":""}"#);
            format!("( name = {}, json = {json} )", quoted(binding))
        });
        let wrapped = |name: &str, entrypoint: &str, inner: &str| {
            format!(
                "( name = {}, wrapped = ( moduleName = \"rollcall:local\", entrypoint = \"{entrypoint}\", \
                 innerBindings = [{inner}] ) )",
                quoted(name)
            )
        };
        let datasets = self
            .analytics_engine_datasets
            .iter()
            .map(move |Named { binding }| wrapped(binding, "dataset", ""));
        let limits =
            self.ratelimits.iter().map(move |RateLimit { name, simple: Simple { limit, period } }| {
                let inner = format!(
                    "( name = \"limit\", json = \"{limit}\" ), ( name = \"period\", json = \"{period}\" )"
                );
                wrapped(name, "rateLimit", &inner)
            });
        version.chain(datasets).chain(limits)
    }
}

/// A worker of the local runtime.
pub(crate) struct Worker<'a> {
    /// Its name in the runtime's configuration.
    pub(crate) name: &'a str,
    /// Its modules, the first one the entry.
    pub(crate) modules: &'a [Module],
    /// The one class of objects that it has in place of those before it; all that are left, where none is named.
    pub(crate) takes: Option<&'a str>,
}

/// A module of the worker.
pub(crate) struct Module {
    /// What other modules import it as.
    pub(crate) name: &'static str,
    /// The file beside the configuration.
    pub(crate) file: &'static str,
    /// The runtime's word for its kind.
    pub(crate) kind: &'static str,
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    format!("[{}]", items.join(", "))
}

/// A text in Cap'n Proto's notation.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => {
                // Writing to a String does not fail.
                let _ = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "name = \"rollcall\"\nmain = \"worker/build/index.js\"\ncompatibility_date = \"2026-11-01\"\n\
                            [build]\ncommand = \"x\"\n[vars]\nA = 5\nB = \"x\"\n\
                            [durable_objects]\nbindings = [{ name = \"USERS\", class_name = \"UserObject\" }]\n\
                            [[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"UserObject\"]\n";

    const ALONE: Worker<'_> = Worker { name: "worker", modules: &[], takes: None };

    #[test]
    fn a_class_belongs_to_the_worker_that_takes_it_and_the_others_reach_it_there() {
        let manifest = Manifest::parse(OWN).unwrap();
        let older = Worker { name: "older", takes: Some("DirectoryObject"), ..ALONE };
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = manifest.runtime_config(listen, Path::new("/a"), &[ALONE, older], &[]).unwrap();
        let [_, _, first, second] = config
            .split("\nconst ")
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_else(|parts: Vec<&str>| panic!("{} parts: {config}", parts.len()));
        let class = |worker: &str, class: &str| {
            let (_, classes) = worker.split_once("durableObjectNamespaces").unwrap();
            classes.contains(&format!("className = \"{class}\""))
        };
        for (name, own) in [("UserObject", first), ("CutoffObject", first), ("DirectoryObject", second)] {
            assert_eq!(
                [first, second].map(|worker| class(worker, name)),
                [own == first, own == second],
                "{name}"
            );
        }
        assert!(first.contains("( className = \"DirectoryObject\", serviceName = \"older\" )"), "{first}");
        assert!(second.contains("( className = \"UserObject\", serviceName = \"worker\" )"), "{second}");
        assert!(config.contains("service = \"worker\""), "{config}");
    }

    #[test]
    fn objects_variables_and_dates_come_from_the_manifest() {
        let manifest = Manifest::parse(MANIFEST).unwrap();
        let config = manifest
            .runtime_config("127.0.0.1:0".parse().unwrap(), Path::new("/a \"b\""), &[ALONE], &["SECRET"])
            .unwrap();
        for part in [
            "( name = \"USERS\", durableObjectNamespace = ( className = \"UserObject\" ) )",
            "( className = \"UserObject\", uniqueKey = \"rollcall-UserObject\", enableSql = true )",
            "( name = \"SECRET\", fromEnvironment = \"SECRET\" )",
            "compatibilityDate = \"2026-11-01\"",
            "path = \"/a \\\"b\\\"\"",
        ] {
            assert!(config.contains(part), "{part}: {config}");
        }
        let vars: Vec<_> = manifest.vars().collect();
        assert_eq!(vars, [("A".to_owned(), "5".to_owned()), ("B".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn bindings_that_the_local_runtime_lacks_have_a_stand_in() {
        let manifest = Manifest::parse(&format!(
            "{MANIFEST}\n[version_metadata]\nbinding = \"V\"\n\
             [[analytics_engine_datasets]]\nbinding = \"M\"\ndataset = \"x\"\n\
             [[ratelimits]]\nname = \"R\"\nnamespace_id = \"1\"\nsimple = {{ limit = 5, period = 60 }}\n"
        ))
        .unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = manifest.runtime_config(listen, Path::new("/a"), &[ALONE], &[]).unwrap();
        for part in [
            r#"( name = "V", json = "{\"id\":\"local\","#,
            r#"( name = "M", wrapped = ( moduleName = "rollcall:local", entrypoint = "dataset", innerBindings = [] ) )"#,
            r#"( name = "R", wrapped = ( moduleName = "rollcall:local", entrypoint = "rateLimit", innerBindings = [( name = "limit", json = "5" ), ( name = "period", json = "60" )] ) )"#,
        ] {
            assert!(config.contains(part), "{part}: {config}");
        }
    }

    #[test]
    fn a_binding_that_a_local_run_would_lack_is_refused() {
        let error = Manifest::parse(&format!("queues = []\n{MANIFEST}")).unwrap_err();
        assert!(format!("{error:#}").contains("queues"), "{error:#}");
    }

    #[test]
    fn the_strategy_of_deploys_is_not_for_a_local_run() {
        Manifest::parse(&format!(
            "{MANIFEST}\n[durable_objects.code_update_strategy]\nmode = \"immediate\"\n"
        ))
        .unwrap();
    }

    const OWN: &str = include_str!("../../../wrangler.toml");

    #[test]
    fn the_own_manifest_is_known() {
        Manifest::parse(OWN).unwrap();
    }

    /// wrangler lets environments inherit almost everything, but no bindings.
    #[test]
    fn every_environment_binds_the_same_objects_under_a_name_and_host_of_its_own() {
        #[derive(Deserialize)]
        struct Environment {
            name: String,
            routes: Vec<toml::Value>,
            durable_objects: Objects,
            version_metadata: Option<Named>,
        }
        let own = Manifest::parse(OWN).unwrap();
        let table: toml::Table = OWN.parse().unwrap();
        let environments: BTreeMap<String, Environment> = table["env"].clone().try_into().unwrap();
        assert_eq!(environments.keys().collect::<Vec<_>>(), ["staging"]);
        for (key, environment) in environments {
            assert_eq!(environment.name, format!("rollcall-{key}"));
            assert!(environment.routes.is_empty(), "{:?}", environment.routes);
            assert_eq!(environment.durable_objects.bindings, own.durable_objects.bindings);
            assert_eq!(environment.version_metadata, own.version_metadata);
        }
    }
}
