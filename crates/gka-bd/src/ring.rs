//! The ring: the links that a member shares with its neighbours, and those that it learns from the
//! differences.

use concilium_core::PacketId;
use concilium_gka::AssociatedData;
use concilium_gka_dh::{ConfirmationKey, Contribution, CourseHash, Element, Point, SharedPoint};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::SUITE;
use crate::payload::Hello;

const TRANSCRIPT: &str = "concilium 2026-11 v1 gka-bd transcript";

/// C-5, K-6: one framed hash over everything that the links follow from. The ring has the order of the names
/// in the associated data.
pub(crate) fn transcript(
    data: &AssociatedData,
    base: Option<&CourseHash>,
    initial: PacketId,
    hellos: &[&Hello],
) -> CourseHash {
    concilium_gka_dh::transcript(TRANSCRIPT, SUITE, data, base)
        .list(hellos.iter().map(|hello| hello.point.as_bytes()))
        .list(hellos.iter().map(|hello| hello.key.as_bytes()))
        .field(initial.as_bytes())
        .finish()
}

/// The links of one member. Erased when dropped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pair {
    /// With the member before it in the ring.
    previous: SharedPoint,
    /// With the member after it.
    next: SharedPoint,
}

impl Pair {
    /// Our links, in a ring of these points where ours has this place. In a ring of one, both links are with
    /// ourselves; in a ring of two, both are with the other member.
    pub(crate) fn agree(contribution: &Contribution, points: &[&Point], place: usize) -> Option<Self> {
        let len = points.len();
        let neighbour = |steps: usize| points.get((place + steps) % len.max(1));
        Some(Self {
            previous: contribution.agree(neighbour(len.saturating_sub(1))?),
            next: contribution.agree(neighbour(1)?),
        })
    }

    /// B-3: what we publish of them. `None` if they are equal, as they are for fewer than three members.
    pub(crate) fn difference(&self) -> Option<Point> {
        self.next.minus(&self.previous)
    }

    /// B-5: all links, each between the member of its place and the next one, from our links and all
    /// differences, ours included. `None`: they do not close the ring, or a link is the identity, which no
    /// two members share.
    pub(crate) fn walk(&self, place: usize, differences: &[Point]) -> Option<Circle> {
        let len = differences.len();
        let mut links = vec![self.next.clone()];
        for steps in 1..len {
            let difference = differences.get((place + steps) % len)?;
            links.push(links.last()?.plus(difference)?);
        }
        if !bool::from(links.last()?.ct_eq(&self.previous)) {
            return None;
        }
        // From our place to the first.
        links.rotate_right(place.min(len));
        Some(Circle::of(&links))
    }

    /// All links where each member has only one: between two, or of one with itself.
    pub(crate) fn only(&self, len: usize) -> Circle {
        Circle::of(&vec![self.next.clone(); len])
    }

    pub(crate) fn confirmation_key(&self, transcript: &CourseHash) -> ConfirmationKey {
        let pair = [*self.previous.encode(), *self.next.encode()];
        confirmation_key(transcript, &Zeroizing::new(pair))
    }
}

fn confirmation_key(transcript: &CourseHash, pair: &Zeroizing<[[u8; Element::BYTES]; 2]>) -> ConfirmationKey {
    ConfirmationKey::derive(transcript, pair.as_flattened())
}

/// The encodings of all links, from the first member's to the next, on. Erased when dropped.
pub(crate) struct Circle(Zeroizing<Vec<[u8; Element::BYTES]>>);

impl Circle {
    fn of(links: &[SharedPoint]) -> Self {
        Self(Zeroizing::new(links.iter().map(|link| *link.encode()).collect()))
    }

    /// B-4: what the member of this place confirms with.
    pub(crate) fn confirmation_key(&self, transcript: &CourseHash, place: usize) -> Option<ConfirmationKey> {
        let previous = (place + self.0.len()).checked_sub(1)? % self.0.len();
        let pair = [*self.0.get(previous)?, *self.0.get(place)?];
        Some(confirmation_key(transcript, &Zeroizing::new(pair)))
    }

    /// B-6: the input of the key schedule: each link, not their sum, so that no link can be cancelled by
    /// others.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }
}
