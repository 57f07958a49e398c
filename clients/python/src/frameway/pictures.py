"""Pictures as numpy arrays and as images of Pillow. Both are optional: `pip install frameway[numpy,pillow]`."""

from __future__ import annotations

import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

from frameway import v1
from frameway.errors import ConfigError, Error, enum_name

if TYPE_CHECKING:
    import numpy
    import numpy.typing
    import PIL.Image

_CHANNELS = {v1.PICTURE_FORMAT_RGB8: 3, v1.PICTURE_FORMAT_BGR8: 3, v1.PICTURE_FORMAT_GRAY8: 1}


class PictureMissing(Error):
    """A picture was not delivered. The text says why."""


class Picture:
    """A picture of a delivered frame. `message` has its size, format and role."""

    def __init__(self, message: v1.Picture) -> None:
        self.message = message

    @property
    def width(self) -> int:
        return self.message.width

    @property
    def height(self) -> int:
        return self.message.height

    @property
    def format(self) -> str:
        """The full name of the format, for example PICTURE_FORMAT_JPEG."""
        return enum_name(v1.PictureFormat, self.message.format)

    @property
    def data(self) -> bytes:
        """The picture's bytes. Raises PictureMissing if they were not delivered."""
        if self.message.WhichOneof("content") != "data":
            role = enum_name(v1.PictureRole, self.message.role)
            reason = enum_name(v1.OmittedReason, self.message.omitted_reason)
            raise PictureMissing(f"the picture {role} was not delivered: {reason}")
        return self.message.data

    def image(self) -> PIL.Image.Image:
        """Returns the picture as an image of Pillow. Raises ConfigError if the bytes cannot be decoded."""
        from PIL import Image, UnidentifiedImageError

        size, stride = (self.width, self.height), self.message.row_stride_bytes
        match self.message.format:
            case v1.PICTURE_FORMAT_GRAY8:
                return Image.frombuffer("L", size, self.data, "raw", "L", stride, 1)
            case v1.PICTURE_FORMAT_RGB8:
                return Image.frombuffer("RGB", size, self.data, "raw", "RGB", stride, 1)
            case v1.PICTURE_FORMAT_BGR8:
                return Image.frombuffer("RGB", size, self.data, "raw", "BGR", stride, 1)
            case v1.PICTURE_FORMAT_NV12 | v1.PICTURE_FORMAT_I420:
                raise ConfigError(f"a picture of {self.format} is not converted: use `data`, or ask for the processed picture")
        try:
            image = Image.open(io.BytesIO(self.data))
            image.load()
        except (UnidentifiedImageError, OSError) as error:
            raise ConfigError(f"the {self.format} cannot be decoded: {error}") from error
        return image

    def array(self) -> numpy.typing.NDArray[numpy.uint8]:
        """Returns the pixels: height x width x 3 (red, green, blue), or height x width for grey.

        Raw RGB and grey pictures without padding are not copied: the array is read-only.
        """
        import numpy

        channels = _CHANNELS.get(self.message.format)
        if channels is None:
            image = self.image()
            return numpy.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
        stride = self.message.row_stride_bytes or self.width * channels
        rows: numpy.typing.NDArray[numpy.uint8] = numpy.frombuffer(self.data, numpy.uint8).reshape(self.height, stride)
        pixels = rows[:, : self.width * channels]
        if channels == 1:
            return pixels
        pixels = pixels.reshape(self.height, self.width, channels)
        return pixels[..., ::-1] if self.message.format == v1.PICTURE_FORMAT_BGR8 else pixels


def frame(
    stream_id: str,
    picture: Any,
    *,
    capture_time: datetime | None = None,
    attributes: dict[str, str] | None = None,
    publisher_sequence: int | None = None,
) -> v1.Frame:
    """Returns a frame to submit.

    `picture` is the bytes of a JPEG, PNG or WebP; an image of Pillow, which is sent as a PNG;
    or a numpy array of uint8, which is sent raw: height x width x 3 (red, green, blue), or height x
    width for grey. `capture_time` is the present time unless stated.
    """
    made = v1.Frame(stream_id=stream_id, attributes=attributes or {})
    if publisher_sequence is not None:
        made.publisher_sequence = publisher_sequence
    if capture_time is None:
        made.capture_time.GetCurrentTime()
    else:
        made.capture_time.FromDatetime(capture_time)
    if isinstance(picture, bytes | bytearray | memoryview):
        made.data = bytes(picture)
    elif hasattr(picture, "__array_interface__") and hasattr(picture, "dtype"):
        _fill_from_array(made, picture)
    elif hasattr(picture, "save"):
        encoded = io.BytesIO()
        picture.save(encoded, format="PNG")
        made.data = encoded.getvalue()
    else:
        raise ConfigError(f"a {type(picture).__name__} is no picture: pass bytes, a numpy array or an image of Pillow")
    return made


def _fill_from_array(made: v1.Frame, pixels: Any) -> None:
    shape = pixels.shape
    if pixels.dtype != "uint8" or not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)):
        raise ConfigError(
            f"an array of {pixels.dtype} with the shape {shape} is no picture: it must be uint8, height x width [x 3]"
        )
    made.height, made.width = shape[0], shape[1]
    made.format = v1.PICTURE_FORMAT_GRAY8 if len(shape) == 2 else v1.PICTURE_FORMAT_RGB8
    made.data = pixels.tobytes()
