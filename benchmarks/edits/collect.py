#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Collects pairs of a file before and after an edit from Debian packages with permissive licences.

    collect.py --out FILE [--pairs N] [--seed S] [--cache FOLDER] [--packages FILE]

FILE receives one JSON object per line: name, kind, package, licence, path, change, before, after. The kinds:

    patch       a file as one patch of debian/patches changes it
    release     a Python file of an older and a newer version of a package
    rename      a Python file in which a variable, function or attribute is renamed
    signature   a Python file in which a function gets a parameter that its calls pass
    ordinary    a Python file; before is empty

Needs apt-get with Debian as one of its sources, dpkg-deb, patch. Nothing of the system's configuration is changed: the
lists of packages and the packages go to FOLDER (default: a temporary one). Reads packages.tsv: package, use (patch: a
source package; release: a binary package), version, older version, licence. Versions are fixed, and the same seed
gives the same pairs.
"""
import argparse
import difflib
import glob
import io
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True  # the script's folder stays as it is
import rewrites  # noqa: E402

SUITES = "bookworm trixie"
KINDS = ("patch", "release", "rename", "signature", "ordinary")
LINES = range(40, 401)  # of a file, before and after
MAX_CHANGED = 0.3  # share of lines
SUFFIXES = (".py", ".md", ".c", ".h", ".cc", ".cpp", ".hpp")
HERE = os.path.dirname(os.path.abspath(__file__))


class failure(Exception):
    """One sentence for the user."""


def output_of(command, what, **options):
    try:
        made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
    except OSError as e:
        raise failure(f"{command[0]}: cannot be run: {e.strerror}") from None
    if made.returncode:
        lines = made.stderr.decode(errors="replace").strip().split("\n")
        reason = next((line for line in lines if line.startswith("E:")), lines[-1])
        raise failure(f"{what}: {command[0]} failed: {reason}")
    return made.stdout


# ---------------------------------------------------------------- packages


def debian_source():
    """(address, options) of the Debian archive among the sources of this system."""
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        with open(path, encoding="utf-8") as f:
            for entry in re.split(r"\n\s*\n", f.read()):
                address = re.search(r"^URIs:.*?(\S+/debian/?)(?:\s|$)", entry, re.M)
                if address:
                    return address[1], re.findall(r"^Signed-By:.*(?:\n[ \t].*)*", entry, re.M)
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                entry = re.search(r"^deb\s+(?:\[(.*?)\]\s+)?(\S+/debian/?)\s", f.read(), re.M)
            if entry:
                signed = re.search(r"signed-by=(\S+)", entry[1] or "")
                return entry[2], ["Signed-By: " + signed[1]] if signed else []
    raise failure("/etc/apt: expected a source whose address ends in /debian, found none")


def apt_environment(folder):
    """Makes a configuration of apt whose lists are in `folder`; returns the environment in which apt uses it."""
    address, options = debian_source()
    for name in ("lists/partial", "cache/archives/partial", "sources"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    with open(os.path.join(folder, "sources", "debian.sources"), "w", encoding="utf-8") as f:
        lines = ["Types: deb deb-src", "URIs: " + address, "Suites: " + SUITES, "Components: main", *options]
        f.write("\n".join(lines) + "\n")
    path = os.path.join(folder, "apt.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write('Dir::Etc::sourcelist "/dev/null";\n')
        for key, name in (("Etc::sourceparts", "sources"), ("State::lists", "lists"), ("Cache", "cache")):
            f.write(f'Dir::{key} "{os.path.join(folder, name)}";\n')
        if os.geteuid() == 0:
            f.write('APT::Sandbox::User "root";\n')
    return dict(os.environ, APT_CONFIG=path, LC_ALL="C")


def file_version(version):
    return version.split(":")[-1]


def deb_of(folder, name, version):
    found = glob.glob(os.path.join(glob.escape(folder), f"{name}_*.deb"))
    ends = (f"_{file_version(version)}", f"%3a{file_version(version)}")
    return next((f for f in sorted(found) if f.rsplit("_", 1)[0].endswith(ends)), None)


def source_parts(folder, name, version):
    """(original archive, archive of debian/), each None where it is not there."""
    upstream = file_version(version).rsplit("-", 1)[0]
    first = glob.glob(os.path.join(glob.escape(folder), f"{name}_{upstream}.orig.tar.*"))
    debian = glob.glob(os.path.join(glob.escape(folder), f"{name}_{file_version(version)}.debian.tar.*"))
    return next(iter(sorted(f for f in first if not f.endswith(".asc"))), None), next(iter(sorted(debian)), None)


def download(packages, folder):
    """Downloads what is not there yet."""
    debs = [(p["package"], v) for p in packages if p["use"] == "release" for v in (p["older"], p["version"])]
    debs = [d for d in debs if not deb_of(folder, *d)]
    sources = [(p["package"], p["version"]) for p in packages if p["use"] == "patch"]
    sources = [s for s in sources if None in source_parts(folder, *s)]
    if not debs and not sources:
        return
    environment = apt_environment(os.path.join(folder, "apt"))
    output_of(["apt-get", "-qq", "update"], "the lists of packages", env=environment)
    if debs:
        output_of(["apt-get", "-qq", "download", *("=".join(d) for d in debs)], "packages", env=environment, cwd=folder)
    for name, version in sources:
        output_of(["apt-get", "-qq", "source", "--download-only", "--only-source", f"{name}={version}"], name,
                  env=environment, cwd=folder)


def files_of_deb(path):
    """Name to content of the files of a package."""
    data = output_of(["dpkg-deb", "--fsys-tarfile", path], path)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {re.sub(r"^\./", "", m.name): tar.extractfile(m).read() for m in tar if m.isfile()}


def check_licence(package, copyright_file):
    """Compares the licence of `Files: *` in Debian's copyright file with the one in the list."""
    for paragraph in re.split(r"\n\s*\n", copyright_file.decode(errors="replace")):
        files = re.search(r"^Files:\s*(\S+)", paragraph, re.M)
        name = re.search(r"^License:[ \t]*(.*)$", paragraph, re.M)
        if files and name and files[1].strip(",") in ("*", "./*"):
            if name[1].strip() != package["licence"]:
                break
            return
    else:
        name = [None, "none"]
    raise failure(f"{package['package']}: licence: expected {package['licence']}, found {name[1].strip()}")


# ---------------------------------------------------------------- files


HEADER = re.compile(r"\A((?:#[^\n]*\n|[ \t]*\n)+)")


def text_of(content):
    """The text without a leading comment that is a licence, or None where it is no text that someone wrote."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    text = text.replace("\r\n", "\n")
    header = HEADER.match(text)
    if header and re.search(r"licen[sc]e|copyright|warrant", header[1], re.I):
        text = text[header.end():]
    lines = text.split("\n")
    if len(lines) not in LINES or max(map(len, lines)) > 300 or "\0" in text:
        return None
    if sum(c.isdigit() for c in text) > 0.12 * len(text) or sum(ord(c) > 127 for c in text) > 0.03 * len(text):
        return None
    return text


def changed_share(before, after):
    """Changed lines, inserted and removed ones included, over the lines before."""
    a, b = before.split("\n"), after.split("\n")
    codes = difflib.SequenceMatcher(None, a, b, False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in codes if tag != "equal") / len(a)


def is_edit(before, after):
    return before is not None and after is not None and before != after and changed_share(before, after) <= MAX_CHANGED


def unpack(archive, folder):
    """Unpacks the plain files of an archive without its first folder, if all are in one."""
    try:
        with tarfile.open(archive) as tar:
            members = [m for m in tar if m.isfile()]
            tops = {m.name.split("/")[0] for m in members}
            for m in members:
                name = m.name.split("/", 1)[1] if len(tops) == 1 and "debian" not in tops else m.name
                path = os.path.normpath(os.path.join(folder, name))
                if path.startswith(folder + os.sep):
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    with open(path, "wb") as f:
                        f.write(tar.extractfile(m).read())
    except (OSError, tarfile.TarError) as e:
        raise failure(f"{archive}: cannot be unpacked: {e}") from None


def read(path):
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as f:
        return f.read()


def patched_files(package, folder):
    """(path, change, before, after) of each file as each patch changes it."""
    name = package["package"]
    first, debian = source_parts(folder, name, package["version"])
    if first is None or debian is None:
        raise failure(f"{name} {package['version']}: expected an original archive and one of debian/")
    with tempfile.TemporaryDirectory() as tree:
        unpack(first, tree)
        unpack(debian, tree)
        check_licence(package, read(os.path.join(tree, "debian/copyright")) or b"")
        series = (read(os.path.join(tree, "debian/patches/series")) or b"").decode()
        for line in series.split("\n"):
            words = line.split("#")[0].split()
            if not words:
                continue
            path = os.path.join(tree, "debian/patches", words[0])
            patch = (read(path) or b"").decode(errors="replace")
            names = sorted(set(re.findall(r"^\+\+\+ [^/\s]+/(\S+)", patch, re.M)))
            before = {n: read(os.path.join(tree, n)) for n in names}
            apply = ["patch", "-s", "-f", "-p1", "--no-backup-if-mismatch", "-i", path]
            output_of(apply, f"{name}: {words[0]}", cwd=tree)
            for n in names:
                after = read(os.path.join(tree, n))
                if before[n] is not None and after is not None and n.endswith(SUFFIXES):
                    change = re.sub(r"\.(patch|diff)$", "", words[0].split("/")[-1])
                    yield n, re.sub(r"[-_ ]+", " ", change), text_of(before[n]), text_of(after)


def python_files(files):
    """Path within the packages of Python to text."""
    found = {}
    for path, content in sorted(files.items()):
        inside = re.match(r"usr/(?:lib/python3|lib|share)/(?:dist-packages/)?(.*\.py)$", path)
        if inside and not re.search(r"(^|/)(_?vendor|vendored|externals?|_?extern|migrations|locale)(/|$)", inside[1]):
            text = text_of(content)
            if text:
                found[inside[1]] = text
    return found


# ---------------------------------------------------------------- pairs


def sample(candidates, count, generator):
    """At most `count` items, taken by turns from each package in a random order."""
    order = sorted(candidates)
    generator.shuffle(order)
    queues = {p: generator.sample(candidates[p], len(candidates[p])) for p in order}
    found = []
    while len(found) < count and any(queues.values()):
        for p in order:
            if queues[p] and len(found) < count:
                found.append((p, queues[p].pop()))
    return found


def rewritten(newer, kind, count, seed, used):
    """(package, (path, change, before, after)) of refactored files."""
    generator = random.Random(f"{seed} {kind}")
    rewrite = rewrites.rename if kind == "rename" else rewrites.signature
    total = sum(map(len, newer.values()))
    found = []
    for package, path in sample({p: sorted(f) for p, f in newer.items()}, total, generator):
        if len(found) == count:
            break
        before = newer[package][path]
        if (package, path) in used:
            continue
        try:
            made = rewrite(before, generator)
        except (SyntaxError, ValueError):  # not of this Python's syntax
            continue
        if made and is_edit(before, made[0]):
            used.add((package, path))
            found.append((package, (path, made[1], before, made[0])))
    return found


def collect(packages, folder, count, seed):
    """The pairs of all kinds."""
    patches, releases, newer = {}, {}, {}
    for package in packages:
        name = package["package"]
        if package["use"] == "patch":
            patches[name] = [f for f in patched_files(package, folder) if is_edit(f[2], f[3])]
            continue
        files = [files_of_deb(deb_of(folder, name, package[v])) for v in ("older", "version")]
        check_licence(package, files[1].get(f"usr/share/doc/{name}/copyright", b""))
        old, newer[name] = map(python_files, files)
        change = f"update from version {package['older'].rsplit('-', 1)[0]} to {package['version'].rsplit('-', 1)[0]}"
        releases[name] = [(path, change, old[path], text) for path, text in newer[name].items()
                          if path in old and is_edit(old[path], text)]
    found = {"patch": sample(patches, count, random.Random(f"{seed} patch")),
             "release": sample(releases, count, random.Random(f"{seed} release"))}
    used = {(p, f[0]) for p, f in found["release"]}
    for kind in ("rename", "signature"):
        found[kind] = rewritten(newer, kind, count, seed, used)
    rest = {p: [(path, "", "", text) for path, text in sorted(f.items()) if (p, path) not in used]
            for p, f in newer.items()}
    found["ordinary"] = sample(rest, count, random.Random(f"{seed} ordinary"))
    licences = {p["package"]: p["licence"] for p in packages}
    for kind in KINDS:
        for package, (path, change, before, after) in sorted(found[kind]):
            yield dict(name=f"{kind}/{package}/{path}", kind=kind, package=package, licence=licences[package],
                       path=path, change=change, before=before, after=after)


def summary(pairs):
    print(f"{'kind':<10} {'pairs':>5} {'packages':>8} {'lines before':>12} {'after':>6} {'characters':>10}"
          f" {'changed lines, median':>22} {'mean':>6}")
    for kind in KINDS:
        of = [p for p in pairs if p["kind"] == kind]
        if not of:
            continue

        def median(key, of=of):
            return statistics.median(map(key, of))

        before = "" if kind == "ordinary" else f"{median(lambda p: p['before'].count(chr(10)) + 1):.0f}"
        shares = [] if kind == "ordinary" else [changed_share(p["before"], p["after"]) for p in of]
        changed = f" {statistics.median(shares):>22.1%} {statistics.mean(shares):>6.1%}" if shares else ""
        print(f"{kind:<10} {len(of):>5} {len({p['package'] for p in of}):>8} {before:>12}"
              f" {median(lambda p: p['after'].count(chr(10)) + 1):>6.0f} {median(lambda p: len(p['after'])):>10.0f}"
              + changed)


def read_list(path):
    try:
        with open(path, encoding="utf-8") as f:
            header, *rows = [line.rstrip("\n").split("\t") for line in f if line.strip()]
    except (OSError, ValueError) as e:
        raise failure(f"{path}: cannot be read: {getattr(e, 'strerror', None) or e}") from None
    if header != ["package", "use", "version", "older", "licence"] or any(len(r) != 5 for r in rows):
        raise failure(f"{path}: expected the columns package, use, version, older, licence")
    return [dict(zip(header, row)) for row in rows]


def main():
    options = argparse.ArgumentParser(description="Collects files before and after an edit.")
    options.add_argument("--out", required=True, help="file to write")
    options.add_argument("--pairs", type=int, default=60, help="max pairs of each kind")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--cache", help="folder for downloads, which a later run finds there")
    options.add_argument("--packages", default=os.path.join(HERE, "packages.tsv"), help="list of packages")
    options = options.parse_args()
    if options.pairs < 1:
        raise failure(f"--pairs: expected at least 1, found {options.pairs}")
    packages = read_list(options.packages)
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.path.abspath(options.cache or temporary)
        os.makedirs(folder, exist_ok=True)
        download(packages, folder)
        pairs = list(collect(packages, folder, options.pairs, options.seed))
    try:
        with open(options.out, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(p, ensure_ascii=False) + "\n" for p in pairs)
    except OSError as e:
        raise failure(f"{options.out}: cannot be written: {e.strerror}") from None
    summary(pairs)


if __name__ == "__main__":
    try:
        main()
    except failure as e:
        sys.exit(f"collect.py: {e}")
