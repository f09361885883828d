#!/usr/bin/env python3
"""Draws the demo's sample media: winter-sale.jpg, receipt.png, tour.mp4 and price-list.pdf.

Everything is made here, nothing is downloaded. Needs Python 3 with Pillow, ffmpeg with libx264, and the DejaVu fonts
(Debian: python3-pil, ffmpeg, fonts-dejavu-core). Run it in this folder; the files are overwritten.
"""

import math
import pathlib
import random
import subprocess

from PIL import Image, ImageDraw, ImageFilter, ImageFont

HERE = pathlib.Path(__file__).resolve().parent
FONTS = pathlib.Path("/usr/share/fonts/truetype/dejavu")


def font(size, bold=True, mono=False):
    name = ("DejaVuSansMono" if mono else "DejaVuSans") + ("-Bold" if bold else "")
    return ImageFont.truetype(str(FONTS / f"{name}.ttf"), size)


def gradient(size, top, bottom):
    column = Image.new("RGB", (1, size[1]))
    for y in range(size[1]):
        share = y / (size[1] - 1)
        column.putpixel((0, y), tuple(round(a + (b - a) * share) for a, b in zip(top, bottom)))
    return column.resize(size)


def hill(draw, size, height, wave, phase, colour):
    points = [(x, size[1] - height - wave * math.sin(x / size[0] * 5 + phase)) for x in range(0, size[0] + 8, 8)]
    draw.polygon(points + [(size[0], size[1]), (0, size[1])], fill=colour)


def tree(draw, x, y, scale, colour):
    for level in range(3):
        half, top = scale * (22 + 12 * level), y - scale * (120 - 34 * level)
        draw.polygon([(x, top), (x - half, top + scale * 52), (x + half, top + scale * 52)], fill=colour)
    draw.rectangle([x - 5 * scale, y - 2 * scale, x + 5 * scale, y + 18 * scale], fill=(70, 52, 48))


def flake(draw, x, y, r, colour, width):
    for arm in range(6):
        angle = math.pi / 3 * arm
        tip = (x + r * math.cos(angle), y + r * math.sin(angle))
        draw.line([(x, y), tip], fill=colour, width=width)
        for side in (-0.5, 0.5):
            foot = (x + 0.6 * r * math.cos(angle), y + 0.6 * r * math.sin(angle))
            end = (foot[0] + 0.32 * r * math.cos(angle + side), foot[1] + 0.32 * r * math.sin(angle + side))
            draw.line([foot, end], fill=colour, width=width)


def winter_sale():
    dice, size = random.Random(7), (1200, 628)
    picture = gradient(size, (24, 40, 92), (186, 214, 240))
    draw = ImageDraw.Draw(picture)
    draw.ellipse([930, 70, 1050, 190], fill=(250, 244, 214))
    hill(draw, size, 150, 34, 0.4, (150, 180, 218))
    hill(draw, size, 96, 26, 2.0, (206, 224, 243))
    for x, y, scale in [(860, 520, 1.2), (960, 540, 1.6), (1080, 548, 1.3), (600, 566, 0.9), (1150, 560, 0.9)]:
        tree(draw, x, y, scale, (24, 84, 84))
    hill(draw, size, 52, 14, 3.4, (247, 251, 255))
    for _ in range(260):
        x, y, r = dice.uniform(0, size[0]), dice.uniform(0, size[1]), dice.uniform(1, 4)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=(255, 255, 255))
    picture = picture.filter(ImageFilter.GaussianBlur(0.8))
    draw = ImageDraw.Draw(picture)
    for x, y, r in [(720, 130, 46), (640, 330, 30), (800, 260, 24), (520, 90, 26)]:
        flake(draw, x, y, r, (255, 255, 255), 3)
    draw.text((70, 120), "Winter", font=font(124), fill=(255, 255, 255))
    draw.text((70, 250), "sale", font=font(124), fill=(255, 221, 118))
    draw.rounded_rectangle([74, 418, 494, 486], 34, fill=(196, 44, 62))
    draw.text((284, 452), "up to 40 % off, this week", font=font(27), fill=(255, 255, 255), anchor="mm")
    picture.save(HERE / "winter-sale.jpg", quality=86, optimize=True)


def receipt():
    size = (720, 960)
    picture = gradient(size, (236, 240, 246), (214, 222, 234))
    draw = ImageDraw.Draw(picture)
    teeth = [(90 + 30 * n, 900 - (18 if n % 2 else 0)) for n in range(19)]
    draw.polygon([(90, 60), (630, 60)] + teeth[::-1], fill=(255, 255, 255))
    draw.text((360, 130), "Corner Shop", font=font(44), fill=(28, 40, 66), anchor="mm")
    draw.text((360, 182), "12 Market Street", font=font(22, bold=False), fill=(96, 106, 128), anchor="mm")
    draw.line([(130, 228), (590, 228)], fill=(200, 206, 218), width=2)
    lines = [("2 x Coffee", "6.40"), ("1 x Lemon cake", "4.20"), ("1 x Wool scarf", "24.00"), ("3 x Postcard", "4.50")]
    for row, (what, price) in enumerate(lines):
        y = 280 + 58 * row
        draw.text((130, y), what, font=font(25, bold=False, mono=True), fill=(44, 54, 78), anchor="lm")
        draw.text((590, y), price, font=font(25, bold=False, mono=True), fill=(44, 54, 78), anchor="rm")
    draw.line([(130, 520), (590, 520)], fill=(200, 206, 218), width=2)
    draw.text((130, 572), "Total", font=font(34), fill=(28, 40, 66), anchor="lm")
    draw.text((590, 572), "39.10", font=font(34, mono=True), fill=(28, 40, 66), anchor="rm")
    draw.rounded_rectangle([230, 632, 490, 692], 30, fill=(32, 132, 92))
    draw.text((360, 662), "Paid, thank you", font=font(24), fill=(255, 255, 255), anchor="mm")
    dice, x = random.Random(3), 170
    while x < 545:
        width = dice.choice([2, 2, 4, 6])
        draw.rectangle([x, 740, x + width - 1, 820], fill=(28, 40, 66))
        x += width + dice.choice([3, 4, 6])
    picture.save(HERE / "receipt.png", optimize=True)


def tour_frame(n, frames):
    size, share = (640, 360), n / frames
    picture = gradient(size, (38 + round(30 * share), 52, 112), (250, 176 + round(24 * share), 128))
    draw = ImageDraw.Draw(picture)
    sun = 250 - 90 * share
    draw.ellipse([430, sun, 510, sun + 80], fill=(255, 232, 170))
    dice = random.Random(11)
    for depth, (speed, base, colour) in enumerate([(60, 130, (104, 92, 142)), (140, 90, (62, 58, 104))]):
        x = -speed * share - 20
        while x < size[0]:
            width, height = dice.randint(34, 70), base + dice.randint(-30, 50)
            draw.rectangle([x, size[1] - height, x + width, size[1]], fill=colour)
            for column in range(int(x) + 8, int(x) + width - 8, 12) if depth else []:
                for row in range(size[1] - height + 10, size[1] - 14, 18):
                    lit = (column - int(x) + row * 7 + width) % 5 < 2
                    draw.rectangle([column, row, column + 5, row + 8], fill=(255, 214, 130) if lit else (50, 46, 88))
            x += width + 6
        dice = random.Random(12)
    draw.text((36, 40), "A short tour", font=font(44), fill=(255, 255, 255))
    draw.text((38, 98), "from dawn to day, in four seconds", font=font(18, bold=False), fill=(255, 240, 224))
    draw.rectangle([0, 354, round(size[0] * (n + 1) / frames), 360], fill=(255, 221, 118))
    return picture


def tour():
    frames, rate = 96, 24
    chord = "+".join(f"0.09*sin(2*PI*{hertz}*t)*exp(-0.5*mod(t,2))" for hertz in (220, 277.18, 329.63, 440))
    command = ["ffmpeg", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "640x360"]
    command += ["-r", str(rate), "-i", "-", "-f", "lavfi", "-i", f"aevalsrc='{chord}':s=44100:d={frames / rate}"]
    command += ["-c:v", "libx264", "-profile:v", "main", "-bf", "0", "-pix_fmt", "yuv420p", "-crf", "27", "-g", "48"]
    command += ["-preset", "veryslow", "-c:a", "aac", "-ac", "1", "-b:a", "64k", "-shortest"]
    command += ["-movflags", "+faststart", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
    with subprocess.Popen(command + [str(HERE / "tour.mp4")], stdin=subprocess.PIPE) as encoder:
        for n in range(frames):
            encoder.stdin.write(tour_frame(n, frames).tobytes())
        encoder.stdin.close()
    if encoder.returncode:
        raise SystemExit("ffmpeg failed")


def price_list():
    rows = [("Wool scarf", "24.00"), ("Felt hat", "32.50"), ("Mittens, pair", "14.00"), ("Thermos, 0.5 l", "19.90"),
            ("Sledge, beech", "79.00"), ("Candle, beeswax", "8.40"), ("Tea, 100 g", "6.20")]
    ink = ["0.11 0.16 0.26 rg 0 762 595 80 re f", "1 1 1 rg BT /B 30 Tf 60 790 Td (Winter price list) Tj ET",
           "0.11 0.16 0.26 rg BT /R 12 Tf 60 730 Td (Corner Shop, 12 Market Street. Prices include tax.) Tj ET"]
    for row, (what, price) in enumerate(rows):
        y = 680 - 34 * row
        if row % 2 == 0:
            ink.append(f"0.94 0.95 0.98 rg 50 {y - 11} 495 32 re f")
        ink.append(f"0.11 0.16 0.26 rg BT /R 15 Tf 60 {y} Td ({what}) Tj ET BT /B 15 Tf 480 {y} Td ({price}) Tj ET")
    ink.append("0.45 0.5 0.58 rg BT /R 10 Tf 60 60 Td (Valid until the snow melts.) Tj ET")
    stream = "\n".join(ink).encode("ascii")
    face = "<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>"
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
               b" /Resources << /Font << /R 5 0 R /B 6 0 R >> >> >>",
               b"<< /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream",
               (face % "Helvetica").encode(), (face % "Helvetica-Bold").encode(),
               b"<< /Title (Winter price list) /Producer (make.py) >>"]
    out, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 7 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    (HERE / "price-list.pdf").write_bytes(out)


if __name__ == "__main__":
    winter_sale()
    receipt()
    tour()
    price_list()
    for name in ("winter-sale.jpg", "receipt.png", "tour.mp4", "price-list.pdf"):
        print(f"{(HERE / name).stat().st_size:>8} {name}")
