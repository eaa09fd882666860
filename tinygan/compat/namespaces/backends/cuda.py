"""`torch.backends.cuda`: may a GPU multiply float32 as TF32? Here it may until told otherwise."""

from tinygan.backend.cuda import set_float32_precision, tensor_cores


class _Products:
    @property
    def allow_tf32(self) -> bool:
        return tensor_cores()

    @allow_tf32.setter
    def allow_tf32(self, allowed):
        set_float32_precision("tf32" if allowed else "exact")


matmul = _Products()
