//! `tamtam zmq keygen`: a new key pair for CURVE.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use tamtam_zmq::CurveKeyPair;

use super::args::KeygenArgs;
use crate::exit::{Failure, Outcome};
use crate::run::Run;

/// Makes a key pair, and prints it or writes it to files that do not exist yet.
pub(crate) fn generate(run: &Run, args: &KeygenArgs) -> Outcome {
    let keys = CurveKeyPair::generate().map_err(|error| Failure::failed(error.to_string()))?;
    let mut report = json!({ "public": keys.public.to_string() });
    let lines = match &args.output {
        Some(secret_file) => {
            let public_file = with_pub(secret_file);
            write(secret_file, 0o600, keys.to_text().as_bytes())?;
            if let Err(failure) = write(&public_file, 0o644, format!("{}\n", keys.public).as_bytes()) {
                // A secret key without its public one is of no use, and ours alone.
                let _ = std::fs::remove_file(secret_file);
                return Err(failure);
            }
            report["secret_file"] = secret_file.display().to_string().into();
            report["public_file"] = public_file.display().to_string().into();
            run.tell(&format!(
                "wrote {} (keep it secret) and {}",
                secret_file.display(),
                public_file.display()
            ));
            format!("{}\n", keys.public)
        }
        None => {
            report["secret"] = keys.secret.to_z85().as_str().into();
            keys.to_text().to_string()
        }
    };
    let text = if run.global.json { format!("{report}\n") } else { lines };
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::output(&error))
}

/// Returns the name of the file for the public key.
fn with_pub(secret_file: &Path) -> PathBuf {
    let mut name = secret_file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// Writes a file that must not exist.
fn write(path: &Path, mode: u32, text: &[u8]) -> Outcome {
    let failed = |error: io::Error| Failure::failed(format!("cannot write {}: {error}", path.display()));
    let mut file: File =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(failed)
}
