"""What a request's prompts call for besides the model, LoRAs and embeddings: found, laid over a pipeline, named in the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.loading.library import Library, ModelFile
from pipelines.loading.loras import Chosen, chosen, hashes, named_embeddings, read_embedding, read_lora
from pipelines.spec.events import Emit, Note
from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from pipelines.prompt.inversion import Inversions


@dataclass(frozen=True)
class Networks:
    """The files of one request."""

    loras: tuple[Chosen, ...] = ()
    embeddings: tuple[ModelFile, ...] = ()

    @classmethod
    def of(cls, request: GenerationRequest, library: Library) -> Networks:
        """Raises FieldError and ModelFileError as `loras.chosen` does."""
        texts = (request.prompt, request.negative_prompt)
        return cls(chosen(request.prompt, library), tuple(named_embeddings(texts, library)))

    @property
    def change_encoders(self) -> bool:
        """Whether a prompt is encoded otherwise than by the model alone, so that nothing encoded may be kept."""
        return any(one.te for one in self.loras)

    def inversions(self) -> Inversions:
        """The embeddings, read. Raises ModelFileError."""
        from pipelines.prompt.inversion import NO_INVERSIONS, Inversions

        return Inversions([read_embedding(file) for file in self.embeddings]) if self.embeddings else NO_INVERSIONS

    @contextmanager
    def laid_over(self, pipe: Any, emit: Emit) -> Iterator[None]:
        """The LoRAs within the block, nothing of them afterwards. Raises FieldError and ModelFileError."""
        if not self.loras:
            yield
            return
        from pipelines.patches.lora import applied

        with applied(pipe, [read_lora(one) for one in self.loras if one.te or one.unet]) as notes:
            for note in notes:
                emit(Note(note))
            yield

    def hashes(self) -> dict[str, str]:
        """Entries of the picture's file, as AUTOMATIC1111 names them."""
        return hashes(self.loras, self.embeddings)
