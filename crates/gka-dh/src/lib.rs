//! What concilium's Diffie-Hellman key agreements share. Each of them is then little more than its own
//! algebra and packets.
//!
//! - [`Element`], [`Point`]: ristretto255 encodings off the wire, checked (K-11); [`Contribution`]: a
//!   member's secret scalar; [`SharedPoint`]: what two members share.
//! - [`Keys`], [`ConfirmationKey`], [`Confirmation`]: the keys, derived from what the members computed and a
//!   hash of the whole operation, and the authenticated confirmation that all hold the same (C-5 to C-7).
//! - [`RolePayload`], [`Body`], [`abort`]: the contents of packets.
//! - [`check_base`], [`only_suspect`], [`failure`], [`ending`], [`export`], [`restore`]: what every operation
//!   has to do.
//!
//! ```
//! use concilium_core::{Context, MemberId, RandomSource, Secret, Time, keys::SigningKey};
//! use concilium_gka_dh::{Contribution, Keys};
//!
//! # fn run(random: &mut dyn RandomSource) -> Result<(), Box<dyn std::error::Error>> {
//! let mut cx = Context::new(Time::ZERO, random);
//! let (alice, bob) = (Contribution::random(&mut cx)?, Contribution::random(&mut cx)?);
//! let transcript = [7; 32];
//! let alices = Keys::derive(transcript, &*alice.agree(&bob.public()).encode());
//! let bobs = Keys::derive(transcript, &*bob.agree(&alice.public()).encode());
//!
//! let name = MemberId::new("alice")?;
//! let confirmation = alices.confirm(&name, &SigningKey::from_seed(&Secret::new([1; 32])));
//! assert!(bobs.confirmed_by(&name, &confirmation));
//! # Ok(())
//! # }
//! # run(&mut concilium_core::testing::rng::seeded(1)).expect("they agree");
//! ```
//!
//! Ids such as C-5 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/cliques.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod confirmation;
mod element;
mod operation;
mod payload;
mod point;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use confirmation::{Confirmation, ConfirmationKey, Keys};
#[cfg(feature = "counting")]
pub use element::multiplications;
pub use element::{Contribution, Element, NotAPoint, all_distinct, flatten};
pub use operation::{CourseHash, check_base, ending, export, failure, only_suspect, restore, transcript};
pub use payload::{Body, RolePayload, abort};
pub use point::{Point, SharedPoint};
