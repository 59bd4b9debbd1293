"""The import that must come first does its work in a fresh interpreter."""

import subprocess
import sys

import pytest

from pipelines.loading.environment import prepare_environment


def in_fresh_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_diffusers_and_torchvision_import_after_it():
    code = ("import pipelines.loading.compat\nfrom diffusers import UNet2DConditionModel\nimport torchvision\n"
            "from torchvision.transforms import functional\nprint('fine')")
    assert in_fresh_python(code) == "fine"


def test_the_hub_is_offline_before_it_is_imported():
    code = "import pipelines.loading.compat\nfrom huggingface_hub import constants\nprint(constants.HF_HUB_OFFLINE)"
    assert in_fresh_python(code) == "True"


def test_importing_the_package_alone_brings_no_torch():
    assert in_fresh_python("import sys, pipelines.loading, pipelines.loading.environment\nprint('torch' in sys.modules)") == "False"


@pytest.mark.parametrize(("given", "kept"), [({}, "1"), ({"HF_HUB_OFFLINE": "0"}, "0")], ids=["default", "the user's word"])
def test_environment_defaults_leave_what_the_user_set(given, kept):
    prepare_environment(given)
    assert given["HF_HUB_OFFLINE"] == kept


def test_the_empty_dtype_line_is_not_logged():
    code = ("import pipelines.loading.compat, logging\nfrom diffusers.utils import logging as dl\n"
            "log = logging.getLogger('diffusers.models.modeling_utils')\n"
            "log.error('There are modules in X that should be kept in float32: []. And so on')\nlog.error('real')")
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120)
    assert "real" in done.stderr and "float32" not in done.stderr


def test_the_name_that_basicsr_imports_is_there_only_when_asked_for():
    code = ("import sys\nfrom pipelines.loading.compat import provide_functional_tensor\n"
            "name = 'torchvision.transforms.functional_tensor'\nbefore = name in sys.modules\nprovide_functional_tensor()\n"
            "from torchvision.transforms.functional_tensor import rgb_to_grayscale\nprint(before, callable(rgb_to_grayscale))")
    assert in_fresh_python(code) == "False True"
