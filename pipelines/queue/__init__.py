"""Jobs: durable, cancellable, watched. Not the standard library's `queue`: imports in this project are absolute."""

from pipelines.queue.job import Job, Outcome, QueueFull, Status
from pipelines.queue.jobs import JobQueue
from pipelines.queue.progress import Progress

__all__ = ["Job", "JobQueue", "Outcome", "Progress", "QueueFull", "Status"]
