"""As what a picture is to be saved anew that cannot be read as it is."""

from __future__ import annotations

from unretouch.base.messages import _

AS_TIFF_OR_PNG = _("Save it as TIFF or PNG")
AS_RGB = _("Save it as RGB")
WITH_16_OR_8_BITS = _("Save it with 16 or 8 bits a channel")
