//! Writes the inputs that fuzzing starts from to `fuzz/corpus-seeds`. Others there, once found by a fuzzer,
//! stay.

use std::path::Path;
use std::{fs, io};

use concilium_fuzzing::TARGETS;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus-seeds");
    for target in TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        for seed in target.seeds() {
            fs::write(folder.join(seed.name), seed.bytes)?;
        }
    }
    Ok(())
}
