"""People as OpenPose key points: the frozen model, the JSON forms found in the wild, shipped poses, the drawing. No torch."""

from pipelines.pose.drawing import draw
from pipelines.pose.figure import COLOURS, KEYPOINTS, LIMBS, Person, Point, Pose
from pipelines.pose.files import PosePreset, Poses
from pipelines.pose.openpose import from_data, from_json, to_data, to_json

__all__ = ["COLOURS", "KEYPOINTS", "LIMBS", "Person", "Point", "Pose", "PosePreset", "Poses", "draw", "from_data", "from_json",
           "to_data", "to_json"]
