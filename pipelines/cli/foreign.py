"""Launch flags of AUTOMATIC1111's web UI that people type: mapped where we have the thing, named where we have not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Foreign(NamedTuple):
    """A flag of theirs. `ours` are the words it becomes; `{}` among them stands for its value. `why` is said aloud."""

    ours: tuple[str, ...] = ()
    value: bool = False
    why: str = ""


SAME = "accepted, not needed: "
NOT = "not supported; "
SDPA = Foreign(why=SAME + "torch's own attention is always used")
FOREIGN = {
    "--gradio-auth": Foreign(("--auth", "{}"), True),
    "--autolaunch": Foreign(("--open-browser",)),
    "--ckpt-dir": Foreign(("--models-dir", "{}"), True),
    "--vae-dir": Foreign(("--models-dir", "{}"), True),
    "--no-half": Foreign(("--precision", "float32")),
    "--use-cpu": Foreign(("--device", "cpu"), True),
    "--device-id": Foreign(("--device", "cuda:{}"), True),
    "--medvram-sdxl": Foreign(("--medvram",)),
    "--no-half-vae": Foreign(why=SAME + "a VAE that overflows in half precision is run again in full"),
    "--upcast-sampling": Foreign(why=SAME + "the device decides"),
    "--xformers": SDPA, "--opt-sdp-attention": SDPA, "--opt-sdp-no-mem-attention": SDPA, "--opt-split-attention": SDPA,
    "--opt-sub-quad-attention": SDPA, "--opt-channelslast": Foreign(why=SAME + "the device decides"),
    "--skip-install": Foreign(why=SAME + "nothing is installed at the start"),
    "--skip-torch-cuda-test": Foreign(why=SAME + "the device is looked for at the first picture"),
    "--skip-version-check": Foreign(why=SAME + "see `python app.py doctor`"),
    "--skip-python-version-check": Foreign(why=SAME + "see `python app.py doctor`"),
    "--no-download-sd-model": Foreign(why=SAME + "nothing is downloaded unless you ask"),
    "--do-not-download-clip": Foreign(why=SAME + "nothing is downloaded unless you ask"),
    "--freeze-settings": Foreign(why=SAME + "settings are read once, at the start"),
    "--no-hashing": Foreign(why=SAME + "a file is hashed once and remembered"),
    "--disable-console-progressbars": Foreign(why=SAME + "the studio's console shows none"),
    "--api-auth": Foreign(("--auth", "{}"), True, "taken as --auth; one login opens the page and the API"),
    "--nowebui": Foreign(("--api",), why="taken as --api; the page is served beside it"),
    "--disable-safe-unpickle": Foreign(why=NOT + "pickled weights can run code; use .safetensors files"),
    "--enable-insecure-extension-access": Foreign(why=NOT + "copy the extension into extensions/ yourself"),
    "--cors-allow-origins": Foreign((), True, NOT + "use the page itself; other sites may not use the studio"),
    "--subpath": Foreign((), True, NOT + "use a host name of its own, and --allowed-hosts"),
    "--lora-dir": Foreign((), True, NOT + "use --models-dir for checkpoints and VAEs"),
    "--embeddings-dir": Foreign((), True, NOT + "use --models-dir for checkpoints and VAEs"),
    "--esrgan-models-path": Foreign((), True, NOT + "use --models-dir for checkpoints and VAEs"),
    "--ckpt": Foreign((), True, NOT + "use --models-dir, and choose the checkpoint on the page or with --model"),
    "--hide-ui-dir-config": Foreign(why=SAME + "folders cannot be changed from the page"),
    "--administrator": Foreign(why=SAME + "the page cannot change what is installed"),
    "--ui-settings-file": Foreign((), True, NOT + "use --data-dir; settings.json lies in it"),
    "--styles-file": Foreign((), True, NOT + "use --data-dir; styles lie in its presets folder"),
}


def translated(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """`words` in our flags, and one line for each of theirs that needs a word."""
    result: list[str] = []
    notes: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        theirs = FOREIGN.get(name)
        if theirs is None:
            result.append(word)
            continue
        if theirs.value and not equals and rest and not rest[0].startswith("--"):
            value = rest.pop(0)
        result += [part.replace("{}", value) for part in theirs.ours]
        if theirs.why:
            notes.append(f"{name}: {theirs.why}.")
    return result, notes
