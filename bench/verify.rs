//! What it costs to prove a block before any of it is sent or kept, beside the plain hash of the same bytes.
//!
//! A block is hashed once, by one thread. The same block again and again lies in the processor's own memory; a content of 64 MiB does not, and that
//! is how blocks come from a store.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use hallpass::cache::{BLOCK, Manifest, ManifestBuilder};

pub fn bench(criterion: &mut Criterion) {
    let content = content(256 * BLOCK + SMALL);
    let mut group = criterion.benchmark_group("verify");
    let small = &content[..SMALL];
    let end = content.len() - SMALL;
    hash(&mut group, "plain hash, 256 KiB", &content[..BLOCK]);
    let large = manifest(&content);
    verify(&mut group, "good, 256 KiB", &large, 1, &content[BLOCK..2 * BLOCK], true);
    verify(
        &mut group,
        "hostile, 256 KiB with its last bit flipped",
        &large,
        1,
        &flipped(&content[BLOCK..2 * BLOCK]),
        false,
    );
    hash(&mut group, "plain hash, 20 KiB", small);
    verify(&mut group, "good, 20 KiB, the last block", &large, 256, &content[end..], true);
    verify(&mut group, "good, 20 KiB, the only block", &manifest(small), 0, small, true);
    hash_of_64_mib(&mut group, &content[..256 * BLOCK]);
    all(&mut group, &large, &content);
    prove(&mut group, &large);
}

fn verify(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    manifest: &Manifest,
    number: u32,
    block: &[u8],
    expected: bool,
) {
    assert_eq!(manifest.verify(number, block), expected, "{name}");
    group.throughput(Throughput::Bytes(block.len() as u64));
    group.bench_function(name, |b| b.iter(|| manifest.verify(number, black_box(block))));
}

fn hash(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, block: &[u8]) {
    group.throughput(Throughput::Bytes(block.len() as u64));
    group.bench_function(name, |b| b.iter(|| blake3::hash(black_box(block))));
}

fn hash_of_64_mib(group: &mut BenchmarkGroup<'_, WallTime>, content: &[u8]) {
    group.throughput(Throughput::Bytes(content.len() as u64)).sample_size(20);
    let hash = |block| black_box(blake3::hash(block));
    group.bench_function("plain hash, 256 blocks in turn", |b| {
        b.iter(|| content.chunks(BLOCK).map(hash).fold(0, |sum: u64, hash| sum + u64::from(hash.as_bytes()[0])));
    });
}

/// Every full block in turn.
fn all(group: &mut BenchmarkGroup<'_, WallTime>, manifest: &Manifest, content: &[u8]) {
    let blocks = || (0_u32..).zip(content.chunks_exact(BLOCK));
    let every = || blocks().all(|(number, block)| manifest.verify(number, black_box(block)));
    assert!(every() && blocks().count() == 256);
    group.bench_function("good, 256 blocks in turn", |b| b.iter(every));
}

/// From what the catalog holds to a manifest.
fn prove(group: &mut BenchmarkGroup<'_, WallTime>, manifest: &Manifest) {
    let (bytes, length, fingerprint) = (manifest.to_bytes(), manifest.length(), manifest.fingerprint());
    assert_eq!(Manifest::prove(&bytes, length, fingerprint).as_ref(), Some(manifest));
    group.throughput(Throughput::Elements(u64::from(manifest.blocks()))).sample_size(50);
    group.bench_function("good, a manifest of 257 blocks", |b| {
        b.iter(|| Manifest::prove(black_box(&bytes), length, fingerprint));
    });
}

fn manifest(content: &[u8]) -> Manifest {
    let mut builder = ManifestBuilder::new(content.len() as u64);
    content.chunks(BLOCK).for_each(|block| builder.push(block));
    builder.finish().unwrap()
}

fn flipped(block: &[u8]) -> Vec<u8> {
    let mut block = block.to_vec();
    *block.last_mut().unwrap() ^= 1;
    block
}

fn content(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// A block of a small picture, in bytes.
const SMALL: usize = 20 * 1024;
