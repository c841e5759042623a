//! The payloads of this key agreement's packets, and all checks that need one packet alone.
//!
//! Byte layouts: `docs/spec/burmester-desmedt.md`.

use concilium_core::keys::VerifyingKey;
use concilium_gka::{AssociatedData, OpenError, Reason, Role};
use concilium_gka_dh::{CourseHash, Point};
use serde::{Deserialize, Serialize};

use crate::SUITE;

/// What a packet of this key agreement carries: decoded, and well formed by itself. Its contents may still be
/// wrong.
#[derive(Debug)]
pub struct Payload(pub(crate) Content);

/// An initial packet says hello.
pub(crate) type Content = concilium_gka_dh::RolePayload<Hello, Body>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// B-2.
    Hello(Hello),
    /// B-3, B-4.
    Links(Links),
}

/// What a member comes with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Its contribution times the base point.
    pub(crate) point: Point,
    /// What it will sign with (C-8).
    pub(crate) key: VerifyingKey,
}

/// What a member says of its two links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Links {
    /// The link to the next member minus the one to the previous member. None in a ring of two, where both
    /// links are one.
    pub(crate) difference: Option<Point>,
    /// What its author took part in.
    pub(crate) transcript: CourseHash,
    /// Made with a key that comes of both links.
    pub(crate) mac: [u8; 32],
}

impl concilium_gka_dh::Body for Hello {
    type Wire = WireHello;
}

impl concilium_gka_dh::Body for Body {
    type Wire = WireBody;
}

impl Payload {
    /// Reads the payload of a packet that is authentic already (K-15), and judges what can be judged without
    /// knowing anything else. All members judge alike.
    ///
    /// # Errors
    /// Malformed, or not what any member would send.
    pub(crate) fn read(role: &Role, bytes: &[u8]) -> Result<Self, OpenError> {
        let content = Content::read(role, bytes)?;
        if let (Role::Initial(data), Content::Initial { base, .. }) = (role, &content) {
            check_initial(data, base.is_some()).map_err(OpenError::Invalid)?;
        }
        Ok(Self(content))
    }
}

/// Whether a change of these members may start with such a packet.
fn check_initial(data: &AssociatedData, has_base: bool) -> Result<(), Reason> {
    data.check_suite(SUITE)?;
    // An author without keys is alone.
    if has_base || data.before.len() == 1 {
        Ok(())
    } else {
        Err(Reason::WrongMembers)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) enum WireBody {
    Hello(WireHello),
    Links(WireLinks),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct WireHello {
    point: [u8; 32],
    key: [u8; 32],
}

#[derive(Serialize, Deserialize)]
pub(crate) struct WireLinks {
    difference: Option<[u8; 32]>,
    transcript: CourseHash,
    mac: [u8; 32],
}

impl From<&Body> for WireBody {
    fn from(body: &Body) -> Self {
        match body {
            Body::Hello(hello) => Self::Hello(hello.into()),
            Body::Links(links) => Self::Links(WireLinks {
                difference: links.difference.map(|point| *point.as_bytes()),
                transcript: links.transcript,
                mac: links.mac,
            }),
        }
    }
}

impl TryFrom<WireBody> for Body {
    type Error = Reason;

    fn try_from(body: WireBody) -> Result<Self, Reason> {
        match body {
            WireBody::Hello(hello) => hello.try_into().map(Self::Hello),
            WireBody::Links(links) => {
                let point = |bytes| Point::from_bytes(bytes).ok_or(Reason::BadElement);
                Ok(Self::Links(Links {
                    difference: links.difference.map(point).transpose()?,
                    transcript: links.transcript,
                    mac: links.mac,
                }))
            }
        }
    }
}

impl From<&Hello> for WireHello {
    fn from(hello: &Hello) -> Self {
        Self {
            point: *hello.point.as_bytes(),
            key: *hello.key.as_bytes(),
        }
    }
}

impl TryFrom<WireHello> for Hello {
    type Error = Reason;

    fn try_from(hello: WireHello) -> Result<Self, Reason> {
        Ok(Self {
            point: Point::from_bytes(hello.point).ok_or(Reason::BadElement)?,
            key: VerifyingKey::from_bytes(&hello.key).map_err(|_| Reason::BadKey)?,
        })
    }
}
