//! Security of a socket on the command line: CURVE with key files, PLAIN with a password.

use std::path::PathBuf;

use clap::Args;
use tamtam_zmq::{AllowList, CurvePublicKey, KeyFileError, KeyFileFault, Options, Security, read_key_file};

use crate::exit::{Failure, Outcome};

/// Who may connect, and who reads along. Without any of these: everybody, and anybody.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityArgs {
    /// Encrypt as the server with the keys in this file (see tamtam zmq keygen)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["curve_client", "plain", "plain_server"])]
    pub(crate) curve_server: Option<PathBuf>,
    /// Let in only clients whose public keys are lines of this file [default: everybody]
    #[arg(long, value_name = "FILE", requires = "curve_server")]
    pub(crate) allow: Option<PathBuf>,
    /// Encrypt as a client with the keys in this file
    #[arg(long, value_name = "FILE", requires = "server_key", conflicts_with_all = ["plain", "plain_server"])]
    pub(crate) curve_client: Option<PathBuf>,
    /// The public key that the server has to own
    #[arg(long, value_name = "KEY", requires = "curve_client", allow_hyphen_values = true)]
    pub(crate) server_key: Option<CurvePublicKey>,
    /// Show this user name and password, unencrypted
    #[arg(long, value_name = "USER:PASSWORD", conflicts_with = "plain_server")]
    pub(crate) plain: Option<String>,
    /// Let in only this user (repeatable)
    #[arg(long, value_name = "USER:PASSWORD")]
    pub(crate) plain_server: Vec<String>,
}

impl SecurityArgs {
    /// Sets what was asked for; reads the files.
    pub(crate) fn apply(&self, options: &mut Options) -> Outcome {
        if let Some(file) = &self.curve_server {
            let mut security = Security::curve_server(read_key_file(file).map_err(failure)?);
            if let Some(list) = &self.allow {
                security = security.allow(AllowList::file(list).map_err(failure)?);
            }
            options.set_security(security);
        } else if let (Some(file), Some(server)) = (&self.curve_client, self.server_key) {
            options.set_security(Security::curve_client(read_key_file(file).map_err(failure)?, server));
        } else if let Some(user) = &self.plain {
            let (name, password) = user_and_password(user)?;
            let security =
                Security::plain_client(name, password).map_err(|error| Failure::usage(error.to_string()))?;
            options.set_security(security);
        } else if !self.plain_server.is_empty() {
            let users =
                self.plain_server.iter().map(|user| user_and_password(user)).collect::<Outcome<Vec<_>>>()?;
            options.set_security(Security::plain_server(users));
        }
        Ok(())
    }
}

fn user_and_password(text: &str) -> Outcome<(&str, &str)> {
    text.split_once(':').ok_or_else(|| Failure::usage("a user is given as USER:PASSWORD"))
}

fn failure(error: KeyFileError) -> Failure {
    let text = error.to_string();
    match error.what {
        KeyFileFault::Unreadable(_) => Failure::not_found(format!("cannot read {text}")),
        _ => Failure::failed(text),
    }
}
