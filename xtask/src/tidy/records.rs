//! Decision records are numbered without gaps.

use super::Finding;
use super::tree::Tree;

const FOLDER: &str = "docs/decisions/";

/// Finds records whose number or heading does not fit. A record is `NNNN-words.md` and starts with `# NNNN:
/// Title`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let records = tree
        .under(FOLDER)
        .filter(|(path, _)| !path.ends_with("/README.md"));
    let mut count = 0;
    for (number, (path, text)) in (1..).zip(records) {
        count = number;
        let expected = format!("{number:04}");
        let name = path.strip_prefix(FOLDER).unwrap_or(path);
        if !(name.starts_with(&format!("{expected}-")) && name.ends_with(".md")) {
            findings.push(Finding::new(
                path,
                format!("must be the record {expected}-words.md"),
            ));
        } else if !text.starts_with(&format!("# {expected}: ")) {
            findings.push(Finding::new(
                path,
                format!("must start with `# {expected}: Title`"),
            ));
        }
    }
    if count == 0 {
        findings.push(Finding::new(FOLDER, "holds no record"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_numbered_without_gaps() {
        let one = ("docs/decisions/0001-a.md", "# 0001: A\n");
        let two = ("docs/decisions/0002-b.md", "# 0002: B\n");
        assert_eq!(
            check(&Tree::from([one, two, ("docs/decisions/README.md", "")])),
            []
        );
        assert_eq!(check(&Tree::from([two])).len(), 1, "a gap");
        assert_eq!(
            check(&Tree::from([one, ("docs/decisions/0001-b.md", "# 0001: B\n")])).len(),
            1,
            "twice"
        );
        assert_eq!(
            check(&Tree::from([(one.0, "# A\n")])).len(),
            1,
            "a heading without its number"
        );
        assert_eq!(check(&Tree::default()).len(), 1, "no record");
    }
}
