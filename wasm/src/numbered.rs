/// Things by number, few at a time. A number is not given out again for as long as 32 bits allow, so a stale one finds
/// nothing.
pub(crate) struct Numbered<T> {
    last: u32,
    things: Vec<(u32, T)>,
}

impl<T> Numbered<T> {
    pub(crate) const fn new() -> Self {
        Self { last: 0, things: Vec::new() }
    }

    /// Keeps a thing under a number of its own; never 0.
    pub(crate) fn add(&mut self, thing: T) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && self.get(self.last).is_none() {
                self.things.push((self.last, thing));
                return self.last;
            }
        }
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.things.iter().find(|(own, _)| *own == number).map(|(_, thing)| thing)
    }

    /// Takes a thing out, for good or until [`Numbered::put_back`].
    pub(crate) fn take(&mut self, number: u32) -> Option<T> {
        let index = self.things.iter().position(|(own, _)| *own == number)?;
        Some(self.things.swap_remove(index).1)
    }

    pub(crate) fn put_back(&mut self, number: u32, thing: T) {
        self.things.push((number, thing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_not_given_out_twice() {
        let mut numbered = Numbered::new();
        let (a, b) = (numbered.add("a"), numbered.add("b"));
        assert_eq!((a, b), (1, 2));
        assert_eq!(numbered.take(a), Some("a"));
        assert_eq!((numbered.get(a), numbered.get(b)), (None, Some(&"b")));
        assert_eq!(numbered.add("c"), 3);
        numbered.last = u32::MAX;
        assert_eq!(numbered.add("after the last number"), 1);
        assert_eq!(numbered.add("2 and 3 are taken"), 4);
    }
}
