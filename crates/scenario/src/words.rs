//! A line of a scenario as words.

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The word, without its quotes.
    pub(super) text: String,
    /// Whether it stood in double quotes: then it is never taken for a keyword.
    pub(super) quoted: bool,
}

impl Word {
    /// Whether this is that keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text == keyword
    }
}

/// Splits a line at its spaces. `#` starts a comment, text in double quotes is one word. There are no
/// escapes: the characters between the quotes are the text.
pub(super) fn split(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '#' => break,
            '"' => {
                let (text, after) = rest
                    .strip_prefix('"')
                    .and_then(|rest| rest.split_once('"'))
                    .ok_or("a double quote is not closed on its line")?;
                if after.starts_with(|c: char| !c.is_whitespace() && c != '#') {
                    return Err(format!("a space is missing after \"{text}\""));
                }
                (quoted(text), after)
            }
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || c == '#' || c == '"')
                    .unwrap_or(rest.len());
                let (text, after) = rest.split_at(end);
                if after.starts_with('"') {
                    return Err(format!("a space is missing after {text}"));
                }
                (bare(text), after)
            }
        };
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

fn quoted(text: &str) -> Word {
    Word {
        text: text.to_owned(),
        quoted: true,
    }
}

fn bare(text: &str) -> Word {
    Word {
        text: text.to_owned(),
        quoted: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_comments() {
        assert_eq!(split("").unwrap(), []);
        assert_eq!(split("  # nothing").unwrap(), []);
        assert_eq!(
            split("a  \"b # c\"\t\"\" d# e").unwrap(),
            [bare("a"), quoted("b # c"), quoted(""), bare("d")]
        );
        assert_eq!(split("\"ends\"# here").unwrap(), [quoted("ends")]);
        assert!(split("\"none\"").unwrap().iter().all(|word| !word.is("none")));
    }

    #[test]
    fn broken_quotes_are_refused() {
        for line in ["\"", "a \"b", "a\"b\"", "\"a\"b"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
