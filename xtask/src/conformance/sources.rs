//! Sources of others, through cargo: a scratch project depends on the package, cargo fetches it and says where it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::scratch;

/// Returns the folder of a crate's sources.
pub(crate) fn of_crate(root: &Path, name: &str, version: &str) -> Result<PathBuf, String> {
    let project = scratch(root).join("fetch").join(name);
    fs::create_dir_all(project.join("src"))
        .map_err(|error| format!("cannot make {}: {error}", project.display()))?;
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n[dependencies]\n{name} = \"={version}\"\n"
    );
    for (file, text) in [("Cargo.toml", manifest.as_str()), ("src/lib.rs", "")] {
        let path = project.join(file);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(["metadata", "--format-version", "1"]).current_dir(&project).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    folder_in(&text, name, version).ok_or_else(|| format!("cargo does not say where {name} {version} is"))
}

/// Finds the folder of a package in what `cargo metadata` says.
fn folder_in(metadata: &str, name: &str, version: &str) -> Option<PathBuf> {
    let wanted = format!("{name}-{version}");
    metadata.split("\"manifest_path\":\"").skip(1).find_map(|rest| {
        let folder = Path::new(rest.split('"').next()?).parent()?;
        let rest = folder.file_name()?.to_str()?.strip_prefix(&wanted)?;
        (rest.is_empty() || rest.starts_with('+')).then(|| folder.to_path_buf())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_found_by_name_and_version() {
        let metadata = r#"{"packages":[{"name":"a","manifest_path":"/r/a-1.0.10/Cargo.toml"},{"manifest_path":"/r/a-1.0.1+4.3.5/Cargo.toml"}]}"#;
        assert_eq!(folder_in(metadata, "a", "1.0.1"), Some(PathBuf::from("/r/a-1.0.1+4.3.5")));
        assert_eq!(folder_in(metadata, "a", "1.0.10"), Some(PathBuf::from("/r/a-1.0.10")));
        assert_eq!(folder_in(metadata, "a", "1.0"), None);
    }
}
