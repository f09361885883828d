//! ffprobe and ffmpeg read the demo's video over TLS, and seek in it by ranges.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::kit::gateway::META;
use crate::kit::program::{find, run_well};
use crate::kit::secure::Secure;

#[tokio::test]
async fn ffprobe_reads_and_ffmpeg_seeks_in_the_video() {
    let secure = Secure::start().await;
    let link = secure.gate.link("tour.mp4", VIDEO).await;
    // Their TLS library sends no name for an address.
    let url = format!("https://localhost:{}{}", secure.port(), link.path);
    let file = secure.gate.place.dir.path().join("media/tour.mp4");

    let mut ffprobe = Command::new(find("ffprobe", "ffmpeg"));
    ffprobe.args(["-v", "error", "-show_entries", "stream=codec_name,width,height", "-count_frames", "-of", "json"]);
    ffprobe.args(["-user_agent", META, "-tls_verify", "1", "-ca_file"]).arg(&secure.root).arg(&url);
    let told: Value = serde_json::from_slice(&run_well(ffprobe).await).unwrap();
    let codecs: Vec<_> =
        told["streams"].as_array().unwrap().iter().map(|one| one["codec_name"].as_str().unwrap()).collect();
    assert_eq!(codecs, ["h264", "aac"], "{told}");
    assert_eq!((&told["streams"][0]["width"], &told["streams"][0]["height"]), (&640.into(), &360.into()));

    let dir = secure.gate.place.dir.path();
    for seconds in ["0", "1.5", "3.5"] {
        let ours = frame_at(seconds, dir, &url, Some(&secure.root)).await;
        let original = frame_at(seconds, dir, &file.display().to_string(), None).await;
        assert!(ours == original, "the frame at {seconds} s is another one");
    }
    let lines = secure.gate.access_log();
    let ranges: Vec<_> =
        lines.iter().filter(|line| line["status"] == 206).map(|line| line["range"].to_string()).collect();
    assert!(ranges.iter().any(|range| !range.contains("bytes=0-")), "it seeks: {ranges:?}");
}

/// One frame as a picture, from a URL or a file.
async fn frame_at(seconds: &str, dir: &Path, source: &str, root: Option<&PathBuf>) -> Vec<u8> {
    let out = dir.join("frame.png");
    let mut ffmpeg = Command::new(find("ffmpeg", "ffmpeg"));
    ffmpeg.args(["-nostdin", "-v", "error", "-y"]);
    if let Some(root) = root {
        ffmpeg.args(["-user_agent", META, "-tls_verify", "1", "-ca_file"]).arg(root);
    }
    ffmpeg.args(["-ss", seconds, "-i", source, "-frames:v", "1", "-fflags", "+bitexact"]).arg(&out);
    run_well(ffmpeg).await;
    std::fs::read(out).unwrap()
}

const VIDEO: &[u8] = include_bytes!("../../../src/cli/demo_media/tour.mp4");
