//! Just enough of Rust's grammar to tell code from comments and text, and tests from the rest.

use std::ops::Range;

/// A Rust source in which everything but code is blanked: comments, strings and characters are spaces of the
/// same number of bytes, line ends stay. Offsets in it are offsets in the source.
pub(super) fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let (len, is_code) = token(rest, first, after_word);
        let (this, next) = rest.split_at_checked(len).unwrap_or((rest, ""));
        if is_code {
            code.push_str(this);
        } else {
            code.extend(this.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        }
        after_word = is_code && (first.is_alphanumeric() || first == '_');
        rest = next;
    }
    code
}

/// How many bytes the first token of `rest` has, and whether it is code. Code goes one character at a time.
fn token(rest: &str, first: char, after_word: bool) -> (usize, bool) {
    let up_to = |end: Option<usize>| (end.unwrap_or(rest.len()), false);
    if rest.starts_with("//") {
        return up_to(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return up_to(block_comment(rest));
    }
    if !after_word {
        // r"..", br#".."#, cr"..": the prefix counts as text, which no reader of the result minds.
        let raw = rest.trim_start_matches(['b', 'c']);
        if rest.len() - raw.len() <= 1
            && let Some(hashes) = raw.strip_prefix('r')
        {
            let text = hashes.trim_start_matches('#');
            if text.starts_with('"') {
                let close = format!("\"{}", "#".repeat(hashes.len() - text.len()));
                let open = rest.len() - text.len() + 1;
                let end = rest
                    .get(open..)
                    .and_then(|body| body.find(&close))
                    .map(|at| open + at + close.len());
                return up_to(end);
            }
        }
    }
    match first {
        '"' => up_to(closing(rest, '"')),
        '\'' => {
            let mut next = rest.chars().skip(1);
            let (second, third) = (next.next(), next.next());
            if second == Some('\\') || (third == Some('\'') && second != Some('\'')) {
                up_to(closing(rest, '\''))
            } else {
                (1, true) // a lifetime
            }
        }
        _ => (first.len_utf8(), true),
    }
}

fn block_comment(rest: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut at = 0;
    loop {
        let here = rest.get(at..)?;
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += here.chars().next()?.len_utf8();
        }
    }
}

/// Where the text that starts with `quote` ends.
fn closing(rest: &str, quote: char) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == quote {
            return Some(at + c.len_utf8());
        }
    }
    None
}

/// What stands under `#[cfg(test)]`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TestParts {
    /// The items themselves, from their attribute to their end.
    pub(super) regions: Vec<Range<usize>>,
    /// Modules in files of their own.
    pub(super) modules: Vec<String>,
}

/// Finds the items for tests alone, in what [`code_of`] made.
pub(super) fn test_parts(code: &str) -> TestParts {
    let mut parts = TestParts::default();
    let mut from = 0;
    while let Some(start) = code
        .get(from..)
        .and_then(|rest| rest.find("#[cfg("))
        .map(|at| from + at)
    {
        from = start + 1;
        let Some(attribute) = code
            .get(start..)
            .and_then(|rest| rest.get(..group(rest.get(1..)?)? + 1))
        else {
            continue;
        };
        if !words(attribute).any(|word| word == "test") || words(attribute).any(|word| word == "not") {
            continue;
        }
        let item = start + attribute.len();
        let Some(rest) = code.get(item..) else { continue };
        // The item ends with its block, or with a semicolon where it has none.
        let end = match rest.find(['{', ';']) {
            Some(at) if rest.get(at..).is_some_and(|rest| rest.starts_with('{')) => {
                rest.get(at..).and_then(group).map(|len| item + at + len)
            }
            Some(at) => {
                let head: Vec<&str> = rest
                    .get(..at)
                    .map(|head| words(head).collect())
                    .unwrap_or_default();
                if let [.., "mod", name] = head.as_slice() {
                    parts.modules.push((*name).to_owned());
                }
                Some(item + at + 1)
            }
            None => None,
        };
        let end = end.unwrap_or(code.len());
        parts.regions.push(start..end);
        from = end;
    }
    parts
}

/// The length of the bracketed group that `code` starts with, whatever the kind of bracket.
fn group(code: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The identifiers and keywords of some code.
pub(super) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

/// Whether a text is one identifier or keyword.
pub(super) fn is_word(text: &str) -> bool {
    words(text).next() == Some(text)
}

/// The macros that some code defines with `macro_rules!`: their names and bodies.
pub(super) fn bodies_of_macros(code: &str) -> Vec<(&str, &str)> {
    let starts = code.match_indices("macro_rules!");
    starts
        .filter_map(|(at, mark)| {
            let rest = code.get(at + mark.len()..)?;
            let name = words(rest).next()?;
            let body = rest.get(rest.find(['{', '(', '['])?..)?;
            Some((name, body.get(..group(body)?)?))
        })
        .collect()
}

/// A function: its name, and whether an attribute such as `#[test]` or `#[tokio::test]` makes it a test.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) is_test: bool,
}

/// The functions of some code, those inside of macros included.
pub(super) fn functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    let mut is_test = false;
    let mut last = "";
    let mut at = 0;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        let word_len = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        if let Some(word) = rest.get(..word_len).filter(|word| !word.is_empty()) {
            if last == "fn" {
                found.push(Function { name: word, is_test });
                is_test = false;
            }
            last = word;
            at += word_len;
        } else if rest.starts_with("#[") {
            let len = rest.get(1..).and_then(group).map_or(2, |len| len + 1);
            let path = rest
                .get(2..len)
                .and_then(|inside| inside.split(['(', ']', '=']).next())
                .unwrap_or_default();
            is_test |= words(path).last() == Some("test");
            (last, at) = ("", at + len);
        } else {
            let c = rest.chars().next().unwrap_or(' ');
            if matches!(c, '{' | '}' | ';') {
                is_test = false;
            }
            if !c.is_whitespace() {
                last = "";
            }
            at += c.len_utf8();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_remains() {
        let source = "a // x\nb /* y /* z */ */ c \"q\\\"{\" r#\"w\"{\"# 'k' '\\'' '{' &'a d br\"{\" for_r";
        let code = code_of(source);
        assert_eq!(code.len(), source.len());
        assert_eq!(code.lines().count(), 2);
        assert_eq!(
            words(&code).collect::<Vec<_>>(),
            ["a", "b", "c", "a", "d", "for_r"]
        );
        assert!(!code.contains('{'));
    }

    #[test]
    fn text_of_many_bytes_a_character_keeps_offsets() {
        let source = "\"é\" x // ü\n'é' y";
        let code = code_of(source);
        assert_eq!(code.find('x'), source.find('x'));
        assert_eq!(code.find('y'), source.find('y'));
    }

    #[test]
    fn test_items_are_found_with_their_ends() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { \"}\" } }\nfn c() {}\n\
                      #[cfg(all(test, unix))]\nmod other;\n#[cfg(not(test))]\nfn d() {}";
        let code = code_of(source);
        let parts = test_parts(&code);
        assert_eq!(parts.modules, ["other"]);
        let texts: Vec<_> = parts
            .regions
            .iter()
            .map(|region| &source[region.clone()])
            .collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].contains("fn b()") && texts[0].ends_with("} }"));
        assert!(texts[1].ends_with("mod other;"));
    }

    #[test]
    fn macros_are_found_with_their_bodies() {
        let code = "macro_rules! a { () => { b } }\nfn c() {}\nmacro_rules! d ( () => {} );";
        assert_eq!(
            bodies_of_macros(code),
            [("a", "{ () => { b } }"), ("d", "( () => {} )")]
        );
        assert!(is_word("a_1") && !is_word("a b") && !is_word("") && !is_word("$a"));
    }

    #[test]
    fn tests_are_told_from_other_functions() {
        let code = code_of(
            "#[test]\n#[should_panic]\nfn a() { fn b() {} }\n#[tokio::test(flavor = \"x\")]\nasync fn c() {}\n\
             proptest! { #[test]\n /// Doc.\n fn d(x: u8) {} }\n#[cfg(test)]\nfn e(f: fn(u8)) {}",
        );
        let found: Vec<_> = functions(&code).iter().map(|f| (f.name, f.is_test)).collect();
        assert_eq!(
            found,
            [("a", true), ("b", false), ("c", true), ("d", true), ("e", false)]
        );
    }
}
