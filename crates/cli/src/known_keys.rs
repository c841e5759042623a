//! The identity keys that the user has accepted: a file, and the directory that the key agreement asks.
//!
//! The file has one line per member: the name as it is shown, a space, and the public key in hexadecimal
//! digits. Lines that begin with `#` are comments, and lost when the program writes. The name alone
//! identifies a member. A user of several relays, where one name means different people, keeps a file for
//! each (`--known-keys`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use concilium::gka::Directory;
use concilium::keys::VerifyingKey;
use concilium::{FramedHash, MemberId};

use crate::{place, text};

/// The longest file that is read, in bytes: some three thousand keys with the longest names, or ten times as
/// many with ordinary ones.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

const HEADING: &str = "# Identity keys that you trust: name, key. To trust a new key, delete the old line.\n";

/// Why the known keys cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum KnownKeysError {
    /// A line is not a name and a key.
    #[error("{}:{line}: not a name and a key; mend or delete this line", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// Two lines name one member.
    #[error("{}:{line}: this name stands here twice; delete the line that is wrong", path.display())]
    Duplicate {
        /// Which file.
        path: PathBuf,
        /// The second line, from 1.
        line: usize,
    },
    /// Longer than such a file can be.
    #[error("{} is longer than a file of known keys can be; name another one with --known-keys", .0.display())]
    TooLong(PathBuf),
    /// Another key is known for this member.
    #[error(transparent)]
    Changed(#[from] ChangedKeyError),
    /// Reading or writing failed.
    #[error("the file of known keys {} cannot be used: {source}; name another one with --known-keys", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A member is known with another key than the one now shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "THE KEY OF {} HAS CHANGED, or someone poses as them. Known: {}. Shown now: {}. It is not trusted. \
     Ask them by another way; if the new key is really theirs, delete their line in {}, and start again",
    text::name(member), known, shown, path.display()
)]
pub(crate) struct ChangedKeyError {
    /// Whose.
    pub(crate) member: MemberId,
    /// The fingerprint of the key that is trusted.
    pub(crate) known: String,
    /// The fingerprint of the one that is not.
    pub(crate) shown: String,
    /// The file with the trusted one.
    pub(crate) path: PathBuf,
}

/// What a key is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Known and trusted.
    Trusted,
    /// No key of this member is known.
    Unknown,
    /// Another key is known.
    Changed(ChangedKeyError),
}

/// The known keys: shared by the chat, which learns keys, and the key agreement, which uses them.
#[derive(Clone, Debug)]
pub(crate) struct KnownKeys {
    path: Arc<Path>,
    /// Our own name and key: not in the file, as it is no question of trust.
    own: Option<(MemberId, VerifyingKey)>,
    keys: Arc<RwLock<BTreeMap<MemberId, VerifyingKey>>>,
}

impl KnownKeys {
    /// Reads the file; one that does not exist is empty.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub(crate) fn load(path: &Path) -> Result<Self, KnownKeysError> {
        let keys = read(path)?;
        Ok(Self {
            path: path.into(),
            own: None,
            keys: Arc::new(RwLock::new(keys)),
        })
    }

    /// What this key is to us.
    pub(crate) fn standing(&self, member: &MemberId, shown: &VerifyingKey) -> Standing {
        match self.identity_key(member) {
            None => Standing::Unknown,
            Some(known) if known == *shown => Standing::Trusted,
            Some(known) => Standing::Changed(self.changed(member, &known, shown)),
        }
    }

    /// Trusts a key from now on, and writes it down first.
    ///
    /// # Errors
    /// The file cannot be read or written, or knows another key by now. The key is not trusted then.
    pub(crate) fn trust(&self, member: &MemberId, key: &VerifyingKey) -> Result<(), KnownKeysError> {
        // Keys that another process has added meanwhile must not be lost, so processes take turns: read, add,
        // write.
        let lock = self.lock()?;
        let mut keys = read(&self.path)?;
        if let Some(known) = keys.insert(member.clone(), *key)
            && known != *key
        {
            return Err(self.changed(member, &known, key).into());
        }
        place::replace_private(&self.path, render(&keys).as_bytes())
            .map_err(|source| self.file_error(source))?;
        drop(lock);
        keys.extend(self.own.clone());
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Trusts our own key, for this process only: our packets come back to us.
    pub(crate) fn trust_own(&mut self, member: &MemberId, key: &VerifyingKey) -> Result<(), ChangedKeyError> {
        match self.standing(member, key) {
            Standing::Changed(error) => Err(error),
            Standing::Trusted => Ok(()),
            Standing::Unknown => {
                self.own = Some((member.clone(), *key));
                let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                keys.insert(member.clone(), *key);
                Ok(())
            }
        }
    }

    /// Taken by one process at a time; released when dropped, or when the process ends.
    fn lock(&self) -> Result<File, KnownKeysError> {
        let mut path = self.path.as_os_str().to_owned();
        path.push(".lock");
        let lock = || {
            place::create_directory(place::parent(&self.path))?;
            let file = File::options()
                .create(true)
                .write(true)
                .truncate(false)
                .open(path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|source| self.file_error(source))
    }

    fn changed(&self, member: &MemberId, known: &VerifyingKey, shown: &VerifyingKey) -> ChangedKeyError {
        ChangedKeyError {
            member: member.clone(),
            known: fingerprint(known),
            shown: fingerprint(shown),
            path: self.path.to_path_buf(),
        }
    }

    fn file_error(&self, source: io::Error) -> KnownKeysError {
        KnownKeysError::File {
            path: self.path.to_path_buf(),
            source,
        }
    }
}

impl Directory for KnownKeys {
    fn identity_key(&self, member: &MemberId) -> Option<VerifyingKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(member).copied()
    }
}

/// The fingerprint that two people read to each other to compare a key: 128 bits of its hash, in groups of
/// four digits. Half of a hash is enough here: an attacker gains nothing from two keys of its own with one
/// fingerprint.
pub(crate) fn fingerprint(key: &VerifyingKey) -> String {
    let hash = FramedHash::new("concilium 2026-11 v1 cli fingerprint of an identity key")
        .field(key.as_bytes())
        .finish();
    let mut groups = String::new();
    for (i, pair) in hash.chunks_exact(2).take(8).enumerate() {
        if i > 0 {
            groups.push(' ');
        }
        groups.push_str(&text::hex(pair));
    }
    groups
}

fn render(keys: &BTreeMap<MemberId, VerifyingKey>) -> String {
    let mut content = HEADING.to_owned();
    for (member, key) in keys {
        // A name that begins like a comment is none.
        let name = text::name(member);
        let name = match name.strip_prefix('#') {
            Some(rest) => format!(r"\x23{rest}"),
            None => name,
        };
        let _ = writeln!(content, "{name} {}", text::hex(key.as_bytes()));
    }
    content
}

fn read(path: &Path) -> Result<BTreeMap<MemberId, VerifyingKey>, KnownKeysError> {
    let file_error = |source| KnownKeysError::File {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => return Err(file_error(source)),
    };
    let mut content = Vec::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content);
    if read.map_err(file_error)? as u64 > MAX_FILE_BYTES {
        return Err(KnownKeysError::TooLong(path.to_owned()));
    }
    let mut keys = BTreeMap::new();
    for (i, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (path, line_number) = (path.to_owned(), i + 1);
        let Some((member, key)) = parse(line) else {
            return Err(KnownKeysError::Malformed {
                path,
                line: line_number,
            });
        };
        if keys.insert(member, key).is_some() {
            return Err(KnownKeysError::Duplicate {
                path,
                line: line_number,
            });
        }
    }
    Ok(keys)
}

fn parse(line: &[u8]) -> Option<(MemberId, VerifyingKey)> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (name, digits) = line.split_at_checked(space)?;
    let mut key = [0; 32];
    text::unhex(digits.trim_ascii(), &mut key)?;
    Some((text::member(name).ok()?, VerifyingKey::from_bytes(&key).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use concilium::Secret;
    use concilium::keys::SigningKey;

    fn key(seed: u8) -> VerifyingKey {
        *SigningKey::from_seed(&Secret::new([seed; 32])).verifying_key()
    }

    fn member(name: impl AsRef<[u8]>) -> MemberId {
        MemberId::new(name).unwrap()
    }

    #[test]
    fn a48_keys_are_kept_for_names_of_any_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/known-keys");
        let names = [
            member("alice"),
            member("#alice"),
            member("alice "),
            member(b"a\nb \xff\\ \x1b[2J"),
            member([0; 255]),
        ];
        let known = KnownKeys::load(&path).unwrap();
        for (seed, name) in (0..).zip(&names) {
            assert_eq!(known.standing(name, &key(seed)), Standing::Unknown);
            known.trust(name, &key(seed)).unwrap();
        }
        let again = KnownKeys::load(&path).unwrap();
        for (seed, name) in (0..).zip(&names) {
            assert_eq!(known.standing(name, &key(seed)), Standing::Trusted);
            assert_eq!(again.standing(name, &key(seed)), Standing::Trusted);
        }
    }

    #[test]
    fn a11_a_changed_key_is_refused_and_the_old_one_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known-keys");
        let mut known = KnownKeys::load(&path).unwrap();
        known.trust(&member("bob"), &key(1)).unwrap();
        let Standing::Changed(error) = known.standing(&member("bob"), &key(2)) else {
            panic!("the key has changed");
        };
        let message = error.to_string();
        for part in [
            &fingerprint(&key(1)),
            &fingerprint(&key(2)),
            "delete",
            "known-keys",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(matches!(
            known.trust(&member("bob"), &key(2)),
            Err(KnownKeysError::Changed(_))
        ));
        assert_eq!(known.identity_key(&member("bob")), Some(key(1)));
        assert_eq!(
            KnownKeys::load(&path).unwrap().identity_key(&member("bob")),
            Some(key(1))
        );
        assert!(known.trust_own(&member("bob"), &key(2)).is_err());
    }

    #[test]
    fn two_processes_lose_nothing_of_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known-keys");
        let (one, two) = (KnownKeys::load(&path).unwrap(), KnownKeys::load(&path).unwrap());
        one.trust(&member("alice"), &key(1)).unwrap();
        two.trust(&member("bob"), &key(2)).unwrap();
        assert_eq!(two.identity_key(&member("alice")), Some(key(1)));
        assert!(
            matches!(
                one.trust(&member("bob"), &key(3)),
                Err(KnownKeysError::Changed(_))
            ),
            "the other process knows better"
        );
        let both = KnownKeys::load(&path).unwrap();
        assert_eq!(both.identity_key(&member("alice")), Some(key(1)));
        assert_eq!(both.identity_key(&member("bob")), Some(key(2)));
    }

    #[test]
    fn our_own_key_is_not_written_down() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known-keys");
        let mut known = KnownKeys::load(&path).unwrap();
        known.trust_own(&member("me"), &key(1)).unwrap();
        assert_eq!(known.identity_key(&member("me")), Some(key(1)));
        assert!(!path.exists());
        known.trust(&member("bob"), &key(2)).unwrap();
        assert_eq!(
            known.identity_key(&member("me")),
            Some(key(1)),
            "nor lost by learning others"
        );
        assert_eq!(KnownKeys::load(&path).unwrap().identity_key(&member("me")), None);
    }

    #[test]
    fn damaged_lines_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known-keys");
        let digits = text::hex(key(1).as_bytes());
        let check = |content: String| {
            std::fs::write(&path, content).unwrap();
            KnownKeys::load(&path)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(format!("# note\n\n  alice  {digits}\r\n")), Ok(()));
        for bad in ["alice", "alice zz", "a\\q 00", " \x00", &digits] {
            let error = check(format!("alice {digits}\n{bad}\n")).unwrap_err();
            assert!(error.contains(":2: not a name and a key"), "{bad}: {error}");
        }
        // K-11: the identity element is not a key.
        let error = check(format!("alice 01{}\n", "00".repeat(31))).unwrap_err();
        assert!(error.contains(":1: not a name and a key"), "{error}");
        let error = check(format!("alice {digits}\nbob {digits}\n\\x61lice {digits}\n")).unwrap_err();
        assert!(error.contains(":3: this name stands here twice"), "{error}");
        let error = check("#".repeat(MAX_FILE_BYTES as usize + 1)).unwrap_err();
        assert!(error.contains("longer than"), "{error}");
    }

    #[test]
    fn fingerprints_are_short_and_differ() {
        let fingerprint_of_one = fingerprint(&key(1));
        assert_eq!(fingerprint_of_one.split(' ').count(), 8);
        assert_eq!(fingerprint_of_one.len(), 39);
        assert_ne!(fingerprint_of_one, fingerprint(&key(2)));
    }
}
