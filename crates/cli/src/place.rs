//! The default places of files, and writing them whole or not at all.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use concilium::{FramedHash, MemberId};
use tempfile::{Builder, NamedTempFile};

use crate::text;

/// File names are at most 255 bytes on the usual file systems; an escaped name beyond this is hashed instead.
const MAX_STEM_BYTES: usize = 200;

/// There is neither `XDG_CONFIG_HOME` nor a home directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no place for files: set HOME or XDG_CONFIG_HOME, or name the files with --identity and --known-keys"
)]
pub(crate) struct NoPlaceError;

/// The directory for our files: `$XDG_CONFIG_HOME/concilium`, or `.config/concilium` at home.
pub(crate) fn config_directory() -> Result<PathBuf, NoPlaceError> {
    // The XDG base directory specification: a relative path is invalid and is to be ignored.
    let absolute = |path: std::ffi::OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let xdg = std::env::var_os("XDG_CONFIG_HOME").and_then(absolute);
    let base = xdg.or_else(|| {
        Some(
            std::env::home_dir()
                .filter(|home| home.is_absolute())?
                .join(".config"),
        )
    });
    base.map(|base| base.join("concilium")).ok_or(NoPlaceError)
}

/// The file with a member's identity key, in the directory for our files.
pub(crate) fn identity_file(directory: &Path, member: &MemberId) -> PathBuf {
    directory.join("identities").join(file_stem(member))
}

/// A file name for a member. Injective even where file systems ignore case, and never a path: the name is the
/// user's, but may come from a script.
fn file_stem(member: &MemberId) -> String {
    let mut stem = String::new();
    for byte in member.as_bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => stem.push(char::from(*byte)),
            byte => {
                stem.push('%');
                stem.push_str(&text::hex(&[*byte]));
            }
        }
    }
    if stem.len() <= MAX_STEM_BYTES {
        stem
    } else {
        let hash = FramedHash::new("concilium 2026-11 v1 cli file name of a member")
            .field(member.as_bytes())
            .finish();
        // No escaped name begins so.
        format!("%hash-{}", text::hex(&hash))
    }
}

/// Writes a file that did not exist, readable by its owner alone.
///
/// # Errors
/// It exists already ([`io::ErrorKind::AlreadyExists`]), or it could not be written; then there is no file.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    temporary(path, content)?.persist_noclobber(path)?;
    sync_directory(path)
}

/// Replaces a file, readable by its owner alone.
///
/// # Errors
/// It could not be written; then the file is as it was.
pub(crate) fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    temporary(path, content)?.persist(path)?;
    sync_directory(path)
}

/// The content in a temporary file beside its destination. The crate makes it readable by its owner alone.
fn temporary(path: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    create_directory(parent(path))?;
    let prefix = path.file_name().unwrap_or(OsStr::new("file"));
    let mut file = Builder::new()
        .prefix(prefix)
        .suffix(".new")
        .tempfile_in(parent(path))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes the directory if there is none, open to its owner alone.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The directory of a file.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes a new entry of a directory survive a power failure, where the system knows how.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        std::fs::File::open(parent(path))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stem(bytes: &[u8]) -> String {
        file_stem(&MemberId::new(bytes).unwrap())
    }

    #[test]
    fn a48_a_name_never_leads_to_another_directory_or_file() {
        assert_eq!(stem(b"../../etc/passwd"), "%2e%2e%2f%2e%2e%2fetc%2fpasswd");
        assert_ne!(stem(b"Alice").to_lowercase(), stem(b"alice"));
        assert!(stem(&[b'/'; 255]).starts_with("%hash-"));
    }

    proptest! {
        #[test]
        fn a48_every_member_has_a_file_of_its_own(
            a in proptest::collection::vec(any::<u8>(), 1..=255),
            b in proptest::collection::vec(any::<u8>(), 1..=255),
        ) {
            prop_assert_eq!(a == b, stem(&a) == stem(&b));
            prop_assert!(stem(&a).len() <= MAX_STEM_BYTES);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "%-_".contains(c);
            prop_assert!(stem(&a).chars().all(plain));
        }
    }

    #[test]
    fn a_file_that_exists_is_not_overwritten_by_creating() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/down/file");
        create_private(&path, b"first").unwrap();
        let error = create_private(&path, b"second").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        replace_private(&path, b"third").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"third");
        let entries = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(entries, 1, "no temporary file stays behind");
    }
}
