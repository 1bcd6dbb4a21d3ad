//! The only source of chance: one generator per purpose, all derived from the seed of a schedule.

/// PCG32 (XSH-RR): small, fast, the same on every platform.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
    stream: u64,
}

impl Random {
    /// The generator of a purpose in a schedule: switching one fault off leaves the draws of all others as they were.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut random = Self { state: mix(seed ^ mix(purpose)), stream: (mix(purpose) << 1) | 1 };
        random.next();
        random
    }

    fn next(&mut self) -> u32 {
        let old = self.state;
        self.state = old.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(self.stream);
        let shifted = (((old >> 18) ^ old) >> 27) & 0xffff_ffff;
        u32::try_from(shifted).unwrap_or(0).rotate_right(u32::try_from(old >> 59).unwrap_or(0))
    }

    /// An even draw from `0..bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = (u64::from(self.next()) << 32) | u64::from(self.next());
        wide.checked_rem(bound).unwrap_or(0)
    }

    /// An even draw from `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True with this many chances in 10,000.
    pub fn chance(&mut self, in_ten_thousand: u32) -> bool {
        in_ten_thousand > 0 && self.next() % 10_000 < in_ten_thousand
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap_or(0)]
    }

    /// 32 bytes for a call.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }
}

/// A bijection that spreads neighbouring numbers (the finaliser of `SplitMix64`).
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
