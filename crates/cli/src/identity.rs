//! The file with our long-term identity key.
//!
//! Two lines: a heading, and the key's 32-byte seed in hexadecimal digits. The file is made readable by its
//! owner alone. One that others can read is refused, as its key may not be ours alone.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use concilium::gka::Identity;
use concilium::{Context, MemberId, RandomnessError, Secret};
use zeroize::Zeroizing;

use crate::{place, text};

const HEADING: &str = "concilium identity 1\n";

/// Heading, digits, end of line.
const FILE_BYTES: usize = HEADING.len() + 64 + 1;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum IdentityError {
    /// Others can read the file.
    #[error("others can read the identity key in {path}; run `chmod 600 {quoted}` if you are sure that nobody has, or else delete it to start with a new key", path = .0.display(), quoted = quote(.0))]
    Exposed(PathBuf),
    /// Not what we write.
    #[error("{} is not an identity file; name another one with --identity, or move it away to start with a new key", .0.display())]
    Malformed(PathBuf),
    /// Reading or writing failed.
    #[error("the identity file {} cannot be used: {source}; name another one with --identity", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No randomness for a new key.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// Quotes a path for a shell, so that the advised command can be copied.
fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-%+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The identity in a file, which is made with a fresh key if there is none; says whether it was.
///
/// # Errors
/// The file cannot be read or made, is none of ours, or others can read it.
pub(crate) fn load_or_create(
    path: &Path,
    member: &MemberId,
    cx: &mut Context<'_>,
) -> Result<(Identity, bool), IdentityError> {
    // Two attempts: another process may make the file between our look and our try.
    for _ in 0..2 {
        match File::open(path) {
            Ok(file) => return Ok((Identity::new(member.clone(), &read(file, path)?), false)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(file_error(path, source)),
        }
        let seed: Secret<32> = cx.secret()?;
        match place::create_private(path, write(&seed).as_bytes()) {
            Ok(()) => return Ok((Identity::new(member.clone(), &seed), true)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(file_error(path, source)),
        }
    }
    Err(file_error(path, io::ErrorKind::AlreadyExists.into()))
}

fn file_error(path: &Path, source: io::Error) -> IdentityError {
    IdentityError::File {
        path: path.to_owned(),
        source,
    }
}

fn write(seed: &Secret<32>) -> Zeroizing<String> {
    // With the room it needs from the start: a string that grows leaves copies behind.
    let mut content = Zeroizing::new(String::with_capacity(FILE_BYTES));
    content.push_str(HEADING);
    content.push_str(&Zeroizing::new(text::hex(seed.expose())));
    content.push('\n');
    content
}

fn read(mut file: File, path: &Path) -> Result<Secret<32>, IdentityError> {
    // The open file is asked, not its path, lest another file be put in its place in between.
    let metadata = file.metadata().map_err(|source| file_error(path, source))?;
    if !metadata.is_file() {
        return Err(IdentityError::Malformed(path.to_owned()));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&metadata) & 0o077 != 0 {
        return Err(IdentityError::Exposed(path.to_owned()));
    }
    // One byte more than we want, to notice longer files.
    let mut content = Zeroizing::new([0; FILE_BYTES + 1]);
    let mut len = 0;
    while let Some(space @ [_, ..]) = content.get_mut(len..) {
        match file.read(space) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(file_error(path, source)),
        }
    }
    let mut seed = Secret::zeroed();
    content
        .get(..len)
        .and_then(|content| content.strip_prefix(HEADING.as_bytes()))
        .and_then(|line| line.strip_suffix(b"\n"))
        .and_then(|digits| text::unhex(digits, seed.expose_mut()))
        .ok_or_else(|| IdentityError::Malformed(path.to_owned()))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use concilium::Time;
    use concilium_core::testing::rng::{Broken, seeded};

    fn load(path: &Path, seed: u64) -> Result<(Identity, bool), IdentityError> {
        let mut source = seeded(seed);
        let alice = MemberId::new("alice").unwrap();
        load_or_create(path, &alice, &mut Context::new(Time::ZERO, &mut source))
    }

    #[test]
    fn a_key_is_made_once_and_then_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/identity");
        let (made, new) = load(&path, 1).unwrap();
        assert!(new);
        let (kept, new) = load(&path, 2).unwrap();
        assert!(!new);
        assert_eq!(kept.verifying_key(), made.verifying_key());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), FILE_BYTES as u64);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_command_to_mend_it() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("it's mine");
        load(&path, 1).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        for bits in [0o640, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits)).unwrap();
            let error = load(&path, 1).unwrap_err();
            assert!(matches!(error, IdentityError::Exposed(_)), "{bits:o}: {error}");
            let advice = format!(r"`chmod 600 '{}/it'\''s mine'`", directory.path().display());
            assert!(error.to_string().contains(&advice), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        load(&path, 1).unwrap();
    }

    #[test]
    fn damaged_files_are_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity");
        let good = write(&Secret::new([0xa5; 32]));
        let bad = [
            String::new(),
            good.trim_end().to_owned(),
            format!("{}\n", &*good),
            good.replace('a', "g"),
            good.replace(" 1\n", " 2\n"),
            "x".repeat(10_000),
        ];
        for content in bad {
            place::replace_private(&path, content.as_bytes()).unwrap();
            assert!(
                matches!(load(&path, 1), Err(IdentityError::Malformed(_))),
                "{content:?}"
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        assert!(matches!(
            load(directory.path(), 1),
            Err(IdentityError::Malformed(_))
        ));
        place::replace_private(&path, good.as_bytes()).unwrap();
        load(&path, 1).unwrap();
    }

    #[test]
    fn a04_a_broken_random_source_makes_no_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity");
        for mut broken in Broken::ALL {
            let alice = MemberId::new("alice").unwrap();
            let result = load_or_create(&path, &alice, &mut Context::new(Time::ZERO, &mut broken));
            assert!(matches!(result, Err(IdentityError::Randomness(_))), "{broken:?}");
            assert!(!path.exists());
        }
    }

    #[test]
    fn a21_errors_do_not_tell_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity");
        let good = write(&Secret::new([0xa5; 32]));
        place::replace_private(&path, format!("{}x", &*good).as_bytes()).unwrap();
        let error = load(&path, 1).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("a5a5"));
    }
}
