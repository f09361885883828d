#!/usr/bin/env python3
"""Makes the samples that the preflight must refuse or warn of. Needs what src/cli/demo_media/make.py needs, and libx265.

Run it in this folder; the files are overwritten. Nothing is downloaded.
"""

import pathlib
import struct
import subprocess
import zipfile
import zlib

from PIL import Image, ImageDraw

HERE = pathlib.Path(__file__).resolve().parent


def picture(mode="RGB"):
    image = Image.linear_gradient("L").resize((96, 64)).convert("RGB")
    ImageDraw.Draw(image).ellipse([20, 10, 70, 55], fill=(200, 60, 40))
    return image.convert(mode)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, bits, colour, rows):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + rows


def images():
    picture("CMYK").save(HERE / "cmyk.jpg")
    picture("L").save(HERE / "grey.jpg")
    picture("L").save(HERE / "grey.png", optimize=True)
    picture().quantize(16).save(HERE / "palette.png", optimize=True)
    picture().save(HERE / "picture.webp")
    picture().save(HERE / "picture.gif")
    picture().save(HERE / "whole.jpg", quality=80)
    whole = (HERE / "whole.jpg").read_bytes()
    (HERE / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    # A second picture behind the end of the first, as phones append their motion photos.
    (HERE / "trailer.jpg").write_bytes(whole + b"MotionPhoto" + whole[: len(whole) // 2])
    rows = b"".join(b"\0" + struct.pack(">3H", x * 4000, x * 2000, 65535) * 16 for x in range(16))
    sixteen = png(16, 16, 16, 2, chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    (HERE / "sixteen-bit.png").write_bytes(sixteen)
    picture().save(HERE / "whole.png", optimize=True)
    (HERE / "truncated.png").write_bytes((HERE / "whole.png").read_bytes()[:-20])
    (HERE / "huge-dimensions.png").write_bytes(png(50_000, 50_000, 8, 6, chunk(b"IDAT", zlib.compress(b"\0" * 64))))
    (HERE / "picture.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>\n')


def encode(name, *options, audio=1, video="testsrc=size=128x96:rate=12:duration=1"):
    command = ["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", video]
    for track in range(audio):
        command += ["-f", "lavfi", "-i", f"sine=frequency={440 * (track + 1)}:duration=1:sample_rate=16000"]
    for track in range(audio + 1):
        command += ["-map", str(track)]
    command += ["-pix_fmt", "yuv420p", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
    subprocess.run(command + list(options) + [str(HERE / name)], check=True)


def videos():
    plain = ["-c:v", "libx264", "-profile:v", "main", "-bf", "0", "-crf", "40", "-c:a", "aac", "-b:a", "24k"]
    fast = ["-movflags", "+faststart"]
    encode("plain.3gp", *plain, *fast)
    encode("moov-last.mp4", *plain)
    encode("fragmented.mp4", *plain, "-movflags", "frag_keyframe+empty_moov+default_base_moof")
    encode("two-audio.mp4", *plain, *fast, audio=2)
    encode("silent.mp4", *plain, *fast, audio=0)
    encode("quicktime.mov", *plain, *fast)
    encode("hevc.mp4", "-c:v", "libx265", "-x265-params", "log-level=none:bframes=0", "-crf", "45", "-tag:v", "hvc1", *fast, audio=0)
    encode("mpeg4.mp4", "-c:v", "mpeg4", "-q:v", "20", *fast, audio=0)
    encode("mp3-audio.mp4", *plain, *fast, "-c:a", "libmp3lame", "-b:a", "32k")
    encode("high-b-frames.mp4", "-c:v", "libx264", "-profile:v", "high", "-bf", "2", "-x264-params", "b-adapt=0", "-crf", "40", *fast, audio=0)
    whole = (HERE / "silent.mp4").read_bytes()
    (HERE / "truncated.mp4").write_bytes(whole[: len(whole) * 3 // 4])
    sound = ["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "sine=duration=1:sample_rate=16000", "-fflags", "+bitexact"]
    subprocess.run(sound + ["-c:a", "aac", "-b:a", "24k", "-flags:a", "+bitexact", str(HERE / "sound.m4a")], check=True)
    subprocess.run(sound + ["-c:a", "libopus", "-b:a", "16k", str(HERE / "sound.ogg")], check=True)
    subprocess.run(sound + ["-c:a", "libmp3lame", "-b:a", "32k", "-id3v2_version", "0", str(HERE / "sound.mp3")], check=True)


def office(name, folder, part, kind):
    types = f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/{folder}/{part}" ContentType="{kind}"/></Types>'
    with zipfile.ZipFile(HERE / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in [("[Content_Types].xml", types), ("_rels/.rels", "<Relationships/>"), (f"{folder}/{part}", "<x/>")]:
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)


def documents():
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    office("letter.docx", "word", "document.xml", word)
    office("table.xlsx", "xl", "workbook.xml", word.replace("wordprocessingml.document", "spreadsheetml.sheet"))
    with zipfile.ZipFile(HERE / "plain.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("page.html", (2026, 1, 1, 0, 0, 0)), "<html>stored, not an office file</html>")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    (HERE / "old.doc").write_bytes(header.ljust(1536, b"\0"))
    (HERE / "page.jpg").write_bytes(b"\xef\xbb\xbf\n <!-- a picture -->\n<HTML><body onload=alert(1)></HTML>\n")
    (HERE / "page-behind-magic.jpg").write_bytes(b"\xff\xd8\xff\xe0<html><script>alert(1)</script></html>\n")
    (HERE / "page-behind-magic.pdf").write_bytes(b"%PDF-1.4\n<html><script>alert(1)</script></html>\n")
    (HERE / "empty.jpg").write_bytes(b"")
    (HERE / "letter.txt").write_text("Dear customer,\nthe sale <begins> on Monday. Grüße\n", encoding="utf-8")


if __name__ == "__main__":
    images()
    videos()
    documents()
    (HERE / "whole.jpg").unlink()
    (HERE / "whole.png").unlink()
    for path in sorted(HERE.iterdir()):
        print(f"{path.stat().st_size:>8} {path.name}")
