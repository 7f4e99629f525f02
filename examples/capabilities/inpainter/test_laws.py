"""The laws that every plugin keeps."""

import example_inpainter as plugin

from gengauge.testing import laws_of

test_laws = laws_of(plugin)
