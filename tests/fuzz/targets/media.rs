//! Any bytes as an asset: facts in bounded time and memory, the same for every chunking, and a judgement of them.
#![no_main]

use hallpass::media::{Facts, HeaderKind, Inspector, decide_type, preflight};
use libfuzzer_sys::fuzz_target;

fn inspect(content: &[u8], chunk: usize) -> Facts {
    let mut inspector = Inspector::new();
    content.chunks(chunk).for_each(|chunk| inspector.update(chunk));
    inspector.finish(content.len() as u64)
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, content)) = input.split_first() else { return };
    let whole = inspect(content, content.len().max(1));
    assert_eq!(whole, inspect(content, usize::from(first) + 1));
    let Ok(decision) = decide_type(&whole, None, Some("jpg"), None, first % 2 == 0) else { return };
    for header in [None, Some(HeaderKind::Image), Some(HeaderKind::Video), Some(HeaderKind::Document)] {
        let _ = preflight(&whole, header, &decision.media_type, Some("jpg"));
    }
});
