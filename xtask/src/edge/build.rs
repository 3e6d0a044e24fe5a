//! The release build of the worker: worker-build with local tools, then one pass of wasm-opt of our own.
//!
//! worker-build's own pass keeps the name section (`--debuginfo`), which is a third of the module.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::bundle::Bundle;
use crate::run;
use crate::setup::{self, npm, wasm_target};
use crate::workspace::Workspace;

/// What rustc's wasm output and wasm-bindgen's glue may use, and every Workers runtime understands.
const FEATURES: [&str; 7] = [
    "--enable-mutable-globals",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-reference-types",
    "--enable-exception-handling",
];

/// A function with one caller stays a function of its own: a large one with hundreds of locals compresses so badly that
/// inlining costs 37 KB of the gzipped module.
const SEPARATE: &str = "--one-caller-inline-max-function-size=0";

/// Copies of one generic function are nearly the same bytes and have the same name up to a hash. Next to each other they
/// lie within gzip's window of 32 KB. Must come before the names are stripped.
const SIMILAR_TOGETHER: &str = "--reorder-functions-by-name";

/// Build the worker for release into worker/build/.
///
/// Sets up what is missing first. Fails when the module is too big, still carries debug names, or has the
/// tests' probe in it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build the tests' variant instead, into a folder of its own: it lets a test look into objects.
    #[arg(long)]
    probe: bool,
}

/// Which variant of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// What is deployed.
    Release,
    /// The same with the cargo feature `probe`, by which tests look into objects and break their calls.
    Probe,
}

impl Variant {
    /// The variant of a `--probe` flag.
    pub(crate) fn of(probe: bool) -> Self {
        if probe { Self::Probe } else { Self::Release }
    }

    /// Where it is built. `wrangler.toml` names the deployed one's folder; the other is nowhere near it.
    pub(crate) fn folder(self, workspace: &Workspace) -> PathBuf {
        match self {
            Self::Release => workspace.worker_build(),
            Self::Probe => workspace.target.join("edge-probe"),
        }
    }

    /// What messages call its module.
    fn module_name(self) -> &'static str {
        match self {
            Self::Release => "worker/build/index_bg.wasm",
            Self::Probe => "edge-probe/index_bg.wasm",
        }
    }
}

/// Carries out `edge build`.
pub(crate) fn from_args(workspace: &Workspace, args: &Args) -> Result<()> {
    run(workspace, Variant::of(args.probe))
}

/// Sets up what is missing, then builds.
pub(crate) fn run(workspace: &Workspace, variant: Variant) -> Result<()> {
    setup::edge(workspace)?;
    compile(workspace, variant)
}

/// Builds with tools that are there.
pub(crate) fn compile(workspace: &Workspace, variant: Variant) -> Result<()> {
    let (node, _) = npm::node(workspace)?;
    let wasm_opt = workspace.node_module("binaryen/bin/wasm-opt");
    let esbuild = esbuild(workspace)?;

    let mut build = Command::new(workspace.tool("worker-build"));
    build.args(["--release", "--no-opt"]);
    if variant == Variant::Probe {
        build.arg("--out-dir").arg(variant.folder(workspace));
    }
    build.args(["worker", "--locked"]);
    if variant == Variant::Probe {
        build.args(["--features", "probe"]);
    }
    build
        .current_dir(&workspace.root)
        .env("PATH", workspace.path_with_node()?)
        .env("WASM_BINDGEN_BIN", workspace.tool("wasm-bindgen"))
        .env("ESBUILD_BIN", esbuild)
        .env("WASM_OPT_BIN", &wasm_opt);
    // A module is downloaded and compiled before its first request: small goes before fast, other than on the origin.
    for (key, value) in [("OPT_LEVEL", "z"), ("LTO", "fat"), ("CODEGEN_UNITS", "1")] {
        build.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
    }
    wasm_target::ensure()?.prepare_release(&mut build)?;
    run::passed_through(&mut build, "")?;

    let module = variant.folder(workspace).join("index_bg.wasm");
    let optimized = module.with_extension("optimized");
    let mut optimize = Command::new(node);
    optimize
        .arg(&wasm_opt)
        .arg(&module)
        .args(["-Oz", SEPARATE, SIMILAR_TOGETHER, "--strip-debug", "--strip-producers"])
        .args(FEATURES)
        .arg("-o")
        .arg(&optimized);
    run::passed_through(&mut optimize, "")?;
    fs::rename(&optimized, &module).with_context(|| format!("cannot replace {}", module.display()))?;

    let bundle = Bundle::read(&module)?;
    println!("{}: {bundle}", variant.module_name());
    match variant {
        Variant::Release => bundle.check(),
        // Never deployed, so it may weigh what it likes; but without its probe tests would not mean much.
        Variant::Probe => bundle.check_probe(),
    }
}

/// The native esbuild of this platform: worker-build resolves links, so the wrapper in `.bin` will not do.
fn esbuild(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.node_module("@esbuild");
    let entries = fs::read_dir(&folder).with_context(|| format!("{} is missing", folder.display()))?;
    for entry in entries.flatten() {
        let program = entry.path().join("bin").join("esbuild");
        if program.exists() {
            return Ok(program);
        }
    }
    bail!("no esbuild under {}: run `npm ci` on this machine", folder.display())
}
