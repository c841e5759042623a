//! Bytes of others on our terminal, and names typed by people.
//!
//! Bytes of a peer must not reach the terminal as they came: an escape sequence could clear the screen, forge
//! a line, or answer for the user (A-48). Names print as [`MemberId`] displays them, with spaces escaped as
//! well, and can be typed back in that form. Bodies keep all printable Unicode.

use std::fmt::{self, Write as _};

use concilium::{MemberId, NameError, Time};

/// Why something typed is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NameTextError {
    /// A backslash begins nothing that we know.
    #[error(r"after a backslash comes one of \ n r t ' x20 u{{202e}}; a backslash itself is written \\")]
    BadEscape,
    /// Empty, or too long.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// A name as it can be typed back: one word.
pub(crate) fn name(member: &MemberId) -> String {
    member.to_string().replace(' ', r"\x20")
}

/// Names as they can be typed back, separated by spaces.
pub(crate) fn names<'a>(members: impl IntoIterator<Item = &'a MemberId>) -> String {
    let names: Vec<String> = members.into_iter().map(name).collect();
    names.join(" ")
}

/// The bytes of a name as typed. Characters stand for themselves, except for the backslash escapes with which
/// names are shown.
pub(crate) fn unescape(typed: &[u8]) -> Result<Vec<u8>, NameTextError> {
    let mut bytes = Vec::with_capacity(typed.len());
    let mut rest = typed;
    while let [first, tail @ ..] = rest {
        if *first == b'\\' {
            rest = unescape_one(tail, &mut bytes).ok_or(NameTextError::BadEscape)?;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    Ok(bytes)
}

/// Reads what follows a backslash, and gives the rest.
fn unescape_one<'a>(after: &'a [u8], bytes: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (byte, rest) = match after {
        [c @ (b'\\' | b'\'' | b'"'), rest @ ..] => (*c, rest),
        [b'n', rest @ ..] => (b'\n', rest),
        [b'r', rest @ ..] => (b'\r', rest),
        [b't', rest @ ..] => (b'\t', rest),
        [b'x', high, low, rest @ ..] => (nibble(*high)? << 4 | nibble(*low)?, rest),
        [b'u', b'{', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b'}')?;
            let (digits, tail) = rest.split_at_checked(end)?;
            let digits = str::from_utf8(digits)
                .ok()
                .filter(|digits| !digits.starts_with('+'))?;
            let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return tail.get(1..);
        }
        _ => return None,
    };
    bytes.push(byte);
    Some(rest)
}

/// A member's name, as typed.
pub(crate) fn member(typed: &[u8]) -> Result<MemberId, NameTextError> {
    Ok(MemberId::new(unescape(typed)?)?)
}

/// Several members' names, as typed: separated by spaces.
pub(crate) fn members(typed: &[u8]) -> Result<Vec<MemberId>, NameTextError> {
    typed
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(member)
        .collect()
}

/// A body on one line of a terminal: printable Unicode as it is, everything else escaped.
pub(crate) fn body(bytes: &[u8]) -> Body<'_> {
    Body(bytes)
}

/// See [`body`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a>(&'a [u8]);

impl fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if is_plain(c) {
                    f.write_char(c)?;
                } else {
                    write!(f, "{}", c.escape_default())?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a character only ever draws itself. The standard library escapes unprintable characters. It is
/// asked behind a letter, where it lets combining marks pass.
fn is_plain(c: char) -> bool {
    // Quotes and backslashes are escaped for another reason. The two joiners belong to words and emoji, and
    // move only what stands beside them.
    if matches!(c, '\'' | '"' | '\\' | '\u{200c}' | '\u{200d}') {
        return true;
    }
    let mut buffer = [b'a'; 5];
    let len = match buffer.get_mut(1..) {
        Some(tail) => c.encode_utf8(tail).len(),
        None => return false,
    };
    let behind_a_letter = buffer.get(..=len).and_then(|bytes| str::from_utf8(bytes).ok());
    behind_a_letter.is_some_and(|text| text.escape_debug().eq(text.chars()))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Exactly `N` bytes from hexadecimal digits, into a place that the caller chose: the bytes may be secret.
pub(crate) fn unhex<const N: usize>(digits: &[u8], bytes: &mut [u8; N]) -> Option<()> {
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(())
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The time of day in UTC, of a time that counts from the Unix epoch.
pub(crate) fn time_of_day(time: Time) -> String {
    let seconds = time.as_millis() / 1000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(bytes: &[u8]) -> String {
        body(bytes).to_string()
    }

    #[test]
    fn a48_no_body_reaches_the_terminal_as_a_command() {
        assert_eq!(shown(b"\x1b[2J\x1b]0;title\x07"), r"\u{1b}[2J\u{1b}]0;title\u{7}");
        assert_eq!(shown(b"a\r\nb\tc\0"), r"a\r\nb\tc\u{0}");
        assert_eq!(
            shown("c1 \u{9b}2J".as_bytes()),
            r"c1 \u{9b}2J",
            "the eight-bit escape"
        );
        assert_eq!(shown("\u{202e}evil\u{2066}".as_bytes()), r"\u{202e}evil\u{2066}");
        assert_eq!(shown("line\u{2028}line".as_bytes()), r"line\u{2028}line");
        assert_eq!(shown(b"\xff\xc3("), r"\xff\xc3(");
    }

    #[test]
    fn bodies_keep_what_people_write() {
        for text in [
            "it's \"so\" \\o/",
            "Ça va? größer — 漢字, हिन्दी, עברית, ไทย",
            "e\u{301} 👩\u{200d}👧 ✓",
        ] {
            assert_eq!(shown(text.as_bytes()), text);
        }
    }

    #[test]
    fn a48_names_with_escapes_that_mean_nothing_are_refused() {
        for typed in [
            r"\",
            r"\q",
            r"\x1",
            r"\xzz",
            r"\u{}",
            r"\u{d800}",
            r"\u{20",
            r"\u{+20}",
        ] {
            assert_eq!(
                unescape(typed.as_bytes()),
                Err(NameTextError::BadEscape),
                "{typed}"
            );
        }
        assert!(matches!(member(b""), Err(NameTextError::Name(NameError::Empty))));
        let two = members(b" alice  bob\\x20b ").unwrap();
        assert_eq!(
            two,
            [MemberId::new("alice").unwrap(), MemberId::new("bob b").unwrap()]
        );
    }

    proptest! {
        #[test]
        fn a48_names_can_be_typed_back_as_they_are_shown(
            list in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..=255), 0..4)
        ) {
            let list: Vec<MemberId> = list.into_iter().map(|bytes| MemberId::new(bytes).unwrap()).collect();
            prop_assert_eq!(members(names(&list).as_bytes()), Ok(list));
        }

        #[test]
        fn a48_no_bytes_print_as_anything_but_one_line(bytes: Vec<u8>) {
            prop_assert!(!shown(&bytes).chars().any(char::is_control));
        }

        #[test]
        fn hexadecimal_digits_read_back(bytes: [u8; 8]) {
            let mut back = [0; 8];
            prop_assert_eq!(unhex(hex(&bytes).as_bytes(), &mut back), Some(()));
            prop_assert_eq!(back, bytes);
        }
    }

    #[test]
    fn the_time_of_day_is_utc() {
        assert_eq!(time_of_day(Time::from_millis(1_700_000_000_000)), "22:13:20");
    }
}
