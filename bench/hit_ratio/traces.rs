//! The traces: who is minted and fetched, and when. Each is made from a fixed seed.

use std::collections::HashMap;

use hallpass::cache::BLOCK;

/// All sizes are divided by this.
const SCALE: u64 = 64;
/// What each block counts for beside its content, in bytes.
const ACCOUNT: u64 = 416;

pub struct Trace {
    pub name: &'static str,
    pub story: &'static str,
    pub objects: Vec<Object>,
    pub events: Vec<Event>,
}

/// The lengths of an object's blocks, in bytes.
pub struct Object {
    pub id: usize,
    pub blocks: Vec<u64>,
}

#[derive(Clone, Copy)]
pub struct Event {
    /// Milliseconds from the beginning.
    pub at: u64,
    pub step: Step,
    pub object: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Mint,
    Fetch,
}

/// One block of one event.
#[derive(Clone, Copy)]
pub struct Touch {
    pub object: usize,
    pub number: u32,
    pub length: u64,
    pub weight: u64,
    /// When it is fetched next, as a place among all touches; `u64::MAX` for never again.
    pub next: u64,
}

impl Touch {
    pub const fn id(&self) -> u64 {
        ((self.object as u64) << 16) | self.number as u64
    }
}

/// Few banners, fetched again and again, beside objects that are fetched once.
pub fn campaign() -> Trace {
    let mut made = Made::new(1);
    made.campaign(0, 1000);
    made.trace(
        "Campaign banners",
        "20 banners of 100 KB to 5 MB (log-uniform), one minted every 20 s; 20 fetches a second of those minted so far, by Zipf's law (exponent 1), \
         for 1,000 s. Beside them 20 objects a second of 20 KB to 2 MB that were minted before the trace begins and are fetched once.",
    )
}

/// One document for each recipient, minted and then fetched within a minute.
pub fn invoices() -> Trace {
    let mut made = Made::new(2);
    made.invoices(0, 1000);
    made.trace(
        "Invoices",
        "20 a second for 1,000 s, of 20 to 200 KB (uniform), each minted, fetched 1 to 3 times (uniform) at moments that are uniform within the minute \
         after the mint, and never again.",
    )
}

/// A hot set, and a long scan that passes it.
pub fn scan() -> Trace {
    let mut made = Made::new(3);
    made.scan(0, 1000);
    made.trace(
        "A scan past a hot set",
        "300 objects of 50 to 500 KB, minted in the first 30 s and fetched 20 times a second by Zipf's law (exponent 0.8) for 1,000 s; from 300 s to \
         700 s 10,000 objects of 50 to 500 KB pass, each fetched once and none minted.",
    )
}

/// All three at once.
pub fn mixed() -> Trace {
    let mut made = Made::new(4);
    made.campaign(0, 1000);
    made.invoices(0, 1000);
    made.scan(0, 1000);
    made.trace("Mixed", "All three at once.")
}

impl Trace {
    pub fn fetches(&self) -> usize {
        self.events.iter().filter(|event| event.step == Step::Fetch).count()
    }

    pub fn mints(&self) -> usize {
        self.events.len() - self.fetches()
    }

    /// Every block of every event, in order.
    pub fn touches(&self) -> Vec<Touch> {
        let mut touches = Vec::new();
        for event in &self.events {
            for (number, length) in (0..).zip(&self.objects[event.object].blocks) {
                let (object, weight) = (event.object, length + ACCOUNT);
                touches.push((event.step, Touch { object, number, length: *length, weight, next: u64::MAX }));
            }
        }
        let mut next = HashMap::new();
        for (place, (step, touch)) in touches.iter_mut().enumerate().rev() {
            touch.next = next.get(&touch.id()).copied().unwrap_or(u64::MAX);
            if *step == Step::Fetch {
                next.insert(touch.id(), place as u64);
            }
        }
        touches.into_iter().map(|(_, touch)| touch).collect()
    }

    /// The most bytes that are between their first and their last touch at one time: what a policy that knows the future needs to miss nothing.
    pub fn working_set(&self) -> u64 {
        let mut lives: HashMap<usize, (u64, u64)> = HashMap::new();
        for event in &self.events {
            lives.entry(event.object).or_insert((event.at, event.at)).1 = event.at;
        }
        let weight = |object: usize| {
            self.objects[object].blocks.iter().map(|length| (length + ACCOUNT).cast_signed()).sum::<i64>()
        };
        let lives = lives.into_iter().filter(|(_, (first, last))| first < last);
        let mut changes: Vec<_> =
            lives.flat_map(|(object, (first, last))| [(first, weight(object)), (last, -weight(object))]).collect();
        changes.sort_unstable();
        let sums = changes.iter().scan(0_i64, |sum, (_, change)| {
            *sum += change;
            Some(*sum)
        });
        sums.max().unwrap_or(0).cast_unsigned()
    }
}

/// A trace in the making.
struct Made {
    random: Random,
    objects: Vec<Object>,
    events: Vec<Event>,
}

impl Made {
    const fn new(seed: u64) -> Self {
        Self { random: Random(seed), objects: Vec::new(), events: Vec::new() }
    }

    fn campaign(&mut self, from: u64, to: u64) {
        let banners: Vec<usize> = (0..20).map(|_| self.object_between(100_000.0, 5_000_000.0)).collect();
        for (nth, banner) in (0..).zip(&banners) {
            self.push((from + nth * 20) * 1000, Step::Mint, *banner);
        }
        for at in (from * 1000 + 50..to * 1000).step_by(50) {
            let minted = usize::try_from((at / 1000 - from) / 20 + 1).unwrap().min(banners.len());
            let banner = banners[self.random.zipf(minted, 1.0)];
            self.push(at, Step::Fetch, banner);
            let other = self.object_between(20_000.0, 2_000_000.0);
            self.push(at + 25, Step::Fetch, other);
        }
    }

    fn invoices(&mut self, from: u64, to: u64) {
        for at in (from * 1000..to * 1000).step_by(50) {
            let length = 20_000 + self.random.below(180_001);
            let invoice = self.object(length);
            self.push(at, Step::Mint, invoice);
            for _ in 0..=self.random.below(3) {
                let after = 1 + self.random.below(60_000);
                self.push(at + after, Step::Fetch, invoice);
            }
        }
    }

    fn scan(&mut self, from: u64, to: u64) {
        let hot: Vec<usize> = (0..300).map(|_| self.object_between(50_000.0, 500_000.0)).collect();
        for (nth, object) in (0..).zip(&hot) {
            self.push(from * 1000 + nth * 100, Step::Mint, *object);
        }
        for at in ((from + 30) * 1000..to * 1000).step_by(50) {
            let object = hot[self.random.zipf(hot.len(), 0.8)];
            self.push(at, Step::Fetch, object);
        }
        for at in ((from + 300) * 1000..(from + 700) * 1000).step_by(40) {
            let passing = self.object_between(50_000.0, 500_000.0);
            self.push(at + 20, Step::Fetch, passing);
        }
    }

    /// An object whose length is log-uniform.
    fn object_between(&mut self, least: f64, most: f64) -> usize {
        let length = least * (most / least).powf(self.random.unit());
        self.object(length as u64)
    }

    fn object(&mut self, length: u64) -> usize {
        let (length, block) = (length / SCALE, BLOCK as u64 / SCALE);
        let mut blocks = vec![block; usize::try_from(length / block).unwrap()];
        blocks.extend((length % block > 0).then_some(length % block));
        let id = self.objects.len();
        self.objects.push(Object { id, blocks });
        id
    }

    fn push(&mut self, at: u64, step: Step, object: usize) {
        self.events.push(Event { at, step, object });
    }

    fn trace(self, name: &'static str, story: &'static str) -> Trace {
        let Self { objects, mut events, .. } = self;
        events.sort_by_key(|event| event.at);
        Trace { name, story, objects, events }
    }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let first = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let second = (first ^ (first >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        second ^ (second >> 31)
    }

    /// From 0 up to, and without, 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.unit() * end as f64) as u64
    }

    /// A rank from 0, by Zipf's law.
    fn zipf(&mut self, ranks: usize, exponent: f64) -> usize {
        let weight = |rank: usize| (rank as f64 + 1.0).powf(-exponent);
        let mut left = self.unit() * (0..ranks).map(weight).sum::<f64>();
        (0..ranks)
            .find(|rank| {
                left -= weight(*rank);
                left < 0.0
            })
            .unwrap_or(ranks - 1)
    }
}
