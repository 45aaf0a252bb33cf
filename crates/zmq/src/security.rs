//! Who may connect, and who reads along: security mechanisms, keys, and lists of who is let in.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use subtle::ConstantTimeEq;
use tamtam_zmtp::{
    AuthReply, Credentials, CurveKeyPair, CurvePublicKey, KeyError, Mechanism, PlainCredentials,
};

/// The security of a socket's network connections, to be set with
/// [`Options::set_security`](crate::Options::set_security). Both ends need the same mechanism; which end binds does not
/// matter. Connections inside a context (`inproc://`) are not affected.
///
/// * *NULL*, the default: none. With [`Options::set_zap_domain`](crate::Options::set_zap_domain) a handler decides by address.
/// * *PLAIN* (24/ZMTP-PLAIN): clients show a user name and a password, in clear. For networks that are trusted.
/// * *CURVE* (25/ZMTP-CURVE): everything is encrypted, clients know that they talk to the right server, and servers know
///   which client they talk to.
///
/// A server lets in whom its own list names ([`allow`](Self::allow), [`plain_server`](Self::plain_server)). Without one it
/// asks the handler that is bound at `inproc://zeromq.zap.01` in the same context (27/ZAP). Without that either, PLAIN
/// lets nobody in, and CURVE everybody, unless [`Options::set_zap_enforce_domain`](crate::Options::set_zap_enforce_domain)
/// is set: encrypted, but not authenticated.
///
/// # Examples
///
/// ```
/// use tamtam_zmq::{AllowList, Context, CurveKeyPair, Pull, Push, Security};
///
/// let (server, client) = (CurveKeyPair::generate()?, CurveKeyPair::generate()?);
/// let context = Context::new();
/// let pull = Pull::with(&context, |o| {
///     o.set_security(Security::curve_server(server.clone()).allow(AllowList::keys([client.public])));
/// })?;
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// let push = Push::with(&context, |o| {
///     o.set_security(Security::curve_client(client, server.public));
/// })?;
/// push.connect(&endpoint)?;
/// push.send("for your eyes only")?;
/// assert_eq!(pull.recv()?.as_slice(), b"for your eyes only");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Security {
    pub(crate) mechanism: Mechanism,
    /// Who decides without asking a handler.
    pub(crate) checker: Option<Checker>,
}

impl Security {
    /// No security: the default.
    #[must_use]
    pub fn null() -> Self {
        Self::default()
    }

    /// PLAIN: a client that shows this user name and password.
    ///
    /// # Errors
    ///
    /// [`CredentialsTooLong`] if one of them has more than 255 bytes.
    pub fn plain_client(
        username: impl Into<Vec<u8>>,
        password: impl Into<Vec<u8>>,
    ) -> Result<Self, CredentialsTooLong> {
        let credentials = PlainCredentials::new(username, password).ok_or(CredentialsTooLong)?;
        Ok(Self { mechanism: Mechanism::PlainClient(credentials), checker: None })
    }

    /// PLAIN: a server that lets in whoever knows the password of one of these users.
    #[must_use]
    pub fn plain_server<U, P>(users: impl IntoIterator<Item = (U, P)>) -> Self
    where
        U: Into<Vec<u8>>,
        P: Into<Vec<u8>>,
    {
        let users = users.into_iter().map(|(user, password)| (user.into(), password.into())).collect();
        Self { checker: Some(Checker::Users(Arc::new(Users(users)))), ..Self::plain_server_with_handler() }
    }

    /// PLAIN: a server that lets in whom the ZAP handler of its context lets in.
    #[must_use]
    pub const fn plain_server_with_handler() -> Self {
        Self { mechanism: Mechanism::PlainServer, checker: None }
    }

    /// CURVE: a client with these keys, of the server that has this public key.
    #[must_use]
    pub const fn curve_client(keys: CurveKeyPair, server: CurvePublicKey) -> Self {
        Self { mechanism: Mechanism::CurveClient { keys, server }, checker: None }
    }

    /// CURVE: a server with these keys, a pair or a secret key alone; see [`read_key_file`]. Whom it lets in is said with
    /// [`allow`](Self::allow), or left to the ZAP handler.
    #[must_use]
    pub fn curve_server(keys: impl Into<CurveKeyPair>) -> Self {
        Self { mechanism: Mechanism::CurveServer(keys.into()), checker: None }
    }

    /// Lets in only the clients whose keys are on the list, without asking a handler. Means something to servers of CURVE.
    #[must_use]
    pub fn allow(mut self, list: AllowList) -> Self {
        self.checker = Some(Checker::Keys(list));
        self
    }

    /// Returns the mechanism's name: `NULL`, `PLAIN` or `CURVE`.
    #[must_use]
    pub const fn mechanism(&self) -> &'static str {
        self.mechanism.name()
    }
}

/// A user name or password of PLAIN has more than 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user name or a password of PLAIN has at most 255 bytes")]
pub struct CredentialsTooLong;

/// Who decides in place of a ZAP handler.
#[derive(Clone, Debug)]
pub(crate) enum Checker {
    Users(Arc<Users>),
    Keys(AllowList),
}

impl Checker {
    /// Decides. May read a file, so no lock may be held.
    pub(crate) fn check(&self, credentials: &Credentials) -> AuthReply {
        let known = match (self, credentials) {
            (Self::Users(users), Credentials::Plain { username, password }) => {
                users.knows(username, password).then(|| username.clone())
            }
            (Self::Keys(list), Credentials::Curve(key)) => list.user(key),
            _ => None,
        };
        let text = match credentials {
            Credentials::Plain { username, .. } => {
                format!("wrong password, or no user {}", username.escape_ascii())
            }
            Credentials::Curve(key) => format!("the client's key {key} is not on the list"),
            _ => String::new(),
        };
        match known {
            Some(user) => AuthReply::Accept { user_id: Some(user), metadata: Vec::new() },
            None => AuthReply::Refuse { status: 400, text },
        }
    }
}

/// User names and passwords.
pub(crate) struct Users(HashMap<Vec<u8>, Vec<u8>>);

impl Users {
    fn knows(&self, username: &[u8], password: &[u8]) -> bool {
        // An unknown name takes as long as a wrong password.
        let (known, expected) = match self.0.get(username) {
            Some(expected) => (true, expected.as_slice()),
            None => (false, password),
        };
        bool::from(expected.ct_eq(password)) & known
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.0.len())
    }
}

/// The public keys of the clients that a server of CURVE lets in, given or in a file.
///
/// A file has one key per line, 40 characters of Z85 (32/Z85); what follows a key on its line is a name for it, which becomes
/// the client's user id in place of the key's text. Empty lines and lines that begin with `#` are passed over.
///
/// The file is looked at with each handshake, and read again when it has changed. While it cannot be read or has a line
/// that is no key, the last list that was good stays in force, and a warning is logged.
#[derive(Clone)]
pub struct AllowList(Arc<Source>);

enum Source {
    Keys(HashMap<CurvePublicKey, Bytes>),
    File { path: PathBuf, read: Mutex<ReadFile> },
}

/// What was read last.
struct ReadFile {
    stamp: Option<Stamp>,
    keys: Arc<HashMap<CurvePublicKey, Bytes>>,
}

/// By what a change of a file is noticed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

impl AllowList {
    /// A list of these keys; each client's user id is its key's text.
    #[must_use]
    pub fn keys(keys: impl IntoIterator<Item = CurvePublicKey>) -> Self {
        let keys = keys.into_iter().map(|key| (key, key.to_string().into())).collect();
        Self(Arc::new(Source::Keys(keys)))
    }

    /// The list in a file.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] if it cannot be read now, or has a line that is no key.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, KeyFileError> {
        let path = path.into();
        let stamp = stamp(&path);
        let keys = Arc::new(read_list(&path)?);
        Ok(Self(Arc::new(Source::File { path, read: Mutex::new(ReadFile { stamp, keys }) })))
    }

    /// Tells whether a key is on the list; reads the file again if it has changed.
    #[must_use]
    pub fn contains(&self, key: &CurvePublicKey) -> bool {
        self.user(key).is_some()
    }

    /// Returns the user id that goes with a key on the list.
    fn user(&self, key: &CurvePublicKey) -> Option<Bytes> {
        match &*self.0 {
            Source::Keys(keys) => keys.get(key).cloned(),
            Source::File { path, read } => up_to_date(path, read).get(key).cloned(),
        }
    }
}

fn locked(read: &Mutex<ReadFile>) -> MutexGuard<'_, ReadFile> {
    read.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the list, read again if the file has changed. The lock is not held while the file is read.
fn up_to_date(path: &Path, read: &Mutex<ReadFile>) -> Arc<HashMap<CurvePublicKey, Bytes>> {
    let found = stamp(path);
    let known = locked(read).stamp;
    if found == known {
        return Arc::clone(&locked(read).keys);
    }
    let result = read_list(path);
    let mut read = locked(read);
    // What is wrong with the file is said once.
    read.stamp = found;
    match result {
        Ok(keys) => read.keys = Arc::new(keys),
        Err(error) => tracing::warn!(%error, "the last list that was good stays in force"),
    }
    Arc::clone(&read.keys)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok(), len: metadata.len(), inode: metadata.ino() })
}

fn read_list(path: &Path) -> Result<HashMap<CurvePublicKey, Bytes>, KeyFileError> {
    let failed = |what| KeyFileError { path: path.to_owned(), what };
    let text = std::fs::read_to_string(path).map_err(|error| failed(KeyFileFault::Unreadable(error)))?;
    let mut keys = HashMap::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let (key, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        // A key may begin with `#`, as a comment does.
        let key: CurvePublicKey = match key.parse() {
            Ok(key) => key,
            Err(_) if line.is_empty() || line.starts_with('#') => continue,
            Err(_) => return Err(failed(KeyFileFault::NoKey { line: number })),
        };
        let user = match name.trim() {
            "" => key.to_string(),
            name => name.to_owned(),
        };
        keys.insert(key, user.into());
    }
    Ok(keys)
}

impl fmt::Debug for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Source::Keys(keys) => write!(f, "AllowList({} keys)", keys.len()),
            Source::File { path, .. } => write!(f, "AllowList({})", path.display()),
        }
    }
}

/// Reads a key pair, or a secret key alone, from a file: see [`CurveKeyPair::from_text`].
///
/// # Errors
///
/// [`KeyFileError`], which repeats nothing of what is in the file.
pub fn read_key_file(path: impl AsRef<Path>) -> Result<CurveKeyPair, KeyFileError> {
    let path = path.as_ref();
    let failed = |what| KeyFileError { path: path.to_owned(), what };
    let text = std::fs::read_to_string(path).map_err(|error| failed(KeyFileFault::Unreadable(error)))?;
    CurveKeyPair::from_text(&text).map_err(|error| failed(KeyFileFault::Malformed(error)))
}

/// A file has not the keys that it should have.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub what: KeyFileFault,
}

/// What is wrong with a file of keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileFault {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(io::Error),
    /// It is no key file.
    #[error("{0}")]
    Malformed(KeyError),
    /// A line of a list is no key.
    #[error("line {line} does not begin with a key of 40 characters of Z85")]
    NoKey {
        /// The line's number, from 1.
        line: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(octet: u8) -> CurvePublicKey {
        CurvePublicKey::from_bytes([octet; 32])
    }

    fn accepted(reply: AuthReply) -> Option<Bytes> {
        match reply {
            AuthReply::Accept { user_id, .. } => user_id,
            _ => None,
        }
    }

    #[test]
    fn users_are_known_by_their_passwords() {
        let security = Security::plain_server([("admin", "secret"), ("joe", "")]);
        let checker = security.checker.as_ref().expect("a list");
        let check = |username: &'static str, password: &'static str| {
            accepted(
                checker.check(&Credentials::Plain { username: username.into(), password: password.into() }),
            )
        };
        assert_eq!(check("admin", "secret").as_deref(), Some(&b"admin"[..]));
        assert_eq!(check("joe", "").as_deref(), Some(&b"joe"[..]));
        for (username, password) in
            [("admin", "Secret"), ("admin", ""), ("joe", "secret"), ("eve", "eve"), ("", "")]
        {
            assert_eq!(check(username, password), None);
        }
        assert_eq!(accepted(checker.check(&Credentials::Curve(key(1)))), None);
        assert!(!format!("{security:?}").contains("secret"));
        assert!(Security::plain_client("x".repeat(256), "").is_err());
    }

    #[test]
    fn a_list_names_who_is_let_in() {
        let list = AllowList::keys([key(1), key(2)]);
        let checker = Checker::Keys(list.clone());
        assert_eq!(accepted(checker.check(&Credentials::Curve(key(1)))), Some(key(1).to_string().into()));
        assert!(list.contains(&key(2)) && !list.contains(&key(3)));
        let AuthReply::Refuse { status: 400, text } = checker.check(&Credentials::Curve(key(3))) else {
            panic!("not on the list")
        };
        assert!(text.contains(&key(3).to_string()));
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let path = std::env::temp_dir().join(format!("tamtam-allow-{}", std::process::id()));
        let write = |text: String| std::fs::write(&path, text).expect("a temporary file");
        assert!(AllowList::file(&path).is_err(), "it has to be there at first");
        write(format!("# who may come in\n\n{} Joe Doe\n{}\n", key(1), key(2)));
        let list = AllowList::file(&path).expect("a list");
        assert_eq!(list.user(&key(1)).as_deref(), Some(&b"Joe Doe"[..]));
        assert_eq!(list.user(&key(2)), Some(key(2).to_string().into()));
        write(format!("{}\n", key(3)));
        assert!(list.contains(&key(3)) && !list.contains(&key(1)));
        write("no key\n".into());
        assert!(list.contains(&key(3)), "the last good list stays");
        let error = AllowList::file(&path).expect_err("no list").to_string();
        assert!(error.ends_with("line 1 does not begin with a key of 40 characters of Z85"), "{error}");
        std::fs::remove_file(&path).expect("it was there");
        assert!(list.contains(&key(3)));
        write(String::new());
        assert!(!list.contains(&key(3)), "an empty list lets nobody in");
        std::fs::remove_file(&path).expect("it was there");
    }
}
