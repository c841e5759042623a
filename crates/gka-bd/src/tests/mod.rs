//! What only those who can read and write this key agreement's packets can try.
