//! The payloads of this key agreement's packets, and all checks that need one packet alone.
//!
//! Byte layouts: `docs/spec/cliques.md`.

use concilium_core::keys::VerifyingKey;
use concilium_core::{MemberId, wire};
use concilium_gka::{AssociatedData, OpenError, Reason, Role};
use concilium_gka_dh::{Confirmation, CourseHash, Element, all_distinct, flatten};
use serde::{Deserialize, Serialize};

use crate::SUITE;

/// What a packet of this key agreement carries: decoded, and well formed by itself. Its contents may still be
/// wrong.
#[derive(Debug)]
pub struct Payload(pub(crate) Content);

/// An initial packet holds an upflow or a downflow.
pub(crate) type Content = concilium_gka_dh::RolePayload<Body, Body>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// On its way through the joiners: the slots so far, and the cardinal value last (C-1).
    Upflow(Flow),
    /// Slots for everyone, and their maker's confirmation.
    Downflow(Flow, Confirmation),
    /// Everyone else's confirmation.
    Confirmation(Confirmation),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Its author's nonce.
    pub(crate) nonce: [u8; 32],
    pub(crate) elements: Vec<Element>,
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
    pub(crate) fn read(author: &MemberId, role: &Role, bytes: &[u8]) -> Result<Self, OpenError> {
        let content = Content::read(role, bytes)?;
        if let (Role::Initial(data), Content::Initial { base, body }) = (role, &content) {
            check_initial(author, data, base.is_some(), body).map_err(OpenError::Invalid)?;
        }
        Ok(Self(content))
    }
}

/// Whether a change of these members may start with such a packet.
fn check_initial(
    author: &MemberId,
    data: &AssociatedData,
    has_base: bool,
    body: &Body,
) -> Result<(), Reason> {
    data.check_suite(SUITE)?;
    let joiners = data.after.minus(&data.before).len();
    let (without_joiners, kept) = (joiners == 0, data.after.len() - joiners);
    // An author without keys is alone (C-1).
    if !data.before.contains(author) || !data.after.contains(author) || (!has_base && data.before.len() != 1)
    {
        return Err(Reason::WrongMembers);
    }
    match body {
        Body::Upflow(flow) if !without_joiners && flow.elements.len() == kept + 1 => Ok(()),
        Body::Downflow(flow, _) if without_joiners && flow.elements.len() == kept => Ok(()),
        _ => Err(Reason::Malformed),
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) enum WireBody {
    Upflow(WireFlow),
    Downflow(WireFlow, WireConfirmation),
    Confirmation(WireConfirmation),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct WireFlow {
    nonce: [u8; 32],
    /// One after the other, 32 bytes each: read and written at once, there may be a thousand.
    #[serde(with = "wire::bytes")]
    elements: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct WireConfirmation {
    transcript: CourseHash,
    key: [u8; 32],
    mac: [u8; 32],
}

impl From<&Body> for WireBody {
    fn from(body: &Body) -> Self {
        match body {
            Body::Upflow(flow) => Self::Upflow(flow.into()),
            Body::Downflow(flow, confirmation) => Self::Downflow(flow.into(), confirmation.into()),
            Body::Confirmation(confirmation) => Self::Confirmation(confirmation.into()),
        }
    }
}

impl TryFrom<WireBody> for Body {
    type Error = Reason;

    fn try_from(body: WireBody) -> Result<Self, Reason> {
        Ok(match body {
            WireBody::Upflow(flow) => Self::Upflow(flow.try_into()?),
            WireBody::Downflow(flow, confirmation) => {
                Self::Downflow(flow.try_into()?, confirmation.try_into()?)
            }
            WireBody::Confirmation(confirmation) => Self::Confirmation(confirmation.try_into()?),
        })
    }
}

impl From<&Flow> for WireFlow {
    fn from(flow: &Flow) -> Self {
        Self {
            nonce: flow.nonce,
            elements: flatten(&flow.elements),
        }
    }
}

impl TryFrom<WireFlow> for Flow {
    type Error = Reason;

    fn try_from(flow: WireFlow) -> Result<Self, Reason> {
        let (encodings, rest) = flow.elements.as_chunks();
        if !rest.is_empty() {
            return Err(Reason::Malformed);
        }
        let elements = encodings
            .iter()
            .map(|encoding| Element::from_bytes(*encoding).ok_or(Reason::BadElement))
            .collect::<Result<Vec<_>, _>>()?;
        // K-11: two equal slots would be two equal contributions.
        if !all_distinct(&elements) {
            return Err(Reason::Duplicate);
        }
        Ok(Self {
            nonce: flow.nonce,
            elements,
        })
    }
}

impl From<&Confirmation> for WireConfirmation {
    fn from(confirmation: &Confirmation) -> Self {
        Self {
            transcript: confirmation.transcript,
            key: *confirmation.key.as_bytes(),
            mac: confirmation.mac,
        }
    }
}

impl TryFrom<WireConfirmation> for Confirmation {
    type Error = Reason;

    fn try_from(confirmation: WireConfirmation) -> Result<Self, Reason> {
        Ok(Self {
            transcript: confirmation.transcript,
            key: VerifyingKey::from_bytes(&confirmation.key).map_err(|_| Reason::BadKey)?,
            mac: confirmation.mac,
        })
    }
}
