//! A part of a role's clusters, so that a large tier can be spread over many runners.

use std::fmt;
use std::str::FromStr;

/// One of several parts: `2/3` is the second of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    of: usize,
}

impl Shard {
    /// All parts of so many.
    pub fn all(of: usize) -> Vec<Self> {
        (1..=of).map(|number| Self { number, of }).collect()
    }

    /// Which part it is, counted from 1.
    pub fn number(self) -> usize {
        self.number
    }

    /// Of how many.
    pub fn of(self) -> usize {
        self.of
    }

    /// Its part of the items: every so-many-th one of them in the order of `key`. The parts are as large as one
    /// another to within one item, together they are all of them, and in whatever order the items are given, each
    /// part is the same.
    pub fn take<T, K: Ord>(self, mut items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
        items.sort_by_key(key);
        items
            .into_iter()
            .skip(self.number - 1)
            .step_by(self.of)
            .collect()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            Some((number, of)) => Err(format!(
                "there is no part {number} of {of}: they count from 1"
            )),
            None => Err("a part is written as 2/3: the second of three".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_is_written_as_a_fraction() {
        assert_eq!("2/3".parse::<Shard>().unwrap().to_string(), "2/3");
        for text in ["0/3", "4/3", "1/0", "1", "a/b", "-1/2", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    proptest! {
        /// Together the parts are everything, each item is in one of them, and none is larger than another by two.
        #[test]
        fn the_parts_are_the_whole(items in prop::collection::btree_set(0..1000_u32, 0..60), of in 1..12_usize) {
            let items: Vec<u32> = items.into_iter().collect();
            let parts: Vec<Vec<u32>> =
                Shard::all(of).iter().map(|shard| shard.take(items.clone(), |i| *i)).collect();
            let mut together: Vec<u32> = parts.iter().flatten().copied().collect();
            together.sort_unstable();
            prop_assert_eq!(together, items);
            let sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }

        /// The order in which the items are given changes nothing.
        #[test]
        fn a_part_is_stable(items in prop::collection::btree_set(0..1000_u32, 0..60), number in 1..5_usize, seed: u64) {
            let items: Vec<u32> = items.into_iter().collect();
            let mut shuffled = items.clone();
            let turn = usize::try_from(seed % 61).unwrap() % items.len().max(1);
            shuffled.rotate_left(turn);
            shuffled.reverse();
            let shard = Shard { number, of: 5 };
            prop_assert_eq!(shard.take(items, |i| *i), shard.take(shuffled, |i| *i));
        }
    }
}
