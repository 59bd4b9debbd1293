"""Plain upscales in the studio: which pictures, checked; a durable job; its results kept with what made their sources.

The job's request is that of its first source, where there is one (the queue shows it); its payload says what is to be done.
A picture's index in the job is the place of its source in the list. Pictures given by a browser are kept by their hash;
files of a folder are read when their turn comes. With a `Repaint` each is painted again in tiles instead of enlarged alone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from pipelines.batch import safe
from pipelines.images import open_image
from pipelines.metadata import check_size, read, read_texts
from pipelines.spec.errors import Cancelled, FieldError, Halt, RequestError, Skipped, StudioError
from pipelines.spec.events import Emit, Event, Note, Saved, Stage, Step
from pipelines.spec.geometry import Size
from pipelines.spec.param import SHA256
from pipelines.spec.paths import expanded, utf8
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.repaint import Repaint
from pipelines.upscalers.automatic import AUTOMATIC
from pipelines.upscalers.files import about_depth, bits, pictures
from pipelines.upscalers.recipe import Recipe

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.queue import Job
    from pipelines.studio import Studio

KIND = "upscale"
MOST = 10_000           # pictures of one job
NOT_OF_THE_RESULT = ("job", "index", "seconds", "source", "upscaled")     # what a source's file says of itself alone


@dataclass(frozen=True)
class Source:
    """name: as the user knows it.   picture: 64 hex digits of a kept picture, or the path of a file on this machine.

    request: ours, where the source had one; text: another program's.   made: what its file says besides.   bits: a channel.
    """

    name: str
    picture: str
    request: dict[str, Any] | None = None
    text: str = ""
    made: dict[str, Any] | None = None
    bits: int = 8


@dataclass(frozen=True)
class Work:
    """What a job's payload holds."""

    recipe: Recipe
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    format: str = "png"
    quality: int = 95
    repaint: Repaint | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"), default=str)

    @classmethod
    def of_json(cls, text: str) -> Work:
        """Raises RequestError, one line a field, for what no version of this wrote."""
        try:
            return TypeAdapter(cls).validate_python(json.loads(text), extra="forbid")
        except ValidationError as error:
            refused = [(".".join(map(str, item["loc"])), item["input"], item["msg"]) for item in error.errors()]
        except (ValueError, RecursionError) as error:
            refused = [("job", text, f"not JSON ({type(error).__name__})")]
        raise RequestError([FieldError(f"Upscale {where}", given, f"this job cannot be read any more: {why}")
                            for where, given, why in refused])

    def file(self, job: Job, index: int) -> str:
        """Where result `index` is kept: "" (numbered) for a single picture, else the source's own name in the job's folder."""
        if len(self.sources) == 1:
            return ""
        stems = [PurePosixPath(source.name).stem for source in self.sources]
        stem = safe(stems[index]) + (f"-{index + 1}" if stems.count(stems[index]) > 1 else "")
        return f"{time.strftime('%Y-%m-%d', time.localtime(job.created))}/upscale-{job.id[:8]}/{stem}"


def given(studio: Studio, path: str | Path | bytes, name: str = "") -> Source:
    """A picture that somebody sent, a file or its bytes: kept, with what it says. Raises ImageFileError, StorageError."""
    file = path if isinstance(path, bytes) else Path(path)
    said = read(file)
    if isinstance(file, Path) and file.parent.resolve() == studio.inputs.folder.resolve() and SHA256.fullmatch(file.stem):
        kept = file.stem
    else:
        kept = studio.inputs.keep_file(file)
    request = said.full.model_dump(mode="json", exclude_none=True) if said.full else None
    name = name or (file.name if isinstance(file, Path) else "picture")
    return Source(name, kept, request, "" if said.full else said.infotext, said.made, bits(file))


def folder(studio: Studio, path: str) -> list[Source]:
    """The pictures of a folder of this machine. Refused while others may reach the studio. Raises FieldError, ImageFileError."""
    if studio.settings.exposed:
        raise FieldError("Folder", path, "this machine's folders are closed while others may reach the studio",
                         fix="Drop the pictures into the field instead")
    place = expanded("Folder", path.strip())
    if not place.is_absolute() or not os.path.isdir(place):
        raise FieldError("Folder", path, "no such folder", "the whole path of a folder on this machine")
    return [Source(utf8(file.name), str(file)) for file in pictures([str(place)])]


def work_of(studio: Studio, recipe: Recipe, sources: Sequence[Source], repaint: Repaint | None = None, format: str = "") -> Work:
    """Checked: names known, sizes that can be made, as far as the pictures are kept. format: "" is that of the settings.

    Raises FieldError, RequestError, ModelFileError.
    """
    if not sources:
        raise FieldError(studio.words("picture"), "", studio.words("picture_needed"), fix=studio.words("upscale_how_to"))
    if len(sources) > MOST:
        raise FieldError(studio.words("picture"), len(sources), "too many at once", f"1-{MOST}")
    recipe = recipe.checked(studio.upscalers)
    format = format or studio.settings.output_format
    work = Work(replace(recipe, deep=format == "png16"), tuple(sources), format, studio.settings.output_quality, repaint)
    kept = [source for source in sources if SHA256.fullmatch(source.picture)]
    for source in kept:
        _fits(recipe, studio.inputs.path(source.picture), format)
    if repaint and kept:
        painting(studio, work, kept[0])
    return work


def painting(studio: Studio, work: Work, source: Source) -> GenerationRequest:
    """The request that paints a kept `source` again. Raises FieldError, RequestError."""
    own = GenerationRequest.parse(source.request) if source.request else None
    asked = (work.repaint or Repaint()).request(source.picture, own, work.recipe, studio.library, studio.preprocessors)
    return studio.check(asked)


def _fits(recipe: Recipe, picture: Path, format: str) -> None:
    """Raises FieldError for a result that cannot be made or kept."""
    _, size = recipe.target.sizes(Size(*read_texts(picture).size))
    check_size(size, format)


def submit(studio: Studio, work: Work, owner: str = "", key: str | None = None) -> str:
    """Queue all of it as one job. Raises QueueFull, StorageError."""
    first = work.sources[0].request
    request = GenerationRequest.parse(first) if first else GenerationRequest()
    return studio.queue.submit(request, KIND, key, owner, (work.to_json(), len(work.sources)))


def described(job: Job) -> tuple[str, str]:
    """(which pictures, what is done to them) for a list of jobs."""
    try:
        work = Work.of_json(job.payload)
    except RequestError:
        return "", ""
    more = f" +{len(work.sources) - 1}" if len(work.sources) > 1 else ""
    target = work.recipe.target
    size = f"{target.width or '…'}×{target.height or '…'}" if target.width or target.height else f"×{target.scale:g}"
    return work.sources[0].name + more, f"{work.recipe.upscaler or AUTOMATIC} {size}"


def run(studio: Studio, job: Job, emit: Emit) -> None:
    """Make and save the missing pictures. One that cannot be made is named and the next follows.

    Raises the last error when none could be made.
    """
    work, missing = Work.of_json(job.payload), job.missing
    errors: list[StudioError] = []
    for number, index in enumerate(missing):
        def part(event: Event, number: int = number) -> None:
            emit(Step(number + 1, len(missing), event.step, event.steps) if isinstance(event, Step) else event)

        source = work.sources[index]
        try:
            part(Stage(source.name))
            emit(Saved(index, one(studio, work, source, part, {"job": job.id, "index": index}, work.file(job, index))))
        except Skipped:
            emit(Note(f"{source.name}: skipped."))
        except (Cancelled, Halt):
            raise
        except StudioError as error:
            errors.append(error)
            emit(Note(f"{source.name}: {error}"))
    if errors and len(errors) == len(missing):
        raise errors[-1]


def one(studio: Studio, work: Work, source: Source, emit: Emit, of_job: dict[str, Any], file: str = "") -> str:
    """Make one picture and save it (as `file`, without suffix); its file, relative to the outputs folder."""
    begun = time.monotonic()
    picture, source = opened(studio, source)
    _fits(work.recipe, studio.inputs.path(source.picture), work.format)
    make = _enlarged if work.repaint is None else _painted
    result, request, extra = make(studio, work, (picture, source), emit)
    extra |= {"seconds": round(time.monotonic() - begun, 2), "source": source.picture} | of_job
    saved = studio.archive.save(result, request, extra, work.format, work.quality, file).file
    if isinstance(request, GenerationRequest) and work.repaint is not None:
        studio.tell(result, request, emit)
    return saved


Made = tuple[Any, GenerationRequest | str, dict[str, Any]]
"""A picture, what made it, and what else its file says."""


def _enlarged(studio: Studio, work: Work, taken: tuple[Image, Source], emit: Emit) -> Made:
    from pipelines.studio import VERSION
    from pipelines.upscalers.making import Bench, made

    picture, source = taken
    if work.recipe.deep:
        emit(Note(about_depth(source.bits)))
    done = made(picture, work.recipe, Bench(studio.upscalers, studio.engine.residency), emit)
    extra = {key: value for key, value in (source.made or {}).items() if key not in NOT_OF_THE_RESULT}
    extra |= done.recipe.done() | done.recipe.pinned(studio.upscalers)
    extra |= {"Version": f"Atelier {VERSION}", "upscaled": asdict(done.recipe)}
    return done.picture, GenerationRequest.parse(source.request) if source.request else source.text, extra


def _painted(studio: Studio, work: Work, taken: tuple[Image, Source], emit: Emit) -> Made:
    finished = next(studio.engine.run(painting(studio, work, taken[1]), emit), None)
    if finished is None:        # the engine has said it
        raise Skipped("picture")
    return finished.image, finished.request, studio.made(finished)


def opened(studio: Studio, source: Source) -> tuple[Image, Source]:
    """The picture, and its source with what is known now: a file of a folder is kept and read only here."""
    if not SHA256.fullmatch(source.picture):
        open_image(source.picture)      # says what is wrong with it before it is looked into
        source = given(studio, source.picture, source.name)
    return studio.inputs.open(source.picture), source
