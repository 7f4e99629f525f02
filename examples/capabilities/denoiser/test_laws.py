"""The laws that every plugin keeps."""

import example_denoiser as plugin

from gengauge.testing import laws_of

test_laws = laws_of(plugin)
