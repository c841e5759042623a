//! Lines in, from a terminal or a pipe.

use std::io::{self, BufRead, Read as _};

use tokio::sync::mpsc;

/// The longest line, in bytes: a message of the longest body.
const MAX_LINE_BYTES: usize = concilium::encryptor::MAX_BODY_BYTES;

/// The most lines that wait: a writer that is faster than we send waits too.
const MAX_WAITING: usize = 16;

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Text(Vec<u8>),
    /// A line that was longer than a message can be, and is lost.
    TooLong,
}

/// Reads standard input in a thread of its own, as such reads cannot be interrupted. The thread ends with the
/// input, or with the process.
pub(super) fn lines() -> io::Result<mpsc::Receiver<Line>> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    let read = move || {
        let mut input = io::stdin().lock();
        while let Some(line) = next_line(&mut input) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("lines".to_owned()).spawn(read)?;
    Ok(receiver)
}

/// The next line. None at the end, or if the input breaks. Memory is bounded for any input.
fn next_line(input: &mut impl BufRead) -> Option<Line> {
    let mut line = Vec::new();
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX) + 1;
    input.by_ref().take(limit).read_until(b'\n', &mut line).ok()?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > MAX_LINE_BYTES {
        input.skip_until(b'\n').ok()?;
        return Some(Line::TooLong);
    } else if line.is_empty() {
        return None;
    }
    Some(Line::Text(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_bytes_are_read_and_long_ones_told() {
        let long = [vec![b'x'; MAX_LINE_BYTES], b"\n".to_vec()].concat();
        let longer = [vec![b'x'; 3 * MAX_LINE_BYTES], b"\n".to_vec()].concat();
        let input = [b"a\xff\r\n\n".as_slice(), &long, &longer, b"end"].concat();
        let mut input = input.as_slice();
        let lines: Vec<Line> = std::iter::from_fn(|| next_line(&mut input)).collect();
        let expected = [
            Line::Text(b"a\xff\r".to_vec()),
            Line::Text(vec![]),
            Line::Text(vec![b'x'; MAX_LINE_BYTES]),
            Line::TooLong,
            Line::Text(b"end".to_vec()),
        ];
        assert_eq!(lines, expected);
    }
}
