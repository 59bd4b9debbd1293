"""`python -m pipelines.training.sketch PICTURES --model NAME`: a guidance predictor for one's own model, put where it is found."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipelines.loading.environment import prepare_environment
from pipelines.spec.events import Event, Note, Stage, Step

LINE = 50  # steps between two lines


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines.training.sketch", description=__doc__)
    parser.add_argument("pictures", type=Path, help="a folder; a .txt of the same name beside a picture says what it shows")
    parser.add_argument("--model", default="mini", help="the checkpoint it is for; default mini")
    parser.add_argument("--models", type=Path, action="append", help="a models folder (repeatable); default models")
    parser.add_argument("--out", type=Path, help="the file; default sketch/<model>-edges.safetensors beside or in the model")
    parser.add_argument("--edges", default="canny", help="the preprocessor that draws the edges: canny, softedge_pidinet …")
    parser.add_argument("--hooks", default="", help="paper, sketch2img, every block or mini; default: what suits the model")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1e-4, help="Adam's learning rate; default 1e-4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    return parser.parse_args(argv)


def tell(event: Event) -> None:
    """The events of any job, as lines on standard error."""
    if isinstance(event, Stage | Note):
        print(event.text, file=sys.stderr, flush=True)
    elif isinstance(event, Step) and (event.step % LINE == 0 or event.step == event.steps):
        print(f"{'teaching' if event.image == 2 else 'pictures'} {event.step}/{event.steps}", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """The exit code: 0 written (the path goes to standard output), 2 bad input, 130 stopped with Ctrl+C."""
    given = arguments(argv)
    prepare_environment()
    from pipelines.loading.device import Device
    from pipelines.loading.library import Library
    from pipelines.loading.residency import Residency
    from pipelines.spec.errors import StudioError
    from pipelines.tasks.preprocess import Preprocessors
    from pipelines.training.sketch.lessons import lessons, pictures
    from pipelines.training.sketch.teaching import Teaching, teach, write

    roots = given.models or [Path("models")]
    try:
        library = Library(roots)
        model = library.find(given.model)
        residency, looks = Residency(library, Device.pick(given.device)), Preprocessors(roots, given.device)
        pipe, side = residency.pipeline("txt2img", model.name, emit=tell), model.family.native_px
        taught = lessons(pictures(given.pictures), pipe.vae, side, lambda p: looks.run(given.edges, p, {}, side), tell)
        hooks = given.hooks or ("mini" if model.family.name == "mini" else "paper")
        predictor, losses = teach(pipe, taught, Teaching(hooks, given.steps, given.batch, given.rate, given.seed), tell)
    except StudioError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    folder = model.path if model.is_folder else roots[0]
    out = given.out or folder / "sketch" / f"{model.stem}-edges.safetensors"
    write(predictor, out, hooks)
    tail = losses[-100:]
    print(f"loss of the last {len(tail)} steps: {sum(tail) / len(tail):.4f}", file=sys.stderr)
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
