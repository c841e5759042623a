//! A list that grows in pieces.

/// Items of a piece. Large enough to keep the list of pieces short, small enough that the unused end of the
/// last piece hardly matters.
const PIECE: usize = 1024;

/// A list that only grows, in pieces that never move: adding costs the same at any length, and no spare
/// memory is held as by doubling.
///
/// Positions are `u32`, as all links inside a transcript are. They are made by [`Chunked::push`] and never
/// come from outside.
#[derive(Clone, Debug)]
pub(crate) struct Chunked<T> {
    pieces: Vec<Vec<T>>,
    len: u32,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Chunked<T> {
    /// Number of items.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Adds an item; its position. The caller keeps the number of items below `u32::MAX`.
    pub(crate) fn push(&mut self, item: T) -> u32 {
        let position = self.len;
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(item),
            last => {
                // The first piece grows as a vector does: most transcripts are short.
                let mut piece = Vec::with_capacity(if last.is_some() { PIECE } else { 4 });
                piece.push(item);
                self.pieces.push(piece);
            }
        }
        self.len = position.saturating_add(1);
        position
    }

    /// The item at a position.
    pub(crate) fn get(&self, position: u32) -> Option<&T> {
        let position = position as usize;
        self.pieces.get(position / PIECE)?.get(position % PIECE)
    }

    /// The item at a position that [`Chunked::push`] made.
    #[expect(
        clippy::indexing_slicing,
        reason = "positions are made by `push`, kept inside this crate, and nothing is ever taken out"
    )]
    pub(crate) fn at(&self, position: u32) -> &T {
        let position = position as usize;
        &self.pieces[position / PIECE][position % PIECE]
    }

    /// The item at a position, to change.
    pub(crate) fn get_mut(&mut self, position: u32) -> Option<&mut T> {
        let position = position as usize;
        self.pieces.get_mut(position / PIECE)?.get_mut(position % PIECE)
    }

    /// The last item.
    pub(crate) fn last(&self) -> Option<&T> {
        self.pieces.last()?.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_item_at_its_position() {
        let mut list = Chunked::default();
        assert!(list.last().is_none());
        for i in 0..3 * PIECE as u32 + 5 {
            assert_eq!(list.push(i * 3), i);
            assert_eq!(list.last(), Some(&(i * 3)));
        }
        assert!((0..list.len()).all(|i| *list.at(i) == i * 3 && list.get(i) == Some(&(i * 3))));
        assert_eq!(list.get(list.len()), None);
        *list.get_mut(2000).unwrap() = 1;
        assert_eq!(*list.at(2000), 1);
        assert!(list.pieces.iter().skip(1).all(|piece| piece.capacity() == PIECE));
    }
}
