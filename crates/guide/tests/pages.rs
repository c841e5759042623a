//! The pages of the guide are the files, cut into pieces.

/// The contents of a page's fenced blocks of one language, in order.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fences = page.split("\n```");
    // Text and blocks take turns: each block begins with its language and ends at the next fence.
    fences
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.split_once('\n'))
        .filter(|(opening, _)| *opening == language)
        .map(|(_, block)| block)
        .collect()
}

/// The Rust of a page is a source file: all of it, in its order, with an empty line between two pieces.
fn assert_is_in_pieces(page: &str, source: &str) {
    let mut rest = source;
    for block in blocks(page, "rust") {
        let after = rest.trim_start_matches('\n').strip_prefix(block);
        assert!(
            after.is_some(),
            "the file does not go on with this piece of the page:\n{block}"
        );
        rest = after.unwrap_or_default();
    }
    assert_eq!(rest.trim(), "", "the file goes on where the page ends");
}

/// What a page says is in a file already stands there, whatever it says to add.
fn assert_patches(page: &str, source: &str) {
    let patches = blocks(page, "diff");
    assert!(!patches.is_empty(), "the page shows where a part gets its name");
    for patch in patches {
        let old: Vec<&str> = patch.lines().filter_map(|line| line.strip_prefix(' ')).collect();
        assert!(!old.is_empty(), "a patch has a place");
        let mut lines = source.lines();
        for line in old {
            assert!(
                lines.any(|other| other == line),
                "not in the file, or not in this order: {line}"
            );
        }
    }
}

const KEY_AGREEMENT: &str = include_str!("../../../docs/guide/key-agreement.md");
const CIPHER: &str = include_str!("../../../docs/guide/cipher.md");
const PARTS: &str = include_str!("../../parts/src/lib.rs");

#[test]
fn the_key_agreement_is_the_one_of_the_page() {
    assert_is_in_pieces(KEY_AGREEMENT, include_str!("../src/key_agreement.rs"));
}

#[test]
fn the_cipher_is_the_one_of_the_page() {
    assert_is_in_pieces(CIPHER, include_str!("../src/cipher.rs"));
}

#[test]
fn parts_get_their_names_where_the_pages_say() {
    assert_patches(KEY_AGREEMENT, PARTS);
    assert_patches(CIPHER, PARTS);
}

#[test]
fn pages_and_files_that_differ_are_noticed() {
    let (page, source) = (
        "x\n```rust\na\n```\ny\n```toml\nno\n```\nz\n```rust\nb\n```\n",
        "a\n\nb\n",
    );
    assert_is_in_pieces(page, source);
    for other in ["a\n\nc\n", "a\n", "a\n\nb\n\nc\n", "b\n\na\n", "c\n\na\n\nb\n"] {
        let differs = std::panic::catch_unwind(|| assert_is_in_pieces(page, other));
        assert!(differs.is_err(), "{other:?}");
    }
}
