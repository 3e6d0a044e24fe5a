//! The build of the worker: cargo, wasm-bindgen as a library, esbuild, and for a release wasm-opt.
//!
//! The command worker-build does as much, but has to be compiled first, which takes longer than everything else here. What cargo
//! compiles the same as before is not processed again, so that a second build takes a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};
use wasm_bindgen_cli_support::Bindgen;

use super::bundle::{Bundle, Size};
use super::{alike, startup};
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

/// What `-Os` leaves undone. Inlining takes a third of its time and makes large functions with hundreds of locals, which compress
/// badly; what it saves where functions are small is 2 KB of the gzipped module. Without single assignments the module is 2 KB smaller.
const LEFT_OUT: [&str; 2] = ["--skip-pass=inlining-optimizing", "--skip-pass=ssa-nomerge"];

/// Cargo's profile of the module.
const PROFILE: &str = "edge";

/// The crate's name, in both variants.
const NAME: &str = "rollcall_worker";

/// The files of a built worker.
const FILES: [&str; 2] = ["index.js", "index_bg.wasm"];

/// What the runtime imports, before the glue is joined to it.
const ENTRY: &str = "worker/src/entry.js";

/// Build the worker for release into worker/build/.
///
/// Sets up what is missing first. Prints the module's size and what its start-up costs. Fails when the module is too
/// big, still carries debug names, or has the tests' probe in it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build the tests' variant instead, into a folder of its own: it lets a test look into objects.
    #[arg(long)]
    probe: bool,
    /// Record the module's size as the one to compare later builds with.
    #[arg(long, conflicts_with = "probe")]
    record: bool,
}

/// Which variant of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// What is deployed.
    Release,
    /// The same with the cargo feature `probe`, by which tests look into objects and break their calls. Clippy is its compiler;
    /// a warning is an error.
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
            Self::Probe => workspace.target.join("edge").join("probe"),
        }
    }

    /// Where its parts lie.
    fn workshop(self, workspace: &Workspace) -> PathBuf {
        workspace.target.join("edge").join(match self {
            Self::Release => "release-parts",
            Self::Probe => "probe-parts",
        })
    }

    /// What cargo compiled for it, with the list of its sources beside it.
    fn compiled(self, workspace: &Workspace) -> PathBuf {
        let folder = workspace.target.join(wasm_target::TARGET).join(PROFILE);
        let folder = match self {
            Self::Release => folder,
            Self::Probe => folder.join("examples"),
        };
        folder.join(NAME).with_extension("wasm")
    }

    /// Keeps others from making its module at the same time.
    const fn lock(self) -> &'static str {
        match self {
            Self::Release => "edge-release",
            Self::Probe => "edge-probe",
        }
    }

    /// The target of the worker's package, as cargo takes it.
    const fn target(self) -> &'static [&'static str] {
        match self {
            Self::Release => &["--lib"],
            Self::Probe => &["--example", NAME, "--features", "probe"],
        }
    }

    /// What messages call its module.
    fn module_name(self) -> &'static str {
        match self {
            Self::Release => "worker/build/index_bg.wasm",
            Self::Probe => "target/edge/probe/index_bg.wasm",
        }
    }
}

/// What cargo compiled of the deployed variant, with the list of its sources beside it, and the module.
pub(crate) fn programs(workspace: &Workspace) -> [PathBuf; 2] {
    [Variant::Release.compiled(workspace), module(workspace, Variant::Release)]
}

/// Carries out `edge build`.
pub(crate) fn from_args(workspace: &Workspace, args: &Args) -> Result<()> {
    let variant = Variant::of(args.probe);
    run(workspace, variant)?;
    if args.record {
        let size = Bundle::read(&module(workspace, variant))?.size();
        size.record(&recorded_size(workspace))?;
        println!("recorded in worker/size.toml");
    }
    Ok(())
}

/// Sets up what is missing, then builds.
pub(crate) fn run(workspace: &Workspace, variant: Variant) -> Result<()> {
    setup::edge(workspace)?;
    build(workspace, variant)
}

/// Builds with tools that are there.
pub(crate) fn build(workspace: &Workspace, variant: Variant) -> Result<()> {
    compile(workspace, variant)?;
    finish(workspace, variant)
}

/// The part of a build that keeps every processor busy.
pub(crate) fn compile(workspace: &Workspace, variant: Variant) -> Result<()> {
    let args = ["build", "--locked", "--profile", PROFILE];
    let mut cargo = match variant {
        Variant::Release => workspace.cargo(args),
        // The libraries below the worker have no line of their own for wasm, so that the native build's lints are theirs. Both
        // variants take them as one compiled them: the wrapper lints the worker alone, and a wrapper of this kind is nothing
        // that cargo tells builds apart by.
        Variant::Probe => {
            let mut linting = workspace.cargo(args);
            linting.env("RUSTC_WRAPPER", "clippy-driver");
            linting
        }
    };
    // The linting compiler notes what it was given as a reason to compile anew; so both have it.
    cargo.env("CLIPPY_ARGS", "--no-deps__CLIPPY_HACKERY__-Dwarnings__CLIPPY_HACKERY__");
    cargo.args(["--target", wasm_target::TARGET]).args(variant.target());
    // Promises and arrays cross as the types of js-sys.
    cargo.current_dir(workspace.root.join("worker")).env("WASM_BINDGEN_USE_JS_SYS", "1");
    run::passed_through(without_flags(&mut cargo), "")
}

/// The part of a build that keeps one processor busy: makes a module of what is compiled, and looks at it.
pub(crate) fn finish(workspace: &Workspace, variant: Variant) -> Result<()> {
    // Several may want the same: a test, and the build command of wrangler in another one.
    let _alone = workspace.alone(variant.lock())?;
    let compiled = variant.compiled(workspace);
    let stamp = stamp(workspace, &compiled)?;
    let folder = variant.folder(workspace);
    let stamp_file = variant.workshop(workspace).with_extension("stamp");
    let is_there = FILES.iter().all(|file| folder.join(file).exists());
    if is_there && fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
        println!("{}: as built before", variant.module_name());
    } else {
        process(workspace, variant, &compiled)?;
        fs::write(&stamp_file, &stamp).with_context(|| format!("cannot write {}", stamp_file.display()))?;
    }
    inspect(workspace, variant)
}

/// Tells one input of [`process`] from another: what was compiled, and by which rules it is processed.
fn stamp(workspace: &Workspace, compiled: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    hasher.update(include_bytes!("build.rs"));
    hasher.update(include_bytes!("alike.rs"));
    let others = [ENTRY, "Cargo.lock", "package-lock.json"].map(|file| workspace.root.join(file));
    for file in others.iter().map(PathBuf::as_path).chain([compiled]) {
        hasher.update(fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Makes a worker of what cargo compiled: glue, one script, optimisation, one folder with what a runtime reads.
fn process(workspace: &Workspace, variant: Variant, compiled: &Path) -> Result<()> {
    let workshop = variant.workshop(workspace);
    fs::create_dir_all(&workshop).with_context(|| format!("cannot create {}", workshop.display()))?;
    bind(compiled, &workshop)?;

    let folder = variant.folder(workspace);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let [script, module] = FILES.map(|file| folder.join(file).with_extension("new"));
    join(workspace, &workshop, &script)?;
    let bound = workshop.join(FILES[1]);
    match variant {
        Variant::Release => optimize(workspace, &bound, &module)?,
        // Tests pay for its size once, and its names stand in the stack of an error.
        Variant::Probe => {
            fs::copy(&bound, &module).with_context(|| format!("cannot copy {}", bound.display()))?;
        }
    }
    // A rename each, so that a runtime that starts meanwhile finds whole files.
    for (new, file) in [script, module].iter().zip(FILES) {
        fs::rename(new, folder.join(file)).with_context(|| format!("cannot replace {file}"))?;
    }
    Ok(())
}

/// Writes the module without what only wasm-bindgen reads, and its glue, which `worker/src/entry.js` calls.
fn bind(compiled: &Path, workshop: &Path) -> Result<()> {
    Bindgen::new()
        .module(true)?
        .input_path(compiled)
        .out_name("index")
        .typescript(false)
        // By these the entry makes the module's memory anew after a panic.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(workshop)
        .context("wasm-bindgen")
}

/// Joins the entry and the glue to one script, which imports the module beside it.
fn join(workspace: &Workspace, workshop: &Path, script: &Path) -> Result<()> {
    let entry = workshop.join("entry.js");
    let source = workspace.root.join(ENTRY);
    fs::copy(&source, &entry).with_context(|| format!("cannot copy {}", source.display()))?;
    let joined = workshop.join("joined.js");
    let mut esbuild = Command::new(esbuild(workspace)?);
    esbuild.arg(&entry).arg(format!("--outfile={}", joined.display()));
    esbuild.args(["--bundle", "--minify", "--format=esm", "--log-level=warning", "--allow-overwrite"]);
    esbuild.arg(format!("--external:./{}", FILES[1])).arg("--external:cloudflare:*");
    run::passed_through(&mut esbuild, "")?;
    let text = fs::read_to_string(&joined).context("esbuild left no script")?;
    // wasm-bindgen imports the module in the source phase; the runtime gives it to an ordinary import.
    let text = text.replace("import source ", "import ");
    fs::write(script, text).with_context(|| format!("cannot write {}", script.display()))
}

/// Writes a small module. `-Oz` takes a fifth longer, and what it saves (2 % of the raw module) gzip does not see.
fn optimize(workspace: &Workspace, module: &Path, optimized: &Path) -> Result<()> {
    let (node, _) = npm::node(workspace)?;
    let mut optimize = Command::new(node);
    optimize.arg(wasm_opt(workspace)).arg(module);
    optimize.arg("-Os").args(LEFT_OUT).args(["--strip-debug", "--strip-producers"]).args(FEATURES);
    optimize.arg("-o").arg(optimized);
    run::passed_through(&mut optimize, "")?;
    let module = fs::read(optimized).context("wasm-opt left no module")?;
    fs::write(optimized, alike::together(&module)?)
        .with_context(|| format!("cannot write {}", optimized.display()))
}

fn wasm_opt(workspace: &Workspace) -> PathBuf {
    workspace.node_module("binaryen/bin/wasm-opt")
}

/// Says what was built, and fails when it is not what it has to be.
fn inspect(workspace: &Workspace, variant: Variant) -> Result<()> {
    let bundle = Bundle::read(&module(workspace, variant))?;
    let size = bundle.size();
    println!("{}: {size}", variant.module_name());
    match variant {
        Variant::Release => {
            bundle.check()?;
            if let Some(warning) = size.growth_over(Size::recorded(&recorded_size(workspace))?) {
                eprintln!("warning: {warning}");
            }
            startup::report(workspace, &variant.folder(workspace))
        }
        // Never deployed, so it may weigh what it likes; but without its probe tests would not mean much.
        Variant::Probe => bundle.check_probe(),
    }
}

fn module(workspace: &Workspace, variant: Variant) -> PathBuf {
    variant.folder(workspace).join("index_bg.wasm")
}

fn recorded_size(workspace: &Workspace) -> PathBuf {
    workspace.root.join("worker").join("size.toml")
}

/// Flags of the environment would replace those that .cargo/config.toml sets for the wasm target.
fn without_flags(command: &mut Command) -> &mut Command {
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS")
}

/// The native esbuild of this platform: the wrapper in `.bin` starts a Node.js only to start it.
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
