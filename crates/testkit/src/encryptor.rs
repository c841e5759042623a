//! A message encryptor for tests: [`Plain`] hides nothing.

mod plain;

pub use plain::Plain;
