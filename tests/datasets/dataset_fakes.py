"""Tiny files in the exact layout of each data set: its folders, archives, tables and quirks. No photograph."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

import h5py
import imageio.v3 as imageio
import numpy as np
import scipy.io
from dataset_server import Server

from ispfit.datasets import make_camera_pairs, make_camera_roll

__all__ = ["FAKES", "make_mosaic_of"]

SIZE = (48, 64)
PAGE = 5  # items of a listing


@cache
def roll() -> list[tuple[bytes, bytes]]:
    """DNG and JPEG of some shots; the DNG holds the JPEG as its preview."""
    with tempfile.TemporaryDirectory() as folder:
        files = make_camera_roll(folder, 4, image_size=SIZE, random_state=0)
        return [(dng.read_bytes(), jpeg.read_bytes()) for dng, jpeg in files]


@cache
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    X, Y = make_camera_pairs(4, image_size=SIZE, random_state=1)
    return [(np.asarray(x), np.asarray(y)) for x, y in zip(X, Y, strict=True)]


def picture(srgb: np.ndarray, suffix: str) -> bytes:
    return imageio.imwrite("<bytes>", np.rint(srgb * 255).astype(np.uint8), extension=suffix)


def make_mosaic_of(raw: np.ndarray, cfa: str) -> np.ndarray:
    planes = ["RGB".index(letter) for letter in cfa]
    mosaic = np.empty(raw.shape[:2], raw.dtype)
    for place, plane in enumerate(planes):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = raw[row::2, column::2, plane]
    return mosaic


def md5_of(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def put_bucket(server: Server, objects: dict[str, bytes]) -> None:
    """Serve objects as Google Cloud Storage does: JSON in pages, MD5 in base64."""
    for name, content in objects.items():
        server.put(f"https://storage.googleapis.com/hdrplusdata/{name}", content)

    def list_page(query: str) -> bytes:
        asked = parse_qs(query)
        names = sorted(name for name in objects if name.startswith(asked.get("prefix", [""])[0]))
        start = int(asked.get("pageToken", ["0"])[0])
        items = [
            {
                "name": n,
                "size": str(len(objects[n])),
                "md5Hash": base64.b64encode(hashlib.md5(objects[n]).digest()).decode(),
            }
            for n in names[start : start + PAGE]
        ]
        following = {"nextPageToken": str(start + PAGE)} if start + PAGE < len(names) else {}
        return json.dumps({"items": items} | following).encode()

    server.answers["/storage.googleapis.com/storage/v1/b/hdrplusdata/o"] = list_page


def put_huggingface(server: Server, repository: str, files: dict[str, bytes]) -> None:
    """Serve files as Hugging Face does: a tree as JSON, large files with their SHA-256."""
    tree: list[dict[str, object]] = [{"type": "directory", "oid": "0", "size": 0, "path": "folder"}]
    for path, content in files.items():
        digest = hashlib.sha256(content).hexdigest()
        large = {"lfs": {"oid": digest, "size": len(content), "pointerSize": 130}}
        tree.append({"type": "file", "oid": "1" * 40, "size": len(content), "path": path} | large)
        server.put(f"https://huggingface.co/datasets/{repository}/resolve/main/{path}", content)
    server.put(f"https://huggingface.co/api/datasets/{repository}/tree/main", json.dumps(tree).encode())


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def hdrplus(server: Server, source: Path) -> None:
    objects = {}
    for index, (dng, jpeg) in enumerate(roll()):
        burst = f"0006_2016072{index}_104226_118"
        results = f"20171106_subset/results_20171023/{burst}"
        objects |= {f"{results}/merged.dng": dng, f"{results}/final.jpg": jpeg, f"{results}/reference_frame.txt": b"0"}
        objects[f"20171106_subset/bursts/{burst}/payload_N000.dng"] = b"not fetched"
    put_bucket(server, objects)


def cubeplusplus(server: Server, source: Path) -> None:
    files = {f"auxiliary/source/CR2/00_000{i}.CR2": dng for i, (dng, _) in enumerate(roll())}
    write(source, files | {"JPG/00_0000.jpg": roll()[1][1], "gt.csv": b"image\n"})


def s7_isp(server: Server, source: Path) -> None:
    names = ["20161110_125321", "20161110_130812", "20161107_000000"]
    for name, (dng, jpeg) in zip(names, roll(), strict=False):
        scene = f"S7-ISP-Dataset/{name}"
        write(source, {f"{scene}/medium_exposure.dng": dng, f"{scene}/medium_exposure.jpg": jpeg})
    dng, jpeg = roll()[3]
    write(source, {f"{scene}/short_exposure.dng": dng, f"{scene}/short_exposure1.jpg": jpeg})


def raise_1k(server: Server, source: Path) -> None:
    lines = ["File,TIFF,NEF,Date,Device,Image Size,Keywords"]
    for index, (dng, _) in enumerate(roll()):
        name = f"r00{index}bb26ft"
        lines.append(
            f"{name},http://193.205.194.113/RAISE/TIFF/{name}.TIF,http://193.205.194.113/RAISE/NEF/{name}.NEF"
            ',2013:05:01,Nikon D90,4288x2848,"outdoor;nature"'
        )
        server.put(f"http://loki.disi.unitn.it/RAISE/NEF/{name}.NEF", dng)
    text = "\n".join(lines).replace("http://193.205.194.113", f"{server.url}/193.205.194.113")
    write(source, {"RAISE_1k.csv": b"\xef\xbb\xbf" + text.encode()})


def realblur_raw(server: Server, source: Path) -> None:
    names = ["scene001/gt/gt_1.ARW", "scene001/blur/blur_1.ARW", "scene002/gt/gt_1.ARW", "scene002/blur/blur_1.ARW"]
    files = {name: dng for name, (dng, _) in zip(names, roll(), strict=True)}
    put_huggingface(server, "rimchang/RealBlur_RAW", files | {"README.md": b"# RealBlur"})


def fivek_libraw(server: Server, source: Path) -> None:
    names = ["a0001-jmac_DSC1459", "a0002-dgw_005", "a2754-_DSC7455", "a1437-kme_124"]
    folder = "fivek_dataset/raw_photos/HQa1to700/photos"
    files = {f"{folder}/{name}.dng": dng for name, (dng, _) in zip(names, roll(), strict=True)}
    archive = tar_of({"fivek_dataset/LicenseAdobe.txt": b"licence"} | files)
    url = "https://data.csail.mit.edu/graphics/fivek/fivek_dataset.tar"
    server.put(url, archive)
    server.put(f"{url}.sha1", f"SHA1(fivek_dataset.tar)= {hashlib.sha1(archive).hexdigest()}\n".encode())
    lists = "https://raw.githubusercontent.com/yzxing87/Invertible-ISP/bc050eea2b1f72351012e8ca94890a7af57e7bdd/data"
    for name, shots in {"NIKON_D700_train": "a2754-_DSC7455\n", "NIKON_D700_test": "a0002-dgw_005\n"}.items():
        server.put(f"{lists}/{name}.txt", shots.encode())
        server.put(f"{lists}/{name.replace('NIKON_D700', 'Canon_EOS_5D')}.txt", b"a4999-none\n")


def zrr_test(server: Server, source: Path) -> None:
    files = {"Zurich-RAW-to-DSLR-Dataset/train/huawei_raw/0.png": b"not fetched"}
    for index, (raw, srgb) in enumerate(pairs()):
        codes = 63 + np.rint(make_mosaic_of(raw, "RGGB") * (957 if index else 190)).astype(np.uint16)
        stored = codes if codes.max() > 255 else codes.astype(np.uint8)
        folder = "Zurich-RAW-to-DSLR-Dataset/test"
        files[f"{folder}/huawei_raw/{index}.png"] = imageio.imwrite("<bytes>", stored, extension=".png")
        files[f"{folder}/canon/{index}.jpg"] = picture(srgb, ".jpg")
    url = "https://download.ai-benchmark.com/s/GsfikXymMKHxCwr/download/Zurich-RAW-to-DSLR-Dataset.zip"
    server.put(url, zip_of(files))


def sidd_medium(server: Server, source: Path) -> None:
    scenes = ["0001_001_S6_00100_00060_3200_L", "0002_001_GP_00100_00060_3200_N", "0003_002_IP_00800_01000_5500_N"]
    filters = ["GRBG", "BGGR", "RGGB"]
    for scene, cfa, (raw, srgb) in zip(scenes, filters, pairs(), strict=False):
        start = scene[:4]
        neutral = np.array([0.5, 1.0, 0.8], np.float32)
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file["x"] = make_mosaic_of(raw * neutral, cfa).T  # as MATLAB stores it
        metadata = io.BytesIO()
        scipy.io.savemat(metadata, {"metadata": {"AsShotNeutral": neutral.astype(float), "Make": "x"}})
        folder = f"SIDD_Medium_Raw/Data/{scene}"
        write(
            source,
            {
                f"{folder}/{start}_GT_RAW_010.MAT": buffer.getvalue(),
                f"{folder}/{start}_NOISY_RAW_010.MAT": b"not read",
                f"{folder}/{start}_METADATA_RAW_010.MAT": metadata.getvalue(),
                f"mnt/d/SIDD_Medium_Srgb/Data/{scene}/{start}_GT_SRGB_010.PNG": picture(srgb, ".png"),
                f"mnt/d/SIDD_Medium_Srgb/Data/{scene}/{start}_NOISY_SRGB_010.PNG": b"not read",
            },
        )


def fivecam(server: Server, source: Path) -> None:
    files = {}
    for camera in ("S20", "P40"):
        for index, (raw, srgb) in enumerate(pairs()[:2]):
            codes = np.rint(raw * 65535).astype(np.uint16)
            files[f"{camera}/xyz/000{index}.tif"] = imageio.imwrite("<bytes>", codes, extension=".tif")
            files[f"{camera}/rgb/000{index}.png"] = picture(srgb, ".png")
    put_huggingface(server, "l-li/five-cam-xyz-rgb-1024", files)


def ntire2025(server: Server, source: Path) -> None:
    files = {"train/0.pkl": b"never read"}
    for index, (raw, srgb) in enumerate(pairs()):
        codes = np.rint(make_mosaic_of(raw, "RGGB") * 1023).astype(np.uint16)
        planes = np.stack([codes[0::2, 0::2], codes[0::2, 1::2], codes[1::2, 0::2], codes[1::2, 1::2]], axis=2)
        buffer = io.BytesIO()
        np.save(buffer, planes)
        files |= {f"train/{index}.npy": buffer.getvalue(), f"train/{index}.png": picture(srgb, ".png")}
    server.put("https://huggingface.co/datasets/marcosv/rgb2raw/resolve/main/train_rgb2raw.zip", zip_of(files))


def pixls(server: Server, source: Path) -> None:
    lines = []
    for index, (dng, _) in enumerate(roll()):
        path = f"Make {index}/Model/IMG_000{index}.CR2"
        lines.append(f"{hashlib.sha256(dng).hexdigest()} *{path}")
        server.put(f"https://raw.pixls.us/data/{path.replace(' ', '%20')}", dng)
    lines.append(f"{hashlib.sha256(b'x').hexdigest()} *timestamp.txt")
    server.put("https://raw.pixls.us/data/filelist.sha256", "\n".join(lines).encode())


def levin(server: Server, source: Path) -> None:
    grey = imageio.imwrite("<bytes>", np.arange(256, dtype=np.uint8).reshape(16, 16), extension=".png")
    root = (
        "https://raw.githubusercontent.com/csdwren/SelfDeblur/c2e505263a2e1818097f1ba33c1cf9e8e6b5f47d/datasets/levin"
    )
    for kernel in range(1, 9):
        server.put(f"{root}/gt/kernel{kernel}.png", grey)
        for image in range(1, 5):
            server.put(f"{root}/im{image}_kernel{kernel}_img.png", grey)
            server.put(f"{root}/gt/im{image}.png", grey)


def nus_cameras(server: Server, source: Path) -> None:
    write(source, {"NikonD7000_N_Indoor20110507/raw2jpg_transform.txt": b"Forward matrix\n1 0 0\n0 1 0\n0 0 1\n"})


FAKES: dict[str, Callable[[Server, Path], None]] = {
    "cubeplusplus": cubeplusplus,
    "fivecam": fivecam,
    "fivek-libraw": fivek_libraw,
    "hdrplus": hdrplus,
    "levin": levin,
    "ntire2025-rgb2raw": ntire2025,
    "nus-cameras": nus_cameras,
    "pixls": pixls,
    "raise-1k": raise_1k,
    "realblur-raw": realblur_raw,
    "s7-isp": s7_isp,
    "sidd-medium": sidd_medium,
    "zrr-test": zrr_test,
}
"""Puts the files of a set on the server, or into the folder of a user who got them by hand."""
