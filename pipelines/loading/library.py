"""What lies in the models folders: names, kinds and families, found from headers without loading anything. No torch."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.families import Detected
from pipelines.families.signature import home, misplaced
from pipelines.loading.facts import DETECTOR, Facts, key
from pipelines.loading.folder import describe_folder
from pipelines.loading.folders import Candidate, walk
from pipelines.loading.model_file import UNCLEAR, ModelFile, detected_by, inspect, side_car_version
from pipelines.loading.pickled import accepted, shapes_of
from pipelines.spec.errors import FieldError, ModelFileError, unknown

__all__ = ["AUTOMATIC", "Library", "ModelFile"]

AUTOMATIC = "Automatic"
READ_AT_SCAN = ("checkpoint", "vae", "controlnet", "")    # other kinds are read when they are used: 20 000 LoRAs list in a second
OPENED_AT_SCAN = ("controlnet", "ip-adapter")       # pickles whose family must be known to offer them
CHECKPOINT_SIZE = 10**9     # bytes; a file that large in a LoRA folder is looked at: it may have been put there by mistake
HASH = re.compile(r"^(?P<name>.*?)\s*\[(?P<hash>[0-9a-fA-F]{6,64})\]$", re.DOTALL)

log = logging.getLogger(__name__)


class Library:
    """Models of any number of roots. `cache` holds hashes, verdicts and the tokenizer; None keeps them in memory."""

    def __init__(self, roots: Sequence[Path], cache: Path | None = None) -> None:
        self.roots = tuple(Path(root) for root in roots)
        self.cache = cache
        self.facts = Facts(cache)
        self._files: tuple[ModelFile, ...] = ()
        self._scanned = False

    def scan(self) -> None:
        """List everything anew. Unreadable places are passed over; broken files are listed with their problem."""
        known = self.facts.detected()
        candidates = [candidate for root in self.roots for candidate in walk(root) if not _double(candidate)]
        fresh = _pickled(candidates, known)
        known |= fresh
        files = [self._look(candidate, known, fresh) for candidate in candidates]
        if fresh:
            self.facts.remember_detected(fresh)
        self._files = tuple(_with_unique_names(files))
        self._scanned = True

    def files(self) -> tuple[ModelFile, ...]:
        """All of them, broken ones too; scans on the first call."""
        if not self._scanned:
            self.scan()
        return self._files

    def short_hash(self, path: Path) -> str:
        """First 10 hex digits of the sha256 of any file, read once and kept. Raises ModelFileError when it cannot be read."""
        try:
            state = path.stat()
            return self.facts.sha256(path, f"{state.st_size}:{state.st_mtime_ns}")[:10]
        except OSError as error:
            raise ModelFileError(path.name, f"cannot be read ({error.strerror})", "Check its permissions.") from None

    def models(self) -> list[ModelFile]:
        """Checkpoints that can be used, in the order of their names; the embedded one first."""
        usable = [f for f in self.files() if f.kind == "checkpoint" and not f.problem]
        return sorted(usable, key=lambda f: (f.detected.family != "mini", f.name.lower()))

    def vaes(self) -> list[ModelFile]:
        return self.of_kind("vae")

    def of_kind(self, kind: str) -> list[ModelFile]:
        return sorted((f for f in self.files() if f.kind == kind and not f.problem), key=lambda f: f.name.lower())

    def problems(self) -> list[ModelFile]:
        """Files that lie in the folders and cannot be used; each has a `problem`."""
        return [f for f in self.files() if f.problem]

    def find(self, name: str) -> ModelFile:
        """The checkpoint of that name, stem, "name [hash]" or hash.

        Raises FieldError with the nearest names, or asking for folder or hash when several files have that stem, and
        ModelFileError for one that is broken, misplaced, gone or changed.
        """
        return self._find("Model", "checkpoint", name)

    def find_vae(self, name: str) -> ModelFile:
        """As `find`, among the VAEs."""
        return self._find("VAE", "vae", name)

    def find_kind(self, label: str, kind: str, name: str) -> ModelFile:
        """As `find`, among the files of `kind`; messages call it `label`."""
        return self._find(label, kind, name)

    def _find(self, label: str, kind: str, name: str) -> ModelFile:
        wanted, digest = _split_hash(name)
        files = [f for f in self.files() if f.kind == kind]
        candidates = _named(files, wanted)
        if digest and candidates:
            candidates = [f for f in candidates if not f.problem and f.short_hash().startswith(digest[:10])]
        elif not candidates and re.fullmatch(r"[0-9a-f]{10}|[0-9a-f]{64}", wanted.lower()):
            candidates = [f for f in files
                          if self.facts.known_sha256(f.weights, f.version).startswith(wanted.lower())]
        if len(candidates) > 1:
            raise FieldError(label, name, f"{len(candidates)} files have that name",
                             ", ".join(f.name for f in candidates), "Give the folder, or the hash in brackets")
        if not candidates:
            raise unknown(label, name, [f.name for f in files if not f.problem])
        found = candidates[0]
        if found.problem:
            raise ModelFileError(found.name, found.problem, found.fix)
        found.check_unchanged()
        return found

    def _look(self, candidate: Candidate, known: dict[str, tuple[str, Detected]],
              fresh: dict[str, tuple[str, Detected]]) -> ModelFile:
        listed = ModelFile(candidate.name, candidate.path, candidate.expected or "other", candidate.size,
                           candidate.mtime_ns, Detected("other"), candidate.is_folder, candidate.problem, facts=self.facts)
        if candidate.problem:
            return listed
        where, version = key(candidate.path), _version(candidate)
        try:
            if known.get(where, ("",))[0] == version:
                found = known[where][1]
            elif candidate.is_folder:
                found = describe_folder(candidate.path, candidate.name)
            elif _must_be_read(candidate):
                found = inspect(candidate.path, candidate.name)
                fresh[where] = (version, found)
            else:
                found = Detected(candidate.expected)
        except ModelFileError as error:
            return replace(listed, problem=error.why, fix=error.fix)
        except Exception:       # nobody foresaw what is in it; the others are listed all the same
            log.debug("%s cannot be understood", candidate.name, exc_info=True)
            return replace(listed, problem=UNCLEAR[0], fix=UNCLEAR[1])
        return _placed(replace(listed, detected=found), candidate.expected)


def _version(candidate: Candidate) -> str:
    """Names what a verdict was given on."""
    return f"{DETECTOR}:{candidate.size}:{candidate.mtime_ns}:{side_car_version(candidate.path)}"


def _double(candidate: Candidate) -> bool:
    """A pickle beside the .safetensors of the same name, as many are published."""
    return accepted(candidate.expected, candidate.path) and os.path.isfile(candidate.path.with_suffix(".safetensors"))


def _pickled(candidates: Iterable[Candidate], known: Mapping[str, tuple[str, Detected]]) -> dict[str, tuple[str, Detected]]:
    """Verdicts on the pickles whose place does not say enough of them, all by one process; broken ones are remembered too."""
    new = {c.path: c for c in candidates if accepted(c.expected, c.path) and c.expected in OPENED_AT_SCAN and not c.problem
           and known.get(key(c.path), ("",))[0] != _version(c)}
    return {key(path): (_version(new[path]), detected_by(path, new[path].expected, found))
            for path, found in (shapes_of(list(new)) if new else {}).items()}


def _must_be_read(candidate: Candidate) -> bool:
    """Whether the file's place does not say enough of it; pickles are "read" to be refused."""
    if accepted(candidate.expected, candidate.path):
        return False        # published so; it is converted when it is used (`pickled.py`)
    in_doubt = candidate.expected in READ_AT_SCAN or candidate.size > CHECKPOINT_SIZE
    return in_doubt or candidate.path.suffix.lower() != ".safetensors"


def _placed(file: ModelFile, expected: str) -> ModelFile:
    """`file` with its kind and problem, given the kind of the folder it lies in."""
    found = file.detected
    wrong = misplaced(found, expected) if expected else ""
    if wrong:
        return replace(file, problem=wrong, fix=home(found))
    return replace(file, kind=expected or found.kind, problem=found.problem, fix=found.fix)


def _split_hash(name: str) -> tuple[str, str]:
    """"foo.safetensors [6ce0161689]" -> ("foo", "6ce0161689")."""
    match = HASH.match(name)
    wanted, digest = (match["name"], match["hash"].lower()) if match else (name, "")
    return wanted.removesuffix(".safetensors"), digest


def _named(files: Iterable[ModelFile], wanted: str) -> list[ModelFile]:
    """Files of that full name; else of that stem. A usable file hides a broken one of the same name."""
    files = list(files)
    lowered = wanted.replace("\\", "/").lower()
    for of in (lambda f: f.name, lambda f: f.name.lower(), lambda f: f.stem.lower()):
        for usable in (True, False):
            hits = [f for f in files if of(f) in (wanted, lowered) and usable != bool(f.problem)]
            if hits:
                return hits
    return []


def _with_unique_names(files: Sequence[ModelFile]) -> list[ModelFile]:
    """Where two roots hold the same kind and name, both names get their root's folder in front."""
    by_name: dict[tuple[str, str], list[ModelFile]] = {}
    for file in files:
        by_name.setdefault((file.kind, file.name), []).append(file)
    result = []
    for group in by_name.values():
        if len(group) == 1:
            result.append(group[0])
            continue
        for number, file in enumerate(group, 1):
            parent = file.path.parent.name if not file.group else file.path.parent.parent.name
            taken = [other for other in group if other is not file and other.path.parent.name == file.path.parent.name]
            prefix = parent if not taken else f"{parent} {number}"
            result.append(replace(file, name=f"{prefix}/{file.name}"))
    return result
